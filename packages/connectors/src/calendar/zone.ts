/**
 * Zone: wall-clock time of a place, and the instant that it means.
 *
 * Z1. A wall time that occurs twice means the first one; a wall time that a change skips is read with the offset before
 *     the change (RFC 5545 §3.3.5).
 *
 * Wall times are milliseconds too: those that the same clock face would have in UTC.
 */
import { ActionError } from '@keelson/core'

export interface Zone {
  readonly id: string
  /** How far the wall clock is ahead of UTC at an instant, in milliseconds. */
  offsetAt(instant: number): number
}

const DAY_MS = 86_400_000
const zones = new Map<string, Zone>()

/** A zone by its IANA name, or undefined where there is no such zone. */
export function ianaZone(id: string): Zone | undefined {
  const known = zones.get(id)
  if (known !== undefined) return known
  const format = formatOf(id)
  if (format === undefined) return undefined
  const zone: Zone = { id, offsetAt: (instant) => readWall(format, instant) - Math.floor(instant / 1000) * 1000 }
  zones.set(id, zone)
  return zone
}

/** The zone of a name, or of this machine. Throws `final` for a name that is none. */
export function zoneOf(id: string = Intl.DateTimeFormat().resolvedOptions().timeZone): Zone {
  const zone = ianaZone(id)
  if (zone === undefined) throw new ActionError({ class: 'final' }, `${JSON.stringify(id)} is no time zone known here`)
  return zone
}

export function wallOf(instant: number, zone: Zone): number {
  return instant + zone.offsetAt(instant)
}

/** The instant of a wall time (Z1). */
export function instantOf(wall: number, zone: Zone): number {
  const before = zone.offsetAt(wall - DAY_MS)
  const after = zone.offsetAt(wall + DAY_MS)
  if (before === after && zone.offsetAt(wall - before) === before) return wall - before
  if (zone.offsetAt(wall - before) === before) return wall - before
  return zone.offsetAt(wall - after) === after ? wall - after : wall - before
}

/** ISO text with the zone's offset: 2026-03-30T09:00:00+02:00. */
export function isoIn(instant: number, zone: Zone): string {
  const offset = zone.offsetAt(instant)
  const minutes = Math.abs(Math.round(offset / 60_000))
  const two = (n: number): string => String(n).padStart(2, '0')
  const sign = offset < 0 ? '-' : '+'
  const face = new Date(instant + offset).toISOString().slice(0, 19)
  return `${face}${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

function formatOf(id: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: id,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    return undefined
  }
}

function readWall(format: Intl.DateTimeFormat, instant: number): number {
  const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, value]))
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type))
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
}
