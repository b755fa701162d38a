/** Stats: the few numbers that a set of samples is told by. */

/** Of an even count, the mean of the middle two. NaN of nothing. */
export function median(samples: readonly number[]): number {
  const sorted = ascending(samples)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The smallest sample that at least `share` (0 to 1) of all do not exceed. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = ascending(samples)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN
}

export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, each) => sum + each, 0) / samples.length
}

export function spread(samples: readonly number[]): { min: number; median: number; max: number } {
  return { min: Math.min(...samples), median: median(samples), max: Math.max(...samples) }
}

/** A note for the reader when what should have stayed the same did not; none when it did. */
export function unrest(what: string, samples: readonly number[]): string[] {
  const { min, max } = spread(samples)
  if (max / min < UNREST) return []
  const times = (max / min).toPrecision(2)
  return [`**the machine was not at rest**: ${what} varied ${times} times within this run; measure again when it is`]
}

const UNREST = 3

function ascending(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b)
}
