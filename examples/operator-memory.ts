/**
 * What the operator controls: a machine's proposal in the inbox, corrections, a retention policy, and erasing.
 *
 * Expected output:
 *   proposed: it contradicts what a person said
 *   the inbox asks: replace nothing, add "acme vat DE2"
 *   approved: acme vat DE2
 *   in the bin: bin
 *   forecast: chatter
 *   erased: [nothing left], the chain verifies: true
 */
import { createConductor } from '@keelson/core'
import { memoryStore } from '@keelson/testing'

const keelson = await createConductor({ store: memoryStore(), playbooks: [] })
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
const robot = { kind: 'agent', id: 'reader' } as const
const { memory, inbox } = keelson
// #region propose
const vat = { subject: 'acme', predicate: 'vat', functional: true }
await memory.remember({ ...vat, value: 'DE1' }, { by })
const { status } = await memory.remember({ ...vat, value: 'DE2' }, { by: robot })
// #endregion
console.log(`${status}: it contradicts what a person said`)
await keelson.quiet()
// #region decide
const [item] = (await inbox.list()).items
const rows = item?.preview.kind === 'fields' ? item.preview.rows : []
console.log(`the inbox asks: replace nothing, add "${rows[0]?.after}"`)
if (item !== undefined) await inbox.decide(item.id, { hash: item.hash, by, approve: true })
// #endregion
await keelson.quiet()
const [fact] = await memory.facts({ about: 'acme' })
console.log(`approved: ${fact?.text}`)
// #region hand
const { id } = await memory.remember({ text: 'Acme moved to Hamburg.' }, { by: robot })
await memory.forget(id, { by, graceMs: 7 * 86_400_000 })
console.log(`in the bin: ${(await memory.get(id)).status}`)
await memory.retention.set({ name: 'chatter', kinds: ['event'], keep: '90d' }, { by })
await memory.append({ text: 'Ada asked about the weather.', role: 'external' }, { by: robot })
const forecast = await memory.retention.forecast('2100-01-01')
console.log(`forecast: ${forecast.map(({ why }) => why).join(', ')}`)
// #endregion
// #region erase
const erased = await memory.erase({ ids: [id] }, { by, reason: 'Acme asked us to' })
// #endregion
const { ok } = await keelson.audit.verify()
console.log(`erased: [${erased.left.length === 0 ? 'nothing left' : 'some left'}], the chain verifies: ${ok}`)
await keelson.stop()
