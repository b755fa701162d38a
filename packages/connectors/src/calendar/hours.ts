/** Hours: when the operator works, and the first time in them that nothing else takes. */
import { z } from 'zod'
import { instantOf, wallOf, type Zone } from './zone.ts'

/** From `startAt` up to, not including, `endAt`, in milliseconds. */
export interface Interval {
  readonly startAt: number
  readonly endAt: number
}

const TimeOfDay = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'is a time of day: 09:00')

export const WorkingHours = z
  .strictObject({
    start: TimeOfDay,
    end: TimeOfDay,
    /** 1 is Monday, 7 is Sunday. Monday to Friday if left out. */
    days: z.array(z.number().int().min(1).max(7)).min(1).max(7).optional(),
  })
  .refine(({ start, end }) => start < end, 'ends before it starts')
export type WorkingHours = z.output<typeof WorkingHours>

export const OFFICE_HOURS: WorkingHours = { start: '09:00', end: '17:00' }

const DAY_MS = 86_400_000
/** Slots begin on the quarter hour. */
const GRID_MS = 15 * 60_000

/** The first free time of `lengthMs` within `range` and working hours, undefined where there is none. */
export function firstFree(query: {
  range: Interval
  busy: readonly Interval[]
  lengthMs: number
  hours: WorkingHours
  zone: Zone
}): Interval | undefined {
  const { range, lengthMs } = query
  const busy = [...query.busy].sort((a, b) => a.startAt - b.startAt)
  for (const window of windowsOf(range, query.hours, query.zone)) {
    let at = onGrid(window.startAt)
    for (const taken of busy) {
      if (taken.endAt <= at || taken.startAt >= at + lengthMs) continue
      at = onGrid(taken.endAt)
    }
    if (at + lengthMs <= window.endAt) return { startAt: at, endAt: at + lengthMs }
  }
  return undefined
}

function* windowsOf(range: Interval, hours: WorkingHours, zone: Zone): Generator<Interval> {
  const first = Math.floor(wallOf(range.startAt, zone) / DAY_MS) * DAY_MS
  const last = wallOf(range.endAt, zone)
  for (let day = first; day <= last; day += DAY_MS) {
    if (!(hours.days ?? [1, 2, 3, 4, 5]).includes(weekdayOf(day))) continue
    const startAt = Math.max(range.startAt, instantOf(day + msOf(hours.start), zone))
    const endAt = Math.min(range.endAt, instantOf(day + msOf(hours.end), zone))
    if (startAt < endAt) yield { startAt, endAt }
  }
}

function weekdayOf(wallDay: number): number {
  return new Date(wallDay).getUTCDay() || 7
}

function msOf(timeOfDay: string): number {
  const [hours = 0, minutes = 0] = timeOfDay.split(':').map(Number)
  return (hours * 60 + minutes) * 60_000
}

function onGrid(instant: number): number {
  return Math.ceil(instant / GRID_MS) * GRID_MS
}
