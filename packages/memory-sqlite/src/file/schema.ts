/**
 * Schema: brings a file to the tables of this version, or refuses it in words.
 *
 * Z1. All steps run in one transaction: a crash leaves the old schema or the new one.
 * Z2. Before an existing file is changed, a copy of it is left beside it, whose pages and indexes were found whole.
 * Z3. A file that a newer version has written is refused, as is one that is not a store.
 * Z4. One process brings a file forward; others that open it meanwhile wait for that, for as long as it lives.
 */
import { KeelsonError } from '@keelson/core/ports'
import type { Sql } from '../sql/tables.ts'
import { copyTo } from './backup.ts'
import { loadDriver, patiently, RETRY_MS, type Handle } from './connection.ts'
import { writeSchemaSum } from './sound.ts'
import { takeFile, type Probe, type WorkerLock } from './worker-lock.ts'

/** Steps in the order of their names, as Kysely's migrator takes them. Its own type would have to be shipped to be named here. */
export type Migrations = Record<string, { up(db: unknown): Promise<void> }>

/** Throws `STORE_NEWER`, `STORE_CORRUPT`. */
export async function migrate(handle: Handle, db: Sql, path: string, migrations: Migrations): Promise<void> {
  const wanted = Object.keys(migrations).sort()
  const done = applied(handle, path)
  const foreign = done?.find((name) => !wanted.includes(name))
  if (foreign !== undefined) throw newer(path, foreign)
  if (done?.length === wanted.length) return
  if (done === undefined) return goForward(handle, db, migrations)
  await alone(path, async () => {
    if (applied(handle, path)?.length === wanted.length) return
    await copyTo(handle, `${path}-before-${wanted.at(-1)}`)
    await goForward(handle, db, migrations)
  })
}

/** Z4. */
async function alone(path: string, work: () => Promise<void>): Promise<void> {
  const Database = await loadDriver()
  const probes = new Map<string, Probe>()
  let lock: WorkerLock | undefined
  try {
    while (lock === undefined) {
      lock = takeFile(Database, `${path}-schema.lock`, 0, probes)
      if (lock === undefined) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
    await work()
  } finally {
    lock?.release()
    for (const { handle } of probes.values()) handle.close()
  }
}

async function goForward(handle: Handle, db: Sql, migrations: Migrations): Promise<void> {
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
