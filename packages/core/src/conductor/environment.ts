/** Environment: what the conductor hands to every pass. */
import type { Models } from '../agent/model.ts'
import type { Prices } from '../agent/price.ts'
import type { Clock } from '../base/clock.ts'
import type { Ids } from '../base/ids.ts'
import type { Logger } from '../base/log.ts'
import type { MemoryStore } from '../journal/store.ts'
import type { Catalog } from '../playbook/catalog.ts'
import type { EventType } from '../playbook/event.ts'
import type { Budget, Spending } from '../policy/budget.ts'
import type { PolicyEngine } from '../policy/gate.ts'
import type { Persona } from '../policy/persona.ts'
import type { Settings, SettingsShape } from '../policy/settings.ts'
import type { TrustRule } from '../policy/trust-rule.ts'
import type { AlertRung } from './alert.ts'
import type { Library } from '../memory/recall/library.ts'
import type { Vectors } from '../memory/recall/vector.ts'
import type { Company } from './company.ts'
import type { ReadCache } from './effect/read-cache.ts'
import type { Windows } from './effect/windows.ts'
import type { Tell } from './notice.ts'
import type { EntityTypes } from './entity-types.ts'
import type { Projections } from './projections.ts'
import type { ActionRegistry } from './registry.ts'
import type { LifecycleEvents } from './lifecycle.ts'

export interface Limits {
  /** Entries of one run before it must continue as new. Default 50,000. */
  readonly entriesMax: number
  /** Payload characters of one run. Default 64 MiB. */
  readonly bytesMax: number
  /** Real milliseconds without progress before a replay is given up for now. Default 1,000. */
  readonly stallMs: number
  /** Delays up to this long are waited for in the pass; longer ones park. Default 5,000. */
  readonly shortMs: number
  /** A policy engine that takes longer denies. Default 5,000. */
  readonly policyMs: number
  /** Real milliseconds between two signs of life to the store. Default 10,000. */
  readonly beatMs: number
  /** Runs that call runs: so many levels below the first. Default 8. */
  readonly depthMax: number
  /** Children of one run, questions of one run to agents, branches of one ctx.all. Default 1,000 each. */
  readonly fanOutMax: number
}

export interface Environment {
  readonly store: MemoryStore
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Logger
  readonly limits: Limits
  readonly catalog: Catalog
  readonly actions: ActionRegistry
  readonly cache: ReadCache
  /** How long this process has looked for what it does not find. */
  readonly windows: Windows
  /** Entity types that this process knows. */
  readonly entities: EntityTypes
  /** Events that this process was told of. */
  readonly events: readonly EventType<any>[]
  readonly policy: PolicyEngine
  /** As this process defines them, by name. */
  readonly personas: ReadonlyMap<string, Persona>
  readonly budgets: readonly Budget[]
  /** What one run of a playbook ('name@version') may spend. */
  readonly budgetOf: (playbook: string) => Spending | undefined
  /** The shape of settings today. */
  readonly settings: SettingsShape
  /** The zone in which a company's days and hours are counted. */
  readonly zone: (settings: Settings) => string
  /** Throws `SETTINGS_INVALID` for settings that name a zone that is none. */
  readonly assertZone: (settings: Settings) => void
  readonly prices: Prices
  readonly models: Models
  /** Tells somebody through a channel of the host. */
  readonly tell: Tell
  /** What is counted, in the unit of the thing itself. */
  readonly projections: Required<Projections<Environment>>
  /** How an alert climbs. */
  readonly alerts: readonly AlertRung[]
  /** The index of a workspace's memory. */
  readonly library: (workspace: string) => Library
  readonly vectors: Vectors | undefined
  /** What may earn trust. */
  readonly trust: readonly TrustRule[]
  readonly company: (workspace: string) => Company
  readonly emit: <K extends keyof LifecycleEvents>(name: K, event: LifecycleEvents[K]) => void
  /** Called with the runs that a unit made due, so that they begin at once. */
  readonly nudge: () => void
  /** Whether this process brings code or works: only then is code that it does not have missing. */
  readonly expectsCode: boolean
  /** Ends a cancelled run of which this process does not have the code, unless somebody holds it. */
  readonly endWithoutCode: (workspace: string, run: string) => Promise<void>
}
