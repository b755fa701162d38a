/**
 * Read cache: a price that may be ten minutes old, until a write, an event or a person says that it has changed.
 *
 * Expected output:
 *   100 100 asked once
 *   120 asked twice
 *   130 asked three times
 */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const shop = { price: 100, asked: 0 }
// #region actions
const price = action({
  name: 'shop.price',
  effect: 'read',
  input: z.object({ sku: z.string() }),
  output: z.number(),
  cache: { ttl: '10m', tags: ({ sku }) => [`sku:${sku}`] },
  run: () => ({ output: (shop.asked++, shop.price) }),
})
const reprice = action({
  name: 'shop.reprice',
  effect: 'reversible',
  input: z.object({ sku: z.string(), price: z.number() }),
  output: z.object({}),
  invalidates: ({ sku }) => [`sku:${sku}`],
  run: ({ price: now }) => ({ output: ((shop.price = now), {}) }),
})
// #endregion
const look = definePlaybook({
  name: 'look',
  version: 1,
  input: z.object({ fresh: z.boolean() }),
  output: z.number(),
  // #region fresh
  run: (ctx, { fresh }) => ctx.act(price, { sku: 'mug' }, fresh ? { maxAge: '0s' } : {}),
  // #endregion
})
const raise = definePlaybook({
  name: 'raise',
  version: 1,
  input: z.object({ to: z.number() }),
  output: z.object({}),
  run: (ctx, { to }) => ctx.act(reprice, { sku: 'mug', price: to }),
})
const rules = policy([policy.rule('prices', { on: reprice }, () => policy.allow())])
const keelson = await createConductor({ store: memoryStore(), playbooks: [look, raise], policy: rules })
const see = async (id: string, fresh = false) => (await keelson.start(look, { fresh }, { id })).result()
console.log(`${await see('1')} ${await see('2')} asked ${shop.asked === 1 ? 'once' : shop.asked}`)
await (await keelson.start(raise, { to: 120 }, { id: '3' })).result()
console.log(`${await see('4')} asked ${shop.asked === 2 ? 'twice' : shop.asked}`)
shop.price = 130 // behind our back: only a fresh read can know
console.log(`${await see('5', true)} asked ${shop.asked === 3 ? 'three times' : shop.asked}`)
await keelson.stop()
