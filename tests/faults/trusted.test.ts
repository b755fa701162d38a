/** Trust, at the edges: inputs that are no records, costs that nobody can tell, accounts beside each other, standings of before. */
import { action, definePlaybook, defineTrust, policy } from '@keelson/core'
import type { RecordQuery, RecordRow } from '@keelson/core/ports'
import { intercept, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const

describe('what acts by itself, drawn to be checked', () => {
  it.each([
    ['nothing', z.null(), null, 'null'],
    ['a text', z.string(), 'good day', '"good day"'],
    ['a list', z.array(z.string()), ['a', 'b'], '0: "a"\n1: "b"'],
  ] as const)('is sent once and shown, where its input is %s', async (_what, input, given, shown) => {
    const sent: unknown[] = []
    const ping = action({
      name: 'crm.ping',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: input as z.ZodType<unknown>,
      output: z.null(),
      undo: z.null(),
      run: async (one) => (sent.push(one), { output: null, undo: null }),
      compensate: () => {},
    })
    const pings = definePlaybook({
      ...{ name: 'pings', version: 1, input: z.object({}), output: z.null() },
      run: (ctx) => ctx.act(ping, given),
    })
    const asks = policy([policy.rule('pings', { on: ping }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(ping, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [pings], actions: [ping], policy: asks, trust })
    await t.keelson.trust.set(ping, 'automatic', { by })
    const run = await t.start(pings, {})
    expect(await run.result()).toBe(null)
    expect(sent).toEqual([given])
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'TRUST_AUDIT', preview: { after: shown } }])
    await t.stop()
  })
})

describe('what acts by itself, and cannot say what it costs', () => {
  it.each([
    ['NaN', () => ({ amount: Number.NaN, currency: 'EUR' })],
    ['infinitely much', () => ({ amount: Infinity, currency: 'EUR' })],
    ['a promise', async () => ({ amount: 1, currency: 'EUR' })],
    ['a promise that fails', () => Promise.reject(new Error('no'))],
    ['a number', () => 1],
    ['nothing, as it throws', () => ([] as { net: string }[])[0]!.net],
  ])('asks a person: it costs %s', async (_what, cost) => {
    const sent: string[] = []
    const pay = action({
      name: 'bank.pay',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string() }),
      output: z.null(),
      undo: z.null(),
      cost: cost as never,
      run: async ({ to }) => (sent.push(to), { output: null, undo: null }),
      compensate: () => {},
    })
    const pays = definePlaybook({
      ...{ name: 'pays', version: 1, input: z.object({}), output: z.null() },
      run: (ctx) => ctx.act(pay, { to: 'ada' }),
    })
    const asks = policy([policy.rule('pays', { on: pay }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(pay, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [pays], actions: [pay], policy: asks, trust })
    await t.keelson.trust.set(pay, 'automatic', { by })
    const run = await t.start(pays, {})
    expect(sent).toEqual([])
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', action: 'bank.pay' }])
    await t.approve(pay)
    expect(await run.result()).toBe(null)
    await t.stop()
  })
})

const charge = action({
  name: 'bank.charge',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ invoice: z.string() }),
  output: z.null(),
  undo: z.null(),
  intent: ({ invoice }) => ['charge', invoice],
  simulate: () => null,
  run: async () => ({ output: null, undo: null }),
  compensate: () => {},
})
const paris = charge.account('paris')
const bill = definePlaybook({
  name: 'bill',
  version: 1,
  input: z.object({ invoice: z.string(), paris: z.boolean().optional() }),
  output: z.null(),
  run: (ctx, { invoice, paris: there }) => ctx.act(there === true ? paris : charge, { invoice }),
})
const asks = policy([policy.rule('money', { on: charge }, () => policy.ask({ grantable: true }))])
const pairs = (): Promise<Harness> =>
  testConductor({
    playbooks: [bill],
    policy: asks,
    trust: [defineTrust(charge), defineTrust(paris)],
    actions: [charge],
  })

const seen = async (t: Harness): Promise<{ default: number; paris: number }> => {
  const all = await t.keelson.trust.list()
  const of = (account?: string): number => all.find((one) => one.account === account)?.seen ?? 0
  return { default: of(), paris: of('paris') }
}
const observe = (t: Harness, of: typeof charge, invoice: string): Promise<void> =>
  t.host((keelson) => keelson.shadow.observe(of, { invoice }, { id: `${of === paris} ${invoice}`, by }))

describe('shadow pairs of an action under two accounts', () => {
  it('are made of what was proposed and done under one of them: a deed that comes after', async () => {
    const t = await pairs()
    await t.start(bill, { invoice: 'a' })
    await t.start(bill, { invoice: 'b', paris: true })
    await observe(t, paris, 'a')
    await observe(t, charge, 'b')
    expect(await seen(t)).toEqual({ default: 0, paris: 0 })
    await observe(t, charge, 'a')
    expect(await seen(t)).toEqual({ default: 1, paris: 0 })
    await observe(t, paris, 'b')
    expect(await seen(t)).toEqual({ default: 1, paris: 1 })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('are made of what was proposed and done under one of them: a deed that came before', async () => {
    const t = await pairs()
    await observe(t, paris, 'a')
    await t.start(bill, { invoice: 'a' })
    expect(await seen(t)).toEqual({ default: 0, paris: 0 })
    await t.start(bill, { invoice: 'a', paris: true })
    expect(await seen(t)).toEqual({ default: 0, paris: 1 })
    await t.stop()
  })

  it.each([
    ['after', ['propose', 'do']],
    ['before', ['do', 'propose']],
  ] as const)('are not made of what a person let another of them do: %s', async (_when, order) => {
    const t = await pairs()
    await t.keelson.trust.set(paris, 'approve', { by })
    for (const what of order) {
      await t.start(bill, what === 'do' ? { invoice: 'a', paris: true } : { invoice: 'a' })
      if (what === 'propose') continue
      const item = (await t.inbox.list()).items.find((one) => one.kind === 'approval' && one.shadow !== true)!
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('30s')
      await t.approve(charge, { by })
    }
    expect(await seen(t)).toEqual({ default: 0, paris: 1 }) // the one that was asked about
    await t.stop()
  })
})

describe('a standing in shadow that a person has begun anew', () => {
  it('is not held to what was proposed before it began, and nobody did', async () => {
    const t = await pairs()
    await t.start(bill, { invoice: 'nobody' })
    await t.advance('1h')
    await t.keelson.trust.set(charge, 'approve', { by })
    await t.keelson.trust.set(charge, 'shadow', { by })
    await t.advance('8d')
    await t.start(bill, { invoice: 'a' })
    await observe(t, charge, 'a')
    expect((await t.keelson.trust.list()).find(({ account }) => account === undefined)).toMatchObject({
      ...{ rung: 'shadow', seen: 1, good: 1 },
    })
    await t.stop()
  })
})

describe('an ask that nobody answers in time', () => {
  it('is shown beside the evidence of its standing, by account and segment, and is none', async () => {
    const said = { grantable: true, onSilence: 'reject', timeout: '1h' } as const
    const start = 'approve'
    const trust = [defineTrust(charge, { start, segment: ({ invoice }) => invoice[0]! }), defineTrust(paris, { start })]
    const gate = policy([policy.rule('money', { on: charge }, () => policy.ask(said))])
    const t = await testConductor({ playbooks: [bill], policy: gate, trust, actions: [charge] })
    for (const segment of ['a', 'b']) await t.keelson.trust.set(charge, 'approve', { by, segment })
    await t.keelson.trust.set(paris, 'approve', { by })
    for (const invoice of ['a1', 'a2', 'b1']) await t.start(bill, { invoice })
    await t.start(bill, { invoice: 'a1', paris: true })
    await t.advance('2h')
    const shown = async () =>
      (await t.keelson.trust.list()).map((one) => [one.account, one.segment, one.seen, one.expired])
    expect(new Set(await shown())).toEqual(
      new Set([
        ['paris', 'all', 0, 1],
        [undefined, 'a', 0, 2],
        [undefined, 'b', 0, 1],
      ]),
    )
    await t.keelson.trust.set(charge, 'batch', { by, segment: 'a' })
    expect(await shown()).toContainEqual([undefined, 'a', 0, 0])
    await t.stop()
  })

  it('is read once for its action, however many segments that has', async () => {
    const read: string[] = []
    const inner = memoryStore()
    const store = {
      kill: (worker: string) => inner.kill(worker),
      session: () =>
        intercept(inner.session(), {
          after(op, detail, answer) {
            if (op !== 'records' || (detail[1] as RecordQuery).where?.field !== 'unanswered') return
            read.push(...(answer as readonly RecordRow[]).map((row) => row.id))
          },
        }),
    }
    const said = { grantable: true, onSilence: 'reject', timeout: '1h' } as const
    const gate = policy([policy.rule('money', { on: charge }, () => policy.ask(said))])
    const trust = [defineTrust(charge, { start: 'approve', segment: ({ invoice }) => invoice[0]! })]
    const t = await testConductor({ playbooks: [bill], policy: gate, trust, actions: [charge], store })
    for (const segment of ['a', 'b', 'c']) {
      await t.keelson.trust.set(charge, 'approve', { by, segment })
      await t.start(bill, { invoice: `${segment}1` })
    }
    await t.advance('2h')
    expect((await t.keelson.trust.list()).map(({ expired }) => expired)).toEqual([1, 1, 1])
    expect(read).toHaveLength(3)
    await t.stop()
  })
})
