/**
 * Plan: one decision over many effects. The operator leaves one out and corrects another; exactly the rest executes.
 *
 * Expected output:
 *   Pay the bills of May (3 lines)
 *     1. bank.pay: cents: 12000, to: landlord
 *     2. bank.pay: cents: 4500, to: printer
 *     3. bank.pay: will not execute (ceiling: over 500 EUR): cents: 99900, to: yacht club
 *   paid landlord 11800
 *   1 done, edited
 *   2 skipped, left out by Ann
 *   3 skipped, denied: ceiling: over 500 EUR
 */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Bill = z.object({ to: z.string(), cents: z.int() })
const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: Bill,
  output: z.object({ ok: z.boolean() }),
  run({ to, cents }) {
    console.log(`paid ${to} ${cents}`)
    return { output: { ok: true } }
  },
})
// #region propose
const payday = definePlaybook({
  name: 'payday',
  version: 1,
  input: z.object({ month: z.string(), bills: z.array(Bill) }),
  output: z.array(z.string()),
  async run(ctx, { month, bills }) {
    const plan = bills.map((bill) => ctx.intend(pay, bill))
    const { lines } = await ctx.propose(`Pay the bills of ${month}`, plan, { timeout: '7d' })
    return lines.map(({ id, state, edited, reason }) => [`${id} ${state}`, edited ? 'edited' : reason].join(', '))
  },
})
// #endregion
const ceiling = policy.rule('ceiling', { on: pay }, ({ input }) =>
  input.cents > 500_00 ? policy.deny('over 500 EUR') : policy.allow(),
)
const keelson = await createConductor({ store: memoryStore(), playbooks: [payday], policy: policy([ceiling]) })
const bills = [
  { to: 'landlord', cents: 120_00 },
  { to: 'printer', cents: 45_00 },
  { to: 'yacht club', cents: 999_00 },
]
const run = await keelson.start(payday, { month: 'May', bills }, { id: 'payday:may' })
await keelson.quiet()
// #region decide
const [item] = (await keelson.inbox.list()).items
if (item?.kind !== 'plan' || item.preview.kind !== 'fields') throw new Error('a plan is expected')
console.log(`${item.title} (${item.lines.length} lines)`)
for (const { label, after } of item.preview.rows) console.log(`  ${label}: ${after}`)
const edit = { skip: ['2'], inputs: { '1': { to: 'landlord', cents: 118_00 } } }
await keelson.inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'ann', name: 'Ann' }, edit })
// #endregion
for (const line of await run.result()) console.log(line)
await keelson.stop()
