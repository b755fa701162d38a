/** Hash: sha-256 over text, plain and keyed, as base64url (43 characters). */
import { createHash, createHmac, hash } from 'node:crypto'

export function sha256(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** Of two texts behind one another. What is long is not copied for it. */
export function sha256Of(text: string, more: string): string {
  if (more.length < 10_000) return sha256(text + more)
  return createHash('sha256').update(text).update(more).digest('base64url')
}

/** Of bytes, in hex: how artifacts are named. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** Keyed hash: hides low-entropy values (an address, a name) from whoever lacks the key. */
export function keyedHash(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

/** A text's place among all hashes, in [0, 1): the same for the same text, and each place as likely as any other. */
export function shareOf(text: string): number {
  return hash('sha256', text, 'buffer').readUInt32BE(0) / 2 ** 32
}
