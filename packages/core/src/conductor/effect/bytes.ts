/** Bytes: what is to execute, what has been answered for it, and what a sending of it may come to. */
import type { StoredError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import type { PreviewRow } from '../../connector/preview.ts'
import type { Shape } from '../../connector/shape.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { Limit } from '../limits.ts'
import type { EffectSpec } from './spec.ts'

/** What is to execute, as it stands: a person may have edited it. `covered` names the obligations that were answered for. */
export interface Bytes {
  readonly input: Json
  readonly edited: boolean
  readonly verdict: Judgement
  readonly covered: ReadonlySet<string>
  /** When it was first held, where that was under other rules. */
  readonly heldSince?: number | undefined
  /** The time of its hold came, and nobody had stopped it. */
  readonly due?: true | undefined
  /** Other rules say something else: what they oblige to comes first. */
  readonly judgedAgain?: true | undefined
  /** The standing grant, or the rung of trust, that answered for some of it. */
  readonly decider?: Decider | undefined
  /** What it rests on outside, as it was read when somebody last saw it. */
  readonly fresh?: Json | undefined
  /** What it rested on before that, where it has changed and nobody has seen it. */
  readonly stale?: Json | undefined
  /** How its action was defined when somebody last spoke for it. */
  readonly shape?: Shape | undefined
  /** How that differs from now, where nobody has seen it. */
  readonly reshaped?: { readonly rows: readonly PreviewRow[]; readonly fits: boolean } | undefined
}

/** What answered asks in a person's place, and which. */
export type Decider = Pick<EffectSpec, 'covered' | 'grant' | 'trust'>

/** Nothing where it was a person who answered. */
export function deciderOf({ covered, grant, trust }: Decider): Decider {
  if (covered === undefined || (grant === undefined && trust === undefined)) return {}
  return { covered, ...(grant === undefined ? {} : { grant }), ...(trust === undefined ? {} : { trust }) }
}

/** Covers whatever obliges; a denial is never covered. */
export const ANYTHING: ReadonlySet<string> = new Set(['*'])

/** A rule may oblige to ask and to hold: each is answered for on its own. */
export function askOf(rule: string): string {
  return `ask:${rule}`
}

export function holdOf(rule: string): string {
  return `hold:${rule}`
}

export function isCovered(verdict: Judgement, covered: ReadonlySet<string>): boolean {
  if (verdict.denies.length > 0) return false
  if (covered.has('*')) return true
  return [...verdict.asks.map((one) => askOf(one.rule)), ...verdict.holds.map(holdOf)].every((rule) =>
    covered.has(rule),
  )
}

/** An action that is defined otherwise, and what that makes of the input. */
export interface Reshaped {
  readonly shape: Shape
  readonly input: Json
  readonly fits: boolean
}

export type Sent =
  | { readonly state: 'done'; readonly output: Json; readonly undo?: Json }
  | { readonly state: 'failed' | 'reauth'; readonly error: StoredError }
  /** `died`: with the process that sent it. */
  | { readonly state: 'unknown'; readonly error: StoredError; readonly sentAt: number; readonly died?: true }
  | { readonly state: 'undecided'; readonly error: StoredError; readonly sentAt: number }
  | { readonly state: 'not-happened'; readonly sentAt: number }
  /** `revoked`: what had answered in a person's place, a grant or a rung of trust, answers no more. */
  | { readonly state: 'changed'; readonly verdict: Judgement; readonly revoked?: true }
  | { readonly state: 'stale'; readonly fresh: Json }
  | ({ readonly state: 'reshaped' } & Reshaped)
  | { readonly state: 'frozen'; readonly epoch: number; readonly reason?: string }
  | { readonly state: 'limited'; readonly limit: Limit; readonly at: number }
