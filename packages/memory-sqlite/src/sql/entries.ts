/** Entries: appending to streams, reading them, and erasing what they say. */
import { list, type Entry, type EntryKind, type NewRun, type Placed } from '@keelson/core/ports'
import { checksum, corrupt } from './checksum.ts'
import { findStream, makeStream, numbers, position, streamName, type Context } from './context.ts'
import { all, first, run, type Work } from './statement.ts'
import type { EntriesTable } from './tables.ts'

/** The last seq of a stream; 0 when it has none. */
export function* headSeq(context: Context, workspace: number, name: string): Work<number> {
  const stream = yield* findStream(context, workspace, name)
  if (stream === undefined) return 0
  context.names.heads.delete(stream)
  return yield* headOf(context, stream)
}

/** The last seq of a stream that was seen here, without asking. */
export function* seenHead(context: Context, workspace: number, name: string): Work<number | undefined> {
  const stream = yield* findStream(context, workspace, name)
  return stream === undefined ? undefined : context.names.heads.get(stream)
}

/** The last seq of a stream as far as it is known here: never more than it is. */
export function* headOf(context: Context, stream: number): Work<number> {
  const { heads } = context.names
  const known = heads.get(stream)
  if (known !== undefined) return known
  const seq = (yield* first(context.q.head, { stream }))?.seq ?? 0
  if (heads.size >= HEADS_MAX) heads.clear()
  heads.set(stream, seq)
  return seq
}

const HEADS_MAX = 4_000

/** Appends entries that were found to continue their streams. */
export function* append(context: Context, workspace: number, entries: readonly Entry[]): Work<void> {
  for (const entry of entries) {
    const stream = yield* makeStream(context, workspace, entry.stream)
    context.begun.delete(stream)
    yield* run(context.q.addEntry, toRow(workspace, stream, yield* numbers(context, 1), entry))
    context.names.heads.set(stream, entry.seq)
  }
}

/** The same of a run's first entries, which `firstEntries` answers until the transaction is over. */
export function* begin(context: Context, workspace: number, { stream: name, entries }: NewRun): Work<void> {
  yield* append(context, workspace, entries)
  const stream = yield* findStream(context, workspace, name)
  const behind = (yield* position(context)) - entries.length
  if (stream === undefined || !entries.every((entry, at) => entry.stream === name && entry.seq === at + 1)) return
  const placed: Placed[] = []
  for (const entry of entries) placed.push({ ...entry, position: behind + entry.seq })
  context.begun.set(stream, placed)
}

/** All entries of a stream, within a transaction: of one that it has begun itself, without reading what was just written. */
export function* firstEntries(context: Context, workspace: number, name: string): Work<readonly Placed[]> {
  const stream = yield* findStream(context, workspace, name)
  const begun = stream === undefined ? undefined : context.begun.get(stream)
  return begun ?? (yield* readEntries(context, workspace, name, 0, ALL))
}

/** More entries than a run may have. */
const ALL = 2_147_483_647

export function* readEntries(
  context: Context,
  workspace: number,
  name: string,
  after: number,
  limit: number,
): Work<Placed[]> {
  const stream = yield* findStream(context, workspace, name)
  if (stream === undefined) return []
  const rows = yield* all(context.q.entries, { stream, after, limit })
  return rows.map((row) => fromRow(workspace, name, row))
}

/** `before`: numbers from here on are held back, because one below them may still appear (S6). */
export function* readTail(
  context: Context,
  workspace: number,
  after: number,
  before: number,
  limit: number,
): Work<Placed[]> {
  const rows = yield* all(context.q.tail, { workspace, after, before, limit })
  const placed: Placed[] = []
  for (const row of rows) placed.push(fromRow(workspace, yield* streamName(context, row.stream), row))
  return placed
}

/** Text and salt become null; the envelope stays, under a new checksum. */
export function* erase(context: Context, workspace: number, name: string, seq: number): Work<void> {
  const stream = yield* findStream(context, workspace, name)
  const row = stream === undefined ? undefined : yield* first(context.q.entry, { stream, seq })
  if (row === undefined) return
  const entry = { ...fromRow(workspace, name, row), payload: null, salt: null }
  const { crc } = toRow(workspace, row.stream, row.position, entry)
  yield* run(context.q.erase, { position: row.position, crc })
}

/** True when exactly this entry is in the store. */
export function* hasEntry(context: Context, workspace: number, entry: Entry): Work<boolean> {
  const found = yield* readEntries(context, workspace, entry.stream, entry.seq - 1, 1)
  return found[0]?.hash === entry.hash
}

export function toRow(workspace: number, stream: number, position: number, entry: Entry): EntriesTable {
  const { seq, kind, key, at, payload, salt, payloadHash, hash } = entry
  return {
    position,
    workspace,
    stream,
    seq,
    kind,
    key,
    at,
    payload,
    salt,
    payload_hash: payloadHash,
    hash,
    crc: checksum('entries', valuesOf(workspace, stream, position, entry)),
  }
}

/** What a row says, in the order of `ENTRY_COLUMNS` but for its checksum, which is over these. */
export function valuesOf(
  workspace: number,
  stream: number,
  position: number,
  entry: Entry,
): (string | number | null)[] {
  const { seq, kind, key, at, payload, salt, payloadHash, hash } = entry
  return list<string | number | null>(position, workspace, stream, seq, kind, key, at, payload, salt, payloadHash, hash)
}

function fromRow(workspace: number, name: string, row: EntriesTable): Placed {
  const { position, stream, seq, key, at, payload, salt, payload_hash: payloadHash, hash } = row
  const kind = row.kind as EntryKind
  const entry = { stream: name, seq, kind, key, at, payload, salt, payloadHash, hash, position }
  const sum = checksum('entries', valuesOf(workspace, stream, position, entry))
  if (sum !== row.crc || row.workspace !== workspace) corrupt('entries', `${name} #${seq}`)
  return entry
}
