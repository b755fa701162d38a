/**
 * File: a calendar that is one .ics file, which other programs may read and write, too.
 *
 * I1. Writers of this package take turns by a lock. A program that does not know the lock is noticed: the file is read
 *     again right before it is replaced, and the booking is tried again if it changed.
 * I2. An event is only removed while it is as we wrote it.
 */
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ActionError } from '@keelson/core'
import type { Booking, CalendarDriver, NewEvent } from '../calendar/driver.ts'
import type { WorkingHours } from '../calendar/hours.ts'
import { zoneOf } from '../calendar/zone.ts'
import { ensureFolder, errorCode, readIfThere, writeAtomic } from '../disk/atomic.ts'
import { withLock } from '../disk/lock.ts'
import { busyIn } from './busy.ts'
import { etagOf, linesOf, spansOf, withEvent, withoutSpan } from './text.ts'

export interface CalendarFileOptions {
  readonly path: string
  /** The operator's IANA zone. The machine's, if left out. */
  readonly zone?: string
  readonly workingHours?: WorkingHours
  /** Makes an empty calendar where there is no file. Otherwise a missing file is an error: it is not a free week. */
  readonly create?: boolean
}

/** Most bytes of a calendar that are read. */
const SIZE_MAX = 32 * 1024 * 1024

const EMPTY = 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Keelson//Calendar file//EN\r\nEND:VCALENDAR\r\n'

/** A driver of the calendar connector over an iCalendar file. */
export function calendarFile(options: CalendarFileOptions): CalendarDriver {
  const { zone, workingHours } = options
  return {
    zone,
    workingHours,
    async busy(range, use) {
      const { text } = await load(options)
      return busyIn(text, range, zoneOf(use.zone))
    },
    async create(event, { uid, evenIfBusy, signal }) {
      const content = linesOf(event, uid)
      await change(options, signal, (text) => {
        if (spansOf(text, uid).length > 0) return undefined
        if (!evenIfBusy) assertFree(text, event, options)
        return withEvent(text, content)
      })
      return { eventId: uid, etag: etagOf(content) }
    },
    async find(uid, event) {
      const { text } = await load(options)
      return spansOf(text, uid).length === 0 ? undefined : { eventId: uid, etag: etagOf(linesOf(event, uid)) }
    },
    remove: (booking, { signal }) => change(options, signal, (text) => without(text, booking)),
  }
}

function assertFree(text: string, event: NewEvent, options: CalendarFileOptions): void {
  const range = { startAt: Date.parse(event.start), endAt: Date.parse(event.end) }
  if (busyIn(text, range, zoneOf(options.zone)).length === 0) return
  throw new ActionError({ class: 'final' }, `the time from ${event.start} to ${event.end} is no longer free`)
}

function without(text: string, { eventId, etag }: Booking): string | undefined {
  const [span, ...more] = spansOf(text, eventId)
  if (span === undefined) return undefined
  if (more.length === 0 && etagOf(span.content) === etag) return withoutSpan(text, span)
  throw new ActionError({ class: 'final' }, 'the event was changed since it was booked')
}

/** Replaces the file by what `edit` makes of it; leaves it alone for undefined. */
async function change(
  options: CalendarFileOptions,
  signal: AbortSignal,
  edit: (text: string) => string | undefined,
): Promise<void> {
  if (options.create) await ensureFolder(dirname(options.path))
  // Written through a link, so that the link stays one.
  const path = await realpath(options.path).catch(() => options.path)
  try {
    await withLock(path, signal, async () => {
      const { text, bytes, mode } = await load(options)
      const edited = edit(text)
      if (edited === undefined) return
      await writeAtomic(path, Buffer.from(edited, 'utf8'), { mode, before: () => assertUntouched(path, bytes) })
    })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw missing()
    throw error
  }
}

async function assertUntouched(path: string, bytes: Buffer | undefined): Promise<void> {
  const now = await readIfThere(path)
  if (now === undefined ? bytes === undefined : bytes?.equals(now)) return
  throw new ActionError({ class: 'retry' }, 'another program wrote the calendar just now')
}

interface Loaded {
  readonly text: string
  readonly bytes: Buffer | undefined
  readonly mode: number | undefined
}

async function load({ path, create }: CalendarFileOptions): Promise<Loaded> {
  const found = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined && found.size > SIZE_MAX) {
    throw new ActionError({ class: 'final' }, `the calendar is larger than ${SIZE_MAX} bytes`)
  }
  const bytes = await readIfThere(path)
  if (bytes === undefined) {
    if (create) return { text: EMPTY, bytes, mode: undefined }
    throw missing()
  }
  return { text: decode(bytes), bytes, mode: found && found.mode & 0o777 }
}

/** A file that is not UTF-8 is not touched: writing it back would change bytes that are not ours. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ActionError({ class: 'final' }, 'the calendar is not UTF-8 text')
  }
}

function missing(): ActionError {
  return new ActionError({ class: 'final' }, 'there is no calendar file; make one, or say `create: true`')
}
