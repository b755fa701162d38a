/** Hours: when a persona's writes may go out, in the company's zone. */
import { Cron } from 'croner'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, namesOf } from '../base/known.ts'

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
export type Day = (typeof DAYS)[number]

export interface Hours {
  /** Default: Monday to Friday. */
  readonly days?: readonly Day[]
  /** 'HH:MM'. One that is not before `to` lasts over midnight. */
  readonly from: string
  readonly to: string
}

/** Checked, and with minutes of the day. */
export interface OpenHours {
  readonly days: readonly number[]
  readonly from: number
  readonly to: number
}

const HOURS = namesOf<Hours>({ days: true, from: true, to: true })

/** Throws `DEFINITION_INVALID`. */
export function hoursOf(hours: Hours, what: string): OpenHours {
  assertKnown(`the hours of ${what}`, hours, HOURS)
  const days = (hours.days ?? ['mon', 'tue', 'wed', 'thu', 'fri']).map((day) => DAYS.indexOf(day))
  const [from, to] = [minutes(hours.from), minutes(hours.to)]
  if (days.length === 0 || days.includes(-1) || from === undefined || to === undefined || from === to) {
    throw new KeelsonError('DEFINITION_INVALID', `the hours of ${what} are no hours`, {
      hint: "Write { days: ['mon', 'tue'], from: '09:00', to: '17:30' }.",
    })
  }
  return { days, from, to }
}

/** `now` where it is within the hours, else the instant at which they begin. */
export function opensAt({ days, from, to }: OpenHours, zone: string, now: number): number {
  const { day, minute } = wall(zone, now)
  const before = (day + 6) % 7
  const open =
    from < to
      ? days.includes(day) && minute >= from && minute < to
      : (days.includes(day) && minute >= from) || (days.includes(before) && minute < to)
  if (open) return now
  const cron = new Cron(`${from % 60} ${Math.floor(from / 60)} * * ${days.join(',')}`, { timezone: zone, paused: true })
  return cron.nextRun(new Date(now))?.getTime() ?? now + WEEK_MS
}

/** An instant as a rule sees it, in the company's zone. */
export interface WallTime {
  /** ISO text. */
  readonly at: string
  /** 'YYYY-MM-DD' in the zone. */
  readonly date: string
  readonly day: Day
  /** 'HH:MM' in the zone. */
  readonly time: string
}

export function wallTime(zone: string, now: number): WallTime {
  const { date, day, minute } = wall(zone, now)
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
  return { at: new Date(now).toISOString(), date, day: DAYS[day]!, time }
}

/** The day in the zone as 'YYYY-MM-DD', and the instant at which the next one begins. */
export function dayOf(zone: string, now: number): { name: string; ends: number } {
  const next = new Cron('0 0 * * *', { timezone: zone, paused: true }).nextRun(new Date(now))
  return { name: wall(zone, now).date, ends: next?.getTime() ?? now + WEEK_MS / 7 }
}

export function isZone(zone: unknown): zone is string {
  try {
    return zone === 'UTC' || (typeof zone === 'string' && wall(zone, 0).date !== '')
  } catch {
    return false
  }
}

const WEEK_MS = 7 * 86_400_000
const formats = new Map<string, Intl.DateTimeFormat>()

/** What the clock on the wall shows there. */
function wall(zone: string, now: number): { date: string; day: number; minute: number } {
  let format = formats.get(zone)
  if (format === undefined) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit', weekday: 'short' } as const
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...parts,
      hour: '2-digit',
      minute: '2-digit',
    })
    formats.set(zone, format)
  }
  const found = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]))
  return {
    date: `${found.get('year')}-${found.get('month')}-${found.get('day')}`,
    day: DAYS.indexOf((found.get('weekday') ?? '').toLowerCase() as Day),
    minute: Number(found.get('hour')) * 60 + Number(found.get('minute')),
  }
}

function minutes(text: string): number | undefined {
  const found = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  return found === null ? undefined : Number(found[1]) * 60 + Number(found[2])
}
