/**
 * Unit: one thing that is remembered, as its record keeps it, and as it is handed out.
 *
 * U1. Text and value of a memory never change: a correction is another memory. What is added are its ends, and what was
 *     before of that which is amended.
 * U2. Two clocks: when it holds in the world (`from`, the `to` of an end) and when it was known here (`recordedAt`, the
 *     `at` of an end and of an amendment, `undoneAt`). So what was known then about any instant can be asked.
 */
import type { Actor } from '../base/actor.ts'
import { keptIn, NO_LABELS, type Labels } from '../base/labels.ts'
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import { GONE } from './gone.ts'
import type { Said } from './known-by.ts'
import { rootOf } from './scope.ts'

/** What a memory is. `event` is episodic; the others are semantic. */
export type MemoryKind = 'event' | 'fact' | 'preference' | 'rule' | 'note' | 'summary' | 'decision'
export const MEMORY_KINDS = ['event', 'fact', 'preference', 'rule', 'note', 'summary', 'decision'] as const
/** Whose word it is. */
export type Authority = 'operator' | 'import' | 'agent'
/** Who said it, of an event. */
export type Role = 'operator' | 'agent' | 'tool' | 'external'
/** `always`: in every context of its scope. `never`: only looked up by name. */
export type Load = 'always' | 'search' | 'never'

/** What a memory rests on: a pointer, never the thing itself. */
export interface Evidence {
  readonly kind: 'memory' | 'entity' | 'run' | 'item' | 'artifact' | 'url'
  readonly id: string
  readonly sha256?: string
}

export interface Source {
  readonly by: Actor
  readonly run?: string
  readonly step?: string
}

/** Why a memory no longer counts. */
export interface End {
  readonly how: 'closed' | 'corrected' | 'forgotten' | 'expired' | 'merged' | 'reverted'
  /** Of one that is closed: since when it no longer holds in the world. */
  readonly to?: number
  /** When that became known here. */
  readonly at: number
  readonly set: string
  /** The memory that took its place. */
  readonly by?: string
  readonly undoneAt?: number
  /** In the bin until then: `restore` brings it back. */
  readonly until?: number
}

export interface MemoryRecord {
  readonly id: string
  readonly scope: string
  readonly kind: MemoryKind
  /** '' once erased. */
  readonly text: string
  readonly value?: Json
  readonly subject?: string
  /** Names under which questions may mention its subject. */
  readonly names?: readonly string[]
  readonly predicate?: string
  /** Only one value of this subject and predicate holds at a time. */
  readonly functional?: boolean
  readonly load: Load
  readonly role?: Role
  readonly speaker?: string
  readonly thread?: string
  readonly ord?: number
  readonly authority: Authority
  readonly confidence?: number
  /** 0 open to all who may read the scope, 3 the most. */
  readonly sensitivity: number
  /** Its text came from outside of the company. */
  readonly outside?: boolean
  /** What it was written from is to be taken for. */
  readonly labels?: Labels
  /** By which words of the workspace's taxonomy it is sorted. */
  readonly terms?: Terms
  readonly from: number
  readonly to?: number
  readonly recordedAt: number
  readonly ends: readonly End[]
  readonly pinned?: boolean
  readonly expiresAt?: number
  /** What was changed of it beside its words, the newest last. */
  readonly amends?: readonly Amended[]
  readonly source: Source
  readonly evidence: readonly Evidence[]
  readonly set: string
  /** A part of what it said was erased: nothing else is the same as it. */
  readonly redacted?: true
  /** What it said before each erasure of a part of it: not to be brought back whole from elsewhere. */
  readonly was?: readonly Said[]
  /** Where its text is no longer: a keyed hash of what it was, and when it went. */
  readonly erased?: {
    readonly at: number
    readonly hash: string
    readonly reason: string
    /** Where it was still said, as earlier releases noted it; now each place is a record of its own. */
    readonly stands?: readonly Place[]
    /** Keyed hashes of what it was about, and of its thread: by them it is found when that is erased again. */
    readonly about?: string
    readonly thread?: string
  }
}

/** Fields of a memory that were changed, and what they held until then; null: nothing. */
export interface Amended {
  readonly at: number
  readonly before: { readonly [field: string]: Json }
}

/** Where a text stands: a part of an entry's payload or of a file; or somewhere in a record, or in what a run was sent. */
export interface Place {
  /** Of an entry. */
  readonly stream?: string
  readonly seq?: number
  readonly record?: { readonly kind: string; readonly id: string }
  /** To which it is on its way. */
  readonly run?: string
  /** By the sha-256 of its bytes. */
  readonly file?: string
  /** In characters; in a file in bytes. */
  readonly from?: number
  readonly length: number
  /** Keyed, of the text: where it stands is not said. */
  readonly hash?: string
  /** Sixteen bits, keyed, of what stands in JSON there: by them it is found soon. */
  readonly mark?: number
}

/** A record that may lack any of its fields. */
export type Loose = { readonly [K in keyof MemoryRecord]?: MemoryRecord[K] | undefined }

/** Without the fields that were set to nothing. */
export function without(record: Loose): MemoryRecord {
  const kept: Record<string, unknown> = {}
  for (const field in record) {
    const value = record[field as keyof MemoryRecord]
    if (value !== undefined) kept[field] = value
  }
  return kept as unknown as MemoryRecord
}

/** A memory as it is handed out. */
export interface Memory {
  readonly id: string
  readonly kind: MemoryKind
  readonly scope: string
  readonly text: string
  readonly value?: Json
  readonly subject?: string
  readonly predicate?: string
  readonly functional: boolean
  readonly load: Load
  readonly role?: Role
  readonly speaker?: string
  readonly thread?: string
  readonly authority: Authority
  readonly confidence?: number
  readonly sensitivity: number
  readonly outside: boolean
  readonly labels?: Labels
  readonly terms?: Terms
  readonly pinned: boolean
  readonly validFrom: string
  readonly validTo?: string
  readonly recordedAt: string
  readonly expiresAt?: string
  readonly status: 'open' | 'closed' | 'retired' | 'bin' | 'erased'
  readonly source: Source
  readonly evidence: readonly Evidence[]
  readonly changeSet: string
}

/** Two clocks: what held at `valid`, as far as it was known at `known`. Default: now, for both. */
export interface AsOf {
  readonly valid?: number
  readonly known?: number
}

/** What a memory is to be taken for: from outside is untrusted, and not open to all is private. */
export function labelsOfMemory(memory: Pick<Memory, 'id' | 'labels' | 'sensitivity'> & { outside?: boolean }): Labels {
  const { id, labels = NO_LABELS, outside, sensitivity } = memory
  const place = `memory ${id}`
  const kept = keptIn(labels, place)
  return {
    ...(outside === true ? { untrusted: kept.untrusted ?? [place] } : {}),
    ...(sensitivity > 0 ? { private: kept.private ?? [place] } : {}),
  }
}

/** The end that counts; of several, the last. */
export function endOf(record: Pick<MemoryRecord, 'ends'>, known = Infinity): End | undefined {
  return record.ends.findLast((end) => end.at <= known && (end.undoneAt === undefined || end.undoneAt > known))
}

/** Without the end that a set made. */
export function undone(record: MemoryRecord, set: string, now: number): MemoryRecord {
  const at = record.ends.findLastIndex((one) => one.set === set && one.undoneAt === undefined)
  return { ...record, ends: record.ends.map((one, i) => (i === at ? { ...one, undoneAt: now } : one)) }
}

/** Does it still stand, as far as the record says? (An instant may yet come at which it no longer does.) */
export function isLive(record: MemoryRecord): boolean {
  return record.erased === undefined && endOf(record) === undefined
}

/** May it still be found now, or at an instant to come? One that ends later holds until then. */
export function mayHold(record: MemoryRecord): boolean {
  const end = endOf(record)
  const later = end?.how === 'closed' && end.to !== undefined && end.to > end.at
  return record.erased === undefined && (end === undefined || later)
}

/** With the fields that it had as far as was known then. */
export function asKnown<R extends Pick<MemoryRecord, 'amends'>>(record: R, known: number): R {
  const later = record.amends?.filter(({ at }) => at > known) ?? []
  if (later.length === 0) return record
  const then = Object.assign({}, ...later.toReversed().map(({ before }) => before)) as Record<string, Json>
  const fields = Object.entries(then).map(([field, value]) => [field, value ?? undefined])
  return without({ ...record, ...(Object.fromEntries(fields) as Loose) }) as unknown as R
}

/** `record` with these fields in place of those before; undefined takes one away. */
export function amended(
  record: MemoryRecord,
  set: { readonly [field: string]: Json | undefined },
  at: number,
): MemoryRecord {
  const held = record as unknown as { readonly [field: string]: Json | undefined }
  const before = Object.fromEntries(Object.keys(set).map((field) => [field, held[field] ?? null]))
  return without({ ...record, ...set, amends: [...(record.amends ?? []), { at, before }] })
}

export function holdsAt(
  record: Pick<MemoryRecord, 'from' | 'to' | 'recordedAt' | 'expiresAt' | 'amends' | 'ends' | 'erased'>,
  valid: number,
  known: number,
): boolean {
  if (record.erased !== undefined || record.recordedAt > known || record.from > valid) return false
  if (record.to !== undefined && valid >= record.to) return false
  const end = endOf(record, known)
  if (end === undefined) {
    const { expiresAt } = asKnown(record, known)
    return expiresAt === undefined || valid < expiresAt
  }
  return end.how === 'closed' && end.to !== undefined && valid < end.to
}

/** `known`: as far as was known by then. */
export function memoryOf(stored: MemoryRecord, now: number, known = Infinity): Memory {
  const record = asKnown(stored, known)
  const end = endOf(record, known)
  const to = end?.how === 'closed' ? end.to : record.to
  const { confidence, expiresAt } = record
  return {
    id: record.id,
    kind: record.kind,
    scope: record.scope,
    text: record.text,
    ...optional(record, OPTIONAL),
    functional: record.functional ?? false,
    load: record.load,
    authority: record.authority,
    ...(confidence === undefined ? {} : { confidence }),
    sensitivity: record.sensitivity,
    outside: record.outside ?? false,
    pinned: record.pinned ?? false,
    validFrom: iso(record.from),
    ...(to === undefined ? {} : { validTo: iso(to) }),
    recordedAt: iso(record.recordedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
    status: statusOf(record, end, Math.min(now, known)),
    source: record.source,
    evidence: record.evidence,
    changeSet: record.set,
  }
}

/** In the bin as long as it can be restored. */
function statusOf(record: MemoryRecord, end: End | undefined, now: number): Memory['status'] {
  if (record.erased !== undefined) return 'erased'
  if (end === undefined) return 'open'
  if (end.how === 'closed') return 'closed'
  return end.until === undefined || end.until < now ? 'retired' : 'bin'
}

const OPTIONAL = ['value', 'subject', 'predicate', 'role', 'speaker', 'thread', 'labels', 'terms'] as const

function optional<K extends keyof MemoryRecord>(record: MemoryRecord, keys: readonly K[]): Pick<MemoryRecord, K> {
  const found: Partial<Pick<MemoryRecord, K>> = {}
  for (const key of keys) if (record[key] !== undefined) found[key] = record[key]
  return found as Pick<MemoryRecord, K>
}

export const MEMORY_RECORD = 'memory'
/** In front of all memories, which stand in the order of their positions. */
export const START = { sort: -1, id: '' }

/** Look-ups: what stands and what no longer does, and what said more once, by root scope, in the order of commits; and by subject. */
export function memoryPut(record: MemoryRecord, version: number): Put {
  const own = { in: `${mayHold(record) ? 'live' : 'past'}:${rootOf(record.scope)}`, ...wasIn(record) }
  return {
    data: record as unknown as Json,
    id: record.id,
    index: { ...own, ...subjectIn(record) },
    kind: MEMORY_RECORD,
    sort: 'position',
    version,
  }
}

export function wasIn({ was, scope }: Pick<MemoryRecord, 'was' | 'scope'>): { was?: string } {
  return was === undefined ? {} : { was: rootOf(scope) }
}

/** What was erased is found by what it was about, and does not say it. */
function subjectIn({ subject, erased }: MemoryRecord): { subject?: string } {
  if (erased !== undefined) return erased.about === undefined ? {} : { subject: `${ERASED}${erased.about}` }
  return subject === undefined ? {} : { subject }
}

export const ERASED = 'erased:'

/** Under which only one memory stands at a time: the functional fact, or the same thing said again. */
export function keyOf(record: MemoryRecord): string {
  return sha256(canonical(standsBy(record))).slice(0, 32)
}

function standsBy(record: MemoryRecord): Json {
  const { id, scope, kind, subject = '', predicate = '', functional, text, value = null, redacted } = record
  if (redacted === true) return ['own', id]
  return functional === true
    ? ['one', scope, subject, predicate]
    : ['same', scope, kind, subject, predicate, text, value]
}

/** Was a part of it erased? One that stands under its subject and predicate all the same is told by its words alone. */
export function isRedacted({ redacted, text }: Pick<MemoryRecord, 'redacted' | 'text'>): boolean {
  return redacted === true || text.includes(GONE)
}

/** Where a text that was erased is still said. */
export const STANDS_RECORD = 'stands'

export const KEY_RECORD = 'memory-key'

/** Which memory stands under a key; null: none any more. */
export function keyPut(key: string, open: string | null, version: number): Put {
  return { data: { open }, id: key, kind: KEY_RECORD, version }
}

const RANKS: Readonly<Record<Authority, number>> = { agent: 1, import: 2, operator: 3 }

/** Does the word of `a` count for less than that of `b`? */
export function yields(a: Authority, b: Authority): boolean {
  return RANKS[a] < RANKS[b]
}

export function authorityOf(by: Actor): Authority {
  return by.kind === 'person' ? 'operator' : by.kind === 'agent' ? 'agent' : 'import'
}

/** What is handed out together was often written together: instants are kept in words for a while. */
function iso(at: number): string {
  const known = INSTANTS.get(at)
  if (known !== undefined) return known
  const text = new Date(at).toISOString()
  if (INSTANTS.size >= INSTANTS_MAX) INSTANTS.clear()
  INSTANTS.set(at, text)
  return text
}

const INSTANTS = new Map<number, string>()
const INSTANTS_MAX = 1_000
