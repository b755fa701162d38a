/** Plans: one decision over many effects, of which exactly the approved lines execute, in order, once. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineConnector,
  definePlaybook,
  policy,
  type InboxItem,
  type Json,
  type KeelsonError,
} from '@keelson/core'
import { fake, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import { code, me } from './support/open.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), cents: z.int() }),
  output: z.object({ ok: z.boolean() }),
  cost: ({ cents }) => ({ amount: cents, currency: 'EUR' }),
  run: real,
})
const note = action({
  name: 'bank.note',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ text: z.string() }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  fresh: real,
  run: real,
  compensate: real,
})
const balance = action({
  name: 'bank.balance',
  effect: 'read',
  input: z.object({}),
  output: z.object({ cents: z.number() }),
  run: real,
})
const bank = defineConnector({ name: 'bank', actions: { pay, note, balance } })

const payday = definePlaybook({
  name: 'payday',
  version: 1,
  input: z.object({}),
  output: z.object({ lines: z.array(z.object({ id: z.string(), state: z.string(), edited: z.boolean() })) }),
  uses: [bank],
  async run(ctx) {
    const { lines } = await ctx.propose(
      'Pay the bills of May',
      [
        ctx.intend(pay, { to: 'ada', cents: 100 }),
        ctx.intend(pay, { to: 'bob', cents: 200 }),
        ctx.intend(note, { text: 'May is paid' }),
        ctx.intend(pay, { to: 'mallory', cents: 999 }),
      ],
      { timeout: '7d' },
    )
    return { lines: lines.map(({ id, state, edited }) => ({ id, state, edited })) }
  },
})

const gate = policy([
  policy.rule('money', { on: pay }, () => policy.ask({ reason: 'money moves' })),
  policy.rule('ceiling', { on: pay }, ({ input }) =>
    input.to === 'mallory' || input.cents > 5000 ? policy.deny('not to her, not so much') : policy.allow(),
  ),
  policy.rule('note', { on: note }, () => [policy.ask(), policy.hold('10m')]),
])

const setUp = (): HarnessOptions => ({ playbooks: [payday], connectors: [fake(bank)], policy: gate })

async function asked(t: Harness): Promise<InboxItem & { kind: 'plan' }> {
  const { items } = await t.inbox.list()
  expect(items.map((item) => item.kind)).toEqual(['plan'])
  return items[0] as InboxItem & { kind: 'plan' }
}

describe('a plan', () => {
  it('shows each line with its verdict, cost and preview, and executes nothing before it is decided', async () => {
    const t = await testConductor(setUp())
    await t.start(payday, {})
    const item = await asked(t)
    expect(item).toMatchObject({ title: 'Pay the bills of May', risk: 'medium', state: 'open' })
    expect(item.allows).toEqual(['approve', 'edit', 'reject', 'respond', 'snooze', 'delegate'])
    expect(item.lines.map(({ id, action, denied, holdMs, cost }) => ({ id, action, denied, holdMs, cost }))).toEqual([
      { id: '1', action: 'bank.pay', denied: undefined, holdMs: undefined, cost: { amount: 100, currency: 'EUR' } },
      { id: '2', action: 'bank.pay', denied: undefined, holdMs: undefined, cost: { amount: 200, currency: 'EUR' } },
      { id: '3', action: 'bank.note', denied: undefined, holdMs: 600_000, cost: undefined },
      {
        id: '4',
        action: 'bank.pay',
        denied: 'ceiling: not to her, not so much',
        holdMs: undefined,
        cost: { amount: 999, currency: 'EUR' },
      },
    ])
    expect(item.preview).toMatchObject({
      kind: 'fields',
      rows: [{ label: '1. bank.pay', after: 'cents: 100, to: ada' }, {}, {}, {}],
    })
    expect(t.world(pay)).toEqual([])
  })

  it('executes exactly the approved lines, in order, and says what became of each', async () => {
    const t = await testConductor(setUp())
    const run = await t.start(payday, {})
    await t.plan({ title: 'Pay the bills of May', skip: ['1'], edit: { '2': { cents: 250 } } })
    expect(t.world(pay).map(({ input }) => input)).toEqual([{ to: 'bob', cents: 250 }])
    expect(t.world(note)).toEqual([]) // held
    await t.advance('10m')
    expect(await run.result()).toEqual({
      lines: [
        { id: '1', state: 'skipped', edited: false },
        { id: '2', state: 'done', edited: true },
        { id: '3', state: 'done', edited: false },
        { id: '4', state: 'skipped', edited: false },
      ],
    })
    expect(t.world(note)).toHaveLength(1)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('that is rejected executes nothing, and the run ends as declined', async () => {
    const t = await testConductor(setUp())
    const run = await t.start(payday, {})
    await t.plan({ reject: 'not this month' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'ACTION_DECLINED',
      data: { decline: { reason: 'not this month' } },
    })
    expect(await run.status()).toEqual({ state: 'declined' })
    expect(t.world(pay)).toEqual([])
  })

  it('that nobody decides in time is declined, never approved', async () => {
    const t = await testConductor(setUp())
    const run = await t.start(payday, {})
    const item = await asked(t)
    await t.advance('7d')
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    const late = await t.inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'late' }, approve: true })
    expect(late).toMatchObject({ status: 'refused', why: 'expired' })
    expect(t.world(pay)).toEqual([])
  })

  it('decided by a hash of other lines, for a line that is not there, or with a line that does not fit, is refused', async () => {
    const t = await testConductor(setUp())
    await t.start(payday, {})
    const { id, hash } = await asked(t)
    const by = { kind: 'person', id: 'ann' } as const
    const refusals = await Promise.all([
      t.inbox.decide(id, { hash: 'other', by, approve: true }),
      t.inbox.decide(id, { hash, by, edit: { skip: ['9'] } }),
      t.inbox.decide(id, { hash, by, edit: { inputs: { '1': { to: 'ada', cents: 0.5 } } } }),
      t.inbox.decide(id, { hash, by, edit: { inputs: { '4': { to: 'mallory', cents: 1 } } } }),
      t.inbox.decide(id, { hash, by, edit: { skip: ['1'], inputs: { '1': { to: 'ada', cents: 1 } } } }),
      t.inbox.decide(id, { hash, by, edit: { lines: [] } }),
    ])
    expect(refusals.map((one) => one.status === 'refused' && one.why)).toEqual([
      'changed',
      ...Array<string>(5).fill('invalid'),
    ])
    expect((await asked(t)).id).toBe(id)
  })

  it('with a line edited into what policy denies is refused with the reason, and stays as it was', async () => {
    const t = await testConductor(setUp())
    const run = await t.start(payday, {})
    const { id, hash } = await asked(t)
    const edited = (skip: string[], cents: number) =>
      t.inbox.decide(id, { hash, by: me, edit: { skip, inputs: { '2': { cents } } } })
    const why = 'policy denies line "2" with this: ceiling: not to her, not so much'
    expect(await edited([], 5001)).toMatchObject({ status: 'refused', why: 'invalid', message: why })
    expect(await asked(t)).toMatchObject({ id, hash, state: 'open' })
    expect(await edited(['1'], 5000)).toEqual({ status: 'done' })
    await t.advance('10m')
    const { lines } = await run.result()
    expect(lines.map(({ state }) => state)).toEqual(['skipped', 'done', 'done', 'skipped'])
  })

  it('is not edited into one in which two lines are the same effect', async () => {
    const bill = action({
      name: 'bank.bill',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ id: z.string(), cents: z.int().default(100) }),
      output: z.object({}),
      intent: ({ id }) => ['bill', id],
      run: () => ({ output: {} }),
    })
    const bills = code(async (ctx) => {
      const given = ['a', 'b'].map((id) => ctx.intend(bill, { id }))
      const { lines } = await ctx.propose('bills', [...given, ctx.intend(bill, { id: 'a' }, { key: 'again' })])
      return lines.map(({ input }) => input)
    })
    const t = await testConductor({ playbooks: [bills], actions: [bill] })
    const run = await t.start(bills, {})
    const { id, hash } = await asked(t)
    const by = { kind: 'person', id: 'ann' } as const
    const decide = (edit: Json) => t.inbox.decide(id, { hash, by, edit })
    expect(await decide({ inputs: { '2': { id: 'a', cents: 7 } } })).toMatchObject({
      status: 'refused',
      why: 'invalid',
      message: 'lines "1" and "2" would be the same effect',
    })
    expect(await decide({ skip: ['1'], inputs: { '2': { id: 'a', cents: 7 } } })).toEqual({ status: 'done' })
    await t.settle()
    expect(await run.result()).toEqual([
      { id: 'a', cents: 100 },
      { id: 'a', cents: 7 },
      { id: 'a', cents: 100 },
    ])
    await t.stop()
  })

  it('whose edited line is denied once it was approved does not execute that line, and the rest goes on', async () => {
    let looks = 0
    const later = policy.rule('later', { on: pay }, ({ input }) =>
      input.cents === 4000 && looks++ > 0 ? policy.deny('not any more') : policy.allow(),
    )
    const t = await testConductor({ ...setUp(), policy: policy([...gate.rules, later]) })
    const run = await t.start(payday, {})
    await t.plan({ skip: ['3'], edit: { '1': { cents: 4000 } } })
    expect(await run.result()).toMatchObject({
      lines: [{ state: 'skipped' }, { state: 'done' }, { state: 'skipped' }, { state: 'skipped' }],
    })
    expect(t.world(pay).map(({ input }) => input)).toEqual([{ to: 'bob', cents: 200 }])
  })

  it('leaves out what comes after a line that failed', async () => {
    const t = await testConductor(setUp())
    const run = await t.start(payday, {})
    t.fault(pay, 'refused')
    await t.plan()
    expect(await run.result()).toMatchObject({
      lines: [{ state: 'failed' }, { state: 'skipped' }, { state: 'skipped' }, { state: 'skipped' }],
    })
    expect(t.world(pay)).toEqual([])
  })

  it('asks anew for a line that rests on what has changed since, showing what', async () => {
    const t = await testConductor(setUp())
    t.fresh(note, { open: true })
    const run = await t.start(payday, {})
    t.fresh(note, { open: false })
    await t.plan({ skip: ['1', '2'] })
    expect((await t.keelson.holds.list()).holds).toMatchObject([
      { action: 'bank.note', dueAt: '2026-01-05T09:10:00.000Z' },
    ])
    await t.advance('10m')
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([
      { kind: 'approval', action: 'bank.note', changed: [{ label: 'open', before: 'true', after: 'false' }] },
    ])
    expect(t.world(note)).toEqual([])
    await t.approve(note)
    expect(await run.result()).toMatchObject({ lines: [{}, {}, { state: 'done' }, {}] })
  })

  it('answers words with another plan, linked to the first', async () => {
    const careful = definePlaybook({
      name: 'careful',
      version: 1,
      input: z.object({}),
      output: z.object({ done: z.number() }),
      async run(ctx) {
        const { lines } = await ctx.propose('Pay', [ctx.intend(pay, { to: 'ada', cents: 100 })], {
          revise: (no) => [ctx.intend(pay, { to: 'ada', cents: Number(no.text) })],
        })
        return { done: lines.filter((line) => line.state === 'done').length }
      },
    })
    const t = await testConductor({ ...setUp(), playbooks: [careful] })
    const run = await t.start(careful, {})
    const first = await asked(t)
    await t.plan({ respond: '90' })
    const second = await asked(t)
    expect(second).toMatchObject({ revises: first.id, lines: [{ input: { cents: 90 } }] })
    expect(await t.inbox.get(first.id)).toMatchObject({ state: 'decided', revisedBy: second.id })
    await t.plan()
    expect(await run.result()).toEqual({ done: 1 })
    expect(t.world(pay).map(({ input }) => input)).toEqual([{ to: 'ada', cents: 90 }])
  })

  it('of reads, of nothing, or of the same effect twice is refused at once', async () => {
    const charge = action({
      name: 'shop.charge',
      effect: 'reversible',
      input: z.object({ invoice: z.string() }),
      output: z.object({}),
      intent: ({ invoice }) => [invoice],
      run: real,
    })
    const odd = definePlaybook({
      name: 'odd',
      version: 1,
      input: z.object({}),
      output: z.array(z.string()),
      async run(ctx) {
        const tried = [
          () => ctx.propose('reads', [ctx.intend(balance, {})]),
          () => ctx.propose('nothing', []),
          () => ctx.propose('twice', [ctx.intend(charge, { invoice: '1' }), ctx.intend(charge, { invoice: '1' })]),
          () => ctx.propose('junk', [{ action: 'bank.pay' }]),
        ]
        return Promise.all(
          tried.map(async (attempt) => {
            try {
              await attempt()
            } catch (error) {
              return (error as KeelsonError).code
            }
            return 'proposed'
          }),
        )
      },
    })
    const t = await testConductor({ ...setUp(), playbooks: [odd] })
    const run = await t.start(odd, {})
    expect(await run.result()).toEqual(Array<string>(4).fill('INPUT_INVALID'))
  })
})
