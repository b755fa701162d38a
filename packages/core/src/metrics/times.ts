/**
 * Times: how long each of many took, in buckets that widen with what they hold: few numbers for any many, and sums of sums are sums.
 *
 * B1. A bucket is named by its middle, which is within `PRECISION` of each time that it holds.
 * B2. Which bucket a time is in follows from the time alone: cut and put together in any order, the buckets are the same.
 */

/** Milliseconds, rounded to a bucket's middle, and how often they were taken. */
export interface Times {
  readonly [ms: string]: number
}

/** Of two neighbouring buckets, the share by which one is off at most. */
export const PRECISION = 1 / 128

/** Whole below, and above as many steps from each power of two to the next. */
const STEPS = 64

/** B1: seven binary digits of it. */
export function bucketOf(ms: number): number {
  const whole = Math.max(0, Math.round(ms))
  let unit = 1
  while (whole / unit >= 2 * STEPS) unit *= 2
  return Math.round(whole / unit) * unit
}

export function timesOf(all: readonly number[]): Times {
  const found: Record<string, number> = {}
  for (const bucket of all.map(bucketOf)) found[bucket] = (found[bucket] ?? 0) + 1
  return found
}

/** Of all, in one go: there may be many in each. */
export function together(all: readonly Times[]): Times {
  const found: Record<string, number> = {}
  for (const times of all) for (const ms of Object.keys(times)) found[ms] = (found[ms] ?? 0) + times[ms]!
  return found
}

/** The middle one, or the mean of the two in the middle, within `PRECISION`; 0 of none. */
export function medianOf(times: Times): number {
  const sorted = Object.entries(times)
    .map(([ms, often]) => [Number(ms), often] as const)
    .sort((a, b) => a[0] - b[0])
  const count = sorted.reduce((sum, [, often]) => sum + often, 0)
  const at = (place: number): number => sorted.find(([, often]) => (place -= often) < 0)?.[0] ?? 0
  return (at((count - 1) >> 1) + at(count >> 1)) / 2
}
