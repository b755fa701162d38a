/**
 * Json: the only kind of value that is stored, and its one canonical text.
 *
 * J1. Equal values have equal text: keys sorted by UTF-16 code unit, no white space, -0 as 0.
 * J2. What would change silently on its way through storage is refused with the path of the culprit.
 * J3. Nearly all values are in order: they are written without keeping track of the path. What is not goes a second time,
 *     by the writer that can say where it is wrong. What is found to be sorted already, as all that was stored is, the
 *     engine writes. Where several write, they write the same.
 */
import { KeelsonError } from './errors.ts'
import { aOr } from './known.ts'
import type { Json } from './value.ts'

/** Deepest nesting that is stored. */
export const DEPTH_MAX = 64
/** Longest canonical text of one value, in UTF-16 code units (1 MiB). */
export const TEXT_MAX = 1_048_576

/** Canonical text of `value`. Keys whose value is `undefined` are left out. Throws `VALUE_NOT_STORABLE` naming the path. */
export function canonical(value: unknown): string {
  const text = written(value, DEPTH_MAX, false) ?? carefully(value)
  if (text.length > TEXT_MAX) {
    throw refuse(`is ${text.length} characters long`, [], 'Keep large data as an artifact and store its reference.')
  }
  return text
}

/** Canonical text of what Keelson puts around values that have met their own limits: an entry, a record, a message. */
export function canonicalAround(value: unknown): string {
  const text = written(value, 2 * DEPTH_MAX, true) ?? carefullyAround(value)
  return inOnePiece(text)
}

/**
 * A text that was put together from many is kept as those until a character of it is asked for; what is stored is read
 * more than once. What is asked must count: no text of ours begins so.
 */
function inOnePiece(text: string): string {
  return text.charCodeAt(0) === 0 ? '' : text
}

/** As `canonical`, with a path for what is refused. */
export function carefully(value: unknown): string {
  return write(value, [], { parents: [], deepest: DEPTH_MAX })
}

/** As `canonicalAround`, the same. */
export function carefullyAround(value: unknown): string {
  return write(value, [], { parents: [], deepest: 2 * DEPTH_MAX, around: true })
}

/**
 * Throws `VALUE_NOT_STORABLE` for what `canonical` would refuse, and a schema leaves out without a word: a key `__proto__`. What is no JSON (bytes, a
 * row of a mapper that loads what it is asked for) is a schema's own to read, and nobody else's.
 */
export function assertNoProto(value: unknown, path: Path = [], seen = new Set<object>()): void {
  if (typeof value !== 'object' || value === null || seen.has(value) || path.length > DEPTH_MAX) return
  if (!Array.isArray(value) && !isPlain(value)) return
  seen.add(value)
  if (Object.hasOwn(value, '__proto__')) writeKey('__proto__', [...path, '__proto__'])
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    path.push(key)
    assertNoProto((value as Record<string | number, unknown>)[key], path, seen)
    path.pop()
  }
}

/** Stands for the value of a text that `canonical` wrote, so that what is put around it is written without writing it again. */
export function verbatim(text: string): Json {
  return new Verbatim(text) as unknown as Json
}

class Verbatim {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The value of a canonical text, frozen through and through. */
export function parseStored(text: string): Json {
  return deepFreeze(JSON.parse(text) as Json)
}

/** `value` as code will see it after storage: canonical, parsed, frozen. */
export function stored(value: unknown): Json {
  return parseStored(canonical(value))
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key])
  }
  return value
}

function written(value: unknown, levels: number, around: boolean): string | undefined {
  return isSorted(value, levels) ? JSON.stringify(value) : quick(value, levels, around)
}

/** Is the engine's text of it the canonical one? */
function isSorted(value: unknown, levels: number): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed()
    case 'number':
      return Number.isFinite(value)
    case 'boolean':
      return true
    case 'object':
      if (value === null) return true
      if (levels === 0) return false
      return Array.isArray(value) ? isSortedArray(value, levels) : isSortedRecord(value, levels)
    default:
      return false
  }
}

function isSortedArray(value: readonly unknown[], levels: number): boolean {
  if ('toJSON' in value) return false
  for (let i = 0; i < value.length; i++) if (!isSorted(value[i], levels - 1)) return false
  return true
}

function isSortedRecord(value: object, levels: number): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let before = ''
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key]
    if (before > key || (!KEYS.has(key) && quickKey(key) === undefined)) return false
    if (member !== undefined && !isSorted(member, levels - 1)) return false
    before = key
  }
  return Object.getOwnPropertySymbols(value).length === 0
}

/** The text of a value with at most so many levels; undefined: something about it needs a closer look. */
function quick(value: unknown, levels: number, around: boolean): string | undefined {
  switch (typeof value) {
    case 'string':
      return value.length < SHORT && PLAIN.test(value) ? `"${value}"` : quoted(value)
    case 'number':
      if (!Number.isFinite(value)) return undefined
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (levels === 0) return undefined
      if (Array.isArray(value)) return quickArray(value, levels, around)
      return value instanceof Verbatim && around ? value.text : quickRecord(value, levels, around)
    default:
      return undefined
  }
}

/** Of these characters nothing is escaped. A short text is told sooner by looking at it. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const SHORT = 100

function quoted(text: string): string | undefined {
  return text.isWellFormed() ? JSON.stringify(text) : undefined
}

function quickArray(value: readonly unknown[], levels: number, around: boolean): string | undefined {
  let text = '['
  for (let i = 0; i < value.length; i++) {
    const member = quick(value[i], levels - 1, around)
    if (member === undefined) return undefined
    text += i === 0 ? member : ',' + member
  }
  return text + ']'
}

function quickRecord(value: object, levels: number, around: boolean): string | undefined {
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined
  if (Object.getOwnPropertySymbols(value).length > 0) return undefined
  let text = ''
  for (const key of sortedKeys(value)) {
    const member = (value as Record<string, unknown>)[key]
    if (member === undefined) continue
    const name = KEYS.get(key) ?? quickKey(key)
    const written = name === undefined ? undefined : quick(member, levels - 1, around)
    if (written === undefined) return undefined
    text += text === '' ? name + written : ',' + name + written
  }
  return `{${text}}`
}

type Path = (string | number)[]
type Within = { readonly parents: object[]; readonly deepest: number; readonly around?: boolean }

function write(value: unknown, path: Path, within: Within): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw refuse('holds half of a surrogate pair', path)
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw refuse(`is ${value}`, path)
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      return value === null ? 'null' : writeObject(value, path, within)
    default:
      throw refuse(value === undefined ? 'is undefined' : `is a ${typeof value}`, path)
  }
}

function writeObject(value: object, path: Path, within: Within): string {
  const { parents, deepest } = within
  if (value instanceof Verbatim && within.around === true) return value.text
  if (parents.includes(value)) throw refuse('refers back to itself', path)
  if (parents.length >= deepest) throw refuse(`is nested deeper than ${deepest} levels`, path)
  parents.push(value)
  const text = Array.isArray(value) ? writeArray(value, path, within) : writeRecord(value, path, within)
  parents.pop()
  return text
}

function writeArray(value: readonly unknown[], path: Path, within: Within): string {
  let text = '['
  for (let i = 0; i < value.length; i++) {
    path.push(i)
    text += (i === 0 ? '' : ',') + write(value[i], path, within)
    path.pop()
  }
  return text + ']'
}

function writeRecord(value: object, path: Path, within: Within): string {
  if (!isPlain(value)) {
    if (Object.prototype.toString.call(value) === '[object Promise]') throw refuse('is a promise', path, AWAITED)
    throw refuse(`is ${aOr(value.constructor?.name ?? 'class instance')}`, path)
  }
  let text = '{'
  for (const key of sortedKeys(value)) {
    const member = (value as Record<string, unknown>)[key]
    if (member === undefined) continue
    path.push(key)
    text += (text.length === 1 ? '' : ',') + (KEYS.get(key) ?? writeKey(key, path)) + write(member, path, within)
    path.pop()
  }
  // Last: a member says more of what it is that cannot be stored.
  if (Object.getOwnPropertySymbols(value).length > 0) throw refuse('has a symbol as a key', path)
  return text + '}'
}

export const AWAITED = 'Await it, and give what it came to: an await is missing in front of a call.'

/** Keys are few and come again and again: as they are written, with their colon. */
const KEYS = new Map<string, string>()
const KEYS_MAX = 2_000
const KEY_LENGTH_MAX = 64

function writeKey(key: string, path: Path): string {
  const text = quickKey(key)
  if (text !== undefined) return text
  throw refuse(
    key === '__proto__' ? 'is a key that JavaScript treats specially' : 'is a key that holds half of a surrogate pair',
    path,
  )
}

function quickKey(key: string): string | undefined {
  if (key === '__proto__' || !key.isWellFormed()) return undefined
  const text = `${JSON.stringify(key)}:`
  if (KEYS.size < KEYS_MAX && key.length <= KEY_LENGTH_MAX) KEYS.set(key, text)
  return text
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || isForeignPlain(value, prototype)
}

/** A plain object of another realm (a vm context, a test runner's sandbox). */
function isForeignPlain(value: object, prototype: unknown): boolean {
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.prototype.hasOwnProperty.call(prototype, 'isPrototypeOf') &&
    Object.prototype.toString.call(value) === '[object Object]'
  )
}

const FEW_KEYS = 40

function sortedKeys(value: object): string[] {
  const keys = Object.keys(value)
  if (keys.length > FEW_KEYS) return keys.sort()
  // Few keys, most of them in order: put in their places where they are.
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!
    let at = i
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!
    keys[at] = key
  }
  return keys
}

function refuse(what: string, path: Path, hint?: string): KeelsonError {
  const at = path.reduce<string>((text, part) => text + (typeof part === 'number' ? `[${part}]` : `.${part}`), '$')
  return new KeelsonError('VALUE_NOT_STORABLE', `the value at ${at} ${what}, which cannot be stored`, {
    hint: hint ?? 'Return plain JSON: a Date as ISO text, a Map as an object or array, numbers finite.',
    data: { path: at.toWellFormed() },
  })
}
