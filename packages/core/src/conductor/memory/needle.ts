/**
 * Needle: finds in a text a part of which no more is known than its length, a keyed hash, and a mark.
 *
 * The mark is sixteen bits of a hash that rolls along a text, so that only one place in 65,536 is looked at more closely. It is keyed,
 * too, and tells of a text no more than those sixteen bits.
 *
 * Source: R. M. Karp and M. O. Rabin, "Efficient randomized pattern-matching algorithms", IBM J. Res. Dev. 31 (1987).
 */
import { keyedHash } from '../../base/hash.ts'

/** By what the hash is multiplied at each step: odd, so that nothing of it is lost. */
function stepOf(secret: string): number {
  return Buffer.from(keyedHash(secret, 'needle: step'), 'base64url').readUInt32BE(0) | 1
}

export function markOf(secret: string, needle: string): number {
  const step = stepOf(secret)
  let hash = 0
  for (let at = 0; at < needle.length; at++) hash = (Math.imul(hash, step) + needle.charCodeAt(at)) | 0
  return hash >>> 16
}

/** The first part of `text` of this length that `isIt`. Without a mark, as places of older releases have none, each part is tried. */
export function partIn(
  text: string,
  { length, mark }: { readonly length: number; readonly mark?: number },
  secret: string,
  isIt: (part: string) => boolean,
): string | undefined {
  const step = stepOf(secret)
  let first = 1
  for (let at = 1; at < length; at++) first = Math.imul(first, step)
  let hash = 0
  for (let end = 1; end <= text.length; end++) {
    const from = end - length
    if (from > 0) hash = (hash - Math.imul(text.charCodeAt(from - 1), first)) | 0
    hash = (Math.imul(hash, step) + text.charCodeAt(end - 1)) | 0
    if (from < 0 || (mark !== undefined && hash >>> 16 !== mark)) continue
    const part = text.slice(from, end)
    if (isIt(part)) return part
  }
  return undefined
}
