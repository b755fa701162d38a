/** Metrics of small worlds: each figure is worked out by hand from the definitions in the guide. */
import {
  action,
  defineAgent,
  defineConnector,
  defineEntity,
  definePlaybook,
  policy,
  type Baseline,
} from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  intent: ({ to }) => ['mail', to],
  run: real,
})
const note = action({
  name: 'desk.note',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ text: z.string() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  run: real,
  compensate: real,
})
const look = action({
  name: 'crm.look',
  effect: 'read',
  input: z.object({}),
  output: z.object({ name: z.string() }),
  run: real,
})
const connectors = [
  fake(defineConnector({ name: 'email', actions: { send } })),
  fake(defineConnector({ name: 'desk', actions: { note } })),
  fake(defineConnector({ name: 'crm', actions: { look } })),
]
const gate = policy([
  policy.rule('mail', { on: send }, ({ input }) =>
    input.to === 'enemy' ? policy.deny('never') : input.to === 'friend' ? policy.allow() : policy.ask(),
  ),
  policy.rule('notes', { on: note }, () => policy.ask()),
])
const world = (options: HarnessOptions): Promise<Harness> => testConductor({ connectors, policy: gate, ...options })
const total = async (t: Harness) => (await t.keelson.metrics.report()).total

/** Opens the oldest item that can be decided like this, looks for a minute, decides. */
async function decide(t: Harness, decision: object): Promise<void> {
  const item = (await t.inbox.list()).items.find((one) => one.kind === 'approval' || one.kind === 'plan')!
  await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
  await t.advance('1m')
  const said = decision as { approve: true }
  await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, ...said }))
  expect(await t.keelson.inbox.get(item.id)).toMatchObject({ state: 'decided' })
}

describe('retries', () => {
  let busy = 0
  const write = definePlaybook({
    name: 'write',
    version: 1,
    input: z.object({ to: z.string() }),
    output: z.string(),
    async run(ctx, { to }) {
      await ctx.all(
        [to],
        (one) => one,
        (branch) =>
          branch.step('draft', () => {
            if (busy-- > 0) throw new Error('busy')
          }),
      )
      return (await ctx.act(send, { to })).id
    },
  })
  const looks = definePlaybook({
    name: 'looks',
    version: 1,
    input: z.object({}),
    output: z.string(),
    run: async (ctx) => (await ctx.act(look, {})).name,
  })

  it('count each execution once, by cause, step and connector; a wait, a no and an answer of before are none', async () => {
    const t = await world({ playbooks: [write, looks] })
    busy = 1
    await t.start(write, { to: 'friend' }) // draft twice, email once
    t.fault(send, 'unavailable')
    await t.start(write, { to: 'stranger' }) // draft, and once approved, email twice
    await decide(t, { approve: true })
    await t.advance('1h')
    await t.start(write, { to: 'enemy' }) // draft; the mail is denied
    await t.start(write, { to: 'friend' }) // draft; the mail was sent before
    t.fault(look, 'unavailable')
    await t.start(looks, {}) // crm twice
    await t.advance('1h')
    expect(t.world(send)).toHaveLength(2)
    const { retries } = await total(t)
    expect(retries).toMatchObject({ steps: 7, rate: 3 / 7, firstTry: 4 / 7, exhausted: 0, amplification: 10 / 7 })
    expect(retries.missedBy).toEqual({ transient: 3 / 7 })
    expect(retries.byCause).toEqual({ transient: 3 })
    expect(retries.byStep).toEqual({
      'all.draft': { steps: 1, attempts: 2, exhausted: 0 },
      'email.send': { steps: 1, attempts: 2, exhausted: 0 },
      'crm.look': { steps: 1, attempts: 2, exhausted: 0 },
    })
    expect(retries.byConnector).toEqual({
      email: { steps: 2, rate: 0.5, firstTry: 0.5, exhausted: 0 },
      crm: { steps: 1, rate: 1, firstTry: 0, exhausted: 0 },
    })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('that all failed are exhausted, wherever the effect was sent', async () => {
    const t = await world({ playbooks: [write] })
    busy = 0
    t.fault(send, 'refused')
    await t.start(write, { to: 'friend' })
    t.fault(send, 'refused')
    await t.start(write, { to: 'stranger' })
    await decide(t, { approve: true })
    const { retries, runs } = await total(t)
    expect(runs).toMatchObject({ completed: 0, failed: 2 })
    expect(retries).toMatchObject({ steps: 4, firstTry: 0.5, exhausted: 0.5, missedBy: { permanent: 0.5 } })
    expect(retries.byConnector).toEqual({ email: { steps: 2, rate: 0, firstTry: 0, exhausted: 1 } })
    await t.stop()
  })

  it('of an effect that its own run takes over are one step', async () => {
    const t = await world({ playbooks: [write] })
    busy = 0
    t.fault(send, 'reauth')
    const run = await t.start(write, { to: 'friend' })
    expect(await run.status()).toEqual({ state: 'completed' })
    const { retries } = await total(t)
    expect(retries).toMatchObject({ steps: 2, rate: 0.5, firstTry: 0.5, exhausted: 0 })
    expect(retries.byConnector).toEqual({ email: { steps: 1, rate: 1, firstTry: 0, exhausted: 0 } })
    await t.stop()
  })
})

describe('time saved', () => {
  const taking = (baseline: Baseline | ((input: { big: boolean }) => Baseline)) =>
    definePlaybook({
      name: 'tidy',
      version: 1,
      input: z.object({ big: z.boolean().default(false) }),
      output: z.string(),
      baseline,
      run: (ctx) => ctx.step('tidy', () => 'done'),
    })

  it.each([
    ['a duration, give or take half', '10m', { low: 10, high: 30 }],
    ['a range', { low: '4m', high: '20m' }, { low: 8, high: 40 }],
    [
      'what follows from the input',
      ({ big }: { big: boolean }): Baseline => (big ? { low: '30m', high: '1h' } : '2m'),
      { low: 31, high: 63 },
    ],
    [
      'nothing, where that throws',
      () => {
        throw new Error('no idea')
      },
      { low: 0, high: 0, counted: 0 },
    ],
  ] as const)('is the baseline of each run: %s', async (_what, baseline, saved) => {
    const tidy = taking(baseline)
    const t = await world({ playbooks: [tidy] })
    await t.start(tidy, {})
    await t.start(tidy, { big: true })
    expect((await total(t)).saved).toMatchObject({ counted: 2, measured: 0, ...saved })
    expect((await total(t)).outcomes).toBe(2)
    await t.stop()
  })

  it('is not told by a range that ends before it begins', () => {
    expect(() => taking({ low: '20m', high: '4m' })).toThrow(expect.objectContaining({ code: 'DEFINITION_INVALID' }))
  })

  it('is measured, once a person has done it five times by hand: a tenth took less, a tenth more', async () => {
    const tidy = taking('10m')
    const t = await world({ playbooks: [tidy] })
    await t.start(tidy, {})
    const hand = (time: '10m') => t.host((keelson) => keelson.metrics.spent(tidy, time, { by, on: 'by-hand' }))
    for (const time of ['30m', '10m', '50m', '20m']) await hand(time as '10m')
    expect((await total(t)).saved).toMatchObject({ low: 5, high: 15, measured: 0 })
    await t.advance('3d') // the day of the run is over, and summed up as it was declared
    expect((await total(t)).saved).toMatchObject({ low: 5, high: 15 })
    await hand('40m' as '10m')
    const { saved, interventions } = await total(t)
    expect(saved).toEqual({ low: 14, high: 46, setup: 0, invested: 0, counted: 1, measured: 1 })
    expect(interventions).toMatchObject({ byKind: { 'by-hand': 5 }, perOutcome: 0, activeMinutes: 0 })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('has what people do to a run taken off it: a takeover that nobody timed costs 15 seconds', async () => {
    const naps = definePlaybook({
      name: 'naps',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      baseline: '10m',
      async run(ctx) {
        await ctx.sleep('1h')
        return {}
      },
    })
    const t = await world({ playbooks: [naps] })
    const run = await t.start(naps, {})
    await t.host((keelson) => keelson.runs.pause(run.id, { by, reason: 'lunch' }))
    await t.host((keelson) => keelson.runs.resume(run.id, { by }))
    await t.advance('1h')
    const { interventions, saved, minutesPerOutcome } = await total(t)
    expect(interventions).toMatchObject({ byKind: { takeover: 1 }, touchless: 0, unplanned: 1, perOutcome: 1 })
    expect([saved.low, saved.high, minutesPerOutcome]).toEqual([4.75, 14.75, 0.25])
    await t.stop()
  })
})

describe('a plan', () => {
  const tell = definePlaybook({
    name: 'tell',
    version: 1,
    input: z.object({}),
    output: z.array(z.string()),
    baseline: { low: '6m', high: '8m' },
    async run(ctx) {
      const texts = ['a', 'b', 'c']
      const { lines } = await ctx.propose(
        'Tell them',
        texts.map((text) => ctx.intend(note, { text })),
      )
      await ctx.act(note, { text: 'd' })
      return lines.map((line) => line.state)
    },
  })

  it('counts its lines: what was left as it was, changed, left out, and taken back later, each once', async () => {
    const t = await world({ playbooks: [tell] })
    const run = await t.start(tell, {})
    await decide(t, { edit: { skip: ['2'], inputs: { 3: { text: 'C' } } } })
    await decide(t, { approve: true })
    expect(await run.result()).toEqual(['done', 'skipped', 'done'])
    const before = await t.keelson.metrics.report()
    expect(before.total.interventions).toMatchObject({ byKind: { gate: 2 }, caughtLater: 0, activeMinutes: 2 })
    // One of three was changed: 95 % of Wilson intervals around that hold from 6 to 79 %.
    expect(before.total.edits).toMatchObject({ share: 1 / 3, of: 3 })
    expect([before.total.edits.low, before.total.edits.high].map((one) => one.toFixed(2))).toEqual(['0.06', '0.79'])
    expect(before.versions).toMatchObject([{ playbook: 'tell', version: 1, runs: 1, edited: { share: 1 / 3 } }])
    expect(before.next).toMatchObject([{ what: expect.stringContaining('desk.note'), why: expect.stringMatching(/^1 edited and 1 refused of 4/) }]) // prettier-ignore

    const effects = (await t.keelson.revert.plan({ run: run.id })).lines.flatMap((line) =>
      line.kind === 'effect' ? [line.id] : [],
    )
    expect(effects).toHaveLength(3)
    const wrong = { by, cause: 'wrong' } as const
    const revert = (target: { run: string } | { effect: string }) =>
      t.host(async (keelson) => keelson.revert.apply(await keelson.revert.plan(target), wrong))
    await revert({ effect: effects[0]! })
    expect((await total(t)).interventions).toMatchObject({ byKind: { revert: 1 }, caughtLater: 1 / 3 })
    expect((await total(t)).saved).toMatchObject({ low: -2.25, high: -2.25 })
    await revert({ run: run.id })
    const after = await total(t)
    expect(after.interventions).toMatchObject({ byKind: { gate: 2, revert: 2 }, caughtLater: 1, unplanned: 2 })
    // Its baseline is lost once; two gates of a minute, and twice 15 seconds of taking back.
    expect(after.saved).toMatchObject({ low: -2.5, high: -2.5 })
    // What took back is no playbook of theirs: its tries stand with what belongs to none.
    const { groups } = await t.keelson.metrics.report()
    expect(groups.map((one) => [one.key, one.retries.steps])).toEqual([
      ['', 3],
      ['tell', 4],
    ])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('counts the same, wherever a process dies while it is decided, carried out and taken back', async () => {
    await exploreCrashes(
      async (t) => {
        const run = await t.start(tell, {})
        await decide(t, { edit: { skip: ['2'], inputs: { 3: { text: 'C' } } } })
        await decide(t, { approve: true })
        await t.host(async (keelson) => {
          const there = (await keelson.runs.list({ builtIn: true })).runs.some(
            (one) => one.playbook === 'keelson.revert',
          )
          if (!there) await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by, cause: 'wrong' })
        })
        const { interventions, edits, saved } = await t.host(
          async (keelson) => (await keelson.metrics.report({ from: '2026-01-05' })).total,
        )
        return [interventions.byKind.gate, interventions.byKind.revert, interventions.caughtLater, edits.share, saved]
      },
      { harness: () => ({ playbooks: [tell], connectors, policy: gate }), limit: 80 },
    )
  })
})

describe('an improvement', () => {
  const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ tone: z.string() }) })
  const writer = defineAgent({
    name: 'writer',
    version: 3,
    instructions: 'Write briefly.',
    input: z.object({}),
    output: z.object({ text: z.string() }),
  })
  const greet = definePlaybook({
    name: 'greet',
    version: 1,
    input: z.object({ id: z.string(), n: z.int() }),
    output: z.object({}),
    async run(ctx, { id, n }) {
      await ctx.entities(Customer).get(id)
      await ctx.memory.recall('tone')
      const { text } = await ctx.delegate(writer, {})
      await ctx.act(note, { text: `${text} ${n}` })
      return {}
    },
  })

  it('reaches the runs that read it, and what people change is compared before and after', async () => {
    const t = await world({ playbooks: [greet] })
    t.script(writer, () => ({ text: 'hello' }))
    const { id } = await t.keelson.entities(Customer, { by }).create({ tone: 'stiff' })
    const robot = { kind: 'agent', id: 'bot' } as const
    const first = await t.keelson.memory.remember({ subject: 'ada', predicate: 'tone', value: 'warm' }, { by: robot })
    const day = async (edits: readonly boolean[]): Promise<void> => {
      for (const [n, edit] of edits.entries()) {
        await t.start(greet, { id, n })
        await decide(t, edit ? { edit: { text: 'dear' } } : { approve: true })
      }
      await t.advance('1d')
    }
    await day([true, true, false])
    await t.host((keelson) => keelson.entities(Customer, { by }).update(id, { tone: 'warm' }))
    const corrected = await t.host((keelson) => keelson.memory.correct(first.id, { value: 'formal' }, { by }))
    await day([true])
    await t.host((keelson) => keelson.memory.correct(corrected.id, { value: 'dry' }, { by }))
    await t.advance('1d')
    await day([false, false])
    const { reach, versions, total: all } = await t.keelson.metrics.report()
    const told = reach.find((one) => one.what === `customer/${id}`)!
    expect(told).toMatchObject({ corrections: 1, runs: 6, playbooks: 1 })
    expect(told.edited).toMatchObject({ before: { share: 2 / 3, of: 3 }, after: { share: 0, of: 2 } })
    expect(told.edited.after.high).toBeCloseTo(0.658, 3)
    expect(reach.find((one) => one.what === `memory/${corrected.id}`)).toMatchObject({ corrections: 1, runs: 1 })
    // A tone was corrected, and so was the same of the same kind, again.
    expect([all.interventions.byKind.correction, all.repeatedCorrections.toFixed(2)]).toEqual([3, '0.33'])
    expect(versions).toMatchObject([
      { playbook: 'greet', version: 1, runs: 6, edited: { share: 0.5, of: 6 } },
      { agent: 'writer', version: 3, runs: 6, edited: { share: 0.5, of: 6 } },
    ])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })
})
