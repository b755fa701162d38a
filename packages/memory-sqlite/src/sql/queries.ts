/** Queries: every fixed statement of a store, compiled once for the dialect of the Kysely instance given. */
import type { Compilable } from 'kysely'
import { kysely } from './kysely.ts'
import { statement } from './statement.ts'
import {
  TAIL,
  type EntriesTable,
  type MailTable,
  type RecordsTable,
  type RunsTable,
  type Sql,
  type Tables,
} from './tables.ts'

export type Queries = ReturnType<typeof queries>

export function queries(db: Sql) {
  return {
    ...{ ...nameQueries(db), ...entryQueries(db), ...runQueries(db), ...mailQueries(db), ...recordQueries(db) },
    ...{ ...dueQueries(db), ...purgeQueries(db) },
  }
}

/** A row as a statement's arguments. */
type Row<Table> = { [Column in keyof Table]: Table[Column] }
type Place = { workspace: number; id: string }

function nameQueries(db: Sql) {
  return {
    workspace: statement((a: { name: string }) => db.selectFrom('workspaces').selectAll().where('name', '=', a.name)),
    workspaces: statement(() => db.selectFrom('workspaces').selectAll().orderBy('name')),
    addWorkspace: statement((a: Row<Tables['workspaces']>) =>
      db.insertInto('workspaces').values(only(a, ['id', 'name', 'crc'])),
    ),
    stream: statement((a: { workspace: number; name: string }) =>
      db.selectFrom('streams').selectAll().where('workspace', '=', a.workspace).where('name', '=', a.name),
    ),
    streamById: statement((a: { id: number }) => db.selectFrom('streams').selectAll().where('id', '=', a.id)),
    addStream: statement((a: Row<Tables['streams']>) =>
      db.insertInto('streams').values(only(a, ['id', 'workspace', 'name', 'crc'])),
    ),
    meta: statement((a: { key: string }) => db.selectFrom('meta').selectAll().where('key', '=', a.key)),
    metaBehind: statement((a: { from: string; to: string }) =>
      db.selectFrom('meta').selectAll().where('key', '>=', a.from).where('key', '<', a.to).orderBy('key'),
    ),
    addMeta: statement((a: Row<Tables['meta']>) => db.insertInto('meta').values(only(a, ['key', 'value', 'crc']))),
    removeMeta: statement((a: { key: string }) => db.deleteFrom('meta').where('key', '=', a.key)),
    workers: statement(() => db.selectFrom('workers').selectAll().orderBy('name')),
    worker: statement((a: { name: string }) => db.selectFrom('workers').selectAll().where('name', '=', a.name)),
    addWorker: statement((a: Row<Tables['workers']>) =>
      db.insertInto('workers').values(only(a, ['name', 'opened_at', 'crc'])),
    ),
    removeWorker: statement((a: { name: string }) => db.deleteFrom('workers').where('name', '=', a.name)),
    artifact: statement((a: { workspace: number; sha256: Uint8Array }) =>
      db.selectFrom('artifacts').select('bytes').where('workspace', '=', a.workspace).where('sha256', '=', a.sha256),
    ),
    addArtifact: statement((a: Row<Tables['artifacts']>) =>
      db
        .insertInto('artifacts')
        .values(only(a, ['workspace', 'sha256', 'bytes']))
        .onConflict((conflict) => conflict.doNothing()),
    ),
  }
}

export const ENTRY_COLUMNS = [
  ...['position', 'workspace', 'stream', 'seq', 'kind', 'key'],
  ...['at', 'payload', 'salt', 'payload_hash', 'hash', 'crc'],
] as (keyof EntriesTable)[]

function entryQueries(db: Sql) {
  const entries = db.selectFrom('entries').select(ENTRY_COLUMNS)
  return {
    head: statement((a: { stream: number }) =>
      db
        .selectFrom('entries')
        .select((e) => e.fn.max('seq').as('seq'))
        .where('stream', '=', a.stream),
    ),
    lastPosition: statement(() => db.selectFrom('entries').select((e) => e.fn.max('position').as('position'))),
    addEntry: statement((a: Row<EntriesTable>) => db.insertInto('entries').values(only(a, ENTRY_COLUMNS))),
    entry: statement((a: { stream: number; seq: number }) =>
      entries.where('stream', '=', a.stream).where('seq', '=', a.seq),
    ),
    entries: statement((a: { stream: number; after: number; limit: number }) =>
      entries.where('stream', '=', a.stream).where('seq', '>', a.after).orderBy('seq').limit(a.limit),
    ),
    erase: statement((a: { position: number; crc: number }) =>
      db.updateTable('entries').set({ payload: null, salt: null, crc: a.crc }).where('position', '=', a.position),
    ),
    tail: statement((a: { workspace: number; after: number; before: number; limit: number }) =>
      entries
        .where('workspace', '=', a.workspace)
        .where('position', '>', a.after)
        .where('position', '<', a.before)
        .orderBy('position')
        .limit(a.limit),
    ),
    indexTail: statement(() => db.schema.createIndex(TAIL).ifNotExists().on('entries').columns(['workspace'])),
  }
}

/**
 * What of a run's row changes after its start, in groups: a column that is set has every index written anew in which it
 * stands, whether its value changed or not.
 */
const RUN_LEASE: (keyof RunsTable)[] = ['epoch', 'worker', 'deaths', 'claims', 'mails', 'shown', 'crc']
const RUN_STATE: (keyof RunsTable)[] = ['state', 'due_at', 'status', 'place', 'settled_at', ...RUN_LEASE]
const RUN_CODE: (keyof RunsTable)[] = ['stream', 'playbook', 'version', ...RUN_STATE]

export const RUN_COLUMNS: (keyof RunsTable)[] = [
  ...(['workspace', 'id', 'lane', 'root', 'lane_running', 'created_at', 'num'] as const),
  ...RUN_CODE,
]

function runQueries(db: Sql) {
  const runs = db.selectFrom('runs').selectAll()
  const setRun = (columns: readonly (keyof RunsTable)[]) =>
    statement((a: Row<RunsTable>) =>
      db.updateTable('runs').set(only(a, columns)).where('workspace', '=', a.workspace).where('id', '=', a.id),
    )
  return {
    run: statement((a: Place) => runs.where('workspace', '=', a.workspace).where('id', '=', a.id)),
    addRun: statement((a: Row<RunsTable>) => db.insertInto('runs').values(only(a, RUN_COLUMNS))),
    setLease: setRun(RUN_LEASE),
    setState: setRun(RUN_STATE),
    setCode: setRun(RUN_CODE),
    /** Under its old checksum: what is wrong with the row stays to be seen. */
    setAside: statement((a: Place) =>
      db
        .updateTable('runs')
        .set({ due_at: null, worker: null })
        .where('workspace', '=', a.workspace)
        .where('id', '=', a.id),
    ),
    freeRun: statement((a: Place) =>
      db.updateTable('runs').set({ worker: null }).where('workspace', '=', a.workspace).where('id', '=', a.id),
    ),
    lastRun: statement((a: { workspace: number }) =>
      db
        .selectFrom('runs')
        .select((e) => e.fn.max('num').as('num'))
        .where('workspace', '=', a.workspace),
    ),
    runsOfWorker: statement((a: { worker: string }) =>
      runs.where('worker', '=', a.worker).orderBy('workspace').orderBy('num'),
    ),
    holders: statement(() => db.selectFrom('runs').select('worker').distinct().where('worker', 'is not', null)),
    runsOfLane: statement((a: { workspace: number; lane: string }) =>
      runs
        .where('workspace', '=', a.workspace)
        .where('lane', '=', a.lane)
        .where(kysely().sql<boolean>`lane is not null and state <> 'settled'`),
    ),
  }
}

function dueQueries(db: Sql) {
  const oldest = (workspace: number, state: string) =>
    db
      .selectFrom('runs')
      .select((e) => e.fn.min('due_at').as('due_at'))
      .where('worker', 'is', null)
      .where('due_at', 'is not', null)
      .where('workspace', '=', workspace)
      .where('state', '=', state)
  return {
    /** What is due is so whatever the clock says now; what is parked, once its instant has come. */
    oldestDue: statement((a: { workspace: number; now: number }) =>
      db.selectNoFrom([
        oldest(a.workspace, 'due').as('due'),
        oldest(a.workspace, 'parked').where('due_at', '<=', a.now).as('parked'),
      ]),
    ),
    nextWorkspace: statement((a: { after: number }) =>
      db
        .selectFrom('runs')
        .select((e) => e.fn.min('workspace').as('workspace'))
        .where('worker', 'is', null)
        .where('due_at', 'is not', null)
        .where('workspace', '>', a.after),
    ),
  }
}

export const MAIL_COLUMNS: (keyof MailTable)[] = ['workspace', 'run', 'num', 'once_key', 'kind', 'payload', 'at', 'crc']

function mailQueries(db: Sql) {
  const unread = db.selectFrom('mail').selectAll().where('payload', 'is not', null)
  return {
    delivered: statement((a: { workspace: number; run: string; once_key: string }) =>
      db
        .selectFrom('mail')
        .selectAll()
        .where('workspace', '=', a.workspace)
        .where('run', '=', a.run)
        .where('once_key', '=', a.once_key),
    ),
    addMail: statement((a: Row<MailTable>) => db.insertInto('mail').values(only(a, MAIL_COLUMNS))),
    unread: statement((a: { workspace: number; run: string; after: number }) =>
      unread.where('workspace', '=', a.workspace).where('run', '=', a.run).where('num', '>', a.after).orderBy('num'),
    ),
    readMail: statement((a: { workspace: number; run: string; once_key: string; crc: number }) =>
      db
        .updateTable('mail')
        .set({ payload: null, crc: a.crc })
        .where('workspace', '=', a.workspace)
        .where('run', '=', a.run)
        .where('once_key', '=', a.once_key),
    ),
  }
}

const RECORD_KEY = ['workspace', 'kind', 'id'] as const
const RECORD_STATE = ['version', 'data', 'sort', 'fields', 'crc'] as const
export const RECORD_COLUMNS: (keyof RecordsTable)[] = [...RECORD_KEY, ...RECORD_STATE]
export const INDEX_COLUMNS = ['workspace', 'kind', 'field', 'value', 'sort', 'id'] as const

/** Ids that are asked for, and rows that are written, by one statement: SQLite takes much of its time to begin one. */
export const ASKED_AT_ONCE = [2, 4, 8, 20, 100] as const
const WRITTEN_AT_ONCE = [50, 8, 1] as const
/** A longer condition takes longer to compile than it saves. */
const REMOVED_AT_ONCE = [8, 1] as const

/** A statement for so many rows. Bound as a list, row by row, in the order of the columns. */
export interface Bulk {
  readonly count: number
  readonly sql: string
}

function recordQueries(db: Sql) {
  type Key = { workspace: number; kind: string; id: string }
  return {
    record: statement((a: Key) =>
      db
        .selectFrom('records')
        .selectAll()
        .where('workspace', '=', a.workspace)
        .where('kind', '=', a.kind)
        .where('id', '=', a.id),
    ),
    /** For so many ids each. Bound as a list: workspace, kind, ids. */
    someRecords: ASKED_AT_ONCE.map((count) => ({ count, ...someRecords(db, count) })),
    /** The next ones of a kind, by their ids. */
    nextRecords: statement((a: Key & { limit: number }) =>
      db
        .selectFrom('records')
        .selectAll()
        .where('workspace', '=', a.workspace)
        .where('kind', '=', a.kind)
        .where('id', '>', a.id)
        .orderBy('id')
        .limit(a.limit),
    ),
    recordsBehind: pageUnder(db, '>', 'asc'),
    recordsBefore: pageUnder(db, '<', 'desc'),
    /** New ones, and others in place of what they were. */
    putRecords: bulks((count) =>
      db
        .insertInto('records')
        .values(rowsOf<Row<RecordsTable>>(RECORD_COLUMNS, count))
        .onConflict((conflict) =>
          conflict
            .columns(RECORD_KEY)
            .doUpdateSet((e) =>
              Object.fromEntries(RECORD_STATE.map((column) => [column, e.ref(`excluded.${column}`)])),
            ),
        ),
    ),
    removeRecord: statement((a: Key) =>
      db.deleteFrom('records').where('workspace', '=', a.workspace).where('kind', '=', a.kind).where('id', '=', a.id),
    ),
    addIndexes: bulks((count) => db.insertInto('record_index').values(rowsOf<IndexRow>(INDEX_COLUMNS, count))),
    removeIndexes: bulks(
      (count) =>
        db
          .deleteFrom('record_index')
          .where((e) => e.or(rowsOf<IndexRow>(INDEX_COLUMNS, count).map((row) => e.and(row)))),
      REMOVED_AT_ONCE,
    ),
  }
}

type IndexRow = { workspace: number; kind: string; id: string; field: string; value: string; sort: number }

function pageUnder(db: Sql, behind: '<' | '>', direction: 'asc' | 'desc') {
  return statement((a: IndexRow & { limit: number }) =>
    db
      .selectFrom('record_index as i')
      .leftJoin('records as r', (join) =>
        join.onRef('r.workspace', '=', 'i.workspace').onRef('r.kind', '=', 'i.kind').onRef('r.id', '=', 'i.id'),
      )
      .selectAll('r')
      .select(['i.sort as found_sort', 'i.id as found_id'])
      .where('i.workspace', '=', a.workspace)
      .where('i.kind', '=', a.kind)
      .where('i.field', '=', a.field)
      .where('i.value', '=', a.value)
      .where((e) => e(e.refTuple('i.sort', 'i.id'), behind, e.tuple(a.sort, a.id)))
      .orderBy('i.sort', direction)
      .orderBy('i.id', direction)
      .limit(a.limit),
  )
}

function someRecords(db: Sql, count: number) {
  const ids = Array<string>(count).fill('')
  return statement(() =>
    db.selectFrom('records').selectAll().where('workspace', '=', 0).where('kind', '=', '').where('id', 'in', ids),
  )
}

function purgeQueries(db: Sql) {
  const all = (table: 'runs' | 'mail' | 'records' | 'record_index' | 'artifacts') =>
    statement((a: { workspace: number }) => db.deleteFrom(table).where('workspace', '=', a.workspace))
  return {
    removeEntries: statement((a: { stream: number }) => db.deleteFrom('entries').where('stream', '=', a.stream)),
    removeOtherEntries: statement((a: { workspace: number; stream: number }) =>
      db.deleteFrom('entries').where('workspace', '=', a.workspace).where('stream', '<>', a.stream),
    ),
    removeRun: statement((a: Place) =>
      db.deleteFrom('runs').where('workspace', '=', a.workspace).where('id', '=', a.id),
    ),
    removeMailOfRun: statement((a: { workspace: number; run: string }) =>
      db.deleteFrom('mail').where('workspace', '=', a.workspace).where('run', '=', a.run),
    ),
    removeRuns: all('runs'),
    removeMail: all('mail'),
    removeRecords: all('records'),
    removeRecordIndex: all('record_index'),
    removeArtifacts: all('artifacts'),
    removeArtifact: statement((a: { workspace: number; sha256: Buffer }) =>
      db.deleteFrom('artifacts').where('workspace', '=', a.workspace).where('sha256', '=', a.sha256),
    ),
  }
}

/** The columns of `row` that a statement writes. */
function only<Table, Column extends keyof Table>(row: Table, columns: readonly Column[]): Pick<Table, Column> {
  return Object.fromEntries(columns.map((column) => [column, row[column]])) as Pick<Table, Column>
}

/** The same statement for each number of rows, the longest first. */
function bulks(build: (count: number) => Compilable, counts: readonly number[] = WRITTEN_AT_ONCE): Bulk[] {
  return counts.map((count) => ({ count, sql: statement(() => build(count)).sql }))
}

function rowsOf<Table>(columns: readonly (keyof Table)[], count: number): Table[] {
  const row = Object.fromEntries(columns.map((column) => [column, 0])) as Table
  return Array<Table>(count).fill(row)
}
