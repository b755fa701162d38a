/** Traces: where a text still stands: entries, records, mail, files. Reads all of a workspace; erasing is rare. */
import type { Json } from '../../base/value.ts'
import { artifactsIn } from '../../journal/artifact.ts'
import type { Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { RecordRow, RunRow } from '../../journal/store.ts'
import type { Put } from '../../journal/put.ts'
import { putsOf } from '../../journal/records.ts'
import { CHANGE_SET_RECORD } from '../../memory/change-set.ts'
import { MEMORY_RECORD, type Place } from '../../memory/unit.ts'
import { WORKSPACE_STREAM } from '../company.ts'
import type { Desk } from './desk.ts'

export interface Traces {
  /** Entries whose payload may go. */
  readonly entries: readonly Placed[]
  readonly records: readonly RecordRow[]
  /** Runs that ended, and say it of how. */
  readonly ended: readonly RunRow[]
  /** Streams of open runs that hold it. */
  readonly open: readonly string[]
  /** Runs with unread mail that holds it. */
  readonly mail: readonly string[]
  /** Hashes of artifacts in whose bytes it stands. */
  readonly artifacts: readonly string[]
  /** By text, where an open run's journal has it: so that it is known again when that run has ended. */
  readonly places: ReadonlyMap<string, Place>
  /** Hashes of artifacts that open runs have written. */
  readonly inUse: ReadonlySet<string>
}

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
}

/** Everything that holds one of the texts, or puts one of the memories, or what proposed them. */
export async function traces(desk: Desk, { texts, memories, sets, files: named }: Sought): Promise<Traces> {
  const needles = texts.map((text) => JSON.stringify(text).slice(1, -1))
  const holds = (text: string): boolean => needles.some((needle) => text.includes(needle))
  const isOf = ({ kind, id, data }: Put): boolean =>
    (kind === MEMORY_RECORD && memories.has(id)) || proposes(kind, id, data, sets)
  const all = await runsOf(desk, holds)
  const runs = all.filter(({ state }) => state !== 'settled')
  const ended = all.filter(({ state }) => state === 'settled')
  const openStreams = new Set(runs.map(({ stream }) => stream))
  const entries: Placed[] = []
  const open = new Set<string>()
  const kinds = new Set<string>(UNPUT)
  const files = new Set<string>()
  const inUse = new Set<string>()
  const places = new Map<string, Place>()
  for await (const entry of allEntries(desk)) {
    const puts = putsOf(entry)
    for (const { kind } of puts) kinds.add(kind)
    for (const sha256 of artifactsIn(entry)) {
      files.add(sha256)
      if (openStreams.has(entry.stream)) inUse.add(sha256)
    }
    // What was pruned is told by hashes and ids alone, and must stay told.
    if (entry.payload === null || entry.kind === 'stream.pruned') continue
    if (!holds(entry.payload) && !puts.some(isOf)) continue
    if (entry.stream === WORKSPACE_STREAM || !openStreams.has(entry.stream)) entries.push(entry)
    else {
      open.add(entry.stream)
      for (const [i, needle] of needles.entries()) {
        const from = entry.payload.indexOf(needle)
        const { stream, seq } = entry
        if (from >= 0 && !places.has(texts[i]!)) places.set(texts[i]!, { stream, seq, from, length: needle.length })
      }
    }
  }
  const mail: string[] = []
  for (const run of runs)
    if (
      (await desk.env.store.mail({ workspace: desk.workspace, run: run.id }, 0)).some(({ payload }) => holds(payload))
    )
      mail.push(run.id)
  const records = await recordsWith(
    desk,
    kinds,
    ({ kind, id, data }) => holds(data) || (sets.size > 0 && proposes(kind, id, JSON.parse(data) as Json, sets)),
  )
  return {
    entries,
    records,
    ended,
    open: [...open],
    mail,
    artifacts: await filesWith(desk, { files, texts, named }),
    inUse,
    places,
  }
}

/** A record that holds what one of these sets would write: the set while it waits, and the item that asks about it. */
export function proposes(kind: string, id: string, data: Json, sets: ReadonlySet<string>): boolean {
  if (kind === CHANGE_SET_RECORD) return sets.has(id) && (data as { ops?: Json } | null)?.ops !== undefined
  if (kind !== 'inbox') return false
  const { input } = (data ?? {}) as { input?: { changeSet?: string } | null }
  return input?.changeSet !== undefined && sets.has(input.changeSet)
}

/** Those that are open, and those that ended with it. */
async function runsOf({ env, workspace }: Desk, holds: (text: string) => boolean): Promise<RunRow[]> {
  const found: RunRow[] = []
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { after, limit: PAGE })
    found.push(...rows.filter(({ state, status }) => state !== 'settled' || holds(status)))
    if (rows.length < PAGE) return found
    after = rows.at(-1)!.order
  }
}

/** What stands there, if it still does. */
export async function readAt({ env, workspace }: Desk, place: Place): Promise<string | undefined> {
  const [entry] = await env.store.entries(workspace, place.stream, place.seq - 1, 1)
  if (entry?.seq !== place.seq || entry.payload === null) return undefined
  return JSON.parse(`"${entry.payload.slice(place.from, place.from + place.length)}"`) as string
}

/** Those that hold it as it is. What is packed or of another encoding is not looked into. */
async function filesWith(
  { env, workspace }: Desk,
  { files, texts, named }: { files: ReadonlySet<string>; texts: readonly string[]; named: ReadonlySet<string> },
): Promise<string[]> {
  const found: string[] = []
  for (const sha256 of files) {
    const bytes = await env.store.getArtifact(workspace, sha256)
    if (bytes === undefined) continue
    const held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (named.has(sha256) || texts.some((text) => held.includes(text))) found.push(sha256)
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
