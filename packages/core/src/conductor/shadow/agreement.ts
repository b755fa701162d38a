/**
 * Agreement: what a run in shadow would have done beside what was really done: matched by subject and time, compared field
 * by field. Pure.
 *
 * J1. An act counts once: each would-have effect has at most one counterpart, and each counterpart one effect.
 * J2. Material fields decide. Without any, all fields do.
 *     What was erased of either is not known any more, and is held against nobody.
 * J3. What has no counterpart counts, too, once its window is over: proposed though nobody did it, done though not proposed.
 */
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { GONE } from '../../memory/gone.ts'

/** Something that was really done: by an effect, or by a person's own hand. */
export interface Act {
  readonly ref: string
  readonly action: string
  readonly input: Json
  readonly subjects: readonly string[]
  /** It names neither an intent nor an entity: it is about nothing but its input. */
  readonly loose?: boolean
  readonly at: number
  readonly by: string
}

export interface FieldPair {
  readonly field: string
  readonly would: Json
  readonly did: Json
  readonly agrees: boolean
  readonly material: boolean
}

export interface Comparing {
  readonly windowMs: number
  /** Share by which amounts may differ. */
  readonly tolerance: number
}

interface Asked {
  readonly id: string
  readonly action: string
  readonly input: Json
  readonly subjects: readonly string[]
  readonly loose?: boolean
  readonly at: number
}

/** What two are matched by, round by round. */
type Keys = (one: Asked | Act) => readonly string[]

const ROUNDS: readonly Keys[] = [
  ({ subjects }) => subjects.slice(0, 1),
  ({ subjects }) => subjects,
  ({ input }) => [canonical(input)],
]

/** What agrees is looked for among so many of the nearest. */
const ALIKE_MAX = 50

/**
 * For each of `woulds`, in their order, its counterpart: the nearest in time of the same action and subject, and before that the nearest
 * that is `alike`. What it is about in the first place, its intent where it has one, goes before what it only rests on, such as a
 * customer of many invoices. Last, where one of two names nothing that it is about, the very same input is the same deed.
 */
export function matched<W extends Asked>(
  woulds: readonly W[],
  acts: readonly Act[],
  windowMs: number,
  alike?: (would: W, act: Act) => boolean,
): Map<string, Act> {
  const found = chosen(woulds, acts, windowMs, alike)
  return new Map([...found].map(([would, act]) => [would.id, act]))
}

/** The same the other way round, of one act: which of `woulds` it is the counterpart of. */
export function proposalOf<W extends Asked>(
  act: Act,
  woulds: readonly W[],
  windowMs: number,
  alike: (would: W, act: Act) => boolean,
): W | undefined {
  return chosen([act], woulds, windowMs, (own, would) => alike(would, own)).get(act)
}

/** Each of `some`, in their order, with one of `others` that nobody before it has chosen. */
function chosen<A extends Asked | Act, B extends Asked | Act>(
  some: readonly A[],
  others: readonly B[],
  windowMs: number,
  alike?: (one: A, other: B) => boolean,
): Map<A, B> {
  const inOrder = [...some].sort((a, b) => a.at - b.at || (nameOf(a) < nameOf(b) ? -1 : 1))
  const used = new Set<B>()
  const found = new Map<A, B>()
  for (const sides of ROUNDS) {
    const byKey = byKeys(others, sides)
    const free = (one: A): B[] =>
      sides(one)
        .flatMap((key) => byKey.get(`${one.action} ${key}`) ?? [])
        .filter((other) => !used.has(other) && Math.abs(other.at - one.at) <= windowMs)
        .filter((other) => sides !== ROUNDS.at(-1) || one.loose === true || other.loose === true)
        .sort((a, b) => Math.abs(a.at - one.at) - Math.abs(b.at - one.at) || (nameOf(a) < nameOf(b) ? -1 : 1))
    const choose = (choice: (one: A) => B | undefined): void => {
      for (const one of inOrder) {
        const other = found.has(one) ? undefined : choice(one)
        if (other === undefined) continue
        used.add(other)
        found.set(one, other)
      }
    }
    if (alike !== undefined) choose((one) => free(one).slice(0, ALIKE_MAX).find((other) => alike(one, other))) // prettier-ignore
    choose((one) => free(one)[0])
  }
  return found
}

function byKeys<B extends Asked | Act>(others: readonly B[], sides: Keys): Map<string, B[]> {
  const byKey = new Map<string, B[]>()
  for (const other of others)
    for (const side of sides(other)) {
      const key = `${other.action} ${side}`
      const known = byKey.get(key)
      if (known === undefined) byKey.set(key, [other])
      else known.push(other)
    }
  return byKey
}

function nameOf(one: Asked | Act): string {
  return 'ref' in one ? one.ref : one.id
}

/** Two inputs of one action, field by field. */
export function fieldsOf(would: Json, did: Json, material: readonly string[], tolerance: number): FieldPair[] {
  const a = record(would)
  const b = record(did)
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().map((field) => ({
    field,
    would: a[field] ?? null,
    did: b[field] ?? null,
    agrees: isAlike(a[field] ?? null, b[field] ?? null, tolerance),
    material: material.length === 0 || material.includes(field),
  }))
}

export function agrees(fields: readonly FieldPair[]): boolean {
  return fields.every((one) => one.agrees || !one.material)
}

/** The same of two inputs at once: of what decides alone, texts last, and no further than the first that differs. */
export function agree(would: Json, did: Json, material: readonly string[], tolerance: number): boolean {
  const a = record(would)
  const b = record(did)
  const all = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  const deciding = all.filter((field) => material.length === 0 || material.includes(field))
  const [texts, others] = [deciding.filter((field) => isText(a[field])), deciding.filter((field) => !isText(a[field]))]
  return [...others, ...texts].every((field) => isAlike(a[field] ?? null, b[field] ?? null, tolerance))
}

function isText(value: Json | undefined): boolean {
  return typeof value === 'string' && isProse(value)
}

/**
 * Ids, enums, dates and short texts exactly; numbers within the tolerance; longer texts when four fifths of them are the same. Where blanks
 * stand, whatever stood there.
 */
export function isAlike(a: Json, b: Json, tolerance: number): boolean {
  if (canonical(a) === canonical(b)) return true
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))
  if (typeof a === 'string' && typeof b === 'string')
    return fits(a, b) || fits(b, a) || (isProse(a) && isProse(b) && similarity(a, b) >= 0.8)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = record(a)
  const right = record(b)
  const fields = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...fields].every((field) => isAlike(left[field] ?? null, right[field] ?? null, tolerance))
}

/** Whether `text` may be what `blank` was before something of it was erased. */
function fits(blank: string, text: string): boolean {
  const [start = '', ...rest] = blank.split(GONE)
  const end = rest.pop()
  if (end === undefined || !text.startsWith(start)) return false
  let from = start.length
  for (const part of rest) {
    const at = text.indexOf(part, from)
    if (at < 0) return false
    from = at + part.length
  }
  return text.length >= from + end.length && text.endsWith(end)
}

/**
 * Share of word pairs that two texts have in common, in [0, 1].
 *
 * Source: L. R. Dice, "Measures of the Amount of Ecologic Association Between Species", Ecology 26 (1945), over pairs of words.
 */
export function similarity(a: string, b: string): number {
  const left = pairsOf(a)
  const right = pairsOf(b)
  const counts = new Map<string, number>()
  for (const pair of left) counts.set(pair, (counts.get(pair) ?? 0) + 1)
  let common = 0
  for (const pair of right) {
    const n = counts.get(pair) ?? 0
    if (n === 0) continue
    counts.set(pair, n - 1)
    common++
  }
  return (2 * common) / Math.max(1, left.length + right.length)
}

function pairsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return words.map((word, i) => `${words[i - 1] ?? ''} ${word}`)
}

function isProse(text: string): boolean {
  return text.trim().split(/\s+/).length >= 4
}

function record(value: Json): Record<string, Json> {
  return typeof value === 'object' && value !== null ? (value as Record<string, Json>) : { value }
}
