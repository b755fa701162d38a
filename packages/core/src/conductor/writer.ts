/**
 * Writer: all that one pass writes, one unit after the other, in the order asked for.
 *
 * W1. A run's stream has one writer. What gathers while a unit is under way goes out together in the next.
 * W2. A unit that meets a conflict is built again from what the store holds now; user code only sees what was committed.
 * W3. A store that fails, or a lost lease, ends the pass: what was asked for never answers.
 */
import type { Actor } from '../base/actor.ts'
import type { Clock } from '../base/clock.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Ids } from '../base/ids.ts'
import { chain, type Draft, type Entry, type Head } from '../journal/entry.ts'
import type { Put } from '../journal/put.ts'
import { writeOf } from '../journal/records.ts'
import type {
  Answer,
  Delivery,
  Expect,
  Lease,
  MemoryStore,
  NewRun,
  Next,
  PassUnit,
  RecordWrite,
} from '../journal/store.ts'
import { withTrail } from './trail.ts'

/** What a job wants written. */
export interface Built {
  readonly drafts: readonly Draft[]
  readonly expect?: readonly Expect[]
  readonly starts?: readonly NewRun[]
  readonly deliveries?: readonly Delivery[]
  readonly consumed?: readonly number[]
  /** Rows that no entry puts: caches, which can be made again. */
  readonly cached?: readonly RecordWrite[]
  readonly artifacts?: readonly Uint8Array[]
  readonly next?: Next
}

/** Builds a unit from what the store holds at that moment; called again after a conflict. `undefined`: nothing to write. */
export type Job = () => Promise<Built | undefined> | Built | undefined

export interface Written {
  readonly entries: readonly Entry[]
  readonly answer: Answer & { status: 'done' }
}

/** Why a writer has ended. */
export type WriterEnd = { readonly why: 'fenced' } | { readonly why: 'store'; readonly error: unknown }

export interface WriterOptions {
  readonly store: MemoryStore
  readonly lease: Lease
  readonly stream: string
  readonly clock: Clock
  readonly ids: Ids
  /** Who does what the run does, for the audit trail. */
  readonly by: Actor
  /** Called in commit order, before the asker is answered. */
  readonly onEntries: (entries: readonly Entry[]) => void
  readonly onEnd: (end: WriterEnd) => void
  /** Nothing is on its way any more. */
  readonly onIdle: () => void
  /** What a run in shadow writes instead: see `shadow/overlay.ts`. */
  readonly redirect?: ((built: Built) => Promise<Built | 'conflict'>) | undefined
}

type Waiting =
  | { readonly drafts: readonly Draft[]; readonly done: (written: Written) => void }
  | { readonly job: Job; readonly done: (written: Written | undefined) => void }

/** Conflicts in a row after which the store is taken to be broken. */
const CONFLICTS_MAX = 1000
/** Entries of one unit, so that a burst of outcomes stays one short transaction. */
const BATCH_MAX = 200

export class Writer {
  readonly #options: WriterOptions
  #head: Head
  #queue: Waiting[] = []
  #draining = false
  #ended = false

  constructor(head: Head, options: WriterOptions) {
    this.#head = head
    this.#options = options
  }

  /** True while something is on its way to the store. */
  get busy(): boolean {
    return this.#draining || this.#queue.length > 0
  }

  /** Entries that depend on nothing but the lease. */
  append(drafts: readonly Draft[]): Promise<Written> {
    return new Promise((done) => this.#enqueue({ drafts, done }))
  }

  /** A unit that depends on what the store holds. Answers undefined when the job found nothing to write. */
  submit(job: Job): Promise<Written | undefined> {
    return new Promise((done) => this.#enqueue({ job, done }))
  }

  /** Nothing more is written or answered. */
  end(): void {
    this.#ended = true
    this.#queue = []
  }

  #enqueue(waiting: Waiting): void {
    if (this.#ended) return
    this.#queue.push(waiting)
    if (!this.#draining) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#draining = true
    try {
      while (this.#queue.length > 0 && !this.#ended) await this.#next()
    } catch (error) {
      this.#fail({ why: 'store', error })
    } finally {
      this.#draining = false
      this.#options.onIdle()
    }
  }

  async #next(): Promise<void> {
    const first = this.#queue.shift()!
    if ('job' in first) {
      const written = await this.#write(first.job)
      if (!this.#ended) first.done(written)
      return
    }
    const batch = [first]
    const drafts = [...first.drafts]
    for (
      let next = this.#queue[0];
      next !== undefined && 'drafts' in next && drafts.length < BATCH_MAX;
      next = this.#queue[0]
    ) {
      batch.push(next)
      drafts.push(...next.drafts)
      this.#queue.shift()
    }
    const written = await this.#write(() => ({ drafts }))
    if (this.#ended || written === undefined) return
    let from = 0
    for (const one of batch) {
      one.done({ entries: written.entries.slice(from, from + one.drafts.length), answer: written.answer })
      from += one.drafts.length
    }
  }

  async #write(job: Job): Promise<Written | undefined> {
    const { store, lease, redirect = (built: Built) => built } = this.#options
    for (let conflicts = 0; ; conflicts++) {
      const wanted = await job()
      if (wanted === undefined || this.#ended) return undefined
      const built = await redirect(wanted)
      if (built === 'conflict') continue
      const { unit, entries } = this.#unit(built)
      const answer = await store.commit(lease, unit)
      if (answer.status === 'done') {
        const last = entries.at(-1)
        if (last !== undefined) this.#head = { seq: last.seq, hash: last.hash }
        if (!this.#ended) this.#options.onEntries(entries)
        return { entries, answer }
      }
      if (answer.status === 'fenced' || answer.rows.some((row) => 'stream' in row)) {
        this.#fail({ why: 'fenced' })
        return undefined
      }
      if (conflicts >= CONFLICTS_MAX) {
        throw new KeelsonError('STORE_FAILED', `a unit of run ${lease.run} conflicts again and again`, {
          data: { rows: JSON.stringify(answer.rows) },
        })
      }
    }
  }

  #unit(built: Built): { unit: PassUnit; entries: Entry[] } {
    const { lease, stream, clock, ids, by } = this.#options
    const at = clock.now()
    const drafts = withTrail(built.drafts, { stream, seq: this.#head.seq, at, by, run: lease.run })
    const entries = chain(lease.workspace, stream, this.#head, drafts, at, () => ids.salt())
    const puts = drafts.flatMap((draft) => (draft.data as { puts?: readonly Put[] }).puts ?? [])
    const records = [...puts.map(writeOf), ...(built.cached ?? [])]
    const unit: PassUnit = {
      ...(entries.length === 0 ? {} : { entries }),
      ...(records.length === 0 ? {} : { records }),
      ...(built.expect === undefined ? {} : { expect: built.expect }),
      ...(built.starts === undefined ? {} : { starts: built.starts }),
      ...(built.deliveries === undefined ? {} : { deliveries: built.deliveries }),
      ...(built.artifacts === undefined ? {} : { artifacts: built.artifacts }),
      ...(built.consumed === undefined ? {} : { consumed: built.consumed }),
      ...(built.next === undefined ? {} : { next: built.next }),
    }
    return { unit, entries }
  }

  #fail(end: WriterEnd): void {
    if (this.#ended) return
    this.end()
    this.#options.onEnd(end)
  }
}
