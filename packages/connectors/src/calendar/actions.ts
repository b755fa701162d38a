/** The actions of the calendar connector: find a time, and book it in a way that can be taken back. */
import { action, ActionError, type Preview } from '@keelson/core'
import { z } from 'zod'
import { valueOf } from '../connect/option.ts'
import { manyLines, oneLine } from '../connect/text.ts'
import { diskFailure, sha256Hex } from '../disk/atomic.ts'
import type { CalendarDriver } from './driver.ts'
import { firstFree, OFFICE_HOURS, WorkingHours } from './hours.ts'
import { ianaZone, isoIn, zoneOf } from './zone.ts'

/** A driver, and what "now" is read from where it is not the conductor's clock. */
export interface Calendar {
  readonly driver: CalendarDriver
  readonly now: (() => number) | undefined
}

const Instant = z.iso.datetime({ offset: true })
const ZoneName = z
  .string()
  .max(100)
  .refine((id) => ianaZone(id) !== undefined, 'is no time zone known here')

/** ISO text with an offset or Z. */
export const Slot = z.object({ start: Instant, end: Instant })
export type Slot = z.output<typeof Slot>

const UNIT_MS = { h: 3_600_000, d: 86_400_000 }
const WITHIN_MAX_MS = 366 * UNIT_MS.d

const calendarFrom = (config: unknown): Calendar => valueOf<Calendar>(config, 'calendar.connect({ driver })')

export const findTime = action({
  name: 'calendar.findTime',
  title: 'Find a free time',
  effect: 'read',
  outgoing: false,
  input: z.object({
    minutes: z.number().int().min(1).max(1440),
    /** How far ahead to look: '36h', '5d'. The whole slot lies within. */
    within: z.string().regex(/^\d{1,4}[hd]$/, "is a number of hours or days: '36h', '5d'"),
    /** Where to begin; now, if left out. */
    from: Instant.optional(),
    zone: ZoneName.optional(),
    workingHours: WorkingHours.optional(),
  }),
  /** The first free slot, on the quarter hour; null where there is none. */
  output: Slot.nullable(),
  classify: diskFailure,
  async run({ minutes, within, from, ...wish }, { config, signal, since }) {
    const { driver, now } = calendarFrom(config)
    const zone = zoneOf(wish.zone ?? driver.zone)
    const startAt = from === undefined ? (now?.() ?? since) : Date.parse(from)
    const range = { startAt, endAt: startAt + aheadMs(within) }
    const busy = await driver.busy(range, { zone: zone.id, signal })
    const hours = wish.workingHours ?? driver.workingHours ?? OFFICE_HOURS
    const slot = firstFree({ range, busy, lengthMs: minutes * 60_000, hours, zone })
    return { output: slot === undefined ? null : { start: isoIn(slot.startAt, zone), end: isoIn(slot.endAt, zone) } }
  },
})

const Event = z
  .strictObject({
    ...Slot.shape,
    title: oneLine(500).min(1),
    description: manyLines(20_000).optional(),
    location: oneLine(500).optional(),
    /** Noted in the event. Nobody is invited by this action: a mail is one of its own. */
    attendees: z.array(z.email().max(254)).max(100).optional(),
    /** Book although something else is there. */
    evenIfBusy: z.boolean().optional(),
  })
  .refine(({ start, end }) => Date.parse(start) < Date.parse(end), 'ends before it starts')
  .refine(({ start, end }) => Date.parse(end) - Date.parse(start) <= 31 * UNIT_MS.d, 'is longer than 31 days')
type Event = z.output<typeof Event>

const Booked = z.object({ eventId: z.string(), etag: z.string() })

/**
 * Books an event under an id that follows from the effect's key. What the same effect is, is left to run and step:
 * start and title are no identity, as two people of one name may want the same hour.
 */
export const book = action({
  name: 'calendar.book',
  title: 'Book a time',
  effect: 'reversible',
  category: 'promise',
  idempotency: { by: 'id' },
  input: Event,
  output: Booked,
  undo: Booked,
  material: ['start', 'end', 'title', 'attendees'],
  classify: diskFailure,
  preview,
  simulate: (input) => ({ eventId: `shadow-${sha256Hex(JSON.stringify(input)).slice(0, 24)}`, etag: 'shadow' }),
  async run({ evenIfBusy = false, ...event }, { key, signal, config }) {
    const booked = await calendarFrom(config).driver.create(event, { uid: uidOf(key), evenIfBusy, signal })
    return { output: booked, undo: booked }
  },
  async reconcile({ evenIfBusy: _, ...event }, { key, signal, config }) {
    const booked = await calendarFrom(config).driver.find(uidOf(key), event, { signal })
    return booked === undefined ? { state: 'not-found' } : { state: 'done', output: booked, undo: booked }
  },
  compensate: (undo, { signal, config }) => calendarFrom(config).driver.remove(undo, { signal }),
})

/** The id of the event that an effect books. */
function uidOf(key: string): string {
  return `${sha256Hex(`keelson:event:${key}`).slice(0, 40)}@keelson`
}

function aheadMs(within: string): number {
  const ms = Number(within.slice(0, -1)) * UNIT_MS[within.slice(-1) as keyof typeof UNIT_MS]
  if (ms > WITHIN_MAX_MS) throw new ActionError({ class: 'final' }, `"${within}" is more than a year ahead`)
  return ms
}

function preview(event: Event): Preview {
  const rows: [string, string | undefined][] = [
    ['Title', event.title],
    ['From', event.start],
    ['To', event.end],
    ['Location', event.location],
    ['Attendees', event.attendees?.join(', ')],
    ['Description', event.description],
    ['If the time is taken', event.evenIfBusy ? 'book all the same' : undefined],
  ]
  return { kind: 'fields', rows: rows.flatMap(([label, after]) => (after ? [{ label, after }] : [])) }
}
