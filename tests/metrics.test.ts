/** Metrics: what is counted, by its definition, in the unit of the thing itself. */
import {
  action,
  createConductor,
  defineConnector,
  defineEntity,
  definePlaybook,
  policy,
  type Alert,
} from '@keelson/core'
import {
  exploreCrashes,
  fake,
  intercept,
  memoryStore,
  testConductor,
  type Harness,
  type MemoryStoreSession,
} from '@keelson/testing'
import type { Entry, MemoryStore, Unit } from '@keelson/core/ports'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  simulate: () => ({ id: 'would' }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const email = defineConnector({ name: 'email', actions: { send } })
const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ tone: z.string() }) })
let fails = 0

const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string(), about: z.string().optional() }),
  output: z.string(),
  baseline: '10m',
  async run(ctx, { to, about }) {
    if (about !== undefined) await ctx.entities(Customer).get(about)
    await ctx.step('draft', () => {
      if (fails-- > 0) throw new Error('busy')
      return 'text'
    })
    return (await ctx.act(send, { to })).id
  },
})

const asks = policy([
  policy.rule('strangers', { on: send }, ({ input }) => (input.to === 'friend' ? policy.allow() : policy.ask())),
])

async function harness(more: Partial<Parameters<typeof testConductor>[0]> = {}): Promise<Harness> {
  fails = 0
  return testConductor({ playbooks: [write], connectors: [fake(email)], policy: asks, ...more })
}

/** A person opens the oldest item, looks for so long, and decides. */
async function decide(t: Harness, looks: string, decision: object): Promise<void> {
  const [item] = (await t.inbox.list()).items
  await t.host((keelson) => keelson.inbox.opened(item!.id, { by }))
  await t.advance(looks)
  await t.host((keelson) =>
    keelson.inbox.decide(item!.id, { hash: item!.hash, by, ...(decision as { approve: true }) }),
  )
}

describe('metrics.report', () => {
  it('counts attempts, not replays, and says why tries failed', async () => {
    const t = await harness({ alwaysReplay: true })
    fails = 2
    await t.start(write, { to: 'friend' })
    await t.start(write, { to: 'friend' })
    const { retries } = (await t.keelson.metrics.report()).total
    expect(retries).toMatchObject({ steps: 4, rate: 0.5, firstTry: 0.75, exhausted: 0, amplification: 1.5 })
    expect(retries.byCause).toEqual({ transient: 2 })
  })

  it('counts who was asked, how long they looked, and what that saves, as a range net of it', async () => {
    const t = await harness()
    await t.start(write, { to: 'friend' })
    await t.start(write, { to: 'stranger' })
    await decide(t, '2m', { approve: true })
    await t.start(write, { to: 'other' })
    await decide(t, '1s', { approve: true })
    const { total, groups } = await t.keelson.metrics.report()
    expect(total.interventions).toMatchObject({
      byKind: { gate: 2 },
      touchless: 1 / 3,
      rubberStamps: 0.5,
      unplanned: 0,
    })
    expect(total.interventions.activeMinutes).toBeCloseTo(2.02, 2)
    expect(total.saved).toMatchObject({ low: 12.98, high: 42.98, counted: 3 })
    expect(groups.map((one) => one.key)).toEqual(['write'])
    await t.host((keelson) => keelson.metrics.spent(write, '1h', { by }))
    expect((await t.keelson.metrics.report()).total.saved).toMatchObject({ setup: 60, low: -47.02 })
  })

  it('counts a run once that ended, was summed up, and went on another day', async () => {
    const t = await harness()
    fails = 100
    const run = await t.start(write, { to: 'friend' }, { id: 'late' })
    await t.advance('3d')
    expect(await run.status()).toMatchObject({ state: 'failed' })
    const { runs, retries } = (await t.keelson.metrics.report()).total
    expect([runs.failed, runs.completed, retries.steps]).toEqual([1, 0, 1])
    fails = 0
    await t.host((keelson) => keelson.runs.retry('late', { by }))
    expect(await run.status()).toMatchObject({ state: 'completed' })
    const { total: first } = await t.keelson.metrics.report()
    const { total: second } = await t.keelson.metrics.report()
    for (const { runs, retries } of [first, second])
      expect([runs.failed, runs.completed, retries.steps]).toEqual([0, 1, 2])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('counts a run once that goes on while the day of its end is being summed up', async () => {
    const data = memoryStore()
    let met = 0
    const session = (): MemoryStore =>
      intercept(data.session(), {
        async before(op, [, unit]) {
          const rolls = ({ kind, payload }: Entry): boolean =>
            kind === 'metrics.rolled' && payload?.includes('"playbook":"write"') === true
          const sums = (unit as Unit | undefined)?.entries?.some(rolls)
          if (op !== 'write' || sums !== true || ++met > 1) return
          await t.keelson.runs.retry('late', { by })
          await t.keelson.runs.get('late').result()
        },
      })
    const t = await harness({ store: { session, kill: (worker) => data.kill(worker) } })
    fails = 100
    await t.start(write, { to: 'friend' }, { id: 'late' })
    await t.advance('3d')
    fails = 0
    await t.host((keelson) => keelson.metrics.report())
    expect(met).toBeGreaterThan(0)
    const { runs, retries } = (await t.keelson.metrics.report()).total
    expect([runs.failed, runs.completed, retries.steps]).toEqual([0, 1, 2])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('counts a run in shadow once that goes on after its day was summed up', async () => {
    const t = await harness()
    fails = 100
    const run = await t.start(write, { to: 'friend' }, { shadow: true })
    await t.advance('3d')
    expect((await t.host((keelson) => keelson.metrics.report())).total.runs).toMatchObject({ shadow: 1 })
    fails = 0
    await t.host((keelson) => keelson.runs.retry(run.id, { by }))
    await t.advance('1m')
    expect((await t.keelson.metrics.report()).total.runs).toMatchObject({ shadow: 1 })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('counts shadow as an investment, not as work that was saved', async () => {
    const t = await harness()
    await t.start(write, { to: 'stranger' }, { shadow: true })
    await decide(t, '3m', { answer: { good: true } })
    const { runs, saved, interventions } = (await t.keelson.metrics.report()).total
    expect([runs.shadow, runs.completed, saved.invested, saved.high, interventions.activeMinutes]).toEqual([
      1, 0, 3, 0, 0,
    ])
  })

  it.each([
    ['wrong', [-0.25, 1, 1]], // and 15 seconds of whoever took it back
    ['changed-mind', [0, 0, 0]],
    ['test', [15, 0, 0]],
    [undefined, [-0.25, 1, 1]],
  ] as const)('counts what was taken back as a loss, by its cause (%s)', async (cause, counted) => {
    const book = action({
      name: 'room.book',
      effect: 'reversible',
      input: z.object({ room: z.string() }),
      output: z.object({ id: z.string() }),
      undo: z.object({ id: z.string() }),
      run: () => Promise.reject(new Error('a test reached the real world')),
      compensate: () => {},
    })
    const plan = definePlaybook({
      name: 'plan',
      version: 1,
      input: z.object({}),
      output: z.string(),
      baseline: '10m',
      run: async (ctx) => (await ctx.act(book, { room: 'a' })).id,
    })
    const room = defineConnector({ name: 'room', actions: { book } })
    const free = policy([policy.rule('free', { on: book }, () => policy.allow())])
    const t = await harness({ playbooks: [plan], connectors: [fake(room)], policy: free })
    const run = await t.start(plan, {})
    expect((await t.keelson.metrics.report()).total.saved.high).toBe(15)
    await t.host(async (keelson) => {
      const why = cause === undefined ? {} : { cause, reason: 'said so' }
      await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by, ...why })
    })
    const { saved, interventions } = (await t.keelson.metrics.report()).total
    expect([saved.high, interventions.byKind.revert, interventions.unplanned]).toEqual(counted)
    expect((await t.keelson.audit.verify()).ok).toBe(true)
  })

  it('counts no loss of a run whose effect only answered the one that is taken back', async () => {
    const book = action({
      name: 'room.book',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: z.object({ room: z.string() }),
      output: z.object({ id: z.string() }),
      undo: z.object({ id: z.string() }),
      intent: ({ room }) => [room],
      run: () => Promise.reject(new Error('a test reached the real world')),
      compensate: () => {},
    })
    const books = definePlaybook({
      name: 'books',
      version: 1,
      input: z.object({ rooms: z.array(z.string()) }),
      output: z.null(),
      baseline: '10m',
      async run(ctx, { rooms }) {
        for (const room of rooms) await ctx.act(book, { room })
        return null
      },
    })
    const room = defineConnector({ name: 'room', actions: { book } })
    const free = policy([policy.rule('free', { on: book }, () => policy.allow())])
    const t = await harness({ playbooks: [books], connectors: [fake(room)], policy: free })
    await t.start(books, { rooms: ['a'] })
    const second = await t.start(books, { rooms: ['a', 'b'] })
    const plan = await t.keelson.revert.plan({ run: second.id })
    expect(plan.lines.map(({ can }) => can)).toEqual([true, false])
    await t.host((keelson) => keelson.revert.apply(plan, { by }))
    const { saved, interventions } = (await t.keelson.metrics.report()).total
    expect([saved.high, interventions.byKind.revert]).toEqual([14.75, 1])
  })

  it('counts what was approved and taken back later, and steps that did not go well at once', async () => {
    const note = action({
      name: 'desk.note',
      effect: 'reversible',
      input: z.object({ text: z.string() }),
      output: z.object({}),
      undo: z.object({}),
      run: () => Promise.reject(new Error('a test reached the real world')),
      compensate: () => {},
    })
    const plan = definePlaybook({
      name: 'plan',
      version: 1,
      input: z.object({}),
      output: z.string(),
      async run(ctx) {
        await ctx.step('look', () => {
          if (fails-- > 0) throw new Error('busy')
        })
        await ctx.act(note, { text: 'a' })
        return 'done'
      },
    })
    const desk = defineConnector({ name: 'desk', actions: { note } })
    const gate = policy([policy.rule('notes', { on: note }, () => policy.ask())])
    const t = await harness({ playbooks: [plan], connectors: [fake(desk)], policy: gate })
    fails = 1
    const run = await t.start(plan, {})
    await decide(t, '1m', { approve: true })
    await t.start(plan, {})
    await decide(t, '1m', { approve: true })
    await t.host(async (keelson) =>
      keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by, cause: 'wrong' }),
    )
    const { interventions, retries } = (await t.keelson.metrics.report()).total
    expect([interventions.caughtLater, interventions.rubberStamps]).toEqual([0.5, 0])
    expect(retries.byStep).toEqual({ look: { steps: 1, attempts: 2, exhausted: 0 } })
    expect((await t.keelson.audit.verify()).ok).toBe(true)
  })

  it('lets two conductors settle runs at once without one waiting for the other', async () => {
    const data = memoryStore()
    const [conflicts, settled]: [string[], number[]] = [[], [0, 0]]
    const watched = (nth: number): MemoryStoreSession => {
      const session = data.session()
      const commit = session.commit.bind(session)
      return Object.assign(session, {
        commit: async (...given: Parameters<typeof commit>) => {
          const answer = await commit(...given)
          const kinds = (given[1].entries ?? []).map((one) => one.kind)
          if (answer.status === 'conflict') conflicts.push(kinds.join())
          else if (kinds.includes('run.settled')) settled[nth]!++
          return answer
        },
      })
    }
    const free = definePlaybook({
      name: 'free',
      version: 1,
      input: z.object({ n: z.int() }),
      output: z.int(),
      run: (ctx, { n }) => ctx.step('n', () => n),
    })
    const options = { playbooks: [free], keepAlive: false, log: { info: () => {}, warn: () => {}, error: () => {} } }
    const all = [
      await createConductor({ ...options, store: watched(0), concurrency: 8 }),
      await createConductor({ ...options, store: watched(1), concurrency: 8 }),
    ]
    onTestFinished(async () => void (await Promise.all(all.map((one) => one.stop({ withinMs: 100 })))))
    const runs = await Promise.all(
      Array.from({ length: 60 }, (_, n) => all[n % 2]!.start(free, { n }, { id: `r${n}` })),
    )
    await Promise.all(runs.map((run) => run.result()))
    expect(conflicts).toEqual([])
    expect([settled[0]! + settled[1]!, settled.every((one) => one > 0)]).toEqual([60, true])
    const [one, two] = await Promise.all(all.map((each) => each.metrics.report()))
    expect(one!.total).toEqual(two!.total)
    expect(one!.total.outcomes).toBe(60)
    expect((await all[0]!.audit.verify()).ok).toBe(true)
  })

  it('sees corrections, those that were needed before, and how far they reach', async () => {
    const t = await harness()
    const made = await t.keelson.entities(Customer, { by }).create({ tone: 'stiff' })
    await t.host((keelson) => keelson.entities(Customer, { by }).update(made.id, { tone: 'warm' }))
    await t.start(write, { to: 'friend', about: made.id })
    await t.host((keelson) => keelson.entities(Customer, { by }).update(made.id, { tone: 'warmer' }))
    const { total, reach, next } = await t.keelson.metrics.report()
    expect([total.interventions.byKind.correction, total.repeatedCorrections]).toEqual([2, 0.5])
    expect(reach).toMatchObject([{ what: `customer/${made.id}`, corrections: 2, runs: 1, playbooks: 1 }])
    expect(next[0]!.what).toContain('make a rule')
  })

  it('says where to invest next, the best first, and why', async () => {
    const t = await harness()
    for (let i = 0; i < 20; i++) {
      await t.start(write, { to: `stranger ${i}` })
      await decide(t, '1m', { approve: true })
    }
    const { next } = await t.keelson.metrics.report()
    expect(next[0]).toMatchObject({ what: expect.stringContaining('let email.send do more'), playbook: 'write' })
    expect(next[0]!.why).toBe('20 of 20 approved unchanged (at least 88 %), 20 min of looking')
  })

  it('rolls up a day that is over, once; the sums stay, and verify() holds them to their entries', async () => {
    const t = await harness()
    await t.start(write, { to: 'friend' })
    const before = (await t.keelson.metrics.report({ by: 'day' })).total
    await t.advance('3d')
    expect((await t.keelson.metrics.report({ by: 'day' })).total).toEqual(before)
    await t.start(write, { to: 'friend' })
    expect((await t.keelson.metrics.report({ by: 'day' })).groups.map((one) => one.outcomes)).toEqual([1, 1])
    expect((await t.keelson.metrics.report({ by: 'week' })).groups).toHaveLength(1)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await expect(t.keelson.metrics.report({ from: '2026-02-01', to: '2026-01-01' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
  })

  it('counts the same however the runs were cut short', async () => {
    await exploreCrashes(
      async (t) => {
        await t.start(write, { to: 'friend' })
        await t.start(write, { to: 'stranger' })
        await t.approve(send)
        const { runs, interventions } = (await t.host((keelson) => keelson.metrics.report())).total
        return [runs, interventions.byKind]
      },
      { harness: () => ({ playbooks: [write], connectors: [fake(email)], policy: asks }) },
    )
  })
})

describe('an alert', () => {
  const broken = definePlaybook({
    name: 'broken',
    version: 1,
    input: z.object({}),
    output: z.string(),
    run: async (ctx) =>
      ctx.step(
        'fetch',
        () => {
          throw new Error('gone')
        },
        { retry: { attempts: 1 } },
      ),
  })

  it('is one for its cause, with a count, and climbs until somebody acknowledges it', async () => {
    const heard: string[] = []
    const tell = (rung: string) => (alert: Alert) => void heard.push(`${rung} ${alert.count}`)
    const t = await harness({
      playbooks: [broken],
      policy: policy([policy.rule('alerts', { on: send }, () => policy.allow())]),
      alerts: [
        { after: '0s', call: tell('first') },
        { after: '1h', act: (alert) => [send, { to: `boss: ${alert.title}` }] },
        { after: '2h', call: tell('last') },
      ],
    })
    for (let i = 0; i < 2; i++) await t.start(broken, {})
    expect(await t.keelson.metrics.alerts.list()).toEqual([])
    for (let i = 0; i < 3; i++) await t.start(broken, {})
    expect(await t.keelson.metrics.alerts.list()).toMatchObject([{ id: 'exhausted:broken:fetch', count: 5 }])
    expect(heard).toEqual(['first 3'])
    await t.advance('61m')
    expect(t.world(send)).toHaveLength(1)
    await t.host((keelson) => keelson.metrics.alerts.acknowledge('exhausted:broken:fetch', { by }))
    await t.advance('2h')
    expect(heard).toEqual(['first 3'])
    expect(await t.keelson.metrics.alerts.list()).toEqual([])
    await expect(t.keelson.metrics.alerts.acknowledge('none', { by })).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND' })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
