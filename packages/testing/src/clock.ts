/**
 * ManualClock: time that moves only when a test moves it, and a wall clock that a test can set besides.
 *
 * Timers fire in the order of their instants, then in the order of arming, each at its own instant and never early.
 */
import { KeelsonError, named, type Clock, type Instant } from '@keelson/core/ports'

export interface ManualClock extends Clock {
  /** Moves to `at` (never back), firing what falls due on the way. */
  to(at: Instant): void
  /**
   * The wall clock is set: by '-1h' back, by '+1h' ahead, which fires what is due by then. No time passes: `monotonic()`
   * stays where it is.
   */
  step(by: string): void
  /** The instant of the next timer; of `'waited'`: only those that a running pass waits for, not those that wake parked runs. */
  next(of?: 'all' | 'waited'): Instant | undefined
  /** Grows whenever a timer is armed, cancelled or fired. */
  readonly moves: number
  /** The same time for one process: `end` cancels its timers; `skewMs` is how far its wall clock is off. */
  process(skewMs?: number): { readonly clock: Clock; end(): void }
}

interface Timer {
  readonly at: Instant
  readonly order: number
  readonly waited: boolean
  readonly fire: () => void
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a text like '90s', '10m', '14d' or '250ms'. Throws `DURATION_INVALID`. */
export function milliseconds(duration: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) ?? []
  const ms = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN)
  if (Number.isFinite(ms)) return ms
  throw new KeelsonError('DURATION_INVALID', `"${duration}" is not a duration`, {
    hint: "Write a number and a unit: '90s', '10m', '14d'.",
  })
}

/** A clock that stands still at `start`. Throws `DURATION_INVALID` for what is no instant. */
export function manualClock(start: Instant): ManualClock {
  assertInstant(start, 'manualClock(Date.UTC(2026, 0, 1))')
  const timers = new Set<Timer>()
  let now = start
  /** By how much it was set, in all. */
  let set = 0
  let order = 0
  let moves = 0
  const arm = (at: Instant, fire: () => void, waited: boolean): (() => void) => {
    const timer: Timer = { at, order: order++, waited, fire }
    timers.add(timer)
    moves++
    return () => void (timers.delete(timer) && moves++)
  }
  const first = (waited: boolean): Timer | undefined => {
    let found: Timer | undefined
    for (const timer of timers) {
      if (waited && !timer.waited) continue
      if (found === undefined || timer.at < found.at || (timer.at === found.at && timer.order < found.order))
        found = timer
    }
    return found
  }
  const due = (at: Instant): void => {
    for (let timer = first(false); timer !== undefined && timer.at <= at; timer = first(false)) {
      timers.delete(timer)
      moves++
      now = Math.max(now, timer.at)
      timer.fire()
    }
    now = Math.max(now, at)
  }
  const monotonic = (): number => now - start - set
  return {
    now: () => now,
    monotonic,
    timer: (at, fire, options) => arm(at, fire, options?.keepAlive !== false),
    to(at) {
      assertInstant(at, 'clock.to(Date.UTC(2026, 0, 2))')
      due(at)
    },
    step(by) {
      const ms = by.startsWith('-') ? -milliseconds(by.slice(1)) : milliseconds(by.replace(/^[+]/, ''))
      now += ms
      set += ms
      due(now)
    },
    next: (of = 'all') => first(of === 'waited')?.at,
    get moves() {
      return moves
    },
    process: (skewMs = 0) => processClock({ now: () => now, monotonic, arm }, skewMs),
  }
}

/** Nothing is due at what is no number: whatever waits would wait for ever. */
function assertInstant(at: unknown, example: string): void {
  if (Number.isFinite(at)) return
  throw new KeelsonError('DURATION_INVALID', `${named(at)} is not an instant`, {
    hint: `Give milliseconds, ${example}; of a text or a date object, what Date.parse() or getTime() says.`,
  })
}

interface Source {
  readonly now: () => Instant
  readonly monotonic: () => number
  readonly arm: (at: Instant, fire: () => void, waited: boolean) => () => void
}

function processClock({ now, monotonic, arm }: Source, skewMs: number): { clock: Clock; end(): void } {
  const armed = new Set<() => void>()
  let ended = false
  const clock: Clock = {
    now: () => now() + skewMs,
    monotonic,
    timer(at, fire, options) {
      if (ended) return () => {}
      const disarm = arm(at - skewMs, () => (armed.delete(disarm), fire()), options?.keepAlive !== false)
      armed.add(disarm)
      return () => (armed.delete(disarm), disarm())
    },
  }
  const end = (): void => {
    ended = true
    for (const disarm of armed) disarm()
    armed.clear()
  }
  return { clock, end }
}
