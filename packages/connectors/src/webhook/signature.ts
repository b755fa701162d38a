/**
 * Signature: who sent these bytes, and when, as the sender's secret says. Over the raw bytes: what was parsed and written anew is
 * other bytes.
 *
 * S1. A signature is compared in a time that does not depend on where it differs, and whole or not at all.
 * S2. What was signed too long ago, or is of the future, counts for nothing, whoever signed it.
 *
 * Sources: "Standard Webhooks" specification, 1.0; Stripe, "Verify webhook signatures manually".
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Reads a header by its name in lower case. */
export type Header = (name: string) => string | undefined

/** What a delivery claims of itself, before anything of it is believed. */
export interface Claim {
  /** Text of the header, for a person who looks. */
  readonly id: string | undefined
  readonly atMs: number
  readonly signatures: readonly Buffer[]
  /** What goes before the body in what was signed. */
  readonly prefix: string
}

/** How a provider signs. `claim` is undefined where its headers are not there, or say nothing. */
export interface Scheme {
  readonly name: string
  claim(header: Header): Claim | undefined
  /** The key in a secret; undefined: it is none. */
  key(secret: string): Buffer | undefined
}

/** Shorter keys can be guessed. */
const KEY_BYTES_MIN = 16
const SIGNATURES_MAX = 20

/** Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,… v1,…`; secrets as `whsec_…`. */
export const standard: Scheme = {
  name: 'standard',
  claim(header) {
    const [id, seconds] = [header('webhook-id'), header('webhook-timestamp')]
    const given = header('webhook-signature')?.split(' ') ?? []
    const signatures = given.flatMap((one) => (one.startsWith('v1,') ? bytes(one.slice(3), 'base64') : []))
    const atMs = instant(seconds)
    if (id === undefined || id === '' || id.includes('.') || atMs === undefined || signatures.length === 0)
      return undefined
    return { id, atMs, signatures: signatures.slice(0, SIGNATURES_MAX), prefix: `${id}.${seconds}.` }
  },
  key: (secret) => strong(Buffer.from(secret.replace(/^whsec_/, ''), 'base64')),
}

/** As Stripe signs: `stripe-signature: t=…,v1=…,v1=…`; the id of the delivery is in its body. */
export const stripeLike: Scheme = {
  name: 'stripe',
  claim(header) {
    const parts = (header('stripe-signature') ?? '').split(',').map((part) => part.trim().split('=', 2))
    const valuesOf = (name: string): string[] => parts.flatMap(([key, value = '']) => (key === name ? value : []))
    const [seconds, ...more] = valuesOf('t')
    const signatures = valuesOf('v1').flatMap((one) => bytes(one, 'hex'))
    const atMs = instant(seconds)
    if (atMs === undefined || more.length > 0 || signatures.length === 0) return undefined
    return { id: undefined, atMs, signatures: signatures.slice(0, SIGNATURES_MAX), prefix: `${seconds}.` }
  },
  key: (secret) => strong(Buffer.from(secret, 'utf8')),
}

/** True where one of the keys has signed these bytes. Every key and signature is looked at, so that time tells nothing. */
export function isSigned({ prefix, signatures }: Claim, body: Uint8Array, keys: readonly Buffer[]): boolean {
  let found = false
  for (const key of keys) {
    const expected = createHmac('sha256', key).update(prefix, 'utf8').update(body).digest()
    for (const one of signatures) if (one.length === expected.length && timingSafeEqual(one, expected)) found = true
  }
  return found
}

/** Seconds since 1970, as digits; undefined for anything else. */
function instant(seconds: string | undefined): number | undefined {
  return seconds !== undefined && /^\d{1,12}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

function bytes(text: string, encoding: 'base64' | 'hex'): Buffer[] {
  const read = Buffer.from(text, encoding)
  return read.length === 32 ? [read] : []
}

function strong(key: Buffer): Buffer | undefined {
  return key.length >= KEY_BYTES_MIN ? key : undefined
}
