/**
 * email.send: one mail, at most one copy of it, as far as a look-up can tell.
 *
 * The mail's Message-ID follows from the effect's key. When nobody knows whether it went out, `reconcile` looks for that
 * Message-ID where sent or received mail lies; where nothing can look, the operator is asked.
 */
import { action, ActionError, type ActionRun, type Preview } from '@keelson/core'
import { z } from 'zod'
import { valueOf } from '../connect/option.ts'
import { sha256Hex } from '../disk/atomic.ts'
import type { Mailer } from './connection.ts'
import { compose, MailInput, messageIdOf, operationOf } from './message.ts'
import { deliver } from './smtp.ts'

const Sent = z.object({
  messageId: z.string().meta({ examples: ['<0@example.org>'] }),
  /** Whom the server took the mail for; left out where this is only known from a look-up. */
  accepted: z.array(z.string()).optional(),
  /** Whom it refused, with what it said, although others were taken. */
  rejected: z.array(z.object({ address: z.string(), answer: z.string() })).optional(),
})

const mailerFrom = (config: unknown): Mailer => valueOf<Mailer>(config, 'email.connect({ host, from })')

export const send = action({
  name: 'email.send',
  title: 'Send a mail',
  effect: 'irreversible',
  category: 'publishing',
  idempotency: { by: 'lookup' },
  input: MailInput,
  output: Sent,
  material: ['to', 'cc', 'subject', 'text', 'html', 'attachments'],
  timeout: '60s',
  preview,
  simulate: (input) => ({ messageId: `<shadow.${sha256Hex(JSON.stringify(input)).slice(0, 24)}@keelson.invalid>` }),
  async run(input, { key, signal, config, since }: ActionRun) {
    const mailer = mailerFrom(config)
    const message = await compose(input, { mailer, key, at: since, signal }).catch(notComposed)
    const { accepted, rejected } = await deliver(mailer, message, signal)
    const { messageId } = message
    return { output: { messageId, accepted, ...(rejected.length > 0 ? { rejected } : {}) } }
  },
  async reconcile(_input, { key, signal, config }) {
    const mailer = mailerFrom(config)
    const messageId = messageIdOf(key, mailer)
    const found = await look(mailer, messageId, operationOf(key), signal)
    return found === 'found' ? { state: 'done', output: { messageId } } : found
  },
})

type Missed =
  { readonly state: 'not-found'; readonly settleMs?: number } | { readonly state: 'unknown'; readonly why: string }

async function look(
  mailer: Mailer,
  messageId: string,
  operation: string,
  signal: AbortSignal,
): Promise<'found' | Missed> {
  const { lookup, selfCopy, keepsSent, settleMs } = mailer.options
  if (lookup === undefined) return unknown('email.connect() was given no `lookup`')
  // What a look-up throws may quote a credential of its own, so it is not repeated.
  const found = await Promise.resolve()
    .then(() => lookup(messageId, operation, { signal }))
    .catch(() => 'failed' as const)
  if (found === 'found') return found
  if (found !== 'not-found') return unknown(found === 'failed' ? 'the look-up failed' : 'the look-up could not tell')
  if (selfCopy !== undefined || keepsSent === true)
    return settleMs === undefined ? { state: 'not-found' } : { state: 'not-found', settleMs }
  return unknown(
    'nothing was found, but without `selfCopy` or `keepsSent` a mail that was sent would not be found either',
  )
}

function unknown(why: string): Missed {
  return { state: 'unknown', why }
}

/** Whatever goes wrong before the first connection, nothing was sent. */
function notComposed(error: unknown): never {
  if (ActionError.is(error)) throw error
  throw new ActionError({ class: 'final' }, `the mail could not be composed: ${(error as Error).message}`)
}

function preview(input: MailInput): Preview {
  const files = input.attachments?.map((file) => `${file.filename} (${file.contentType}, sha-256 ${file.sha256})`)
  const rows: [string, string | undefined][] = [
    ['To', input.to],
    ['Cc', input.cc?.join(', ')],
    ['Reply to', input.replyTo],
    ['Subject', input.subject],
    ['Text', input.text],
    ['HTML', input.html],
    ['In reply to', input.inReplyTo],
    ['Attachments', files?.join('\n')],
  ]
  return { kind: 'fields', rows: rows.flatMap(([label, after]) => (after ? [{ label, after }] : [])) }
}
