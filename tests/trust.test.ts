/** The ladder of trust at work: what counts as evidence, who promotes, and what a rung answers. */
import {
  action,
  ActionError,
  defineConnector,
  definePlaybook,
  defineTrust,
  policy,
  type TrustRung,
} from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const note = action({
  name: 'crm.note',
  effect: 'reversible',
  input: z.object({ about: z.string(), text: z.string(), n: z.int().optional() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  material: ['about'],
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
const crm = defineConnector({ name: 'crm', actions: { note } })
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.string(),
  run: async (ctx, { about }) => (await ctx.act(note, { about, text: 'a note' })).id,
})
const gate = (grantable: boolean) => policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable }))])

async function harness(grantable = true, ceiling: TrustRung = 'automatic'): Promise<Harness> {
  const trust = [defineTrust(note, { start: 'approve', ceiling, veto: '5m', version: '1' })]
  return testConductor({ playbooks: [write], connectors: [fake(crm)], policy: gate(grantable), trust })
}

async function decide(t: Harness, looks: string | undefined, decision: object = { approve: true }): Promise<void> {
  await t.start(write, { about: 'x' })
  const item = (await t.inbox.list({ limit: 100 })).items.find((one) => one.kind === 'approval')!
  if (looks !== undefined) {
    await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
    await t.advance(looks)
  }
  const said = decision as { approve: true }
  const decided = await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, ...said }))
  expect(decided).toEqual({ status: 'done' })
}

describe('what was declared and never judged', () => {
  const told = { seen: 0, good: 0, lower: 0, expired: 0, declared: true } as const
  const pay = action({
    ...{ name: 'bank.pay', effect: 'irreversible', idempotency: { by: 'key' }, category: 'money' },
    ...{ input: z.object({}), output: z.null(), run: () => ({ output: null }) },
  })
  const paris = note.account('paris')

  it('is listed as it begins, and as a standing once there is one', async () => {
    const segment = ({ about }: { about: string }) => about
    const trust = [
      defineTrust(pay),
      defineTrust(note, { start: 'approve', segment, ceiling: 'veto', autoPromote: 'batch' }),
      defineTrust(paris),
    ]
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], actions: [pay], trust, policy: gate(true) }) // prettier-ignore
    const money = { action: 'bank.pay', segment: 'all', rung: 'shadow', ceiling: 'approve', category: 'money', next: 'approve' } // prettier-ignore
    const apart = { action: 'crm.note', account: 'paris', segment: 'all', rung: 'shadow', ceiling: 'automatic', next: 'approve' } // prettier-ignore
    const each = { action: 'crm.note', rung: 'approve', ceiling: 'veto', next: 'batch', autoPromote: 'batch' }
    expect(await t.keelson.trust.list()).toEqual([money, each, apart].map((one) => ({ ...one, ...told })))
    await decide(t, '10s')
    const [judged, ...begin] = await t.keelson.trust.list()
    expect(judged).toMatchObject({ action: 'crm.note', segment: 'x', seen: 1 })
    expect(judged!.since).toMatch(/^2026-01-05T/)
    expect(judged).not.toHaveProperty('declared')
    expect(begin).toEqual([money, apart].map((one) => ({ ...one, ...told })))
  })

  it('counts the asks that nobody answered, and is no record', async () => {
    const silent = policy([
      policy.rule('notes', { on: note }, () => policy.ask({ grantable: true, onSilence: 'reject', timeout: '1h' })),
    ])
    const trust = [defineTrust(note, { start: 'approve', segment: ({ about }) => about }), defineTrust(paris)]
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], trust, policy: silent })
    for (const about of ['a', 'b']) await t.start(write, { about })
    await t.advance('2h')
    expect((await t.keelson.trust.list()).map(({ account, expired }) => [account, expired])).toEqual([
      [undefined, 2],
      ['paris', 0],
    ])
    const other = t.keelson.workspace('other')
    expect((await other.trust.list()).map(({ expired }) => expired)).toEqual([0, 0])
  })
})

describe('trust', () => {
  it('is earned by what a person opened and looked at, and by nothing else', async () => {
    const t = await harness()
    await decide(t, undefined)
    await decide(t, '1s')
    expect(await t.keelson.trust.list()).toMatchObject([{ declared: true, seen: 0 }])
    await decide(t, '10s')
    await decide(t, '10s', { edit: { about: 'x', text: 'a note', n: 1 } })
    await decide(t, '10s', { edit: { about: 'y', text: 'a note' } })
    await decide(t, '10s', { reject: 'no' })
    expect(await t.keelson.trust.list()).toMatchObject([{ action: 'crm.note', rung: 'approve', seen: 4, good: 2 }])
  })

  it('is earned and lost under one account, and answers under no other', async () => {
    const start = 'approve'
    const paris = note.account('paris')
    const trust = [defineTrust(note, { start, ceiling: 'automatic' }), defineTrust(paris, { start, ceiling: 'veto' })]
    const writes = definePlaybook({
      ...{ name: 'writes', version: 1, input: z.object({ account: z.string() }), output: z.string() },
      async run(ctx, { account }) {
        const of = account === 'default' ? note : note.account(account)
        return (await ctx.act(of, { about: account, text: 'a note' })).id
      },
    })
    const t = await testConductor({ playbooks: [writes], connectors: [fake(crm)], policy: gate(true), trust })
    const does = async (account: string): Promise<string> => {
      const run = await t.start(writes, { account })
      if ((await run.status()).state === 'completed') return 'done'
      return (await t.keelson.holds.list()).holds.some(({ run: of }) => of === run.id) ? 'held' : 'asked'
    }
    const all = async () => [await does('default'), await does('paris'), await does('berlin')]
    await t.keelson.trust.set(note, 'automatic', { by })
    expect(await all()).toEqual(['done', 'asked', 'asked'])
    await t.keelson.trust.set(note.account('paris'), 'veto', { by })
    await expect(t.keelson.trust.set(note.account('berlin'), 'batch', { by })).rejects.toThrow('no defineTrust()')
    const { lines } = await t.keelson.audit.query({ actor: by })
    expect(lines.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['crm.note put on "automatic"', 'crm.note@paris put on "veto"']),
    )
    const asked = (await t.inbox.list()).items.filter((item) => item.kind === 'approval' && item.dueAt === undefined)
    for (const item of asked) {
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, reject: 'no' }))
    }
    const list = await t.keelson.trust.list()
    expect(list.find(({ account }) => account === undefined)).toMatchObject({ rung: 'automatic', seen: 0 })
    expect(list.find(({ account }) => account === 'paris')).toMatchObject({ rung: 'veto', seen: 1, good: 0 })
    const run = await t.start(writes, { account: 'paris' }, { id: 'held' })
    expect((await t.keelson.holds.list()).holds.map(({ run: of }) => of)).toContain(run.id)
  })

  it('is not earned in shadow by what is found good sooner than it can be read', async () => {
    const mark = action({
      ...{ name: 'crm.mark', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ what: z.string() }) },
      ...{ output: z.null(), undo: z.null(), simulate: () => null },
      run: () => Promise.reject(new Error('a test reached the real world')),
      compensate: () => {},
    })
    const marks = definePlaybook({
      ...{ name: 'marks', version: 1, input: z.object({ what: z.string() }), output: z.null() },
      run: (ctx, input) => ctx.act(mark, input),
    })
    const asks = policy([policy.rule('marks', { on: mark }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(mark, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [marks], actions: [mark], policy: asks, trust })
    await t.keelson.trust.set(mark, 'shadow', { by })
    const seen: number[] = []
    for (const looks of ['1s', '10s']) {
      await t.start(marks, { what: looks }, { shadow: true })
      const item = (await t.inbox.list()).items.find((one) => one.shadow === true)!
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance(looks)
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, answer: { good: true } }))
      seen.push((await t.keelson.trust.list())[0]!.seen)
    }
    expect(seen).toEqual([0, 1])
  })

  it('is proposed after two looks that passed, and given by a person', async () => {
    const t = await harness()
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'attention', code: 'TRUST_PROPOSAL', title: 'Let crm.note go to "batch"?' })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'approve', proposed: 'batch', seen: 50 }])
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } }))
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch', seen: 50 }])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('proposes nothing beyond its ceiling', async () => {
    const t = await harness(true, 'approve')
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    expect((await t.inbox.list()).items).toEqual([])
    await expect(t.keelson.trust.set(note, 'veto', { by })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('lets a rung answer only asks that are grantable: held for a veto, or at once, with the rung as the decider', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'veto', { by })
    await t.start(write, { about: 'a' })
    expect(t.world(note)).toHaveLength(0)
    await t.advance('6m')
    expect(t.world(note)).toHaveLength(1)
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'b' })
    expect(t.world(note)).toHaveLength(2)
    expect(JSON.stringify(await t.keelson.audit.story(run.id))).toContain('trusted (automatic')
    const strict = await harness(false)
    await strict.keelson.trust.set(note, 'automatic', { by })
    await strict.start(write, { about: 'a' })
    expect(strict.world(note)).toHaveLength(0)
  })

  it.each([
    ['a recipient of a domain that is new', { to: 'cy@new.example' }, undefined],
    ['one among several', { to: 'ada@known.example', cc: ['bo@known.example', 'cy@new.example'] }, undefined],
    ['one with a name', { to: 'Ada of known.example <ada@new.example>' }, undefined],
    ['one in a list that is a text', { to: 'ada@known.example, Cy <cy@new.example>' }, undefined],
    ['an amount beyond one and a half times the largest', { to: 'ada@known.example', price: 1501 }, undefined],
    ['one deep in the input', { to: 'ada@known.example', items: [1000, 1501] }, undefined],
    ['amounts that are beyond it together', { to: 'ada@known.example', price: 1000, items: [501] }, undefined],
    ['none of these, with a name', { to: 'Bo <bo@known.example>' }, 'done'],
    ['none of these', { to: 'bo@KNOWN.example', cc: ['ada@known.example'], price: 700, items: [800] }, 'done'],
  ] as const)('asks all the same for what is unlike all that was let pass: %s', async (_what, given, done) => {
    const money = (amount: number) => ({ amount, currency: 'EUR' })
    const Price = z.object({ amount: z.int(), currency: z.string() })
    const input = z.object({
      to: z.string(),
      cc: z.array(z.string()).optional(),
      price: Price.optional(),
      items: z.array(z.object({ price: Price })).optional(),
    })
    const bill = action({
      ...{ name: 'crm.bill', effect: 'irreversible', idempotency: { by: 'key' }, input, output: z.null() },
      run: () => Promise.reject(new Error('a test reached the real world')),
    })
    const bills = definePlaybook({
      ...{ name: 'bills', version: 1, input, output: z.null() },
      run: async (ctx, what) => ctx.act(bill, what),
    })
    const t = await testConductor({
      playbooks: [bills],
      connectors: [fake(defineConnector({ name: 'crm', actions: { bill } }), { 'crm.bill': () => null })],
      policy: policy([policy.rule('bills', { on: bill }, () => policy.ask({ grantable: true }))]),
      trust: [defineTrust(bill, { ceiling: 'automatic', version: '1' })],
    })
    await t.keelson.trust.set(bill, 'automatic', { by })
    await t.start(bills, { to: 'ada@known.example', price: money(1000) })
    const [first] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.inbox.opened(first!.id, { by }))
    await t.advance('10s')
    await t.host((keelson) => keelson.inbox.decide(first!.id, { hash: first!.hash, by, approve: true }))
    const { price, items, ...rest } = { price: undefined, items: undefined, ...given }
    await t.start(bills, {
      ...(rest as { to: string; cc?: string[] }),
      ...(price === undefined ? {} : { price: money(price) }),
      ...(items === undefined ? {} : { items: [...items].map((amount) => ({ price: money(amount) })) }),
    })
    expect(t.world(bill)).toHaveLength(done === undefined ? 1 : 2)
    expect((await t.inbox.list()).items.filter(({ kind }) => kind === 'approval')).toHaveLength(
      done === undefined ? 1 : 0,
    )
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'automatic' }])
  })

  it.each(['changed-mind', 'test'] as const)('stays where something was taken back as %s', async (cause) => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    await t.host(async (keelson) => {
      await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by, cause })
    })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'automatic' }])
    const plan = await t.keelson.revert.plan({ run: run.id })
    const junk = t.keelson.revert.apply(plan, { by, cause: 'because' as 'test' })
    await expect(junk).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('comes down at once when a person takes something back, and says so', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    await t.host(async (keelson) => {
      await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by })
    })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto' }])
    const codes = (await t.inbox.list()).items.map((one) => (one.kind === 'attention' ? one.code : one.kind))
    expect(codes).toContain('TRUST_DEMOTED')
  })

  it('comes down once for what was wrong, however often taking it back is tried, and for nothing that stays', async () => {
    let fails = true
    const flaky = action({
      ...{ name: 'crm.flaky', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ n: z.int() }) },
      ...{ output: z.null(), undo: z.object({}) },
      run: () => ({ output: null, undo: {} }),
      compensate() {
        if (fails) throw new ActionError({ class: 'final' }, 'not now')
      },
    })
    const does = definePlaybook({
      ...{ name: 'does', version: 1, input: z.object({}), output: z.null() },
      run: (ctx) => ctx.act(flaky, { n: 1 }),
    })
    const free = policy([policy.rule('free', { on: flaky }, () => policy.allow())])
    const trust = [defineTrust(flaky, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [does], actions: [flaky], policy: free, trust })
    await t.keelson.trust.set(flaky, 'automatic', { by })
    const run = await t.start(does, {})
    const rungs: string[] = []
    for (const [failing, cause] of [
      [true, 'test'],
      [true, 'wrong'],
      [true, 'wrong'],
      [false, 'wrong'],
      [false, 'wrong'],
    ] as const) {
      fails = failing
      await t.host(async ({ revert }) => revert.apply(await revert.plan({ run: run.id }), { by, cause }))
      rungs.push((await t.keelson.trust.list())[0]!.rung)
    }
    expect(rungs).toEqual(['automatic', 'veto', 'veto', 'veto', 'veto'])
  })

  it('asks for an amount in a currency that nobody has let pass, and for what is taken as for what is given', async () => {
    const Price = z.object({ amount: z.int(), currency: z.string() })
    const book = action({
      ...{ name: 'crm.book', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ price: Price }) },
      ...{ output: z.null(), undo: z.null() },
      run: () => ({ output: null, undo: null }),
      compensate: () => {},
    })
    const books = definePlaybook({
      ...{ name: 'books', version: 1, input: z.object({ price: Price }), output: z.null() },
      run: (ctx, input) => ctx.act(book, input),
    })
    const asks = policy([policy.rule('books', { on: book }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(book, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [books], actions: [book], policy: asks, trust })
    await t.keelson.trust.set(book, 'automatic', { by })
    const asked = async (amount: number, currency: string): Promise<boolean> => {
      const run = await t.start(books, { price: { amount, currency } })
      return (await run.status()).state === 'waiting'
    }
    expect(await asked(100_000, 'JPY')).toBe(true)
    const [first] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.inbox.opened(first!.id, { by }))
    await t.advance('10s')
    await t.host((keelson) => keelson.inbox.decide(first!.id, { hash: first!.hash, by, approve: true }))
    expect([await asked(100_000, 'JPY'), await asked(100_000, 'EUR'), await asked(-900_000, 'JPY')]).toEqual([
      false,
      true,
      true,
    ])
  })

  it('comes down twice in one unit: idle for long, and then what it did was wrong', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    await t.advance('61d')
    const plan = await t.keelson.revert.plan({ run: run.id })
    const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
    expect(await reverting.status()).toMatchObject({ state: 'completed' })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch' }])
    const titles = (await t.inbox.list()).items.map((one) => one.title)
    expect(titles).toContain('crm.note went from "automatic" to "veto"')
    expect(titles).toContain('crm.note went from "veto" to "batch"')
  })

  it('comes down at once, and says so, when nobody looked at what its new version did', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'veto', { by })
    await t.deploy({ trust: [defineTrust(note, { ceiling: 'automatic', veto: '5m', version: '2' })] })
    for (let i = 0; i < 30; i++) await t.start(write, { about: `${i}` })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch' }])
    const titles = (await t.inbox.list({ limit: 100 })).items.map((one) => one.title)
    expect(titles.filter((one) => one.includes(' went from '))).toEqual(['crm.note went from "veto" to "batch"'])
  })

  it('is not earned by letting something be taken back, nor lost by a no to that', async () => {
    const trust = [defineTrust(note, { start: 'approve', ceiling: 'automatic' })]
    const rules = [
      policy.rule('notes', { on: note }, () => policy.allow()),
      policy.rule('back', { on: note, undo: true }, () => policy.ask({ grantable: true })),
    ]
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], policy: policy(rules), trust })
    for (let i = 0; i < 11; i++) {
      const run = await t.start(write, { about: `${i}` })
      const plan = await t.keelson.revert.plan({ run: run.id })
      await t.host((keelson) => keelson.revert.apply(plan, { by, cause: 'test' }))
      const item = (await t.inbox.list()).items[0]!
      expect(item).toMatchObject({ consequence: 'It is taken back as soon as you approve.' })
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      const said = i === 0 ? { reject: 'keep it' } : ({ approve: true } as const)
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, ...said }))
    }
    expect(await t.keelson.trust.list()).toMatchObject([{ declared: true, seen: 0 }])
    expect(await t.keelson.grants.suggest({ least: 5 })).toEqual([])
  })
})

describe('a ceiling', () => {
  const raised = { by, reason: 'a year without a wrong one' }

  it('is raised by a person, for good or until then, and the ladder climbs as high', async () => {
    const t = await harness(true, 'approve')
    await expect(t.keelson.trust.set(note, 'batch', { by })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await t.host((keelson) => keelson.trust.ceiling(note, 'batch', raised))
    expect(await t.keelson.trust.list()).toMatchObject([
      { rung: 'approve', ceiling: 'batch', next: 'batch', ceilingBy: { by, reason: raised.reason } },
    ])
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ code: 'TRUST_PROPOSAL', title: 'Let crm.note go to "batch"?' })
    expect(JSON.stringify(item!.preview)).toContain('no higher than \\"batch\\"')
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } }))
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch', ceiling: 'batch' }])
    await expect(t.keelson.trust.set(note, 'veto', { by })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is on record: who, what, how high, until when', async () => {
    const t = await harness(true, 'approve')
    await t.host((keelson) => keelson.trust.ceiling(note, 'veto', { ...raised, until: '2026-02-01' }))
    const { lines } = await t.keelson.audit.query({ actor: by, action: 'crm.note' })
    expect(lines).toMatchObject([{ what: 'crm.note may go as high as "veto"', by }])
    const [told] = await t.keelson.trust.list()
    expect(told!.ceilingBy).toMatchObject({ by, at: '2026-01-05T09:00:00.000Z', until: '2026-02-01T00:00:00.000Z' })
    await t.stop()
  })

  it('is not moved by an agent, the system or nobody, to no rung, nor to a time that has passed', async () => {
    const t = await harness(true, 'approve')
    const other = action({ name: 'crm.other', effect: 'read', input: z.object({}), output: z.object({}), run: () => ({ output: {} }) }) // prettier-ignore
    const tries = [
      t.keelson.trust.ceiling(note, 'veto', { by: { kind: 'agent', id: 'bot' } }),
      t.keelson.trust.ceiling(note, 'veto', { by: { kind: 'system', id: 'cron' } }),
      t.keelson.trust.ceiling(note, 'veto', { by: { kind: 'person', id: '' } }),
      t.keelson.trust.ceiling(note, 'veto', {} as never),
      t.keelson.trust.ceiling(note, 'highest' as 'veto', { by }),
      t.keelson.trust.ceiling(note, 'veto', { by, until: '2025-01-01' }),
      t.keelson.trust.ceiling(note, 'veto', { by, until: 'soon' }),
      t.keelson.trust.ceiling(other, 'veto', { by }),
    ]
    for (const one of tries) await expect(one).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    expect(await t.keelson.trust.list()).toMatchObject([{ declared: true, rung: 'approve', ceiling: 'approve' }])
    await t.stop()
  })

  it('that has ended takes down with it what stood above, before it acts again', async () => {
    const t = await harness(true, 'approve')
    await t.host((keelson) => keelson.trust.ceiling(note, 'automatic', { by, until: '2026-01-10' }))
    await t.host((keelson) => keelson.trust.set(note, 'automatic', { by }))
    await t.start(write, { about: 'a' })
    expect(t.world(note)).toHaveLength(1)
    await t.advance('5d')
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'approve', ceiling: 'approve' }])
    await t.start(write, { about: 'a' })
    expect(t.world(note)).toHaveLength(1)
    await decide(t, '10s', { reject: 'no' })
    const codes = (await t.inbox.list()).items.map((one) => (one.kind === 'attention' ? one.code : one.kind))
    expect(codes).toContain('TRUST_DEMOTED')
    await t.stop()
  })

  it('that is lowered takes effect at once, and a proposal beyond it goes', async () => {
    const t = await harness()
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'TRUST_PROPOSAL' }])
    await t.host((keelson) => keelson.trust.ceiling(note, 'approve', { by }))
    expect((await t.inbox.list()).items).toEqual([])
    await t.host((keelson) => keelson.trust.ceiling(note, 'automatic', { by }))
    await t.host((keelson) => keelson.trust.set(note, 'automatic', { by }))
    await t.host((keelson) => keelson.trust.ceiling(note, 'veto', { by }))
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto', ceiling: 'veto' }])
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'TRUST_DEMOTED' }])
    await t.stop()
  })

  it('that has ended lets nothing climb by an old proposal', async () => {
    const t = await harness(true, 'approve')
    await t.host((keelson) => keelson.trust.ceiling(note, 'batch', { by, until: '2026-01-10' }))
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    const [item] = (await t.inbox.list()).items
    await t.advance('6d')
    const said = { hash: item!.hash, by, answer: { good: true } }
    expect(await t.host((keelson) => keelson.inbox.decide(item!.id, said))).toEqual({ status: 'done' })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'approve' }])
    expect(await t.inbox.get(item!.id)).toMatchObject({ state: 'decided' })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })
})

describe('trust by terms of the taxonomy', () => {
  const terms = async (): Promise<Harness> => {
    const trust = [
      defineTrust(note, { start: 'approve', segment: ({ about }) => about, taxonomy: 'segments', veto: '5m' }),
    ]
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], policy: gate(true), trust })
    await t.keelson.taxonomy.set({ segments: ['b2b', 'b2c'], tags: ['x'] }, { by })
    return t
  }
  const UNKNOWN = { code: 'TAXONOMY_UNKNOWN', hint: 'Known are b2b, b2c; add it with taxonomy.set().' }

  it('is given by a person in segments that the company has, and in no other', async () => {
    const t = await terms()
    const { trust } = t.keelson
    await expect(trust.set(note, 'automatic', { by, segment: 'x' })).rejects.toMatchObject(UNKNOWN)
    await expect(trust.set(note, 'automatic', { by })).rejects.toMatchObject(UNKNOWN)
    await expect(trust.ceiling(note, 'veto', { by, segment: 'b2x' })).rejects.toMatchObject(UNKNOWN)
    await trust.set(note, 'automatic', { by, segment: 'b2b' })
    await t.start(write, { about: 'b2b' })
    await t.start(write, { about: 'b2x' })
    expect(t.world(note)).toHaveLength(1)
    expect(() => defineTrust(note, { taxonomy: 'segments' })).toThrow('names segments and no segment')
    const other = t.keelson.workspace('other')
    await expect(other.trust.set(note, 'automatic', { by, segment: 'b2b' })).rejects.toMatchObject({
      code: 'TAXONOMY_UNKNOWN',
      hint: 'Known are none; add it with taxonomy.set().',
    })
  })

  it('is not earned in a segment that the company does not have', async () => {
    const t = await terms()
    await decide(t, '10s')
    await decide(t, '10s')
    expect(await t.keelson.trust.list()).toMatchObject([{ declared: true, seen: 0 }])
  })

  it('hears a no to a proposal though its term was retired meanwhile', async () => {
    const t = await terms()
    const { trust, taxonomy } = t.keelson
    await taxonomy.set({ segments: ['x'] }, { by })
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    expect(await trust.list()).toMatchObject([{ segment: 'x', proposed: 'batch' }])
    const item = (await t.inbox.list()).items.find(({ title }) => title.startsWith('Let crm.note (x) go'))!
    await taxonomy.set({ segments: [] }, { by })
    await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, answer: { good: false } }))
    await taxonomy.set({ segments: ['x'] }, { by })
    expect((await trust.list())[0]).not.toHaveProperty('proposed')
  })

  it('ends with its term, also for what waits out its veto, and stands again with it', async () => {
    const t = await terms()
    const { trust, taxonomy } = t.keelson
    await trust.set(note, 'veto', { by, segment: 'b2b' })
    await t.start(write, { about: 'b2b' })
    await taxonomy.set({ segments: [{ name: 'b2b', retired: true }, 'b2c'] }, { by })
    await t.advance('6m')
    expect(t.world(note)).toHaveLength(0)
    await t.start(write, { about: 'b2b' })
    expect(t.world(note)).toHaveLength(0)
    const asked = (await t.inbox.list()).items.filter(({ kind }) => kind === 'approval').map(({ title }) => title)
    expect(asked.toSorted()).toEqual(['Changed: crm.note (notes)', 'crm.note (notes)'])
    expect(await trust.list()).toMatchObject([{ segment: 'b2b', rung: 'approve' }])
    await taxonomy.set({ segments: ['b2b'] }, { by })
    expect(await trust.list()).toMatchObject([{ segment: 'b2b', rung: 'veto' }])
  })
})
