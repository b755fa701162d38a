/**
 * Schema: brings a file to the tables of this version, or refuses it in words.
 *
 * Z1. All steps run in one transaction: a crash leaves the old schema or the new one.
 * Z2. Before an existing file is changed, a copy of it is left beside it.
 * Z3. A file that a newer version has written is refused, as is one that is not a store.
 */
import type { Migration } from 'kysely/migration'
import { KeelsonError } from '@keelson/core/ports'
import { checksum, corrupt } from '../sql/checksum.ts'
import { kysely } from '../sql/kysely.ts'
import type { Sql } from '../sql/tables.ts'
import { patiently, type Handle } from './connection.ts'

export type Migrations = Record<string, Migration>

export function kyselyOn(handle: Handle): Sql {
  const { Kysely, SqliteDialect } = kysely()
  return new Kysely({ dialect: new SqliteDialect({ database: handle }) })
}

/** Files up to this size are checked whole when they open; beyond it, rows are checked as they are read. */
const CHECK_MAX_BYTES = 64 * 1024 * 1024

/** Throws `STORE_NEWER`, `STORE_CORRUPT`. */
export async function migrate(handle: Handle, db: Sql, path: string, migrations: Migrations): Promise<void> {
  const wanted = Object.keys(migrations).sort()
  const done = applied(handle, path)
  const foreign = done?.find((name) => !wanted.includes(name))
  if (foreign !== undefined) throw newer(path, foreign)
  if (done?.length === wanted.length) return
  if (done !== undefined) await handle.backup(`${path}-before-${wanted.at(-1)}`)
  await patiently(() => handle.exec('begin immediate'))
  try {
    await apply(db, migrations)
    writeSchemaSum(handle)
    handle.exec('commit')
  } catch (error) {
    if (handle.inTransaction) handle.exec('rollback')
    throw error
  }
}

/** The steps that the file has seen; undefined for an empty one. */
function applied(handle: Handle, path: string): string[] | undefined {
  const tables = handle.prepare(`select name from sqlite_schema where type = 'table'`).pluck().all() as string[]
  if (tables.length === 0) return undefined
  if (!tables.includes('kysely_migration') || !tables.includes('entries')) {
    throw new KeelsonError('STORE_CORRUPT', `${path} is a database, but not a store of Keelson`, {
      hint: 'Give the store a file of its own.',
    })
  }
  return handle.prepare('select name from kysely_migration order by name').pluck().all() as string[]
}

async function apply(db: Sql, migrations: Migrations): Promise<void> {
  const { Migrator } = await import('kysely/migration')
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error instanceof Error ? error : new Error('a step of the schema failed')
}

function newer(path: string, name: string): KeelsonError {
  return new KeelsonError('STORE_NEWER', `${path} was written by a newer version (it knows the step ${name})`, {
    hint: 'Deploy the newer version of @keelson/memory-sqlite again; schemas only go forward.',
    data: { step: name },
  })
}

/** Throws `STORE_CORRUPT` unless the file is sound, as far as that can be told without reading all of a large one. */
export function check(handle: Handle, path: string): void {
  const stored = handle.prepare(`select value, crc from meta where key = 'schema'`).get() as SchemaSum | undefined
  const sum = schemaSum(handle)
  if (stored?.value !== String(sum) || stored.crc !== checksum('meta', ['schema', String(sum)])) {
    throw damaged(path, 'its schema is not what was written')
  }
  const bytes = (handle.pragma('page_count', { simple: true }) as number) * 4096
  if (bytes > CHECK_MAX_BYTES) return
  assertSound(handle, path)
}

/** Throws `STORE_CORRUPT` unless all of the file fits together. Reads all of it. */
export function assertSound(handle: Handle, path: string): void {
  const found = handle.pragma('integrity_check(1)', { simple: true }) as string
  if (found !== 'ok') throw damaged(path, found)
  const lost = handle.prepare(LOST).get() as { kind: string; id: string } | undefined
  if (lost !== undefined) corrupt('record_index', `${lost.kind} ${lost.id}`)
}

/** A record whose index row is not there: it would be missing from an answer, and nothing in the answer would tell. */
const LOST = `select r.kind, r.id from records r, json_each(r.fields) f where not exists (
  select 1 from record_index i where i.workspace = r.workspace and i.kind = r.kind and i.id = r.id
  and i.sort = r.sort and i.field = f.value ->> 0 and i.value = f.value ->> 1) limit 1`

interface SchemaSum {
  value: string
  crc: number
}

function schemaSum(handle: Handle): number {
  const rows = handle.prepare('select type, name, tbl_name, sql from sqlite_schema order by type, name').raw().all()
  return checksum('schema', (rows as (string | null)[][]).flat())
}

function writeSchemaSum(handle: Handle): void {
  const sum = String(schemaSum(handle))
  handle.prepare(`delete from meta where key = 'schema'`).run()
  handle
    .prepare(`insert into meta (key, value, crc) values ('schema', ?, ?)`)
    .run(sum, checksum('meta', ['schema', sum]))
}

function damaged(path: string, what: string): KeelsonError {
  return new KeelsonError('STORE_CORRUPT', `${path} is damaged: ${what}`, {
    hint: 'Restore a backup. Keep the damaged file for study.',
    data: { path },
  })
}
