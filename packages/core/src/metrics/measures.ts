/** Measures: what sums mean, by the definitions that docs/guides/metrics.md gives. Pure. */
import { wilsonLower } from '../policy/trust.ts'
import type { Rollup, Shared } from './rollup.ts'
import type { TouchKind } from './row.ts'
import { medianOf } from './times.ts'
import type { StepCount, Tried } from './tries.ts'

/** A share, and how far it may be from what it is in the long run: the two-sided 95 % Wilson interval. */
export interface Rate {
  readonly share: number
  readonly low: number
  readonly high: number
  /** Of so many. */
  readonly of: number
}

/** How steps went. Shares are of all steps. */
export interface Retries {
  readonly steps: number
  /** Attempts beyond the first. */
  readonly rate: number
  readonly firstTry: number
  readonly exhausted: number
}

export interface Measures {
  readonly outcomes: number
  readonly runs: {
    readonly completed: number
    readonly failed: number
    readonly declined: number
    readonly cancelled: number
    readonly shadow: number
  }
  /** Attempts of steps: executions, not replays. */
  readonly retries: Retries & {
    readonly amplification: number
    /** Failed tries. */
    readonly byCause: { readonly [cause: string]: number }
    /** Of all steps, those that did not go well at once, by why: with `firstTry` they make up 1. */
    readonly missedBy: { readonly [cause: string]: number }
    /** Steps that did not go well at once, by name. */
    readonly byStep: { readonly [step: string]: StepCount }
    /** Steps that are actions. */
    readonly byConnector: { readonly [connector: string]: Retries }
  }
  /** Of what was asked for, what a person changed. */
  readonly edits: Rate
  readonly interventions: {
    readonly byKind: { readonly [K in TouchKind]: number }
    readonly perOutcome: number
    /** Of completed runs, those that no person touched. */
    readonly touchless: number
    /** Takeovers, corrections and reverts, of completed runs. */
    readonly unplanned: number
    readonly activeMinutes: number
    /** Of approvals, those given sooner than they could be read. */
    readonly rubberStamps: number
    /** Of effects, and of lines of plans, that people let pass, those that were taken back as wrong later. */
    readonly caughtLater: number
  }
  /**
   * Minutes, net of what people spent on all runs. A range, as a baseline is one. Below nothing where no run has a baseline (`counted` is 0):
   * then only what was spent is known.
   */
  readonly saved: {
    readonly low: number
    readonly high: number
    readonly setup: number
    readonly invested: number
    /** Completed runs with a baseline, and those of them whose baseline was measured. */
    readonly counted: number
    readonly measured: number
  }
  /** Minutes of a person for each completed run: the median of all, within one part in 128. */
  readonly minutesPerOutcome: number
  /** Outcomes for each hour of a person; undefined where nobody spent any. */
  readonly leverage?: number
  /** Of corrections, those of a kind that was needed before. */
  readonly repeatedCorrections: number
  readonly tokens: { readonly input: number; readonly output: number }
  /** Minor units, by currency. */
  readonly cost: { readonly [currency: string]: number }
}

export function measuresOf(sum: Rollup): Measures {
  const { steps, attempts, firstTry, exhausted, causes, touches, completed } = sum
  const minutes = (ms: number): number => round(ms / 60_000)
  const people =
    touches.gate + touches.question + touches.audit + touches.takeover + touches.correction + touches.revert
  const spentMs = sum.activeMs + sum.setupMs
  return {
    outcomes: completed,
    runs: { completed, failed: sum.failed, declined: sum.declined, cancelled: sum.cancelled, shadow: sum.shadow },
    retries: {
      ...retriesOf({ steps, attempts, firstTry, exhausted }),
      amplification: steps === 0 ? 1 : attempts / steps,
      byCause: causes,
      missedBy: mapped(sum.missed, (n) => share(n, steps)),
      byStep: sum.troubled,
      byConnector: mapped(sum.connectors, retriesOf),
    },
    edits: editsOf(sum),
    interventions: {
      byKind: touches,
      perOutcome: share(people, completed),
      touchless: share(sum.touchless, completed),
      unplanned: share(touches.takeover + touches.correction + touches.revert, completed),
      activeMinutes: minutes(sum.activeMs),
      rubberStamps: share(sum.rubber, sum.approvals),
      caughtLater: share(sum.caught, sum.passed),
    },
    saved: {
      low: minutes(sum.lowMs - sum.lostLowMs - spentMs),
      high: minutes(sum.highMs - sum.lostHighMs - spentMs),
      setup: minutes(sum.setupMs),
      invested: minutes(sum.shadowMs),
      counted: sum.based,
      measured: sum.measured,
    },
    minutesPerOutcome: minutes(medianOf(sum.times)),
    ...(sum.activeMs === 0 ? {} : { leverage: round(completed / (sum.activeMs / 3_600_000)) }),
    repeatedCorrections: share(sum.repeats, touches.correction),
    tokens: sum.tokens,
    cost: sum.cost,
  }
}

/** How often a person changed what runs asked for. */
export function editsOf({ effects, edited }: Pick<Shared, 'effects' | 'edited'>): Rate {
  const [low, kept] = [wilsonLower(edited, effects, 1.96), wilsonLower(effects - edited, effects, 1.96)]
  return { share: share(edited, effects), low, high: 1 - kept, of: effects }
}

function retriesOf({ steps, attempts, firstTry, exhausted }: Tried): Retries {
  return {
    steps,
    rate: share(attempts - steps, steps),
    firstTry: share(firstTry, steps),
    exhausted: share(exhausted, steps),
  }
}

function mapped<A, B>(record: { readonly [key: string]: A }, each: (value: A) => B): { [key: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, each(value)]))
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export interface Compounding {
  /** Median minutes for each outcome, by week (its Monday), of weeks with at least five outcomes. */
  readonly weeks: readonly { readonly week: string; readonly outcomes: number; readonly minutes: number }[]
  /** After so many weeks it takes half of a person's time; undefined where it does not fall, or six weeks are not there. */
  readonly halvesEveryWeeks?: number
  /** The first week (its Monday) at whose end more was saved than spent, by the low guess; undefined: none of this span. */
  readonly paidBackIn?: string
}

/**
 * How a person's time for each outcome changes from week to week.
 *
 * Source of the slope: P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968).
 */
export function compoundingOf(weeks: Compounding['weeks']): Compounding {
  const enough = weeks.filter((one) => one.outcomes >= 5)
  if (enough.length < 6) return { weeks: enough }
  const points = enough.map((one) => ({
    x: Date.parse(one.week) / WEEK_MS,
    y: Math.log2(Math.max(one.minutes, 1 / 60)),
  }))
  const slopes = points.flatMap((a, i) => points.slice(i + 1).map((b) => (b.y - a.y) / (b.x - a.x)))
  const slope = median(slopes)
  return { weeks: enough, ...(slope < 0 ? { halvesEveryWeeks: round(-1 / slope) } : {}) }
}

/** The first week at whose end the sum of what was saved, net of all that was spent, is above nothing. */
export function paidBack(weeks: readonly { readonly week: string; readonly net: number }[]): string | undefined {
  let sum = 0
  return weeks.find(({ net }) => (sum += net) > 0)?.week
}

export const WEEK_MS = 7 * 86_400_000

/** The Monday of a day, as a day. */
export function weekOf(day: string): string {
  const at = Date.parse(`${day}T00:00:00Z`)
  const sinceMonday = (new Date(at).getUTCDay() + 6) % 7
  return new Date(at - sinceMonday * 86_400_000).toISOString().slice(0, 10)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
