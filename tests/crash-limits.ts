/** Programs for the crash matrix about limits: rates and cool-downs, working hours, budgets that are raised, rules that change. */
import { action, defineBudget, defineConnector, definePersona, definePlaybook, policy, type Run } from '@keelson/core'
import { fake, type Harness } from '@keelson/testing'
import { z } from 'zod'
import type { Program } from './crash-programs.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))

const pay = action({
  name: 'till.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), amount: z.object({ amount: z.int(), currency: z.string() }) }),
  output: z.object({}),
  run: real,
})
const call = action({
  name: 'till.call',
  effect: 'irreversible',
  idempotency: { by: 'lookup' },
  rate: { count: 2, per: '1h' },
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run: real,
  reconcile: real,
})
const till = defineConnector({ name: 'till', actions: { pay, call } })
const connectors = () => [fake(till)]
const free = policy([policy.rule('free', { on: [pay, call] }, () => policy.allow())])

const payOne = definePlaybook({
  name: 'pay-one',
  version: 1,
  input: z.object({ to: z.string(), cents: z.int() }),
  output: z.string(),
  uses: [till],
  async run(ctx, { to, cents }) {
    const paid = ctx.act(pay, { to, amount: { amount: cents, currency: 'EUR' } })
    return paid.then(
      () => 'paid',
      (no: { code: string }) => no.code,
    )
  },
})
const callOne = definePlaybook({
  name: 'call-one',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({}),
  uses: [till],
  run: (ctx, input) => ctx.act(call, input),
})

async function all(runs: readonly Run<unknown>[]): Promise<unknown[]> {
  const ends: unknown[] = []
  for (const run of runs) ends.push(await run.result())
  return ends
}

/** Two an hour, and half an hour between two of the persona: each goes out in its turn, however often it is tried. */
const calm = definePersona({ name: 'calm', may: ['*'], rates: [{ on: [call], coolDown: '30m' }] })
const rates: Program = {
  name: 'rates',
  harness: () => ({ playbooks: [callOne], connectors: connectors(), policy: free }),
  async test(t) {
    t.fault(call, 'timeout-before-effect', { call: 2 })
    const runs: Run<unknown>[] = []
    for (const to of ['a', 'b', 'c']) runs.push(await t.start(callOne, { to }, { id: to, persona: calm }))
    const counts: number[] = []
    for (const time of ['25m', '10m', '35m', '2h']) {
      await t.advance(time)
      counts.push(t.world(call).length)
    }
    return [counts[0], counts[3], await all(runs)]
  },
}

const office = definePersona({ name: 'office', may: ['*'], hours: { from: '09:00', to: '17:00' } })
/** What waits for the morning goes out then; what a person sends at once goes out at night. */
const hours: Program = {
  name: 'hours',
  harness: () => ({ playbooks: [payOne], connectors: connectors(), policy: free, zone: 'America/New_York' }),
  async test(t) {
    const runs: Run<unknown>[] = []
    for (const to of ['a', 'b']) runs.push(await t.start(payOne, { to, cents: 5 }, { id: to, persona: office }))
    await t.sendNow(pay)
    const atNight = t.world(pay).length
    await t.advance('6h')
    return [atNight, await all(runs)]
  },
}

const purse = defineBudget({ name: 'purse', per: 'day', limit: { money: { amount: 1000, currency: 'EUR' } } })
async function raise(t: Harness, amount: number): Promise<void> {
  await t.decide({ kind: 'attention', title: /purse/ }, { answer: { money: { amount, currency: 'EUR' } } })
}
/** Reached, raised too little, raised again, reached and refused: what each day holds is what was really spent. */
const budget: Program = {
  name: 'budget',
  harness: () => ({ playbooks: [payOne], connectors: connectors(), policy: free, budgets: [purse] }),
  async test(t) {
    t.fault(pay, 'timeout-after-effect', { call: 2 })
    const runs: Run<unknown>[] = []
    const costs = { a: 600, b: 600, c: 700 } // whoever of the two is first: there is never room for the dearer one
    for (const [to, cents] of Object.entries(costs)) runs.push(await t.start(payOne, { to, cents }, { id: to }))
    await raise(t, 100)
    await raise(t, 100)
    await t.decide({ kind: 'attention', title: /purse/ }, { reject: 'enough for today' })
    await t.advance('1m')
    const ends = await all(runs)
    const [today] = await t.host((keelson) => keelson.budgets.list())
    return [ends.sort(), today?.used.money, today?.reserved.money]
  },
}

const before = policy([policy.rule('money', { on: pay }, () => policy.ask())])
const after = policy([
  policy.rule('money', { on: pay }, ({ input }) => {
    if (input.to === 'freed') return policy.allow()
    if (input.to === 'denied') return policy.deny('not to them')
    if (input.to === 'held') return policy.hold('10m')
    return policy.ask()
  }),
])
/** What is asked under rules that change is judged again: kept, set free, denied, held. */
const rules: Program = {
  name: 'rules that change',
  harness: () => ({ playbooks: [payOne], connectors: connectors(), policy: before }),
  async test(t) {
    const runs: Run<unknown>[] = []
    for (const to of ['kept', 'freed', 'denied', 'held']) runs.push(await t.start(payOne, { to, cents: 5 }, { id: to }))
    await t.deploy({ policy: after })
    await t.approve(pay)
    await t.advance('10m')
    return all(runs)
  },
}

const askedAndHeld = policy([policy.rule('money', { on: pay }, () => [policy.ask(), policy.hold('1h')])])
const afterwards = policy([
  policy.rule('money', { on: pay }, ({ input }) => {
    if (input.to === 'freed') return policy.allow()
    if (input.to === 'denied') return policy.deny('not to them')
    return [policy.ask(), policy.hold('1h')]
  }),
  policy.rule('more', { on: pay }, ({ input }) => (input.to === 'asked anew' ? policy.ask() : policy.allow())),
])
/** What was approved and is held while the rules change: the approval goes on covering what its rule asks, and no more. */
const approved: Program = {
  name: 'rules that change behind an approval',
  harness: () => ({ playbooks: [payOne], connectors: connectors(), policy: askedAndHeld }),
  async test(t) {
    const runs: Run<unknown>[] = []
    for (const to of ['kept', 'freed', 'denied', 'asked anew']) {
      runs.push(await t.start(payOne, { to, cents: 5 }, { id: to }))
      await t.approve(pay)
    }
    await t.deploy({ policy: afterwards })
    await t.decide({ kind: 'approval', action: pay.name, title: /Changed/ }, { approve: true })
    await t.advance('2h')
    return all(runs)
  },
}

export const limitPrograms: readonly Program[] = [rates, hours, budget, rules, approved]
