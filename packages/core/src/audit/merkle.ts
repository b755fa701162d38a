/** Merkle: one hash over many texts. */
import { sha256 } from '../base/hash.ts'

/**
 * Root over `texts` in the order of their characters; leaves and nodes are hashed apart, so that neither passes for the
 * other.
 *
 * Source: RFC 6962, section 2.1 (the split at the largest power of two below the count).
 */
export function merkleRoot(texts: readonly string[]): string {
  return rootOf(texts.toSorted().map((text) => sha256(`leaf:${text}`)))
}

function rootOf(leaves: readonly string[]): string {
  if (leaves.length === 0) return sha256('')
  if (leaves.length === 1) return leaves[0]!
  const half = 2 ** Math.floor(Math.log2(leaves.length - 1))
  return sha256(`node:${rootOf(leaves.slice(0, half))}:${rootOf(leaves.slice(half))}`)
}
