/**
 * Export: a workspace as the lines of a bundle, while it works.
 *
 * X1. What is written is the state at one position: entries up to it, and the records, runs and mail that follow from them.
 * X2. Mail is only believed while no entry came in between: what a run has taken into its stream is not written twice, nor lost.
 * X3. An increment brings nothing back: across a pruning or an erasure there is none.
 * X4. Credentials are no part of any entry, so a bundle holds none. It does hold the key under which personal index values are hashed.
 */
import { createHash } from 'node:crypto'
import { KeelsonError } from '../base/errors.ts'
import { canonicalAround, parseStored } from '../base/json.ts'
import type { Environment } from '../conductor/environment.ts'
import { putsOf, sortToPut } from '../journal/records.ts'
import { prunedIn, type Placed } from '../journal/entry.ts'
import type { Mail, MemoryStore, RunRow } from '../journal/store.ts'
import { artifactsIn } from '../journal/artifact.ts'
import { BUNDLE_FORMAT, writeLine, type BundleLine, type LineOf } from './line.ts'
import { schemaLines } from './schema.ts'
import { emptyState, take, type RecordState, type State } from './state.ts'

export interface ExportOptions {
  /** Only what came since: the `end` line of an earlier bundle of this workspace, or its `entries`. */
  readonly since?: number | { readonly entries: number }
  /** 'inline' (default): bytes of artifacts as base64. 'reference': their hashes only; carry the bytes yourself. */
  readonly artifacts?: 'inline' | 'reference'
  /** Told every thousand lines. */
  readonly onProgress?: (done: { readonly lines: number; readonly entries: number }) => void
  readonly signal?: AbortSignal
}

const PAGE = 500
const ROUNDS_MAX = 50
/** Entries with which payloads of others go. */
const ERASURES: ReadonlySet<string> = new Set(['memory.erased', 'entity.erased'])

/** The lines of a bundle, each ending in a newline. */
export async function* exportLines(
  env: Environment,
  workspace: string,
  options: ExportOptions = {},
): AsyncGenerator<string> {
  const from = typeof options.since === 'object' ? options.since.entries : (options.since ?? 0)
  const hash = createHash('sha256')
  let lines = 0
  let entries = 0
  const write = (line: BundleLine): string => {
    options.signal?.throwIfAborted()
    const written = writeLine(line)
    hash.update(written)
    lines++
    if (lines % 1000 === 0) options.onProgress?.({ lines, entries })
    return written
  }
  for await (const line of body(env, workspace, from, options)) {
    if (line.type === 'entry') entries++
    if (line.type !== 'end') yield write(line)
    else yield writeLine({ ...line, lines, sha256: hash.digest('hex') })
  }
  options.onProgress?.({ lines, entries })
}

async function* body(
  env: Environment,
  workspace: string,
  from: number,
  options: ExportOptions,
): AsyncGenerator<BundleLine> {
  const { store } = env
  yield { type: 'keelson.bundle', format: BUNDLE_FORMAT, workspace, from }
  yield* schemaLines(env)
  const state = emptyState()
  const artifacts = new Set<string>()
  /** Records and streams that the bundle speaks of. */
  const touched = { records: new Set<string>(), streams: new Set<string>(), pruned: new Set<string>() }
  let mail: Map<string, readonly Mail[]> | undefined
  for (let round = 0; mail === undefined; round++) {
    if (round >= ROUNDS_MAX) throw busy(workspace)
    for await (const entry of tail(store, workspace, state)) {
      if (state.count.all <= from) continue
      const pruned = prunedIn(entry)
      if (pruned.length > 0 && from > 0) throw goneSince(workspace, from, 'journals were pruned')
      if (ERASURES.has(entry.kind) && from > 0) throw goneSince(workspace, from, 'texts were erased')
      for (const run of pruned) touched.pruned.add(run)
      touched.streams.add(entry.stream)
      for (const { kind, id } of putsOf(entry)) touched.records.add(`${kind}/${id}`)
      for (const sha256 of artifactsIn(entry)) artifacts.add(sha256)
      yield entryLine(entry)
    }
    mail = await unread(store, workspace, state)
  }
  if (from > state.count.all) throw ahead(workspace, from, state.count.all)
  yield* artifactLines(store, workspace, artifacts, options.artifacts ?? 'inline')
  for (const id of [...touched.records].sort()) {
    const record = state.records.get(id)!
    if (from > 0 || !record.ended) yield await recordLine(store, workspace, record)
  }
  yield* runLines(store, workspace, state, touched, mail)
  yield { type: 'end', lines: 0, entries: state.count.all, sha256: '' }
}

async function* tail(store: MemoryStore, workspace: string, state: State): AsyncGenerator<Placed> {
  for (;;) {
    const page = await store.tail(workspace, state.position, PAGE)
    for (const entry of page) {
      take(state, entry)
      yield entry
    }
    if (page.length < PAGE) return
  }
}

function entryLine(entry: Placed): LineOf<'entry'> {
  const { stream, seq, kind, key, at, payload, salt, payloadHash, hash } = entry
  return { type: 'entry', stream, seq, kind, key, at, payload, salt, payloadHash, hash }
}

/** The unread mail of all open runs, if none of them moved on meanwhile (X2). */
async function unread(
  store: MemoryStore,
  workspace: string,
  state: State,
): Promise<Map<string, readonly Mail[]> | undefined> {
  const found = new Map<string, readonly Mail[]>()
  for (const { id, settled } of state.runs.values()) {
    if (settled !== undefined) continue
    const mail = await store.mail({ workspace, run: id }, 0)
    if (mail.length > 0) found.set(id, mail)
  }
  const [later] = await store.tail(workspace, state.position, 1)
  return later === undefined ? found : undefined
}

async function* artifactLines(
  store: MemoryStore,
  workspace: string,
  wanted: ReadonlySet<string>,
  how: 'inline' | 'reference',
): AsyncGenerator<BundleLine> {
  for (const sha256 of [...wanted].sort()) {
    const bytes = await store.getArtifact(workspace, sha256)
    if (bytes === undefined) continue
    const base64 = how === 'inline' ? { bytes: Buffer.from(bytes).toString('base64') } : {}
    yield { type: 'artifact', sha256, size: bytes.length, ...base64 }
  }
}

/** A record as its entry put it: the row itself may be newer by now (X1). */
async function recordLine(store: MemoryStore, workspace: string, state: RecordState): Promise<LineOf<'record'>> {
  const { kind, id, version, ended } = state
  if (ended) return { type: 'record', kind, id, version, data: null }
  const [row] = await store.records(workspace, { kind, ids: [id], limit: 1 })
  if (row?.version === version) {
    const placed = { index: { ...row.index }, sort: sortToPut(kind, row.sort) }
    return { type: 'record', kind, id, version, data: parseStored(row.data), ...placed }
  }
  const [entry] = await store.tail(workspace, state.position - 1, 1)
  const put = entry === undefined ? undefined : putsOf(entry).findLast((one) => one.kind === kind && one.id === id)
  if (put === undefined && entry?.payload === null) throw erasedMeanwhile(workspace)
  if (put === undefined)
    throw new KeelsonError('STORE_CORRUPT', `record ${kind}/${id} of ${workspace} was put by no entry`)
  return { type: 'record', kind, id, version, data: put.data, index: { ...put.index }, sort: put.sort ?? 0 }
}

/** Runs in the order of starting: all that the entries of this bundle belong to. */
async function* runLines(
  store: MemoryStore,
  workspace: string,
  state: State,
  touched: { readonly streams: ReadonlySet<string>; readonly pruned: ReadonlySet<string> },
  mail: ReadonlyMap<string, readonly Mail[]>,
): AsyncGenerator<BundleLine> {
  for (let after = 0; ;) {
    const rows = await store.runs(workspace, { limit: PAGE, after })
    for (const row of rows) {
      const known = state.runs.get(row.id)
      if (touched.pruned.has(row.id)) yield prunedLine(row)
      if (known === undefined || !(touched.streams.has(known.stream) || mail.has(row.id))) continue
      yield runLine(row, state)
      for (const { run, onceKey, kind, payload, at } of mail.get(row.id) ?? [])
        yield { type: 'mail', run, onceKey, kind, payload, at }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.order
  }
}

function runLine(row: RunRow, state: State): LineOf<'run'> {
  const { stream, playbook, version, settled } = state.runs.get(row.id)!
  const { id, lane, laneWhileRunning, root, createdAt } = row
  const of = playbook === undefined ? { playbook: row.playbook, version: row.version } : { playbook, version }
  return {
    ...{ type: 'run', id, stream, ...of, lane, laneWhileRunning, root, createdAt },
    ...(settled === undefined ? {} : { settled: { at: settled.at, status: settled.status ?? bareStatus(row) } }),
  }
}

/** Its entries are gone; its row cannot change any more. */
function prunedLine(row: RunRow): LineOf<'run'> {
  const { id, stream, playbook, version, lane, laneWhileRunning, root, createdAt, settledAt, status } = row
  const settled = { at: settledAt ?? createdAt, status }
  return { ...{ type: 'run', id, stream, playbook, version, lane, laneWhileRunning, root, createdAt }, settled }
}

function erasedMeanwhile(workspace: string): KeelsonError {
  return new KeelsonError('STORE_BUSY', `texts were erased in workspace ${workspace} while it was exported`, {
    hint: 'Export it again: what was written so far still holds them.',
  })
}

function goneSince(workspace: string, from: number, what: string): KeelsonError {
  return new KeelsonError('BUNDLE_GAP', `${what} in workspace ${workspace} behind entry ${from}`, {
    hint: 'An increment adds; it cannot take away what the bundle before it holds. Export the workspace whole.',
    data: { from },
  })
}

/** How it ended, where what it ended with was erased. */
function bareStatus({ state, status }: RunRow): string {
  if (state !== 'settled') return canonicalAround({ state: 'completed' })
  const ended = JSON.parse(status) as { state: string; error?: { code: string } }
  const error = ended.error === undefined ? {} : { error: { code: ended.error.code, message: '[erased]' } }
  return canonicalAround({ state: ended.state, ...error })
}

function busy(workspace: string): KeelsonError {
  return new KeelsonError('STORE_BUSY', `workspace ${workspace} is written to faster than it can be exported`, {
    hint: 'Export while its conductors are idle, or suspend the workspace first.',
  })
}

function ahead(workspace: string, from: number, has: number): KeelsonError {
  return new KeelsonError(
    'INPUT_INVALID',
    `workspace ${workspace} has ${has} entries; the export begins behind ${from}`,
    {
      hint: 'Pass the `end` of the last bundle of this very workspace as `since`, or export it whole.',
    },
  )
}
