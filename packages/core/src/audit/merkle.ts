/** Merkle: one hash over where many streams end. */
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Head } from '../journal/entry.ts'

/**
 * Root over stream heads in order of their names; leaves and nodes are hashed apart, so that neither passes for the other.
 *
 * Source: RFC 6962, section 2.1 (the split at the largest power of two below the count).
 */
export function merkleRoot(heads: ReadonlyMap<string, Head>): string {
  const names = [...heads.keys()].sort()
  return rootOf(
    names.map((name) => {
      const { seq, hash } = heads.get(name)!
      return sha256(`leaf:${canonical([name, seq, hash])}`)
    }),
  )
}

function rootOf(leaves: readonly string[]): string {
  if (leaves.length === 0) return sha256('')
  if (leaves.length === 1) return leaves[0]!
  const half = 2 ** Math.floor(Math.log2(leaves.length - 1))
  return sha256(`node:${rootOf(leaves.slice(0, half))}:${rootOf(leaves.slice(half))}`)
}
