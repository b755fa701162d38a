/**
 * Budget: what would pass it waits, is asked for once, and goes on when the operator raises it.
 *
 * Expected output:
 *   charged 600
 *   budget "daily", day is reached. Raise it?
 *   charged 700
 */
import { action, createConductor, defineBudget, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const charge = action({
  name: 'bank.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ amount: z.object({ amount: z.int(), currency: z.string() }) }),
  output: z.object({}),
  run({ amount }) {
    console.log(`charged ${amount.amount}`)
    return { output: {} }
  },
})
const pay = definePlaybook({
  name: 'pay',
  version: 1,
  input: z.object({ cents: z.int() }),
  output: z.object({}),
  run: (ctx, { cents }) => ctx.act(charge, { amount: { amount: cents, currency: 'EUR' } }),
})
const daily = defineBudget({ name: 'daily', per: 'day', limit: { money: { amount: 1000, currency: 'EUR' } } })
const gate = policy([policy.rule('free', { on: charge }, () => policy.allow())])
const keelson = await createConductor({ store: memoryStore(), playbooks: [pay], policy: gate, budgets: [daily] })

// #region raise
await (await keelson.start(pay, { cents: 600 }, { id: 'one' })).result()
const second = await keelson.start(pay, { cents: 700 }, { id: 'two' })
await keelson.quiet()
const [item] = (await keelson.inbox.list()).items
console.log(item?.title.replace(/ \d{4}-\d\d-\d\d/, '').replace(/: .*\. /, '. '))
const by = { kind: 'person', id: 'ann' } as const
await keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: { money: { amount: 300, currency: 'EUR' } } })
// #endregion
await second.result()
await keelson.stop()
