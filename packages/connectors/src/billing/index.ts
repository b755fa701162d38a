/** The public names of @keelson/connectors/billing. */
import { defineConnector, type ConnectorDefinition, type ConnectorUse } from '@keelson/core'
import { forUse, opened, type PerWorkspace } from '../connect/option.ts'
import { charge, invoice } from './actions.ts'
import type { BillingDriver } from './driver.ts'

export interface BillingOptions {
  /** The provider. A plain driver serves the workspace `default`; give a function for many: it gets the credential. */
  readonly driver: PerWorkspace<BillingDriver>
}

/** Charges and invoices behind a driver of your own: `billing.connect({ driver })`. */
export const billing: ConnectorDefinition<{ charge: typeof charge; invoice: typeof invoice }, BillingOptions> =
  defineConnector({
    name: 'billing',
    actions: { charge, invoice },
    open: (options: BillingOptions | undefined, use: ConnectorUse) =>
      opened(() => forUse(options?.driver, use, 'driver')),
  })

export type { BillingDriver, Charge, Charged, Invoice } from './driver.ts'
export type { PerWorkspace } from '../connect/option.ts'
