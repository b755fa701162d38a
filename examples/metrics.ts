/**
 * What it saves you: minutes as a range, net of what a person spent, and where the next hour of work pays most.
 *
 * Expected output:
 *   14 done, 14 % touchless, 12 min of Ann's
 *   saved 58 to 198 min
 *   next: let email.send do more by itself: a grant, or the next rung (write)
 *   because 12 of 12 approved unchanged (at least 81 %), 12 min of looking
 */
import { action, defineConnector, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { z } from 'zod'

const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: (_mail, { key }) => ({ output: { id: key } }),
})
const email = defineConnector({ name: 'email', actions: { send } })
// #region baseline
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.string(),
  baseline: '10m', // what a person would take
  run: async (ctx, { to }) => (await ctx.act(send, { to })).id,
})
// #endregion
const gate = policy([
  policy.rule('strangers', { on: send }, ({ input }) => (input.to === 'bob' ? policy.allow() : policy.ask())),
])
const by = { kind: 'person', id: 'ann' } as const
const t = await testConductor({ playbooks: [write], connectors: [fake(email)], policy: gate })
await t.start(write, { to: 'bob' })
await t.start(write, { to: 'bob' })
for (let i = 0; i < 12; i++) {
  await t.start(write, { to: `stranger ${i}` })
  const item = (await t.inbox.list()).items[0]!
  await t.inbox.opened(item.id, { by })
  await t.advance('1m')
  await t.inbox.decide(item.id, { hash: item.hash, by, approve: true })
}
await t.settle()
// #region report
const { total, next } = await t.keelson.metrics.report()
const { outcomes, interventions, saved } = total
// #endregion
console.log(
  `${outcomes} done, ${Math.round(interventions.touchless * 100)} % touchless, ${interventions.activeMinutes} min of Ann's`,
)
console.log(`saved ${saved.low} to ${saved.high} min`)
console.log(`next: ${next[0]?.what} (${next[0]?.playbook})\nbecause ${next[0]?.why}`)
await t.stop()
