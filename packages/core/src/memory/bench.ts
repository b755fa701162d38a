/**
 * Bench: the memories that one change set touches, while it is made: read once, changed in place, written together.
 *
 * B1. The versions that were read travel with the writes, so a set that was made of old records conflicts and is made anew.
 * B2. All that is asked for was loaded before, in few look-ups: making a set waits for nothing.
 */
import type { Taxonomy } from '../base/taxonomy.ts'
import type { Put } from '../journal/put.ts'
import type { RecordQuery, RecordRow } from '../journal/store.ts'
import { taxonomyIn, TAXONOMY_QUERY } from './terms.ts'
import {
  isLive,
  isRedacted,
  KEY_RECORD,
  keyOf,
  keyPut,
  MEMORY_RECORD,
  memoryPut,
  START,
  undone,
  type End,
  type MemoryRecord,
} from './unit.ts'

/** How a bench reads: the store's `records`, of one workspace. */
export type Look = (query: RecordQuery) => Promise<readonly RecordRow[]>

interface Held<T> {
  readonly version: number
  value: T
  changed: boolean
}

/** Ids that are asked for at once. */
const PAGE = 500

export class Bench {
  readonly #look: Look
  readonly #memories = new Map<string, Held<MemoryRecord | undefined>>()
  readonly #keys = new Map<string, Held<string | null>>()
  /** Under which key a memory stands or would stand, by its id: what makes the key never changes. */
  readonly #keyOf = new Map<string, string>()

  constructor(look: Look) {
    this.#look = look
  }

  /** Reads memories by their ids, and what stands where they, or new ones, would stand. */
  async load(ids: readonly string[], made: readonly MemoryRecord[] = []): Promise<void> {
    const open = await this.#loadKeys(made)
    await this.#loadMemories([...ids, ...made.map(({ id }) => id), ...open])
    const named = ids.flatMap((id) => this.#memories.get(id)?.value ?? [])
    await this.#loadMemories(await this.#loadKeys(named))
    for (const subject of this.#turnedBack(made, new Set(ids))) await this.#loadSubject(subject)
  }

  /** Rows of another kind, as they stand. */
  async rows(kind: string, ids: readonly string[]): Promise<readonly RecordRow[]> {
    return ids.length === 0 ? [] : this.#look({ kind, ids, limit: ids.length })
  }

  /** The workspace's terms as they stand. */
  async taxonomy(): Promise<Taxonomy> {
    return taxonomyIn(await this.#look(TAXONOMY_QUERY)).value
  }

  memory(id: string): MemoryRecord | undefined {
    return held(this.#memories, id).value
  }

  /** The memory that stands where this one would. */
  open(record: MemoryRecord): MemoryRecord | undefined {
    const key = this.#key(record)
    const id = held(this.#keys, key).value
    const found = id === null ? undefined : this.memory(id)
    return found === undefined || isAway(found, key) ? undefined : found
  }

  /**
   * All that ever stood where this one would, as far as it was loaded: for one that begins before what stands now, or where nothing does
   * any more.
   */
  under(record: MemoryRecord): MemoryRecord[] {
    const key = this.#key(record)
    if (held(this.#keys, key).value === null && !this.#stood(key)) return []
    const all = [...this.#memories.values()].flatMap(({ value }) => value ?? [])
    return all.filter((one) => one.functional === true && one.id !== record.id && this.#key(one) === key)
  }

  /**
   * Puts a record in place of what is held under its id, and gives it its key or takes it. 'earlier': its place is between others; the
   * key is written anew, so that whatever else finds a place there meanwhile conflicts (B1).
   */
  set(record: MemoryRecord, stands: boolean | 'earlier'): void {
    this.amend(record)
    if (record.kind === 'event') return
    const under = held(this.#keys, this.#key(record))
    const next = stands === true ? record.id : under.value === record.id ? null : under.value
    if (next === under.value && stands !== 'earlier') return
    under.value = next
    under.changed = true
  }

  end(record: MemoryRecord, end: End): void {
    this.set({ ...record, ends: [...record.ends, end] }, false)
  }

  /** Undoes the end that a set made. It stands again when no other end is left, and nothing else stands there. */
  reopen(record: MemoryRecord, set: string, now: number): void {
    const again = undone(record, set, now)
    this.set(again, isLive(again) && this.standsFor(record) === undefined)
  }

  /** Another memory that stands where this one would. */
  standsFor(record: MemoryRecord): MemoryRecord | undefined {
    const other = record.kind === 'event' ? undefined : this.open(record)
    return other !== undefined && other.id !== record.id && isLive(other) ? other : undefined
  }

  /** Puts a record in place of what is held under its id; what stands where it does stays. */
  amend(record: MemoryRecord): void {
    const memory = held(this.#memories, record.id)
    memory.value = record
    memory.changed = true
  }

  puts(): Put[] {
    const puts: Put[] = []
    for (const { value, version, changed } of this.#memories.values())
      if (changed) puts.push(memoryPut(value!, version + 1))
    for (const [key, { value, version, changed }] of this.#keys) if (changed) puts.push(keyPut(key, value, version + 1))
    return puts
  }

  /** Subjects of functional facts that begin before what stands by then in their place, or where nothing does by then any more. */
  #turnedBack(made: readonly MemoryRecord[], ending: ReadonlySet<string>): Set<string> {
    const found = new Set<string>()
    const latest = new Map<string, number>()
    for (const record of made) {
      if (record.functional !== true) continue
      const key = this.#key(record)
      const before = latest.get(key)
      const open = before === undefined ? this.open(record) : undefined
      const isOver = open === undefined ? this.#stood(key) : ending.has(open.id)
      const last = before ?? open?.from ?? -Infinity
      if (record.from < last || isOver) found.add(record.subject!)
      latest.set(key, Math.max(last, record.from))
    }
    return found
  }

  /** Has anything stood under this key, though nothing does? */
  #stood(key: string): boolean {
    const { value, version } = held(this.#keys, key)
    return value === null && version > 0
  }

  async #loadSubject(value: string): Promise<void> {
    const query = { kind: MEMORY_RECORD, where: { field: 'subject', value }, limit: PAGE }
    for (let after = START; ;) {
      const rows = await this.#look({ ...query, after })
      for (const { id, data, version } of rows)
        if (!this.#memories.has(id))
          this.#memories.set(id, { version, value: JSON.parse(data) as MemoryRecord, changed: false })
      if (rows.length < PAGE) return
      after = rows.at(-1)!
    }
  }

  #key(record: MemoryRecord): string {
    const known = isRedacted(record) ? undefined : this.#keyOf.get(record.id)
    if (known !== undefined) return known
    const key = keyOf(record)
    this.#keyOf.set(record.id, key)
    return key
  }

  /** Answers the memories that stand under the keys of these. */
  async #loadKeys(records: readonly MemoryRecord[]): Promise<string[]> {
    const keys = records.filter(({ kind }) => kind !== 'event').map((record) => this.#key(record))
    const open: string[] = []
    for (const [key, row] of await this.#rows(KEY_RECORD, keys, this.#keys)) {
      const value = row === undefined ? null : (JSON.parse(row.data) as { open: string | null }).open
      this.#keys.set(key, { version: row?.version ?? 0, value, changed: false })
      if (value === null) continue
      open.push(value)
      this.#keyOf.set(value, key)
    }
    return open
  }

  async #loadMemories(ids: readonly string[]): Promise<void> {
    for (const [id, row] of await this.#rows(MEMORY_RECORD, ids, this.#memories)) {
      const value = row === undefined ? undefined : (JSON.parse(row.data) as MemoryRecord)
      this.#memories.set(id, { version: row?.version ?? 0, value, changed: false })
    }
  }

  /** Those that are not held yet, each with its row. */
  async #rows(
    kind: string,
    ids: readonly string[],
    known: ReadonlyMap<string, unknown>,
  ): Promise<Map<string, RecordRow | undefined>> {
    const rows = new Map<string, RecordRow | undefined>()
    for (const id of ids) if (!known.has(id)) rows.set(id, undefined)
    const missing = [...rows.keys()]
    for (let at = 0; at < missing.length; at += PAGE) {
      const page = missing.slice(at, at + PAGE)
      for (const row of await this.#look({ kind, ids: page, limit: page.length })) rows.set(row.id, row)
    }
    return rows
  }
}

/** What it said when it came to stand there was erased since. */
function isAway(record: MemoryRecord, key: string): boolean {
  return record.erased !== undefined || (isRedacted(record) && keyOf(record) !== key)
}

function held<T>(all: ReadonlyMap<string, Held<T>>, name: string): Held<T> {
  const one = all.get(name)
  if (one === undefined) throw new Error(`the bench was not loaded with ${name}`)
  return one
}
