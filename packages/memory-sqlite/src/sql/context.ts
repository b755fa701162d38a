/**
 * Context: what work on one connection shares: its statements, the names it has looked up, and what it changed.
 *
 * K1. What others may change is only remembered by a connection that can tell when another has written, and no longer than
 *     until one has; see `begins`. Any other forgets it as a transaction begins.
 */
import { Roster, young, type Placed, type RunRow } from '@keelson/core/ports'
import { checksum, corrupt } from './checksum.ts'
import type { Queries } from './queries.ts'
import { all, first, run, type Work } from './statement.ts'
import type { RecordsTable, RunsTable } from './tables.ts'

export interface Context {
  readonly q: Queries
  /** Numbers of workspaces and streams never change, so they are looked up once; see `rolledBack`. */
  readonly names: Names
  /** The number in front of the next free one; undefined: not asked yet (K1). */
  last: number | undefined
  /** Numbers of the last runs, by workspace (K1). */
  readonly lastRuns: Map<number, number>
  /** Open runs' rows as they were last written here, by `runName` (K1). */
  readonly runs: Roster<RunsTable>
  /** Where records stand that were read since records were last written here, by workspace and kind (K1); see seen.ts. */
  readonly seen: Map<string, Map<string, Standing | undefined>>
  /** Grows when another connection has written. Undefined: nobody can tell. */
  readonly writesOfOthers: (() => number) | undefined
  /** What the tables of one company lack for more of them: done before another is added, where it has not been done. */
  readonly forSeveral: (() => Work<unknown>) | undefined
  /** What that said when the rest was last known to hold. */
  asOf: number | undefined
  /** Streams that were looked for since this transaction began and were not there, as in `names.streams`; undefined: none was. */
  missing: Set<string> | undefined
  /** All entries of the streams that runs of this transaction began, by number: a claim behind them need not read what was just written. */
  begun: Map<number, readonly Placed[]>
  /** Asks for `last`: positions grow in commit order (S6). */
  readonly lastNumber: (q: Queries) => Work<number>
  /** Runs that moved while nobody held them, or were delivered to, by workspace; told once that is durable. */
  changes: Map<string, Map<string, RunRow | undefined>>
}

export interface Names {
  readonly workspaces: Map<string, number>
  readonly streams: Map<string, number>
  /** The same by its name alone, for the streams that are being written: whose it is, too. */
  readonly places: Map<string, Place>
  readonly streamNames: Map<number, string>
  readonly workspaceNames: Map<number, string>
  /** The last seq of streams that was seen: the stream may have grown since, in another connection. */
  readonly heads: Map<number, number>
}

/** What of a record's row decides how it is written anew. */
export type Standing = Pick<RecordsTable, 'version' | 'sort' | 'fields'>

export interface Place {
  readonly of: string
  readonly workspace: number
  readonly stream: number
}

/** Names are kept up to this many, then looked up again: about a megabyte, however many runs there are. */
const NAMES_MAX = 4_000

/** So many rows of open runs are kept: more than a process leads at once. */
const RUNS_MAX = 2_000

/** What not every connection can tell, or needs. */
type Own = Partial<Pick<Context, 'writesOfOthers' | 'forSeveral'>>

export function createContext(q: Queries, lastNumber: Context['lastNumber'], own: Own = {}): Context {
  const { writesOfOthers, forSeveral } = own
  const names = {
    workspaces: new Map(),
    streams: new Map(),
    places: new Map(),
    streamNames: new Map(),
    workspaceNames: new Map(),
    heads: new Map(),
  }
  return {
    ...{ q, names, lastNumber, writesOfOthers, forSeveral },
    ...{ last: undefined, lastRuns: new Map(), runs: new Roster(), seen: new Map(), asOf: undefined },
    ...{ missing: undefined, begun: new Map(), changes: new Map() },
  }
}

/** As a transaction begins, or a read that may use what is remembered: forgets what others may have changed since the last (K1). */
export function begins(context: Context): void {
  context.missing = undefined
  if (context.begun.size > 0) context.begun = new Map()
  const now = context.writesOfOthers?.()
  if (now !== undefined && now === context.asOf) return
  forget(context)
  context.asOf = now
}

function forget(context: Context): void {
  context.asOf = undefined
  context.last = undefined
  context.lastRuns.clear()
  context.runs.clear()
  if (context.seen.size > 0) context.seen.clear()
}

export function runName(workspace: number, run: string): string {
  return `${workspace}/${run}`
}

/** Remembers a run's row as it is stored. One that is settled is hardly ever asked for again. */
export function keepRun({ runs, writesOfOthers }: Context, row: RunsTable): void {
  if (writesOfOthers === undefined) return
  const name = runName(row.workspace, row.id)
  if (row.state === 'settled') return void runs.delete(name)
  if (runs.size >= RUNS_MAX) runs.clear()
  runs.set(name, row)
}

/** Forgets what a transaction that is gone may have named. */
export function rolledBack(context: Context): void {
  const { names } = context
  for (const map of Object.values(names) as Map<unknown, unknown>[]) map.clear()
  context.missing = undefined
  if (context.begun.size > 0) context.begun = new Map()
  forget(context)
  context.changes = new Map()
}

/** The first of `count` new numbers. */
export function* numbers(context: Context, count: number): Work<number> {
  const last = context.last ?? (yield* context.lastNumber(context.q))
  context.last = last + count
  return last + 1
}

/** The last number that this transaction has given out: after its entries were appended, theirs. */
export function* position(context: Context): Work<number> {
  return context.last ?? (yield* context.lastNumber(context.q))
}

/** `settled`: its row, once it is that. */
export function changed(context: Context, workspace: string, run: string, settled?: RunRow): void {
  const runs = context.changes.get(workspace) ?? new Map<string, RunRow | undefined>()
  context.changes.set(workspace, runs)
  runs.set(run, settled)
}

/** The number of a workspace; undefined when it holds nothing. */
export function* findWorkspace(context: Context, name: string): Work<number | undefined> {
  const known = context.names.workspaces.get(name)
  if (known !== undefined) return known
  const row = yield* first(context.q.workspace, { name })
  return row === undefined ? undefined : keepWorkspace(context, row)
}

export function* makeWorkspace(context: Context, name: string): Work<number> {
  const found = yield* findWorkspace(context, name)
  if (found !== undefined) return found
  const ids = (yield* all(context.q.workspaces, {})).map((row) => row.id)
  const id = Math.max(0, ...ids) + 1
  if (ids.length > 0 && context.forSeveral !== undefined) yield* context.forSeveral()
  yield* run(context.q.addWorkspace, { id, name, crc: checksum('workspaces', [id, name]) })
  context.names.workspaces.set(name, id)
  context.names.workspaceNames.set(id, name)
  return id
}

export function* allWorkspaces(context: Context): Work<{ id: number; name: string }[]> {
  const rows = yield* all(context.q.workspaces, {})
  return rows.map((row) => ({ id: keepWorkspace(context, row), name: row.name }))
}

export function* workspaceName(context: Context, id: number): Work<string> {
  const known = context.names.workspaceNames.get(id)
  if (known !== undefined) return known
  const rows = yield* allWorkspaces(context)
  return rows.find((row) => row.id === id)?.name ?? corrupt('workspaces', String(id))
}

function keepWorkspace({ names }: Context, row: { id: number; name: string; crc: number }): number {
  if (checksum('workspaces', [row.id, row.name]) !== row.crc) corrupt('workspaces', row.name)
  names.workspaces.set(row.name, row.id)
  names.workspaceNames.set(row.id, row.name)
  return row.id
}

/** Where entries of a stream go, as far as that is known here. */
export function placeOf({ names }: Context, workspace: string, stream: string): Place | undefined {
  const known = names.places.get(stream)
  if (known?.of === workspace) return known
  const space = names.workspaces.get(workspace)
  const id = names.streams.get(`${space}/${stream}`)
  if (space === undefined || id === undefined) return undefined
  if (names.places.size >= NAMES_MAX) names.places.clear()
  const place = { ...young, of: workspace, workspace: space, stream: id }
  names.places.set(stream, place)
  return place
}

/** The number of a stream; undefined when it has no entries. */
export function* findStream(context: Context, workspace: number, name: string): Work<number | undefined> {
  const key = `${workspace}/${name}`
  const known = context.names.streams.get(key)
  if (known !== undefined) return known
  const row = yield* first(context.q.stream, { workspace, name })
  if (row !== undefined) return keepStream(context, row)
  const missing = (context.missing ??= new Set())
  missing.add(key)
  return undefined
}

export function* makeStream(context: Context, workspace: number, name: string): Work<number> {
  const key = `${workspace}/${name}`
  const known = context.names.streams.get(key)
  const found = known ?? (context.missing?.has(key) === true ? undefined : yield* findStream(context, workspace, name))
  if (found !== undefined) return found
  const id = yield* numbers(context, 1)
  const row = { id, workspace, name, crc: checksum('streams', [id, workspace, name]) }
  yield* run(context.q.addStream, row)
  context.missing?.delete(key)
  return keepStream(context, row)
}

export function* streamName(context: Context, id: number): Work<string> {
  const known = context.names.streamNames.get(id)
  if (known !== undefined) return known
  const row = yield* first(context.q.streamById, { id })
  if (row === undefined) return corrupt('streams', String(id))
  keepStream(context, row)
  return row.name
}

function keepStream({ names }: Context, row: { id: number; workspace: number; name: string; crc: number }): number {
  if (checksum('streams', [row.id, row.workspace, row.name]) !== row.crc) corrupt('streams', row.name)
  if (names.streams.size >= NAMES_MAX) names.streams.clear()
  if (names.streamNames.size >= NAMES_MAX) names.streamNames.clear()
  names.streams.set(`${row.workspace}/${row.name}`, row.id)
  names.streamNames.set(row.id, row.name)
  return row.id
}
