/**
 * Change: what is written to memory, as sets that are proposed, applied, rejected, reverted.
 *
 * C1. Every write belongs to a set with a source. Nothing is lost: ends are added, and undone by a later set; what is
 *     amended keeps what was before.
 * C2. What no person decides may add, and may close only the same functional (scope, subject, predicate) of no higher
 *     authority. All else is returned as what must be proposed.
 * C3. The inverse of a set restores what stood: the same memories under the same ids.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { sha256 } from '../base/hash.ts'
import type { Labels } from '../base/labels.ts'
import { canonical } from '../base/json.ts'
import { assertAllTerms, assertLists, termsFrom, type Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import { asksIndex } from './asks.ts'
import type { Bench } from './bench.ts'
import { newEvent, newMemory, type NewEvent, type NewMemory, type Writing } from './input.ts'
import { instantOf, pastOf } from './instant.ts'
import { keeping, type Kept } from './kept.ts'
import { isSame, mayNotClose, placeOf } from './supersede.ts'
import { known, stale, standing } from './standing.ts'
import { amended, endOf, type Load, type MemoryRecord, type Source } from './unit.ts'

/** One thing that a set does. */
export type ChangeOp =
  | {
      readonly op: 'add'
      readonly memory: NewMemory
      /** These go: corrected by one, merged of several. */ readonly replaces?: readonly string[]
    }
  | { readonly op: 'event'; readonly event: NewEvent }
  | {
      readonly op: 'close'
      readonly id: string
      /** Since when it no longer holds. Default now. */ readonly at?: string
    }
  | { readonly op: 'forget'; readonly id: string; readonly graceMs?: number }
  | { readonly op: 'expire'; readonly id: string; readonly graceMs?: number }
  | { readonly op: 'restore'; readonly id: string }
  | { readonly op: 'amend'; readonly id: string; readonly set: Amendment }

export interface Amendment {
  readonly pinned?: boolean
  readonly load?: Load
  /** null: no longer. */
  readonly expiresAt?: string | null
  readonly confidence?: number
  readonly sensitivity?: number
  /** In place of those before; null: none. */
  readonly terms?: Terms | null
}

/** What became of one op. */
export interface Remembered {
  /** The memory that says it now; of a proposal, '' until it is applied. */
  readonly id: string
  /** `known`: the same was remembered already; nothing was written. */
  readonly status: 'applied' | 'known' | 'proposed'
  readonly superseded?: string
  /** The set to which it belongs, or by which it is proposed. */
  readonly changeSet?: string
  /** Why it must be proposed. */
  readonly why?: string
}

/** One change as it happened, with what its inverse needs. */
export type Change =
  | { readonly did: 'added'; readonly id: string }
  | { readonly did: 'ended'; readonly id: string }
  | { readonly did: 'reopened'; readonly id: string }
  | {
      readonly did: 'amended'
      readonly id: string
      readonly before: { readonly [field: string]: Json }
      /** What it made of them. Sets of older releases do not say. */
      readonly after?: { readonly [field: string]: Json }
    }
  | EntityWritten

/** An entity got this version. What was changed stands in its history. */
export interface EntityWritten {
  readonly did: 'written'
  /** `type/id`. */
  readonly id: string
  readonly version: number
  readonly what: string
}

export function writtenIn({ changes }: Pick<ChangeSetRecord, 'changes'>): EntityWritten[] {
  return changes.filter((change) => change.did === 'written')
}

/** Names an entity in the index of sets that are about it. */
export function aboutField(entity: string): string {
  return `entity:${entity}`
}

export interface ChangeSetRecord {
  readonly id: string
  readonly status: 'proposed' | 'applied' | 'rejected' | 'reverted'
  readonly source: Source
  readonly reason: string
  readonly createdAt: number
  /** Of a proposal: what it would do. Gone once it was decided, or erased. */
  readonly ops?: readonly ChangeOp[]
  /** What each of these ops keeps of a memory that is taken over; gone with them. */
  readonly kept?: readonly Kept[]
  /** The scope of ops that name none. */
  readonly scope: string
  readonly changes: readonly Change[]
  readonly decidedBy?: Actor
  readonly decidedAt?: number
  readonly why?: string
  /** Sets that this one takes back. */
  readonly reverts?: readonly string[]
  /** The set that took this one back. Sets of older releases do not say. */
  readonly revertedBy?: string
  /** The entities that these have written, of one that is proposed. */
  readonly asks?: readonly string[]
  /** What it is a part of: the pieces of one import. */
  readonly group?: string
  /** The inbox item by which it is decided. */
  readonly item?: string
  /** What all that it writes is to be taken for. */
  readonly labels?: Labels
  /** What it was learned from: see learn.ts. */
  readonly learned?: Json
}

export const CHANGE_SET_RECORD = 'change-set'

export function changeSetPut(set: ChangeSetRecord, version: number): Put {
  const { source, group } = set
  return {
    kind: CHANGE_SET_RECORD,
    id: set.id,
    version,
    data: set as unknown as Json,
    index: {
      all: '1',
      status: set.status,
      actor: source.by.id,
      ...(source.run === undefined ? {} : { run: source.run }),
      ...(group === undefined ? {} : { group }),
      ...(set.learned === undefined ? {} : { learned: '1' }),
      ...Object.fromEntries(writtenIn(set).map(({ id }) => [aboutField(id), ''])),
      ...asksIndex(set),
    },
    sort: 'position',
  }
}

export interface Applying extends Writing {
  /** A person writes it, or has approved it. */
  readonly decided: boolean
  readonly newId: (at: number) => string
  /** What op `at` keeps of a memory that is taken over from elsewhere: it may close no more than its authority lets it. */
  readonly kept?: ((at: number) => Kept | undefined) | undefined
  /** Is told of each op that can no longer be done, because a memory stands no more, and of why: the others are done. */
  readonly onStale?: (op: ChangeOp, why: KeelsonError) => void
}

export interface Applied {
  readonly results: readonly Remembered[]
  readonly changes: readonly Change[]
  /** What must be proposed, of a set that nobody decided. */
  readonly wider: readonly ChangeOp[]
}

/** In the bin so long, unless said otherwise. */
export const GRACE_MS = 30 * 86_400_000

/** Does `ops` on the bench. */
export async function applyOps(bench: Bench, ops: readonly ChangeOp[], applying: Applying): Promise<Applied> {
  const made = ops.map((op, at) => madeOf(op, at, applying))
  const records = made.filter((record) => record !== undefined)
  await bench.load(namedIn(ops), records)
  await assertTermsIn(bench, ops)
  const results: Remembered[] = []
  const changes: Change[] = []
  const wider: ChangeOp[] = []
  for (const [at, op] of ops.entries()) {
    const why = applying.decided ? undefined : needsPerson(op)
    const result =
      why === undefined ? tried(bench, op, made[at], applying, changes) : { id: '', status: 'proposed' as const, why }
    if (result.status === 'proposed') wider.push(op)
    results.push(result)
  }
  return { results, changes, wider }
}

/** Throws as `applyOps` does where these would carry terms that are not in use: before somebody is asked about them. */
export async function assertProposable(bench: Bench, ops: readonly ChangeOp[]): Promise<void> {
  await bench.load(namedIn(ops))
  await assertTermsIn(bench, ops)
}

/** Memories that they replace, end or amend. */
export function namedIn(ops: readonly ChangeOp[]): string[] {
  return ops.flatMap((op) => ('id' in op ? [op.id] : op.op === 'add' ? (op.replaces ?? []) : []))
}

/** `TAXONOMY_UNKNOWN`; what is replaced or amended may have carried a term before. Without terms, no look-up. */
async function assertTermsIn(bench: Bench, ops: readonly ChangeOp[]): Promise<void> {
  const sorted = ops.flatMap((op) => {
    const terms = op.op === 'add' ? op.memory.terms : op.op === 'amend' ? (op.set.terms ?? undefined) : undefined
    return terms === undefined ? [] : [{ terms, named: namedIn([op]) }]
  })
  for (const { terms } of sorted) assertLists(terms)
  if (sorted.length === 0) return
  const taxonomy = await bench.taxonomy()
  for (const { terms, named } of sorted) {
    const before = named.flatMap((id) => bench.memory(id)?.terms ?? [])
    assertAllTerms(taxonomy, named.length === 1 ? `memory "${named[0]}"` : 'a memory', terms, before)
  }
}

function recordOf(op: ChangeOp, at: number, applying: Applying): MemoryRecord | undefined {
  if (op.op === 'event') return newEvent(op.event, eventId(op.event, applying) ?? applying.newId(at), at, applying)
  if (op.op !== 'add') return undefined
  const record = newMemory(op.memory, applying.newId(at), applying)
  // What a person has approved is that person's word.
  return applying.decided ? { ...record, authority: 'operator' } : record
}

/** Of one that is taken over: what it keeps. */
function madeOf(op: ChangeOp, at: number, applying: Applying): MemoryRecord | undefined {
  const record = recordOf(op, at, applying)
  const kept = applying.kept?.(at)
  return record === undefined || kept === undefined ? record : keeping(record, kept)
}

/** The same id in the same scope is the same event. */
function eventId({ id, scope }: NewEvent, applying: Applying): string | undefined {
  return id === undefined ? undefined : `evt_${sha256(canonical([scope ?? applying.scope, id])).slice(0, 24)}`
}

function needsPerson(op: ChangeOp): string | undefined {
  if (op.op === 'event') return undefined
  if (op.op !== 'add') return `to ${op.op} a memory is decided by a person`
  if ((op.replaces?.length ?? 0) > 0) return 'to replace memories is decided by a person'
  const { kind, load } = op.memory
  if (kind === 'rule' || load === 'always') return 'what is always loaded is decided by a person'
  return undefined
}

/** An op is done whole or not at all: what it needs is looked at first. */
function tried(
  bench: Bench,
  op: ChangeOp,
  record: MemoryRecord | undefined,
  applying: Applying,
  changes: Change[],
): Remembered {
  try {
    return applyOne(bench, op, record, applying, changes)
  } catch (thrown) {
    if (applying.onStale === undefined || !KeelsonError.is(thrown, 'MEMORY_STALE')) throw thrown
    applying.onStale(op, thrown)
    return { id: 'id' in op ? op.id : '', status: 'known' }
  }
}

function applyOne(
  bench: Bench,
  op: ChangeOp,
  record: MemoryRecord | undefined,
  applying: Applying,
  changes: Change[],
): Remembered {
  const { now, set } = applying
  switch (op.op) {
    case 'event':
      return applyEvent(bench, record!, changes)
    case 'add':
      return applyAdd(bench, replacing(bench, op.replaces ?? [], record!, applying, changes), applying, changes)
    case 'close':
      return end(bench, op.id, { how: 'closed', to: pastOf(op.at, now), at: now, set }, changes)
    case 'forget':
    case 'expire': {
      const how = op.op === 'forget' ? 'forgotten' : 'expired'
      return end(bench, op.id, { how, at: now, set, until: now + (op.graceMs ?? GRACE_MS) }, changes)
    }
    case 'restore':
      return restore(bench, op.id, now, changes)
    case 'amend':
      return amend(bench, op.id, op.set, now, changes)
    default:
      return op satisfies never
  }
}

/** What takes the place of others ends them, and is pinned where one of them was. */
function replacing(
  bench: Bench,
  ids: readonly string[],
  record: MemoryRecord,
  { now, set }: Applying,
  changes: Change[],
): MemoryRecord {
  const how = ids.length === 1 ? 'corrected' : 'merged'
  let pinned = false
  const gone = new Set(ids)
  for (const id of gone) standing(bench, id)
  for (const id of gone) {
    pinned ||= bench.memory(id)?.pinned === true
    end(bench, id, { how, at: now, set, by: record.id }, changes)
  }
  return pinned ? { ...record, pinned } : record
}

function applyEvent(bench: Bench, record: MemoryRecord, changes: Change[]): Remembered {
  if (bench.memory(record.id) !== undefined) return { id: record.id, status: 'known' }
  bench.set(record, true)
  changes.push({ did: 'added', id: record.id })
  return { id: record.id, status: 'applied' }
}

function applyAdd(bench: Bench, record: MemoryRecord, { now, set, decided }: Applying, changes: Change[]): Remembered {
  const made = bench.memory(record.id)
  if (made !== undefined) return { id: record.id, status: 'known' }
  const old = bench.open(record)
  if (old !== undefined && isSame(old, record)) return { id: old.id, status: 'known' }
  const place = placeOf(bench, record, old)
  const isSure = decided && record.authority === 'operator'
  const strong = isSure ? undefined : [old, place?.prior].find((one) => one !== undefined && mayNotClose(record, one))
  if (strong !== undefined) {
    const { id, pinned, authority } = strong
    const why = `it contradicts ${id}, which ${pinned === true ? 'is pinned' : `is the word of ${authority}`}`
    return { id: '', status: 'proposed', why }
  }
  if (place !== undefined) {
    const { to, prior } = place
    if (prior !== undefined) {
      bench.end(prior, { at: now, by: record.id, how: 'closed', set, to: record.from })
      changes.push({ did: 'ended', id: prior.id })
    }
    bench.set(to === undefined ? record : { ...record, to }, to === undefined || 'earlier')
    changes.push({ did: 'added', id: record.id })
    return { id: record.id, status: 'applied' }
  }
  if (old !== undefined) {
    // In the order in which it is stored.
    bench.end(old, { at: now, by: record.id, how: 'closed', set, to: record.from })
    changes.push({ did: 'ended', id: old.id })
  }
  bench.set(record, true)
  changes.push({ did: 'added', id: record.id })
  return { id: record.id, status: 'applied', ...(old === undefined ? {} : { superseded: old.id }) }
}

function end(bench: Bench, id: string, given: MemoryRecord['ends'][number], changes: Change[]): Remembered {
  const record = standing(bench, id)
  bench.end(record, given)
  changes.push({ did: 'ended', id })
  return { id, status: 'applied' }
}

function restore(bench: Bench, id: string, now: number, changes: Change[]): Remembered {
  const record = known(bench, id)
  const last = endOf(record)
  if (last === undefined) return { id, status: 'known' }
  if (record.erased !== undefined || last.until === undefined || last.until < now)
    throw stale(id, `it is ${last.how}, not in the bin`)
  const other = bench.standsFor(record)
  if (other !== undefined && (record.to ?? Infinity) > other.from) throw stale(id, `${other.id} has taken its place`)
  bench.reopen(record, last.set, now)
  changes.push({ did: 'reopened', id })
  return { id, status: 'applied' }
}

function amend(bench: Bench, id: string, set: Amendment, now: number, changes: Change[]): Remembered {
  const given = Object.entries(set) as [keyof Amendment, Json][]
  const next = Object.fromEntries(
    given.map(([field, value]) => [field, field === 'expiresAt' || field === 'terms' ? AMENDED[field](value) : value]),
  )
  const record = amended(standing(bench, id), next, now)
  const { before } = record.amends!.at(-1)!
  const after = Object.fromEntries(Object.entries(next).map(([field, value]) => [field, value ?? null]))
  bench.amend(record)
  changes.push({ did: 'amended', id, before, after })
  return { id, status: 'applied' }
}

/** Fields that can be taken away, by null. */
const AMENDED = {
  expiresAt: (value: Json) => (value === null ? undefined : instantOf(value as string)),
  terms: (value: Json) => termsFrom((value ?? {}) as Terms) as Json | undefined,
}
