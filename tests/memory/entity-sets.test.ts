/** Writes of entities are change sets like those of memory: in one list, shown field by field, taken back. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  createConductor,
  defineEntity,
  definePlaybook,
  type ChangeSet,
  type Conductor,
  type MemoryStore,
} from '@keelson/core'
import { exploreCrashes, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const Client = defineEntity({
  name: 'client',
  version: 1,
  schema: z.object({ name: z.string(), stage: z.string(), city: z.string().optional() }),
  index: ['name', 'stage'],
  key: ({ name }) => name,
})
const works = definePlaybook({
  name: 'works',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.json(),
  async run(ctx, { id }) {
    const clients = ctx.entities(Client)
    await clients.update(id, { stage: 'won' }, { reason: 'they signed' })
    await ctx.memory.remember({ text: 'They signed.' })
    await clients.update(id, { stage: 'kept', city: 'Bern' })
    await clients.create({ name: 'Other', stage: 'lead' })
    return null
  },
})
const start = { name: 'Ada', stage: 'lead' }

async function worked(t: Harness) {
  const clients = t.keelson.entities(Client, { by: me })
  const { id } = await clients.create(start, { reason: 'she called' })
  const run = await t.start(works, { id })
  await run.result()
  return { clients, id, run, memory: t.keelson.memory }
}

const reasons = (sets: readonly ChangeSet[]): string[] => sets.map(({ reason }) => reason)

describe('a write of an entity', () => {
  it('stands in the list of change sets with who, why and what, whoever made it', async () => {
    const t = await testConductor({ playbooks: [works] })
    const { id, run, memory } = await worked(t)
    expect((await memory.changes.list()).length).toBe(5)
    const own = await memory.changes.list({ run: run.id })
    expect(new Set(reasons(own))).toEqual(
      new Set(['they signed', 'client updated', 'client created', 'works: memory.remember']),
    )
    const [first] = await memory.changes.list({ actor: me.id })
    expect(first).toMatchObject({ status: 'applied', reason: 'she called', source: { by: me } })
    const signed = own.find(({ reason }) => reason === 'they signed')!
    expect(await memory.changes.get(signed.id)).toEqual(signed)
    expect(signed.source).toMatchObject({ run: run.id, step: 'client.update' })
    expect(await memory.changes.diff(signed.id)).toEqual([
      {
        ...{ op: 'write', entity: `client/${id}`, version: 2, after: 'client updated' },
        fields: { stage: { before: 'lead', after: 'won' } },
      },
    ])
    expect(await memory.changes.list({ status: 'proposed' })).toEqual([])
    expect((await memory.changes.list({ limit: 2 })).length).toBe(2)
    await expect(memory.changes.get('entry:none#00000001')).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
    await t.stop()
  })

  it('costs a run one unit with the record, its history and its line in the trail, and nothing for the set', async () => {
    const units: string[][] = []
    const base = memoryStore()
    const counted = new Proxy<MemoryStore>(base, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (name !== 'commit') return typeof value === 'function' ? (value.bind(target) as unknown) : value
        return (
          lease: never,
          unit: { records?: readonly { kind: string }[]; entries?: readonly { kind: string }[] },
        ) => {
          if (unit.entries?.some(({ kind }) => kind === 'entity.completed') === true)
            units.push((unit.records ?? []).map(({ kind }) => kind).sort())
          return target.commit(lease, unit as never)
        }
      },
    })
    const log = { info: () => {}, warn: () => {}, error: () => {} }
    const keelson = await createConductor({ store: counted, playbooks: [works], log, keepAlive: false })
    onTestFinished(() => keelson.stop())
    const { id } = await keelson.entities(Client).create(start)
    const run = await keelson.start(works, { id }, { id: 'r' })
    await run.result()
    const each = ['audit', 'entity', 'timeline']
    expect(units).toEqual([each, each, each])
    expect(await keelson.memory.changes.list({ run: run.id })).toHaveLength(4)
  })

  it('is taken back by its set, and that again', async () => {
    const t = await testConductor({ playbooks: [works] })
    const { clients, id, run, memory } = await worked(t)
    const own = await memory.changes.list({ run: run.id })
    const [signed, kept] = [
      own.find(({ reason }) => reason === 'they signed')!,
      own.find(({ reason }) => reason === 'client updated')!,
    ]
    const early = await memory.revert({ changeSet: signed.id }, { by: me })
    expect(early).toEqual({
      changeSets: [],
      reverted: [],
      blocked: [{ id: `client/${id}`, why: 'changed since: stage' }],
    })
    expect((await memory.changes.get(signed.id)).status).toBe('applied')
    const back = await memory.revert({ changeSet: kept.id }, { by: me, reason: 'not yet' })
    expect(back).toMatchObject({ reverted: [kept.id], blocked: [] })
    expect((await clients.get(id)).data).toEqual({ ...start, stage: 'won' })
    expect((await memory.changes.get(kept.id)).status).toBe('reverted')
    expect(await memory.changes.get(back.changeSets[0]!)).toMatchObject({
      reason: 'not yet',
      reverts: [kept.id],
      source: { by: me },
    })
    expect(await memory.revert({ changeSet: kept.id }, { by: me })).toMatchObject({ reverted: [] })
    // What was taken back counts as if it had never been: the one before it can go now.
    expect(await memory.revert({ changeSet: signed.id }, { by: me })).toMatchObject({ blocked: [] })
    expect((await clients.get(id)).data).toEqual(start)
    await memory.revert({ changeSet: back.changeSets[0]! }, { by: me })
    expect((await clients.get(id)).data.city).toBe('Bern')
    expect((await clients.history(id)).map(({ reason }) => reason).slice(3)).toEqual(['not yet', undefined, undefined])
    expect((await memory.changes.list({ status: 'reverted' })).map((set) => set.id).sort()).toEqual(
      [kept.id, signed.id, back.changeSets[0]!].sort(),
    )
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is taken back with its run, beside what the run remembered; what it created goes into the archive', async () => {
    const t = await testConductor({ playbooks: [works] })
    const { clients, id, run, memory } = await worked(t)
    const { reverted, blocked } = await memory.revert({ run: run.id }, { by: me })
    expect({ reverted: reverted.length, blocked }).toEqual({ reverted: 4, blocked: [] })
    expect((await clients.get(id)).data).toEqual(start)
    expect((await clients.list()).entities.map(({ data }) => data.name)).toEqual(['Ada'])
    expect((await clients.find({ stage: 'lead' }))!.id).toBe(id)
    expect(await memory.recall('signed')).toEqual([])
    expect(await memory.revert({ run: run.id }, { by: me })).toEqual({ changeSets: [], reverted: [], blocked: [] })
    await t.stop()
  })

  it('of a person is taken back since an instant, and what others have changed stays', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const clients = keelson.entities(Client, { by: me })
    const { id } = await clients.create(start)
    await keelson.entities(Client, { by: { kind: 'person', id: 'ben' } }).update(id, { city: 'Rome' })
    await clients.update(id, { city: 'Bern', stage: 'won' })
    await keelson.entities(Client, { by: { kind: 'person', id: 'ben' } }).update(id, { stage: 'lost' })
    const { blocked } = await keelson.memory.revert({ actor: me.id, since: '2000-01-01' }, { by: me })
    expect((await clients.get(id)).data).toEqual({ ...start, city: 'Rome', stage: 'lost' })
    expect(blocked).toEqual([
      { id: `client/${id}`, why: 'changed since: stage' },
      { id: `client/${id}`, why: 'it was changed since, up to version 4' },
    ])
  })
})

describe('a change of what a record is', () => {
  async function newest({ memory }: Conductor): Promise<string> {
    return (await memory.changes.list({ limit: 1 }))[0]!.id
  }

  it.each(['merge', 'archive', 'restore', 'identify'] as const)('by %s is taken back', async (verb) => {
    let now = Date.UTC(2026, 0, 1)
    const clock = { now: () => now++, monotonic: () => now, timer: () => () => {} }
    const keelson = await open(store(), { playbooks: [], clock, work: false })
    const clients = keelson.entities(Client, { by: me })
    const a = await clients.create(start, { refs: { stripe: 'cus_1' } })
    const b = await clients.create({ ...start, name: 'Ada L.', city: 'Bern' }, { refs: { caldav: 'c1' } })
    if (verb === 'merge') await clients.merge(a.id, b.id, { take: ['city'] })
    if (verb === 'identify') await clients.identify(a.id, { aliases: ['Countess'] })
    if (verb === 'archive' || verb === 'restore') await clients.archive(b.id)
    if (verb === 'restore') await clients.restore(b.id)
    const { blocked } = await keelson.memory.revert({ changeSet: await newest(keelson) }, { by: me })
    expect(blocked).toEqual([])
    const listed = (await clients.list()).entities.map(({ id, data }) => [id, data.city])
    const both = [
      [a.id, undefined],
      [b.id, 'Bern'],
    ]
    expect(listed).toEqual(verb === 'restore' ? both.slice(0, 1) : both)
    expect((await clients.byRef('caldav', 'c1'))?.id).toBe(b.id)
    expect(await clients.byAlias('countess')).toEqual([])
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })
})

it('is taken back once, wherever a process dies', async () => {
  const { schedules } = await exploreCrashes(
    async (t) => {
      await t.host(async (keelson) => {
        const clients = keelson.entities(Client, { by: me })
        if ((await clients.find({ name: 'Ada' })) === undefined) await clients.create(start)
      })
      const { id } = (await t.keelson.entities(Client).find({ name: 'Ada' }))!
      const run = await t.start(works, { id }, { id: 'r' })
      await run.result()
      await t.host((keelson) => keelson.memory.revert({ run: 'r' }, { by: me }))
      const clients = t.keelson.entities(Client)
      expect((await clients.get(id)).data).toEqual(start)
      expect((await clients.history(id)).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5])
      expect((await clients.list()).entities).toHaveLength(1)
      expect((await t.keelson.audit.verify()).faults).toEqual([])
    },
    { harness: () => ({ playbooks: [works], entities: [Client] }), limit: 100 },
  )
  expect(schedules).toBeGreaterThan(20)
})
