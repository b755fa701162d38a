/** Migrations: how the tables come to be, for both dialects. Forward only; a step that was released never changes. */
import type { ColumnDataType, Kysely, RawBuilder, SqlBool } from 'kysely'
import type { Migration } from 'kysely/migration'
import { kysely } from './kysely.ts'
import { TAIL, type Tables } from './tables.ts'

export type Dialect = 'sqlite' | 'postgres'

/** By name; names sort in the order of their steps. */
export function migrations(dialect: Dialect): Record<string, Migration> {
  return {
    '0001-tables': { up: (db) => tables(db as Kysely<unknown>, dialect) },
    '0002-due-by-state': { up: (db) => dueByState(db as Kysely<unknown>) },
    '0003-one-company': { up: (db) => oneCompany(db as Kysely<Tables>, dialect) },
  }
}

/** What is due is found without a look at the clock, which may have gone back since. */
async function dueByState(db: Kysely<unknown>): Promise<void> {
  const { sql } = kysely()
  await db.schema.dropIndex('runs_due').execute()
  await db.schema
    .createIndex('runs_due')
    .on('runs')
    .columns(['workspace', 'state', 'due_at', 'num'])
    .where(sql<SqlBool>`worker is null and due_at is not null`)
    .execute()
}

/** A file of one company has no index by company, which each entry would pay for: `indexTail` makes it with the second. */
async function oneCompany(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  if (dialect !== 'sqlite') return
  const companies = await db.selectFrom('workspaces').select('id').limit(2).execute()
  if (companies.length < 2) await db.schema.dropIndex(TAIL).ifExists().execute()
}

async function tables(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  const bytes: ColumnDataType = dialect === 'sqlite' ? 'blob' : 'bytea'
  const real: ColumnDataType = dialect === 'sqlite' ? 'real' : 'double precision'
  const { sql } = kysely()
  // Text is compared by bytes in both: SQLite does so by default.
  const text = dialect === 'sqlite' ? sql`text` : sql`text collate "C"`
  await ledgers(db, bytes, text)
  await journal(db, dialect, text)
  await runs(db, text)
  await mail(db, text)
  await records(db, dialect, real, text)
}

type Text = RawBuilder<unknown>

async function ledgers(db: Kysely<unknown>, bytes: ColumnDataType, text: Text): Promise<void> {
  await db.schema
    .createTable('meta')
    .addColumn('key', text, (col) => col.primaryKey())
    .addColumn('value', text, (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .execute()
  await db.schema
    .createTable('workers')
    .addColumn('name', text, (col) => col.primaryKey())
    .addColumn('opened_at', 'bigint', (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .execute()
  await db.schema
    .createTable('workspaces')
    .addColumn('id', 'integer', (col) => col.primaryKey())
    .addColumn('name', text, (col) => col.notNull().unique())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .execute()
  await db.schema
    .createTable('artifacts')
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('sha256', bytes, (col) => col.notNull())
    .addColumn('bytes', bytes, (col) => col.notNull())
    .addPrimaryKeyConstraint('artifacts_key', ['workspace', 'sha256'])
    .execute()
}

async function journal(db: Kysely<unknown>, dialect: Dialect, text: Text): Promise<void> {
  // An integer primary key is SQLite's row number: appending touches the last page only.
  const number: ColumnDataType = dialect === 'sqlite' ? 'integer' : 'bigint'
  await db.schema
    .createTable('streams')
    .addColumn('id', number, (col) => col.primaryKey())
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('name', text, (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .addUniqueConstraint('streams_name', ['workspace', 'name'])
    .execute()
  await db.schema
    .createTable('entries')
    .addColumn('position', number, (col) => col.primaryKey())
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('stream', number, (col) => col.notNull())
    .addColumn('seq', 'integer', (col) => col.notNull())
    .addColumn('kind', text, (col) => col.notNull())
    .addColumn('key', text, (col) => col.notNull())
    .addColumn('at', 'bigint', (col) => col.notNull())
    .addColumn('payload', text)
    .addColumn('salt', 'text')
    .addColumn('payload_hash', 'text', (col) => col.notNull())
    .addColumn('hash', 'text', (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .execute()
  await db.schema.createIndex('entries_seq').unique().on('entries').columns(['stream', 'seq']).execute()
  // SQLite ends every index with the row number, which is the position.
  const tail = dialect === 'sqlite' ? ['workspace'] : ['workspace', 'position']
  await db.schema.createIndex(TAIL).on('entries').columns(tail).execute()
}

async function runs(db: Kysely<unknown>, text: Text): Promise<void> {
  const { sql } = kysely()
  await db.schema
    .createTable('runs')
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('id', text, (col) => col.notNull())
    .addColumn('stream', text, (col) => col.notNull())
    .addColumn('playbook', text, (col) => col.notNull())
    .addColumn('version', 'integer', (col) => col.notNull())
    .addColumn('state', text, (col) => col.notNull())
    .addColumn('due_at', 'bigint')
    .addColumn('status', text, (col) => col.notNull())
    .addColumn('lane', text)
    .addColumn('root', text, (col) => col.notNull())
    .addColumn('lane_running', 'integer', (col) => col.notNull())
    .addColumn('place', 'integer', (col) => col.notNull())
    .addColumn('epoch', 'integer', (col) => col.notNull())
    .addColumn('worker', text)
    .addColumn('deaths', 'integer', (col) => col.notNull())
    .addColumn('claims', 'integer', (col) => col.notNull())
    .addColumn('created_at', 'bigint', (col) => col.notNull())
    .addColumn('settled_at', 'bigint')
    .addColumn('num', 'integer', (col) => col.notNull())
    .addColumn('mails', 'integer', (col) => col.notNull())
    .addColumn('shown', 'integer', (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .addPrimaryKeyConstraint('runs_key', ['workspace', 'id'])
    .execute()
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('runs').columns(columns)
  await index('runs_num', ['workspace', 'num']).unique().execute()
  await index('runs_playbook', ['workspace', 'playbook', 'num']).execute()
  await index('runs_open', ['workspace', 'num'])
    .where(sql<SqlBool>`state <> 'settled'`)
    .execute()
  await index('runs_due', ['workspace', 'due_at', 'num'])
    .where(sql<SqlBool>`worker is null and due_at is not null`)
    .execute()
  await index('runs_worker', ['worker'])
    .where(sql<SqlBool>`worker is not null`)
    .execute()
  await index('runs_lane', ['workspace', 'lane'])
    .where(sql<SqlBool>`lane is not null and state <> 'settled'`)
    .execute()
}

async function mail(db: Kysely<unknown>, text: Text): Promise<void> {
  const { sql } = kysely()
  await db.schema
    .createTable('mail')
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('run', text, (col) => col.notNull())
    .addColumn('num', 'integer', (col) => col.notNull())
    .addColumn('once_key', text, (col) => col.notNull())
    .addColumn('kind', text, (col) => col.notNull())
    .addColumn('payload', text)
    .addColumn('at', 'bigint', (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .addPrimaryKeyConstraint('mail_key', ['workspace', 'run', 'once_key'])
    .execute()
  await db.schema
    .createIndex('mail_unread')
    .unique()
    .on('mail')
    .columns(['workspace', 'run', 'num'])
    .where(sql<SqlBool>`payload is not null`)
    .execute()
}

async function records(db: Kysely<unknown>, dialect: Dialect, real: ColumnDataType, text: Text): Promise<void> {
  const { sql } = kysely()
  await db.schema
    .createTable('records')
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('kind', text, (col) => col.notNull())
    .addColumn('id', text, (col) => col.notNull())
    .addColumn('version', 'integer', (col) => col.notNull())
    .addColumn('data', text, (col) => col.notNull())
    .addColumn('sort', real, (col) => col.notNull())
    .addColumn('fields', text, (col) => col.notNull())
    .addColumn('crc', 'integer', (col) => col.notNull())
    .addPrimaryKeyConstraint('records_key', ['workspace', 'kind', 'id'])
    .execute()
  const index = db.schema
    .createTable('record_index')
    .addColumn('workspace', 'integer', (col) => col.notNull())
    .addColumn('kind', text, (col) => col.notNull())
    .addColumn('field', text, (col) => col.notNull())
    .addColumn('value', text, (col) => col.notNull())
    .addColumn('sort', real, (col) => col.notNull())
    .addColumn('id', text, (col) => col.notNull())
    .addPrimaryKeyConstraint('record_index_key', ['workspace', 'kind', 'field', 'value', 'sort', 'id'])
  await (dialect === 'sqlite' ? index.modifyEnd(sql`without rowid`) : index).execute()
}
