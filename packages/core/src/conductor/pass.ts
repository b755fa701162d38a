/**
 * Pass: one go over one leased run: what its operations, its mail and its end share.
 *
 * P1. A store failure or a lost lease ends the pass; it never surfaces in playbook code, which could catch it.
 * P2. A run parks only when no step of it is running and nothing is on its way to the store.
 * P3. The context of an ended pass does nothing and never settles; its signal is aborted.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { young } from '../base/young.ts'
import { KeelsonError, reviveError, storeError, type StoredError } from '../base/errors.ts'
import { assertChained, dataOf, EMPTY_HEAD, type Draft, type Entry } from '../journal/entry.ts'
import { fold, foldInto, type History } from '../journal/fold.ts'
import { newOp, type Answered, type Op } from '../journal/op.ts'
import type { Put } from '../journal/put.ts'
import type { Claimed, Delivery, Expect } from '../journal/store.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import { differenceOf, type Difference } from './divergence.ts'
import type { Environment, Limits } from './environment.ts'
import type { Left, SetByHand } from './mail.ts'
import { located } from './located.ts'
import { Mailbox } from './mailbox.ts'
import { Replay, type Halt } from './replay.ts'
import { actingFor } from './trail.ts'
import type { Missing } from './missing.ts'
import type { WaitInfo } from './waiting.ts'
import { Work } from './work.ts'
import { Writer, type WriterOptions } from './writer.ts'

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
  /** The hash as earlier releases wrote it. */
  readonly older?: () => string
  /** Canonical input of an effect, so that a difference can be told in its fields. */
  readonly input?: string
  /** Does the work once the replay is over; called again in a later pass while there is no outcome. `succeeded`: it is done. */
  readonly live: (op: Op) => Promise<void> | void | 'succeeded'
  /** It cannot be asked for at all: the code does not fit what the journal holds. */
  readonly differs?: Difference
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
  /** Where what a run in shadow writes goes. `env` then shows it what it has written. */
  readonly redirect?: WriterOptions['redirect']
}

export interface Cancelling {
  readonly may: boolean
  readonly expect: readonly Expect[]
}

export interface Internals {
  /** Adds to the unit that settles the run. */
  settle?(
    pass: Pass,
    outcome: { status: string; output?: unknown; error?: StoredError },
  ): Promise<{ puts: readonly Put[]; deliveries: readonly Delivery[]; drafts?: readonly Draft[] }>
  /** Whether a cancel comes in time, as of what the unit that ends the run is to expect. */
  mayCancel?(pass: Pass): Promise<Cancelling>
  /** What a thrown error says must come from outside before the run can go on, and whom to wake for it; undefined: it failed. */
  holdFor?(pass: Pass, thrown: unknown): Missing | undefined
}

/** What the pass reports to whoever leads it. */
export interface PassHooks {
  onRest(): void
  onHalt(halt: Halt): void
  onDifference(difference: Difference): void
  /** What the running code must not live to see: mail that cancels, pauses or rewinds it, the end of its company's life. */
  onControl(kind: string): void
  /** A rewind loses an operation that was sending: what leaves its effect to a run of its own. */
  onForgotten(op: Op): Promise<Left | undefined>
  /** A person says that an effect which failed has happened. */
  onSetByHand(op: Op, said: SetByHand): Promise<readonly Draft[] | string>
  /** Something of the run cannot be stored. */
  onRefused(error: KeelsonError): void
  /** Something was recorded. */
  onProgress(): void
  /** False: the operation's work is not begun. Only a rehearsal says so. */
  mayStart?(key: string): boolean
}

/** Set while a step's own code runs: `ctx` may not be used there. */
export const insideStep = new AsyncLocalStorage<string | undefined>()

export class Pass {
  readonly task: Task
  readonly writer: Writer
  /** What the code waits for, by key: for people, and for parking. */
  readonly waits = new Map<string, WaitInfo>()
  readonly mailbox: Mailbox
  readonly work: Work
  readonly ended: Promise<PassEnd>
  history: History
  replay: Replay | undefined
  readonly #end: (end: PassEnd) => void
  readonly #hooks: PassHooks
  /** All entries, until the code begins: a rewind folds them anew. */
  #entries: Entry[] | undefined
  /** The timer of the next deadline. */
  #armed: { readonly at: number; readonly disarm: () => void } | undefined

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
    this.writer = new Writer(head, {
      ...young,
      store: env.store,
      lease: claimed.lease,
      stream: claimed.row.stream,
      clock: env.clock,
      ids: env.ids,
      by: actingFor(task.playbook, this.history.start),
      onEntries: (entries, again) => this.#onEntries(entries, again),
      onEnd: (end) => this.end(end.why === 'fenced' ? { how: 'fenced' } : { how: 'store', error: end.error }),
      onRefused: (error) => hooks.onRefused(error),
      onIdle: () => this.work.idle(),
      redirect: task.redirect,
    })
    this.work = new Work({ ...young, writing: () => this.writer.busy, onIdle: () => this.replay?.poke() })
    this.mailbox = new Mailbox({
      ...young,
      env,
      claimed,
      writer: this.writer,
      history: () => this.history,
      entries: () => this.#entries,
      onControl: (kind) => hooks.onControl(kind),
      over: () => this.work.aborted,
      leave: (op) => hooks.onForgotten(op),
      setByHand: (op, said) => hooks.onSetByHand(op, said),
    })
  }

  /** Aborted when the pass ends, or its run is cancelled. */
  get signal(): AbortSignal {
    return this.work.signal
  }

  /** An operation of the context: its promise settles with the journaled outcome, and in no other way. */
  operation<T>(asked: Operation<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    promise.catch(() => {}) // what the code does not await must not end the process
    if (this.replay === undefined || this.work.stopping) {
      this.work.unheard.late(asked)
      return promise
    }
    if (asked.differs !== undefined) {
      this.#hooks.onDifference(asked.differs)
      return promise
    }
    const inside = insideStep.getStore()
    if (inside !== undefined) {
      reject(nested(asked.key, inside))
      return promise
    }
    const known = this.history.ops.get(asked.key)
    let site: Error | undefined
    if (known === undefined && isFull(this.history, this.task.env.limits)) {
      reject(located(this.task.playbook, tooLarge(this.history), asked.key, new Error()))
      return promise
    }
    if (known !== undefined && !fits(known, asked)) {
      this.#hooks.onDifference(differenceOf(asked.key, known, asked))
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
        reject(located(this.task.playbook, thrown, asked.key, site))
      }
    }
    this.replay.ask(asked.key, deliver)
    let succeeds = false as boolean
    if (op.outcome === undefined)
      this.replay.whenLive(asked.key, () => (succeeds = this.#start(asked, op) === 'succeeded'))
    // What cannot throw does without the place of its call: finding that is what an operation costs most for.
    const handsOut = succeeds || (known?.outcome !== undefined && known.outcome.outcome.error === undefined)
    if (!handsOut || asked.value !== undefined) site = new Error()
    return promise
  }

  end(end: PassEnd): void {
    this.writer.end()
    this.replay?.end()
    this.#armed?.disarm()
    this.#end(end)
    this.work.stop()
  }

  /** Begins handing out. What was absorbed before is part of the history. */
  begin(): Replay {
    const { changes } = this.task.playbook
    this.#entries = undefined
    const { entries } = this.task.claimed
    const hasNews = (this.history.outcomes.at(-1)?.seq ?? 0) > (entries.at(-1)?.seq ?? 0)
    this.replay = new Replay(this.history, {
      ...young,
      stallMs: this.task.env.limits.stallMs,
      removed: new Set(changes.removed ?? []),
      inserted: new Set(changes.inserted ?? []),
      busy: () => !this.work.quiet,
      hasNews,
      onHalt: (halt) => this.#hooks.onHalt(halt),
      onRest: () => this.#hooks.onRest(),
      onSilent: (last) => this.#silent(last),
      onError: (error) => this.end({ how: 'store', error }),
    })
    this.#arm()
    return this.replay
  }

  #start<T>(asked: Operation<T>, op: Op): void | 'succeeded' {
    if (this.work.stopping) return
    if (op.withdrawn) return this.replay?.forget(asked.key)
    if (this.#hooks.mayStart?.(asked.key) === false) return
    try {
      const going = asked.live(op)
      if (going === 'succeeded') return going
      going?.catch((thrown: unknown) => this.#failed(asked, thrown))
    } catch (thrown) {
      this.#failed(asked, thrown)
    }
  }

  #failed<T>(asked: Operation<T>, thrown: unknown): void {
    if (this.work.aborted) return
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) return this.end({ how: 'store', error: thrown })
    const data = { error: storeError(thrown), ...(asked.hash === undefined ? {} : { hash: asked.hash }) }
    this.writer.put([{ kind: `${asked.kind}.completed`, key: asked.key, data } as unknown as Draft], () => {})
  }

  #onEntries(entries: readonly Entry[], again = false): void {
    const { env, claimed } = this.task
    const warnAt = env.limits.entriesMax / 5
    if (this.history.head.seq < warnAt && this.history.head.seq + entries.length >= warnAt) {
      const hint = `At ${env.limits.entriesMax} it fails as RUN_TOO_LARGE: continue as new before that.`
      env.log.warn({ run: claimed.row.id, hint }, `run ${claimed.row.id} has ${Math.ceil(warnAt)} entries`)
    }
    for (const entry of entries) {
      const reopened = this.history.ops.get(entry.key)?.opened !== undefined
      foldInto(this.history, entry)
      this.#entries?.push(entry)
      if (entry.kind === 'ask.opened' && reopened) this.#reminded(entry)
    }
    if (this.#entries !== undefined && entries.some((entry) => entry.kind === 'run.rewound'))
      this.history = fold(this.#entries)
    this.#arm()
    if (!again) this.#hooks.onProgress()
    this.replay?.poke()
  }

  /** Silence reminded, or climbed a rung: whoever listens is told. */
  #reminded(entry: Entry): void {
    const { env, claimed } = this.task
    const { item, onSilence, again, ladder, rung = 0 } = dataOf(entry as Entry & { kind: 'ask.opened' })
    const { workspace, id: run, playbook } = claimed.row
    const title = this.waits.get(entry.key)?.what ?? entry.key
    const about = { workspace, run, playbook, item, title }
    const to = ladder?.[rung - 1]?.to
    if (again === 'escalated' && to !== undefined) env.emit('item.escalated', { ...about, rung, to: to.name ?? to.id })
    else if (again === 'reminded') env.emit('item.reminded', { ...about, onSilence })
    if (again === 'escalated') env.nudge()
  }

  /** It stays right, and stays in flight: only those who wait for it should know why. */
  #silent(last: string): void {
    const { env, claimed, playbook } = this.task
    env.emit('run.stalled', {
      workspace: claimed.row.workspace,
      run: claimed.row.id,
      playbook: playbook.name,
      last,
    })
  }

  /** One timer for the next deadline of a run that is held by other work. */
  #arm(): void {
    if (this.replay === undefined || this.work.stopping) return
    const at = this.history.deadlines.next()
    if (at === this.#armed?.at) return
    this.#armed?.disarm()
    if (at === undefined) return void (this.#armed = undefined)
    const fire = (): void => {
      this.#armed = undefined
      void this.mailbox.absorb().then(() => this.#arm())
    }
    this.#armed = { at, disarm: this.task.env.clock.timer(at, fire, { keepAlive: false }) }
  }
}

function fits(known: Op, { kind, hash, older }: Pick<Operation<unknown>, 'kind' | 'hash' | 'older'>): boolean {
  if (known.kind !== kind) return false
  return known.hash === undefined || hash === undefined || known.hash === hash || known.hash === older?.()
}

function isFull(history: History, limits: Limits): boolean {
  return history.head.seq >= limits.entriesMax || history.bytes >= limits.bytesMax
}

function tooLarge(history: History): KeelsonError {
  return new KeelsonError('RUN_TOO_LARGE', `the run has ${history.head.seq} entries and ${history.bytes} characters`, {
    hint: 'End it, or go on with an empty journal: return ctx.continueAsNew(input).',
  })
}

function nested(key: string, inside: string): KeelsonError {
  return new KeelsonError('NESTED_STEP', `"${key}" was asked for inside the code of step "${inside}"`, {
    hint: 'A step is one unit of work: use ctx before or after it, not in it.',
  })
}
