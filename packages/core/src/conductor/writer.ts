/**
 * Writer: all that one pass writes, one unit after the other, in the order asked for.
 *
 * W1. A run's stream has one writer. What is asked for in one go, or gathers while a unit is under way, goes out together.
 * W2. A unit that meets a conflict is built again from what the store holds now; user code only sees what was committed.
 * W3. A store that fails, or a lost lease, ends the pass: what was asked for never answers.
 * W4. What cannot be stored is the run's own fault: it is told once, and what was asked for before never answers.
 */
import type { Actor } from '../base/actor.ts'
import type { Clock } from '../base/clock.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Ids } from '../base/ids.ts'
import { list } from '../base/young.ts'
import { chain, type Draft, type Entry, type Head } from '../journal/entry.ts'
import { inked, writesOf } from '../journal/records.ts'
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
  /** It begins anew what died with a worker: no progress. */
  readonly again?: boolean
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
  readonly onEntries: (entries: readonly Entry[], again?: boolean) => void
  readonly onEnd: (end: WriterEnd) => void
  /** Something of the run cannot be stored. */
  readonly onRefused: (error: KeelsonError) => void
  /** Nothing is on its way any more. */
  readonly onIdle: () => void
  /** What a run in shadow writes instead: see `shadow/overlay.ts`. */
  readonly redirect?: ((built: Built) => Promise<Built | 'conflict'>) | undefined
}

/** A class, as all that lives for a turn or a run: see base/young.ts. */
class Appended {
  readonly drafts: readonly Draft[]
  readonly done: (written: Written) => void

  constructor(drafts: readonly Draft[], done: (written: Written) => void) {
    this.drafts = drafts
    this.done = done
  }
}

interface Submitted {
  readonly job: Job
  readonly done: (written: Written | undefined) => void
}

type Waiting = Appended | Submitted

const now = Promise.resolve()

/** Conflicts in a row after which the store is taken to be broken. */
const CONFLICTS_MAX = 1000
/** Entries of one unit, so that a burst of outcomes stays one short transaction. */
const BATCH_MAX = 200

export class Writer {
  readonly #options: WriterOptions
  #head: Head
  #queue: Waiting[] = []
  /** From the first that is asked for until nothing is on its way. */
  #busy = false
  #ended = false
  #refused = false
  readonly #salt: () => string
  readonly #take = (): void => this.#next()

  constructor(head: Head, options: WriterOptions) {
    this.#head = head
    this.#options = options
    const salt = (): string => options.ids.salt()
    this.#salt = salt // not assigned as a literal: see base/young.ts
  }

  /** True while something is on its way to the store. */
  get busy(): boolean {
    return this.#busy
  }

  /** Entries that depend on nothing but the lease. */
  append(drafts: readonly Draft[]): Promise<Written> {
    return new Promise((done) => this.put(drafts, done))
  }

  /** The same, answering by a call: after `onEntries`, in the turn in which the store answers. */
  put(drafts: readonly Draft[], done: (written: Written) => void): void {
    this.#enqueue(new Appended(drafts, done))
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
    if (this.#busy) return
    this.#busy = true
    void now.then(this.#take) // what the code asks for in the same go shares the unit
  }

  /** Takes up what waits longest; called when nothing is under way. */
  #next(): void {
    const first = this.#ended ? undefined : this.#queue.shift()
    if (first === undefined) {
      this.#busy = false
      this.#options.onIdle()
    } else if ('job' in first) {
      this.#onBehalfOf(first).catch((error: unknown) => this.#threw(error))
    } else {
      this.#together(first)
    }
  }

  async #onBehalfOf({ job, done }: Submitted): Promise<void> {
    const { redirect } = this.#options
    for (let conflicts = 0; ; conflicts++) {
      const wanted = await job()
      if (wanted === undefined || this.#ended) {
        if (!this.#ended) done(undefined)
        return this.#next()
      }
      const built = redirect === undefined ? wanted : await redirect(wanted)
      if (built === 'conflict') continue
      const { unit, entries } = this.#unit(built)
      const answer = await this.#options.store.commit(this.#options.lease, unit)
      if (answer.status === 'done') {
        this.#written(entries, built.again)
        if (!this.#ended) done({ entries, answer })
        return this.#next()
      }
      if (!this.#mayTryAgain(answer, conflicts)) return
    }
  }

  /** The first and what follows it, as long as it depends on nothing. Free of promises but the store's own: the hot path. */
  #together(first: Appended): void {
    const batch = list(first)
    let count = first.drafts.length
    for (const next of this.#queue) {
      if (!('drafts' in next) || count >= BATCH_MAX) break
      batch.push(next)
      count += next.drafts.length
    }
    if (batch.length > 1) this.#queue.splice(0, batch.length - 1)
    const drafts = batch.length === 1 ? first.drafts : batch.flatMap((one) => one.drafts)
    if (this.#options.redirect === undefined) return this.#commit(batch, drafts, 0)
    const done = (written: Written | undefined): void => written && this.#tell(batch, written)
    this.#onBehalfOf({ job: () => ({ drafts }), done }).catch((error: unknown) => this.#threw(error))
  }

  #commit(batch: readonly Appended[], drafts: readonly Draft[], conflicts: number): void {
    try {
      const { unit, entries } = this.#unit({ drafts })
      this.#options.store.commit(this.#options.lease, unit).then(
        (answer) => this.#answered(batch, drafts, { entries, answer, conflicts }),
        (error: unknown) => this.#fail({ why: 'store', error }),
      )
    } catch (error) {
      this.#threw(error)
    }
  }

  #answered(
    batch: readonly Appended[],
    drafts: readonly Draft[],
    { entries, answer, conflicts }: { entries: readonly Entry[]; answer: Answer; conflicts: number },
  ): void {
    try {
      if (answer.status !== 'done') {
        if (this.#mayTryAgain(answer, conflicts)) this.#commit(batch, drafts, conflicts + 1)
        return
      }
      this.#written(entries)
      this.#tell(batch, { entries, answer })
      this.#next()
    } catch (error) {
      this.#fail({ why: 'store', error })
    }
  }

  /** Each asker with the entries that are its own. */
  #tell(batch: readonly Appended[], { entries, answer }: Written): void {
    let from = 0
    for (const one of batch) {
      if (this.#ended) return
      const own = batch.length === 1 ? entries : entries.slice(from, from + one.drafts.length)
      one.done({ entries: own, answer })
      from += one.drafts.length
    }
  }

  #written(entries: readonly Entry[], again?: boolean): void {
    const last = entries.at(-1)
    if (last !== undefined) this.#head = last
    if (!this.#ended) this.#options.onEntries(entries, again)
  }

  /** W2: after a conflict over records. Of two writers of one stream, this is the one that has lost its lease. */
  #mayTryAgain(answer: Exclude<Answer, { status: 'done' }>, conflicts: number): boolean {
    if (this.#ended) {
      this.#next()
      return false
    }
    if (answer.status === 'fenced' || answer.rows.some((row) => 'stream' in row)) {
      this.#fail({ why: 'fenced' })
      return false
    }
    if (conflicts < CONFLICTS_MAX) return true
    throw new KeelsonError('STORE_FAILED', `a unit of run ${this.#options.lease.run} conflicts again and again`, {
      data: { rows: JSON.stringify(answer.rows) },
    })
  }

  #unit(built: Built): { unit: PassUnit; entries: Entry[] } {
    const { lease, stream, clock, by } = this.#options
    const at = clock.now()
    const ink = inked(withTrail(built.drafts, { stream, seq: this.#head.seq, at, by, run: lease.run }))
    const entries = chain(lease.workspace, stream, this.#head, ink.drafts, at, this.#salt)
    if (isPlain(built) && ink.records.length === 0) return { unit: { entries }, entries }
    const begun = (built.starts ?? []).flatMap((start) => writesOf(start.entries))
    const records = [...ink.records, ...begun, ...(built.cached ?? [])]
    const unit: PassUnit = {
      ...(entries.length === 0 ? {} : { entries }),
      ...(records.length === 0 ? {} : { records }),
      ...(built.expect === undefined ? {} : { expect: built.expect }),
      ...(built.starts === undefined ? {} : { starts: built.starts }),
      ...(built.deliveries === undefined ? {} : { deliveries: built.deliveries }),
      ...(built.artifacts === undefined ? {} : { artifacts: built.artifacts }),
      ...(built.consumed === undefined ? {} : { consumed: built.consumed }),
      ...(built.again === true ? { again: true } : {}),
      ...(built.next === undefined ? {} : { next: built.next }),
    }
    return { unit, entries }
  }

  /** W4: once. Who refuses even what says so has a store that fails. */
  #threw(error: unknown): void {
    if (this.#ended || this.#refused || !KeelsonError.is(error, 'VALUE_NOT_STORABLE'))
      return this.#fail({ why: 'store', error })
    this.#refused = true
    this.#queue = []
    this.#options.onRefused(error)
    this.#next()
  }

  #fail(end: WriterEnd): void {
    this.#busy = false
    if (!this.#ended) {
      this.end()
      this.#options.onEnd(end)
    }
    this.#options.onIdle()
  }
}

/** Entries and nothing else: what nearly every unit comes to. */
function isPlain(built: Built): boolean {
  for (const part in built) if (part !== 'drafts') return false
  return built.drafts.length > 0
}
