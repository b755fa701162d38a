/** Known by: keyed hashes that are left of what was erased, by which it is recognised where somebody still has it. */
import { keyedHash } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'

/** What a memory said before a part of it was erased. */
export interface Said {
  /** Keyed, of its text and value. */
  readonly hash: string
  /** Keyed, of what it was about. */
  readonly about?: string
}

export function saidBy(
  secret: string,
  { text, value, subject }: { text: string; value?: Json; subject?: string },
): Said {
  const hash = keyedHash(secret, `${text}\n${canonical(value ?? null)}`)
  return { hash, ...(subject === undefined ? {} : { about: aboutHash(secret, subject) }) }
}

export function aboutHash(secret: string, subject: string): string {
  return keyedHash(secret, `about: ${subject}`)
}

export function threadHash(secret: string, thread: string): string {
  return keyedHash(secret, `thread: ${thread}`)
}
