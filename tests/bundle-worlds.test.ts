/** A company of whatever history comes back from its bundle as it was: lines, recall, facts, histories, sets, grants. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  artifactRef,
  createConductor,
  defineEntity,
  definePlaybook,
  KeelsonError,
  policy,
  type Actor,
  type Workspace,
} from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { me } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const robot: Actor = { kind: 'agent', id: 'robot' }
const Site = defineEntity({
  name: 'site',
  version: 1,
  schema: z.object({ name: z.string(), logo: artifactRef(z).optional() }),
  index: ['name'],
})
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), n: z.int() }),
  output: z.object({}),
  run: () => ({ output: {} }),
})
const work = definePlaybook({
  name: 'work',
  version: 1,
  input: z.object({ to: z.string(), n: z.int() }),
  output: z.object({}),
  async run(ctx, { to, n }) {
    await ctx.memory.remember({ subject: to, predicate: 'was_written_to', value: n, functional: true })
    const { id } = await ctx.entities(Site).create({ name: to })
    await ctx.act(send, { to, n })
    await ctx.entities(Site).update(id, { name: `${to} ${n}` })
    return {}
  },
})
const gate = policy([
  policy.rule('some', { on: send }, ({ input: { to } }) =>
    to === 'xeno' ? policy.ask() : to === 'hold' ? policy.hold('10m') : policy.allow(),
  ),
])
const options = { playbooks: [work], actions: [send], entities: [Site], policy: gate, log: quiet, keepAlive: false }

const VERBS = [
  ...([
    'start',
    'start',
    'decide',
    'hour',
    'remember',
    'remember',
    'append',
    'correct',
    'pin',
    'expire',
    'forget',
  ] as const),
  ...(['restore', 'erase', 'propose', 'revert actor', 'revert run', 'import', 'create', 'update', 'merge'] as const),
  ...(['archive', 'artifact', 'taxonomy', 'grant', 'retention', 'prune', 'freeze'] as const),
] as const
type Verb = (typeof VERBS)[number]
interface Step {
  readonly verb: Verb
  readonly pick: number
}

const NAMES = ['ada', 'xeno', 'hold']
const CITIES = ['Berlin', 'Lisbon', 'Rome']

/** One of what is there; the verb is left out where there is none. */
async function act(w: Workspace, { verb, pick }: Step, n: number): Promise<unknown> {
  const by = me
  const of = <T>(list: readonly T[]): T => {
    if (list.length === 0) throw new KeelsonError('INPUT_INVALID', 'there is none')
    return list[pick % list.length]!
  }
  const name = of(NAMES)
  const { memory } = w
  const sites = w.entities(Site, { by })
  const site = async (): Promise<string> => of((await sites.list()).entities).id
  const fact = async (): Promise<string> => of(await memory.facts({ history: true })).id
  switch (verb) {
    case 'start':
      return w.start(work, { to: name, n }, { id: `r${n}` })
    case 'decide': {
      const item = of((await w.inbox.list()).items)
      const said =
        item.kind === 'approval' || item.allows.includes('approve')
          ? { approve: true as const }
          : { dismiss: true as const }
      return w.inbox.decide(item.id, { hash: item.hash, by, ...said })
    }
    case 'remember':
      return memory.remember(
        { subject: name, predicate: 'lives_in', value: of(CITIES), functional: true },
        { by: pick % 2 === 0 ? me : robot },
      )
    case 'append':
      return memory.append(
        { text: `${name} spoke of ${of(CITIES)}, ${n}.`, thread: 'one', speaker: name },
        { by: robot },
      )
    case 'correct':
      return memory.correct(await fact(), { value: `Paris ${n}` }, { by })
    case 'pin':
      return memory.pin(await fact(), { by })
    case 'expire':
      return memory.expire(await fact(), { by, at: '2026-01-02' })
    case 'forget':
      return memory.forget(await fact(), { by, graceMs: 7_200_000 })
    case 'restore':
      return memory.restore(await fact(), { by })
    case 'erase':
      return memory.erase({ ids: [await fact()] }, { by, reason: 'asked to' })
    case 'propose':
      return memory.changes.propose([{ op: 'forget', id: await fact() }], { by: robot, reason: `old ${n}` })
    case 'revert actor':
      return memory.revert({ actor: robot.id, since: '2026-01-01' }, { by })
    case 'revert run':
      return memory.revert({ run: of((await w.runs.list()).runs).id }, { by })
    case 'import':
      return memory.import([{ text: `Imported ${n}.` }, { type: 'event', text: `Heard ${n}.` }], { by, id: `i${n}` })
    case 'create':
      return sites.create({ name }, { aliases: [`${name} of ${n}`], refs: { dns: `${name}${n}` } })
    case 'update':
      return sites.update(await site(), { name: `${name} ${n}` })
    case 'merge': {
      const [into, from] = (await sites.list()).entities
      return from === undefined ? undefined : sites.merge(into!.id, from.id)
    }
    case 'archive':
      return sites.archive(await site())
    case 'artifact':
      return sites.update(await site(), { logo: await w.artifacts.put(`a picture of ${name}`, { by }) })
    case 'taxonomy':
      return w.taxonomy.set({ tags: ['news', `tag${n}`] }, { by })
    case 'grant':
      return w.grants.create({ action: send, where: { to: 'xeno' }, cap: { count: 2 }, until: '2026-03-01', by })
    case 'retention':
      return memory.retention.set({ name: 'chatter', kinds: ['event'], keep: '30d' }, { by })
    case 'prune':
      return w.maintenance.prune({ olderThan: '1h', by })
    case 'freeze':
      return pick % 2 === 0 ? w.freeze({ by, reason: 'a look' }) : w.thaw({ by })
    case 'hour':
      return undefined
    default:
      return verb satisfies never
  }
}

async function seen(w: Workspace): Promise<unknown> {
  const lines: string[] = []
  for await (const line of w.export()) lines.push(line)
  const recalled = []
  for (const text of ['where does ada live', 'who spoke of Rome', 'xeno Berlin imported'])
    recalled.push(await w.memory.recall(text))
  const sites = (await w.entities(Site).list({ limit: 200 })).entities
  const histories = await Promise.all(sites.map(({ id }) => w.entities(Site).history(id)))
  const known = { asOf: { known: '2026-01-01T02:00:00Z' } }
  return {
    lines,
    ...{
      recalled,
      sites,
      histories,
      facts: await w.memory.facts({ history: true }),
      then: await w.memory.facts(known),
    },
    ...{ history: await w.memory.history(), sets: await w.memory.changes.list(), learned: await w.memory.learned() },
    ...{ grants: await w.grants.list(), inbox: (await w.inbox.list()).items, taxonomy: await w.taxonomy.get() },
  }
}

it('of a random history is the same in another store, to the last line and score', async () => {
  const done = new Set<Verb>()
  const step = fc.record({ verb: fc.constantFrom(...VERBS), pick: fc.nat({ max: 5 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const clock = manualClock(Date.UTC(2026, 0, 1))
      const conductor = await createConductor({ ...options, store: memoryStore(), clock })
      const from = conductor.workspace('acme')
      for (const [n, one] of steps.entries()) {
        clock.to(clock.now() + (one.verb === 'hour' ? 3_600_000 : 1000))
        try {
          await act(from, one, n)
          done.add(one.verb)
        } catch (thrown) {
          // What stands against a verb here is for other tests; whatever it left is for this one.
          if (!KeelsonError.is(thrown)) throw thrown
        }
        await conductor.quiet()
      }
      const there = await createConductor({ ...options, store: memoryStore(), clock, work: false })
      const to = there.workspace('acme')
      const before = (await seen(from)) as { lines: string[] }
      await to.import(before.lines, { by: me, adopt: true })
      expect(await seen(to)).toEqual(before)
      expect(await to.audit.verify()).toMatchObject({ ok: true, faults: [] })
      await conductor.stop({ withinMs: 100 })
      await there.stop({ withinMs: 100 })
    }),
    { numRuns: 25 },
  )
  // Most of what can be done was done.
  expect(done.size).toBeGreaterThan(15)
})

it('lets the sets of one actor be taken back there in the order in which they were written', async () => {
  const clock = manualClock(Date.UTC(2026, 0, 1))
  const conductor = await createConductor({ ...options, store: memoryStore(), clock })
  const from = conductor.workspace('acme')
  const amend = async (confidence: number): Promise<void> => {
    const [{ id } = { id: '' }] = await from.memory.facts()
    const ops = [{ op: 'amend' as const, id, set: { confidence } }]
    const { changeSet } = await from.memory.changes.propose(ops, { by: robot, reason: 'as seen' })
    await conductor.quiet()
    await from.memory.changes.apply(changeSet, { by: me })
  }
  await from.memory.remember({ subject: 'ada', predicate: 'drinks', value: 'tea', confidence: 0.1 }, { by: me })
  for (let n = 2; n < 9; n++) await amend(n / 10)
  const { lines } = (await seen(from)) as { lines: string[] }
  const there = await createConductor({ ...options, store: memoryStore(), clock, work: false })
  const to = there.workspace('acme')
  await to.import(lines, { by: me, adopt: true })
  expect((await to.memory.revert({ actor: robot.id, since: '2026-01-01' }, { by: me })).blocked).toEqual([])
  expect(await to.memory.facts()).toMatchObject([{ confidence: 0.1 }])
  await conductor.stop({ withinMs: 100 })
  await there.stop({ withinMs: 100 })
})
