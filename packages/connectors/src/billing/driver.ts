/** Driver: what the billing actions ask of a payment provider. Keelson ships none yet. */
import type { Money } from '@keelson/core'

export interface Charge {
  readonly invoiceId: string
  readonly amount: Money
}

/** 'failed' is the provider's answer that no money moved (a declined card), not an error of the call. */
export interface Charged {
  readonly status: 'paid' | 'failed'
  /** The provider's reason for 'failed'. */
  readonly code?: string | undefined
}

export interface Invoice {
  readonly open: boolean
  readonly amount: Money
  readonly email: string
}

/**
 * One account at a provider. Failures are `ActionError`s; any other throw of `charge` counts as 'unknown': money may
 * have moved.
 */
export interface BillingDriver {
  /**
   * Charges exactly once for each `key`: the provider must honour it for at least 24 hours. Turn the provider's own
   * retries off, so that each try leaves its trace.
   */
  charge(charge: Charge, use: { key: string; signal: AbortSignal }): Promise<Charged>
  /** What became of the charge of a key (by metadata, say). Without it, an unknown outcome goes to the operator. */
  findCharge?(key: string, use: { since: number; signal: AbortSignal }): Promise<Charged | 'not-found' | 'unknown'>
  invoice(invoiceId: string, use: { signal: AbortSignal }): Promise<Invoice>
}
