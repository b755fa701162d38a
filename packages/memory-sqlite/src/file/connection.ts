/** Connection: one SQLite handle with its prepared statements, on which work runs synchronously. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { KeelsonError } from '@keelson/core/ports'
import { kysely } from '../sql/kysely.ts'
import type { Call, Work } from '../sql/statement.ts'
import type { Sql } from '../sql/tables.ts'
import { assertNode, failure, isBusy } from './failure.ts'

export type Handle = Sqlite.Database
export type Driver = typeof Sqlite

/** 'disk': what was answered survives a power cut. 'process': it survives the death of the process. */
export type Durability = 'disk' | 'process'

let driver: Driver | undefined

/** Loads the native driver when a store first opens. */
export async function loadDriver(): Promise<Driver> {
  assertNode()
  driver ??= (await import('better-sqlite3')).default
  return driver
}

/** Waits this long in the driver before the event loop gets a turn again. */
const BUSY_MS = 20
/** Another process may hold the write lock for this long before it is given up. */
export const PATIENCE_MS = 10_000
export const RETRY_MS = 5
/** Prepared statements that are kept; those whose text depends on the query come and go. */
const PREPARED_MAX = 400

/** Opens the file, makes its folder where that is missing, and sets all that is set per connection. */
export async function connect(path: string, durability: Durability): Promise<Handle> {
  const Database = await loadDriver()
  return patiently(() => connectNow(Database, path, durability))
}

/**
 * Tries again while another connection holds the file. It waits in the event loop, not in the driver: who holds the file
 * may be waiting for a turn of this very loop.
 */
export async function patiently<T>(attempt: () => T): Promise<T> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function connectNow(Database: Driver, path: string, durability: Durability): Handle {
  try {
    mkdirSync(dirname(path), { recursive: true })
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw new KeelsonError('STORE_FAILED', `${path} is a folder, not a file`, {
        hint: 'Give the path of a file; it is made when it does not exist.',
      })
    }
    return prepare(new Database(path, { timeout: BUSY_MS }), durability)
  } catch (error) {
    if (isBusy(error)) throw error
    // SQLite only says that it cannot open the file.
    throw failure(isWritable(dirname(path)) ? error : Object.assign(error as Error, { code: 'EACCES' }), path)
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** As long as the log may stay, so that it is written over and grows anew only where one transaction is longer. */
const LOG_MAX_BYTES = 8 * 1024 * 1024
/** Of which the log is moved into the file: near the length to which it is cut back, with room for the transaction that gets there. */
const LOG_PAGES = 1_900

function prepare(handle: Handle, durability: Durability): Handle {
  try {
    const mode = handle.pragma('journal_mode = WAL', { simple: true })
    if (mode !== 'wal') throw new KeelsonError('STORE_READ_ONLY', 'the file cannot be switched to a write-ahead log')
    handle.pragma(`synchronous = ${durability === 'disk' ? 'FULL' : 'NORMAL'}`)
    handle.pragma('foreign_keys = ON')
    handle.pragma('secure_delete = ON')
    handle.pragma(`wal_autocheckpoint = ${LOG_PAGES}`)
    handle.pragma(`journal_size_limit = ${LOG_MAX_BYTES}`)
    scratchIn(handle, 'memory')
    return handle
  } catch (error) {
    handle.close()
    throw error
  }
}

/**
 * Where SQLite puts what it sorts and may have to undo. In memory, where an index that comes or goes takes 50 bytes an entry: a process
 * that may write nowhere but beside the store has no folder for temporary files. Cannot be changed within a transaction.
 */
export function scratchIn(handle: Handle, where: 'memory' | 'file'): void {
  handle.pragma(`temp_store = ${where}`)
}

/** Runs work on a handle, each statement prepared once. */
export class Runner {
  readonly handle: Handle
  readonly #prepared = new Map<string, Sqlite.Statement<unknown[]>>()

  constructor(handle: Handle) {
    this.handle = handle
  }

  run<T>(work: Work<T>): T {
    let step = work.next()
    while (step.done !== true) {
      let answer: unknown
      try {
        answer = this.#ask(step.value)
      } catch (error) {
        step = work.throw(error)
        continue
      }
      step = work.next(answer)
    }
    return step.value
  }

  #ask({ sql, values, wants }: Call): unknown {
    const statement = this.#prepared.get(sql) ?? this.#prepare(sql)
    // Values behind one another are bound sooner than an array of them.
    return wants === 'rows' ? statement.all(...values) : statement.run(...values).changes
  }

  #prepare(sql: string): Sqlite.Statement<unknown[]> {
    if (this.#prepared.size >= PREPARED_MAX) this.#prepared.clear()
    const statement = this.handle.prepare(keptPlan(sql))
    this.#prepared.set(sql, statement)
    return statement
  }
}

/**
 * The same query, planned once. SQLite plans a query anew at each execution when a bound value may bear on its plan, which it
 * assumes of a bare parameter beside an order, a minimum, a maximum or a limit; of an expression it does not.
 */
export function keptPlan(sql: string): string {
  return sql.startsWith('select') ? sql.replaceAll(/limit \?/g, 'limit ? + 0').replaceAll(/\?(?! \+ 0)/g, '+?') : sql
}

/** What makes statements of queries, on this handle. */
export function kyselyOn(handle: Handle): Sql {
  const { Kysely, SqliteDialect } = kysely()
  return new Kysely({ dialect: new SqliteDialect({ database: handle }) })
}
