/** The public names of @keelson/connectors/webhook. */
export { webhook, type Received, type Receiver, type Refusal, type WebhookOptions } from './receive.ts'
export type { Delivery } from './body.ts'
