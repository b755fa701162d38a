/**
 * Recall: a question to some scopes, answered with memories, scores and reasons.
 *
 * R1. Only what the asker may read is looked at: scope and sensitivity are conditions, never words of a query.
 * R2. `asOf` answers from what held then, as it was known then.
 */
import { KeelsonError } from '../../base/errors.ts'
import { assertLists, carries, type Terms } from '../../base/taxonomy.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { MemoryStore } from '../../journal/store.ts'
import { isWithin, rootOf } from '../scope.ts'
import { subjectOf, type Subject } from '../input.ts'
import {
  asKnown,
  holdsAt,
  MEMORY_RECORD,
  memoryOf,
  START,
  type Memory,
  type MemoryKind,
  type MemoryRecord,
} from '../unit.ts'
import { own } from './held.ts'
import { segmentsOf, type Library, type Unit } from './library.ts'
import type { Parts } from './factors.ts'
import { rank, type Ranked } from './rank.ts'
import type { Doc, Segment } from './segment.ts'

export interface RecallQuery {
  readonly text: string
  /** Only what is about these. */
  readonly about?: readonly Subject[]
  readonly kinds?: readonly MemoryKind[]
  readonly thread?: string
  /** Only what carries each of these. */
  readonly terms?: Terms
  /** Only what was said, or began to hold, in this span; ISO instants. */
  readonly from?: string
  readonly to?: string
  /** Two clocks: what held at `valid`, as far as it was known at `known`; ISO instants. Default now. */
  readonly asOf?: { readonly valid?: string; readonly known?: string }
  /** Default 20, at most 200. */
  readonly limit?: number
}

export interface Recalled {
  readonly memory: Memory
  readonly score: number
  /** What the score is made of. */
  readonly why: RecallWhy
}

export interface RecallWhy extends Parts {
  /** What an embedding adds: its cosine, and the weight that `calibrate` found for it. */
  readonly vector?: { readonly model: string; readonly cosine: number; readonly weight: number; readonly adds: number }
}

/** What an asker may read. */
export interface Reader {
  /** With all that lies below. */
  readonly scopes: readonly string[]
  readonly maxSensitivity: number
}

const LIMIT = 20
const LIMIT_MAX = 200

export interface Asked {
  readonly store: MemoryStore
  readonly workspace: string
  readonly library: Library
  readonly reader: Reader
  readonly now: number
  /** Memories that are not looked at. */
  readonly without?: ReadonlySet<string>
}

/** The best units for a query, without their texts. */
export async function search(
  asked: Asked,
  query: RecallQuery,
  limit = limitOf(query),
): Promise<{ ranked: Ranked<Unit>[]; segments: Segment<Unit>[]; where: (unit: Unit) => boolean }> {
  if (typeof query.text !== 'string')
    throw new KeelsonError('INPUT_INVALID', 'a recall needs a text', {
      hint: 'Pass { text } with what is to be found.',
    })
  const { reader } = asked
  const at = asOfOf(query.asOf, asked.now)
  const now = query.asOf === undefined
  const segments = now ? await asked.library.segments(reader.scopes) : segmentsOf(await heldAt(asked, at))
  const matches = filterOf(query)
  const where = (unit: Unit): boolean => {
    const { record } = unit
    return (
      record.sensitivity <= reader.maxSensitivity &&
      record.load !== 'never' &&
      asked.without?.has(unit.id) !== true &&
      matches(record) &&
      holdsAt(record, at.valid, at.known)
    )
  }
  const called = await asked.library.called.in(segments)
  const ranked = rank(segments, query.text, { limit, where, touch, ...(called === undefined ? {} : { called }) })
  return { ranked, segments, where }
}

/** Looks at what is looked at of units later: them, their records, then what of those stands by itself. */
function touch(docs: readonly (Doc<Unit> | undefined)[], slots: Int32Array, filled: number): number {
  let sum = 0
  for (let at = 0; at < filled; at++) sum += docs[slots[at]!]!.unit.length
  for (let at = 0; at < filled; at++) sum += docs[slots[at]!]!.unit.record.sensitivity
  for (let at = 0; at < filled; at++) {
    const { from, recordedAt } = docs[slots[at]!]!.unit.record
    sum += from + recordedAt
  }
  return sum
}

/** Ranked units with their texts. */
export async function withTexts(
  asked: Asked,
  ranked: readonly (Ranked<Unit> & { why?: RecallWhy })[],
  known?: number,
): Promise<Recalled[]> {
  const records = await recordsFor(asked, ranked)
  return ranked.flatMap(({ score, parts, why = parts }, at) => {
    const record = records[at]
    return record === undefined ? [] : [{ memory: own(memoryOf(record, asked.now, known)), score, why }]
  })
}

/** The records of what was found, in its order: those that are not held are read. */
export async function recordsFor(
  { store, workspace }: Pick<Asked, 'store' | 'workspace'>,
  found: readonly { readonly unit: Unit }[],
): Promise<(MemoryRecord | undefined)[]> {
  const asked = found.flatMap(({ unit }) => (unit.held === undefined ? [unit.id] : []))
  const read = asked.length === 0 ? undefined : await recordsOf(store, workspace, asked)
  return found.map(({ unit }) => unit.held ?? read!.get(unit.id))
}

export async function recordsOf(
  store: MemoryStore,
  workspace: string,
  ids: readonly string[],
): Promise<Map<string, MemoryRecord>> {
  const rows = ids.length === 0 ? [] : await store.records(workspace, { kind: MEMORY_RECORD, ids, limit: ids.length })
  return new Map(rows.map((row) => [row.id, JSON.parse(row.data) as MemoryRecord]))
}

/** All that the reader may read which held at an instant, as it was known then. Reads whole roots. */
export async function heldAt(asked: Asked, at: { valid: number; known: number }): Promise<MemoryRecord[]> {
  const held: MemoryRecord[] = []
  for await (const record of allOf(asked))
    if (record.sensitivity <= asked.reader.maxSensitivity && holdsAt(record, at.valid, at.known))
      held.push(asKnown(record, at.known))
  return held
}

/** Every record of the reader's scopes, whatever became of it. */
export async function* allOf({
  store,
  workspace,
  reader,
}: Pick<Asked, 'store' | 'workspace' | 'reader'>): AsyncGenerator<MemoryRecord> {
  for (const root of new Set(reader.scopes.map(rootOf)))
    for (const state of ['live', 'past']) {
      const where = { field: 'in', value: `${state}:${root}` }
      for await (const { data } of pagesOf(store, workspace, { kind: MEMORY_RECORD, where, after: START })) {
        const record = JSON.parse(data) as MemoryRecord
        if (reader.scopes.some((scope) => isWithin(record.scope, scope))) yield record
      }
    }
}

export function asOfOf(asOf: RecallQuery['asOf'], now: number): { valid: number; known: number } {
  return {
    valid: instantOf(asOf?.valid) ?? now,
    known: instantOf(asOf?.known) ?? (asOf === undefined ? Infinity : now),
  }
}

export function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (!Number.isNaN(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${String(text).slice(0, 60).toWellFormed()}" is no instant`, {
    hint: 'Use ISO 8601, as in "2026-03-01T09:00:00Z".',
  })
}

function limitOf({ limit = LIMIT }: RecallQuery): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return Math.min(limit, LIMIT_MAX)
  throw new KeelsonError('INPUT_INVALID', `${String(limit)} is no limit`, {
    hint: `Use a whole number up to ${LIMIT_MAX}.`,
  })
}

function filterOf(query: Omit<RecallQuery, 'text'>): (record: Unit['record']) => boolean {
  const subjects = query.about === undefined ? undefined : new Set(query.about.map((one) => subjectOf(one).subject))
  const kinds = query.kinds === undefined ? undefined : new Set(query.kinds)
  const [from, to] = [instantOf(query.from) ?? -Infinity, instantOf(query.to) ?? Infinity]
  if (query.terms !== undefined) assertLists(query.terms)
  return (record) =>
    (subjects === undefined || (record.subject !== undefined && subjects.has(record.subject))) &&
    (kinds === undefined || kinds.has(record.kind)) &&
    (query.thread === undefined || record.thread === query.thread) &&
    (query.terms === undefined || carries(record.terms, query.terms)) &&
    record.from >= from &&
    record.from < to
}
