/** The actions of the billing connector: look at an invoice, and charge for one. */
import { action, ActionError, type Failure, type Money } from '@keelson/core'
import { z } from 'zod'
import { valueOf } from '../connect/option.ts'
import type { BillingDriver } from './driver.ts'

/** The shortest time for which a known provider honours a key, less an hour for clocks that differ. */
const KEY_MS = 23 * 3_600_000

const InvoiceId = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/[\p{Cc}\p{Cf}\p{Z}]/u.test(text), 'has a space or control character')

/** Minor units: { amount: 4200, currency: 'EUR' } is 42 euros. */
const MoneyValue = z.object({ amount: z.int(), currency: z.string().regex(/^[A-Z]{3}$/, 'is three capital letters') })

const Charged = z.object({ status: z.enum(['paid', 'failed']), code: z.string().max(200).optional() })

const driverFrom = (config: unknown): BillingDriver => valueOf<BillingDriver>(config, 'billing.connect({ driver })')

export const charge = action({
  name: 'billing.charge',
  title: 'Charge for an invoice',
  effect: 'irreversible',
  category: 'money',
  idempotency: { by: 'key', forMs: KEY_MS },
  input: z.object({
    invoiceId: InvoiceId,
    amount: MoneyValue.refine(({ amount }) => amount > 0, 'is not more than nothing'),
  }),
  output: Charged,
  material: ['invoiceId', 'amount'],
  timeout: '60s',
  preview: ({ invoiceId, amount }) => ({
    kind: 'fields',
    rows: [
      { label: 'Invoice', after: invoiceId },
      { label: 'Amount', after: moneyText(amount) },
    ],
  }),
  simulate: () => ({ status: 'paid' as const }),
  classify: judge,
  async run(input, { key, signal, config }) {
    return { output: await driverFrom(config).charge(input, { key, signal }) }
  },
  async reconcile(_input, { key, since, signal, config }) {
    const driver = driverFrom(config)
    if (driver.findCharge === undefined) return { state: 'unknown', why: 'the billing driver cannot look up a charge' }
    const found = await driver.findCharge(key, { since, signal })
    if (found === 'not-found' || found === 'unknown') return { state: found }
    return { state: 'done', output: found }
  },
})

export const invoice = action({
  name: 'billing.invoice',
  title: 'Look at an invoice',
  effect: 'read',
  outgoing: false,
  labels: ['private'],
  input: z.object({ invoiceId: InvoiceId }),
  output: z.object({ open: z.boolean(), amount: MoneyValue, email: z.string() }),
  simulate: ({ invoiceId }, { effects, real }) =>
    real !== undefined && effects.some(({ input }) => (input as { invoiceId?: string }).invoiceId === invoiceId)
      ? { ...real, open: false }
      : undefined,
  async run({ invoiceId }, { signal, config }) {
    return { output: await driverFrom(config).invoice(invoiceId, { signal }) }
  },
})

/** Money may have moved unless the driver says otherwise. */
function judge(error: unknown): Failure {
  return ActionError.is(error) ? error.failure : { class: 'unknown' }
}

/** 'EUR 42.00', with as many decimals as the currency has. */
function moneyText({ amount, currency }: Money): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  const text = String(Math.abs(amount)).padStart(digits + 1, '0')
  const cut = text.length - digits
  return `${currency} ${amount < 0 ? '-' : ''}${text.slice(0, cut)}${digits > 0 ? `.${text.slice(cut)}` : ''}`
}
