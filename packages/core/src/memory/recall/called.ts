/**
 * Called: what the entities are called that a question may mean: names, aliases and renames of today, kept current from the journal.
 *
 * L1. Without memories about entities nothing is read.
 * L2. An entity goes by the names of those that it was made one with, and they by its own.
 * L3. Before each answer, what was written behind the last look is read: an answer knows every name that was committed
 *     before the question, by this process or another. A record is read when a question first means it, and when it was put again.
 * L4. Behind very many entries nobody runs after: what is kept is read anew.
 */
import type { Placed } from '../../journal/entry.ts'
import { putsOf } from '../../journal/records.ts'
import type { MemoryStore } from '../../journal/store.ts'
import { recordId, type EntityRecord } from '../entity.ts'
import { GONE } from '../gone.ts'
import { nameOf, type Indexed, type Segment } from './segment.ts'
import type { Called } from './factors.ts'

/** What is kept of an entity. */
interface Head {
  readonly names: readonly string[]
  /** The one that it was made one with, which may be one with another since. */
  readonly into: string | undefined
  readonly merged: readonly string[]
}

type Heads = Map<string, Head | undefined>

/** Up to where was read what was put, and what that is; undefined: all that is kept is to be read anew. */
interface Since {
  readonly position: number | undefined
  readonly put: ReadonlySet<string> | undefined
}

const ANEW: Since = { position: undefined, put: undefined }

const PAGE = 500
/** Entries beyond which it is sooner read anew. */
const BEHIND_MAX = 20 * PAGE
const HEADS_MAX = 300_000

export class CalledNames {
  readonly #store: MemoryStore
  readonly #workspace: string
  /** Of all entities that were read; undefined: there is none. */
  #heads: Heads = new Map()
  /** By the entity, for those that were asked about and are there. */
  readonly #called = new Map<string, ReadonlySet<string>>()
  readonly #asked = new Set<string>()
  /** Of each segment, how many entities had come to it when all of them were asked about. */
  #taken = new WeakMap<Segment<Indexed>, number>()
  /** By an entity, those that go by its names, too. */
  readonly #users = new Map<string, Set<string>>()
  /** By a name, the entities that go by it. */
  readonly #holders = new Map<string, Set<string>>()
  /** What was written up to there is in it. */
  #position: number | undefined
  #reading: Promise<void> = Promise.resolve()

  constructor(store: MemoryStore, workspace: string) {
    this.#store = store
    this.#workspace = workspace
  }

  /** What the entities are called that units of these segments are about; undefined where they are about none. */
  async in(segments: readonly Segment<Indexed>[]): Promise<Called | undefined> {
    if (segments.every((segment) => segment.entities().of.size === 0)) return undefined
    const read = this.#reading.then(() => this.#catchUp(segments))
    this.#reading = read.catch(() => {})
    await read
    const isHere = (id: string): boolean => segments.some((segment) => segment.entities().of.has(id))
    return {
      knows: (name) => [...(this.#holders.get(name) ?? [])].some(isHere),
      of: (entity) => this.#called.get(entity),
    }
  }

  /** What was read is forgotten only when what takes its place is there: another question may be asked meanwhile. */
  async #catchUp(segments: readonly Segment<Indexed>[]): Promise<void> {
    const meant = segments.reduce((sum, segment) => sum + segment.entities().of.size, 0)
    const isFull = this.#heads.size > Math.max(HEADS_MAX, 4 * meant)
    const { position, put } = isFull ? ANEW : await this.#putSince()
    const at = position ?? (await this.#end(this.#position ?? 0))
    const stale = put ?? new Set(this.#heads.keys())
    const taken = segments.map((segment) => [segment, segment.entities().added] as const)
    const wanted = new Set<string>()
    for (const [segment, added] of taken)
      if (isFull || this.#taken.get(segment) !== added)
        for (const id of segment.entities().of.keys()) if (isFull || !this.#asked.has(id)) wanted.add(id)
    if (!isFull) for (const id of stale) for (const user of this.#users.get(id) ?? []) wanted.add(user)
    const fresh: Heads = wanted.size === 0 ? new Map<string, Head>() : await this.#read(wanted, stale)
    // From here on, nothing is waited for.
    if (isFull) this.#forget()
    for (const id of stale) this.#heads.delete(id)
    for (const [id, head] of fresh) this.#heads.set(id, head)
    for (const id of wanted) this.#name(id)
    for (const [segment, added] of taken) this.#taken.set(segment, added)
    this.#position = at
  }

  #forget(): void {
    this.#heads = new Map()
    this.#taken = new WeakMap()
    for (const kept of [this.#called, this.#asked, this.#users, this.#holders]) kept.clear()
  }

  /** Entities of those that are kept which were put since the last look. */
  async #putSince(): Promise<Since> {
    const put = new Set<string>()
    if (this.#position === undefined) return { position: undefined, put }
    let position = this.#position
    for (let read = 0; read < BEHIND_MAX; read += PAGE) {
      const page = await this.#store.tail(this.#workspace, position, PAGE)
      for (const id of page.flatMap(entitiesIn)) if (this.#heads.has(id)) put.add(id)
      position = page.at(-1)?.position ?? position
      if (page.length < PAGE) return { position, put }
    }
    return ANEW
  }

  /** Where the last entry stands, or the one before it. */
  async #end(from: number): Promise<number> {
    let [low, high] = [from, Infinity]
    for (let step = PAGE; high - low > 1; step *= 2) {
      const at = high === Infinity ? low + step : Math.floor((low + high) / 2)
      const [entry] = await this.#store.tail(this.#workspace, at, 1)
      if (entry === undefined) high = at
      else low = entry.position
    }
    return low
  }

  /** The records of these, of those that they became, and of those that became one with them. */
  async #read(wanted: ReadonlySet<string>, stale: ReadonlySet<string>): Promise<Heads> {
    const fresh: Heads = new Map()
    const head = (id: string): Head | undefined => (fresh.has(id) ? fresh.get(id) : this.#heads.get(id))
    const read = async (ids: readonly string[]): Promise<Head[]> => {
      const missing = [...new Set(ids)].filter((id) => !fresh.has(id) && (stale.has(id) || !this.#heads.has(id)))
      for (let at = 0; at < missing.length; at += PAGE) {
        const page = missing.slice(at, at + PAGE)
        for (const id of page) fresh.set(id, undefined)
        for (const { id, data } of await this.#store.records(this.#workspace, {
          ...{ kind: 'entity', ids: page, limit: page.length },
        }))
          fresh.set(id, headOf(JSON.parse(data) as EntityRecord))
      }
      return ids.flatMap((id) => head(id) ?? [])
    }
    let last = await read([...wanted])
    const all = [last]
    const seen = new Set(wanted)
    const unseen = (id: string): boolean => !seen.has(id) && seen.add(id).size > 0
    while (last.length > 0) {
      last = await read(last.flatMap(({ into }) => into ?? []).filter(unseen))
      all.push(last)
    }
    await read(all.flat().flatMap(({ merged }) => merged))
    return fresh
  }

  /** It and those that it became, one after another. Records that were read at several instants may lead round in a circle. */
  #line(id: string): Set<string> {
    const line = new Set([id])
    for (
      let next = this.#heads.get(id)?.into;
      next !== undefined && !line.has(next);
      next = this.#heads.get(next)?.into
    )
      line.add(next)
    return line
  }

  #name(id: string): void {
    for (const name of this.#called.get(id) ?? []) {
      const holders = this.#holders.get(name)
      if (holders?.delete(id) === true && holders.size === 0) this.#holders.delete(name)
    }
    this.#called.delete(id)
    this.#asked.add(id)
    const line = [...this.#line(id)]
    const survivor = line.map((one) => this.#heads.get(one)).findLast((head) => head !== undefined)
    const all = new Set([...line, ...(survivor?.merged ?? [])])
    for (const one of all) entryOf(this.#users, one).add(id)
    if (this.#heads.get(id) === undefined) return
    const names = new Set([...all].flatMap((one) => this.#heads.get(one)?.names ?? []))
    for (const name of names) entryOf(this.#holders, name).add(id)
    this.#called.set(id, names)
  }
}

/** Entities that an entry puts, for real or in shadow. */
function entitiesIn(entry: Placed): string[] {
  if (entry.payload?.includes('"kind":"entity"') !== true) return []
  return putsOf(entry).flatMap(({ kind, id, data }) => {
    if (kind === 'entity') return [id]
    const over = kind === 'overlay' ? (data as { kind?: string; id?: string } | null) : null
    return over?.kind === 'entity' && over.id !== undefined ? [over.id] : []
  })
}

function headOf({ type, data, aliases = [], mergedInto, merged = [] }: EntityRecord): Head {
  const names = [data['name'], ...aliases].filter((name): name is string => typeof name === 'string' && name !== GONE)
  return {
    names: names.map((name) => nameOf(name.slice(0, 300))).filter((name) => name !== ''),
    into: mergedInto === undefined ? undefined : recordId(type, mergedInto),
    merged: merged.map((id) => recordId(type, id)),
  }
}

function entryOf(all: Map<string, Set<string>>, key: string): Set<string> {
  const found = all.get(key) ?? new Set<string>()
  all.set(key, found)
  return found
}
