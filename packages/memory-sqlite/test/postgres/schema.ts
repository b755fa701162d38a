/**
 * Schema: the tables of one store on a server, made once, and the connections to them that all its sessions share.
 *
 * A connection learns each statement once, so that the second session on a schema costs a tenth of the first.
 */
import { Kysely, PostgresDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import pg from 'pg'
import { loadKysely } from '../../src/sql/kysely.ts'
import { migrations } from '../../src/sql/migrations.ts'
import type { Sql, Tables } from '../../src/sql/tables.ts'

export interface Schema {
  readonly name: string
  readonly db: Sql
  readonly pool: pg.Pool
  /** A connection of one's own, for locks and notices. */
  line(): Promise<pg.Client>
  /** Takes all rows out. */
  empty(): Promise<void>
  end(): Promise<void>
}

export async function openSchema(host: string, name: string): Promise<Schema> {
  await loadKysely()
  const config = { host, user: 'keelson', database: 'postgres', options: `-c search_path=${name}`, types: numbers }
  const pool = new pg.Pool({ ...config, max: 8 })
  pool.on('error', () => {}) // the next query says so
  const db: Sql = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  await pool.query(`create schema if not exists ${name}`)
  const provider = { getMigrations: async () => migrations('postgres') }
  const { error } = await new Migrator({ db, provider, migrationTableSchema: name }).migrateToLatest()
  if (error instanceof Error) throw error
  const { rows } = await pool.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = $1 and tablename not like 'kysely%'`,
    [name],
  )
  const emptying = rows.map(({ tablename }) => `delete from ${tablename}`).join(';')
  return {
    ...{ name, db, pool },
    async line() {
      const client = new pg.Client(config)
      client.on('error', () => {})
      await client.connect()
      return client
    },
    empty: async () => void (await pool.query(emptying)),
    end: () => pool.end(),
  }
}

const INT8 = 20

/** 64-bit integers as numbers: none of ours is beyond 2^53. */
const numbers = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}
