/** The rung 'shadow': what stands on it is simulated by itself, and leaves it by what it shows. */
import { action, defineConnector, definePlaybook, defineTrust, policy, type Json } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { charge } from './support/charge.ts'
import { inTheMomentOf } from './support/moment.ts'
import { open as openConductor, store as openStore } from './support/open.ts'

const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
const state = action({
  name: 'bank.state',
  effect: 'read',
  input: z.object({ invoice: z.string() }),
  output: z.object({ paid: z.boolean() }),
  simulate: ({ invoice }, { effects, real }) =>
    effects.some((one) => (one.input as { invoice?: string }).invoice === invoice) ? { paid: true } : real,
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const bank = defineConnector({ name: 'bank', actions: { charge, state } })
const bill = definePlaybook({
  name: 'bill',
  version: 1,
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.string(),
  uses: [bank],
  async run(ctx, { invoice, cents }) {
    const effect = await ctx.effect(charge, { invoice, cents })
    return `${effect.output.ok} ${(await ctx.act(state, { invoice })).paid} ${effect.verdict}`
  },
})
const note = action({
  ...{ name: 'bank.note', effect: 'reversible', input: z.object({}), output: z.null(), simulate: () => null },
  run: () => ({ output: null }),
})
const noteIt = definePlaybook({
  ...{ name: 'note-it', version: 1, input: z.object({}), output: z.null(), run: (ctx) => ctx.act(note, {}) },
})
const size = ({ cents }: { cents: number }) => (cents < 1000 ? 'small' : 'large')
const asks = policy([policy.rule('money', { on: charge }, () => policy.ask({ grantable: true }))])
const free = policy([policy.rule('money', { on: charge }, () => policy.allow())])

type Options = Partial<Parameters<typeof testConductor>[0]>

function harness(more: Options = {}): Promise<Harness> {
  return testConductor({
    playbooks: [bill],
    connectors: [fake(bank, { 'bank.state': () => ({ paid: false }) })],
    policy: asks,
    trust: [defineTrust(charge)],
    ...more,
  })
}

const standing = async (t: Harness, segment = 'all') =>
  (await t.keelson.trust.list()).find((one) => one.segment === segment)
const observe = (t: Harness, invoice: string, cents: number, more: object = {}) =>
  t.host((keelson) => keelson.shadow.observe(charge, { invoice, cents }, { id: `seen ${invoice}`, by, ...more }))
const open = async (t: Harness) => (await t.inbox.list({ limit: 200 })).items

describe('what stands on the rung of shadow', () => {
  it.each([
    ['policy asks', asks],
    ['policy lets it', free],
  ])('is simulated in a run that is real, where %s: nothing leaves, and its reads see it', async (_how, gate) => {
    const t = await harness({ policy: gate })
    const run = await t.start(bill, { invoice: 'a', cents: 5 })
    expect(await run.result()).toContain('true true in shadow')
    expect(t.world(charge)).toEqual([])
    expect(await open(t)).toMatchObject([{ kind: 'approval', shadow: true, allows: ['answer', 'dismiss', 'delegate'] }])
    expect(await standing(t)).toMatchObject({ rung: 'shadow', seen: 0, next: 'approve' })
    expect((await t.keelson.shadow.diff(run.id)).pairs).toMatchObject([{ action: 'bank.charge', outcome: 'open' }])
    expect((await t.keelson.revert.plan({ run: run.id })).lines).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is told of in the story, the status as text, the verdict and the item, with the way to begin at asking', async () => {
    const t = await harness()
    const run = await t.start(bill, { invoice: 'a', cents: 5 })
    const [item] = await open(t)
    const story = await t.keelson.audit.story(run.id)
    for (const text of [story.join(), await run.result(), await t.keelson.why(run.id), JSON.stringify(item)]) {
      expect(text).toMatch(/bank\.charge stands on \\?"shadow/)
      expect(text).toContain("start: 'approve'")
      expect(text).toContain('keelson.trust.set(')
    }
    await t.stop()
  })

  it('is told of in the log', async () => {
    const told: string[] = []
    const warn = (fields: object, line = ''): void => void told.push(`${line} (${(fields as { hint?: string }).hint})`)
    const log = { info: () => {}, warn, error: () => {} }
    const conductor = await openConductor(openStore(), {
      ...{ playbooks: [noteIt], policy: policy([policy.rule('n', { on: note }, () => policy.allow())]) },
      ...{ trust: [defineTrust(note)], log },
    })
    await conductor.start(noteIt, {}, { id: 'r' })
    await conductor.quiet()
    expect(told).toEqual([expect.stringContaining('r: nothing left: bank.note stands on "shadow" (keelson.trust.set(')])
    await conductor.stop()
  })

  it('is where a rule begins, unless it says that it asks from the first day; and where a person puts it', async () => {
    const t = await harness({ trust: [defineTrust(charge, { start: 'approve' })] })
    const run = await t.start(bill, { invoice: 'a', cents: 5 })
    expect((await run.status()).state).toBe('waiting')
    await t.keelson.trust.set(charge, 'shadow', { by })
    expect(await (await t.start(bill, { invoice: 'b', cents: 5 })).result()).toContain('in shadow')
    await t.approve(charge) // what was asked for before is real
    expect(t.world(charge).map(({ input }) => input.invoice)).toEqual(['a'])
    await t.keelson.trust.set(charge, 'approve', { by })
    expect((await (await t.start(bill, { invoice: 'c', cents: 5 })).status()).state).toBe('waiting')
    expect(() => defineTrust(charge, { start: 'batch' as 'approve' })).toThrow('start')
    await t.stop()
  })

  it('is so by segment; where that cannot be told, and nothing is known, it is where the rule begins', async () => {
    const segment = ({ cents }: { cents: number }) => (cents === 13 ? ([] as string[])[0]!.trim() : size({ cents }))
    const t = await harness({ trust: [defineTrust(charge, { segment })] })
    await t.keelson.trust.set(charge, 'approve', { by, segment: 'small' })
    const small = await t.start(bill, { invoice: 'a', cents: 5 })
    expect((await small.status()).state).toBe('waiting')
    for (const cents of [5000, 13]) expect(await (await t.start(bill, { invoice: `${cents}`, cents })).result()).toContain('in shadow') // prettier-ignore
    expect((await t.keelson.trust.list()).map((one) => [one.segment, one.rung])).toEqual([
      ['large', 'shadow'],
      ['small', 'approve'],
    ])
    await t.stop()
  })

  it('is decided once: replay and a crash decide the same though it stands elsewhere since', async () => {
    const twice = definePlaybook({
      ...{ name: 'twice', version: 1, input: z.object({}), output: z.array(z.string()), uses: [bank] },
      async run(ctx) {
        const first = await ctx.effect(charge, { invoice: 'a', cents: 5 })
        await ctx.sleep('1h')
        const second = await ctx.effect(charge, { invoice: 'b', cents: 5 })
        return [first.verdict, second.verdict]
      },
    })
    const t = await harness({ playbooks: [twice], policy: free })
    const run = await t.start(twice, {})
    await t.keelson.trust.set(charge, 'approve', { by })
    await t.crash()
    await t.advance('1h')
    const [first, second] = await run.result()
    expect(first).toContain('in shadow')
    expect(second).not.toContain('in shadow')
    expect(t.world(charge).map(({ input }) => input.invoice)).toEqual(['b'])
    await t.stop()
  })

  it.each([
    ['shadow', 'approve', 'effect.completed', 1],
    ['approve', 'shadow', 'effect.sending', 0],
  ] as const)(
    'is looked at anew where a person moves it from %s to %s in the moment of the commit',
    async (from, to, kind, sent) => {
      let came = 0
      const store = inTheMomentOf({ kind, key: 'bank.charge' }, async () => {
        came++
        await t.keelson.trust.set(charge, to, { by })
      })
      const t: Harness = await harness({ policy: free, store })
      await t.keelson.trust.set(charge, from, { by })
      const run = await t.start(bill, { invoice: 'a', cents: 5 })
      expect([came, t.world(charge).length]).toEqual([1, sent])
      expect(await run.status()).toEqual({ state: 'completed' })
      expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
      await t.stop()
    },
  )

  it('is shown in a plan, whose other lines are really sent; and nobody is asked where nothing would leave', async () => {
    const plans = definePlaybook({
      ...{
        name: 'plans',
        version: 1,
        input: z.object({ of: z.array(z.int()) }),
        output: z.array(z.string()),
        uses: [bank],
      },
      async run(ctx, { of }) {
        const lines = of.map((cents) => ctx.intend(charge, { invoice: `${cents}`, cents }))
        return (await ctx.propose('Charge', lines)).lines.map(({ state: is }) => is)
      },
    })
    const t = await harness({ playbooks: [plans], trust: [defineTrust(charge, { segment: size })] })
    await t.keelson.trust.set(charge, 'approve', { by, segment: 'small' })
    const mixed = await t.start(plans, { of: [5, 5000] })
    const plan = (await open(t)).find(({ kind }) => kind === 'plan')!
    expect(JSON.stringify(plan.preview)).toContain('will be simulated (bank.charge (large) stands on')
    await t.keelson.trust.set(charge, 'approve', { by, segment: 'large' })
    await t.plan({})
    expect(await mixed.result()).toEqual(['done', 'done'])
    expect(t.world(charge).map(({ input }) => input.cents)).toEqual([5])
    await t.keelson.trust.set(charge, 'shadow', { by, segment: 'large' })
    const none = await t.start(plans, { of: [6000, 7000] })
    expect(await none.result()).toEqual(['done', 'done'])
    expect(t.world(charge)).toHaveLength(1)
    await t.stop()
  })

  it('saves nobody any time; in all else a run of which some was simulated is one like others', async () => {
    const timed = definePlaybook({
      ...{ name: 'timed', version: 1, input: z.object({ fails: z.boolean() }), output: z.null() },
      baseline: { low: '10m', high: '20m' },
      run: async (ctx, { fails }) => {
        await ctx.act(note, {})
        if (fails) await ctx.step('part', () => Promise.reject(new Error('no')), { retry: { attempts: 1 } })
        return null
      },
    })
    const gate = policy([policy.rule('n', { on: note }, () => policy.allow())])
    const t = await testConductor({ playbooks: [timed], actions: [note], policy: gate, trust: [defineTrust(note)] })
    for (const fails of [false, true, true, true]) await t.start(timed, { fails })
    const total = async () => (await t.keelson.metrics.report()).total
    const runs = { completed: 1, failed: 3, shadow: 0 }
    expect(await total()).toMatchObject({ runs, saved: { low: 0, high: 0, counted: 0 } })
    const alerts = await t.keelson.metrics.alerts.list()
    expect(alerts.map(({ id, count }) => [id, count])).toEqual([['exhausted:timed:part', 3]])
    for (let i = 0; i < 5; i++) await t.keelson.metrics.spent(timed, '12m', { by, on: 'by-hand' })
    expect(await total()).toMatchObject({ runs, saved: { low: 0, high: 0, counted: 0, measured: 0 } })
    await t.stop()
  })

  it.each([
    ['stands there', {}],
    ['is in shadow with all of its run', { shadow: true }],
  ])('proposes another effect when its run is restarted and asks for another, where it %s', async (_how, how) => {
    let tries = 0
    const numbers = definePlaybook({
      ...{ name: 'numbers', version: 1, input: z.object({}), output: z.string(), uses: [bank] },
      run: async (ctx) => {
        const invoice = await ctx.step('number', () => `n${++tries}`)
        return (await ctx.effect(charge, { invoice, cents: 5 })).input.invoice
      },
    })
    const t = await harness({ playbooks: [numbers] })
    const run = await t.start(numbers, {}, { id: 'r', ...how })
    expect(await run.result()).toBe('n1')
    await t.host((keelson) => keelson.runs.restart('r', { by, from: 'start' }))
    expect(await run.result()).toBe('n2')
    expect((await open(t)).filter((one) => one.kind === 'approval')).toHaveLength(2)
    expect(t.world(charge)).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('says what to do where it cannot be simulated', async () => {
    const blind = action({
      ...{ name: 'bank.blind', effect: 'irreversible', idempotency: { by: 'none' }, input: z.object({}) },
      ...{ output: z.object({ n: z.int() }), run: () => Promise.reject(new Error('a test reached the real world')) },
    })
    const posts = definePlaybook({
      ...{ name: 'posts', version: 1, input: z.object({}), output: z.int() },
      run: async (ctx) => (await ctx.act(blind, {})).n,
    })
    const t = await harness({ playbooks: [posts], actions: [blind], trust: [defineTrust(blind)] })
    const run = await t.start(posts, {})
    await expect(run.result()).rejects.toThrow(/cannot be simulated.*stands on "shadow".*start: 'approve'/s)
    await t.stop()
  })
})

describe('a shadow pair', () => {
  it('counts by the deed that completes it, once, and takes its item away where both are the same', async () => {
    const t = await harness()
    await t.start(bill, { invoice: 'a', cents: 5 })
    await t.start(bill, { invoice: 'b', cents: 5 })
    await observe(t, 'a', 5)
    await observe(t, 'a', 5)
    expect(await standing(t)).toMatchObject({ rung: 'shadow', seen: 1, good: 1 })
    await observe(t, 'b', 6)
    await observe(t, 'b', 6, { id: 'again' })
    expect(await standing(t)).toMatchObject({ seen: 2, good: 1 })
    expect((await open(t)).map(({ kind }) => kind)).toEqual(['approval'])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('counts by the proposal, where the deed came first', async () => {
    const t = await harness()
    await observe(t, 'a', 5)
    await t.advance('1d')
    await t.start(bill, { invoice: 'a', cents: 5 })
    await t.start(bill, { invoice: 'a', cents: 5 }, { id: 'again' })
    expect(await standing(t)).toMatchObject({ seen: 1, good: 1 })
    expect(await open(t)).toHaveLength(1)
    await t.stop()
  })

  it.each([
    ['looked at and approved', '10s', [1, 1]],
    ['waved through', undefined, [0, 0]],
  ] as const)('counts by what the stable version did after a person %s it', async (_how, looks, [seen, good]) => {
    const t = await harness({ trust: [defineTrust(charge, { segment: ({ cents }) => `${cents}` })] })
    await t.keelson.trust.set(charge, 'approve', { by, segment: '5' })
    await t.start(bill, { invoice: 'a', cents: 7 })
    await t.keelson.trust.set(charge, 'approve', { by, segment: '7' })
    await t.keelson.trust.set(charge, 'shadow', { by, segment: '7' })
    await t.start(bill, { invoice: 'b', cents: 7 })
    const run = await t.start(bill, { invoice: 'b', cents: 5 })
    const item = (await open(t)).find((one) => one.kind === 'approval' && one.shadow !== true)!
    if (looks !== undefined) {
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance(looks)
    }
    await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, approve: true }))
    await run.result()
    expect(await standing(t, '7')).toMatchObject({ seen, good: 0 })
    expect(good).toBe(seen)
    await t.stop()
  })

  it("gives way to a person's word, and is not counted beside it", async () => {
    const t = await harness()
    const says = async (invoice: string, good: boolean): Promise<void> => {
      const item = (await open(t)).find((one) => (one as { input?: Json }).input !== undefined && JSON.stringify(one).includes(`"invoice":"${invoice}"`))! // prettier-ignore
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, answer: { good } }))
    }
    for (const invoice of ['a', 'b', 'c']) await t.start(bill, { invoice, cents: 5 })
    await says('a', true)
    await observe(t, 'a', 6)
    expect(await standing(t)).toMatchObject({ seen: 1, good: 1 })
    await observe(t, 'b', 6)
    expect(await standing(t)).toMatchObject({ seen: 2, good: 1 })
    await says('b', true) // the other amount was as good
    expect(await standing(t)).toMatchObject({ seen: 2, good: 2 })
    await observe(t, 'c', 6)
    await says('c', false)
    expect(await standing(t)).toMatchObject({ seen: 3, good: 2 })
    await t.stop()
  })

  it('lets what nobody did count as wrong, where deeds are told at all', async () => {
    const t = await harness()
    await t.start(bill, { invoice: 'nobody', cents: 5 })
    await t.advance('8d')
    await t.start(bill, { invoice: 'a', cents: 5 })
    expect(await standing(t)).toMatchObject({ seen: 0 })
    await observe(t, 'a', 5)
    await observe(t, 'nobody', 5)
    expect(await standing(t)).toMatchObject({ seen: 2, good: 1 })
    await t.stop()
  })

  it('is no evidence for another version than it was proposed under, nor on another rung', async () => {
    const t = await harness()
    await t.start(bill, { invoice: 'a', cents: 5 })
    await t.start(bill, { invoice: 'b', cents: 5 })
    await t.deploy({ trust: [defineTrust(charge, { version: '2' })] })
    await observe(t, 'a', 5)
    expect(await standing(t)).toMatchObject({ rung: 'shadow', seen: 0 })
    await t.keelson.trust.set(charge, 'approve', { by })
    await observe(t, 'b', 5)
    expect(await standing(t)).toMatchObject({ rung: 'approve', seen: 0 })
    await t.stop()
  })

  it('proposes to ask after two looks of twenty-five; and to read a report writes nothing', async () => {
    const t = await harness({ policy: free })
    for (let i = 0; i < 50; i++) {
      await t.start(bill, { invoice: `${i}`, cents: 5 })
      await observe(t, `${i}`, 5)
    }
    expect(await t.keelson.shadow.report(bill)).toMatchObject({ agreed: 50 })
    expect(await standing(t)).toMatchObject({ rung: 'shadow', seen: 50, proposed: 'approve' })
    const [item] = await open(t)
    expect(item).toMatchObject({ code: 'TRUST_PROPOSAL', title: 'Let bank.charge go to "approve"?' })
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } }))
    expect(await standing(t)).toMatchObject({ rung: 'approve', seen: 0 })
    await t.stop()
  })

  it('moves it by itself where that is set, on record in the unit of the pair', async () => {
    const t = await harness({ policy: free, trust: [defineTrust(charge, { autoPromote: 'approve' })] })
    for (let i = 0; i < 25; i++) {
      await t.start(bill, { invoice: `${i}`, cents: 5 })
      await observe(t, `${i}`, 5)
    }
    for (let i = 25; i < 50; i++) {
      await observe(t, `${i}`, 5)
      await t.start(bill, { invoice: `${i}`, cents: 5 })
    }
    expect(await standing(t)).toMatchObject({ rung: 'approve' })
    const { lines } = await t.keelson.audit.query({ action: 'bank.charge', limit: 500 })
    expect(lines.map(({ what }) => what)).toContainEqual(expect.stringContaining('went from "shadow" to "approve"'))
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is put before a person ten times a week and segment, where policy asks nobody', async () => {
    const t = await harness({ policy: free })
    for (let i = 0; i < 12; i++) await t.start(bill, { invoice: `${i}`, cents: 5 })
    expect(await open(t)).toHaveLength(10)
    await t.advance('8d')
    await t.start(bill, { invoice: 'later', cents: 5 })
    expect(await open(t)).toHaveLength(11)
    await t.stop()
  })
})
