/**
 * Start small: one entity, one playbook. First it only reads, then it asks, then it holds. The playbook never changes.
 *
 * Expected output:
 *   only reading: would send to ada@example.org, sent 0
 *   asking: sent 0, then 1
 *   holding: sent 1, then 2
 */
import { action, defineConnector, defineEntity, definePlaybook, policy, type PolicyGate } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { z } from 'zod'

// #region action
const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ id: z.string() }),
  simulate: () => ({ id: 'not sent' }),
  run: (_mail, { key }) => ({ output: { id: key } }),
})
// #endregion
const email = defineConnector({ name: 'email', actions: { send } })
const schema = z.object({ email: z.string(), due: z.boolean() })
const Customer = defineEntity({ name: 'customer', version: 1, schema })
// #region playbook
const remind = definePlaybook({
  name: 'remind',
  version: 1,
  input: z.object({ customer: z.string() }),
  output: z.boolean(),
  async run(ctx, { customer }) {
    const found = await ctx.entities(Customer).get(customer)
    if (found.data.due) await ctx.act(send, { to: found.data.email, text: 'A kind reminder.' }, { because: [found] })
    return found.data.due
  },
})
// #endregion
// #region stages
const asking = policy([policy.rule('ask', { on: send }, () => policy.ask())])
const holding = policy([policy.rule('hold', { on: send }, () => policy.hold('10m'))])
// #endregion
const stage = (gate: PolicyGate) => testConductor({ playbooks: [remind], connectors: [fake(email)], policy: gate })
const ada = { email: 'ada@example.org', due: true }

const first = await stage(asking)
const { id: customer } = await first.keelson.entities(Customer).create(ada)
const reading = await first.start(remind, { customer }, { shadow: true })
const { pairs } = await first.keelson.shadow.diff(reading.id)
console.log(`only reading: would send to ${(pairs[0]?.would as { to: string }).to}, sent ${first.world(send).length}`)
await first.start(remind, { customer })
const before = first.world(send).length
await first.approve(send)
console.log(`asking: sent ${before}, then ${first.world(send).length}`)
const later = await stage(holding)
const again = await later.keelson.entities(Customer).create(ada)
await later.start(remind, { customer: again.id })
const held = first.world(send).length + later.world(send).length
await later.advance('11m')
console.log(`holding: sent ${held}, then ${first.world(send).length + later.world(send).length}`)
await Promise.all([first.stop(), later.stop()])
