/**
 * Library: the segments of a workspace, kept current from the store: by root scope, loaded when first asked for.
 *
 * L1. Before each answer, what was written behind the last look is read: an answer never misses what was committed
 *     before the question, by this process or another.
 * L2. Other roots are not read: their data cost nothing and change no score.
 * L3. Segments are a cache: beyond `unitsMax` the root that was asked for longest ago is dropped.
 */
import { turn } from '../../base/clock.ts'
import type { MemoryStore, RecordRow } from '../../journal/store.ts'
import { isWithin, rootOf } from '../scope.ts'
import { mayHold, MEMORY_RECORD, START, type MemoryRecord, type Authority, type Role } from '../unit.ts'
import { CalledNames } from './called.ts'
import { Room, shared, Share } from './held.ts'
import { Segment, type Indexed } from './segment.ts'

/** What the index keeps of a memory: enough to tell whether it may be found. */
export interface Unit extends Indexed {
  readonly record: Pick<MemoryRecord, (typeof KEPT)[number]>
  /** The same and all else, where there was room for it. */
  readonly held: MemoryRecord | undefined
  /** How long that is, as the store keeps it. */
  readonly length: number
}

const KEPT = [
  ...(['kind', 'subject', 'load', 'role', 'authority', 'sensitivity', 'thread', 'terms'] as const),
  ...(['from', 'to', 'expiresAt', 'recordedAt', 'ends', 'erased'] as const),
] as const

interface Root {
  readonly segments: Map<string, Segment<Unit>>
  readonly scopeOf: Map<string, string>
  readonly held: Share
  live: Cursor | undefined
  past: Cursor
  reading: Promise<void>
  used: number
}

interface Cursor {
  readonly sort: number
  readonly id: string
}

/** A word of the operator counts for more than one of an agent. Whose word an event is, its role says. */
const AUTHORITY: Readonly<Record<Authority, number>> = { operator: 1, import: 0.9, agent: 0.7 }
const ROLES: Readonly<Record<Role, number>> = { operator: 1, external: 0.9, tool: 0.7, agent: 0.4 }

const PAGE = 1000
const UNITS_MAX = 300_000

export class Library {
  readonly #store: MemoryStore
  readonly #workspace: string
  readonly #room: Room
  readonly #roots = new Map<string, Root>()
  #called: CalledNames
  #uses = 0

  constructor(store: MemoryStore, workspace: string, room = new Room()) {
    this.#store = store
    this.#workspace = workspace
    this.#room = room
    this.#called = new CalledNames(store, workspace)
  }

  /** What the entities are called that memories are about. */
  get called(): CalledNames {
    return this.#called
  }

  /** The segments of a scope and of those below it. */
  async segments(scopes: readonly string[]): Promise<Segment<Unit>[]> {
    const found = new Set<Segment<Unit>>()
    for (const name of new Set(scopes.map(rootOf))) {
      const root = await this.#root(name)
      for (const [path, segment] of root.segments)
        if (segment.size > 0 && scopes.some((scope) => isWithin(path, scope))) found.add(segment)
    }
    return [...found]
  }

  /** The segments of just these scopes. */
  async exactly(scopes: readonly string[]): Promise<Segment<Unit>[]> {
    const found: Segment<Unit>[] = []
    for (const scope of scopes) {
      const segment = (await this.#root(rootOf(scope))).segments.get(scope)
      if (segment !== undefined) found.push(segment)
    }
    return found
  }

  /** Forgets all: the next question reads anew. */
  clear(): void {
    for (const name of [...this.#roots.keys()]) this.#forget(name)
    this.#called = new CalledNames(this.#store, this.#workspace)
  }

  async #root(name: string): Promise<Root> {
    let root = this.#roots.get(name)
    if (root === undefined || !this.#store.feeds) {
      this.#forget(name)
      root = {
        segments: new Map(),
        scopeOf: new Map(),
        held: new Share(this.#room),
        live: undefined,
        past: START,
        reading: Promise.resolve(),
        used: 0,
      }
      this.#roots.set(name, root)
    }
    const own = root
    own.used = ++this.#uses
    const read = own.reading.then(() => this.#catchUp(name, own))
    own.reading = read.catch(() => {
      // What was read half is read again.
      if (this.#roots.get(name) === own) this.#forget(name)
    })
    await read
    this.#drop(own)
    return own
  }

  /**
   * L4. What stands and what no longer does are two reads: where something has ended, both are read again, for what took its place may have been
   * written between them. All of it is taken in at once, unless it is much: other questions are answered meanwhile.
   */
  async #catchUp(name: string, root: Root): Promise<void> {
    if (root.live === undefined) {
      // What ended before this look needs no reading: what is live now is all that counts.
      root.past = (await this.#last(`past:${name}`)) ?? START
      root.live = START
    }
    let [live, past] = [root.live, root.past]
    let news: News[] = []
    for (;;) {
      const added = await this.#page(`live:${name}`, live)
      const ended = added.length < PAGE ? await this.#page(`past:${name}`, past) : []
      live = added.at(-1) ?? live
      past = ended.at(-1) ?? past
      for (const row of added) news.push({ row, take: add })
      for (const row of ended) news.push({ row, take: remove })
      const isAll = added.length < PAGE && ended.length === 0
      if (!isAll && news.length < PAGE) continue
      for (const { row, take } of news) take(root, row)
      Object.assign(root, { live, past })
      if (isAll) return
      news = []
      await turn()
    }
  }

  async #last(value: string): Promise<Cursor | undefined> {
    const where = { field: 'in', value }
    const [row] = await this.#store.records(this.#workspace, {
      kind: MEMORY_RECORD,
      where,
      order: 'descending',
      limit: 1,
    })
    return row
  }

  #page(value: string, { sort, id }: Cursor): Promise<readonly RecordRow[]> {
    const where = { field: 'in', value }
    return this.#store.records(this.#workspace, { kind: MEMORY_RECORD, where, after: { sort, id }, limit: PAGE })
  }

  #forget(name: string): void {
    this.#roots.get(name)?.held.leave()
    this.#roots.delete(name)
  }

  #drop(kept: Root): void {
    let units = 0
    for (const { scopeOf } of this.#roots.values()) units += scopeOf.size
    while (units > UNITS_MAX && this.#roots.size > 1) {
      const oldest = [...this.#roots].filter(([, root]) => root !== kept).sort(([, a], [, b]) => a.used - b.used)[0]!
      units -= oldest[1].scopeOf.size
      this.#forget(oldest[0])
    }
  }
}

/** Segments of records that were read otherwise: of what held at another time. */
export function segmentsOf(records: Iterable<MemoryRecord>): Segment<Unit>[] {
  const segments = new Map<string, Segment<Unit>>()
  for (const record of records) segmentIn(segments, record.scope).add(unitOf(record, 0), record.text)
  return [...segments.values()]
}

function segmentIn(segments: Map<string, Segment<Unit>>, scope: string): Segment<Unit> {
  const segment = segments.get(scope) ?? new Segment<Unit>()
  segments.set(scope, segment)
  return segment
}

/** A row that was read, and what is made of it. */
interface News {
  readonly row: RecordRow
  readonly take: typeof add | typeof remove
}

function add(root: Root, { data }: RecordRow): void {
  const record = JSON.parse(data) as MemoryRecord
  if (!mayHold(record)) return
  const length = root.held.take(data.length)
  const segment = segmentIn(root.segments, record.scope)
  const size = root.scopeOf.size
  root.scopeOf.set(record.id, record.scope)
  // Most are new: that is seen without looking for them.
  if (root.scopeOf.size > size) segment.addNew(unitOf(record, length), record.text)
  else root.held.give(segment.add(unitOf(record, length), record.text)?.length ?? 0)
}

function remove(root: Root, { id, data }: RecordRow): void {
  const scope = root.scopeOf.get(id)
  if (scope === undefined || mayHold(JSON.parse(data) as MemoryRecord)) return
  const segment = root.segments.get(scope)!
  root.held.give(segment.remove(id)!.length)
  root.scopeOf.delete(id)
  if (segment.size === 0) root.segments.delete(scope)
}

function unitOf(record: MemoryRecord, length: number): Unit {
  const { id, from, thread, ord, speaker, names } = record
  const held = length > 0 ? shared(record) : undefined
  return {
    ...{ id, at: from, record: held ?? kept(record), held, length, always: record.load === 'always' },
    authority: record.role === undefined ? AUTHORITY[record.authority] : ROLES[record.role],
    ...(thread === undefined ? {} : { thread }),
    ...(ord === undefined ? {} : { ord }),
    ...(speaker === undefined ? {} : { speaker }),
    ...(names === undefined ? {} : { about: names }),
    ...(record.subject?.includes('/') === true ? { entity: record.subject } : {}),
  }
}

function kept(record: MemoryRecord): Unit['record'] {
  const found: Record<string, unknown> = {}
  for (const field of KEPT) if (record[field] !== undefined) found[field] = record[field]
  return found as unknown as Unit['record']
}
