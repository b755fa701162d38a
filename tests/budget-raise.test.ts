/** A budget that is raised without being asked: whoever raises it has answered, whatever else is said at that moment. */
import { action, defineBudget, defineConnector, definePlaybook, policy } from '@keelson/core'
import {
  exploreCrashes,
  fake,
  intercept,
  memoryStore,
  testConductor,
  type Detail,
  type Harness,
  type Operation,
} from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { inTheMomentOf } from './support/moment.ts'
import { me } from './support/open.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const charge = action({
  name: 'bank.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ who: z.string(), amount: z.object({ amount: z.int(), currency: z.string() }) }),
  output: z.object({}),
  run: real,
})
const bank = defineConnector({ name: 'bank', actions: { charge } })
const free = policy([policy.rule('free', { on: charge }, () => policy.allow())])
const pay = definePlaybook({
  name: 'pay',
  version: 1,
  input: z.object({ who: z.string(), cents: z.int() }),
  output: z.object({}),
  run: (ctx, { who, cents }) => ctx.act(charge, { who, amount: { amount: cents, currency: 'EUR' } }),
})
const eur = (amount: number) => ({ money: { amount, currency: 'EUR' } })
const setUp = () => ({
  playbooks: [pay],
  connectors: [fake(bank)],
  policy: free,
  budgets: [defineBudget({ name: 'all', limit: eur(1000) })],
})

/** One has spent 600 of 1000, and another who wants 600 waits. */
async function reached(): Promise<{ t: Harness; budget: string }> {
  const t = await testConductor(setUp())
  for (const who of ['a', 'b']) await t.start(pay, { who, cents: 600 }, { id: who })
  const [found] = await t.keelson.budgets.list()
  return { t, budget: found!.id }
}

describe('a raise that nobody asked for', () => {
  it('withdraws the question that is open, and lets go on what waits', async () => {
    const { t, budget } = await reached()
    const [item] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.budgets.raise(budget, { ...eur(500), by: me }))
    expect(t.world(charge)).toHaveLength(2)
    expect((await t.inbox.list()).items).toEqual([])
    expect(await t.inbox.get(item!.id)).toMatchObject({ state: 'withdrawn' })
    const { id, hash } = item!
    expect(await t.inbox.decide(id, { hash, by: me, answer: eur(1) })).toMatchObject({ why: 'settled' })
    expect(await t.keelson.budgets.list()).toMatchObject([{ raised: { money: 500 }, used: { money: 1200 } }])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is refused in another currency than the budget counts', async () => {
    const { t, budget } = await reached()
    const jpy = { money: { amount: 500, currency: 'JPY' }, by: me }
    await expect(t.keelson.budgets.raise(budget, jpy)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'budget "all" counts EUR, and is not raised by JPY',
    })
    expect(await t.keelson.budgets.list()).toMatchObject([{ raised: { money: 0 } }])
    expect(t.world(charge)).toHaveLength(1)
    await t.stop()
  })

  it('needs no question that is open', async () => {
    const t = await testConductor(setUp())
    await t.start(pay, { who: 'a', cents: 600 })
    const [found] = await t.keelson.budgets.list()
    await t.host((keelson) => keelson.budgets.raise(found!.id, { ...eur(500), by: me }))
    await t.start(pay, { who: 'b', cents: 600 })
    expect(t.world(charge)).toHaveLength(2)
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it('counts each time, and asks anew once it is reached again', async () => {
    const { t, budget } = await reached()
    const raise = () => t.keelson.budgets.raise(budget, { ...eur(50), by: me })
    await Promise.all([raise(), raise()])
    await t.settle()
    expect(await t.keelson.budgets.list()).toMatchObject([{ raised: { money: 100 } }])
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'BUDGET_REACHED' }])
    await t.host((keelson) => keelson.budgets.raise(budget, { ...eur(100), by: me }))
    expect(t.world(charge)).toHaveLength(2)
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it.each([
    ['an answer', { answer: eur(70) }, 170],
    ['a refusal', { reject: 'enough' }, 100],
  ] as const)(
    'loses no answer that was taken meanwhile, and takes no refusal (%s)',
    async (_what, decision, raised) => {
      for (const when of [undefined, { kind: 'step.completed', key: 'withdrawn' }]) {
        const said: unknown[] = []
        const decide = async () => {
          const [item] = (await t.inbox.list()).items
          said.push(await t.inbox.decide(item!.id, { hash: item!.hash, by: me, ...decision }))
        }
        const t: Harness = await testConductor({
          ...setUp(),
          ...(when === undefined ? {} : { store: inTheMomentOf(when, decide) }),
        })
        for (const who of ['a', 'b']) await t.start(pay, { who, cents: 600 }, { id: who })
        const [{ id }] = (await t.keelson.budgets.list()) as unknown as [{ id: string }]
        const first = when === undefined ? decide() : undefined
        await t.keelson.budgets.raise(id, { ...eur(100), by: me })
        await first
        await t.settle()
        const [now] = await t.keelson.budgets.list()
        expect([said, now!.raised.money, now!.refused]).toEqual([[{ status: 'done' }], raised, undefined])
        await t.stop()
      }
    },
  )

  it.each(['effect.opened', 'effect.completed', 'ask.opened'])(
    'that comes before the question could be put leaves none behind (before %s)',
    async (kind) => {
      let raises = 0
      const raise = async () => {
        const [found] = await t.keelson.budgets.list()
        await t.keelson.budgets.raise(found!.id, { ...eur(500), by: me })
        raises++
      }
      const nth = kind === 'effect.completed' ? 2 : 1 // the first one is of a
      const t: Harness = await testConductor({ ...setUp(), store: inTheMomentOf({ kind, nth }, raise) })
      for (const who of ['a', 'b']) await t.start(pay, { who, cents: 600 }, { id: who })
      expect([raises, t.world(charge).length]).toEqual([1, 2])
      expect((await t.inbox.list()).items).toEqual([])
      await t.stop()
    },
  )

  it('that comes between the reading and the asking leaves no question behind, though its clock was ahead', async () => {
    const data = memoryStore()
    let reads = 0
    const after = async (op: Operation, detail: Detail): Promise<void> => {
      if (op !== 'records' || (detail[1] as { kind: string }).kind !== 'budget' || ++reads !== 3) return // the third is of b
      const [found] = await t.keelson.budgets.list()
      await t.keelson.budgets.raise(found!.id, { ...eur(500), by: me })
      t.clock.to(t.clock.now() + 1000)
    }
    const session = () => intercept(data.session(), { after })
    const store = { session, kill: (worker: string) => data.kill(worker) }
    const t: Harness = await testConductor({ ...setUp(), store })
    for (const who of ['a', 'b']) await t.start(pay, { who, cents: 600 }, { id: who })
    await t.settle()
    expect([t.world(charge).length, (await t.inbox.list()).items]).toEqual([2, []])
    await t.stop()
  })

  it('ends the same wherever the process dies', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        await t.start(pay, { who: 'a', cents: 600 }, { id: 'a' })
        await t.start(pay, { who: 'b', cents: 600 }, { id: 'b' })
        await t.host(async ({ budgets }) => {
          const [found] = await budgets.list()
          if (found!.raised.money === 0) await budgets.raise(found!.id, { ...eur(500), by: me })
        })
        const [now] = await t.host(({ budgets }) => budgets.list())
        const { items } = await t.host(({ inbox }) => inbox.list())
        return [now!.raised, now!.used, now!.reserved, items.length]
      },
      { depth: 2, limit: 150, harness: setUp },
    )
    expect(explored.schedules).toBeGreaterThan(100)
  })
})
