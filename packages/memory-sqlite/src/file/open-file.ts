/**
 * OpenFile: a file from open to close, and everything about it that is no method of the port.
 *
 * O1. Listeners hear of a change after it is durable, never before.
 * O2. A lock that proves a worker's death is held until its runs are free, so that a worker of the same name which
 *     comes back in between is not mistaken for the dead one.
 * O3. An idle file costs nothing: what is to be tidied is tidied once, a moment after the last write.
 */
import type { Statement } from 'better-sqlite3'
import type { StoreChange, Instant, Opened, RunRow } from '@keelson/core/ports'
import { KeelsonError } from '@keelson/core/ports'
import { allWorkspaces, begins, createContext, type Context } from '../sql/context.ts'
import { loadKysely } from '../sql/kysely.ts'
import { queries, type Queries } from '../sql/queries.ts'
import { run, type Work } from '../sql/statement.ts'
import type { Sql } from '../sql/tables.ts'
import { addWorker, holders, removeWorker, workerNames } from '../sql/workers.ts'
import {
  connect,
  kyselyOn,
  loadDriver,
  patiently,
  Runner,
  type Driver,
  type Durability,
  type Handle,
} from './connection.ts'
import { failure } from './failure.ts'
import { GroupCommit, type Job } from './group-commit.ts'
import { identify, lastPosition, writeAnchor } from './identity.ts'
import { readMeta } from './meta.ts'
import { migrate, type Migrations } from './schema.ts'
import { check } from './sound.ts'
import { Wake } from './wake.ts'
import { takeLock, type Probe, type WorkerLock } from './worker-lock.ts'

export interface OpenOptions {
  readonly durability: Durability
  readonly migrations: Migrations
  readonly worker: string
  readonly now: () => Instant
  /** What ended an earlier session of this worker that did not close: its process, or only its thread in this one. */
  readonly after: 'death' | 'thread'
  readonly tamper?: ((handle: Handle) => void) | undefined
}

/** The log is emptied this long after the last write, and the anchor written. */
const IDLE_MS = 1_000
/** Under constant load the anchor is written this often: a write beside the store is dear. */
const ANCHOR_MS = 1_000
/** A worker that opens waits this long for whoever is just asking whether it is alive. */
const LOCK_PATIENCE_MS = 1_000

/** Compiled with the first file: the text of a statement is the same in each. */
let compiled: Queries | undefined

interface Parts {
  readonly Database: Driver
  readonly handle: Handle
  readonly db: Sql
  lock: WorkerLock
}

export class OpenFile {
  readonly path: string
  readonly now: () => Instant
  readonly handle: Handle
  readonly db: Sql
  readonly context: Context
  readonly #worker: string
  readonly #parts: Parts
  readonly #runner: Runner
  readonly #commits: GroupCommit
  readonly #probes = new Map<string, Probe>()
  readonly #listeners = new Set<(change: StoreChange) => void>()
  #wake: Wake | undefined
  #idle: NodeJS.Timeout | undefined
  #id = ''
  #position = 0
  #anchored = 0
  #anchoredAt = 0
  /** What is remembered was compared with what others have written, since this code was called by the event loop. */
  #compared = false

  private constructor(path: string, options: OpenOptions, parts: Parts) {
    this.path = path
    this.#worker = options.worker
    this.now = options.now
    this.handle = parts.handle
    this.db = parts.db
    this.#parts = parts
    this.#runner = new Runner(parts.handle)
    const version = parts.handle.prepare('pragma data_version').pluck() as Statement<[], number>
    this.context = createContext((compiled ??= queries(parts.db)), () => lastPosition(this.context), {
      writesOfOthers: () => version.get()!,
      forSeveral: () => run(this.context.q.indexTail, {}),
    })
    this.#commits = new GroupCommit(this.#runner, this.context, path, () => this.#written())
  }

  /** Opens, migrates, checks, and registers the worker as alive. */
  static async open(path: string, options: OpenOptions): Promise<{ file: OpenFile; frozen: Opened['frozen'] }> {
    const Database = await loadDriver()
    await loadKysely()
    const handle = await connect(path, options.durability)
    try {
      options.tamper?.(handle)
      const db = kyselyOn(handle)
      await migrate(handle, db, path, options.migrations)
      check(handle, path)
      const lock = takeLock(Database, path, options.worker, LOCK_PATIENCE_MS)
      if (lock === undefined) throw taken(path, options.worker)
      const file = new OpenFile(path, options, { Database, handle, db, lock })
      return { file, frozen: await file.#begin(options) }
    } catch (error) {
      handle.close()
      throw failure(error, path)
    }
  }

  /**
   * Runs work that only reads, at once. From 'remembered': it may be answered from what the context remembers (K1). Who writes in
   * another process is heard of in another go of the event loop, so one comparison does for all that is asked in this one.
   */
  read<T>(work: Work<T>, from?: 'remembered'): T {
    try {
      if (from === 'remembered' && !this.#compared) this.#compare()
      return this.#runner.run(work)
    } catch (error) {
      throw failure(error, this.path)
    }
  }

  #compare(): void {
    begins(this.context)
    this.#compared = true
    queueMicrotask(() => (this.#compared = false))
  }

  /** Work that writes, in the next group. */
  submit<T>(job: Job<T>): Promise<T> {
    return this.#commits.submit(job)
  }

  /** Work that writes, after all else of its group and after the runs of dead workers were freed in the same transaction. */
  async submitAfterDeaths<T>(work: () => Work<T>): Promise<T> {
    const context = this.context
    const dead = this.#takeDead(this.read(holders(context)))
    if (dead.length === 0) return this.submit({ work, last: true })
    try {
      return await this.submit({
        *work() {
          for (const { name } of dead) yield* removeWorker(context, name, 'died')
          return yield* work()
        },
        last: true,
      })
    } finally {
      for (const { lock } of dead) lock.release()
    }
  }

  watch(listener: (change: StoreChange) => void): () => void {
    this.#wake ??= new Wake(
      this.handle,
      this.path,
      () => this.#othersWrote(),
      () => this.#tellOfDeaths(),
    )
    const each = (change: StoreChange): void => queueMicrotask(() => this.#listeners.has(each) && listener(change))
    this.#listeners.add(each)
    return () => void this.#listeners.delete(each)
  }

  /** Writes what is queued, frees the worker's runs, and leaves one file without a log. */
  async close(): Promise<void> {
    try {
      await this.submit({ work: () => removeWorker(this.context, this.#worker, 'closed') })
    } finally {
      this.#commits.close()
      this.#tidy()
      this.#letGo()
    }
  }

  /**
   * Lets go of the worker's lock as the death of the process would (whoever takes it takes the runs); or registers the worker
   * anew, because somebody has proved its death.
   */
  async lives(worker: string | undefined): Promise<void> {
    this.#parts.lock.release()
    if (worker !== this.#worker) return
    const lock = takeLock(this.#parts.Database, this.path, worker, LOCK_PATIENCE_MS)
    if (lock === undefined) throw taken(this.path, worker)
    this.#parts.lock = lock
    await this.submit({ work: () => addWorker(this.context, worker, this.now()) })
  }

  #letGo(): void {
    clearTimeout(this.#idle)
    this.#wake?.close()
    this.#listeners.clear()
    for (const { handle } of this.#probes.values()) handle.close()
    this.handle.close()
    this.#parts.lock.release()
  }

  async #begin({ worker, now, after }: OpenOptions): Promise<Opened['frozen']> {
    const { context, path } = this
    const dead = this.#takeDead(this.read(workerNames(context)))
    try {
      const register = function* (): Work<Opened['frozen']> {
        const frozen = yield* identify(context, path)
        for (const { name } of dead) yield* removeWorker(context, name, 'died')
        yield* removeWorker(context, worker, after === 'death' ? 'died' : 'closed')
        yield* addWorker(context, worker, now())
        return frozen
      }
      const frozen = await patiently(() => this.#transact(register()))
      this.#id = this.read(readMeta(context.q, 'id')) ?? ''
      this.#anchored = this.#position = this.read(lastPosition(context))
      return frozen
    } catch (error) {
      this.#parts.lock.release()
      throw error
    } finally {
      for (const { lock } of dead) lock.release()
    }
  }

  /** A transaction outside the groups: only while opening and closing. */
  #transact<T>(work: Work<T>): T {
    return this.handle.transaction(() => this.#runner.run(work)).immediate()
  }

  #takeDead(names: readonly string[]): { name: string; lock: WorkerLock }[] {
    const dead: { name: string; lock: WorkerLock }[] = []
    for (const name of names) {
      if (name === this.#worker) continue
      const lock = takeLock(this.#parts.Database, this.path, name, 0, this.#probes)
      if (lock !== undefined) dead.push({ name, lock })
    }
    return dead
  }

  #written(): void {
    const { changes } = this.context
    if (changes.size > 0) {
      this.context.changes = new Map()
      for (const [workspace, runs] of changes) {
        const settled = new Map<string, RunRow>()
        for (const [run, row] of runs) if (row !== undefined) settled.set(run, row)
        this.#tell({ workspace, runs: [...runs.keys()], ...(settled.size === 0 ? {} : { settled }) })
      }
    }
    this.#position = this.context.last ?? this.#position
    if (performance.now() - this.#anchoredAt >= ANCHOR_MS) this.#anchor()
    this.#idle ??= setTimeout(() => this.#tidy(), IDLE_MS).unref()
    this.#idle.refresh()
  }

  #tell(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Another process may have written anywhere. */
  #othersWrote(): void {
    for (const { name } of this.read(allWorkspaces(this.context))) this.#tell({ workspace: name, runs: [] })
  }

  /** Nothing is written when a process dies. Whoever claims next frees its runs. */
  #tellOfDeaths(): void {
    const dead = this.#takeDead(this.read(holders(this.context)))
    for (const { lock } of dead) lock.release()
    if (dead.length > 0) this.#othersWrote()
  }

  #tidy(): void {
    try {
      this.handle.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // A full disk or a reader elsewhere: the log stays until the next time.
    }
    this.#anchor()
  }

  #anchor(): void {
    this.#anchoredAt = performance.now()
    if (this.#position === this.#anchored) return
    writeAnchor(this.path, { id: this.#id, position: this.#position })
    this.#anchored = this.#position
  }
}

function taken(path: string, worker: string): KeelsonError {
  return new KeelsonError('STORE_BUSY', `the worker ${worker} has ${path} open already`, {
    hint: 'Give each process, and each conductor in one process, a worker name of its own.',
    data: { worker },
  })
}
