/**
 * Busy: when the events of an iCalendar file take up time.
 *
 * B1. Transparent and cancelled events take none. An all-day event takes the operator's whole day.
 * B2. An occurrence that was moved is where it was moved to, and no longer where the rule puts it.
 * B3. What cannot be understood (a zone that nobody knows) is an error, never a free hour.
 */
import { ActionError } from '@keelson/core'
import ICAL from 'ical.js'
import type { Interval } from '../calendar/hours.ts'
import { instantOf, wallOf, type Zone } from '../calendar/zone.ts'
import { instantsOf, isUtc, wallTimeOf, type Occurrence } from './recurrence.ts'
import { zonesOf } from './timezone.ts'

const DAY_MS = 86_400_000
const UTC: Zone = { id: 'UTC', offsetAt: () => 0 }

/** What the events of `text` take of `range`, other than the event `except`. `home` is the operator's zone. */
export function busyIn(text: string, range: Interval, home: Zone, except?: string): Interval[] {
  return parse(text).flatMap((calendar) => {
    const zones = zonesOf(calendar, range.endAt + 2 * 366 * DAY_MS)
    const events = calendar.getAllSubcomponents('vevent').flatMap((each) => read(each, zones, home) ?? [])
    return events
      .filter((event) => event.uid === undefined || event.uid !== except)
      .flatMap((event) => takenBy(event, events, range))
      .filter(({ startAt, endAt }) => startAt < range.endAt && endAt > range.startAt && startAt < endAt)
  })
}

/** A point in a calendar: its clock face, the zone it is read in, and the instant. */
interface Point {
  readonly wall: number
  readonly zone: Zone
  readonly instant: number
  readonly isDate: boolean
}

interface Event {
  readonly uid: string | undefined
  readonly component: ICAL.Component
  readonly start: Point
  readonly startTime: ICAL.Time
  /** Days on the wall clock, and then exact milliseconds. */
  readonly length: { readonly wallMs: number; readonly exactMs: number }
  readonly free: boolean
  readonly replaces: { readonly point: Point; readonly andFuture: boolean } | undefined
  readonly pointOf: (value: ICAL.Time, tzid: unknown) => Point
}

function parse(text: string): ICAL.Component[] {
  try {
    const parsed = ICAL.parse(text.replace(/^\uFEFF/, '')) as unknown[]
    const calendars = (typeof parsed[0] === 'string' ? [parsed] : parsed) as unknown[][]
    const components = calendars.map((jCal) => new ICAL.Component(jCal))
    if (components.length > 0 && components.every(({ name }) => name === 'vcalendar')) return components
  } catch {
    // Said below, without quoting the file.
  }
  throw new ActionError({ class: 'final' }, 'the file is not a whole calendar')
}

function read(component: ICAL.Component, zones: (tzid: string) => Zone, home: Zone): Event | undefined {
  const pointOf = (time: ICAL.Time, tzid: unknown): Point => {
    const zone = isUtc(time) ? UTC : typeof tzid === 'string' && !time.isDate ? zones(tzid) : home
    const wall = wallTimeOf(time)
    return { wall, zone, instant: instantOf(wall, zone), isDate: time.isDate }
  }
  const property = component.getFirstProperty('dtstart')
  const startTime = property?.getFirstValue()
  if (!(startTime instanceof ICAL.Time)) return undefined
  const start = pointOf(startTime, property!.getFirstParameter('tzid') || undefined)
  const uid = component.getFirstPropertyValue('uid')
  return {
    uid: typeof uid === 'string' ? uid : undefined,
    component,
    start,
    startTime,
    length: lengthOf(component, start, pointOf),
    free: isFree(component),
    replaces: replacedBy(component, pointOf),
    pointOf,
  }
}

function isFree(component: ICAL.Component): boolean {
  const word = (name: string): string => String(component.getFirstPropertyValue(name) ?? '').toUpperCase()
  return word('transp') === 'TRANSPARENT' || word('status') === 'CANCELLED'
}

function lengthOf(component: ICAL.Component, start: Point, pointOf: Event['pointOf']): Event['length'] {
  const property = component.getFirstProperty('dtend')
  const end = property?.getFirstValue()
  if (end instanceof ICAL.Time) {
    const point = pointOf(end, property!.getFirstParameter('tzid') || undefined)
    return start.isDate
      ? { wallMs: point.wall - start.wall, exactMs: 0 }
      : { wallMs: 0, exactMs: point.instant - start.instant }
  }
  const duration = component.getFirstPropertyValue('duration')
  if (duration instanceof ICAL.Duration) {
    const { weeks, days, hours, minutes, seconds, isNegative } = duration
    if (isNegative) return { wallMs: 0, exactMs: 0 }
    return { wallMs: (weeks * 7 + days) * DAY_MS, exactMs: ((hours * 60 + minutes) * 60 + seconds) * 1000 }
  }
  return { wallMs: start.isDate ? DAY_MS : 0, exactMs: 0 }
}

function replacedBy(component: ICAL.Component, pointOf: Event['pointOf']): Event['replaces'] {
  const property = component.getFirstProperty('recurrence-id')
  const value = property?.getFirstValue()
  if (!(value instanceof ICAL.Time)) return undefined
  const andFuture = String(property!.getFirstParameter('range') ?? '').toUpperCase() === 'THISANDFUTURE'
  return { point: pointOf(value, property!.getFirstParameter('tzid') || undefined), andFuture }
}

function takenBy(event: Event, all: readonly Event[], range: Interval): Interval[] {
  const own = (occurrence: { wall: number }): Interval => spanOf(occurrence.wall, event.start.zone, event.length)
  if (event.replaces !== undefined) return event.free ? [] : [own(event.start)]
  const changes = all.filter(({ uid, replaces }) => uid !== undefined && uid === event.uid && replaces !== undefined)
  const latest = changes
    .filter(({ replaces }) => replaces!.andFuture)
    .sort((a, b) => a.replaces!.point.instant - b.replaces!.point.instant)
  const taken: Interval[] = []
  // A change for all the future may bring occurrences forward, from behind the range into it.
  const horizon = range.endAt + Math.max(0, ...latest.map(leadOf))
  for (const occurrence of occurrencesOf(event, horizon)) {
    if (changes.some(({ replaces }) => isSame(replaces!.point, occurrence, event))) continue
    const change = latest.findLast(({ replaces }) => replaces!.point.instant <= occurrence.instant)
    if (change === undefined) {
      if (!event.free) taken.push(occurrence.span ?? own(occurrence))
    } else if (!change.free) {
      taken.push(spanOf(occurrence.wall + shiftOf(change, event), change.start.zone, change.length))
    }
  }
  return taken
}

interface Placed extends Occurrence {
  /** Given where a date of its own has an end of its own. */
  readonly span?: Interval
}

function occurrencesOf(event: Event, horizon: number): Placed[] {
  const { component, start, startTime } = event
  const found = new Map<number, Placed>([[start.instant, start]])
  const toInstant = (wall: number): number => instantOf(wall, start.zone)
  for (const property of component.getAllProperties('rrule')) {
    const rule = property.getFirstValue()
    if (!(rule instanceof ICAL.Recur)) continue
    for (const occurrence of instantsOf(rule, startTime, toInstant, horizon)) found.set(occurrence.instant, occurrence)
  }
  for (const { time, end, tzid } of datesOf(component, 'rdate')) {
    const point = event.pointOf(time, tzid)
    const wall = wallOf(point.instant, start.zone)
    const span = end && { startAt: point.instant, endAt: event.pointOf(end, tzid).instant }
    found.set(point.instant, { wall, instant: point.instant, ...(span ? { span } : {}) })
  }
  for (const { time, tzid } of datesOf(component, 'exdate')) {
    const point = event.pointOf(time, tzid)
    for (const [instant, occurrence] of found) if (isSame(point, occurrence, event)) found.delete(instant)
  }
  return [...found.values()]
}

function* datesOf(
  component: ICAL.Component,
  name: string,
): Generator<{ time: ICAL.Time; end?: ICAL.Time; tzid: unknown }> {
  for (const property of component.getAllProperties(name)) {
    const tzid: unknown = property.getFirstParameter('tzid') || undefined
    for (const value of property.getValues()) {
      if (value instanceof ICAL.Time) yield { time: value, tzid }
      if (value instanceof ICAL.Period) yield { time: value.start, end: value.getEnd(), tzid }
    }
  }
}

/** Whether a point names an occurrence: by instant, or by day where only a day is given. */
function isSame(point: Point, occurrence: Occurrence, event: Event): boolean {
  if (!point.isDate || event.start.isDate) return point.instant === occurrence.instant
  return Math.floor(occurrence.wall / DAY_MS) * DAY_MS === point.wall
}

/** How far a change for all the future moves the clock face of the series. */
function shiftOf(change: Event, series: Event): number {
  return change.start.wall - wallOf(change.replaces!.point.instant, series.start.zone)
}

function leadOf(change: Event): number {
  return Math.max(0, change.replaces!.point.instant - change.start.instant) + DAY_MS
}

function spanOf(wall: number, zone: Zone, { wallMs, exactMs }: Event['length']): Interval {
  return { startAt: instantOf(wall, zone), endAt: instantOf(wall + wallMs, zone) + exactMs }
}
