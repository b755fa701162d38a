/** A revert of what runs made of records beside their fields: names, identities, where they stand; over schemas and reverts. */
import { defineEntity, definePlaybook, type Conductor, type RevertPlan, type RevertResult } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { me } from './support/open.ts'

const Client = defineEntity({
  name: 'client',
  version: 1,
  schema: z.object({ name: z.string(), city: z.string().optional() }),
})
const ClientToday = defineEntity({
  name: 'client',
  version: 2,
  schema: z.object({ called: z.string(), city: z.string().optional() }),
  upcast: { 2: ({ name, ...rest }) => ({ ...rest, called: name! }) },
})

const Op = z.union([
  z.object({ do: z.literal('city'), to: z.enum(['Bern', 'Rome']) }),
  z.object({ do: z.literal('ref'), to: z.enum(['c1', 'c2']).nullable() }),
  z.object({ do: z.literal('alias'), to: z.enum(['Countess', 'Ada  L.']) }),
  z.object({ do: z.enum(['archive', 'restore', 'note']) }),
])
type Op = z.infer<typeof Op>

const works = definePlaybook({
  name: 'works',
  version: 1,
  input: z.object({ id: z.string(), ops: z.array(Op) }),
  output: z.null(),
  async run(ctx, { id, ops }) {
    const clients = ctx.entities(Client)
    for (const op of ops) {
      if (op.do === 'ref') await clients.identify(id, { refs: { crm: op.to } })
      if (op.do === 'alias') await clients.identify(id, { aliases: [op.to] })
      if (op.do === 'archive') await clients.archive(id)
      if (op.do === 'restore') await clients.restore(id)
      if (op.do === 'note') await clients.note(id, { what: 'seen' })
      // What is archived refuses a change.
      if (op.do === 'city') await clients.update(id, { city: op.to }).catch(() => {})
    }
    return null
  },
})
const merges = definePlaybook({
  name: 'merges',
  version: 1,
  input: z.object({ into: z.string(), from: z.string() }),
  output: z.null(),
  async run(ctx, { into, from }) {
    const clients = ctx.entities(Client)
    await clients.update(into, { city: 'Rome' })
    await clients.update(from, { name: 'Ada L.' })
    await clients.merge(into, from, { take: ['name'] })
    await clients.identify(into, { refs: { stripe: 'cus_1' }, aliases: ['The Countess'] })
    return null
  },
})

const onlyMerges = definePlaybook({
  name: 'only-merges',
  version: 1,
  input: z.object({ into: z.string(), from: z.string() }),
  output: z.null(),
  async run(ctx, { into, from }) {
    await ctx.entities(Client).merge(into, from)
    return null
  },
})

const desk = (keelson: Conductor) => keelson.entities(Client, { by: me })

/** All that can be known of both records, and what leads to them. */
async function world({ keelson }: Pick<Harness, 'keelson'>) {
  const clients = desk(keelson)
  const lists = [await clients.list(), await clients.list({ archived: true })]
  const refs = [
    ['crm', 'c0'],
    ['crm', 'c1'],
    ['crm', 'c2'],
    ['cal', 'd1'],
    ['stripe', 'cus_1'],
  ] as const
  const names = ['Countess', 'Ada L.', 'The Countess', 'Augusta']
  return {
    lists: lists.map(({ entities }) => entities.map(({ id, data, archived }) => ({ id, data, archived }))),
    refs: await Promise.all(refs.map(async ([system, ref]) => (await clients.byRef(system, ref))?.id)),
    names: await Promise.all(names.map(async (name) => (await clients.byAlias(name)).map(({ id }) => id).sort())),
  }
}

async function two({ keelson }: Pick<Harness, 'keelson'>) {
  const clients = desk(keelson)
  const into =
    (await clients.byRef('crm', 'c0')) ??
    (await clients.create({ name: 'Ada', city: 'Bonn' }, { refs: { crm: 'c0' }, aliases: ['Augusta'] }))
  const from =
    (await clients.byRef('cal', 'd1')) ??
    (await clients.create({ name: 'A.L.' }, { refs: { cal: 'd1' }, aliases: ['Countess', 'augusta'] }))
  return { into: into.id, from: from.id }
}

async function revert(t: Harness, run: string): Promise<{ plan: RevertPlan; result: RevertResult }> {
  const plan = await t.keelson.revert.plan({ run })
  const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
  const result = (await t.keelson.runs.get(id).result()) as RevertResult
  expect((await t.keelson.audit.verify()).faults).toEqual([])
  return { plan, result }
}

describe('what a run made of a record', () => {
  it('is as it was before, by its plan as by its change sets, whatever the run did', async () => {
    const any = fc.constantFrom<Op>(
      ...(['Bern', 'Rome'] as const).map((to) => ({ do: 'city', to }) as const),
      ...(['c1', 'c2', null] as const).map((to) => ({ do: 'ref', to }) as const),
      ...(['Countess', 'Ada  L.'] as const).map((to) => ({ do: 'alias', to }) as const),
      ...(['archive', 'restore', 'note'] as const).map((what) => ({ do: what })),
    )
    // The later one does each thing once: what it undoes itself is its last word all the same, and would stay.
    const kind = (op: Op): string => (op.do === 'restore' ? 'archive' : op.do)
    const later = fc.uniqueArray(any, { maxLength: 3, selector: kind })
    const cases = fc.tuple(fc.array(any, { maxLength: 6 }), later, fc.boolean())
    await fc.assert(
      fc.asyncProperty(cases, async ([first, second, bySets]) => {
        const t = await testConductor({ playbooks: [works], entities: [Client] })
        const { into: id } = await two(t)
        const was = [await world(t)]
        for (const [at, ops] of [first, second].entries()) {
          await (await t.start(works, { id, ops }, { id: `w${at}` })).result()
          was.push(await world(t))
        }
        // The later run first, then the one before it: what was taken back counts as if it had never been.
        for (const at of [1, 0]) {
          const run = `w${at}`
          if (bySets) expect(await t.keelson.memory.revert({ run }, { by: me })).toMatchObject({ blocked: [] })
          else expect(await revert(t, run)).toMatchObject({ result: { failed: [] } })
          expect(await world(t)).toEqual(was[at])
        }
        await t.stop()
      }),
      { numRuns: Number(process.env['KEELSON_RUNS'] ?? 40) },
    )
  })

  it('is told in words before, and taken back once, a merge with what was done to both', async () => {
    const { schedules } = await exploreCrashes(
      async (t) => {
        const ids = await t.host((keelson) => two({ keelson }))
        const was = await world(t)
        const run = await t.start(merges, ids, { id: 'r' })
        await t.decide({ kind: 'question', title: /are they one/ }, { approve: true })
        await run.result()
        const plan = await t.host((keelson) => keelson.revert.plan({ run: 'r' }))
        expect(plan.lines).toMatchObject([
          {
            ...{ kind: 'entity', id: ids.from, can: true, standing: 'separate', kept: [], restore: { name: 'A.L.' } },
            what: `client ${ids.from}: name, city, no longer one with ${ids.into}`,
            survivor: {
              ...{ id: ids.into, restore: { name: 'Ada', city: 'Bonn' } },
              names: { refs: { stripe: null }, without: ['the countess'] },
            },
          },
        ])
        const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
        expect(await t.keelson.runs.get(id).result()).toMatchObject({ failed: [], left: [] })
        expect(await world(t)).toEqual(was)
        expect((await t.keelson.audit.verify()).faults).toEqual([])
      },
      { harness: () => ({ playbooks: [merges], entities: [Client] }), limit: 120 },
    )
    expect(schedules).toBeGreaterThan(20)
  })

  it('stays where somebody has changed it since, or has taken what would come back; that is said', async () => {
    const t = await testConductor({ playbooks: [works], entities: [Client] })
    const { into, from } = await two(t)
    const ops: Op[] = [
      { do: 'ref', to: 'c1' },
      { do: 'alias', to: 'Ada  L.' },
      { do: 'city', to: 'Rome' },
    ]
    await (await t.start(works, { id: into, ops }, { id: 'r' })).result()
    await desk(t.keelson).identify(from, { refs: { crm: 'c0' } })
    const [line] = (await t.keelson.revert.plan({ run: 'r' })).lines
    expect(line).toMatchObject({
      restore: { city: 'Bonn' },
      names: { refs: {}, without: ['ada l.'] },
      kept: ['ref:crm'],
    })
    await desk(t.keelson).identify(into, { refs: { crm: 'c2' } })
    const { plan, result } = await revert(t, 'r')
    expect(plan.lines).toMatchObject([{ kept: ['ref:crm'], since: [{ field: 'ref:crm', by: 'me' }] }])
    expect(result.undone).toEqual([`client ${into}: city, its names`])
    const now = await world(t)
    expect([now.refs, now.names]).toEqual([
      [from, undefined, into, from, undefined],
      [[from], [], [], [from, into].sort()],
    ])
    await t.stop()
  })

  it('is no longer there to be put back where its schema has changed since; what fits goes back', async () => {
    const t = await testConductor({ playbooks: [works], entities: [Client] })
    const { into: id } = await two(t)
    const renames = t.keelson.entities(Client, { by: { kind: 'system', id: 'host' } })
    await (await t.start(works, { id, ops: [{ do: 'city', to: 'Rome' }] }, { id: 'r' })).result()
    await renames.update(id, { name: 'Ada Lovelace' }, { reason: 'as she signs' })
    const [set] = await t.keelson.memory.changes.list({ actor: 'host' })
    const today = t.keelson.entities(ClientToday, { by: me })
    await today.migrate()
    expect(await t.keelson.memory.revert({ changeSet: set!.id }, { by: me })).toMatchObject({
      reverted: [],
      blocked: [{ id: `client/${id}`, why: 'changed since: name' }],
    })
    await revert(t, 'r')
    expect((await today.get(id)).data).toEqual({ called: 'Ada Lovelace', city: 'Bonn' })
    // A write that brings it up to today's schema is taken back by what it wrote itself.
    await today.update(id, { called: 'Ada' })
    const [last] = await t.keelson.memory.changes.list({ actor: me.id, limit: 1 })
    await t.keelson.memory.revert({ changeSet: last!.id }, { by: me })
    expect((await today.get(id)).data).toEqual({ called: 'Ada Lovelace', city: 'Bonn' })
    await t.stop()
  })
})

describe('a record that was in the archive when it was merged', () => {
  const from = async (t: Harness) => {
    const ids = await two(t)
    await desk(t.keelson).archive(ids.from)
    await desk(t.keelson).merge(ids.into, ids.from)
    return ids
  }
  /** The record as it stands, as it is told of today, and as its lists have it. */
  const told = async (t: Harness, id: string) => {
    const clients = desk(t.keelson)
    const isIn = async (archived: boolean) => (await clients.list({ archived })).entities.some((one) => one.id === id)
    const [now, then] = [await clients.get(id), await clients.asOf(id, {})]
    return [now, then]
      .map((one) => [one!.id === id, one!.archived === true])
      .concat([[await isIn(false), await isIn(true)]])
  }
  const active = [
    [true, false],
    [true, false],
    [true, false],
  ]
  const archived = [
    [true, true],
    [true, true],
    [false, true],
  ]

  it('is active, by all that tells of it, once it is restored', async () => {
    const t = await testConductor({ playbooks: [], entities: [Client] })
    const ids = await from(t)
    await desk(t.keelson).restore(ids.from)
    expect(await told(t, ids.from)).toEqual(active)
    expect(await desk(t.keelson).update(ids.from, { city: 'Bern' })).toMatchObject({ id: ids.from })
    expect(await desk(t.keelson).archive(ids.from)).toMatchObject({ archived: true })
    expect(await told(t, ids.from)).toEqual(archived)
    await t.stop()
  })

  it('is in the archive again, by all that tells of it, once that merge is taken back', async () => {
    const t = await testConductor({ playbooks: [], entities: [Client] })
    const ids = await from(t)
    const [set] = await t.keelson.memory.changes.list({ actor: me.id, limit: 1 })
    expect(await t.keelson.memory.revert({ changeSet: set!.id }, { by: me })).toMatchObject({ blocked: [] })
    expect(await told(t, ids.from)).toEqual(archived)
    await desk(t.keelson).restore(ids.from)
    expect(await told(t, ids.from)).toEqual(active)
    expect((await t.keelson.audit.verify()).faults).toEqual([])
    await t.stop()
  })

  it('is in the archive again where a run had merged it, and the plan says so', async () => {
    const t = await testConductor({ playbooks: [onlyMerges], entities: [Client] })
    const ids = await two(t)
    await desk(t.keelson).archive(ids.from)
    const run = await t.start(onlyMerges, ids, { id: 'r' })
    await t.decide({ kind: 'question', title: /are they one/ }, { approve: true })
    await run.result()
    const { plan, result } = await revert(t, 'r')
    expect(plan.lines[0]).toMatchObject({ standing: 'separate', archived: true })
    expect(plan.lines[0]!.what).toMatch(/no longer one with .*, archived$/)
    expect(result).toMatchObject({ failed: [], left: [] })
    expect(await told(t, ids.from)).toEqual(archived)
    await t.stop()
  })
})

describe('a name that came along in a merge', () => {
  it('goes with the record that it came with, and can be given to the other anew', async () => {
    const t = await testConductor({ playbooks: [], entities: [Client] })
    const clients = desk(t.keelson)
    const { into, from } = await two(t)
    await clients.merge(into, from)
    await clients.restore(from)
    await clients.identify(into, { aliases: ['Countess'] })
    expect((await clients.byAlias('countess')).map(({ id }) => id).sort()).toEqual([into, from].sort())
    expect((await clients.byAlias('augusta')).map(({ id }) => id).sort()).toEqual([into, from].sort())
    await t.stop()
  })
})
