/** Connection: what the email connector needs to know to send for one company, and what it makes of a credential. */
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { ActionError, type ConnectorUse } from '@keelson/core'
import addressparser from 'nodemailer/lib/addressparser'
import { z } from 'zod'
import type { Attachment } from './attachment.ts'

/** Looks whether a mail went out, by its Message-ID or by its X-Keelson-Operation header. */
export type MailLookup = (
  messageId: string,
  operation: string,
  use: { signal: AbortSignal },
) => Promise<'found' | 'not-found' | 'unknown'>

export interface EmailOptions {
  readonly host: string
  /** 465 where TLS is implicit, otherwise 587. */
  readonly port?: number
  /** 'starttls' (required before anything is said; the default), 'implicit' (the default on port 465), or 'none'. */
  readonly security?: 'starttls' | 'implicit' | 'none'
  /** More options of TLS, as Node takes them: a certificate authority of one's own, for instance. */
  readonly tls?: ConnectionOptions
  /** The sender: 'Ann <ann@example.com>' or an address. */
  readonly from: string
  /** An address of the operator's that gets each mail, too, without being named in it: proof of sending for a look-up. */
  readonly selfCopy?: string
  /** How an unknown outcome is cleared up. Without it the operator is asked. */
  readonly lookup?: MailLookup
  /**
   * True where the server itself files each mail that it takes where `lookup` looks (as some providers do in Sent).
   * A mail that is not found counts as not sent only with this or with `selfCopy`.
   */
  readonly keepsSent?: boolean
  /**
   * How long a mail that was taken may be in a queue before `lookup` can see it, in milliseconds: so long 'not found' does not
   * count. At least, and by default, the timeout of a sending and a lease: 90,000.
   */
  readonly settleMs?: number
  /** The bytes of an attachment. They are only sent if they have its sha-256. */
  readonly attachment?: (attachment: Attachment, use: { signal: AbortSignal }) => Promise<Uint8Array>
  readonly connectTimeoutMs?: number
  /** Longest silence of the server. */
  readonly socketTimeoutMs?: number
}

/** What the action gets. */
export interface Mailer {
  readonly options: EmailOptions
  readonly from: { readonly name: string; readonly address: string }
  readonly login: Login | undefined
}

export interface Login {
  readonly user: string
  readonly pass: string
}

const Credential = z.object({ user: z.string().min(1), pass: z.string().min(1) })

/** Checks options and credential at first use. The credential never leaves this value but to the server. */
export function mailerOf(options: EmailOptions, use: ConnectorUse): Mailer {
  const [from, ...more] = addressparser(options.from, { flatten: true })
  if (from?.address === undefined || !isAddress(from.address) || more.length > 0 || /[\p{Cc}]/u.test(options.from)) {
    throw new ActionError({ class: 'final' }, 'email: `from` is not one address')
  }
  const credential = use.credential === undefined ? undefined : Credential.safeParse(use.credential)
  if (credential?.success === false) {
    throw new ActionError({ class: 'reauth' }, 'email: the credential is not { user, pass }')
  }
  return { options, from: { name: from.name ?? '', address: from.address }, login: credential?.data }
}

export function isAddress(text: string): boolean {
  const at = text.lastIndexOf('@')
  return at > 0 && at < text.length - 1 && isIP(text.slice(at + 1)) === 0 && !/[\s<>]/.test(text)
}
