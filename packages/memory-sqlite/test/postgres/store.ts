/**
 * PostgresStore: the shared work over Postgres, as thin as the port allows. It is no product: it shows that port, tables
 * and statements fit a second dialect and a driver that is asynchronous.
 *
 * P1. Every transaction is serializable and is run again from its beginning when it meets another; nothing is locked by
 *     hand. The work is a generator, so a second run is a second call.
 * P2. Positions are the transaction's id with a counter behind it. The id is taken in the statement that also takes the
 *     snapshot, so within a stream they grow; `tail` holds back all from the oldest open transaction on (S6).
 * P3. A worker lives as long as its session holds an advisory lock. Taking that lock proves its death.
 * P4. The writes of a session are applied one after the other, in the order of the calls: a later unit of one turn may
 *     build on an earlier one.
 * P5. Postgres takes no NUL in a text: NUL, and the character that stands for it, are escaped so that order is kept.
 * P6. Changes are told by NOTIFY, which Postgres sends when, and only when, the transaction commits.
 */
import type pg from 'pg'
import { KeelsonError, type StoreChange, type MemoryStore } from '@keelson/core/ports'
import { claimRuns, type Turns } from '../../src/sql/claim.ts'
import { createContext, findWorkspace, type Context } from '../../src/sql/context.ts'
import { readEntries, readTail } from '../../src/sql/entries.ts'
import { unreadMail } from '../../src/sql/mail.ts'
import { queries, type Queries } from '../../src/sql/queries.ts'
import { getBytes } from '../../src/sql/artifacts.ts'
import { listWorkspaces, readRuns } from '../../src/sql/reads.ts'
import { readRecords } from '../../src/sql/records.ts'
import { findRun } from '../../src/sql/runs.ts'
import type { Work } from '../../src/sql/statement.ts'
import type { Sql } from '../../src/sql/tables.ts'
import { commitUnit, holds, writeUnit } from '../../src/sql/unit.ts'
import { addWorker, holders, isWorker, removeWorker, workerNames } from '../../src/sql/workers.ts'
import type { Schema } from './schema.ts'

/** Entries that one transaction may write. */
const PER_TRANSACTION = 2 ** 20
const ALL = 2_147_483_647

export interface PostgresStore extends MemoryStore {
  /** The worker counts as dead from now on; the session can still be called. */
  abandon(): Promise<void>
}

export function postgresStore(schema: Schema): PostgresStore {
  let session: Session | undefined
  const turns: Turns = { count: 0, served: new Map(), asked: new Map() }
  const own = (): Session => {
    if (session !== undefined) return session
    throw new KeelsonError('STORE_CLOSED', 'the store is not open')
  }
  const now = (): number => own().now()
  const write = <T>(work: (context: Context) => Work<T>): Promise<T> => own().transact('write', work)
  const read = <T>(work: (context: Context) => Work<T>): Promise<T> => own().transact('read', work)
  const inSpace = <T>(
    workspace: string,
    otherwise: T,
    work: (context: Context, space: number) => Work<T>,
  ): Promise<T> =>
    read(function* (context) {
      const space = yield* findWorkspace(context, workspace)
      return space === undefined ? otherwise : yield* work(context, space)
    })
  return {
    kind: 'postgres',
    feeds: false,
    async open(options) {
      session = await Session.open(schema, options.worker, options.now)
      return { frozen: [] }
    },
    async close() {
      const closing = session
      session = undefined
      await closing?.close()
    },
    abandon: () => own().unlock(),
    workspaces: async () => read(listWorkspaces),
    write: async (workspace, unit) => {
      const at = now()
      return write((context) => writeUnit(context, workspace, unit, at))
    },
    commit: async (lease, unit) => {
      const at = now()
      return write((context) => commitUnit(context, lease, unit, at))
    },
    claim: async (query) => {
      const dead = await own().takeDead(await read(holders))
      try {
        return await write(function* (context) {
          for (const name of dead) yield* removeWorker(context, name, 'died')
          return yield* claimRuns(context, own().db, turns, query)
        })
      } finally {
        await own().letGo(dead)
      }
    },
    async beat(worker) {
      const alive = await read((context) => isWorker(context, worker))
      if (!alive) await own().revive()
      return alive
    },
    mail: async (of, after) =>
      inSpace(of.workspace, [], function* (context, space) {
        const row = yield* findRun(context, space, of.run)
        const held = row !== undefined && (!('epoch' in of) || holds(row, of))
        return held ? yield* unreadMail(context, space, of.run, after) : []
      }),
    runs: async (workspace, query) => read((context) => readRuns(context, own().db, workspace, query)),
    entries: async (workspace, stream, after = 0, limit = ALL) =>
      inSpace(workspace, [], (context, space) => readEntries(context, space, stream, after, limit)),
    records: async (workspace, query) =>
      inSpace(workspace, [], (context, space) => readRecords(context, own().db, space, query)),
    tail: async (workspace, after, limit) =>
      inSpace(workspace, [], function* (context, space) {
        const rows = (yield {
          sql: 'select pg_snapshot_xmin(pg_current_snapshot())::text as xmin',
          ...{ values: [], wants: 'rows' },
        }) as { xmin: string }[]
        return yield* readTail(context, space, after, Number(rows[0]!.xmin) * PER_TRANSACTION, limit)
      }),
    getArtifact: async (workspace, sha256) => read((context) => getBytes(context, workspace, sha256)),
    watch: (listener) => own().watch(listener),
    adopt: async () => void own(),
  }
}

class Session {
  readonly db: Sql
  readonly now: () => number
  readonly #schema: Schema
  readonly #worker: string
  readonly #q: Queries
  readonly #listeners = new Set<(change: StoreChange) => void>()
  /** Holds the worker's lock and hears of changes, for the session's life. */
  readonly #line: pg.Client

  /** The last write that was asked for (P4). */
  #writes: Promise<unknown> = Promise.resolve()

  private constructor(schema: Schema, line: pg.Client, worker: string, now: () => number) {
    this.db = schema.db
    this.#q = queries(this.db)
    this.#schema = schema
    this.#line = line
    this.#worker = worker
    this.now = now
  }

  static async open(schema: Schema, worker: string, now: () => number): Promise<Session> {
    const session = new Session(schema, await schema.line(), worker, now)
    await session.#begin()
    return session
  }

  async #begin(): Promise<void> {
    const line = this.#line
    await line.query('select pg_advisory_lock(hashtext($1))', [this.#lockOf(this.#worker)])
    await line.query(`listen ${this.#schema.name}`)
    line.on('notification', ({ payload }) => {
      for (const listener of this.#listeners) listener(JSON.parse(payload!) as StoreChange)
    })
    const dead = await this.takeDead(await this.transact('read', workerNames))
    const [worker, now] = [this.#worker, this.now()]
    await this.transact('write', function* (context) {
      for (const name of [...dead, worker]) yield* removeWorker(context, name, 'died')
      yield* addWorker(context, worker, now)
    })
    await this.letGo(dead)
  }

  async close(): Promise<void> {
    await this.transact('write', (context) => removeWorker(context, this.#worker, 'closed'))
    this.#listeners.clear()
    await this.#line.end()
  }

  /** Registers the worker anew, whose death somebody has proved. */
  async revive(): Promise<void> {
    const [worker, now] = [this.#worker, this.now()]
    await this.#line.query('select pg_advisory_lock(hashtext($1))', [this.#lockOf(worker)])
    await this.transact('write', (context) => addWorker(context, worker, now))
  }

  async unlock(): Promise<void> {
    await this.#line.query('select pg_advisory_unlock(hashtext($1))', [this.#lockOf(this.#worker)])
  }

  watch(listener: (change: StoreChange) => void): () => void {
    const each = (change: StoreChange): void => listener(change)
    this.#listeners.add(each)
    return () => void this.#listeners.delete(each)
  }

  #lockOf(worker: string): string {
    return `${this.#schema.name} ${worker}`
  }

  /** Those of `names` whose lock could be taken. */
  async takeDead(names: readonly string[]): Promise<string[]> {
    const dead: string[] = []
    for (const name of names.filter((each) => each !== this.#worker)) {
      const asked = 'select pg_try_advisory_lock(hashtext($1)) as taken'
      const { rows } = await this.#line.query<{ taken: boolean }>(asked, [this.#lockOf(name)])
      if (rows[0]!.taken) dead.push(name)
    }
    return dead
  }

  async letGo(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#line.query('select pg_advisory_unlock(hashtext($1))', [this.#lockOf(name)])
  }

  /** Runs work in one transaction of its own. */
  async transact<T>(kind: 'read' | 'write', work: (context: Context) => Work<T>): Promise<T> {
    if (kind === 'read') return this.#persist(kind, work)
    const done = this.#writes.then(() => this.#persist(kind, work))
    this.#writes = done.catch(() => undefined)
    return done
  }

  /** Again and again while it meets others (P1). */
  async #persist<T>(kind: 'read' | 'write', work: (context: Context) => Work<T>): Promise<T> {
    for (;;) {
      const client = await this.#schema.pool.connect()
      try {
        return await this.#attempt(client, kind, work)
      } catch (error) {
        await client.query('rollback')
        if (!AGAIN.has((error as { code?: string }).code ?? '')) throw error
      } finally {
        client.release()
      }
    }
  }

  async #attempt<T>(client: pg.PoolClient, kind: 'read' | 'write', work: (context: Context) => Work<T>): Promise<T> {
    const context = createContext(this.#q, () => refuse())
    if (kind === 'read') await client.query('begin isolation level repeatable read, read only')
    else {
      await client.query('begin isolation level serializable')
      const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
      context.last = Number(rows[0]!.xid) * PER_TRANSACTION
    }
    const answer = await drive(client, work(context))
    for (const [workspace, runs] of context.changes) {
      const change = JSON.stringify({ workspace, runs: [...runs.keys()] })
      // A notice has room for 8,000 bytes; without runs it says: look yourself.
      const payload = change.length < 4000 ? change : JSON.stringify({ workspace, runs: [] })
      await client.query('select pg_notify($1, $2)', [this.#schema.name, payload])
    }
    await client.query('commit')
    return answer
  }
}

/** Serialization failure, deadlock, and a key that another transaction has just taken. */
const AGAIN = new Set(['40001', '40P01', '23505'])

async function drive<T>(client: pg.PoolClient, work: Work<T>): Promise<T> {
  let step = work.next()
  while (step.done !== true) {
    const { sql, values, wants } = step.value
    const result = await client.query<Row>({ name: nameOf(sql), text: sql, values: values.map(escaped) })
    step = work.next(wants === 'rows' ? result.rows.map(unescaped) : (result.rowCount ?? 0))
  }
  return step.value
}

/** Under its name, a connection plans a statement once. */
function nameOf(sql: string): string {
  const name = names.get(sql) ?? `s${names.size}`
  names.set(sql, name)
  return name
}
const names = new Map<string, string>()

type Row = Record<string, unknown>

function escaped(value: unknown): unknown {
  if (typeof value !== 'string' || !SPECIAL.test(value)) return value
  return value.replaceAll('\u0001', '\u0001\u0003').replaceAll('\u0000', '\u0001\u0002')
}

function unescaped(row: Row): Row {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value !== 'string' || !value.includes('\u0001')) continue
    row[name] = value.replaceAll('\u0001\u0002', '\u0000').replaceAll('\u0001\u0003', '\u0001')
  }
  return row
}

// eslint-disable-next-line no-control-regex -- these two are what it is about
const SPECIAL = /[\u0000\u0001]/

// eslint-disable-next-line require-yield -- a writing transaction has its number from the start
function* refuse(): Work<number> {
  throw new Error('a reading transaction numbers nothing')
}
