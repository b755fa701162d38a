/**
 * Counts: how often an effect in doubt was looked for, and how often it was tried, as its journal tells.
 *
 * C1. A doubt begins anew once it is known that it did not happen, and once a person has spoken: so do its looks.
 * C2. Looks that found nothing count apart from those that failed. A process that lives needs two of the former; more of them
 *     tell that none lived for a settle window.
 * C3. A try that a death ended has not failed: deaths count apart.
 * C4. Tries are counted over all sendings of an effect, whatever came between them. Only what a person decides of it lets it be tried as
 *     often anew.
 */
import type { StoredError } from '../../base/errors.ts'
import type { AnyAction } from '../../connector/action.ts'
import { DEATHS_MAX } from '../keep.ts'
import type { Pass } from '../pass.ts'
import type { Sent } from './bytes.ts'
import { wordOf } from './doubt.ts'
import type { EffectSpec } from './spec.ts'

/** Looks of either kind after which a person is asked. */
export const LOOKS_MAX = 8
/** Each process begins the window anew: where none lives that long, a person is asked. */
export const UNSETTLED = `it was looked for ${LOOKS_MAX} times and not found, and no process has worked for long enough to be sure`

/** Why it is looked for again. What earlier releases recorded does not say, and counts for neither. */
export type Looked = 'not-found' | 'failed'

/** How many looks of this doubt came to nothing. */
export function looksIn(pass: Pass): Record<Looked, number> {
  let looks = { 'not-found': 0, failed: 0 }
  for (const { outcome } of pass.history.outcomes) {
    const { looked } = (outcome.ok ?? {}) as { looked?: Looked }
    if (looked !== undefined) looks = { ...looks, [looked]: looks[looked] + 1 }
    else if (isOver(outcome.ok)) looks = { 'not-found': 0, failed: 0 }
  }
  return looks
}

/** What is known of what did not happen, and is to be tried once more under `key`. */
export interface Known {
  readonly died: { times: number }
  /** What was heard of it last. */
  readonly heard: StoredError | undefined
  readonly sentAt: number
  readonly key: string
}

/** Why it is not tried once more; undefined: it is. */
export function noMore(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  { died, heard, sentAt, key }: Known,
): Sent | undefined {
  if (died.times >= DEATHS_MAX) return deadly(died, sentAt)
  if (heard === undefined || pass.history.ops.has(key) || mayTry(pass, spec, action)) return undefined
  return { state: 'failed', error: heard }
}

/** Whether it may be tried once more, behind so many tries of a sending that is under way (C4). */
export function mayTry(pass: Pass, spec: EffectSpec, action: AnyAction, under = 0): boolean {
  return triesIn(pass, spec) + under < action.attempts
}

/** It did not happen, and each time its process ended: whether it is tried once more is for a person to say. */
function deadly(died: { times: number }, sentAt: number): Sent {
  const message = `its process ended each of the ${died.times} times that it was sent`
  died.times = 0
  return { state: 'undecided', error: { code: 'ACTION_FAILED', message }, sentAt }
}

/** Tries that came to nothing since a person last decided about it, those of its caller with them. */
function triesIn(pass: Pass, { tries = 0, heard, reauth }: EffectSpec): number {
  let all = tries + (heard === undefined || reauth === true ? 0 : 1)
  for (const { key, outcome } of pass.history.outcomes) {
    const op = pass.history.ops.get(key)
    if (isDecided(outcome.ok)) all = 0
    else if (op?.sending !== undefined) all += op.attempts + (isLost(outcome.ok) ? 1 : 0)
  }
  return all
}

function isLost(ok: unknown): boolean {
  const word = wordOf(ok)
  return (word === 'unknown' || word === 'undecided') && (ok as { died?: true }).died !== true
}

/** By a person: what other rules, or another definition, make of an open question is no decision. */
function isDecided(ok: unknown): boolean {
  const { decision } = (ok ?? {}) as { decision?: object }
  return decision !== undefined && !('judged' in decision) && !('reshaped' in decision)
}

function hasSpoken(ok: unknown): boolean {
  return (ok as { decision?: { outcome?: string } } | undefined)?.decision?.outcome !== undefined
}

function isOver(ok: unknown): boolean {
  return wordOf(ok) === 'not-happened' || hasSpoken(ok)
}
