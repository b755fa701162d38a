/**
 * Upgrading: new code is rehearsed on the open runs before it takes work; those that fit are moved.
 *
 * Expected output:
 *   default/order:2 (order@1 on 2): would take another branch at "invoice": recorded, but not asked for: "quote", "paid"; asked for, but not recorded: "invoice"
 *   2 runs replayed: 1 continue, 0 need migration, 1 would branch, 0 stall
 *   moved order:1, left order:2
 *   order:1 paid with a receipt
 */
import { createConductor, defineEvent, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const paid = defineEvent({ name: 'paid', schema: z.object({ id: z.string() }) })
const Input = z.object({ id: z.string(), quote: z.boolean() })
const v1 = definePlaybook({
  name: 'order',
  version: 1,
  input: Input,
  output: z.string(),
  async run(ctx, { id, quote }) {
    if (quote) await ctx.step('quote', () => 'a quote')
    await ctx.waitFor(paid, { match: { id } })
    return 'paid'
  },
})
const v2 = definePlaybook({
  name: 'order',
  version: 2,
  input: Input,
  output: z.string(),
  async run(ctx, { id, quote }) {
    if (quote) await ctx.step('invoice', () => 'an invoice') // no quotes any more
    await ctx.waitFor(paid, { match: { id } })
    return ctx.step('receipt', () => 'paid with a receipt')
  },
})
const by = { kind: 'person', id: 'ann' } as const
const log = { info() {}, warn() {}, error() {} }
const store = memoryStore()
const old = await createConductor({ store, playbooks: [v1], log })
await old.start(v1, { id: '1', quote: false }, { id: 'order:1' })
await old.start(v1, { id: '2', quote: true }, { id: 'order:2' })
await old.quiet()
await old.stop()
// #region rehearse
const build = await createConductor({ store: store.session(), playbooks: [v1, v2], work: false, log })
const { report } = await build.rehearse({ playbook: 'order', to: 2 })
console.log(report)
await build.stop()
// #endregion
// #region upgrade
const keelson = await createConductor({ store: store.session(), playbooks: [v1, v2], log })
const { moved, left } = await keelson.runs.upgrade({ playbook: 'order', to: 2, by })
console.log(`moved ${moved.join()}, left ${left.map(({ run }) => run).join()}`)
// #endregion
await keelson.send(paid, { id: '1' }, { id: 'paid:1' })
console.log(`order:1 ${String(await keelson.runs.get('order:1').result())}`)
await keelson.stop()
