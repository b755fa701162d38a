/**
 * Entities: an invoice with states, a customer that was entered twice, and what was the case, and known, on a day.
 *
 * Expected output:
 *   no: status of invoice cannot go from "draft" to "paid"
 *   billed to: Ada Lovelace
 *   stage on 1 March, as known then: lead; as known now: client
 *   client because: the contract was found
 */
import { createConductor, defineEntity, lifecycle } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'
// #region define
const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), email: z.email(), stage: z.enum(['lead', 'client']) }),
  index: ['email', 'stage'],
  private: ['email'],
})
export const invoiceFlow = lifecycle({
  states: ['draft', 'sent', 'paid', 'void'],
  transitions: {
    send: { from: 'draft', to: 'sent' },
    pay: { from: 'sent', to: 'paid' },
    cancel: { from: ['draft', 'sent'], to: 'void', approval: true },
  },
})
const Invoice = defineEntity({
  name: 'invoice',
  version: 1,
  schema: z.object({ number: z.string(), customer: z.string(), status: z.enum(invoiceFlow.states) }),
  key: (invoice) => invoice.number,
  links: { customer: Customer },
  lifecycle: { status: invoiceFlow },
})
// #endregion
let day = Date.UTC(2026, 1, 1)
const clock = { now: () => day, monotonic: () => day, timer: () => () => {} }
const keelson = await createConductor({ store: memoryStore(), playbooks: [], entities: [Customer], work: false, clock })
const [customers, invoices] = [keelson.entities(Customer), keelson.entities(Invoice)]
// #region use
const ada = await customers.create({ name: 'Ada Lovelace', email: 'ada@example.org', stage: 'lead' })
const twin = await customers.create({ ...ada.data, name: 'A. Lovelace' }, { refs: { stripe: 'cus_1' } })
const bill = await invoices.create({ number: '2026-1', customer: twin.id, status: 'draft' })
await invoices
  .update(bill.id, { status: 'paid' })
  .catch((no: Error) => console.log(`no: ${no.message.replace(/ "invoice_[\w-]+"/, '')}`))
await customers.merge(ada.id, twin.id, { reason: 'entered twice' })
console.log(`billed to: ${(await customers.get(bill.data.customer)).data.name}`) // the old id leads to the survivor
day = Date.UTC(2026, 3, 1)
const found = { validAt: '2026-02-20T00:00:00Z', reason: 'the contract was found' }
await customers.update(ada.id, { stage: 'client' }, found)
const march = '2026-03-01T00:00:00Z'
const then = await customers.asOf(ada.id, { valid: march, known: march })
const now = await customers.asOf(ada.id, { valid: march })
console.log(`stage on 1 March, as known then: ${then?.data.stage}; as known now: ${now?.data.stage}`)
console.log(`client because: ${(await customers.why(ada.id, 'stage'))?.change.reason}`)
// #endregion
await keelson.stop()
