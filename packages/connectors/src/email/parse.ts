/**
 * Parse: a received mail as a value that can be stored, and the bytes of its attachments beside it.
 *
 * Mail comes from strangers. Whatever it holds, the result is well-formed text of bounded size, or a clear refusal.
 */
import { ActionError } from '@keelson/core'
import PostalMime, { type Address, type Email } from 'postal-mime'
import { sha256Hex } from '../disk/atomic.ts'
import { OPERATION_HEADER } from './message.ts'

export interface MailAddress {
  readonly name: string
  readonly address: string
}

/** A mail as JSON. Where a header is missing, its text is empty or null. */
export interface Mail {
  readonly messageId: string | null
  readonly inReplyTo: string | null
  readonly references: readonly string[]
  /** What a mail of ours says it is. Anyone can write that, too. */
  readonly operation: string | null
  readonly from: MailAddress | null
  readonly replyTo: readonly MailAddress[]
  readonly to: readonly MailAddress[]
  readonly cc: readonly MailAddress[]
  readonly subject: string
  /** ISO text in UTC, null where the date is missing or none. */
  readonly date: string | null
  readonly text: string | null
  readonly html: string | null
  /** True where text or html was cut to its limit. */
  readonly shortened: boolean
  readonly attachments: readonly MailAttachment[]
}

export interface MailAttachment {
  /** As the sender wrote it: data, not a path. */
  readonly filename: string | null
  readonly contentType: string
  readonly sha256: string
  readonly size: number
}

export interface ParsedMail {
  readonly mail: Mail
  /** The bytes of the attachments, by sha-256 in hex: too large, and not JSON, so not part of the mail. */
  readonly blobs: ReadonlyMap<string, Uint8Array>
}

const BYTES_MAX = 40 * 1024 * 1024
const TEXT_MAX = 300_000
const LINE_MAX = 2_000
const LIST_MAX = 500

/** Parses a mail. Throws `final` for one that is larger than `maxBytes` (40 MiB) or nested beyond reason. */
export async function parseMail(bytes: Uint8Array, options: { maxBytes?: number } = {}): Promise<ParsedMail> {
  const limit = options.maxBytes ?? BYTES_MAX
  if (bytes.length > limit) throw refused(`the mail has ${bytes.length} bytes, more than ${limit}`)
  let email: Email
  try {
    email = await PostalMime.parse(bytes, {
      maxNestingDepth: 50,
      maxRfc822NestingDepth: 5,
      attachmentEncoding: 'arraybuffer',
    })
  } catch (error) {
    throw refused(`the mail cannot be parsed: ${line((error as Error).message)}`)
  }
  const blobs = new Map<string, Uint8Array>()
  const attachments = email.attachments.slice(0, LIST_MAX).map((found): MailAttachment => {
    const content = typeof found.content === 'string' ? Buffer.from(found.content) : new Uint8Array(found.content)
    const sha256 = sha256Hex(content)
    blobs.set(sha256, content)
    const filename = found.filename === null ? null : line(found.filename)
    return { filename, contentType: line(found.mimeType), sha256, size: content.length }
  })
  return { mail: { ...headersOf(email), ...bodiesOf(email), attachments }, blobs }
}

function headersOf(email: Email) {
  const operation = email.headers.find(({ key }) => key === OPERATION_HEADER.toLowerCase())?.value
  return {
    messageId: orNull(email.messageId),
    inReplyTo: orNull(email.inReplyTo),
    references: (email.references?.match(/<[^<>\s]+>/g) ?? []).slice(0, LIST_MAX).map(line),
    operation: orNull(operation?.trim()),
    from: mailboxesOf(email.from === undefined ? [] : [email.from])[0] ?? null,
    replyTo: mailboxesOf(email.replyTo),
    to: mailboxesOf(email.to),
    cc: mailboxesOf(email.cc),
    subject: line(email.subject ?? ''),
    date: dateOf(email.date),
  }
}

function bodiesOf(email: Email) {
  const { text, html } = email
  return {
    text: text === undefined ? null : clean(text).slice(0, TEXT_MAX).toWellFormed(),
    html: html === undefined ? null : clean(html).slice(0, TEXT_MAX).toWellFormed(),
    shortened: (text?.length ?? 0) > TEXT_MAX || (html?.length ?? 0) > TEXT_MAX,
  }
}

function mailboxesOf(addresses: readonly Address[] | undefined): MailAddress[] {
  const flat = (addresses ?? []).flatMap((each) => (each.group === undefined ? [each] : each.group))
  return flat.slice(0, LIST_MAX).map(({ name, address }) => ({ name: line(name), address: line(address) }))
}

function dateOf(text: string | undefined): string | null {
  const at = new Date(text ?? '')
  return Number.isNaN(at.getTime()) ? null : at.toISOString()
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : line(text)
}

/** One line of bounded length, without control characters. */
function line(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, LINE_MAX)
    .toWellFormed()
    .trim()
}

function clean(text: string): string {
  return text.replaceAll('\0', '')
}

function refused(message: string): ActionError {
  return new ActionError({ class: 'final' }, message)
}
