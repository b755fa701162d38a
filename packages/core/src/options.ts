/** Options: what createConductor takes, and what holds where something is left out. docs/reference/options.md follows this file. */
import type { z } from 'zod'
import type { Models } from './agent/model.ts'
import type { Prices } from './agent/price.ts'
import type { AnchorOptions } from './audit/schedule.ts'
import type { Clock } from './base/clock.ts'
import { KeelsonError } from './base/errors.ts'
import type { Ids } from './base/ids.ts'
import { assertCount, assertKnown, COUNT, named, noSuch } from './base/known.ts'
import type { Logger } from './base/log.ts'
import type { AlertRung } from './conductor/alert.ts'
import type { Limits } from './conductor/environment.ts'
import type { Credentials } from './conductor/registry.ts'
import type { Action, AnyAction } from './connector/action.ts'
import { actionsOf, type Connector } from './connector/connector.ts'
import type { MayDecide } from './inbox/decide.ts'
import type { Notice } from './inbox/item.ts'
import type { MemoryStore } from './journal/store.ts'
import type { EntityType } from './memory/entity.ts'
import type { Embedder } from './memory/recall/vector.ts'
import type { Playbook } from './playbook/context.ts'
import { eventShape, type EventType } from './playbook/event.ts'
import type { Budget } from './policy/budget.ts'
import type { PolicyEngine } from './policy/gate.ts'
import { assertPersona } from './policy/is-persona.ts'
import type { Persona } from './policy/persona.ts'
import type { PolicyGate } from './policy/rule.ts'
import type { Settings, SettingsDefinition } from './policy/settings.ts'
import type { TrustRule } from './policy/trust-rule.ts'

export interface ConductorOptions {
  /** Where everything is kept: `sqlite(path)`, or one of your own. */
  readonly store: MemoryStore
  /** All playbooks, old versions too, until their last run has ended. */
  readonly playbooks: readonly Playbook<any, any>[]
  /** What `connect()` of a connector returns. */
  readonly connectors?: readonly Connector[]
  /** Entity types to check at the start: that all records that are stored can still be read. */
  readonly entities?: readonly EntityType<any>[]
  /** Events to check at the start: that all payloads that are kept can still be read. Their shapes go into a bundle. */
  readonly events?: readonly EventType<any>[]
  /** Actions of no connector, so that their open effects can be finished whoever asked. */
  readonly actions?: readonly Action<any, any>[]
  /** Answers agents: `aiModels(model)` for a model of the AI SDK, or a function of your own. */
  readonly models?: Models
  /** Embeds memories, to be weighed in by `memory.calibrate`: `embeddings(model)` for a model of the AI SDK, or your own. */
  readonly embeddings?: Embedder
  /** Rules of your own, or another engine. Default reads are allowed, and every write asks. */
  readonly policy?: PolicyGate | PolicyEngine
  /** Personas by name as they bind now; those of playbooks are known. */
  readonly personas?: readonly Persona[]
  /** What may be spent, by whom and in what time: made by `defineBudget`. */
  readonly budgets?: readonly Budget[]
  /** What models cost: without it, questions to them have no price. */
  readonly prices?: Prices
  /** IANA zone in which days and working hours are counted, or what says it for a company. Default 'UTC'. */
  readonly zone?: string | ((settings: Settings) => string | undefined)
  /** Who hears of an alert, rung by rung, until somebody acknowledges it. */
  readonly alerts?: readonly AlertRung[]
  /** Actions that may earn trust: made by `defineTrust`. They begin in shadow, unless they say `start: 'approve'`. */
  readonly trust?: readonly TrustRule[]
  /** False: starts, decides and reads without working (a web process). Default true. */
  readonly work?: boolean
  /** Created again under the same name in one process, the earlier one is drained and replaced (hot reload); it goes on where the new one is refused. Default none. */
  readonly name?: string
  /** False: the process may end while runs wait. Default true while it works, or somebody awaits a result or watches an inbox. */
  readonly keepAlive?: boolean
  /** pino-shaped. Default one line each on standard error, and nothing where NODE_ENV is 'production'. */
  readonly log?: Logger
  /** The shape of a company's settings: a schema, or one with its version and upcasters. Default any JSON. */
  readonly settings?: z.ZodType | SettingsDefinition
  /** The secret of a connector's account in a workspace, asked for when it is used, never stored. Default none. */
  readonly credentials?: Credentials
  /** Who may decide which item; also which revert an agent may apply. Default everybody who is named and no agent. */
  readonly mayDecide?: MayDecide
  /** Signs the journal at times, and gives the anchors to be kept elsewhere. */
  readonly anchors?: AnchorOptions
  /** How people are told when nobody answers, by the name that a rung gives as `via`. Told at least once. */
  readonly channels?: { readonly [via: string]: (notice: Notice) => Promise<void> | void }
  /** Passes at once in this process. Default 100. */
  readonly concurrency?: number
  /** Only these workspaces are worked on here. Default all. */
  readonly workspaces?: readonly string[]
  /** What runs may grow to, and how long things may take. Default each its own. */
  readonly limits?: Partial<Limits>
  /** For tests: another time. Default the system's. */
  readonly clock?: Clock
  /** For tests: another chance. Default the system's. */
  readonly ids?: Ids
  /** For tests: what executes in place of an action that neither `connectors` nor `actions` brings. */
  readonly stray?: (action: AnyAction) => AnyAction
}

const KNOWN: { readonly [K in keyof Required<ConductorOptions>]: true } = {
  ...{ store: true, playbooks: true, connectors: true, entities: true, events: true, actions: true, models: true },
  ...{ embeddings: true, policy: true, personas: true, budgets: true, prices: true, zone: true, alerts: true },
  ...{ trust: true, work: true, name: true, keepAlive: true, log: true, settings: true, credentials: true },
  ...{ mayDecide: true, anchors: true, channels: true, concurrency: true, workspaces: true, limits: true },
  ...{ clock: true, ids: true, stray: true },
}

const LISTS = ['connectors', 'actions', 'entities', 'events', 'personas', 'budgets', 'alerts', 'trust'] as const

/** Throws `DEFINITION_INVALID` for what no compiler has looked at: what is missing, is no list, or is no option at all. */
export function assertOptions(options: Partial<ConductorOptions> | undefined): void {
  const needs = (what: string, hint: string): KeelsonError =>
    new KeelsonError('DEFINITION_INVALID', `createConductor needs ${what}`, { hint })
  if (typeof options?.store?.claim !== 'function')
    throw needs('a store', "Pass sqlite('app.db') of @keelson/memory-sqlite.")
  if (!Array.isArray(options.playbooks))
    throw needs('a list of playbooks', 'Pass playbooks: [ … ], or [] where it only decides and reads.')
  for (const one of LISTS)
    if (options[one] !== undefined && !Array.isArray(options[one])) throw needs(`${one} as a list`, 'Put it into [ ].')
  assertKnown('createConductor', options, Object.keys(KNOWN))
  assertCount(
    '"concurrency" of createConductor',
    options.concurrency,
    `${COUNT} One that works on nothing says work: false.`,
  )
  assertKnown('limits of createConductor', options.limits ?? {}, Object.keys(LIMITS))
  for (const [name, value] of Object.entries(options.limits ?? {}) as [string, unknown][])
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw new KeelsonError('DEFINITION_INVALID', `"${name}" of limits of createConductor is ${named(value)}`, {
        hint: 'Give a number from 0 on.',
      })
  assertMade(options as ConductorOptions)
}

/** What is made by a definer is that, and no likeness of it: a list of rules is no policy, and a name no persona. */
function assertMade({
  policy,
  personas = [],
  budgets = [],
  trust = [],
  events = [],
  connectors = [],
  models,
  anchors,
}: ConductorOptions): void {
  const { rules, judge } = (policy ?? {}) as { rules?: unknown; judge?: unknown }
  if (policy !== undefined && !Array.isArray(rules) && typeof judge !== 'function')
    throw noSuch('DEFINITION_INVALID', policy, 'a policy', 'policy([ … ])')
  if (models !== undefined && typeof models !== 'function')
    throw new KeelsonError('DEFINITION_INVALID', `${named(models)} is no port to models`, {
      hint: 'Pass models: aiModels(model), or aiModels({ fast, strong }); or a function that answers a question.',
    })
  for (const one of connectors) actionsOf(one)
  for (const one of personas) assertPersona(one, 'createConductor')
  for (const one of budgets as readonly (Budget | undefined)[])
    if (!Array.isArray(one?.per) || typeof one.limit !== 'function')
      throw noSuch('DEFINITION_INVALID', one, 'a budget', 'defineBudget()')
  for (const one of trust as readonly (TrustRule | undefined)[])
    if (typeof one?.action !== 'string' || typeof one.segment !== 'function')
      throw noSuch('DEFINITION_INVALID', one, 'a rule of trust', 'defineTrust()')
  for (const one of events) eventShape(one)
  if (anchors !== undefined) assertKnown('anchors of createConductor', anchors, ['signer', 'sink', 'every'])
}

/** Where `limits` leaves one out. */
export const LIMITS: Limits = {
  entriesMax: 50_000,
  bytesMax: 64 * 1024 * 1024,
  stallMs: 1000,
  shortMs: 5000,
  policyMs: 5000,
  beatMs: 10_000,
  depthMax: 8,
  fanOutMax: 1000,
}
