/**
 * Bench: the memories that one change set touches, while it is made: read once, changed in place, written together.
 *
 * The versions that were read travel with the writes, so a set that was made of old records conflicts and is made anew.
 */
import type { Put } from '../journal/put.ts'
import type { RecordQuery, RecordRow } from '../journal/store.ts'
import { hasKey, KEY_RECORD, keyOf, keyPut, MEMORY_RECORD, memoryPut, type End, type MemoryRecord } from './unit.ts'

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

  constructor(look: Look) {
    this.#look = look
  }

  /** Reads ahead what is not held yet. */
  async load(ids: readonly string[], keys: readonly string[]): Promise<void> {
    for (const row of await this.#rows(KEY_RECORD, keys, this.#keys)) {
      const { open } = JSON.parse(row.data) as { open: string | null }
      this.#keys.set(row.id, { version: row.version, value: open, changed: false })
    }
    for (const key of keys) if (!this.#keys.has(key)) this.#keys.set(key, { version: 0, value: null, changed: false })
    const open = keys.flatMap((key) => this.#keys.get(key)!.value ?? [])
    const wanted = [...ids, ...open]
    for (const row of await this.#rows(MEMORY_RECORD, wanted, this.#memories))
      this.#memories.set(row.id, { version: row.version, value: JSON.parse(row.data) as MemoryRecord, changed: false })
    for (const id of wanted)
      if (!this.#memories.has(id)) this.#memories.set(id, { version: 0, value: undefined, changed: false })
  }

  async memory(id: string): Promise<MemoryRecord | undefined> {
    if (!this.#memories.has(id)) await this.load([id], [])
    return this.#memories.get(id)!.value
  }

  /** The memory that stands under a key. */
  async open(key: string): Promise<MemoryRecord | undefined> {
    if (!this.#keys.has(key)) await this.load([], [key])
    const id = this.#keys.get(key)!.value
    const record = id === null ? undefined : await this.memory(id)
    if (record !== undefined) hasKey(record, key)
    return record
  }

  /** Puts a record in place of what is held under its id, and gives it its key or takes it. */
  async set(record: MemoryRecord, stands: boolean): Promise<void> {
    await this.memory(record.id)
    const held = this.#memories.get(record.id)!
    held.value = record
    held.changed = true
    if (record.kind === 'event') return
    const key = keyOf(record)
    await this.open(key)
    const under = this.#keys.get(key)!
    const next = stands ? record.id : under.value === record.id ? null : under.value
    if (next === under.value) return
    under.value = next
    under.changed = true
  }

  async end(record: MemoryRecord, end: End): Promise<void> {
    const ended = { ...record, ends: [...record.ends, end] }
    if (record.kind !== 'event') hasKey(ended, keyOf(record))
    await this.set(ended, false)
  }

  puts(): Put[] {
    const memories = [...this.#memories.values()].filter(({ changed }) => changed)
    const keys = [...this.#keys].filter(([, { changed }]) => changed)
    return [
      ...memories.map(({ value, version }) => memoryPut(value!, version + 1)),
      ...keys.map(([key, { value, version }]) => keyPut(key, value, version + 1)),
    ]
  }

  async #rows(kind: string, ids: readonly string[], held: ReadonlyMap<string, unknown>): Promise<RecordRow[]> {
    const missing = [...new Set(ids)].filter((id) => !held.has(id))
    const rows: RecordRow[] = []
    for (let at = 0; at < missing.length; at += PAGE) {
      const page = missing.slice(at, at + PAGE)
      rows.push(...(await this.#look({ kind, ids: page, limit: page.length })))
    }
    return rows
  }
}
