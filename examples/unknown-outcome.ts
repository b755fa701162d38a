/**
 * Unknown outcome: the provider took the payment and the answer was lost. Keelson looks it up and does not pay twice;
 * where nothing can be looked up, it asks.
 *
 * Expected output:
 *   the bank was asked what became of it
 *   Did it happen? fax.send: the line went dead
 *   { sent: true } payments at the bank: 1
 */
import { action, createConductor, definePlaybook, type Actor } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const paid = new Map<string, string>()
// #region lookup
const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'lookup' },
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.object({ reference: z.string() }),
  async run({ invoice }, { key }) {
    paid.set(key, `REF-${invoice}`)
    throw new Error('socket hang up') // the bank paid, and its answer was lost
  },
  async reconcile(_input, { key }) {
    console.log('the bank was asked what became of it')
    const reference = paid.get(key)
    return reference === undefined ? { state: 'not-found' } : { state: 'done', output: { reference } }
  },
})
// #endregion
const fax = action({
  name: 'fax.send',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string() }),
  output: z.object({ sent: z.boolean() }),
  run: () => Promise.reject(new Error('the line went dead')),
})
const settle = definePlaybook({
  name: 'settle',
  version: 1,
  input: z.object({ invoice: z.string() }),
  output: z.object({ sent: z.boolean() }),
  async run(ctx, { invoice }) {
    await ctx.act(pay, { invoice, cents: 90_00 })
    return ctx.act(fax, { to: '+49 30 1234' })
  },
})
const keelson = await createConductor({ store: memoryStore(), playbooks: [settle] })
const run = await keelson.start(settle, { invoice: 'INV-1' }, { id: 'settle:INV-1' })
void run.result().then(async (result) => (console.log(result, `payments at the bank: ${paid.size}`), keelson.stop()))
const by: Actor = { kind: 'person', id: 'ann' }
for await (const { id, hash, kind, title } of keelson.inbox.watch()) {
  if (kind === 'approval') await keelson.inbox.decide(id, { hash, by, approve: true })
  if (kind !== 'outcome-unknown') continue
  console.log(title)
  await keelson.inbox.decide(id, { hash, by, outcome: 'happened', output: { sent: true } })
}
