/**
 * Child runs: a playbook calls another and waits for it; a lane lets runs for one customer go one after the other.
 *
 * Expected output:
 *   invoice for ann begins
 *   invoice for ann ends
 *   invoice for ann begins
 *   invoice for ann ends
 *   { month: '2027-01', sent: 2 }
 *   month:2027-01 / month:2027-01/all[0].invoice / month:2027-01/all[1].invoice
 */
import { createConductor, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region child
const invoice = definePlaybook({
  name: 'invoice',
  version: 1,
  input: z.object({ customer: z.string(), line: z.string() }),
  output: z.object({ sent: z.boolean() }),
  serialize: ({ customer }) => customer,
  async run(ctx, { customer }) {
    await ctx.step('begin', () => console.log(`invoice for ${customer} begins`))
    await ctx.sleep('1s')
    await ctx.step('end', () => console.log(`invoice for ${customer} ends`))
    return { sent: true }
  },
})
// #endregion

// #region parent
const month = definePlaybook({
  name: 'month',
  version: 1,
  input: z.object({ month: z.string(), lines: z.array(z.string()) }),
  output: z.object({ month: z.string(), sent: z.int() }),
  async run(ctx, { month, lines }) {
    const results = await ctx.all(
      lines.map((line, i) => ({ line, i })),
      ({ i }) => String(i),
      (ctx, { line }) => ctx.call(invoice, { customer: 'ann', line }),
    )
    return { month, sent: results.filter((one) => one.sent).length }
  },
})
// #endregion

const keelson = await createConductor({ store: memoryStore(), playbooks: [month, invoice] })
const input = { month: '2027-01', lines: ['web site', 'hosting'] }
const run = await keelson.start(month, input, { id: 'month:2027-01' })
console.log(await run.result())
console.log((await keelson.runs.list()).runs.map(({ id }) => id).join(' / '))
await keelson.stop()
