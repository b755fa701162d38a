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

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(at, fire, options = {}) {
    let handle: ReturnType<typeof setTimeout>
    const arm = (): void => {
      const left = at - Date.now()
      if (left <= 0 && handle !== undefined) return fire()
      handle = setTimeout(arm, Math.max(0, Math.min(left, SLICE_MS)))
      if (options.keepAlive === false) handle.unref()
    }
    arm()
    return () => clearTimeout(handle)
  },
}

/** Ends after one whole turn of the event loop: every microtask that was queued has run. Real time, never the injected clock. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
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
