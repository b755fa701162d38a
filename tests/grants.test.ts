/** Grants: standing approvals within a scope and a cap, each use recorded, and suggested only by decisions with a look. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineConnector, definePersona, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const refund = action({
  name: 'shop.refund',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ order: z.string(), to: z.string(), cents: z.int(), reason: z.enum(['late', 'broken']) }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  run: real,
  compensate: real,
})
const shop = defineConnector({ name: 'shop', actions: { refund } })
const giveBack = definePlaybook({
  name: 'give-back',
  version: 1,
  input: z.object({ order: z.string(), cents: z.int() }),
  output: z.object({ verdict: z.string() }),
  uses: [shop],
  async run(ctx, { order, cents }) {
    const done = await ctx.effect(refund, { order, to: `${order}@example.org`, cents, reason: 'late' })
    return { verdict: done.verdict }
  },
})
const asks = policy.rule('refunds', { on: refund }, () => policy.ask({ grantable: true }))
const ann = { kind: 'person', id: 'ann', name: 'Ann' } as const
const setUp = (rules = [asks]): HarnessOptions => ({
  playbooks: [giveBack],
  connectors: [fake(shop)],
  policy: policy(rules),
})

const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

async function granted(t: Harness, cap: { count?: number; per?: '1d' }): Promise<string> {
  const { id } = await t.keelson.grants.create({
    action: refund,
    where: { cents: { max: 1000 } },
    cap,
    until: '2027-01-01',
    by: ann,
  })
  return id
}

describe('a grant', () => {
  it('answers up to its cap in each period, and then a person is asked', async () => {
    const t = await testConductor(setUp())
    await granted(t, { count: 2, per: '1d' })
    for (const order of ['1', '2', '3']) await t.start(giveBack, { order, cents: 500 })
    expect(t.world(refund)).toHaveLength(2)
    expect((await t.inbox.list()).items).toHaveLength(1)
    await t.advance('1d')
    await t.start(giveBack, { order: '4', cents: 500 })
    expect(t.world(refund)).toHaveLength(3)
    expect(await t.keelson.grants.list()).toMatchObject([
      {
        state: 'active',
        until: '2027-01-01T00:00:00.000Z',
        left: { count: 1 },
        used: { count: 3, lastAt: expect.stringMatching(ISO) as string },
        uses: [{ at: expect.stringMatching(ISO) as string }],
      },
    ])
  })

  it('answers for the account that it was made for, and for no other', async () => {
    const elsewhere = definePlaybook({
      ...{ name: 'elsewhere', version: 1, input: z.object({ account: z.string() }), output: z.null(), uses: [shop] },
      async run(ctx, { account }) {
        const of = account === 'default' ? refund : refund.account(account)
        await ctx.act(of, { order: account, to: 'a@example.org', cents: 1, reason: 'late' })
        return null
      },
    })
    const t = await testConductor({ ...setUp(), playbooks: [elsewhere] })
    const once = async (): Promise<string[]> => {
      const asked: string[] = []
      for (const account of ['default', 'berlin', 'paris']) {
        const run = await t.start(elsewhere, { account })
        if ((await run.status()).state === 'waiting') asked.push(account)
        await t.host((keelson) => keelson.runs.cancel(run.id, { by: ann, reason: 'next' })).catch(() => {})
      }
      return asked
    }
    await granted(t, { count: 9 })
    expect(await once()).toEqual(['berlin', 'paris'])
    const terms = { where: {}, cap: { count: 9 }, until: '2027-01-01', by: ann }
    const { id } = await t.keelson.grants.create({ ...terms, action: refund.account('paris') })
    expect(await once()).toEqual(['berlin'])
    await t.keelson.grants.attenuate(id, { by: ann })
    expect((await t.keelson.grants.list()).map(({ account }) => account)).toEqual([undefined, 'paris', 'paris'])
  })

  it('is recorded as the decider of each effect that it let through', async () => {
    const t = await testConductor(setUp())
    const id = await granted(t, { count: 9 })
    const run = await t.start(giveBack, { order: '1', cents: 500 })
    expect(await run.result()).toMatchObject({ verdict: expect.stringContaining(`granted by Ann (grant ${id})`) })
    expect(await t.keelson.grants.uses(id)).toMatchObject({
      uses: [{ run: 'run-1', step: 'shop.refund', input: { order: '1', cents: 500 }, state: 'done' }],
    })
    await expect(t.keelson.grants.uses('none')).rejects.toMatchObject({ code: 'GRANT_NOT_FOUND' })
  })

  it('covers the tries that follow the first one, without asking and without a second use', async () => {
    const t = await testConductor(setUp())
    const id = await granted(t, { count: 1 })
    t.fault(refund, 'unavailable')
    const run = await t.start(giveBack, { order: '1', cents: 500 })
    await t.advance('1h')
    expect(await run.status()).toEqual({ state: 'completed' })
    expect(t.world(refund)).toHaveLength(1)
    expect((await t.keelson.grants.uses(id)).uses).toHaveLength(1)
  })

  it('that is revoked while its effect is held lets nothing out: a person is asked', async () => {
    const held = policy.rule('window', { on: refund }, () => policy.hold('10m'))
    const t = await testConductor(setUp([asks, held]))
    const id = await granted(t, { count: 9 })
    const run = await t.start(giveBack, { order: '1', cents: 500 })
    expect((await t.keelson.holds.list()).holds).toHaveLength(1)
    await t.keelson.grants.revoke(id, { by: ann })
    await t.advance('10m')
    expect(t.world(refund)).toEqual([])
    await t.approve(refund)
    expect(await run.status()).toEqual({ state: 'completed' })
    expect(await t.keelson.grants.list()).toMatchObject([{ state: 'revoked' }])
  })

  it('decides no more what a person has edited: that person does, and another input may go out than it covers', async () => {
    const held = policy.rule('window', { on: refund }, () => policy.hold('10m'))
    const t = await testConductor(setUp([asks, held]))
    const id = await granted(t, { count: 9 })
    const run = await t.start(giveBack, { order: '1', cents: 500 })
    const [hold] = (await t.keelson.holds.list()).holds
    await t.keelson.freeze({ by: ann, reason: 'wait' })
    const bob = { kind: 'person', id: 'bob', name: 'Bob' } as const
    await t.inbox.decide(hold!.id, { hash: hold!.hash, by: bob, edit: { cents: 2000 } })
    await t.keelson.grants.revoke(id, { by: ann })
    await t.host((keelson) => keelson.thaw({ by: ann }))
    await t.advance('1h')
    expect(t.world(refund).map(({ input }) => input.cents)).toEqual([2000])
    const { verdict } = await run.result()
    expect(verdict).toContain('edited by Bob')
    expect(verdict).not.toContain('granted')
    expect(await t.keelson.grants.uses(id)).toEqual({ uses: [] })
  })

  it('that ends while its effect is held lets nothing out: a person is asked', async () => {
    const held = policy.rule('window', { on: refund }, () => policy.hold('2h'))
    const t = await testConductor({ ...setUp([asks, held]), now: '2026-01-01T00:00:00Z' })
    const until = '2026-01-01T01:00:00Z'
    await t.keelson.grants.create({ action: refund, where: {}, cap: { count: 9 }, until, by: ann })
    const run = await t.start(giveBack, { order: '1', cents: 500 })
    expect((await t.keelson.holds.list()).holds).toHaveLength(1)
    await t.advance('2h')
    expect(t.world(refund)).toEqual([])
    await t.approve(refund)
    expect(await run.status()).toEqual({ state: 'completed' })
  })

  it('is not made without a cap, an end to come, a whole number, or by an agent', async () => {
    const t = await testConductor(setUp())
    const base = { action: refund, where: {}, cap: { count: 1 }, until: '2027-01-01', by: ann } as const
    const wrong = [
      { ...base, cap: {} },
      { ...base, until: '2020-01-01' },
      { ...base, until: 'soon' },
      { ...base, cap: { count: 0.5 } },
      { ...base, cap: { amount: { amount: -1, currency: 'EUR' } } },
      { ...base, by: { kind: 'agent', id: 'bot' } as const },
    ]
    for (const one of wrong) await expect(t.keelson.grants.create(one)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    expect(await t.keelson.grants.list()).toEqual([])
  })
})

describe('a grant that is passed on', () => {
  const junior = definePersona({ name: 'junior', may: ['shop.*'] })
  const lead = definePersona({ name: 'lead', may: ['shop.*'] })
  const desk = definePlaybook({
    name: 'desk',
    version: 1,
    input: z.object({ order: z.string(), cents: z.int() }),
    output: z.object({ verdict: z.string() }),
    persona: lead,
    run: (ctx, input) => ctx.call(giveBack, input),
  })
  const until = '2027-01-01'
  const where = { cents: { max: 1000 } }

  it('answers for whom it was given to; for those whom they call, once it is passed on to them', async () => {
    const t = await testConductor({ ...setUp(), playbooks: [giveBack, desk] })
    const held = { playbook: desk, persona: lead }
    const { id } = await t.keelson.grants.create({ action: refund, where, cap: { count: 9 }, until, by: ann, ...held })
    await t.start(desk, { order: '1', cents: 5 })
    expect(t.world(refund)).toEqual([])
    const child = await t.keelson.grants.attenuate(id, { playbook: giveBack, where: { cents: { max: 10 } }, by: ann })
    await t.start(desk, { order: '2', cents: 5 })
    await t.start(desk, { order: '3', cents: 500 })
    await t.start(giveBack, { order: '4', cents: 5 }) // without the persona
    expect(t.world(refund).map((one) => one.input.order)).toEqual(['2'])
    expect((await t.keelson.grants.uses(child.id)).uses).toMatchObject([{ input: { order: '2' }, state: 'done' }])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('counts against the cap of the other, too', async () => {
    const t = await testConductor(setUp())
    const { id } = await t.keelson.grants.create({ action: refund, where, cap: { count: 3 }, until, by: ann })
    const one = await t.keelson.grants.attenuate(id, { persona: junior, cap: { count: 2, per: '1d' }, by: ann })
    const two = await t.keelson.grants.attenuate(one.id, { by: ann })
    for (const order of ['1', '2', '3', '4', '5', '6'])
      await t.start(giveBack, { order, cents: 5 }, order === '6' ? {} : { persona: junior })
    expect(t.world(refund)).toHaveLength(3)
    const all = Object.fromEntries((await t.keelson.grants.list()).map((grant) => [grant.id, grant]))
    expect(all[id]).toMatchObject({ left: { count: 0 }, used: { count: 3 } })
    expect(all[one.id]!.used.count + all[two.id]!.used.count).toBeLessThanOrEqual(4)
    await t.advance('1d')
    await t.start(giveBack, { order: '7', cents: 5 }, { persona: junior })
    expect(t.world(refund)).toHaveLength(3)
    await t.stop()
  })

  it('ends with the other: a held effect that it decided is asked for', async () => {
    const t = await testConductor(setUp([asks, policy.rule('window', { on: refund }, () => policy.hold('10m'))]))
    const { id } = await t.keelson.grants.create({ action: refund, where, cap: { count: 9 }, until, by: ann })
    const one = await t.keelson.grants.attenuate(id, { persona: junior, by: ann })
    await t.keelson.grants.attenuate(one.id, { by: ann })
    await t.start(giveBack, { order: '1', cents: 5 }, { persona: junior })
    expect((await t.keelson.holds.list()).holds).toHaveLength(1)
    await t.keelson.grants.revoke(id, { by: ann })
    expect((await t.keelson.grants.list()).map((grant) => grant.state)).toEqual(['revoked', 'revoked', 'revoked'])
    await t.advance('10m')
    expect(t.world(refund)).toEqual([])
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', action: 'shop.refund' }])
    await expect(t.keelson.grants.attenuate(one.id, { by: ann })).rejects.toMatchObject({ code: 'GRANT_WIDER' })
    await t.stop()
  })

  it('is never more: in what it covers, how often, how long, or by whom', async () => {
    const t = await testConductor(setUp())
    const { id } = await t.keelson.grants.create({ action: refund, where, cap: { count: 3 }, until, by: ann })
    const wider = [
      { where: { cents: { max: 1001 } } },
      { where: { cents: 2000 } },
      { cap: { count: 4 } },
      { until: '2027-01-02' },
    ]
    for (const one of wider)
      await expect(t.keelson.grants.attenuate(id, { ...one, by: ann })).rejects.toMatchObject({ code: 'GRANT_WIDER' })
    const wrong = { by: { kind: 'agent', id: 'bot' } } as const
    await expect(t.keelson.grants.attenuate(id, wrong)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(t.keelson.grants.attenuate('none', { by: ann })).rejects.toMatchObject({ code: 'GRANT_NOT_FOUND' })
    expect(await t.keelson.grants.list()).toHaveLength(1)
    let last = id
    for (let i = 0; i < 7; i++) last = (await t.keelson.grants.attenuate(last, { by: ann })).id
    await expect(t.keelson.grants.attenuate(last, { by: ann })).rejects.toMatchObject({ code: 'GRANT_WIDER' })
    await t.stop()
  })
})

describe('grants.suggest', () => {
  async function decideAll(t: Harness, count: number, lookMs: string | undefined): Promise<void> {
    for (let i = 0; i < count; i++) {
      await t.start(giveBack, { order: `${lookMs ?? 'blind'}-${i}`, cents: 100 + i })
      const [item] = (await t.inbox.list()).items
      if (lookMs !== undefined) {
        await t.inbox.opened(item!.id, { by: ann })
        await t.advance(lookMs)
      }
      await t.approve(refund, { by: ann })
    }
  }

  it('rests on decisions that were looked at, and says on how many, over which range, and what it leaves open', async () => {
    const t = await testConductor(setUp())
    await decideAll(t, 10, '30s')
    await decideAll(t, 2, undefined)
    const [made, ...others] = await t.keelson.grants.suggest()
    expect(others).toEqual([])
    expect(made).toMatchObject({
      action: 'shop.refund',
      where: { cents: { min: 100, max: 109 }, reason: ['late'], to: { endsWith: '@example.org' } },
      cap: { count: 10, per: '30d' },
      evidence: { lookedAt: 10, approved: 10, edited: 0, rejected: 0, notCounted: 2, open: ['order'] },
    })
    expect(made!.sentence).toBe(
      'From 2026-01-05 to 2026-01-05 somebody looked at 10 of shop.refund: 10 were approved as they were, 0 edited, ' +
        'none rejected. 2 more were decided without a look or in a batch, and do not count. In them cents was 100 to 109, ' +
        'reason was late, to was an address of @example.org. It would cover any order.',
    )
  })

  const gifts = (cost?: (input: { to: string; cents: number }) => unknown) => {
    const send = action({
      ...{ name: 'shop.gift', effect: 'irreversible', idempotency: { by: 'key' } },
      input: z.object({ to: z.string(), cents: z.int() }),
      output: z.null(),
      ...(cost === undefined ? {} : { cost: cost as never }),
      run: () => ({ output: null }),
    })
    const give = definePlaybook({
      ...{ name: 'give', version: 1, input: z.object({ to: z.string(), cents: z.int() }), output: z.null() },
      run: (ctx, { to, cents }) => ctx.act(to === 'paris' ? send.account('paris') : send, { to, cents }),
    })
    const gate = policy([policy.rule('gifts', { on: send }, () => policy.ask({ grantable: true }))])
    return { send, give, setting: { playbooks: [give], actions: [send], policy: gate } }
  }
  const EUR = (amount: number) => ({ amount, currency: 'EUR' })
  async function give(t: Harness, of: ReturnType<typeof gifts>, to: string, cents: number, say = 'yes') {
    await t.start(of.give, { to, cents })
    const item = (await t.inbox.list()).items.at(-1)!
    await t.inbox.opened(item.id, { by: ann })
    await t.advance('30s')
    const said = say === 'yes' ? ({ approve: true } as const) : { reject: say }
    expect(await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by: ann, ...said }))).toEqual({
      status: 'done',
    })
  }

  it('speaks for each account by itself, of what was decided under it', async () => {
    const of = gifts()
    const t = await testConductor(of.setting)
    for (let i = 0; i < 3; i++) await give(t, of, 'paris', 5)
    for (let i = 0; i < 3; i++) await give(t, of, 'rome', 7)
    const [rome, paris, ...others] = await t.keelson.grants.suggest({ least: 3 })
    expect(others).toEqual([])
    expect(rome).toMatchObject({ action: 'shop.gift', where: { to: ['rome'] }, evidence: { approved: 3 } })
    expect(rome).not.toHaveProperty('account')
    expect(rome!.sentence).toContain('looked at 3 of shop.gift: 3')
    expect(paris).toMatchObject({ action: 'shop.gift', account: 'paris', where: { to: ['paris'] } })
    expect(paris!.sentence).toContain('looked at 3 of shop.gift under paris: 3')
    const { where, cap, until } = paris!
    await t.keelson.grants.create({ action: of.send.account('paris'), where: where, cap, until, by: ann })
    expect(await (await t.start(of.give, { to: 'paris', cents: 5 })).result()).toBeNull()
    await give(t, of, 'paris', 500, 'too much')
    expect((await t.keelson.grants.suggest({ least: 3 })).map(({ account }) => account)).toEqual([undefined])
    await t.stop()
  })

  it('caps the money where all that was approved says what it costs', async () => {
    const of = gifts(({ cents }) => EUR(cents))
    const t = await testConductor(of.setting)
    for (const cents of [1000, 250, 4200]) await give(t, of, 'rome', cents)
    const [made] = await t.keelson.grants.suggest({ least: 3 })
    expect(made!.cap).toEqual({ count: 3, amount: EUR(5450), per: '30d' })
    expect(made!.sentence).toContain('They cost 54.50 EUR together, 42.00 EUR at most: up to 54.50 EUR in 30 days')
    const { where, cap, until } = made!
    await t.keelson.grants.create({ action: of.send, where: where, cap, until, by: ann })
    expect(await (await t.start(of.give, { to: 'rome', cents: 4200 })).result()).toBeNull()
    const over = await t.start(of.give, { to: 'rome', cents: 4200 })
    expect((await over.status()).state).toBe('waiting')
    await t.stop()
  })

  it('caps what a month came to, and the dearest at least', async () => {
    for (const [spent, most] of [
      [[1000, 1000, 1000], Math.ceil((3000 * 30) / 58)],
      [[1000, 250, 4200], 4200],
    ] as const) {
      const of = gifts(({ cents }) => EUR(cents))
      const t = await testConductor(of.setting)
      for (const [at, cents] of spent.entries()) {
        if (at > 0) await t.advance('2505570s')
        await give(t, of, 'rome', cents)
      }
      const [made] = await t.keelson.grants.suggest({ least: 3 })
      expect(made!.cap).toEqual({ count: 2, amount: EUR(most), per: '30d' })
      await t.stop()
    }
  })

  it.each([
    ['one costs nothing', ({ cents }: { cents: number }) => (cents === 3 ? undefined : EUR(cents))],
    ['they cost in two currencies', ({ cents }: { cents: number }) => ({ amount: cents, currency: cents === 3 ? 'USD' : 'EUR' })], // prettier-ignore
    ['one takes in', ({ cents }: { cents: number }) => EUR(cents === 3 ? -3 : cents)],
    ['one does not tell', ({ cents }: { cents: number }) => (cents === 3 ? Number.NaN : EUR(cents))],
  ])('caps no money where that could not be added up: %s', async (_, cost) => {
    const of = gifts(cost)
    const t = await testConductor(of.setting)
    for (const cents of [1, 2, 3]) await give(t, of, 'rome', cents)
    const [made] = await t.keelson.grants.suggest({ least: 3 })
    expect(made!.cap).toEqual({ count: 3, per: '30d' })
    expect(made!.sentence).toContain('What they cost cannot be added up: no amount would cap it.')
    await t.stop()
  })

  it('never rests on rubber stamps', async () => {
    const t = await testConductor(setUp())
    await decideAll(t, 12, undefined)
    await decideAll(t, 9, '30s')
    await decideAll(t, 6, '1s') // sooner than it can be read
    expect(await t.keelson.grants.suggest()).toEqual([])
  })

  it('makes nothing after a no, or of batches, or of asks that no grant may answer', async () => {
    const t = await testConductor(setUp())
    await decideAll(t, 10, '30s')
    await t.start(giveBack, { order: 'no', cents: 5 })
    await t.reject(refund, 'not this one', { by: ann })
    expect(await t.keelson.grants.suggest()).toEqual([])

    const batched = await testConductor(setUp())
    for (let i = 0; i < 12; i++) await batched.start(giveBack, { order: `${i}`, cents: 1 })
    for (const { id } of (await batched.inbox.list()).items) await batched.inbox.opened(id, { by: ann })
    await batched.advance('1m')
    await batched.batch(refund, { by: ann })
    expect(batched.world(refund)).toHaveLength(12)
    expect(await batched.keelson.grants.suggest()).toEqual([])
    expect(await batched.keelson.grants.list()).toEqual([]) // a batch never makes one

    const strict = await testConductor(setUp([policy.rule('refunds', { on: refund }, () => policy.ask())]))
    await decideAll(strict, 12, '30s')
    expect(await strict.keelson.grants.suggest()).toEqual([])
  })
})
