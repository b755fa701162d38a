/** Loop: how late the event loop of the host comes round, as a timer of 1 ms sees it. */
import { percentile } from './stats.ts'

const EVERY_MS = 1

export interface Delay {
  /** Weighed by time: in 99 % of all instants a new timer would have been at most this late. */
  readonly p99Ms: number
  readonly maxMs: number
}

/** What the loop was busy with when `end` is called counts too: a loop that never comes round has one long delay. */
export function watchLoop(): { end(): Delay } {
  const late: number[] = []
  let last = performance.now()
  const look = (): void => {
    const now = performance.now()
    late.push(Math.max(0, now - last - EVERY_MS))
    last = now
  }
  const timer = setInterval(look, EVERY_MS)
  return {
    end() {
      clearInterval(timer)
      look()
      return { p99Ms: percentile(instants(late), 0.99), maxMs: Math.max(...late) }
    },
  }
}

/** A delay of 100 ms is met a hundred times as often as one of 1 ms. */
function instants(late: readonly number[]): number[] {
  return late.flatMap((ms) => Array.from({ length: Math.ceil(ms) + EVERY_MS }, () => ms))
}
