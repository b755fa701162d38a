/** Traces: where a text still stands: entries, records, mail, files. Reads all of a workspace; erasing is rare. */
import type { Json } from '../../base/value.ts'
import { artifactsIn } from '../../journal/artifact.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { RecordRow, RunQuery, RunRow } from '../../journal/store.ts'
import type { Put } from '../../journal/put.ts'
import { putsOf } from '../../journal/records.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { GONE } from '../../memory/gone.ts'
import { KEY_RECORD, MEMORY_RECORD, STANDS_RECORD, type Place } from '../../memory/unit.ts'
import type { Desk } from './desk.ts'
import { ENTITIES, parted, proposes, type Staying } from './own.ts'

export interface Traces {
  /** Entries whose payload may go. */
  readonly entries: readonly Placed[]
  /** Records in which the text is put out. */
  readonly records: readonly RecordRow[]
  /** Those that keep it. */
  readonly staying: readonly Staying[]
  /** Runs that ended, and say it of how. */
  readonly ended: readonly RunRow[]
  /** Streams of open runs that hold it. */
  readonly open: readonly string[]
  /** Runs with unread mail that holds it. */
  readonly mail: readonly string[]
  /** Hashes of artifacts in whose bytes it stands. */
  readonly artifacts: readonly string[]
  /** By text, where it stays for now: so that it is known again when that can be taken. */
  readonly finds: ReadonlyMap<string, readonly Find[]>
  /** Hashes of artifacts that open runs have written. */
  readonly inUse: ReadonlySet<string>
  /** Keys of memories that no entry which stays holds. */
  readonly freed: ReadonlySet<string>
}

/** A place without the hash of what stands there. */
export type Find = { readonly [K in keyof Place]: Place[K] }

/** Places of one text that are kept in mind: of each stream, of each kind of records, and of the entities that hold it, one of each. */
const FINDS_MAX = 20
const ENTITIES_MAX = 200

const PAGE = 1000
/** Kinds of records that no entry puts. */
const UNPUT = ['snapshot']

/** What is looked for. */
export interface Sought {
  /** Anywhere, as parts of texts. */
  readonly texts: readonly string[]
  readonly memories: ReadonlySet<string>
  /** Change sets that wrote them whose texts are too short to be looked for: found by where they must stand. */
  readonly sets: ReadonlySet<string>
  /** Files by name, whatever they say. */
  readonly files: ReadonlySet<string>
  /** Under which memories stood: hashes of what they said. */
  readonly keys: ReadonlySet<string>
  /** What effects were given, and what came back, stays. */
  readonly keepEffects?: boolean | undefined
  /** Entities of which something is sought wherever it stands. */
  readonly entities?: {
    /** A record of one of them: the head, a line, a name. */
    readonly isOwn: (kind: string, id: string, data: Json) => boolean
    /** One that holds what is sought. */
    readonly holds: (put: Put) => boolean
    /** What a run has read, and holds it. */
    readonly isRead: (payload: string) => boolean
  }
}

/**
 * Everything that holds one of the texts, or puts one of the memories, or what proposed them, or an entity. Runs are read before and after:
 * one that began meanwhile, or ended, and of which something was found, counts as open.
 */
export async function traces(desk: Desk, sought: Sought): Promise<Traces> {
  const { texts, sets, entities } = sought
  const look = lookFor(texts)
  const before = new Set((await runsOf(desk, { state: 'open' })).map(({ id }) => id))
  const says = (kind: string, data: string): boolean => kind !== STANDS_RECORD && look.holds(data)
  const { held, kinds, files } = await entriesWith(desk, sought, look)
  const records = await recordsWith(desk, kinds, ({ kind, id, data }) => {
    if (entities?.isOwn(kind, id, JSON.parse(data) as Json) === true) return false
    return says(kind, data) || (sets.size > 0 && proposes(kind, id, JSON.parse(data) as Json, sets))
  })
  const all = await runsOf(desk, {}, ({ id, status }) => before.has(id) || look.holds(status))
  const isOpen = ({ id, state }: RunRow): boolean => state !== 'settled' || before.has(id)
  const [runs, ended] = [all.filter(isOpen), all.filter((one) => !isOpen(one))]
  const openStreams = new Set(runs.map(({ stream }) => stream))
  const { entries, open, freed } = dividedBy(openStreams, held, sought, look)
  const mail = await mailWith(desk, runs, look)
  const { staying, going } = partedBy(desk, records, runs, sought, look)
  const artifacts = await filesWith(desk, new Set(files.keys()), sought, look)
  const isInUse = (streams: ReadonlySet<string>): boolean => [...streams].some((stream) => openStreams.has(stream))
  const inUse = new Set([...files].flatMap(([sha256, streams]) => (isInUse(streams) ? [sha256] : [])))
  const finds = look.finds()
  return { entries, records: going, staying, ended, open: [...open], mail, artifacts, inUse, freed, finds }
}

/** An entry that holds what is sought, or keys that are made of it. */
interface Held {
  readonly entry: Placed & { readonly payload: string }
  readonly keys: readonly string[]
  readonly isFound: boolean
}

/** Those, and of all entries the kinds of records that they put, and the files that they name, each with the streams that do. */
async function entriesWith(
  desk: Desk,
  sought: Sought,
  look: Looking,
): Promise<{ held: Held[]; kinds: Set<string>; files: Map<string, Set<string>> }> {
  const held: Held[] = []
  const kinds = new Set<string>(UNPUT)
  const files = new Map<string, Set<string>>()
  for await (const entry of allEntries(desk)) {
    const puts = putsOf(entry)
    for (const { kind } of puts) kinds.add(kind)
    for (const sha256 of artifactsIn(entry)) files.set(sha256, (files.get(sha256) ?? new Set()).add(entry.stream))
    const { payload } = entry
    if (payload === null) continue
    const keys = keysIn(payload, sought.keys)
    const isFound = isIn(payload, puts, sought, look) || (keys.length > 0 && !namesFiles(entry))
    if (isFound || keys.length > 0) held.push({ entry: { ...entry, payload }, keys, isFound })
  }
  return { held, kinds, files }
}

/** Those whose payload goes, and what those that stay keep. */
function dividedBy(
  openStreams: ReadonlySet<string>,
  held: readonly Held[],
  sought: Sought,
  look: Looking,
): { entries: Placed[]; open: Set<string>; freed: Set<string> } {
  const entries: Placed[] = []
  const open = new Set<string>()
  const freed = new Set(sought.keys)
  for (const { entry, keys, isFound } of held) {
    const { payload, stream, seq } = entry
    const isOpen = openStreams.has(stream)
    // What was pruned is told by hashes and ids alone, and must stay told.
    if (isFound && entry.kind !== 'stream.pruned' && !isOpen) {
      entries.push(entry)
      continue
    }
    for (const key of keys) freed.delete(key)
    if (!isFound || !isOpen) continue
    open.add(stream)
    look.note(payload, (from) => ({ stream, seq, from }))
  }
  return { entries, open, freed }
}

/** Those that it is put out of, and those that keep it, which is noted. */
function partedBy(
  { env }: Desk,
  records: readonly RecordRow[],
  runs: readonly RunRow[],
  { texts, keepEffects = false }: Sought,
  look: Looking,
): ReturnType<typeof parted> {
  const running = new Set(runs.map(({ id }) => id))
  const found = parted(records, { texts, keepEffects, running, now: env.clock.now() })
  // The id of a name says which name it is; its entity has it, too.
  for (const { kind, id, data } of found.staying.map(({ row }) => row))
    if (kind !== 'alias') look.note(data, () => ({ record: { kind, id } }))
  return found
}

/** Looks for texts as they stand in JSON, and keeps in mind where they stay. */
interface Looking {
  readonly holds: (json: string) => boolean
  readonly note: (json: string, place: (from: number) => Omit<Find, 'length'>) => void
  readonly found: (text: string, find: Find) => void
  readonly finds: () => Traces['finds']
}

/** Those that are taken one by one are known one by one; of the others a few will do to know the text again. */
function roomFor({ stream, record, run, file }: Find): { among: string; of: string; most: number } {
  if (record === undefined) {
    const among = JSON.stringify([stream, run, file])
    return { among, of: '', most: stream === undefined ? 1 : FINDS_MAX }
  }
  const { kind, id } = record
  if (!ENTITIES.has(kind)) return { among: kind, of: '', most: FINDS_MAX }
  return { among: kind, of: kind === 'ref' ? id : ownerOf(id), most: ENTITIES_MAX }
}

/** As `type/id`. */
function ownerOf(id: string): string {
  return id.split('/', 2).join('/')
}

function lookFor(texts: readonly string[]): Looking {
  const needles = texts.map((text) => ({ text, needle: JSON.stringify(text).slice(1, -1) }))
  const finds = new Map<string, Map<string, { of: string; find: Find }[]>>()
  const found = (text: string, find: Find): void => {
    const { among, of, most } = roomFor(find)
    const all = finds.get(text) ?? new Map<string, { of: string; find: Find }[]>()
    finds.set(text, all)
    const known = all.get(among) ?? []
    all.set(among, known)
    if (of !== '' && known.some((one) => one.of === of)) return
    // The newest records: older ones may be pruned.
    if (known.length === most && find.record !== undefined) known.shift()
    if (known.length < most) known.push({ of, find })
  }
  return {
    holds: (json) => needles.some(({ needle }) => json.includes(needle)),
    note(json, place) {
      for (const { text, needle } of needles) {
        const from = json.indexOf(needle)
        if (from >= 0) found(text, { ...place(from), length: needle.length })
      }
    },
    found,
    finds: () => new Map([...finds].map(([text, all]) => [text, [...all.values()].flat().map(({ find }) => find)])),
  }
}

function isIn(
  payload: string,
  puts: readonly Put[],
  { memories, sets, entities }: Sought,
  { holds }: Looking,
): boolean {
  const isOf = ({ kind, id, data }: Put): boolean =>
    (kind === MEMORY_RECORD && memories.has(id) && !isTomb(data)) ||
    (kind === 'timeline' && isLineOf(memories, data)) ||
    proposes(kind, id, data, sets)
  if (holds(payload) || puts.some(isOf)) return true
  return entities !== undefined && (puts.some(entities.holds) || entities.isRead(payload))
}

const KEY = /(?<![\w-])[\w-]{32}(?![\w-])/g

function keysIn(payload: string, keys: ReadonlySet<string>): string[] {
  if (keys.size === 0 || !payload.includes(KEY_RECORD)) return []
  return [...payload.matchAll(KEY)].map(([key]) => key).filter((key) => keys.has(key))
}

/** Only it says which files were erased: they are not to come back. */
function namesFiles(entry: Entry): boolean {
  return entry.kind === 'memory.erased' && (dataOf(entry as Entry & { kind: 'memory.erased' }).files ?? []).length > 0
}

/** The line of a record that one of them was noted in, as it stood. */
function isLineOf(memories: ReadonlySet<string>, data: Json): boolean {
  const { memory, what } = (data ?? {}) as Partial<TimelineEvent>
  return memory !== undefined && memories.has(memory) && what !== GONE
}

/** It says nothing more, and who erased it stays told. */
function isTomb(data: Json): boolean {
  return (data as { erased?: Json } | null)?.erased !== undefined
}

async function mailWith({ env, workspace }: Desk, runs: readonly RunRow[], look: Looking): Promise<string[]> {
  const mail = new Set<string>()
  for (const { id: run } of runs)
    for (const { payload } of await env.store.mail({ workspace, run }, 0)) {
      if (look.holds(payload)) mail.add(run)
      look.note(payload, () => ({ run }))
    }
  return [...mail]
}

/** Those that are open, and of those that ended the ones that are wanted. */
async function runsOf(
  { env, workspace }: Desk,
  which: Pick<RunQuery, 'state'>,
  isWanted: (run: RunRow) => boolean = () => false,
): Promise<RunRow[]> {
  const found: RunRow[] = []
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { ...which, after, limit: PAGE })
    found.push(...rows.filter((row) => row.state !== 'settled' || isWanted(row)))
    if (rows.length < PAGE) return found
    after = rows.at(-1)!.order
  }
}

/** Those that hold it as it is. What is packed or of another encoding is not looked into. */
async function filesWith(
  { env, workspace }: Desk,
  files: ReadonlySet<string>,
  { texts, files: named }: Sought,
  look: Looking,
): Promise<string[]> {
  const found: string[] = []
  for (const sha256 of files) {
    const bytes = await env.store.getArtifact(workspace, sha256)
    if (bytes === undefined) continue
    const held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const said = texts.filter((text) => held.includes(text))
    if (named.has(sha256) || said.length > 0) found.push(sha256)
    for (const text of said)
      look.found(text, { file: sha256, from: held.indexOf(text), length: Buffer.byteLength(text) })
  }
  return found
}

async function* allEntries({ env, workspace }: Desk): AsyncGenerator<Placed> {
  for (let after = 0; ;) {
    const page = await env.store.tail(workspace, after, PAGE)
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.position
  }
}

async function recordsWith(
  { env, workspace }: Desk,
  kinds: ReadonlySet<string>,
  isWanted: (row: RecordRow) => boolean,
): Promise<RecordRow[]> {
  const found: RecordRow[] = []
  for (const kind of kinds)
    for await (const row of pagesOf(env.store, workspace, { kind })) if (isWanted(row)) found.push(row)
  return found
}
