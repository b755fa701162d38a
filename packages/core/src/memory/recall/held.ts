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

/** How much is held, of all companies that a process serves. */
export class Room {
  readonly #most: number
  #taken = 0

  constructor(most = ROOM) {
    this.#most = most
  }

  has(length: number): boolean {
    return length <= RECORD_MAX && this.#taken + length <= this.#most
  }

  take(length: number): void {
    this.#taken += length
  }
}

/** What is held of one root. */
export class Share {
  readonly #room: Room
  #taken = 0
  #hasLeft = false

  constructor(room: Room) {
    this.#room = room
  }

  /** The length of a record that is held from now on; 0: there is no room for it. */
  take(length: number): number {
    if (this.#hasLeft || !this.#room.has(length)) return 0
    this.#change(length)
    return length
  }

  give(length: number): void {
    if (!this.#hasLeft) this.#change(-length)
  }

  /** All of it is dropped. Who still reads it holds no more. */
  leave(): void {
    this.give(this.#taken)
    this.#hasLeft = true
  }

  #change(by: number): void {
    this.#taken += by
    this.#room.take(by)
  }
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
