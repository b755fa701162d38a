/**
 * Recurrence: the wall times of a rule (RFC 5545 §3.3.10), and the instants that they mean.
 *
 * R1. A rule is expanded on the wall clock; only then does a zone turn its times into instants. So a weekly meeting
 *     stays at nine o'clock through every change.
 * R2. Every rule comes to an end: it is gone through period by period up to a horizon, also one that nothing can fit
 *     (ical.js, which reads the rule, would look for the 30th of February for ever).
 */
import { ActionError } from '@keelson/core'
import ICAL from 'ical.js'

const DAY_MS = 86_400_000
/** Most periods of one rule that are gone through: daily for a thousand years, hourly for forty. */
const PERIODS_MAX = 366_000

export interface Occurrence {
  readonly wall: number
  readonly instant: number
}

/** The occurrences of `rule` from `start` on, up to `horizon` (an instant) and the rule's own end. */
export function* instantsOf(
  rule: ICAL.Recur,
  start: ICAL.Time,
  toInstant: (wall: number) => number,
  horizon: number,
): Generator<Occurrence> {
  const first = wallTimeOf(start)
  const until: ICAL.Time | null | undefined = rule.until
  let left = rule.count ?? Infinity
  for (const wall of wallTimes(planOf(rule, first), first, horizon + DAY_MS)) {
    const instant = toInstant(wall)
    if (left-- <= 0 || isPast(until, wall, instant)) return
    if (instant <= horizon) yield { wall, instant }
  }
}

function isPast(until: ICAL.Time | null | undefined, wall: number, instant: number): boolean {
  if (!until) return false
  if (until.isDate) return wall >= wallTimeOf(until) + DAY_MS
  return isUtc(until) ? instant > wallTimeOf(until) : wall > wallTimeOf(until)
}

/** The clock face of a time, as milliseconds. */
export function wallTimeOf(time: ICAL.Time): number {
  return Date.UTC(time.year, time.month - 1, time.day, time.hour, time.minute, time.second)
}

export function isUtc(time: ICAL.Time): boolean {
  return time.zone === ICAL.Timezone.utcTimezone
}

type Frequency = 'YEARLY' | 'MONTHLY' | 'WEEKLY' | 'DAILY' | 'HOURLY' | 'MINUTELY' | 'SECONDLY'

/** A rule with what it leaves out taken from its start. An absent list lets everything pass. */
interface Plan {
  readonly frequency: Frequency
  readonly interval: number
  /** 0 is Sunday. */
  readonly weekStart: number
  readonly months?: readonly number[] | undefined
  readonly weeks?: readonly number[] | undefined
  readonly yearDays?: readonly number[] | undefined
  readonly monthDays?: readonly number[] | undefined
  readonly weekdays?: readonly { readonly nth: number; readonly day: number }[] | undefined
  readonly hours?: readonly number[] | undefined
  readonly minutes?: readonly number[] | undefined
  readonly seconds?: readonly number[] | undefined
  readonly positions?: readonly number[] | undefined
}

const DAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']

function planOf(rule: ICAL.Recur, first: number): Plan {
  const part = (name: string): number[] | undefined => {
    const values = (rule.parts as Record<string, unknown[] | undefined>)[name]
    return values === undefined || values.length === 0 ? undefined : values.map(Number)
  }
  const frequency = rule.freq as Frequency
  const start = new Date(first)
  const weekdays = weekdaysOf(rule)
  const given = {
    months: part('BYMONTH'),
    weeks: part('BYWEEKNO'),
    yearDays: part('BYYEARDAY'),
    monthDays: part('BYMONTHDAY'),
  }
  const noDay = !given.yearDays && !given.monthDays && !weekdays
  const sameWeekday = noDay && (frequency === 'WEEKLY' || (frequency === 'YEARLY' && given.weeks !== undefined))
  const sameMonthDay = noDay && !given.weeks && (frequency === 'YEARLY' || frequency === 'MONTHLY')
  const slow = !['HOURLY', 'MINUTELY', 'SECONDLY'].includes(frequency)
  return {
    ...given,
    frequency,
    interval: Math.max(1, rule.interval),
    weekStart: (rule.wkst || 2) - 1,
    weekdays: sameWeekday ? [{ nth: 0, day: start.getUTCDay() }] : weekdays,
    monthDays: sameMonthDay ? [start.getUTCDate()] : given.monthDays,
    months: sameMonthDay && frequency === 'YEARLY' ? (given.months ?? [start.getUTCMonth() + 1]) : given.months,
    hours: part('BYHOUR') ?? (slow ? [start.getUTCHours()] : undefined),
    minutes: part('BYMINUTE') ?? (slow || frequency === 'HOURLY' ? [start.getUTCMinutes()] : undefined),
    seconds: part('BYSECOND') ?? (frequency === 'SECONDLY' ? undefined : [start.getUTCSeconds()]),
    positions: part('BYSETPOS'),
  }
}

function weekdaysOf(rule: ICAL.Recur): { nth: number; day: number }[] | undefined {
  const values = (rule.parts as Record<string, unknown[] | undefined>)['BYDAY']
  if (values === undefined || values.length === 0) return undefined
  return values.map((value) => {
    const [, nth, day] = /^([+-]?\d+)?(SU|MO|TU|WE|TH|FR|SA)$/.exec(String(value)) ?? []
    return { nth: Number(nth ?? 0), day: DAYS.indexOf(day ?? '') }
  })
}

/** Wall times from `first` to `horizon` in order. */
function* wallTimes(plan: Plan, first: number, horizon: number): Generator<number> {
  for (let count = 0; count < PERIODS_MAX; count++) {
    const period = periodAt(plan, first, count * plan.interval)
    if (period.from > horizon) return
    const times = timesIn(plan, period)
    const chosen = plan.positions === undefined ? times : pick(times, plan.positions)
    for (const time of chosen) if (time >= first && time <= horizon) yield time
  }
  throw new ActionError({ class: 'final' }, 'an event of the calendar recurs too often to be gone through')
}

interface Period {
  readonly from: number
  readonly to: number
}

function periodAt({ frequency, weekStart }: Plan, first: number, steps: number): Period {
  const date = new Date(first)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  switch (frequency) {
    case 'YEARLY':
      return { from: Date.UTC(year + steps, 0), to: Date.UTC(year + steps + 1, 0) }
    case 'MONTHLY':
      return { from: Date.UTC(year, month + steps), to: Date.UTC(year, month + steps + 1) }
    case 'WEEKLY': {
      const from = startOfWeek(dayOf(first), weekStart) + steps * 7 * DAY_MS
      return { from, to: from + 7 * DAY_MS }
    }
    case 'DAILY':
      return slice(dayOf(first), DAY_MS, steps)
    case 'HOURLY':
      return slice(Math.floor(first / 3_600_000) * 3_600_000, 3_600_000, steps)
    case 'MINUTELY':
      return slice(Math.floor(first / 60_000) * 60_000, 60_000, steps)
    case 'SECONDLY':
      return slice(first, 1000, steps)
    default:
      throw new ActionError({ class: 'final' }, `an event of the calendar recurs ${String(frequency satisfies never)}`)
  }
}

function slice(from: number, length: number, steps: number): Period {
  return { from: from + steps * length, to: from + (steps + 1) * length }
}

function timesIn(plan: Plan, { from, to }: Period): number[] {
  const times: number[] = []
  for (let day = dayOf(from); day < to; day += DAY_MS) {
    if (!fits(plan, day)) continue
    for (const time of clock(plan, Math.max(from, day), Math.min(to, day + DAY_MS), day)) times.push(time)
  }
  return times
}

/** The times of one day, from `from` up to `to`. */
function* clock(plan: Plan, from: number, to: number, day: number): Generator<number> {
  const at = new Date(from)
  const short = to - from < DAY_MS
  const hours = short ? kept(plan.hours, at.getUTCHours()) : (plan.hours ?? [0])
  const minutes = to - from < 3_600_000 ? kept(plan.minutes, at.getUTCMinutes()) : (plan.minutes ?? [0])
  const seconds = to - from < 60_000 ? kept(plan.seconds, at.getUTCSeconds()) : (plan.seconds ?? [0])
  for (const hour of sorted(hours)) {
    for (const minute of sorted(minutes)) {
      for (const second of sorted(seconds)) yield day + ((hour * 60 + minute) * 60 + second) * 1000
    }
  }
}

function kept(wanted: readonly number[] | undefined, value: number): readonly number[] {
  return wanted === undefined || wanted.includes(value) ? [value] : []
}

function sorted(values: readonly number[]): readonly number[] {
  return values.length < 2 ? values : [...new Set(values)].sort((a, b) => a - b)
}

function fits(plan: Plan, day: number): boolean {
  const date = new Date(day)
  const [year, month, monthDay] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
  if (plan.months && !plan.months.includes(month)) return false
  const monthLength = new Date(Date.UTC(year, month, 0)).getUTCDate()
  if (plan.monthDays && !counted(plan.monthDays, monthDay, monthLength)) return false
  const yearDay = (day - Date.UTC(year, 0)) / DAY_MS + 1
  const yearLength = (Date.UTC(year + 1, 0) - Date.UTC(year, 0)) / DAY_MS
  if (plan.yearDays && !counted(plan.yearDays, yearDay, yearLength)) return false
  if (plan.weeks && !counted(plan.weeks, ...weekOf(day, plan.weekStart))) return false
  if (!plan.weekdays) return true
  const byYear = plan.frequency === 'YEARLY' && plan.months === undefined
  const [place, length] = byYear ? [yearDay, yearLength] : [monthDay, monthLength]
  const ordinals = plan.frequency === 'YEARLY' || plan.frequency === 'MONTHLY'
  return plan.weekdays.some(({ nth, day: weekday }) => {
    if (weekday !== date.getUTCDay()) return false
    if (nth === 0 || !ordinals) return true
    return nth > 0 ? Math.ceil(place / 7) === nth : Math.ceil((length - place + 1) / 7) === -nth
  })
}

/** Whether a place is in a list that may count from the end, too. */
function counted(wanted: readonly number[], place: number, length: number): boolean {
  return wanted.includes(place) || wanted.includes(place - length - 1)
}

/** The number of a day's week in its year, and how many weeks that year has. Week 1 has at least four days in the year. */
function weekOf(day: number, weekStart: number): [number, number] {
  const start = startOfWeek(day, weekStart)
  const year = new Date(start + 3 * DAY_MS).getUTCFullYear()
  const first = (of: number): number => startOfWeek(Date.UTC(of, 0, 4), weekStart)
  const weeks = (to: number): number => Math.round((to - first(year)) / (7 * DAY_MS))
  return [weeks(start) + 1, weeks(first(year + 1))]
}

function startOfWeek(day: number, weekStart: number): number {
  return day - ((new Date(day).getUTCDay() - weekStart + 7) % 7) * DAY_MS
}

function dayOf(wall: number): number {
  return Math.floor(wall / DAY_MS) * DAY_MS
}

function pick(times: readonly number[], positions: readonly number[]): number[] {
  return times.filter((_, i) => counted(positions, i + 1, times.length))
}
