/**
 * Smtp: one mail over one connection, and what became of it.
 *
 * S1. The stage is tracked here (connect, auth, transaction), because the client's error does not say whether the mail
 *     went out. In a transaction, a failure without an answer of the server is 'unknown': the server may have taken it.
 * S2. No secret is in an error: what the server says is redacted and shortened, and the client's error is not kept.
 * S3. A mail of which no real recipient was taken is not sent to the operator's own copy either: it would prove a lie.
 */
import { Readable } from 'node:stream'
import { ActionError, type Failure } from '@keelson/core'
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection'
import type { Login, Mailer } from './connection.ts'
import type { Message } from './message.ts'

export interface Delivery {
  readonly accepted: string[]
  readonly rejected: { address: string; answer: string }[]
}

type Stage = 'connect' | 'auth' | 'transaction'

/** What the client's errors carry. */
interface SmtpError extends Error {
  readonly code?: string
  readonly command?: string
  readonly response?: string
  readonly responseCode?: number
  readonly recipient?: string
}

/** Sends `message`. Throws an `ActionError` whose class says what to do next. */
export async function deliver(mailer: Mailer, message: Message, signal: AbortSignal): Promise<Delivery> {
  const connection = new SMTPConnection(optionsOf(mailer))
  let stage: Stage = 'connect'
  try {
    const delivery = await new Promise<Delivery>((resolve, reject) => {
      const enter = (next: Stage): void => void (stage = next)
      // Listeners stay on to the end: a socket may fail more than once.
      connection.on('error', reject)
      connection.on('end', () => reject(new Error('the connection ended')))
      signal.addEventListener('abort', () => reject(new Error('given up: no answer in time')), { once: true })
      if (signal.aborted) reject(new Error('given up before it began'))
      else session(connection, mailer, message, { enter, resolve, reject })
    })
    connection.quit()
    return delivery
  } catch (error) {
    connection.close()
    throw ActionError.is(error) ? error : failureOf(error as SmtpError, stage, mailer.login)
  }
}

interface Steps {
  readonly enter: (stage: Stage) => void
  readonly resolve: (delivery: Delivery) => void
  readonly reject: (error: unknown) => void
}

function session(connection: SMTPConnection, mailer: Mailer, message: Message, steps: Steps): void {
  const { enter, resolve, reject } = steps
  const own = mailer.options.selfCopy
  const send = (): void => {
    enter('transaction')
    const envelope = { from: message.envelope.from, to: [...message.envelope.to], size: message.raw.length }
    connection.send(envelope, bodyOf(connection, message, mailer, reject), (error, info) => {
      if (error || !info) return reject(error ?? new Error('the client gave no result'))
      const errors = (info.rejectedErrors ?? []) as SmtpError[]
      resolve({
        accepted: info.accepted.filter((address) => address !== own),
        rejected: errors.filter(({ recipient }) => recipient !== own).map((each) => rejection(each, mailer.login)),
      })
    })
  }
  connection.connect((error) => {
    if (error) return reject(error)
    if (mailer.login === undefined) return send()
    enter('auth')
    connection.login({ credentials: { ...mailer.login } }, (refused) => (refused ? reject(refused) : send()))
  })
}

/**
 * The bytes as a stream. It is first read when the server asks for data: by then all recipients were judged, and as
 * long as nothing but the request was sent, hanging up sends nothing.
 */
function bodyOf(
  connection: SMTPConnection,
  message: Message,
  mailer: Mailer,
  reject: (error: unknown) => void,
): Readable {
  const { selfCopy } = mailer.options
  const real = message.envelope.to.filter((address) => address !== selfCopy)
  return new Readable({
    read() {
      const { rejected = [], rejectedErrors = [] } = envelopeOf(connection)
      if (real.length > 0 && real.every((address) => rejected.includes(address))) {
        const worst = rejectedErrors.find(({ responseCode = 0 }) => responseCode >= 500) ?? rejectedErrors[0]
        reject(failureOf(worst ?? new Error('all recipients were rejected'), 'transaction', mailer.login))
        connection.close()
        return
      }
      this.push(message.raw)
      this.push(null)
    },
  })
}

/** The client keeps the judged recipients to itself until all is sent. */
function envelopeOf(connection: SMTPConnection): { rejected?: string[]; rejectedErrors?: SmtpError[] } {
  return (
    (connection as unknown as { _envelope?: { rejected?: string[]; rejectedErrors?: SmtpError[] } })._envelope ?? {}
  )
}

function optionsOf({ options }: Mailer): SMTPConnectionOptions {
  const security = options.security ?? (options.port === 465 ? 'implicit' : 'starttls')
  return {
    host: options.host,
    port: options.port ?? (security === 'implicit' ? 465 : 587),
    secure: security === 'implicit',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    connectionTimeout: options.connectTimeoutMs ?? 15_000,
    greetingTimeout: options.connectTimeoutMs ?? 15_000,
    dnsTimeout: options.connectTimeoutMs ?? 15_000,
    socketTimeout: options.socketTimeoutMs ?? 45_000,
    socketCloseTimeout: 1_000,
  }
}

function failureOf(error: SmtpError, stage: Stage, login: Login | undefined): ActionError {
  const failure = judge(error, stage)
  const said = redact(error.response ?? error.message, login)
  return new ActionError(failure, `email, ${stage}: ${said}`, {
    data: {
      stage,
      code: error.code ?? null,
      responseCode: error.responseCode ?? null,
      command: safeCommand(error.command),
    },
  })
}

function judge({ code, command, responseCode = 0 }: SmtpError, stage: Stage): Failure {
  if ([530, 534, 535, 538].includes(responseCode)) return { class: 'reauth' }
  if (responseCode >= 400 && responseCode < 500) return { class: 'retry' }
  if (code === 'EAUTH') return { class: 'reauth' }
  if (responseCode >= 500) return { class: 'final' }
  if (stage !== 'transaction') return { class: 'retry' }
  // Refused by the client itself, before it said anything: an envelope or a size that cannot be.
  const local = (code === 'EENVELOPE' || code === 'EMESSAGE') && (command === 'API' || command === 'MAIL FROM')
  return local ? { class: 'final' } : { class: 'unknown' }
}

function rejection(error: SmtpError, login: Login | undefined): { address: string; answer: string } {
  return { address: error.recipient ?? '', answer: redact(error.response ?? error.message, login) }
}

/** `text` without the credential in any form that travels, on one line, at most 300 characters. */
function redact(text: string, login: Login | undefined): string {
  let safe = text
  for (const form of login === undefined ? [] : formsOf(login)) safe = replaceAll(safe, form)
  return safe
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, 300)
    .toWellFormed()
}

function formsOf({ user, pass }: Login): string[] {
  const plain = [pass, `\0${user}\0${pass}`, `${user}\0${user}\0${pass}`]
  const encoded = plain.flatMap((form) => {
    const bytes = Buffer.from(form)
    return [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex'), encodeURIComponent(form)]
  })
  return [...plain, ...encoded].sort((a, b) => b.length - a.length)
}

function replaceAll(text: string, secret: string): string {
  const folded = secret.toLowerCase()
  let safe = text
  for (let at = safe.toLowerCase().indexOf(folded); at >= 0; at = safe.toLowerCase().indexOf(folded, at + 10)) {
    safe = `${safe.slice(0, at)}[redacted]${safe.slice(at + secret.length)}`
  }
  return safe
}

function safeCommand(command: string | undefined): string | null {
  return command !== undefined && /^[A-Z][A-Z0-9 -]{0,20}$/.test(command) ? command : null
}
