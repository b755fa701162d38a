/** Timezone: the zones of an iCalendar file: its own VTIMEZONEs first, then the IANA zones that the system knows. */
import { ActionError } from '@keelson/core'
import ICAL from 'ical.js'
import { ianaZone, type Zone } from '../calendar/zone.ts'
import { instantsOf, wallTimeOf } from './recurrence.ts'

interface Change {
  readonly instant: number
  readonly before: number
  readonly after: number
}

/** The zones of a calendar by TZID. `horizon` is the latest instant that will be asked for. */
export function zonesOf(calendar: ICAL.Component, horizon: number): (tzid: string) => Zone {
  const zones = new Map<string, Zone>()
  for (const component of calendar.getAllSubcomponents('vtimezone')) {
    const tzid = component.getFirstPropertyValue('tzid')
    if (typeof tzid === 'string') zones.set(tzid, zoneFrom(tzid, component, horizon))
  }
  return (tzid) => {
    const zone = zones.get(tzid) ?? ianaZone(tzid)
    if (zone !== undefined) return zone
    throw new ActionError(
      { class: 'final' },
      `the calendar uses the time zone ${JSON.stringify(tzid)}, which nobody knows`,
    )
  }
}

function zoneFrom(id: string, component: ICAL.Component, horizon: number): Zone {
  const parts = [...component.getAllSubcomponents('standard'), ...component.getAllSubcomponents('daylight')]
  const changes = parts.flatMap((part) => changesOf(part, horizon)).sort((a, b) => a.instant - b.instant)
  const earliest = changes[0]
  if (earliest === undefined)
    throw new ActionError({ class: 'final' }, `the time zone ${JSON.stringify(id)} has no rules`)
  return {
    id,
    offsetAt(instant) {
      const latest = changes.findLast((change) => change.instant <= instant)
      return latest === undefined ? earliest.before : latest.after
    },
  }
}

function changesOf(part: ICAL.Component, horizon: number): Change[] {
  const start = part.getFirstPropertyValue('dtstart')
  const before = offsetOf(part, 'tzoffsetfrom')
  const after = offsetOf(part, 'tzoffsetto')
  if (!(start instanceof ICAL.Time) || before === undefined || after === undefined) return []
  // The start of an observance is wall time under the offset before it.
  const toInstant = (wall: number): number => wall - before
  const instants = new Set<number>([toInstant(wallTimeOf(start))])
  for (const property of part.getAllProperties('rrule')) {
    const rule = property.getFirstValue()
    if (rule instanceof ICAL.Recur)
      for (const { instant } of instantsOf(rule, start, toInstant, horizon)) instants.add(instant)
  }
  for (const property of part.getAllProperties('rdate')) {
    for (const value of property.getValues()) if (value instanceof ICAL.Time) instants.add(toInstant(wallTimeOf(value)))
  }
  return [...instants].map((instant) => ({ instant, before, after }))
}

function offsetOf(part: ICAL.Component, name: string): number | undefined {
  const value = part.getFirstPropertyValue(name)
  return value instanceof ICAL.UtcOffset ? value.toSeconds() * 1000 : undefined
}
