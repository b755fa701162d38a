/**
 * Start another: a run starts one that goes on by itself, by an action under an id of its own: exactly once, whatever crashes.
 *
 * Expected output:
 *   begun: order:7
 *   begun: order:7
 *   orders: order:7
 *   order 7 is packed
 */
import { action, createConductor, definePlaybook, policy, type Conductor } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const order = z.object({ order: z.string() })
const fulfil = definePlaybook({
  name: 'fulfil',
  version: 1,
  input: order,
  output: z.string(),
  async run(ctx, { order }) {
    await ctx.sleep('1s') // or a year: nobody waits for it
    return ctx.step('pack', () => `order ${order} is packed`)
  },
})
// #region action
const begin = action({
  name: 'office.begin',
  effect: 'reversible',
  idempotency: { by: 'id' }, // a start under the id of a run that is there is that run
  outgoing: false,
  input: order,
  output: z.object({ run: z.string() }),
  undo: z.object({ run: z.string() }),
  intent: ({ order }) => ['fulfil', order],
  async run({ order }) {
    const { id } = await keelson.start(fulfil, { order }, { id: `order:${order}` })
    return { output: { run: id }, undo: { run: id } }
  },
  async compensate({ run }) {
    await keelson.runs.cancel(run, { by: { kind: 'system', id: 'office' }, reason: 'its order was taken back' })
  },
})
// #endregion
const take = definePlaybook({
  name: 'take',
  version: 1,
  input: order,
  output: z.string(),
  run: async (ctx, input) => (await ctx.act(begin, input)).run,
})
const free = policy([policy.rule('our own', { on: begin }, () => policy.allow())])
const keelson: Conductor = await createConductor({ store: memoryStore(), playbooks: [take, fulfil], policy: free })
for (const id of ['mail:1', 'mail:2'])
  console.log('begun:', await (await keelson.start(take, { order: '7' }, { id })).result())
const { runs } = await keelson.runs.list({ playbook: 'fulfil' })
console.log('orders:', runs.map(({ id }) => id).join())
console.log(await keelson.runs.get('order:7').result())
await keelson.stop()
