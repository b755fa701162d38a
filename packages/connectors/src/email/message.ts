/**
 * Message: a mail as it is asked for, and its bytes.
 *
 * M1. The same input, sender, key and instant give the same bytes, on every machine: Message-ID and boundaries follow
 *     from the key. So a mail that is tried again is the same mail.
 * M2. No text of the input can begin a header line.
 */
import { createHash } from 'node:crypto'
import { ActionError } from '@keelson/core'
import MailComposer from 'nodemailer/lib/mail-composer'
import { z } from 'zod'
import { oneLine, manyLines } from '../connect/text.ts'
import { sha256Hex } from '../disk/atomic.ts'
import { Attachment } from './attachment.ts'
import type { Mailer } from './connection.ts'

/** The header that names the effect, for servers that replace the Message-ID. */
export const OPERATION_HEADER = 'X-Keelson-Operation'

const ADDRESSES_MAX = 50
const TEXT_MAX = 400_000

const Address = z.email().max(254)
const MessageId = oneLine(500).regex(/^<[^<>\s]+@[^<>\s]+>$/, 'is a Message-ID in angle brackets')

export const MailInput = z.strictObject({
  to: Address,
  cc: z.array(Address).max(ADDRESSES_MAX).optional(),
  replyTo: Address.optional(),
  subject: oneLine(900),
  text: manyLines(TEXT_MAX),
  html: manyLines(TEXT_MAX).optional(),
  inReplyTo: MessageId.optional(),
  references: z.array(MessageId).max(100).optional(),
  attachments: z.array(Attachment).max(50).optional(),
})
export type MailInput = z.output<typeof MailInput>

export interface Message {
  readonly messageId: string
  readonly operation: string
  readonly raw: Buffer
  readonly envelope: { readonly from: string; readonly to: readonly string[] }
}

/** The Message-ID of an effect's mail. */
export function messageIdOf(key: string, mailer: Mailer): string {
  const id = createHash('sha256').update(`keelson:mail:${key}`).digest('base64url').slice(0, 32)
  return `<${id}@${mailer.from.address.slice(mailer.from.address.lastIndexOf('@') + 1)}>`
}

/** The value of the operation header: the key, or its hash where it would not do as a header. */
export function operationOf(key: string): string {
  return /^[\w.:-]{1,100}$/.test(key) ? key : sha256Hex(key)
}

/** The bytes of a mail. `at` is its date, in milliseconds. */
export async function compose(
  input: MailInput,
  { mailer, key, at, signal }: { mailer: Mailer; key: string; at: number; signal: AbortSignal },
): Promise<Message> {
  const messageId = messageIdOf(key, mailer)
  const operation = operationOf(key)
  const attachments = await Promise.all((input.attachments ?? []).map((ref) => bytesOf(ref, mailer, signal)))
  const composer = new MailComposer({
    from: mailer.from,
    to: { name: '', address: input.to },
    ...(input.cc === undefined ? {} : { cc: input.cc.map((address) => ({ name: '', address })) }),
    ...(input.replyTo === undefined ? {} : { replyTo: { name: '', address: input.replyTo } }),
    ...(input.inReplyTo === undefined ? {} : { inReplyTo: input.inReplyTo }),
    ...(input.references === undefined ? {} : { references: [...input.references] }),
    ...(input.html === undefined ? {} : { html: input.html }),
    subject: input.subject,
    text: input.text,
    messageId,
    date: new Date(Math.floor(at / 1000) * 1000),
    headers: { [OPERATION_HEADER]: operation },
    attachments,
    baseBoundary: sha256Hex(`keelson:boundary:${key}`).slice(0, 24),
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return { messageId, operation, raw: await composer.compile().build(), envelope: envelopeOf(input, mailer) }
}

function envelopeOf(input: MailInput, mailer: Mailer): Message['envelope'] {
  const copy = mailer.options.selfCopy === undefined ? [] : [mailer.options.selfCopy]
  return { from: mailer.from.address, to: [...new Set([input.to, ...(input.cc ?? []), ...copy])] }
}

async function bytesOf(ref: Attachment, mailer: Mailer, signal: AbortSignal) {
  const { attachment } = mailer.options
  if (attachment === undefined) {
    throw new ActionError({ class: 'final' }, 'email.connect() was given no `attachment` function to get bytes from')
  }
  const bytes = await Promise.resolve()
    .then(() => attachment(ref, { signal }))
    .catch(() => undefined)
  if (bytes === undefined) {
    throw new ActionError({ class: 'retry' }, `the attachment ${JSON.stringify(ref.filename)} could not be read`)
  }
  const hash = createHash('sha256').update(bytes)
  if (hash.digest(ref.sha256.length === 64 ? 'hex' : 'base64url') !== ref.sha256) {
    throw new ActionError(
      { class: 'final' },
      `the attachment ${JSON.stringify(ref.filename)} has other bytes than were meant`,
    )
  }
  return {
    filename: ref.filename,
    contentType: ref.contentType,
    content: Buffer.from(bytes),
    contentTransferEncoding: 'base64',
  }
}
