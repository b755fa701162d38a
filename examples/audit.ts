/**
 * Audit: who did what and why a value is what it is; and anchors that show when somebody has written the past anew.
 *
 * Expected output:
 *   raise: customer updated
 *   limit is 5000 ... it came from step "ask the bureau"
 *   verified up to anchor 1: true
 *   the export alone: true; an edited one: false
 */
import { generateKeyPairSync } from 'node:crypto'
import { createConductor, defineEntity, definePlaybook, signerFromPem, verifyExport } from '@keelson/core'
import type { Anchor } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), limit: z.number() }),
})
const raise = definePlaybook({
  name: 'raise',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.null(),
  async run(ctx, { id }) {
    const limit = await ctx.step('ask the bureau', () => 5000)
    await ctx.entities(Customer).update(id, { limit })
    return null
  },
})
const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
// #region anchors
const elsewhere: Anchor[] = [] // a file on another machine, a bucket that is written once
const anchors = { signer: signerFromPem(privateKey), sink: (anchor: Anchor) => void elsewhere.push(anchor) }
const keelson = await createConductor({ store: memoryStore(), playbooks: [raise], anchors })
// #endregion
const { id } = await keelson.entities(Customer).create({ name: 'Acme', limit: 0 })
await (await keelson.start(raise, { id }, { id: 'raise' })).result()
// #region query
const { lines } = await keelson.audit.query({ run: 'raise', entity: { type: Customer, id }, order: 'oldest' })
for (const { by, what } of lines) console.log(`${by.id}: ${what}`)
const { text } = await keelson.audit.why(Customer, id, 'limit')
// #endregion
console.log(text.replace(/since.*; it/, '... it'))
// #region verify
await keelson.audit.anchor()
const { ok, anchored } = await keelson.audit.verify({ anchors: elsewhere, keys: [publicKey] })
console.log(`verified up to anchor ${anchored}: ${ok}`)
// #endregion
const exported: string[] = []
for await (const line of keelson.audit.export()) exported.push(line)
const edited = exported.map((line) => line.replace('Acme', 'Evil'))
console.log(`the export alone: ${(await verifyExport(exported)).ok}; an edited one: ${(await verifyExport(edited)).ok}`)
await keelson.stop()
