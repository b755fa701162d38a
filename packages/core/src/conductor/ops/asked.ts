/**
 * Asked: what an operation asked for, as its entry keeps it, so that a replay can tell whether it is asked for again.
 *
 * K1. Keyed: such an entry may hold no text, and stays when one is erased. From a plain hash a guess could be confirmed.
 */
import { keyedHash, sha256 } from '../../base/hash.ts'
import type { Operation, Pass } from '../pass.ts'

/** `older`: as releases before K1 wrote it. */
export type Asked = Required<Pick<Operation<unknown>, 'hash' | 'older'>>

/** The key of the company, once the code begins. */
const secrets = new WeakMap<Pass, string>()

export function hashUnder(pass: Pass, secret: string): void {
  secrets.set(pass, secret)
}

export function secretOf(pass: Pass): string {
  return secrets.get(pass) ?? ''
}

export function askedFor(pass: Pass, what: string): Asked {
  return { hash: keyedHash(secretOf(pass), `asked: ${what}`), older: () => sha256(what) }
}
