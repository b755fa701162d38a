/** What leads to an entity that was merged away leads to the one that it became, in a bundle too, and never in a circle. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type Workspace } from '@keelson/core'
import { memoryStore, testConductor } from '@keelson/testing'
import { code, me, open } from './support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
const Project = defineEntity({
  name: 'project',
  version: 1,
  schema: z.object({ name: z.string(), of: z.string() }),
  links: { of: Customer },
  index: ['of'],
})

describe('an entity that was merged away', () => {
  it('leads in a merged bundle to the one that it became, and so do links and memories', async () => {
    const keelson = await open(memoryStore(), { playbooks: [], entities: [Customer, Project] })
    const acme = keelson.workspace('acme')
    const customers = acme.entities(Customer, { by: me })
    const ids: string[] = []
    for (const name of ['a', 'b', 'c']) ids.push((await customers.create({ name }, { refs: { crm: name } })).id)
    const [a, b, c] = ids as [string, string, string]
    await acme.entities(Project, { by: me }).create({ name: 'site', of: a })
    await acme.memory.remember({ subject: { type: 'customer', id: a }, predicate: 'likes', value: 'tea' }, { by: me })
    for (const id of [a, b]) await customers.identify(id, { refs: { crm: null } })
    await customers.merge(b, a)
    await customers.merge(c, b)
    const target = keelson.workspace('target')
    const own = await target.entities(Customer, { by: me }).create({ name: 'c' }, { refs: { crm: 'c' } })
    const report = await target.merge(await linesOf(acme), { by: me })
    expect(report.entities.map(({ what }) => what).sort()).toEqual(['created', 'same'])
    expect(await target.entities(Project).find({ of: own.id })).toMatchObject({ data: { name: 'site' } })
    const about = { type: 'customer', id: own.id }
    expect(await target.memory.facts({ about })).toMatchObject([{ value: 'tea' }])
  })

  it('hears under its key what is new of it, and the survivor keeps its own', async () => {
    const Contact = defineEntity({
      name: 'contact',
      version: 1,
      schema: z.object({ email: z.string(), name: z.string(), phone: z.string().optional() }),
      key: ({ email }) => email,
    })
    const syncs = code(async (ctx) => ctx.entities(Contact).upsert({ email: 'b@x', name: 'B', phone: '2' }))
    const keelson = await open(memoryStore(), { playbooks: [syncs], entities: [Contact] })
    const contacts = keelson.entities(Contact, { by: me })
    const a = await contacts.create({ email: 'a@x', name: 'A', phone: '1' })
    const b = await contacts.create({ email: 'b@x', name: 'B' })
    await contacts.merge(a.id, b.id)
    const { version } = await contacts.get(a.id)
    expect(await contacts.upsert({ email: 'b@x', name: 'B' })).toMatchObject({ id: a.id, version })
    const synced = await (await keelson.start(syncs, {}, { id: 'one' })).result()
    expect(synced).toMatchObject({ id: a.id, data: { email: 'a@x', name: 'A', phone: '2' } })
  })

  it('is answered as of any instant, also where each was once merged into the other', async () => {
    const t = await testConductor({ playbooks: [], entities: [Customer] })
    const customers = t.keelson.entities(Customer, { by: me })
    const [a, b] = [await customers.create({ name: 'a' }), await customers.create({ name: 'b' })]
    await t.advance('1h')
    const validAt = t.clock.now()
    await t.advance('1h')
    await customers.merge(b.id, a.id, { validAt })
    await customers.restore(a.id)
    await customers.merge(a.id, b.id, { validAt })
    const valid = validAt + 1
    for (const id of [a.id, b.id]) expect(await customers.asOf(id, { valid })).toMatchObject({ id: a.id })
    for (const id of [a.id, b.id]) expect(await customers.asOf(id, { valid: validAt - 1 })).toMatchObject({ id })
    await t.stop()
  })
})

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}
