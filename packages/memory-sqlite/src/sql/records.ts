/**
 * Records: their rows, and the index rows under which they are found.
 *
 * A record's row lists its index rows, under its checksum: an index row that leads to a record which does not list it
 * was changed by somebody else.
 */
import type { RecordQuery, RecordRow, RecordWrite } from '@keelson/core/ports'
import { corrupt, sealOf } from './checksum.ts'
import type { Context } from './context.ts'
import { RECORD_COLUMNS } from './queries.ts'
import { all, first, run, statement, type Statement, type Work } from './statement.ts'
import type { RecordsTable, Sql } from './tables.ts'

const sealed = sealOf<RecordsTable>(
  'records',
  RECORD_COLUMNS.filter((column) => column !== 'crc'),
  (row) => `${row.kind} ${row.id}`,
)

/** 0 when there is none. */
export function* versionOf(context: Context, workspace: number, kind: string, id: string): Work<number> {
  return (yield* findRecord(context, workspace, kind, id))?.version ?? 0
}

function* findRecord(context: Context, workspace: number, kind: string, id: string): Work<RecordsTable | undefined> {
  const row = yield* first(context.q.record, { workspace, kind, id })
  return row === undefined ? undefined : sealed.open(row)
}

/** Writes a record whose version was found to fit. */
export function* putRecord(context: Context, workspace: number, write: RecordWrite): Work<void> {
  const { kind, id, version, data, sort } = write
  const before = yield* findRecord(context, workspace, kind, id)
  const place = { workspace, kind, id }
  const fields = writeFields(write.index)
  const moved = before === undefined || data === null || before.fields !== fields || before.sort !== sort
  if (before !== undefined && moved) {
    for (const [field, value] of readFields(before.fields)) {
      yield* run(context.q.removeIndex, { ...place, field, value, sort: before.sort })
    }
  }
  if (data === null) {
    yield* run(context.q.removeRecord, place)
    return
  }
  const row = sealed.seal({ ...place, version, data, sort, fields })
  yield* run(before === undefined ? context.q.addRecord : context.q.setRecord, row)
  if (!moved) return
  for (const [field, value] of Object.entries(write.index)) {
    yield* run(context.q.addIndex, { ...place, field, value, sort })
  }
}

/** True when exactly this write is what the store holds. */
export function* hasRecord(context: Context, workspace: number, write: RecordWrite): Work<boolean> {
  const row = yield* findRecord(context, workspace, write.kind, write.id)
  return write.data === null ? row === undefined : row?.version === write.version && row.data === write.data
}

export function* readRecords(context: Context, db: Sql, workspace: number, query: RecordQuery): Work<RecordRow[]> {
  const asked = query.ids === undefined ? [query] : chunks(query.ids).map((ids) => ({ ...query, ids }))
  const found: RecordRow[] = []
  for (const part of asked) {
    const rows = yield* all(lookup(db, workspace, part), {})
    found.push(...rows.map((row) => fromRow(query, row)))
  }
  if (asked.length === 1) return found
  return found.sort(inOrder(query)).slice(0, query.limit)
}

function fromRow(query: RecordQuery, row: RecordsTable): RecordRow {
  const { kind, id, version, data, sort } = sealed.open(row)
  const index = Object.fromEntries(readFields(row.fields))
  const { where } = query
  if (
    where !== undefined &&
    !readFields(row.fields).some(([field, value]) => field === where.field && value === where.value)
  )
    corrupt('record_index', `${kind} ${where.field} ${id}`)
  return { kind, id, version, data, sort, index }
}

type Fields = [field: string, value: string][]

function writeFields(index: RecordWrite['index']): string {
  return JSON.stringify(Object.entries(index).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function readFields(fields: string): Fields {
  return JSON.parse(fields) as Fields
}

function lookup(db: Sql, workspace: number, query: RecordQuery): Statement<Record<never, never>, RecordsTable> {
  const { kind, ids, where, after, from, limit } = query
  const direction = query.order === 'descending' ? 'desc' : 'asc'
  const behind = query.order === 'descending' ? '<' : '>'
  let rows = db
    .selectFrom('records as r')
    .selectAll('r')
    .where('r.workspace', '=', workspace)
    .where('r.kind', '=', kind)
  if (ids !== undefined) rows = rows.where('r.id', 'in', ids.length === 0 ? [null as unknown as string] : ids)
  if (where === undefined) {
    if (from !== undefined) rows = rows.where('r.sort', '>=', from)
    if (after !== undefined) rows = rows.where('r.id', behind, after.id)
    return statement(() => rows.orderBy('r.id', direction).limit(limit))
  }
  let found = rows
    .innerJoin('record_index as i', (join) =>
      join.onRef('i.workspace', '=', 'r.workspace').onRef('i.kind', '=', 'r.kind').onRef('i.id', '=', 'r.id'),
    )
    .where('i.workspace', '=', workspace)
    .where('i.kind', '=', kind)
    .where('i.field', '=', where.field)
    .where('i.value', '=', where.value)
  if (from !== undefined) found = found.where('i.sort', '>=', from)
  if (after !== undefined) {
    found = found.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('i.sort', 'i.id'), behind, tuple(after.sort, after.id)),
    )
  }
  return statement(() => found.orderBy('i.sort', direction).orderBy('i.id', direction).limit(limit))
}

/** Fewer than the parameters that a statement may have. */
const CHUNK = 500

function chunks(ids: readonly string[]): (readonly string[])[] {
  const unique = [...new Set(ids)]
  if (unique.length <= CHUNK) return [unique]
  const count = Math.ceil(unique.length / CHUNK)
  return Array.from({ length: count }, (_, at) => unique.slice(at * CHUNK, (at + 1) * CHUNK))
}

function inOrder(query: RecordQuery): (a: RecordRow, b: RecordRow) => number {
  const sign = query.order === 'descending' ? -1 : 1
  return (a, b) =>
    sign * ((query.where === undefined ? 0 : a.sort - b.sort) || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)))
}
