/** Programs for the crash matrix about people: plans, grants, holds, what is put off and handed on, batches, shadow, joining, trust. */
import { action, defineConnector, defineEntity, definePlaybook, defineTrust, policy, type Run } from '@keelson/core'
import { fake } from '@keelson/testing'
import { z } from 'zod'
import type { Program } from './crash-programs.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const by = { kind: 'person', id: 'ann' } as const
const ben = { kind: 'person', id: 'ben' } as const

const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), cents: z.int() }),
  output: z.object({ ok: z.boolean() }),
  intent: ({ to }) => ['pay', to],
  simulate: () => ({ ok: true }),
  run: real,
})
const note = action({
  name: 'bank.note',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ text: z.string() }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  batchBy: () => 'notes',
  simulate: () => ({ ok: true }),
  run: real,
  compensate: real,
})
const bank = defineConnector({ name: 'bank', actions: { pay, note } })
const connectors = () => [fake(bank)]

const payday = definePlaybook({
  name: 'payday',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  uses: [bank],
  async run(ctx) {
    const lines = [
      ctx.intend(pay, { to: 'ada', cents: 100 }),
      ctx.intend(pay, { to: 'bob', cents: 200 }),
      ctx.intend(note, { text: 'May is paid' }),
      ctx.intend(pay, { to: 'mallory', cents: 999 }),
    ]
    const done = await ctx.propose('Pay the bills of May', lines, { timeout: '7d' })
    return done.lines.map(({ id, state, edited }) => `${id} ${state} ${edited}`)
  },
})
const gate = policy([
  policy.rule('money', { on: pay }, ({ input }) => (input.to === 'mallory' ? policy.deny('not to her') : policy.ask())),
  policy.rule('note', { on: note }, () => [policy.ask(), policy.hold('10m')]),
])
const plan: Program = {
  name: 'plan',
  harness: () => ({ playbooks: [payday], connectors: connectors(), policy: gate }),
  async test(t) {
    const run = await t.start(payday, {})
    await t.plan({ skip: ['1'], edit: { '2': { cents: 250 } } })
    await t.advance('10m')
    return run
  },
}

const stricter = policy([
  policy.rule('money', { on: pay }, ({ input }) => (input.to === 'bob' ? policy.deny('not to him') : policy.ask())),
  policy.rule('note', { on: note }, () => [policy.ask(), policy.hold('20m')]),
  policy.rule('second look', { on: pay }, ({ input }) => (input.to === 'ada' ? policy.ask() : policy.allow())),
])
/** A plan whose rules change while it is open: a line is denied, one held longer, one asked about by more, one let again. */
const planAgain: Program = {
  name: 'plan under other rules',
  harness: () => ({ playbooks: [payday], connectors: connectors(), policy: gate }),
  async test(t) {
    const run = await t.start(payday, {})
    await t.deploy({ policy: stricter })
    const [item] = (await t.inbox.list()).items
    const shown = item?.kind === 'plan' ? item.lines.map(({ denied, holdMs, asked }) => denied ?? holdMs ?? asked) : []
    await t.plan({})
    await t.advance('20m')
    return [shown.map(String), await run.result()]
  },
}

const payOne = definePlaybook({
  name: 'pay-one',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({ ok: z.boolean() }),
  uses: [bank],
  run: (ctx, { to }) => ctx.act(pay, { to, cents: 5 }),
})
const grant: Program = {
  name: 'grant',
  harness: () => ({
    playbooks: [payOne],
    connectors: connectors(),
    policy: policy([policy.rule('asks', { on: pay }, () => policy.ask({ grantable: true }))]),
  }),
  async test(t) {
    await t.host(async (keelson) => {
      if ((await keelson.grants.list()).length > 0) return
      await keelson.grants.create({ action: pay, where: {}, cap: { count: 1 }, until: '2027-01-01', by })
    })
    const first = await t.start(payOne, { to: 'one' })
    const second = await t.start(payOne, { to: 'two' })
    await t.approve(pay)
    return { result: async () => [await first.result(), await second.result()] }
  },
}

const hold: Program = {
  name: 'hold',
  harness: () => ({
    playbooks: [payOne],
    connectors: connectors(),
    policy: policy([policy.rule('held', { on: pay }, () => policy.hold('10m'))]),
  }),
  async test(t) {
    const run = await t.start(payOne, { to: 'ada' })
    await t.reschedule(pay, '2026-01-05T10:00:00Z')
    await t.advance('1h')
    return run
  },
}

const noteOne = definePlaybook({
  name: 'note-one',
  version: 1,
  input: z.object({ text: z.string() }),
  output: z.object({ ok: z.boolean() }),
  uses: [bank],
  run: (ctx, input) => ctx.act(note, input),
})
const hands: Program = {
  name: 'hands',
  harness: () => ({
    playbooks: [noteOne],
    connectors: connectors(),
    policy: policy([policy.rule('asks', { on: note }, () => policy.ask({ onSilence: 'remind', timeout: '30m' }))]),
  }),
  async test(t) {
    const runs: Run<unknown>[] = []
    for (const text of ['a', 'b', 'c']) runs.push(await t.start(noteOne, { text }, { id: text }))
    await t.host(async ({ inbox }) => {
      const of = async (run: string) => (await inbox.list({ run, snoozed: true })).items[0]!.id
      await inbox.snooze(await of('a'), { by, until: '1h' })
      await inbox.delegate(await of('b'), { by, to: ben })
    })
    await t.advance('1h')
    await t.batch(note, { by })
    return { result: () => Promise.all(runs.map((run) => run.result())) }
  },
}

const Purse = defineEntity({ name: 'purse', version: 1, schema: z.object({ cents: z.int() }), index: ['cents'] })
const spend = definePlaybook({
  name: 'spend',
  version: 1,
  input: z.object({}),
  output: z.number(),
  uses: [bank],
  async run(ctx) {
    const purse = await ctx.entities(Purse).create({ cents: 10 })
    await ctx.act(pay, { to: 'ada', cents: 4 })
    await ctx.propose('Note it', [ctx.intend(note, { text: 'paid' })])
    await ctx.entities(Purse).update(purse.id, { cents: 6 })
    return (await ctx.entities(Purse).get(purse.id)).data.cents
  },
})
const shadow: Program = {
  name: 'shadow',
  harness: () => ({ playbooks: [spend], connectors: connectors(), policy: gate }),
  async test(t) {
    const run = await t.start(spend, {}, { shadow: true })
    const left = await run.result()
    const { pairs, entities } = await t.host((keelson) => keelson.shadow.diff(run.id))
    const real = [t.world(pay).length, t.world(note).length]
    return [left, pairs.map(({ action: name, would }) => [name, would]), entities.map(({ would }) => would), real]
  },
}

const joined: Program = {
  name: 'joined',
  harness: () => ({ playbooks: [payOne], connectors: connectors(), policy: gate }),
  async test(t) {
    const first = await t.start(payOne, { to: 'ada' }, { id: 'first' })
    const second = await t.start(payOne, { to: 'ada' }, { id: 'second' })
    t.fault(pay, 'timeout-after-effect')
    await t.approve(pay)
    return { result: async () => [await first.result(), await second.result(), t.world(pay).length] }
  },
}

const broken = definePlaybook({
  name: 'broken',
  version: 1,
  input: z.object({}),
  output: z.string(),
  run: (ctx) => ctx.step('fetch', (): string => fails(), { retry: { attempts: 1 } }),
})
function fails(): never {
  throw new Error('gone')
}
const trust: Program = {
  name: 'trust',
  harness: () => ({
    playbooks: [noteOne, broken],
    connectors: connectors(),
    policy: policy([policy.rule('asks', { on: note }, () => policy.ask({ grantable: true }))]),
    trust: [defineTrust(note, { start: 'approve', ceiling: 'approve', veto: '5m', version: '1' })],
    alerts: [{ after: '1h', act: () => [note, { text: 'told' }] }],
  }),
  async test(t) {
    await t.host((keelson) => keelson.trust.ceiling(note, 'veto', { by }))
    await t.host((keelson) => keelson.trust.set(note, 'veto', { by }))
    const run = await t.start(noteOne, { text: 'a' })
    await t.advance('5m')
    for (let i = 0; i < 3; i++) await t.start(broken, {}, { id: `broken ${i}` })
    await t.advance('61m')
    await t.host(async ({ revert }) => {
      const planned = await revert.plan({ run: run.id })
      if (planned.lines.some((line) => line.can)) await revert.apply(planned, { by, cause: 'wrong' })
    })
    const [standing] = await t.host((keelson) => keelson.trust.list())
    const alerts = await t.host((keelson) => keelson.metrics.alerts.list())
    return [standing?.rung, alerts.map(({ id, count }) => `${id} ${count}`)]
  },
}

/** Simulated for where they stand, beside a plan of which one line is; and what a person then did by hand. */
const rung: Program = {
  name: 'rung',
  harness: () => ({
    playbooks: [noteOne, payOne, payday],
    connectors: connectors(),
    policy: gate,
    trust: [defineTrust(note), defineTrust(pay, { start: 'approve', segment: ({ to }) => to })],
  }),
  async test(t) {
    await t.host((keelson) => keelson.trust.set(pay, 'shadow', { by, segment: 'bob' }))
    const noted = await t.start(noteOne, { text: 'a' }, { id: 'noted' })
    const paid = await t.start(payOne, { to: 'bob' }, { id: 'paid' })
    const plan = await t.start(payday, {}, { id: 'plan' })
    await t.plan({})
    await t.host(async ({ shadow }) => {
      await shadow.observe(note, { text: 'a' }, { id: 'by hand', by })
      await shadow.observe(pay, { to: 'bob', cents: 6 }, { id: 'paid by hand', by })
    })
    await t.host((keelson) => keelson.trust.set(note, 'approve', { by }))
    await t.start(noteOne, { text: 'b' }, { id: 'asked' })
    await t.approve(note)
    await t.advance('10m')
    const all = await t.host((keelson) => keelson.trust.list())
    const stands = all.map(({ action: of, segment, rung: on, seen, good }) => [of, segment, on, seen, good])
    const real = [t.world(pay).map(({ input }) => input.to), t.world(note).map(({ input }) => input.text)]
    return [await noted.result(), await paid.result(), await plan.result(), stands, real]
  },
}

/** What acts by itself: each that was done is put before a person to check, one that was stopped is not, and all are told. */
const audited: Program = {
  name: 'audited',
  harness: () => ({
    playbooks: [noteOne],
    connectors: connectors(),
    policy: policy([policy.rule('asks', { on: note }, () => policy.ask({ grantable: true }))]),
    trust: [defineTrust(note, { start: 'approve', veto: '5m' })],
  }),
  async test(t) {
    await t.host((keelson) => keelson.trust.set(note, 'automatic', { by }))
    const atOnce = await t.start(noteOne, { text: 'at once' }, { id: 'at once' })
    await t.host((keelson) => keelson.trust.set(note, 'veto', { by }))
    const held = await t.start(noteOne, { text: 'held' }, { id: 'held' })
    await t.start(noteOne, { text: 'stopped' }, { id: 'stopped' })
    await t.host(async ({ holds }) => {
      for (const { id, run } of (await holds.list()).holds)
        if (run === 'stopped') await holds.cancel(id, { by, reason: 'no' })
    })
    await t.advance('5m')
    await t.host(async ({ maintenance }) => void (await maintenance.run({ digest: true, by, id: 'nightly' })))
    await t.advance('1m')
    const { last } = await t.host((keelson) => keelson.maintenance.status())
    const items = (await t.host((keelson) => keelson.inbox.list())).items
    const codes = items.map((one) => (one.kind === 'attention' ? one.code : one.kind)).sort()
    return [await atOnce.result(), await held.result(), last?.report?.parts.map(({ text }) => text), codes]
  },
}

export const peoplePrograms: readonly Program[] = [
  plan,
  planAgain,
  grant,
  hold,
  hands,
  shadow,
  joined,
  trust,
  rung,
  audited,
]
