/** Billing: what the actions pass to a driver, and that nothing counts as unpaid because nobody knows. */
import { ActionError } from '@keelson/core'
import { definitionOf } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { billing, type BillingDriver, type Charged } from '../src/billing/index.ts'
import { configOf, failureOf, reconcile, run } from './call.ts'

const charge = { invoiceId: 'inv-1', amount: { amount: 4200, currency: 'EUR' } }

function setUp(more: Partial<BillingDriver> = {}) {
  const charged = new Map<string, Charged>()
  const driver: BillingDriver = {
    charge: async (_charge, { key }) => {
      charged.set(key, { status: 'paid' })
      return { status: 'paid' }
    },
    findCharge: async (key) => charged.get(key) ?? 'not-found',
    invoice: async () => ({ open: true, amount: charge.amount, email: 'ada@example.test' }),
    ...more,
  }
  return configOf(billing.connect({ driver }))
}

describe('billing.charge', () => {
  it('charges under the key of the effect and finds the charge again', async () => {
    const config = setUp()
    expect(await reconcile(billing.charge, charge, { config })).toEqual({ state: 'not-found' })
    expect((await run(billing.charge, charge, { config })).output).toEqual({ status: 'paid' })
    expect(await reconcile(billing.charge, charge, { config })).toEqual({ state: 'done', output: { status: 'paid' } })
    expect((await reconcile(billing.charge, charge, { config, key: 'other' })).state).toBe('not-found')
  })

  it('counts whatever a driver throws as unknown, unless the driver knows better', async () => {
    const lost = setUp({ charge: () => Promise.reject(new TypeError('fetch failed')) })
    expect((await failureOf(billing.charge, run(billing.charge, charge, { config: lost }))).class).toBe('unknown')
    const refused = setUp({ charge: () => Promise.reject(new ActionError({ class: 'reauth' }, 'no')) })
    expect((await failureOf(billing.charge, run(billing.charge, charge, { config: refused }))).class).toBe('reauth')
  })

  it('gives a declined card as an answer, not as an error', async () => {
    const config = setUp({ charge: async () => ({ status: 'failed', code: 'card_declined' }) })
    expect((await run(billing.charge, charge, { config })).output).toEqual({ status: 'failed', code: 'card_declined' })
  })

  it('does not take an answer without a status for a payment', async () => {
    const config = setUp({ charge: async () => ({}) as Charged })
    await expect(run(billing.charge, charge, { config })).rejects.toThrow()
  })

  it('asks the operator where the driver cannot look', async () => {
    const { findCharge: _, ...driver } = { ...blank, findCharge: undefined }
    const config = configOf(billing.connect({ driver }))
    expect((await reconcile(billing.charge, charge, { config })).state).toBe('unknown')
  })

  it.each([
    ['nothing', { amount: 0, currency: 'EUR' }],
    ['less than nothing', { amount: -1, currency: 'EUR' }],
    ['parts of a cent', { amount: 10.5, currency: 'EUR' }],
    ['more than is exact', { amount: 2 ** 53, currency: 'EUR' }],
    ['an unknown currency', { amount: 1, currency: 'euro' }],
  ])('refuses %s', (_what, amount) => {
    expect(definitionOf(billing.charge).input.safeParse({ ...charge, amount }).success).toBe(false)
  })

  it.each([
    [4200, 'EUR', 'EUR 42.00'],
    [5, 'USD', 'USD 0.05'],
    [4200, 'JPY', 'JPY 4200'],
    [4200, 'KWD', 'KWD 4.200'],
  ])('shows %i minor units of %s as money', (amount, currency, text) => {
    const shown = definitionOf(billing.charge).preview!(
      { ...charge, amount: { amount, currency } },
      { config: undefined, signal: new AbortController().signal },
    )
    expect(shown).toMatchObject({ kind: 'fields', rows: [{ after: 'inv-1' }, { label: 'Amount', after: text }] })
  })

  it('does not say what a driver factory threw, as it may quote a credential', async () => {
    const factory = (): BillingDriver => {
      throw new Error('bad key sk-live-1')
    }
    const failure = await failureOf(
      billing.charge,
      run(billing.charge, charge, { config: configOf(billing.connect({ driver: factory })) }),
    )
    expect(failure.class).toBe('retry')
    expect(failure.message).not.toContain('sk-live')
  })
})

const blank: BillingDriver = {
  charge: () => Promise.reject(new Error('not used')),
  invoice: () => Promise.reject(new Error('not used')),
}

describe('billing.invoice', () => {
  it('gives what is open', async () => {
    expect((await run(billing.invoice, { invoiceId: 'inv-1' }, { config: setUp() })).output).toEqual({
      open: true,
      amount: charge.amount,
      email: 'ada@example.test',
    })
  })

  it('says that there is no driver', async () => {
    const failure = await failureOf(
      billing.invoice,
      run(billing.invoice, { invoiceId: '1' }, { config: configOf(billing.connect()) }),
    )
    expect(failure).toMatchObject({ class: 'final', message: expect.stringContaining('driver') })
  })
})
