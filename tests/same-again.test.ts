/** Same again: a write of an entity that changes nothing writes nothing, and disturbs nobody. */
import { defineEntity } from '@keelson/core'
import { exploreCrashes, intercept, memoryStore, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, open, store } from './support/open.ts'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ email: z.string(), stage: z.enum(['new', 'signed']), note: z.string().optional() }),
  index: ['email'],
  key: ({ email }) => email,
})
const bo = { email: 'bo@example.org', stage: 'new' as const }

describe('an update, or an upsert, of what is there', () => {
  it('makes no version and no line, and answers the version that is there', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const customers = keelson.entities(Customer, { by: me })
    const { id } = await customers.create(bo)
    await customers.update(id, { note: 'rang' })
    const trail = async (): Promise<number> => (await keelson.audit.query({ limit: 100 })).lines.length
    const before = await trail()
    expect(await customers.update(id, { stage: 'new' })).toMatchObject({ version: 2 })
    expect(await customers.update(id, {})).toMatchObject({ version: 2 })
    expect(await customers.upsert(bo)).toMatchObject({ id, version: 2, data: { note: 'rang' } })
    expect(await customers.timeline(id)).toHaveLength(2)
    expect(await trail()).toBe(before)
    expect(await customers.update(id, { stage: 'signed' }, { expect: 2 })).toMatchObject({ version: 3 })
  })

  it('is seen in a record as deep, and as large, as one may be', async () => {
    const Deep = defineEntity({ name: 'deep', version: 1, schema: z.object({ of: z.json() }) })
    const keelson = await open(store(), { playbooks: [] })
    const deep = keelson.entities(Deep)
    for (const of of [JSON.parse(`${'['.repeat(63)}1${']'.repeat(63)}`) as number[], 'x'.repeat(1_048_560)]) {
      const { id } = await deep.create({ of })
      expect(await deep.update(id, { of })).toMatchObject({ version: 1 })
    }
  })

  it('still refuses a version that is not there, an archived record, and what does not fit', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const customers = keelson.entities(Customer)
    const { id } = await customers.create(bo)
    await customers.update(id, { stage: 'signed' })
    await expect(customers.update(id, { stage: 'signed' }, { expect: 1 })).rejects.toMatchObject({
      code: 'ENTITY_CONFLICT',
    })
    await expect(customers.update(id, { stage: 'other' } as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await customers.archive(id)
    await expect(customers.update(id, { stage: 'signed' })).rejects.toMatchObject({ code: 'ENTITY_ARCHIVED' })
  })

  it('is written where it says since when, what it is called, or what it is to be taken for', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const customers = keelson.entities(Customer)
    const { id } = await customers.create(bo)
    const since = new Date(Date.now() - 86_400_000).toISOString()
    expect(await customers.update(id, { stage: 'new' }, { validAt: since })).toMatchObject({ version: 2 })
    expect(await customers.upsert(bo, { refs: { stripe: 'cus_1' } })).toMatchObject({ version: 3 })
    expect(await customers.byRef('stripe', 'cus_1')).toMatchObject({ id })
    expect(await customers.upsert(bo, { refs: { stripe: 'cus_1' } })).toMatchObject({ version: 3 })
    expect(await customers.update(id, { email: bo.email }, { labels: ['untrusted'] })).toMatchObject({ version: 4 })
    expect(await customers.update(id, { email: bo.email }, { labels: ['untrusted'] })).toMatchObject({ version: 4 })
    expect(await customers.update(id, { email: bo.email })).toMatchObject({ version: 5 })
  })
})

describe('a run that writes what is there', () => {
  it('keeps the others at the version that they have read', async () => {
    const same = code((ctx) => ctx.entities(Customer).upsert(bo), { name: 'same' })
    const reads = code(
      async (ctx) => {
        const there = (await ctx.entities(Customer).find({ email: bo.email }))!
        await ctx.sleep('1h')
        return ctx.entities(Customer).update(there.id, { stage: 'signed' }, { expect: there.version })
      },
      { name: 'reads' },
    )
    const t = await testConductor({ playbooks: [same, reads] })
    await (await t.start(same, {})).result()
    const run = await t.start(reads, {})
    expect(await (await t.start(same, {})).result()).toMatchObject({ version: 1 })
    await t.advance('1h')
    expect(await run.result()).toMatchObject({ version: 2, data: { stage: 'signed' } })
    await t.stop()
  })

  it('looks again when somebody changes it in the moment in which nothing was to be written', async () => {
    const data = memoryStore()
    const works = code(async (ctx) => {
      const there = (await ctx.entities(Customer).find({ email: bo.email }))!
      return ctx.entities(Customer).update(there.id, { stage: 'new' })
    })
    let other: (() => Promise<unknown>) | undefined
    const session = () =>
      intercept(data.session(), {
        async before(op, detail) {
          const unit = op === 'commit' ? JSON.stringify(detail[1]) : ''
          if (!unit.includes('entity.completed') || other === undefined) return
          const change = other
          other = undefined
          await change()
        },
      })
    const t = await testConductor({ playbooks: [works], store: { session, kill: (worker) => data.kill(worker) } })
    const { id } = await t.host((keelson) => keelson.entities(Customer).create(bo))
    other = () => t.keelson.entities(Customer).update(id, { stage: 'signed' })
    const run = await t.start(works, {})
    expect(await run.result()).toMatchObject({ version: 3, data: { stage: 'new' } })
    await t.stop()
  })

  it('has nothing to take back of it', async () => {
    const works = code(async (ctx) => {
      const there = (await ctx.entities(Customer).find({ email: bo.email }))!
      return ctx.entities(Customer).update(there.id, { stage: 'new' })
    })
    const t = await testConductor({ playbooks: [works], entities: [Customer] })
    await t.host((keelson) => keelson.entities(Customer).create(bo))
    const run = await t.start(works, {}, { id: 'again' })
    await run.result()
    expect((await t.keelson.revert.plan({ run: 'again' })).lines).toEqual([])
    await t.stop()
  })

  it('ends the same wherever it is cut', async () => {
    const works = code(async (ctx) => {
      const customers = ctx.entities(Customer)
      const versions = [(await customers.upsert(bo)).version, (await customers.upsert(bo)).version]
      const { id } = await customers.upsert({ ...bo, stage: 'signed' })
      return [...versions, (await customers.update(id, { stage: 'signed' })).version]
    })
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(works, {})
        return run.result()
      },
      { harness: () => ({ playbooks: [works] }), depth: 2, limit: 100 },
    )
    expect(explored.schedules).toBeGreaterThan(20)
  })
})
