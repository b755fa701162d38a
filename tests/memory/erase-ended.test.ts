/** What was ended by an entry that an erasure takes stays ended: for who verifies or rebuilds, and in a bundle. */
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineEntity, defineEvent, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open } from '../support/open.ts'

const Customer = defineEntity({
  ...{ name: 'customer', version: 1 },
  schema: z.object({ name: z.string(), town: z.string().optional() }),
})
const by = { by: me, reason: 'asked' }

function file() {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  return { session: () => sqlite(join(folder, 'company.db')) } as never
}

it.each([
  ['in memory', memoryStore],
  ['in a file', file],
])('an identity that was taken away does not return with an erasure, nor with the next one, %s', async (_, store) => {
  const keelson = await open(store(), { playbooks: [], entities: [Customer] })
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: 'Acme' })
  await customers.identify(id, { refs: { stripe: 'cus_1' } })
  await customers.update(id, { name: 'Beta Works', town: 'Marylebone' })
  await customers.identify(id, { refs: { stripe: null } })
  const said = await keelson.memory.remember({ text: 'Beta Works' }, { by: me })
  for (const erase of [
    () => customers.erase(id, { fields: ['town'] }),
    () => keelson.memory.erase({ ids: [said.id] }, by),
  ]) {
    await erase()
    expect((await keelson.audit.verify()).faults).toEqual([])
    const lines: string[] = []
    for await (const line of keelson.workspace('default').export()) lines.push(line)
    const there = await open(memoryStore(), { playbooks: [], entities: [Customer] })
    await there.workspace('default').import(lines, { by: me, adopt: true })
    expect(await there.entities(Customer).byRef('stripe', 'cus_1')).toBeUndefined()
    expect((await there.audit.verify()).faults).toEqual([])
  }
  expect(await customers.byRef('stripe', 'cus_1')).toBeUndefined()
})

const answered = defineEvent({ name: 'answered', schema: z.object({ text: z.string() }) })
const listen = definePlaybook({
  ...{ name: 'listen', version: 1, input: z.object({}), output: z.string() },
  run: async (ctx) => (await ctx.waitFor(answered)).text,
})

it('a wait that ended stays ended when what keeps it so is taken by a second erasure', async () => {
  const keelson = await open(memoryStore(), { playbooks: [listen] })
  const run = await keelson.start(listen, {}, { id: 'listen' })
  await keelson.quiet()
  await keelson.send(answered, { text: 'moves to Marylebone, hates lilies' }, { id: 'one' })
  await run.result()
  const first = await keelson.memory.remember({ text: 'moves to Marylebone' }, { by: me })
  const second = await keelson.memory.remember({ text: 'hates lilies' }, { by: me })
  for (const { id } of [first, second]) {
    await keelson.memory.erase({ ids: [id] }, by)
    expect((await keelson.audit.verify()).faults).toEqual([])
  }
})
