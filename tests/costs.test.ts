/** What an input costs is one question with one answer, for budgets, grants, trust, cards and reports of shadow. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineBudget,
  defineConnector,
  definePlaybook,
  defineTrust,
  policy,
  type InboxItem,
} from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { me } from './support/open.ts'

const Money = z.object({ amount: z.int(), currency: z.string() })
const input = z.object({ net: Money, tax: Money, total: Money, lines: z.array(z.object({ price: Money })) })
const bill = { effect: 'irreversible', idempotency: { by: 'key' }, input, output: z.null() } as const
const never = () => Promise.reject(new Error('a test reached the real world'))
const sums = action({ ...bill, name: 'shop.sums', run: never })
const says = action({ ...bill, name: 'shop.says', cost: ({ total }) => total, run: never })
const eur = (amount: number) => ({ amount, currency: 'EUR' })
/** 119 in truth; 338 where all that is money in it is added up. */
const invoice = { net: eur(100), tax: eur(19), total: eur(119), lines: [{ price: eur(60) }, { price: eur(40) }] }

const cases = [
  ['all money in it, however deep', sums, 338],
  ['what its action says', says, 119],
] as const

describe.each(cases)('the cost of an input is %s', (_what, one, cost) => {
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input,
    output: z.null(),
    run: (ctx, given) => ctx.act(one, given),
  })
  const free = policy([policy.rule('free', { on: one }, () => policy.allow())])
  const asks = policy([policy.rule('asks', { on: one }, () => policy.ask({ grantable: true }))])
  const set = (more: object): Promise<Harness> =>
    testConductor({
      playbooks: [work],
      connectors: [fake(defineConnector({ name: 'shop', actions: { one } }), { [one.name]: () => null })],
      ...more,
    })

  it('for a budget', async () => {
    const budget = (amount: number) => [defineBudget({ name: 'all', limit: { money: eur(amount) } })]
    const t = await set({ policy: free, budgets: budget(cost) })
    await (await t.start(work, invoice)).result()
    expect(await t.keelson.budgets.list()).toMatchObject([{ used: { money: cost } }])
    const short = await set({ policy: free, budgets: budget(cost - 1) })
    await short.start(work, invoice)
    expect(short.world(one)).toEqual([])
  })

  it('for a card, and a report of shadow', async () => {
    const t = await set({ policy: asks })
    await t.start(work, invoice)
    expect((await t.inbox.list()).items[0]).toMatchObject({ cost: eur(cost) })
    await t.start(work, invoice, { id: 's', shadow: true })
    expect((await t.keelson.shadow.report(work)).moneyWouldHaveMoved).toEqual([eur(cost)])
  })

  it('for a grant', async () => {
    const answered = async (amount: number): Promise<number> => {
      const t = await set({ policy: asks })
      const cap = { amount: eur(amount) }
      await t.host((keelson) => keelson.grants.create({ action: one, where: {}, cap, until: '2999-01-01', by: me }))
      await t.start(work, invoice)
      return t.world(one).length
    }
    expect([await answered(cost), await answered(cost - 1)]).toEqual([1, 0])
  })

  it('for trust', async () => {
    const t = await set({ policy: asks, trust: [defineTrust(one, { ceiling: 'automatic', version: '1' })] })
    await t.keelson.trust.set(one, 'approve', { by: me })
    await t.start(work, invoice)
    const [item] = (await t.inbox.list()).items as [InboxItem]
    await t.inbox.opened(item.id, { by: me })
    await t.advance('30s')
    await t.approve(one, { by: me })
    await t.keelson.trust.set(one, 'automatic', { by: me })
    // The lines are half as much again and more; what it says to cost is not.
    await t.start(work, { ...invoice, lines: [{ price: eur(400) }] })
    expect(t.world(one)).toHaveLength(one === says ? 2 : 1)
  })
})

/** An error whose message throws. */
function unreadable(): Error {
  return Object.defineProperty(new Error('no'), 'message', {
    get(): string {
      throw new Error('not to be read')
    },
  })
}

describe('what a cost() answers that is no amount of money', () => {
  const pays = (cost: unknown, more: object = {}) => paysBy(() => cost, more)
  const paysBy = async (cost: () => unknown, more: object = {}) => {
    const odd = action({ ...bill, name: 'shop.odd', cost: cost as never, run: never })
    const work = definePlaybook({
      ...{ name: 'work', version: 1, input, output: z.null() },
      run: (ctx, given) => ctx.act(odd, given),
    })
    const t = await testConductor({
      playbooks: [work],
      connectors: [fake(defineConnector({ name: 'shop', actions: { odd } }), { 'shop.odd': () => null })],
      policy: policy([policy.rule('free', { on: odd }, () => policy.allow())]),
      budgets: [defineBudget({ name: 'all', limit: { money: eur(1000) }, ...more })],
    })
    const run = await t.start(work, invoice)
    return { result: run.result(), budgets: () => t.keelson.budgets.list() }
  }

  it.each([
    ['NaN', eur(Number.NaN), 'NaN EUR'],
    ['infinite', eur(Infinity), 'Infinity EUR'],
    ['a promise', Promise.resolve(eur(1)), 'a promise'],
    ['a number', 1, 'a number'],
    ['null', null, 'null'],
  ])('is refused by a budget, or counts its worst case: %s', async (_what, cost, named) => {
    const { result } = await pays(cost)
    await expect(result).rejects.toThrow(`has no price (cost() of shop.odd answered ${named}, which is no money)`)
    const worst = await pays(cost, { unpriced: eur(200) })
    await worst.result
    expect(await worst.budgets()).toMatchObject([{ used: { money: 200 } }])
  })

  it.each([
    ['with half a character in it', () => new Error('no \ud800'), 'no \ufffd'],
    ['that is nothing at all', () => Object.create(null) as object, 'something that cannot be printed'],
    ['that does not say what it is', () => unreadable(), 'something that cannot be read'],
    ['that goes on and on', () => new Error('x'.repeat(5000)), `${'x'.repeat(300)}…`],
  ])(
    'or what it throws is told by a budget that refuses it, as far as that can be told: %s',
    async (_what, error, told) => {
      const throws = (): never => {
        throw error()
      }
      const { result } = await paysBy(throws)
      await expect(result).rejects.toThrow(`has no price (${told})`)
      const worst = await paysBy(throws, { unpriced: eur(200) })
      await worst.result
      expect(await worst.budgets()).toMatchObject([{ used: { money: 200 } }])
    },
  )

  it('is refused where its currency is half a character', async () => {
    const { result } = await pays({ amount: 1, currency: '\ud800' })
    await expect(result).rejects.toThrow('answered 1 \ufffd, which is no money')
  })

  it('is not what is below nothing: that counts by its size', async () => {
    const { result, budgets } = await pays(eur(-119))
    await result
    expect(await budgets()).toMatchObject([{ used: { money: 119 } }])
  })
})

describe('an input with money in two currencies', () => {
  const usd = { ...invoice, lines: [{ price: { amount: 50, currency: 'USD' } }] }
  const free = policy([policy.rule('free', { on: sums }, () => policy.allow())])
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input,
    output: z.null(),
    run: (ctx, given) => ctx.act(sums, given),
  })
  const with_ = (budgets: readonly ReturnType<typeof defineBudget>[]): Promise<Harness> =>
    testConductor({
      playbooks: [work],
      policy: free,
      budgets,
      connectors: [fake(defineConnector({ name: 'shop', actions: { sums } }), { 'shop.sums': () => null })],
    })

  it('is refused by a budget that cannot count one of them, and counts the worst case where that is said', async () => {
    const limit = { money: eur(1000) }
    const t = await with_([defineBudget({ name: 'all', limit })])
    await expect((await t.start(work, usd)).result()).rejects.toThrow(/is in USD; no worst case/)
    const worst = await with_([defineBudget({ name: 'all', limit, unpriced: eur(200) })])
    await (await worst.start(work, usd)).result()
    expect(await worst.keelson.budgets.list()).toMatchObject([{ used: { money: 238 + 200 } }])
  })
})
