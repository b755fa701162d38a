/** The ladder beside its evidence: ceilings by what an action is, the agents behind it, what is checked and told afterwards. */
import { billing } from '@keelson/connectors/billing'
import { calendar } from '@keelson/connectors/calendar'
import { email } from '@keelson/connectors/email'
import { files } from '@keelson/connectors/files'
import { action, defineAgent, definePlaybook, defineTrust, policy } from '@keelson/core'
import type { Category, Risk } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { crm, note, write } from './support/note.ts'

const by = { kind: 'person', id: 'ann' } as const
const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const asks = policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable: true }))])
const start = 'approve'
const codes = async (t: Harness) =>
  (await t.inbox.list({ limit: 200 })).items.map((one) => (one.kind === 'attention' ? one.code : one.kind))

describe('a ceiling that nobody named', () => {
  const made = (effect: 'reversible' | 'irreversible', risk?: Risk, category?: Category) =>
    action({
      ...{ name: 'crm.made', effect, idempotency: { by: 'key' }, input: z.object({}), output: z.null(), run: real },
      ...(risk === undefined ? {} : { risk }),
      ...(category === undefined ? {} : { category }),
    })

  it.each([
    ['reversible', undefined, undefined, 'automatic', false],
    ['reversible', 'medium', undefined, 'automatic', false],
    ['reversible', 'high', undefined, 'approve', true],
    ['irreversible', undefined, undefined, 'approve', true],
    ['reversible', undefined, 'money', 'approve', false],
    ['reversible', undefined, 'rules', 'approve', false],
    ['reversible', undefined, 'first-contact', 'approve', false],
    ['irreversible', 'medium', 'conversation', 'batch', true],
    ['irreversible', 'high', 'conversation', 'approve', true],
  ] as const)('follows from the action: %s, risk %s, category %s', (effect, risk, category, ceiling, highRisk) => {
    expect(defineTrust(made(effect, risk, category))).toMatchObject({ ceiling, highRisk })
    expect(defineTrust(made(effect, risk, category), { ceiling: 'veto' })).toMatchObject({ ceiling: 'veto' })
  })

  it('is that of what the connectors do', () => {
    const all = [billing.charge, email.send, calendar.book, files.remove, files.write] as const
    expect(
      all.map((one) => defineTrust(one as unknown as typeof note)).map(({ ceiling, category }) => [category, ceiling]),
    ).toEqual([
      ['money', 'approve'],
      ['publishing', 'approve'],
      ['promise', 'approve'],
      ['deletion', 'approve'],
      [undefined, 'automatic'],
    ])
    expect(() => made('reversible', undefined, 'gossip' as 'money')).toThrow('category')
  })

  it('is shown with its reason, and raised by a person', async () => {
    const pay = action({
      ...{ name: 'crm.pay', effect: 'reversible', category: 'money', input: z.object({}), output: z.null() },
      ...{ undo: z.null(), simulate: () => null, run: () => ({ output: null, undo: null }), compensate: () => {} },
    })
    const pays = definePlaybook({
      ...{ name: 'pays', version: 1, input: z.object({}), output: z.null(), run: (ctx) => ctx.act(pay, {}) },
    })
    const t = await testConductor({ playbooks: [pays], actions: [pay], trust: [defineTrust(pay)] })
    await t.start(pays, {})
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'shadow', ceiling: 'approve', category: 'money' }])
    await expect(t.keelson.trust.set(pay, 'veto', { by })).rejects.toThrow('above its ceiling')
    await t.keelson.trust.ceiling(pay, 'veto', { by, until: '2026-03-01', reason: 'a good year' })
    await t.keelson.trust.set(pay, 'veto', { by })
    const [one] = await t.keelson.trust.list()
    expect(one).toMatchObject({ rung: 'veto', ceiling: 'veto', ceilingBy: { by, reason: 'a good year' } })
    expect(one).not.toHaveProperty('category')
    await t.stop()
  })

  it('lets a person be asked for an input of high risk, whatever the rung, unless one has said how high it may go', async () => {
    const fail = (): never => {
      throw new Error('no')
    }
    const risky = action({
      ...{ name: 'crm.risky', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ n: z.int() }) },
      ...{ output: z.null(), undo: z.null() },
      risk: ({ n }: { n: number }) => (n < 0 ? fail() : n > 5 ? 'high' : 'low'),
      run: () => ({ output: null, undo: null }),
      compensate: () => {},
    })
    const does = definePlaybook({
      ...{ name: 'does', version: 1, input: z.object({ n: z.int() }), output: z.null() },
      run: (ctx, input) => ctx.act(risky, input),
    })
    const gate = policy([policy.rule('asks', { on: risky }, () => policy.ask({ grantable: true }))])
    const t = await testConductor({
      playbooks: [does],
      actions: [risky],
      policy: gate,
      trust: [defineTrust(risky, { start })],
    })
    await t.keelson.trust.set(risky, 'automatic', { by })
    const state = async (n: number) => (await (await t.start(does, { n })).status()).state
    expect([await state(1), await state(6), await state(-1)]).toEqual(['completed', 'waiting', 'waiting'])
    await t.keelson.trust.ceiling(risky, 'automatic', { by })
    expect(await state(7)).toBe('completed')
    await t.stop()
  })
})

describe('the agents behind an action', () => {
  const agent = (version: number, more: { instructions?: string; model?: string } = {}) =>
    defineAgent({
      ...{ name: 'writer', version, input: z.object({}), output: z.object({}), instructions: 'Write.', ...more },
    })
  const using = (used: ReturnType<typeof agent>, version = 1) =>
    definePlaybook({
      name: 'write',
      version,
      input: z.object({ about: z.string() }),
      output: z.string(),
      uses: [crm, used],
      run: async (ctx, { about }) => (await ctx.act(note, { about })).id,
    })
  const trust = [defineTrust(note, { start })]

  it.each([
    ['a new version of one', agent(2)],
    ['its other instructions', agent(1, { instructions: 'Write well.' })],
    ['its other model', agent(1, { model: 'big' })],
  ])('begin a probation by %s', async (_what, next) => {
    const [before, same, after] = [using(agent(1)), using(agent(1)), using(next, 2)]
    const t = await testConductor({ playbooks: [before], connectors: [fake(crm)], policy: asks, trust })
    await t.keelson.trust.set(note, 'veto', { by })
    await t.deploy({ playbooks: [same] })
    for (let i = 0; i < 30; i++) await t.start(same, { about: `same ${i}` })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto' }])
    await t.deploy({ playbooks: [same, after] })
    for (let i = 0; i < 30; i++) await t.start(after, { about: `${i}` })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch' }])
    await t.stop()
  })

  it('are taken for granted by a process that does not know them, and by records of before', async () => {
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], policy: asks, trust })
    const approve = async (): Promise<void> => {
      await t.start(write, { about: 'x' })
      const item = (await t.inbox.list()).items.find(({ kind }) => kind === 'approval')!
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, approve: true }))
    }
    await approve()
    const other = definePlaybook({ ...{ name: 'other', version: 1, input: z.object({}), output: z.null() }, uses: [note, agent(1)], run: () => Promise.resolve(null) }) // prettier-ignore
    await t.deploy({ playbooks: [write, other] })
    await approve()
    await t.deploy({ playbooks: [write] })
    await approve()
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 3 }])
    const newer = definePlaybook({ ...{ name: 'other', version: 2, input: z.object({}), output: z.null() }, uses: [note, agent(2)], run: () => Promise.resolve(null) }) // prettier-ignore
    await t.deploy({ playbooks: [write, newer] })
    await approve()
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 1 }])
    await t.stop()
  })
})

describe('what acts by itself', () => {
  const trust = [defineTrust(note, { start, veto: '10m' })]
  const harness = () => testConductor({ playbooks: [write], connectors: [fake(crm)], policy: asks, trust })

  it('is put before a person to check once it was done, and not where it was stopped', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'veto', { by })
    for (let i = 0; i < 3; i++) await t.start(write, { about: `${i}` })
    expect((await codes(t)).filter((one) => one === 'TRUST_AUDIT')).toEqual([])
    const item = (await t.inbox.list()).items.find((one) => one.kind === 'approval' && one.dueAt !== undefined)
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, reject: 'no' }))
    await t.advance('10m')
    expect((await codes(t)).filter((one) => one === 'TRUST_AUDIT')).toHaveLength(2) // the first three of a week all are
    await t.keelson.trust.set(note, 'automatic', { by })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is told in a digest, with what came of it and how it is taken back', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const from = new Date(t.clock.now()).toISOString()
    const back = await t.start(write, { about: 'back' })
    await t.start(write, { about: 'done' })
    await t.keelson.trust.set(note, 'veto', { by })
    await t.start(write, { about: 'stopped' })
    const item = (await t.inbox.list()).items.find((one) => one.kind === 'approval' && one.dueAt !== undefined)
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, reject: 'no' }))
    const plan = await t.keelson.revert.plan({ run: back.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by, cause: 'changed-mind' }))
    await t.start(write, { about: 'waits' })
    await t.keelson.trust.set(note, 'approve', { by })
    await t.start(write, { about: 'asked' })
    await t.advance('1s')
    const told = await t.keelson.trust.digest({ from })
    const lines = told.lines.map(({ rung, state, undo }) => [rung, state, undo.replace(/'.*'/, '…')])
    expect(lines.sort()).toEqual([
      ['automatic', 'done', 'revert.plan({ effect: … })'],
      ['automatic', 'taken back', 'it is'],
      ['veto', 'stopped', 'nothing is to be taken back'],
      ['veto', 'waiting', 'reject it in the inbox while it is held'],
    ])
    const done = told.lines.find(({ state }) => state === 'done')!
    expect((await t.keelson.revert.plan({ effect: done.effect })).lines).toMatchObject([{ can: true }])
    expect((await t.keelson.trust.digest({ from: told.to })).lines).toEqual([])
    await expect(t.keelson.trust.digest({ from: 'yesterday' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await t.stop()
  })

  it('is in no digest any more where a person was asked in the end', async () => {
    const t = await harness()
    const from = new Date(t.clock.now()).toISOString()
    await t.keelson.trust.set(note, 'veto', { by })
    await t.start(write, { about: 'a' })
    await t.keelson.trust.set(note, 'approve', { by })
    await t.advance('10m')
    await t.approve(note)
    expect(t.world(note)).toHaveLength(1)
    await t.advance('1s')
    expect((await t.keelson.trust.digest({ from })).lines).toEqual([])
    await t.stop()
  })

  it('is told by maintenance, at most once a day, where there was any', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const maintain = async (more: object = {}) => {
      const run = await t.keelson.maintenance.run({ by, digest: true, ...more })
      await t.advance('1s')
      return (await run.result()).parts.map(({ part, text }) => `${part}: ${text}`)
    }
    const digests = async () => (await codes(t)).filter((one) => one === 'TRUST_DIGEST').length
    expect(await maintain()).toEqual(['digest: nothing went out by trust'])
    await t.start(write, { about: 'a' })
    expect(await maintain()).toEqual(['digest: what went out by trust was told within the day'])
    await t.advance('1d')
    expect(await maintain()).toEqual(['digest: told what went out by trust: 1'])
    expect(await digests()).toBe(1)
    const item = (await t.inbox.list()).items.find((one) => one.kind === 'attention' && one.code === 'TRUST_DIGEST')!
    expect(JSON.stringify(item.preview)).toMatch(/crm\.note, automatic: done; revert\.plan/)
    await t.advance('1d')
    expect(await maintain()).toEqual(['digest: nothing went out by trust'])
    expect(await digests()).toBe(1)
    await expect(maintain({ digest: false })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await t.stop()
  })
})

describe('what is unlike all that was let pass', () => {
  it('is decided alone, also on the rung on which several are together', async () => {
    const tag = action({
      ...{ name: 'crm.tag', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ to: z.string() }) },
      ...{ output: z.null(), undo: z.null(), batchBy: () => 'tags', run: () => ({ output: null, undo: null }) },
      compensate: () => {},
    })
    const tags = definePlaybook({
      ...{ name: 'tags', version: 1, input: z.object({ to: z.string() }), output: z.null() },
      run: (ctx, input) => ctx.act(tag, input),
    })
    const gate = policy([policy.rule('tags', { on: tag }, () => policy.ask({ grantable: true }))])
    const t = await testConductor({
      ...{ playbooks: [tags], actions: [tag], policy: gate, trust: [defineTrust(tag, { start })] },
    })
    await t.keelson.trust.set(tag, 'batch', { by })
    const key = async (to: string): Promise<string | undefined> => {
      const run = await t.start(tags, { to })
      const [item] = (await t.inbox.list({ run: run.id })).items
      return item?.kind === 'approval' ? item.batchKey : undefined
    }
    expect(await key('ada@known.example')).toBeUndefined()
    const [first] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.inbox.opened(first!.id, { by }))
    await t.advance('10s')
    await t.host((keelson) => keelson.inbox.decide(first!.id, { hash: first!.hash, by, approve: true }))
    expect(await key('ben@known.example')).toBeDefined()
    expect(await key('cy@new.example')).toBeUndefined()
    await t.stop()
  })
})

describe('what is taken back as wrong', () => {
  it('counts as bad, also where it had been approved as good', async () => {
    const trust = [defineTrust(note, { start })]
    const t = await testConductor({ playbooks: [write], connectors: [fake(crm)], policy: asks, trust })
    const run = await t.start(write, { about: 'a' })
    const [item] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.inbox.opened(item!.id, { by }))
    await t.advance('10s')
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, approve: true }))
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 1, good: 1 }])
    const plan = await t.keelson.revert.plan({ run: run.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by, cause: 'wrong' }))
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 1, good: 0 }])
    await t.keelson.trust.set(note, 'automatic', { by })
    const other = await t.start(write, { about: 'b' })
    const again = await t.keelson.revert.plan({ run: other.id })
    await t.host((keelson) => keelson.revert.apply(again, { by, cause: 'wrong' }))
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto', seen: 2, good: 0 }])
    await t.stop()
  })

  it.each([
    ['had been checked as good', true, 'before', [1, 1]],
    ['had been checked as wrong', false, 'before', [1, 0]],
    ['is checked as good afterwards', true, 'after', [1, 0]],
  ] as const)('counts once, as bad, where it %s', async (_how, good, when, counted) => {
    const t = await testConductor({
      ...{ playbooks: [write], connectors: [fake(crm)], policy: asks, trust: [defineTrust(note, { start })] },
    })
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    const check = async (): Promise<void> => {
      const item = (await t.inbox.list()).items.find((one) => one.kind === 'attention' && one.code === 'TRUST_AUDIT')!
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, answer: { good } }))
    }
    const takeBack = async (): Promise<void> => {
      const plan = await t.keelson.revert.plan({ run: run.id })
      await t.host((keelson) => keelson.revert.apply(plan, { by, cause: 'wrong' }))
    }
    const [first, second] = when === 'before' ? [check, takeBack] : [takeBack, check]
    await first()
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: counted[0], good: counted[1] }])
    await second()
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto', seen: 1, good: 0 }])
    await t.stop()
  })

  it.each([
    ['and was recorded nothing since', false, 1],
    ['and was recorded something else since', true, 2],
  ] as const)('counts as one more where it was checked under a version before, %s', async (_what, more, seen) => {
    const rest = { playbooks: [write], connectors: [fake(crm)], policy: asks }
    const t = await testConductor({ ...rest, trust: [defineTrust(note, { start })] })
    await t.keelson.trust.set(note, 'automatic', { by })
    const check = async (): Promise<void> => {
      const item = (await t.inbox.list()).items.find((one) => one.kind === 'attention' && one.code === 'TRUST_AUDIT')!
      await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
      await t.advance('10s')
      await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, answer: { good: true } }))
    }
    const run = await t.start(write, { about: 'a' })
    await check()
    if (more) await t.start(write, { about: 'b' })
    await t.deploy({ trust: [defineTrust(note, { start, version: '2' })] })
    expect(await t.keelson.trust.list()).toMatchObject([{ seen: 0, good: 0 }])
    if (more) await check()
    const plan = await t.keelson.revert.plan({ run: run.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by, cause: 'wrong' }))
    expect(await t.keelson.trust.list()).toMatchObject([{ seen, good: more ? 1 : 0 }])
    await t.stop()
  })
})

it('what acted by itself is put before people by its title, with money as they write it', async () => {
  const refund = action({
    ...{ name: 'shop.refund', title: 'Give money back', effect: 'reversible', idempotency: { by: 'id' } },
    input: z.object({ to: z.string(), money: z.object({ amount: z.int(), currency: z.string() }) }),
    output: z.null(),
    cost: () => ({ amount: 0, currency: 'EUR' }),
    run: () => ({ output: null }),
  })
  const give = definePlaybook({
    ...{ name: 'give', version: 1, input: z.object({}), output: z.null(), uses: [refund] },
    run: (ctx) => ctx.act(refund, { to: 'ada', money: { amount: 1250, currency: 'EUR' } }),
  })
  const gate = policy([policy.rule('refunds', { on: refund }, () => policy.ask({ grantable: true }))])
  const t = await testConductor({ playbooks: [give], actions: [refund], policy: gate, trust: [defineTrust(refund)] })
  await t.keelson.trust.set(refund, 'automatic', { by })
  await t.start(give, {})
  expect((await t.inbox.list()).items).toMatchObject([
    {
      code: 'TRUST_AUDIT',
      title: 'Check this one: Give money back',
      preview: { after: 'money: 12.50 EUR\nto: "ada"' },
    },
  ])
})
