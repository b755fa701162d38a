/**
 * Rate: at most so many per time, and a pause after each, as slots: who comes too early is given the next free instant.
 *
 * R1. Slots are given in the order of asking; the same asker keeps its slot.
 * R2. In no window of `perMs` are there more than `count` slots; two slots are `coolDownMs` apart.
 */
import { durationMs, type Duration } from './duration.ts'
import { KeelsonError } from './errors.ts'
import { assertKnown, namesOf } from './known.ts'

export interface RateLimit {
  readonly count?: number
  /** Of `count`. */
  readonly per?: Duration
  /** Pause after each. */
  readonly coolDown?: Duration
}

export interface Rate {
  readonly count: number
  readonly perMs: number
  readonly coolDownMs: number
}

export interface Slot {
  readonly by: string
  readonly at: number
}

const RATE = namesOf<RateLimit>({ count: true, per: true, coolDown: true })

/** Throws `DEFINITION_INVALID`. */
export function rateOf(limit: RateLimit, what: string): Rate {
  assertKnown(`the rate of ${what}`, limit, RATE)
  const { count, per, coolDown } = limit
  const pair = count === undefined ? per === undefined : per !== undefined && Number.isSafeInteger(count) && count > 0
  if (!pair || (count === undefined && coolDown === undefined)) {
    throw new KeelsonError('DEFINITION_INVALID', `the rate of ${what} limits nothing`, {
      hint: "Write { count: 10, per: '1m' }, { coolDown: '30s' }, or both.",
    })
  }
  return {
    count: count ?? Infinity,
    perMs: per === undefined ? 0 : durationMs(per),
    coolDownMs: coolDown === undefined ? 0 : durationMs(coolDown),
  }
}

/** The slot of `by`, and all slots that still matter, in order. */
export function slotFor(
  slots: readonly Slot[],
  rate: Rate,
  by: string,
  now: number,
): { at: number; slots: readonly Slot[] } {
  const had = slots.find((slot) => slot.by === by)
  if (had !== undefined) return { at: had.at, slots }
  const span = Math.max(rate.perMs, rate.coolDownMs)
  const kept = slots.filter((slot) => slot.at > now - span)
  const last = kept.at(-1)
  const oldest = rate.count === Infinity ? undefined : kept[kept.length - rate.count]
  const at = Math.max(
    now,
    last === undefined ? now : Math.max(last.at, last.at + rate.coolDownMs),
    oldest === undefined ? now : oldest.at + rate.perMs,
  )
  return { at, slots: [...kept, { by, at }] }
}
