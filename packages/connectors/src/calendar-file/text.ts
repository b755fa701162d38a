/**
 * Text: an iCalendar file as lines. Our event is put in and taken out as text, so that every other byte stays as it is.
 *
 * T1. What is not ours is never parsed and written again.
 * T2. An event's mark is the hash of its lines, unfolded: a program that only wraps lines anew has not changed it.
 */
import { ActionError } from '@keelson/core'
import type { NewEvent } from '../calendar/driver.ts'
import { sha256Hex } from '../disk/atomic.ts'

const LINE_MAX_BYTES = 75

/** A VEVENT in a file: from which line to which (not included), and its content lines, unfolded. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly content: readonly string[]
}

/** The mark of an event's content lines. */
export function etagOf(content: readonly string[]): string {
  return sha256Hex(content.join('\n'))
}

/** The content lines of an event of ours: a pure function of the event and its uid. */
export function linesOf(event: NewEvent, uid: string): string[] {
  return [
    'BEGIN:VEVENT',
    `UID:${uid}`,
    // When the file was written is not known in a second try, so the stamp is the event's own start.
    `DTSTAMP:${utc(event.start)}`,
    `DTSTART:${utc(event.start)}`,
    `DTEND:${utc(event.end)}`,
    `SUMMARY:${escape(event.title)}`,
    ...(event.description === undefined ? [] : [`DESCRIPTION:${escape(event.description)}`]),
    ...(event.location === undefined ? [] : [`LOCATION:${escape(event.location)}`]),
    ...(event.attendees ?? []).map((address) => `ATTENDEE:mailto:${address}`),
    'END:VEVENT',
  ]
}

/** `text` with an event before the end of its first calendar. Throws `final` for a text that is no whole calendar. */
export function withEvent(text: string, content: readonly string[]): string {
  const lines = split(text)
  const end = lines.findIndex(({ body }) => /^END:VCALENDAR\s*$/i.test(body))
  const begin = lines.findIndex(({ body }) => /^\uFEFF?BEGIN:VCALENDAR\s*$/i.test(body))
  if (begin < 0 || end < begin) throw new ActionError({ class: 'final' }, 'the file is not a whole calendar')
  const newline = lines[begin]!.newline || '\r\n'
  const added = content.map((line) => fold(line, newline) + newline)
  return [...join(lines.slice(0, end)), ...added, ...join(lines.slice(end))].join('')
}

/** `text` without the lines of a span. */
export function withoutSpan(text: string, span: Span): string {
  const lines = split(text)
  return [...join(lines.slice(0, span.from)), ...join(lines.slice(span.to))].join('')
}

/** The events of a uid: usually one, more where occurrences of it were changed. */
export function spansOf(text: string, uid: string): Span[] {
  const lines = split(text)
  const spans: Span[] = []
  for (let from = 0; from < lines.length; from++) {
    if (!/^BEGIN:VEVENT\s*$/i.test(lines[from]!.body)) continue
    const length = lines.slice(from).findIndex(({ body }) => /^END:VEVENT\s*$/i.test(body)) + 1
    if (length === 0) break
    const content = unfold(lines.slice(from, from + length))
    if (uidOf(content) === uid) spans.push({ from, to: from + length, content })
    from += length - 1
  }
  return spans
}

interface Line {
  readonly body: string
  readonly newline: string
}

function split(text: string): Line[] {
  const parts = text.split(/(\r\n|\n|\r)/)
  const lines: Line[] = []
  for (let i = 0; i < parts.length; i += 2) lines.push({ body: parts[i]!, newline: parts[i + 1] ?? '' })
  return lines
}

function join(lines: readonly Line[]): string[] {
  return lines.map(({ body, newline }) => body + newline)
}

function unfold(lines: readonly Line[]): string[] {
  const content: string[] = []
  for (const { body } of lines) {
    if (/^[ \t]/.test(body) && content.length > 0) content[content.length - 1] += body.slice(1)
    else content.push(body)
  }
  return content
}

/** The UID of the event itself, not of an alarm in it. */
function uidOf(content: readonly string[]): string | undefined {
  let depth = 0
  for (const line of content) {
    if (/^BEGIN:/i.test(line)) depth++
    if (/^END:/i.test(line)) depth--
    if (depth === 1 && /^UID[;:]/i.test(line)) return line.slice(line.indexOf(':') + 1).trim()
  }
  return undefined
}

function utc(iso: string): string {
  return new Date(iso).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')
}

function escape(text: string): string {
  return text.replaceAll(/[\\;,]/g, (found) => `\\${found}`).replaceAll(/\r\n|\r|\n/g, '\\n')
}

/** Breaks a content line so that no line is longer than 75 bytes and no character is cut. */
function fold(line: string, newline: string): string {
  let folded = ''
  let bytes = 0
  for (const character of line) {
    const size = Buffer.byteLength(character)
    if (bytes + size > LINE_MAX_BYTES) {
      folded += `${newline} `
      bytes = 1
    }
    folded += character
    bytes += size
  }
  return folded
}
