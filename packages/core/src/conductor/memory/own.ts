/**
 * Own: which records an erasure takes a text out of, and why others keep it.
 *
 * O1. What waits for an answer is shown as it will execute, and an effect that has not ended is in the journals of open runs as well:
 *     these keep it until they have ended.
 * O2. Of an effect that has ended, what it was given and what came back is put out, and that it was done stays: so it is not done
 *     again. Where it needs for something else what went, that says so, and is not done with blanks.
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
import { ERASABLE, type EffectRecord } from '../effect/ledger.ts'
import type { ItemRecord } from '../item.ts'
import { entityOf } from './entity-sets.ts'

/** Records that memory itself, and people's decisions, made of a text. */
const OWN = new Set([MEMORY_RECORD, KEY_RECORD, CHANGE_SET_RECORD, 'inbox', 'memory-context', 'lesson', 'overlay'])

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
function whyKept({ kind, id, data }: RecordRow, { keepEffects, running }: Taking): string | undefined {
  if (kind === 'effect') {
    if ((JSON.parse(data) as EffectRecord).state === 'open') return 'it has not ended: erase again when it has'
    return keepEffects ? 'what effects were given, and what came back, is kept: without keepEffects it goes' : undefined
  }
  if (kind === 'inbox') {
    const { state, run } = JSON.parse(data) as ItemRecord
    return state === 'open' && running.has(run) ? 'it waits for an answer: erase again when that has come' : undefined
  }
  // What was noted is no part of what the record holds, or held.
  if (OWN.has(kind) || (kind === 'timeline' && (JSON.parse(data) as TimelineEvent).version === undefined))
    return undefined
  if (ENTITIES.has(kind)) return entityLeft(entityOf(id).type)
  return `a record of another kind (${kind}) says it: no erasure takes it`
}

/** O2. Why it still says it behind that. */
function whySaid({ kind, data }: RecordRow, { texts }: Taking): string | undefined {
  const isSaid = kind === 'effect' && says(texts, effectWithout(JSON.parse(data) as EffectRecord, texts))
  return isSaid ? 'an id in it, or the name of a field, says it: no erasure takes it' : undefined
}

/** Changing a field does not do it: what it was before stays in the history. */
export function entityLeft(type: string): string {
  return `an entity says it, now or in its history: entities(${type}, { by }).erase(id) takes it`
}

function says(texts: readonly string[], record: EffectRecord): boolean {
  const json = canonicalAround(record)
  return texts.some((text) => json.includes(JSON.stringify(text).slice(1, -1)))
}

/** An effect that has ended as it stands when the texts are gone, or none where they stand in nothing that goes. */
export function erasedEffect(row: RecordRow, texts: readonly string[]): Put | undefined {
  const before = JSON.parse(row.data) as EffectRecord
  const record = effectWithout(before, texts)
  if (record === before) return undefined
  const { kind, id, version, index } = row
  const data = record as unknown as Json
  return { kind, id, version: version + 1, data, index, sort: sortToPut(kind, row.sort) }
}

/** The very same where nothing goes. */
function effectWithout(record: EffectRecord, texts: readonly string[]): EffectRecord {
  const kept = ERASABLE.map((part) => [part, record[part] as Json | undefined] as const)
  const put = kept.flatMap(([part, value]) => {
    if (value === undefined) return []
    const left = without(value, texts)
    return canonicalAround(left) === canonicalAround(value) ? [] : [[part, left] as const]
  })
  if (put.length === 0) return record
  const erased = [...new Set([...(record.erased ?? []), ...put.map(([part]) => part)])]
  return { ...record, ...(Object.fromEntries(put) as Partial<EffectRecord>), erased }
}

/** A record that holds what one of these sets would write: the set while it waits, and the item that asks about it. */
export function proposes(kind: string, id: string, data: Json, sets: ReadonlySet<string>): boolean {
  if (kind === CHANGE_SET_RECORD) return sets.has(id) && (data as { ops?: Json } | null)?.ops !== undefined
  if (kind !== 'inbox') return false
  const { input } = (data ?? {}) as { input?: { changeSet?: string } | null }
  return input?.changeSet !== undefined && sets.has(input.changeSet)
}
