/** Alert: something that should not go on like this, as a host hears of it, and the ladder by which it does. */
import type { Actor } from '../base/actor.ts'
import type { Duration } from '../base/duration.ts'
import type { Action } from '../connector/action.ts'

export interface Alert {
  /** Its cause, as an id. */
  readonly id: string
  readonly title: string
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
  /** The last runs that it touched. */
  readonly runs: readonly string[]
  readonly state: 'open' | 'acknowledged'
  readonly by?: Actor
}

/** One rung: so long after the alert opened, unless it was acknowledged, somebody is told by it. */
export type AlertRung = { readonly after: Duration } & (
  | { readonly call: (alert: Alert & { readonly workspace: string }) => Promise<void> | void }
  | { readonly act: (alert: Alert & { readonly workspace: string }) => AlertAct }
)
/** An action and its input: it goes through the gate like any other. */
export type AlertAct = readonly [action: Action<any, any>, input: unknown]
