/**
 * Secrets: what a credential holds, found again in texts that were made with it.
 *
 * An error of a connector may quote what it was called with. Known values are taken out of it, also as they look in an
 * address or in a header; what a connector derives from them in other ways cannot be known here.
 */
import type { StoredError } from './errors.ts'

/** Longest first, so that what holds another is taken out whole. */
export type Secrets = readonly string[]

/** Shorter values are ports and flags, and would be found everywhere. */
const LEAST = 6
/** What says where and who, and is needed to understand an error. */
const PUBLIC: ReadonlySet<string> = new Set([
  ...['host', 'hostname', 'port', 'user', 'username', 'login', 'email', 'from', 'name', 'region', 'account', 'type'],
])
const SAID = '[secret]'

/** Every text in a credential that is not of a public kind, with the ways in which it is written elsewhere. */
export function secretsIn(credential: unknown): Secrets {
  const plain = new Set<string>()
  const bytes = new Set<string>()
  const seen = new Set<unknown>()
  const look = (value: unknown, key = ''): void => {
    if (typeof value === 'string') {
      if (value.length >= LEAST && !PUBLIC.has(key.toLowerCase())) plain.add(value)
    } else if (typeof value === 'object' && value !== null && !seen.has(value)) {
      seen.add(value)
      for (const [name, part] of Object.entries(value)) look(part, name)
    }
  }
  look(credential)
  const { user, pass, username, password } = (credential ?? {}) as { [name: string]: unknown }
  const login = [user ?? username, pass ?? password]
  if (login.every((one) => typeof one === 'string')) {
    bytes.add(login.join(':'))
    bytes.add(`\u0000${login.join('\u0000')}`)
  }
  const written = [...plain].flatMap((value) => [value, ...inAddresses(value.toWellFormed()), ...inJson(value)])
  const coded = [...plain, ...bytes].flatMap((value) =>
    (['base64', 'base64url', 'hex'] as const).map((coding) => Buffer.from(value).toString(coding).replace(/=+$/, '')),
  )
  return [...new Set([...written, ...coded])].sort((a, b) => b.length - a.length)
}

/** In a part of an address, in a whole one, and in a form. */
function inAddresses(value: string): string[] {
  return [encodeURIComponent(value), encodeURI(value), new URLSearchParams([['', value]]).toString().slice(1)]
}

/** In JSON, and in JSON that is a text in JSON: so an error quotes the answer of a server. */
function inJson(value: string): string[] {
  const once = JSON.stringify(value).slice(1, -1)
  return [once, JSON.stringify(once).slice(1, -1)]
}

export function withoutSecrets(secrets: Secrets, error: StoredError): StoredError {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, SAID), value)
    if (Array.isArray(value)) return value.map(clean)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, clean(part)]))
  }
  return clean(error) as StoredError
}
