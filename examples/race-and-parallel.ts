/**
 * Race and parallel: the first of several waits wins, on every replay the same one; a branch per item, three at a time.
 *
 * Expected output:
 *   A waits for: event, timer
 *   A: the customer answered
 *   B: time
 *   { totals: [ 10, 20, 30, 40 ] }
 */
import { createConductor, defineEvent, definePlaybook, type Context } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

// #region race
const accepted = defineEvent({ name: 'offer.accepted', schema: z.object({ offer: z.string() }) })

const offer = definePlaybook({
  name: 'offer',
  version: 1,
  input: z.object({ offer: z.string(), patience: z.enum(['1s', '30d']) }),
  output: z.string(),
  async run(ctx, { offer, patience }) {
    return Promise.race([
      ctx.waitFor(accepted, { match: { offer } }).then(() => 'the customer answered'),
      ctx.sleep(patience).then(() => 'time'),
    ])
  },
})
// #endregion

// #region parallel
const totals = definePlaybook({
  name: 'totals',
  version: 1,
  input: z.object({ shops: z.array(z.int()) }),
  output: z.object({ totals: z.array(z.int()) }),
  async run(ctx, { shops }) {
    const branch = (ctx: Context, shop: number) => ctx.step('sum', () => shop * 10)
    return { totals: await ctx.all(shops, String, branch, { atOnce: 3 }) }
  },
})
// #endregion

const keelson = await createConductor({ store: memoryStore(), playbooks: [offer, totals] })
const long = await keelson.start(offer, { offer: 'A', patience: '30d' }, { id: 'offer:A' })
const short = await keelson.start(offer, { offer: 'B', patience: '1s' }, { id: 'offer:B' })
await keelson.quiet()
const status = await long.status()
if (status.state === 'waiting') console.log(`A waits for: ${status.for.map(({ kind }) => kind).join(', ')}`)
await keelson.send(accepted, { offer: 'A' }, { id: 'mail-17' })
console.log(`A: ${await long.result()}`)
console.log(`B: ${await short.result()}`)
console.log(await (await keelson.start(totals, { shops: [1, 2, 3, 4] }, { id: 'totals' })).result())
await keelson.stop()
