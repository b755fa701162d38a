/** The public names of @keelson/core. */

/* actions and connectors */
export {
  action,
  ActionError,
  type Action,
  type ActionDefinition,
  type ActionRun,
  type Failure,
  type Idempotency,
  type Preview,
  type Reconciled,
} from './connector/action.ts'
export { defineConnector, type Connector, type ConnectorDefinition, type ConnectorUse } from './connector/connector.ts'

/* values */
export { KeelsonError, type ErrorCode } from './base/errors.ts'
export type { Actor, Money } from './base/actor.ts'
export type { Duration } from './base/duration.ts'
export type { Json, Stored } from './base/value.ts'
export type { Logger } from './base/log.ts'

/* ports */
export type { MemoryStore } from './journal/store.ts'
