/** What authors of stores, connectors and test kits import: the ports and their values. */
export { systemClock, turn, type Clock, type Instant } from './base/clock.ts'
export { seeded, systemIds, type Ids } from './base/ids.ts'
export { canonical, deepFreeze, parseStored, stored } from './base/json.ts'
export { encoded } from './base/schema.ts'
export { keyedHash, sha256 } from './base/hash.ts'
export { assertCallable, assertCount, assertKnown, assertOneOf, meantBy, named, namesOf } from './base/known.ts'
export { logOf } from './base/log.ts'
export { moneyText } from './base/money.ts'
export { nearest } from './base/nearest.ts'
export { Roster } from './base/roster.ts'
export { list, young } from './base/young.ts'
export { ERROR_CODES, KeelsonError, reviveError, storeError, type ErrorCode, type StoredError } from './base/errors.ts'
export {
  EMPTY_HEAD,
  assertChained,
  chain,
  dataOf,
  fault,
  headOf,
  type Draft,
  type Entry,
  type Head,
  type Placed,
} from './journal/entry.ts'
export { putsOf, writeOf, writesOf } from './journal/records.ts'
export type { Put } from './journal/put.ts'
export type { EntryData, EntryKind } from './journal/kinds.ts'
export type {
  Answer,
  Backup,
  BackupRequest,
  StoreChange,
  ClaimAnswer,
  ClaimQuery,
  Claimed,
  Compacted,
  Conflict,
  Delivery,
  Expect,
  Lease,
  Mail,
  MemoryStore,
  NewRun,
  Next,
  Opened,
  PassUnit,
  Purge,
  RecordQuery,
  RecordRow,
  RecordWrite,
  RunQuery,
  RunRow,
  Touch,
  Unit,
  Upkeep,
} from './journal/store.ts'
export { definitionOf, handle, isAction, type AnyAction } from './connector/action.ts'
export { actionsOf, withActions, type ConnectorUse } from './connector/connector.ts'
export { agentOf } from './agent/agent.ts'
export { playbookOf, type AnyPlaybook } from './playbook/playbook.ts'
export { wholeDecision } from './inbox/edit.ts'
export { ruleEngine, type Find, type Intended, type PolicyEngine } from './policy/gate.ts'
