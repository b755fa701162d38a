/**
 * Grant: who keeps approving the same small refund gets a suggestion, and grants it: within a scope, a cap, and until a date.
 *
 * Expected output:
 *   From 2026-01-05 to 2026-01-05 somebody looked at 12 of shop.refund: 12 were approved as they were, 0 edited, none rejected. In them cents was 900 to 2000. It would cover any order.
 *   where: {"cents":{"min":900,"max":2000}}, at most 12 in 30d
 *   refund-13: completed without asking
 *   refund-14: waiting, beyond what was granted
 *   used 1, left 11
 */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Order = z.object({ order: z.string(), cents: z.int() })
const refund = action({
  name: 'shop.refund',
  effect: 'reversible',
  input: Order,
  output: z.object({ ok: z.boolean() }),
  run: () => ({ output: { ok: true } }),
})
const giveBack = definePlaybook({
  name: 'give-back',
  version: 1,
  input: Order,
  output: z.object({ ok: z.boolean() }),
  uses: [refund],
  run: (ctx, input) => ctx.act(refund, input),
})
// #region grantable
const gate = policy([policy.rule('refunds', { on: refund }, () => policy.ask({ grantable: true }))])
// #endregion
const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
const keelson = await createConductor({
  store: memoryStore(),
  playbooks: [giveBack],
  policy: gate,
  clock: clock.process().clock,
})
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
for (let i = 1; i <= 12; i++) {
  await keelson.start(giveBack, { order: `A-${i}`, cents: 800 + 100 * i }, { id: `refund-${i}` })
  await keelson.quiet()
  const item = (await keelson.inbox.list()).items[0]!
  await keelson.inbox.opened(item.id, { by })
  clock.to(clock.now() + 20_000) // Ann reads
  await keelson.inbox.decide(item.id, { hash: item.hash, by, approve: true })
}
// #region suggest
const [made] = await keelson.grants.suggest()
if (made === undefined) throw new Error('a suggestion is expected')
console.log(made.sentence)
console.log(`where: ${JSON.stringify(made.where)}, at most ${made.cap.count} in ${made.cap.per}`)
await keelson.grants.create({ action: refund, where: { cents: { max: 20_00 } }, cap: made.cap, until: made.until, by })
// #endregion
await keelson.start(giveBack, { order: 'A-13', cents: 1500 }, { id: 'refund-13' })
await keelson.start(giveBack, { order: 'A-14', cents: 9900 }, { id: 'refund-14' })
await keelson.quiet()
console.log(`refund-13: ${(await keelson.runs.get('refund-13').status()).state} without asking`)
console.log(`refund-14: ${(await keelson.runs.get('refund-14').status()).state}, beyond what was granted`)
const [grant] = await keelson.grants.list()
console.log(`used ${grant?.used.count}, left ${grant?.left.count}`)
await keelson.stop()
