/** Waiting: what a parked run waits for, in words that a person can act on. */
import type { Json } from '../base/value.ts'

export type WaitKind =
  | 'timer'
  | 'event'
  | 'approval'
  | 'question'
  | 'child'
  | 'hold'
  | 'budget'
  | 'freeze'
  | 'rate'
  | 'version'
  | 'effect'
  | 'retry'
  | 'pause'
  | 'suspended'
  | 'operator'
  | 'lane'

export interface WaitInfo {
  readonly kind: WaitKind
  readonly what: string
  /** ISO instant at which it ends by itself, or at which what `next` says comes. */
  readonly until?: string
  /** What comes at `until` where that ends nothing: a reminder, the next rung. */
  readonly next?: string
  /** The inbox item that answers it. */
  readonly inbox?: string
  /** The run that it waits for. */
  readonly run?: string
  /** The run that it has called, in which this is waited for. */
  readonly within?: string
  /** What its author can do, where the code is what has to change. */
  readonly remedy?: string
  /** ISO instant since when. */
  readonly since?: string
}

/** A run's status as its row keeps it. */
export type Status =
  | { readonly state: 'due' }
  | { readonly state: 'waiting'; readonly for: readonly WaitInfo[] }
  | { readonly state: 'completed'; readonly output?: Json }
  | { readonly state: 'failed' | 'declined' | 'cancelled'; readonly error: Json }

/** How the reason of a freeze ends that only `adopt()` ends: another store may act for the same company. */
const TO_ADOPT = 'adopt() it to let it act'

export function toAdopt(reason: string): string {
  return `${reason}; ${TO_ADOPT}`
}

export function isToAdopt(reason: string): boolean {
  return reason.endsWith(TO_ADOPT)
}

export function iso(instant: number): string {
  return new Date(instant).toISOString()
}
