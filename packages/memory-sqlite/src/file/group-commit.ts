/**
 * GroupCommit: writes that are asked for in one turn of the event loop share one transaction.
 *
 * G1. Nobody is answered before COMMIT has returned.
 * G2. Each job judges before it writes; one that throws takes the transaction with it, and then every job of the group
 *     runs again in a transaction of its own. So each fails or succeeds alone.
 * G3. When COMMIT itself throws, the store is read back: what landed is answered as such.
 * G4. Only a damaged file stops the store; after any other failure the next group is tried like the first.
 */
import type { Statement } from 'better-sqlite3'
import { KeelsonError } from '@keelson/core/ports'
import { begins, rolledBack, type Context } from '../sql/context.ts'
import type { Work } from '../sql/statement.ts'
import { PATIENCE_MS, RETRY_MS, type Runner } from './connection.ts'
import { closed, failure, isBusy } from './failure.ts'

export interface Job<T> {
  /** The short way, tried first; undefined: it is not for this one, and nothing was written. */
  readonly hot?: () => T | undefined
  readonly work: () => Work<T>
  /** Asked after a commit of unknown outcome: is this job's write in the store? */
  readonly landed?: () => Work<boolean>
  /** After the others of its group: it sees what they wrote. */
  readonly last?: boolean
}

interface Waiting {
  readonly job: Job<unknown>
  readonly since: number
  readonly resolve: (value: never) => void
  readonly reject: (error: KeelsonError) => void
}

export class GroupCommit {
  readonly #runner: Runner
  readonly #context: Context
  readonly #path: string
  readonly #written: () => void
  readonly #begin: Statement
  readonly #commit: Statement
  #queue: Waiting[] = []
  #armed = false
  #closed = false
  #damage: KeelsonError | undefined

  /** `written` is called after each commit, before the answers are given. */
  constructor(runner: Runner, context: Context, path: string, written: () => void) {
    this.#runner = runner
    this.#context = context
    this.#path = path
    this.#written = written
    this.#begin = runner.handle.prepare('begin immediate')
    this.#commit = runner.handle.prepare('commit')
  }

  submit<T>(job: Job<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closed(this.#path))
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, since: performance.now(), resolve, reject })
      if (this.#armed) return
      this.#armed = true
      setImmediate(() => this.flush())
    })
  }

  /** Writes what is queued now. */
  flush(): void {
    this.#armed = false
    const group = this.#ordered()
    this.#queue = []
    if (group.length === 0) return
    if (this.#damage !== undefined) return this.#rejectAll(group, this.#damage)
    const outcome = this.#transact(group)
    if (outcome === 'busy') return this.#later(group)
    if (outcome instanceof KeelsonError && group.length === 1) return this.#rejectAll(group, outcome)
    if (outcome instanceof KeelsonError) for (const one of group) this.#alone(one)
  }

  #ordered(): Waiting[] {
    if (!this.#queue.some(({ job }) => job.last === true)) return this.#queue
    return [
      ...this.#queue.filter(({ job }) => job.last !== true),
      ...this.#queue.filter(({ job }) => job.last === true),
    ]
  }

  /** Writes what is queued and takes no more. */
  close(): void {
    this.flush()
    this.#closed = true
    this.#rejectAll(this.#queue, closed(this.#path))
    this.#queue = []
  }

  #alone(one: Waiting): void {
    const outcome = this.#damage ?? this.#transact([one])
    if (outcome === 'busy') this.#later([one])
    else if (outcome instanceof KeelsonError) one.reject(outcome)
  }

  /** One transaction. Answers the jobs when it is durable; else says why it is not. */
  #transact(group: readonly Waiting[]): 'done' | 'busy' | KeelsonError {
    const answers: unknown[] = []
    try {
      this.#begin.run()
    } catch (error) {
      return isBusy(error) ? 'busy' : this.#failed(error)
    }
    let committing = false
    try {
      begins(this.#context)
      for (const { job } of group) answers.push(job.hot?.() ?? this.#runner.run(job.work()))
      committing = true
      this.#commit.run()
    } catch (error) {
      const { changes } = this.#context
      const failed = this.#failed(error)
      if (!committing || !this.#landed(group)) return failed
      this.#context.changes = changes
    }
    this.#written()
    for (let at = 0; at < group.length; at++) group[at]!.resolve(answers[at] as never)
    return 'done'
  }

  #failed(error: unknown): KeelsonError {
    const { handle } = this.#runner
    rolledBack(this.#context)
    try {
      if (handle.inTransaction) handle.exec('rollback')
    } catch {
      // The failure that is reported is the first one.
    }
    const failed = failure(error, this.#path)
    // A row that does not fit its checksum concerns whoever reads it; a damaged file concerns all.
    if (failed.code === 'STORE_CORRUPT' && failed !== error) this.#damage = failed
    return failed
  }

  #landed(group: readonly Waiting[]): boolean {
    try {
      return group.some(({ job }) => job.landed !== undefined && this.#runner.run(job.landed()))
    } catch {
      return false
    }
  }

  #later(group: readonly Waiting[]): void {
    if (this.#closed) return this.#rejectAll(group, closed(this.#path))
    if (performance.now() - group[0]!.since > PATIENCE_MS) {
      const held = new Error('database is locked')
      return this.#rejectAll(group, failure(Object.assign(held, { code: 'SQLITE_BUSY' }), this.#path))
    }
    this.#queue = [...group, ...this.#queue]
    if (this.#armed) return
    this.#armed = true
    setTimeout(() => this.flush(), RETRY_MS)
  }

  #rejectAll(group: readonly Waiting[], error: KeelsonError): void {
    for (const one of group) one.reject(error)
  }
}
