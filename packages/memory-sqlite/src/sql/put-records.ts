/**
 * Put records: a unit's records, judged before and written behind one another, many rows to a statement.
 *
 * U3. A record that a unit writes twice is as if it had been written by two units: what waits to be written goes first.
 */
import { list, type Conflict, type RecordWrite, type Unit } from '@keelson/core/ports'
import { position, type Context, type Standing } from './context.ts'
import { INDEX_COLUMNS, RECORD_COLUMNS, type Bulk } from './queries.ts'
import { checksum } from './checksum.ts'
import { findRecord, findRecords, listOf, readFields, writeFields } from './records.ts'
import { seenOf } from './seen.ts'
import { run, runOf, type Value, type Work } from './statement.ts'

/** Rows that were read while a unit was judged, by kind and id: they are as they were until it writes them. */
export type Judged = Map<string, Map<string, Standing | undefined>>

/** Calls `conflict` for each record whose version is not the one in front of what is written. */
export function* judgeRecords(
  context: Context,
  workspace: number,
  { records = [], restoring }: Unit,
  conflict: (row: Conflict) => unknown,
): Work<Judged> {
  const judged = yield* standing(context, workspace, records)
  const written = new Map<string, Map<string, number>>()
  for (const write of records) {
    const { kind, id, version, data } = write
    const stored = judged.get(kind)!.get(id)?.version ?? 0
    const ofKind = written.get(kind) ?? new Map<string, number>()
    written.set(kind, ofKind)
    const before = ofKind.get(id) ?? stored
    const restored = restoring === true && before <= version
    if (!restored && before !== version - 1) conflict({ record: kind, id, version: stored })
    ofKind.set(id, data === null ? 0 : version)
  }
  return judged
}

/** Writes records whose versions were found to fit. */
export function* putRecords(
  context: Context,
  workspace: number,
  writes: readonly RecordWrite[],
  judged?: Judged,
): Work<void> {
  if (writes.length === 0) return
  if (context.seen.size > 0) context.seen.clear()
  const waiting = new Waiting()
  const last = writes.some(({ sort }) => sort === 'position') ? yield* position(context) : 0
  for (const write of writes) {
    const { kind, id } = write
    const rows = judged?.get(kind)
    const known = rows?.has(id) === true
    if (!known) yield* flush(context, waiting)
    const before = known ? rows.get(id) : yield* findRecord(context, workspace, kind, id)
    rows?.delete(id)
    if (write.data === null) yield* run(context.q.removeRecord, { workspace, kind, id })
    place(waiting, workspace, write, write.sort === 'position' ? last : write.sort, before)
  }
  yield* flush(context, waiting)
}

/** Rows that are written together, as their values behind one another, in the order of the columns; what goes, goes first. */
class Waiting {
  gone = list<Value>()
  records = list<Value>()
  indexes = list<Value>()
}

/** Index rows that stay what they are are not touched. */
function place(
  waiting: Waiting,
  workspace: number,
  { kind, id, version, data, index }: RecordWrite,
  sort: number,
  before: Standing | undefined,
): void {
  const next = data === null ? [] : listOf(index)
  const fields = writeFields(next)
  if (data !== null) {
    const values = [workspace, kind, id, version, data, sort, fields]
    waiting.records.push(...values, checksum('records', values))
  }
  if (before?.sort === sort && before.fields === fields) return
  const old = before === undefined ? [] : readFields(before.fields)
  const stays = (list: typeof old, field: string, value: string): boolean =>
    before?.sort === sort && list.some(([f, v]) => f === field && v === value)
  for (const [field, value] of old)
    if (!stays(next, field, value)) waiting.gone.push(workspace, kind, field, value, before!.sort, id)
  for (const [field, value] of next)
    if (!stays(old, field, value)) waiting.indexes.push(workspace, kind, field, value, sort, id)
}

function* flush(context: Context, waiting: Waiting): Work<void> {
  const { removeIndexes, putRecords, addIndexes } = context.q
  const { gone, records, indexes } = waiting
  if (records.length + gone.length + indexes.length === 0) return
  waiting.gone = []
  waiting.records = []
  waiting.indexes = []
  yield* inBulk(removeIndexes, gone, INDEX_COLUMNS.length)
  yield* inBulk(putRecords, records, RECORD_COLUMNS.length)
  yield* inBulk(addIndexes, indexes, INDEX_COLUMNS.length)
}

/** The longest statement that is filled, again and again. */
function* inBulk(statements: readonly Bulk[], values: readonly Value[], width: number): Work<void> {
  for (let at = 0; at < values.length;) {
    const { count, sql } = statements.find((one) => one.count * width <= values.length - at)!
    yield* runOf({ sql }, values.slice(at, (at += count * width)))
  }
}

/** As they stand before the unit, by kind and id. */
function* standing(context: Context, workspace: number, writes: readonly RecordWrite[]): Work<Judged> {
  const judged: Judged = new Map()
  for (const { kind, id } of writes) {
    const rows = judged.get(kind) ?? new Map<string, Standing | undefined>()
    judged.set(kind, rows.set(id, undefined))
  }
  for (const [kind, rows] of judged) {
    const seen = seenOf(context, workspace, kind)
    const asked: string[] = []
    for (const id of rows.keys())
      if (seen?.has(id) === true) rows.set(id, seen.get(id))
      else asked.push(id)
    for (const [id, row] of yield* findRecords(context, workspace, kind, asked)) rows.set(id, row)
  }
  return judged
}
