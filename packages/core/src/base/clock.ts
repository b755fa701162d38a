/** Clock: the injected source of time. Core reads no other clock. */

/** An instant in milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number

export interface Clock {
  now(): Instant
  /** Milliseconds that only ever grow, whatever is done to the wall clock. */
  monotonic(): number
  /** Calls `fire` once, not before `now() >= at`. Returns what cancels it. `keepAlive: false` lets the process end first. */
  timer(at: Instant, fire: () => void, options?: { keepAlive?: boolean }): () => void
}

/** Timers are armed in slices of at most a day: setTimeout overflows at 2^31 ms, and laptops sleep. */
const SLICE_MS = 86_400_000
/** What is left is waited for in one piece when it is this short. */
const SHORT_MS = 1000

/**
 * The next slice of a wait, in milliseconds: a power of two where it is long. Node keeps a list for each length of an
 * unreferenced timer until that time is over, even when it was cleared: a list for every millisecond of an hour would
 * be a leak for that hour.
 */
function sliceOf(left: number): number {
  return left <= SHORT_MS ? Math.max(0, left) : Math.min(SLICE_MS, 2 ** Math.floor(Math.log2(left)))
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(at, fire, options = {}) {
    let handle: ReturnType<typeof setTimeout>
    const arm = (): void => {
      const left = at - Date.now()
      if (left <= 0 && handle !== undefined) return fire()
      handle = setTimeout(arm, sliceOf(left))
      if (options.keepAlive === false) handle.unref()
    }
    arm()
    return () => clearTimeout(handle)
  },
}

/** Ends after one turn of the event loop: every microtask that was queued has run. Real time, never the injected clock. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The same as a call, which must not throw. */
export function afterTurn(call: () => void): void {
  setImmediate(call)
}

/** So often at most, that the loop looks outside often enough. */
const AHEAD_MAX = 8

/**
 * Calls `call` in a turn each, `wanted` times at most and once at least, and answers how often; it must not throw. All
 * microtasks and ticks have run between two turns. Those that come together share one look of the event loop at what
 * the system has for it, which takes longer than a short turn does. How many come depends on nothing else in the process:
 * what runs side by side would take turns otherwise each time.
 */
export function turns(wanted: number, call: () => void): number {
  const granted = Math.max(1, Math.min(wanted, AHEAD_MAX))
  for (let i = 0; i < granted; i++) setImmediate(call)
  return granted
}

/** Ends after `ms` of real time, or at `cancel`. Does not keep the process alive. */
export function grace(ms: number): { readonly ended: Promise<void>; cancel(): void } {
  let cancel = (): void => {}
  const ended = new Promise<void>((resolve) => {
    const handle = setTimeout(resolve, ms)
    handle.unref()
    cancel = () => {
      clearTimeout(handle)
      resolve()
    }
  })
  return { ended, cancel: () => cancel() }
}
