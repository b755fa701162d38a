/**
 * Policies: a rule that looks before it judges, tried on a table; and other rules, tried on what has happened.
 *
 * Expected output:
 *   2 rows are judged as they should be
 *   sent to ada
 *   asked: mail.send (strangers: a stranger)
 *   mail.send: allow, then deny
 *   mail.send: ask, then deny
 */
import { action, createConductor, defineEntity, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }), index: ['name'] })
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.null(),
  run({ to }) {
    console.log(`sent to ${to}`)
    return { output: null }
  },
})
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: (ctx, mail) => ctx.act(send, mail),
})

// #region rule
const strangers = policy.rule(
  'strangers',
  { on: send, look: (mail, look) => ({ contact: look.one(Customer, { name: mail.to }) }) },
  ({ found }) => (found.contact === undefined ? policy.ask({ reason: 'a stranger' }) : policy.allow()),
)
// #endregion
// #region table
const { rows } = policy.test(policy([strangers]), [
  { action: send, input: { to: 'ada' }, found: { contact: { id: 'c1' } }, expect: 'allow' },
  { action: send, input: { to: 'bob' }, found: { contact: undefined }, expect: { verdict: 'ask', reason: 'stranger' } },
])
// #endregion
console.log(`${rows} rows are judged as they should be`)

const keelson = await createConductor({ store: memoryStore(), playbooks: [write], policy: policy([strangers]) })
await keelson.entities(Customer, { by: { kind: 'person', id: 'ann' } }).create({ name: 'ada' })
for (const to of ['ada', 'bob']) await keelson.start(write, { to }, { id: to }).then(() => keelson.quiet())
console.log('asked:', (await keelson.inbox.list()).items[0]?.title)
// #region explain
const holidays = policy([strangers, policy.rule('holidays', { on: send }, () => policy.deny('nobody is there'))])
const { changes } = await keelson.policy.explain({ candidate: holidays })
for (const { action, from, to } of changes) console.log(`${action}: ${from}, then ${to}`)
// #endregion
await keelson.stop()
