/**
 * Gated invoice: small amounts are charged at once, larger ones ask, and the operator may correct what will be charged.
 *
 * Expected output:
 *   INV-1: 90 EUR (allowed by money)
 *   INV-2: 300 EUR (money: over 200 EUR), corrected
 *   INV-3: ACTION_DECLINED, billing.charge was declined by Ann: wrong customer
 */
import { action, createConductor, definePlaybook, policy, type KeelsonError } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Invoice = z.object({ invoice: z.string(), cents: z.int() })
// #region action
const charge = action({
  name: 'billing.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: Invoice,
  output: z.object({ cents: z.int() }),
  intent: ({ invoice }) => ['charge', invoice],
  run: ({ cents }) => ({ output: { cents } }),
})
// #endregion
// #region policy
const gate = policy([
  policy.rule('money', { on: charge }, ({ input }) =>
    input.cents > 200_00 ? policy.ask({ reason: 'over 200 EUR' }) : policy.allow(),
  ),
])
// #endregion
// #region playbook
const collect = definePlaybook({
  name: 'collect',
  version: 1,
  input: Invoice,
  output: z.string(),
  uses: [charge],
  async run(ctx, { invoice, cents }) {
    const done = await ctx.effect(charge, { invoice, cents })
    return `${invoice}: ${done.output.cents / 100} EUR (${done.verdict})${done.edited ? ', corrected' : ''}`
  },
})
// #endregion
const keelson = await createConductor({ store: memoryStore(), playbooks: [collect], policy: gate })
const orders = Object.entries({ 'INV-1': 90_00, 'INV-2': 320_00, 'INV-3': 900_00 })
const runs = orders.map(([invoice, cents]) => keelson.start(collect, { invoice, cents }, { id: `collect:${invoice}` }))
const [small, large, wrong] = await Promise.all(runs)
await keelson.quiet()
// #region decide
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
for (const item of (await keelson.inbox.list()).items) {
  const isWrong = item.preview.kind === 'fields' && item.preview.rows.some(({ after }) => after === 'INV-3')
  const decision = isWrong ? { reject: 'wrong customer' } : { edit: { cents: 300_00 } }
  await keelson.inbox.decide(item.id, { hash: item.hash, by, ...decision })
}
// #endregion
console.log(`${await small?.result()}\n${await large?.result()}`)
await wrong?.result().catch((error: KeelsonError) => console.log(`INV-3: ${error.code}, ${error.message}`))
await keelson.stop()
