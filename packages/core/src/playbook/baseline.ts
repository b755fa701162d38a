/** Baseline: how long a person takes for the same work: a guess, and so a range. */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'

/**
 * Of ten times, one takes less than `low` and one more than `high`. A single duration is taken for half to one and a half times
 * of it.
 */
export type Baseline = Duration | { readonly low: Duration; readonly high: Duration }

export interface BaselineMs {
  readonly lowMs: number
  readonly highMs: number
}

/** In milliseconds. Throws `DEFINITION_INVALID` for a range that ends before it begins. */
export function baselineMs(baseline: Baseline, what: string): BaselineMs {
  if (typeof baseline === 'string') return around(durationMs(baseline))
  const [lowMs, highMs] = [durationMs(baseline.low), durationMs(baseline.high)]
  if (lowMs <= highMs) return { lowMs, highMs }
  throw new KeelsonError('DEFINITION_INVALID', `the baseline of ${what} ends before it begins`, {
    hint: "Write the shorter time first: { low: '5m', high: '20m' }.",
  })
}

/** How far a single guess may be off, each way. */
export function around(ms: number): BaselineMs {
  return { lowMs: ms * 0.5, highMs: ms * 1.5 }
}
