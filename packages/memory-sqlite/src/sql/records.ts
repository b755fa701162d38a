/**
 * Records: their rows, and the index rows under which they are found.
 *
 * A record's row lists its index rows, under its checksum: an index row that leads to a record which does not list it
 * was changed by somebody else.
 */
import type { RecordQuery, RecordRow, RecordWrite } from '@keelson/core/ports'
import { corrupt, sealOf } from './checksum.ts'
import type { Context } from './context.ts'
import { ASKED_AT_ONCE, RECORD_COLUMNS } from './queries.ts'
import { keepSeen } from './seen.ts'
import { all, allOf, first, statement, type Work } from './statement.ts'
import type { RecordsTable, Sql } from './tables.ts'

export const sealed = sealOf<RecordsTable>(
  'records',
  RECORD_COLUMNS.filter((column) => column !== 'crc'),
  (row) => `${row.kind} ${row.id}`,
)

/** 0 when there is none. */
export function* versionOf(context: Context, workspace: number, kind: string, id: string): Work<number> {
  return (yield* findRecord(context, workspace, kind, id))?.version ?? 0
}

export function* findRecord(
  context: Context,
  workspace: number,
  kind: string,
  id: string,
): Work<RecordsTable | undefined> {
  const row = yield* first(context.q.record, { workspace, kind, id })
  return row === undefined ? undefined : sealed.open(row)
}

/** Those that are there, by id. */
export function* findRecords(
  context: Context,
  workspace: number,
  kind: string,
  ids: readonly string[],
): Work<Map<string, RecordsTable>> {
  const found = new Map<string, RecordsTable>()
  const most = ASKED_AT_ONCE.at(-1)!
  for (let at = 0; at < ids.length; at += most) {
    const part = ids.slice(at, at + most)
    const rows =
      part.length === 1
        ? yield* all(context.q.record, { workspace, kind, id: part[0]! })
        : yield* some(context, workspace, kind, part)
    for (const row of rows) found.set(row.id, sealed.open(row))
  }
  return found
}

/** The last of them fills the places that are left. */
function* some(context: Context, workspace: number, kind: string, ids: readonly string[]): Work<RecordsTable[]> {
  const { count, ...asked } = context.q.someRecords.find((one) => one.count >= ids.length)!
  const fill = Array<string>(count - ids.length).fill(ids.at(-1)!)
  return yield* allOf(asked, [workspace, kind, ...ids, ...fill])
}

/** True when exactly this write is what the store holds. */
export function* hasRecord(context: Context, workspace: number, write: RecordWrite): Work<boolean> {
  const row = yield* findRecord(context, workspace, write.kind, write.id)
  return write.data === null ? row === undefined : row?.version === write.version && row.data === write.data
}

export function* readRecords(context: Context, db: Sql, workspace: number, query: RecordQuery): Work<RecordRow[]> {
  if (isById(query)) {
    const ids = [...new Set(query.ids)]
    const found = yield* findRecords(context, workspace, query.kind, ids)
    // Many that are read together are soon written together.
    keepSeen(context, { workspace, kind: query.kind, ids }, found)
    const rows = [...found.values()].map(recordOf)
    return rows.length < 2 ? rows.slice(0, query.limit) : rows.sort(inOrder(query, rows)).slice(0, query.limit)
  }
  if (isPage(query)) {
    const { kind, where, after, limit } = query
    const { recordsBehind, recordsBefore } = context.q
    const asked = query.order === 'descending' ? recordsBefore : recordsBehind
    const rows = yield* all(asked, { workspace, kind, ...where, ...after, limit })
    return rows.map((row) => fromIndex(row, where))
  }
  if (isStretch(query)) {
    const { kind, after, limit } = query
    return (yield* all(context.q.nextRecords, { workspace, kind, id: after.id, limit })).map(fromRow)
  }
  const asked = query.ids === undefined ? [query] : chunks(query.ids).map((ids) => ({ ...query, ids }))
  const found: RecordRow[] = []
  for (const part of asked) {
    if (query.where === undefined) {
      found.push(...(yield* all(ofKind(db, workspace, part), {})).map(fromRow))
    } else {
      const rows = yield* all(underValue(db, workspace, { ...part, where: query.where }), {})
      found.push(...rows.map((row) => fromIndex(row, query.where!)))
    }
  }
  if (asked.length === 1) return found
  return found.sort(inOrder(query, found)).slice(0, query.limit)
}

/** Records by their ids: every start, pass and recall asks so; the statement is not compiled each time. */
function isById(query: RecordQuery): query is RecordQuery & { ids: readonly string[] } {
  const { ids, where, after, from } = query
  return ids !== undefined && where === undefined && after === undefined && from === undefined
}

/** The next page under an index value: what keeps an index current asks for it again and again. */
function isPage(query: RecordQuery): query is RecordQuery & { where: Where; after: NonNullable<RecordQuery['after']> } {
  const { ids, where, after, from } = query
  return where !== undefined && after !== undefined && ids === undefined && from === undefined
}

/** The next records of a kind: an entity's changes stand behind one another. */
function isStretch(query: RecordQuery): query is RecordQuery & { after: NonNullable<RecordQuery['after']> } {
  const { ids, where, after, from, order } = query
  return after !== undefined && where === undefined && ids === undefined && from === undefined && order !== 'descending'
}

function fromRow(row: RecordsTable): RecordRow {
  return recordOf(sealed.open(row))
}

function recordOf({ kind, id, version, data, sort, fields }: RecordsTable): RecordRow {
  return { kind, id, version, data, sort, index: Object.fromEntries(readFields(fields)) }
}

/** An index row must lead to a record that lists it. */
function fromIndex(row: Nullable<RecordsTable> & Found, where: Where): RecordRow {
  const { found_sort, found_id, ...record } = row
  const lists = ([field, value]: Fields[number]): boolean => field === where.field && value === where.value
  if (record.id === null || record.sort !== found_sort || !readFields(record.fields ?? '[]').some(lists)) {
    corrupt('record_index', `${where.field} ${where.value} ${found_id}`)
  }
  return fromRow(record as RecordsTable)
}

type Where = NonNullable<RecordQuery['where']>
type Nullable<Row> = { [Column in keyof Row]: Row[Column] | null }
interface Found {
  readonly found_sort: number
  readonly found_id: string
}

type Fields = [field: string, value: string][]

/** In the order in which a row lists them. */
export function listOf(index: RecordWrite['index']): Fields {
  const fields = Object.entries(index)
  return fields.length < 2 ? fields : fields.sort(([a], [b]) => (a < b ? -1 : 1))
}

export function writeFields(fields: Fields): string {
  return fields.length === 0 ? '[]' : JSON.stringify(fields)
}

export function readFields(fields: string): Readonly<Fields> {
  if (fields !== last.text) last = { text: fields, fields: JSON.parse(fields) as Fields }
  return last.fields
}

/** Records that are read together are often found under the same values. */
let last: { readonly text: string; readonly fields: Readonly<Fields> } = { text: '[]', fields: [] }

function ofKind(db: Sql, workspace: number, query: RecordQuery) {
  const { kind, ids, after, from, limit } = query
  let rows = db.selectFrom('records').selectAll().where('workspace', '=', workspace).where('kind', '=', kind)
  if (ids !== undefined) rows = rows.where('id', 'in', someOf(ids))
  if (from !== undefined) rows = rows.where('sort', '>=', from)
  if (after !== undefined) rows = rows.where('id', behind(query), after.id)
  return statement(() => rows.orderBy('id', direction(query)).limit(limit))
}

function underValue(db: Sql, workspace: number, query: RecordQuery & { where: Where }) {
  const { kind, ids, where, after, from, limit } = query
  let rows = db
    .selectFrom('record_index as i')
    .leftJoin('records as r', (join) =>
      join.onRef('r.workspace', '=', 'i.workspace').onRef('r.kind', '=', 'i.kind').onRef('r.id', '=', 'i.id'),
    )
    .selectAll('r')
    .select(['i.sort as found_sort', 'i.id as found_id'])
    .where('i.workspace', '=', workspace)
    .where('i.kind', '=', kind)
    .where('i.field', '=', where.field)
    .where('i.value', '=', where.value)
  if (ids !== undefined) rows = rows.where('i.id', 'in', someOf(ids))
  if (from !== undefined) rows = rows.where('i.sort', '>=', from)
  if (after !== undefined) {
    rows = rows.where((e) => e(e.refTuple('i.sort', 'i.id'), behind(query), e.tuple(after.sort, after.id)))
  }
  return statement(() => rows.orderBy('i.sort', direction(query)).orderBy('i.id', direction(query)).limit(limit))
}

/** A list of nothing is no SQL; nothing is null. */
function someOf(ids: readonly string[]): readonly string[] {
  return ids.length === 0 ? [null as unknown as string] : ids
}

const direction = ({ order }: RecordQuery): 'asc' | 'desc' => (order === 'descending' ? 'desc' : 'asc')
const behind = ({ order }: RecordQuery): '<' | '>' => (order === 'descending' ? '<' : '>')

/** Fewer than the parameters that a statement may have. */
const CHUNK = 500

function chunks(ids: readonly string[]): (readonly string[])[] {
  const unique = [...new Set(ids)]
  if (unique.length <= CHUNK) return [unique]
  const count = Math.ceil(unique.length / CHUNK)
  return Array.from({ length: count }, (_, at) => unique.slice(at * CHUNK, (at + 1) * CHUNK))
}

/** As the database orders texts: by their bytes. Without surrogates that is the order of their units. */
function inOrder(query: RecordQuery, rows: readonly RecordRow[]): (a: RecordRow, b: RecordRow) => number {
  const sign = query.order === 'descending' ? -1 : 1
  const compare = rows.some(({ id }) => SURROGATE.test(id)) ? compareBytes : compareUnits
  return (a, b) => sign * ((query.where === undefined ? 0 : a.sort - b.sort) || compare(a.id, b.id))
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const SURROGATE = /[\ud800-\udfff]/
