/** Ids: the injected source of chance. Core draws no other random value. */
import { randomFillSync, randomUUID } from 'node:crypto'

export interface Ids {
  /** A new unique id. */
  id(): string
  /** A number in [0, 1). */
  random(): number
  /** 16 unguessable bytes as base64url, to salt a payload's hash. */
  salt(): string
}

const SALT = 16
/** Filled again when it is used up: a new one each time would cost more than all that is drawn from it. */
const pool = Buffer.alloc(4096)
let used = pool.length

export const systemIds: Ids = {
  id: () => randomUUID(),
  random: () => Math.random(),
  salt() {
    if (used + SALT > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    used += SALT
    return pool.toString('base64url', used - SALT, used)
  },
}

/**
 * A deterministic stream of numbers in [0, 1) from a text seed.
 *
 * Source: sfc32 seeded by xmur3 (public domain small generators by B. Bryc, "PRNGs", 2019).
 */
export function seeded(seed: string): () => number {
  let h = 1779033703 ^ seed.length
  for (let i = 0; i < seed.length; i++) {
    h = Math.imul(h ^ seed.charCodeAt(i), 3432918353)
    h = (h << 13) | (h >>> 19)
  }
  const next = (): number => {
    h = Math.imul(h ^ (h >>> 16), 2246822507)
    h = Math.imul(h ^ (h >>> 13), 3266489909)
    return (h ^= h >>> 16) >>> 0
  }
  let [a, b, c, d] = [next(), next(), next(), next()]
  return () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4294967296
  }
}
