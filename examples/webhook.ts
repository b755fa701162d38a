/**
 * Webhook: a payment that its provider delivers three times wakes the run that waits for it, once; a forged one does not.
 *
 * Expected output:
 *   delivered: taken
 *   delivered: taken
 *   delivered: taken
 *   altered: signature-wrong
 *   of last week: timestamp-off
 *   paid: 100 cents, then nothing more
 */
import { createHmac, randomBytes } from 'node:crypto'
import { webhook } from '@keelson/connectors/webhook'
import { createConductor, defineEvent, definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const paid = defineEvent({ name: 'invoice.paid', schema: z.object({ invoice: z.string(), cents: z.int() }) })
const collect = definePlaybook({
  name: 'collect',
  version: 1,
  input: z.object({ invoice: z.string() }),
  output: z.string(),
  async run(ctx, match) {
    const first = await ctx.waitFor(paid, { match })
    const more = await ctx.waitFor(paid, { match, timeout: '1s' })
    return `${first.cents} cents, then ${more === undefined ? 'nothing' : 'something'} more`
  },
})

const secrets: Record<string, string> = { acme: `whsec_${randomBytes(24).toString('base64')}` }
const BODY = JSON.stringify({ invoice: 'INV-7', cents: 100 })

/** What the provider does. */
function signed(id: string, body: string, at = Date.now()) {
  const seconds = Math.floor(at / 1000)
  const key = Buffer.from(secrets['acme']!.replace('whsec_', ''), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  return { headers: { 'webhook-id': id, 'webhook-timestamp': `${seconds}`, 'webhook-signature': `v1,${mac}` }, body }
}

// #region door
const receive = webhook({
  name: 'payments',
  event: paid,
  credentials: async ({ workspace }) => secrets[workspace],
})
// #endregion

const keelson = await createConductor({ store: memoryStore(), playbooks: [collect] })
const run = await keelson.workspace('acme').start(collect, { invoice: 'INV-7' }, { id: 'collect:7' })
// #region deliver
const company = keelson.workspace('acme')
const again = [signed('msg_1', BODY), signed('msg_1', BODY), signed('msg_1', BODY)]
for (const delivery of again) console.log('delivered:', (await receive(company, delivery)).code)
console.log('altered:', (await receive(company, { ...signed('msg_2', BODY), body: BODY.replace('100', '1') })).code)
console.log('of last week:', (await receive(company, signed('msg_3', BODY, Date.now() - 7 * 86_400_000))).code)
// #endregion
console.log('paid:', await run.result())
await keelson.stop()
