/**
 * Held: records of memories that stand in the index beside what is indexed of them, so that what is found is handed out without being
 * looked up: as far as there is room for them.
 *
 * H1. What is held of a record is what was read of it last, and goes when its unit goes: an answer is as of its look at the store (L1).
 * H2. Nobody is handed a part of what is held: parts are shared between records.
 */
import type { Json } from '../../base/value.ts'
import type { Memory, MemoryRecord } from '../unit.ts'

/** Longest record that is held, and how much of all of them, in characters of what the store keeps. */
const RECORD_MAX = 4_000
const ROOM = 100_000_000

/** Characters of the records that are held. */
export interface Room {
  taken: number
}

export function fits(length: number, rooms: Iterable<Room>): boolean {
  if (length > RECORD_MAX) return false
  let taken = length
  for (const room of rooms) taken += room.taken
  return taken <= ROOM
}

/** The same record; parts that it has in common with one before it are that one's. */
export function shared(record: MemoryRecord): MemoryRecord {
  const text = JSON.stringify(record.source)
  if (text !== last.text) last = { text, source: record.source }
  const { ends, evidence } = record
  const parts: Partial<MemoryRecord> = {
    source: last.source,
    ...(ends.length === 0 ? { ends: NONE } : {}),
    ...(evidence.length === 0 ? { evidence: NONE } : {}),
  }
  return Object.assign(record, parts)
}

/** Not the record that it is of: that goes when it is erased. */
let last: { text: string; source: MemoryRecord['source'] } = { text: '', source: {} as MemoryRecord['source'] }
const NONE: readonly never[] = []

/** A memory of its own (H2). */
export function own(memory: Memory): Memory {
  const all = memory as unknown as Record<string, Json | undefined>
  for (const part of ['source', 'evidence', 'value', 'labels', 'terms'])
    if (typeof all[part] === 'object') all[part] = copied(all[part])
  return memory
}

function copied(json: Json): Json {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(copied)
  const copy: Record<string, Json> = {}
  for (const field of Object.keys(json)) copy[field] = copied((json as Record<string, Json>)[field]!)
  return copy
}
