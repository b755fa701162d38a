/**
 * Put records: a unit's records, judged before and written behind one another, many rows to a statement.
 *
 * U3. A record that a unit writes twice is as if it had been written by two units: what waits to be written goes first.
 */
import type { Conflict, RecordWrite, Unit } from '@keelson/core/ports'
import { position, type Context } from './context.ts'
import { INDEX_COLUMNS, RECORD_COLUMNS, WRITTEN_AT_ONCE } from './queries.ts'
import { findRecord, findRecords, readFields, sealed, writeFields } from './records.ts'
import { run, runOf, type Value, type Work } from './statement.ts'
import type { RecordIndexTable, RecordsTable } from './tables.ts'

/** Rows that were read while a unit was judged, by kind and id: they are as they were until it writes them. */
export type Seen = Map<string, Map<string, RecordsTable | undefined>>

/** Calls `conflict` for each record whose version is not the one in front of what is written. */
export function* judgeRecords(
  context: Context,
  workspace: number,
  { records = [], restoring }: Unit,
  conflict: (row: Conflict) => unknown,
): Work<Seen> {
  const seen = yield* seenBy(context, workspace, records)
  const written = new Map<string, Map<string, number>>()
  for (const write of records) {
    const { kind, id, version, data } = write
    const stored = seen.get(kind)!.get(id)?.version ?? 0
    const ofKind = written.get(kind) ?? new Map<string, number>()
    written.set(kind, ofKind)
    const before = ofKind.get(id) ?? stored
    const restored = restoring === true && before <= version
    if (!restored && before !== version - 1) conflict({ record: kind, id, version: stored })
    ofKind.set(id, data === null ? 0 : version)
  }
  return seen
}

/** Writes records whose versions were found to fit. */
export function* putRecords(
  context: Context,
  workspace: number,
  writes: readonly RecordWrite[],
  seen?: Seen,
): Work<void> {
  const waiting: Waiting = { records: [], indexes: [] }
  for (const write of writes) {
    const { kind, id } = write
    const rows = seen?.get(kind)
    const known = rows?.has(id) === true
    if (!known) yield* flush(context, waiting)
    const before = known ? rows.get(id) : yield* findRecord(context, workspace, kind, id)
    rows?.delete(id)
    yield* putRecord(context, workspace, { write, before }, waiting)
  }
  yield* flush(context, waiting)
}

interface Waiting {
  records: RecordsTable[]
  indexes: RecordIndexTable[]
}

function* putRecord(
  context: Context,
  workspace: number,
  { write, before }: { write: RecordWrite; before: RecordsTable | undefined },
  waiting: Waiting,
): Work<void> {
  const { kind, id, version, data } = write
  const sort = write.sort === 'position' ? yield* position(context) : write.sort
  const place = { workspace, kind, id }
  const fields = writeFields(write.index)
  const moved = before === undefined || data === null || before.fields !== fields || before.sort !== sort
  if (before !== undefined && moved) {
    for (const [field, value] of readFields(before.fields))
      yield* run(context.q.removeIndex, { ...place, field, value, sort: before.sort })
  }
  if (data === null) {
    yield* run(context.q.removeRecord, place)
    return
  }
  const row = sealed.seal({ ...place, version, data, sort, fields })
  if (before === undefined) waiting.records.push(row)
  else yield* run(context.q.setRecord, row)
  if (!moved) return
  for (const [field, value] of Object.entries(write.index)) waiting.indexes.push({ ...place, field, value, sort })
}

function* flush(context: Context, waiting: Waiting): Work<void> {
  const { addRecord, addRecords, addIndex, addIndexes } = context.q
  const { records, indexes } = waiting
  waiting.records = []
  waiting.indexes = []
  const left = yield* inBulk(addRecords, records, RECORD_COLUMNS)
  for (const row of left) yield* run(addRecord, row)
  for (const row of yield* inBulk(addIndexes, indexes, INDEX_COLUMNS)) yield* run(addIndex, row)
}

/** Writes as many as fill a statement; answers the rest. */
function* inBulk<Row extends object>(
  asked: { readonly sql: string },
  rows: readonly Row[],
  columns: readonly (keyof Row)[],
): Work<readonly Row[]> {
  let at = 0
  for (; at + WRITTEN_AT_ONCE <= rows.length; at += WRITTEN_AT_ONCE) {
    const values: Value[] = []
    for (let i = at; i < at + WRITTEN_AT_ONCE; i++) for (const column of columns) values.push(rows[i]![column] as Value)
    yield* runOf(asked, values)
  }
  return rows.slice(at)
}

function* seenBy(context: Context, workspace: number, writes: readonly RecordWrite[]): Work<Seen> {
  const asked = new Map<string, Set<string>>()
  for (const { kind, id } of writes) {
    const ids = asked.get(kind)
    if (ids === undefined) asked.set(kind, new Set([id]))
    else ids.add(id)
  }
  const seen: Seen = new Map()
  for (const [kind, ids] of asked) {
    const found = yield* findRecords(context, workspace, kind, [...ids])
    seen.set(kind, new Map(Array.from(ids, (id) => [id, found.get(id)])))
  }
  return seen
}
