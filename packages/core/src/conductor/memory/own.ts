/**
 * Own: which records an erasure takes a text out of, and why others keep it.
 *
 * O1. What waits for an answer is shown as it will execute, and an effect that has not ended is in the journals of open runs as well:
 *     these keep it until they have ended.
 *     A standing approval keeps it as long as it answers.
 * O2. Of an effect that has ended, what it was given and what came back is put out, and that it was done stays: so it is not done
 *     again. Where it needs for something else what went, that says so, and is not done with blanks. An event that was sent is heard
 *     all the same, by what leads to it. What runs in shadow would have done is as what was done. A file stays found by its hash.
 */
import { canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import { sortToPut } from '../../journal/records.ts'
import type { RecordRow } from '../../journal/store.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { CHANGE_SET_RECORD } from '../../memory/change-set.ts'
import { without } from '../../memory/gone.ts'
import { KEY_RECORD, MEMORY_RECORD } from '../../memory/unit.ts'
import type { Grant } from '../../policy/grant.ts'
import { ERASABLE, type EffectRecord } from '../effect/ledger.ts'
import type { ItemRecord } from '../item.ts'
import type { Would } from '../shadow/would.ts'
import { entityOf } from './entity-sets.ts'

/** Records that memory itself, and people's decisions, made of a text. */
const OWN = new Set([MEMORY_RECORD, KEY_RECORD, CHANGE_SET_RECORD, 'inbox', 'memory-context', 'lesson', 'overlay'])

/** Of which only these parts go: that it was, and what leads to it, stays. */
const PARTS: { readonly [kind: string]: readonly string[] | undefined } = {
  effect: ERASABLE,
  event: ['payload'],
  deed: ['input'],
  grant: ['where'],
  would: ['input', 'output', 'reason', 'because'],
  artifact: ['name', 'origin'],
}

export const IN_USE = 'its run is open: erase again when it has ended'

/** Kinds of records in which entities say it: their own erasures take it. */
export const ENTITIES: ReadonlySet<string> = new Set(['entity', 'timeline', 'snapshot', 'alias', 'ref'])

/** A record that keeps a text, and why. */
export interface Staying {
  readonly row: RecordRow
  readonly why: string
}

interface Taking {
  readonly texts: readonly string[]
  readonly keepEffects: boolean
  /** Runs that have not ended. */
  readonly running: ReadonlySet<string>
  readonly now: number
}

/** Of records that hold a text, those that it is put out of, and those in which it stays; one may be both. */
export function parted(rows: readonly RecordRow[], taking: Taking): { going: RecordRow[]; staying: Staying[] } {
  const going: RecordRow[] = []
  const staying: Staying[] = []
  for (const row of rows) {
    const kept = whyKept(row, taking)
    if (kept === undefined) going.push(row)
    const why = kept ?? whySaid(row, taking)
    if (why !== undefined) staying.push({ row, why })
  }
  return { going, staying }
}

/** O1. Why it stays as it is. */
function whyKept({ kind, id, data }: RecordRow, { keepEffects, running, now }: Taking): string | undefined {
  if (kind === 'effect') {
    if ((JSON.parse(data) as EffectRecord).state === 'open') return 'it has not ended: erase again when it has'
    return keepEffects ? 'what effects were given, and what came back, is kept: without keepEffects it goes' : undefined
  }
  if (kind === 'grant') {
    const { revoked, until } = JSON.parse(data) as Grant
    return !revoked && until > now ? 'it answers for what it names: revoke it, and erase again' : undefined
  }
  // It ends with what waits.
  if (kind === 'wait') return IN_USE
  if (kind === 'would') {
    const { run, root } = JSON.parse(data) as Would
    return running.has(run) || running.has(root) ? IN_USE : undefined
  }
  if (kind === 'inbox') {
    const { state, run } = JSON.parse(data) as ItemRecord
    return state === 'open' && running.has(run) ? 'it waits for an answer: erase again when that has come' : undefined
  }
  // What was noted is no part of what the record holds, or held.
  if (
    OWN.has(kind) ||
    isLessened(kind) ||
    (kind === 'timeline' && (JSON.parse(data) as TimelineEvent).version === undefined)
  )
    return undefined
  if (ENTITIES.has(kind)) return entityLeft(entityOf(id).type)
  return `a record of another kind (${kind}) says it: no erasure takes it`
}

/** By which an item leads to who waits for its answer, and that to it. */
const LEADING: ReadonlySet<string> = new Set(['run', 'onBehalfOf', 'key'])

/** Of a record, or of its index, what stays whatever it says: it is an id. */
export function idsIn<V extends Json>(kind: string, value: { readonly [part: string]: V }): { [part: string]: V } {
  const parts = kind === 'inbox' ? Object.entries(value) : []
  return Object.fromEntries(parts.filter(([part]) => LEADING.has(part)))
}

/** O2. Why it still says it behind that. */
function whySaid(row: RecordRow, { texts }: Taking): string | undefined {
  const data = JSON.parse(row.data) as { readonly [part: string]: Json }
  if (PARTS[row.kind] === undefined && row.kind !== 'inbox') return undefined
  const json = canonicalAround(row.kind === 'inbox' ? idsIn(row.kind, data) : (lessOf(row, texts) ?? data))
  const isSaid = texts.some((text) => json.includes(JSON.stringify(text).slice(1, -1)))
  return isSaid ? 'an id in it, or the name of a field, says it: no erasure takes it' : undefined
}

/** Changing a field does not do it: what it was before stays in the history. */
export function entityLeft(type: string): string {
  return `an entity says it, now or in its history: entities(${type}, { by }).erase(id) takes it`
}

/** O2. One of which only some parts go, as it stands without the texts; none where they stand in no such part. */
export function lessened(row: RecordRow, texts: readonly string[]): Put | undefined {
  const data = lessOf(row, texts)
  if (data === undefined) return undefined
  const { kind, id, version, index } = row
  return { kind, id, version: version + 1, data, index, sort: sortToPut(kind, row.sort) }
}

export function isLessened(kind: string): boolean {
  return PARTS[kind] !== undefined
}

function lessOf({ kind, data }: RecordRow, texts: readonly string[]): Json | undefined {
  const record = JSON.parse(data) as { readonly [field: string]: Json; readonly erased?: readonly string[] }
  const less = without(pick(record, PARTS[kind]!), texts) as { readonly [part: string]: Json }
  const gone = Object.keys(less).filter((part) => !isSame(less[part], record[part]))
  if (gone.length === 0) return undefined
  // Of an event it is asked by its fields, of an effect by its parts.
  const names = kind === 'event' ? fieldsOf(record['payload'], less['payload']) : gone
  return { ...record, ...less, erased: [...new Set([...(record.erased ?? []), ...names])] }
}

function pick(record: { readonly [field: string]: Json }, parts: readonly string[]): { [part: string]: Json } {
  return Object.fromEntries(parts.flatMap((part) => (record[part] === undefined ? [] : [[part, record[part]]])))
}

function fieldsOf(before: Json | undefined, after: Json | undefined): string[] {
  const [was, is] = [before, after] as unknown as { readonly [field: string]: Json }[]
  return typeof before === 'object' && before !== null
    ? Object.keys(before).filter((field) => !isSame(was![field], is![field]))
    : []
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return canonicalAround(a) === canonicalAround(b)
}

/** A record that holds what one of these sets would write: the set while it waits, and the item that asks about it. */
export function proposes(kind: string, id: string, data: Json, sets: ReadonlySet<string>): boolean {
  if (kind === CHANGE_SET_RECORD) return sets.has(id) && (data as { ops?: Json } | null)?.ops !== undefined
  if (kind !== 'inbox') return false
  const { input } = (data ?? {}) as { input?: { changeSet?: string } | null }
  return input?.changeSet !== undefined && sets.has(input.changeSet)
}
