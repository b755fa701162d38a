/**
 * Agreement: what a run in shadow would have done beside what was really done: matched by subject and time, compared field
 * by field. Pure.
 *
 * J1. An act counts once: each would-have effect has at most one counterpart, and each counterpart one effect.
 * J2. Material fields decide. Without any, all fields do.
 * J3. What has no counterpart counts, too, once its window is over: proposed though nobody did it, done though not proposed.
 */
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'

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

/**
 * For each of `woulds`, in their order, its counterpart: the nearest in time of the same action and subject. What it is about in the
 * first place, its intent where it has one, goes before what it only rests on, such as a customer of many invoices. Last, where one of
 * two names nothing that it is about, the very same input is the same deed.
 */
export function matched<W extends Asked>(
  woulds: readonly W[],
  acts: readonly Act[],
  windowMs: number,
): Map<string, Act> {
  const inOrder = [...woulds].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  const used = new Set<string>()
  const found = new Map<string, Act>()
  const rounds: Keys[] = [
    ({ subjects }) => subjects.slice(0, 1),
    ({ subjects }) => subjects,
    ({ input }) => [canonical(input)],
  ]
  for (const sides of rounds) {
    const last = sides === rounds.at(-1)
    const byKey = new Map<string, Act[]>()
    for (const act of acts)
      for (const subject of sides(act)) {
        const key = `${act.action} ${subject}`
        byKey.set(key, [...(byKey.get(key) ?? []), act])
      }
    for (const would of inOrder) {
      if (found.has(would.id)) continue
      const near = sides(would)
        .flatMap((subject) => byKey.get(`${would.action} ${subject}`) ?? [])
        .filter((act) => !used.has(act.ref) && Math.abs(act.at - would.at) <= windowMs)
        .filter((act) => !last || would.loose === true || act.loose === true)
        .sort((a, b) => Math.abs(a.at - would.at) - Math.abs(b.at - would.at) || (a.ref < b.ref ? -1 : 1))[0]
      if (near === undefined) continue
      used.add(near.ref)
      found.set(would.id, near)
    }
  }
  return found
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

/** Ids, enums, dates and short texts exactly; numbers within the tolerance; longer texts when four fifths of them are the same. */
export function isAlike(a: Json, b: Json, tolerance: number): boolean {
  if (canonical(a) === canonical(b)) return true
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))
  if (typeof a === 'string' && typeof b === 'string') return isProse(a) && isProse(b) && similarity(a, b) >= 0.8
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = record(a)
  const right = record(b)
  const fields = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...fields].every((field) => isAlike(left[field] ?? null, right[field] ?? null, tolerance))
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
