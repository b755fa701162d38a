/**
 * Pass: one go over one leased run: what its operations, its mail and its end share.
 *
 * P1. A store failure or a lost lease ends the pass; it never surfaces in playbook code, which could catch it.
 * P2. A run parks only when no step of it is running and nothing is on its way to the store.
 * P3. The context of an ended pass does nothing and never settles; its signal is aborted.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { KeelsonError, reviveError, storeError, type StoredError } from '../base/errors.ts'
import { assertChained, EMPTY_HEAD, type Draft, type Entry } from '../journal/entry.ts'
import { fold, foldInto, newOp, type Answered, type History, type Op } from '../journal/fold.ts'
import type { Put } from '../journal/put.ts'
import type { Claimed, Delivery, Mail } from '../journal/store.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import { differenceOf, type Difference } from './divergence.ts'
import type { Environment } from './environment.ts'
import { digest, untilOf } from './mail.ts'
import { Replay, type Halt } from './replay.ts'
import type { WaitInfo } from './waiting.ts'
import { Writer } from './writer.ts'

/** How a pass ended. */
export type PassEnd =
  | { readonly how: 'parked' | 'held' | 'due' | 'settled' | 'continued' | 'fenced' | 'abandoned' }
  | { readonly how: 'store'; readonly error: unknown }

/** What an operation of the context is made of. */
export interface Operation<T> {
  readonly key: string
  readonly kind: string
  /** Compared with the journal: the same key must ask for the same thing. */
  readonly hash?: string
  /** Does the work once the replay is over; called again in a later pass while there is no outcome. */
  readonly live: (op: Op) => Promise<void> | void
  /** The outcome as the code gets it. Default: `ok` as stored. */
  readonly value?: (answered: Answered) => T
}

/** What a pass is about. */
export interface Task {
  readonly env: Environment
  readonly claimed: Claimed
  readonly playbook: AnyPlaybook
  /** What Keelson's own playbooks do beyond the others. */
  readonly internals: Internals | undefined
}

export interface Internals {
  /** Adds to the unit that settles the run. */
  settle?(
    pass: Pass,
    outcome: { status: string; output?: unknown; error?: StoredError },
  ): Promise<{ puts: readonly Put[]; deliveries: readonly Delivery[] }>
  /** False when a cancel comes too late. */
  mayCancel?(pass: Pass): boolean
}

/** What the pass reports to whoever leads it. */
export interface PassHooks {
  onRest(): void
  onHalt(halt: Halt): void
  onDifference(difference: Difference): void
  /** Mail that the running code must not live to see: cancel, pause, rewind. */
  onControl(kind: string): void
}

/** Set while a step's own code runs: `ctx` may not be used there. */
export const insideStep = new AsyncLocalStorage<string>()

const CONTROL: ReadonlySet<string> = new Set(['cancel', 'pause', 'rewind', 'move'])

export class Pass {
  readonly task: Task
  readonly writer: Writer
  /** What the code waits for, by key: for people, and for parking. */
  readonly waits = new Map<string, WaitInfo>()
  readonly ended: Promise<PassEnd>
  history: History
  replay: Replay | undefined
  /** Place and instant of the last outcome that the code got. */
  handed: { readonly at: number; readonly seq: number }
  readonly #abort = new AbortController()
  readonly #end: (end: PassEnd) => void
  readonly #hooks: PassHooks
  #entries: Entry[]
  #busy = 0
  #seenMail = 0
  #draining = false
  #absorbing: Promise<boolean> | undefined
  #again = false
  #disarm: (() => void) | undefined
  #onIdle: (() => void)[] = []

  constructor(task: Task, hooks: PassHooks) {
    const { env, claimed } = task
    const { promise, resolve } = Promise.withResolvers<PassEnd>()
    this.task = task
    this.ended = promise
    this.#end = resolve
    this.#hooks = hooks
    const head = assertChained(claimed.row.workspace, claimed.entries, EMPTY_HEAD)
    this.#entries = [...claimed.entries]
    this.history = fold(claimed.entries)
    this.handed = { at: this.history.startedAt, seq: 1 }
    this.writer = new Writer(head, {
      store: env.store,
      lease: claimed.lease,
      stream: claimed.row.stream,
      clock: env.clock,
      ids: env.ids,
      onEntries: (entries) => this.#onEntries(entries),
      onEnd: (end) => this.end(end.why === 'fenced' ? { how: 'fenced' } : { how: 'store', error: end.error }),
      onIdle: () => this.#idle(),
    })
  }

  /** Aborted when the pass ends, or its run is cancelled. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** An operation of the context: its promise settles with the journaled outcome, and in no other way. */
  operation<T>(asked: Operation<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    promise.catch(() => {}) // what the code does not await must not end the process
    if (this.replay === undefined || this.#draining) return promise
    const inside = insideStep.getStore()
    if (inside !== undefined) {
      reject(nested(asked.key, inside))
      return promise
    }
    const site = new Error()
    const known = this.history.ops.get(asked.key)
    if (known !== undefined && !fits(known, asked)) {
      this.#hooks.onDifference(differenceOf(asked.key, known, { kind: asked.kind }))
      return promise
    }
    const op = known ?? newOp(asked.key, asked.kind)
    if (known === undefined) this.history.ops.set(asked.key, op)
    const deliver = (answered: Answered): void => {
      this.waits.delete(asked.key)
      try {
        if (answered.outcome.error !== undefined) throw reviveError(answered.outcome.error)
        resolve(asked.value === undefined ? (answered.outcome.ok as T) : asked.value(answered))
      } catch (thrown) {
        reject(this.#located(thrown, asked.key, site))
      }
    }
    this.replay.ask({ key: asked.key, deliver })
    if (op.outcome === undefined) this.replay.whenLive(asked.key, () => void this.#start(asked, op))
    return promise
  }

  /** Work that keeps the run from parking. */
  async working<R>(work: () => Promise<R>): Promise<R> {
    this.#busy++
    try {
      return await work()
    } finally {
      this.#busy--
      this.#idle()
    }
  }

  /** True when nothing of it runs or is being written. */
  get quiet(): boolean {
    return this.#busy === 0 && !this.writer.busy
  }

  /** Takes mail and passed deadlines into the stream. Answers true when the run was rewound. */
  async absorb(first?: readonly Mail[]): Promise<boolean> {
    if (this.#absorbing !== undefined) {
      this.#again = true
      return this.#absorbing
    }
    this.#absorbing = this.#absorb(first)
    try {
      return await this.#absorbing
    } finally {
      this.#absorbing = undefined
      if (this.#again && !this.#abort.signal.aborted) {
        this.#again = false
        void this.absorb()
      }
    }
  }

  /** Lets what runs finish and be recorded, starts nothing new; resolves when all is quiet. */
  async drain(abort = false): Promise<void> {
    this.#draining = true
    if (abort) this.#abort.abort(new KeelsonError('RUN_CANCELLED', 'the run is being cancelled'))
    while (!this.quiet) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  end(end: PassEnd): void {
    this.writer.end()
    this.replay?.end()
    this.#draining = true
    this.#disarm?.()
    this.#end(end)
    this.#abort.abort(new KeelsonError('CONDUCTOR_STOPPED', 'this pass over the run has ended'))
    this.#idle()
  }

  /** Begins handing out. What was absorbed before is part of the history. */
  begin(): Replay {
    const { changes } = this.task.playbook
    this.replay = new Replay(this.history, {
      stallMs: this.task.env.limits.stallMs,
      removed: new Set(changes.removed ?? []),
      inserted: new Set(changes.inserted ?? []),
      onHandOut: (answered) => (this.handed = { at: answered.at, seq: answered.seq }),
      onHalt: (halt) => this.#hooks.onHalt(halt),
      onRest: () => this.#hooks.onRest(),
    })
    this.#entries = []
    this.#arm()
    return this.replay
  }

  async #start<T>(asked: Operation<T>, op: Op): Promise<void> {
    if (this.#draining) return
    if (op.withdrawn) return this.replay?.forget(asked.key)
    try {
      await asked.live(op)
    } catch (thrown) {
      if (this.#abort.signal.aborted) return
      if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) return this.end({ how: 'store', error: thrown })
      const data = { error: storeError(thrown), ...(asked.hash === undefined ? {} : { hash: asked.hash }) }
      await this.writer.append([{ kind: `${asked.kind}.completed`, key: asked.key, data } as unknown as Draft])
    }
  }

  async #absorb(first: readonly Mail[] | undefined): Promise<boolean> {
    const { env, claimed } = this.task
    const { store, clock } = env
    let unread = first
    let rewound = false
    const began = this.replay !== undefined
    await this.writer.submit(async () => {
      const mail = unread ?? (await store.mail(claimed.lease, this.#seenMail))
      unread = undefined
      const control = began ? mail.find((one) => CONTROL.has(one.kind)) : undefined
      if (control !== undefined) {
        this.#hooks.onControl(control.kind)
        return undefined
      }
      const last = mail.at(-1)?.row
      const at = { store, workspace: claimed.row.workspace, entries: async () => this.#entries }
      const found = await digest(this.history, mail, clock.now(), at)
      rewound = found.rewound
      if (last !== undefined) this.#seenMail = last
      if (found.drafts.length === 0 && found.consumed.length === 0) return undefined
      return { drafts: found.drafts, consumed: found.consumed }
    })
    if (rewound) this.history = fold(this.#entries)
    this.#arm()
    return rewound
  }

  /** The highest mail row that was taken in. */
  get seenMail(): number {
    return this.#seenMail
  }

  #onEntries(entries: readonly Entry[]): void {
    for (const entry of entries) {
      foldInto(this.history, entry)
      if (this.replay === undefined) this.#entries.push(entry)
      else if (entry.kind.endsWith('.opened')) this.#arm()
    }
    this.replay?.poke()
  }

  /** One timer for the next deadline of a run that is held by other work. */
  #arm(): void {
    this.#disarm?.()
    this.#disarm = undefined
    if (this.replay === undefined || this.#draining) return
    const untils = [...this.history.ops.values()]
      .filter((op) => op.opened !== undefined && op.outcome === undefined && !op.withdrawn)
      .map((op) => untilOf(op.opened!))
      .filter((until): until is number => until !== undefined)
    if (untils.length > 0)
      this.#disarm = this.task.env.clock.timer(Math.min(...untils), () => void this.absorb(), { keepAlive: false })
  }

  #idle(): void {
    this.replay?.poke()
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  /** An error as code gets it: it names playbook and step, and its stack is that of the call in the playbook. */
  #located(thrown: unknown, key: string, site: Error): unknown {
    if (!KeelsonError.is(thrown)) return thrown
    const { name, version } = this.task.playbook
    const frames = (site.stack ?? '').split('\n').slice(1)
    const at = frames.find((line) => !line.includes('/conductor/') && !line.includes('/core/dist/'))?.trim()
    const error = new KeelsonError(thrown.code, thrown.message, {
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      data: { ...thrown.data, playbook: `${name}@${version}`, step: key, ...(at === undefined ? {} : { at }) },
    })
    error.name = thrown.name
    error.stack = [
      `${error.name}: ${error.message}`,
      ...(at === undefined ? frames : frames.slice(frames.findIndex((line) => line.trim() === at))),
    ].join('\n')
    return error
  }
}

function fits(known: Op, asked: { kind: string; hash?: string }): boolean {
  return (
    known.kind === asked.kind && (known.hash === undefined || asked.hash === undefined || known.hash === asked.hash)
  )
}

function nested(key: string, inside: string): KeelsonError {
  return new KeelsonError('NESTED_STEP', `"${key}" was asked for inside the code of step "${inside}"`, {
    hint: 'A step is one unit of work: use ctx before or after it, not in it.',
  })
}
