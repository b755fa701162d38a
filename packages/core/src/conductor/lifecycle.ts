/** Lifecycle: what a host can listen to. A listener that throws never harms a run. */
import { EventEmitter } from 'eventemitter3'
import { KeelsonError } from '../base/errors.ts'
import { assertOneOf, named, namesOf } from '../base/known.ts'

interface OfRun {
  readonly workspace: string
  readonly run: string
  readonly playbook: string
}

/** One map of all events: name → what a listener gets. */
export interface LifecycleEvents {
  'run.started': OfRun
  'run.parked': OfRun & { readonly waiting: readonly { kind: string; what: string; until?: string; inbox?: string }[] }
  'run.settled': OfRun & {
    readonly status: 'completed' | 'failed' | 'declined' | 'cancelled'
    /** `at`: the line of the host's code that threw it. */
    readonly error?: { code: string; message: string; at?: string }
  }
  /** Its code ended without some of what it had asked for: not done, or failed and nobody looked. One line each. */
  'run.dropped': OfRun & { readonly dropped: readonly string[] }
  'run.diverged': OfRun & { readonly difference: string }
  'run.quarantined': OfRun & { readonly reason: string }
  'run.stalled': OfRun & { readonly last: string }
  'step.failed': OfRun & {
    readonly step: string
    readonly attempt: number
    readonly message: string
    /** The line of the host's code that threw it. */
    readonly at?: string
    readonly retryAt: string
  }
  'effect.executed': OfRun & { readonly action: string; readonly effect: string }
  'effect.simulated': OfRun & {
    readonly action: string
    readonly effect: string
    readonly verdict: string
    /** Its action stands on the rung 'shadow' there, and was simulated for that alone. */
    readonly segment?: string
  }
  'effect.asked': OfRun & { readonly action: string; readonly item: string; readonly title: string }
  'effect.held': OfRun & { readonly action: string; readonly item: string; readonly until: string }
  'effect.unknown': OfRun & { readonly action: string; readonly item: string }
  'item.opened': OfRun & {
    readonly item: string
    readonly title: string
    readonly kind: string
    readonly allows: readonly string[]
    /** When it goes out by itself, of what is held. */
    readonly dueAt?: string
    /** What is wrong, where something is: one of the error codes. */
    readonly code?: string
    /** What to do about it, where it says so. */
    readonly advice?: string
  }
  'item.reminded': OfRun & { readonly item: string; readonly title: string; readonly onSilence: string }
  /** '' where the workspaces could not even be listed. */
  'anchor.failed': { readonly workspace: string; readonly message: string }
  /** A part of a run of maintenance failed; the others went on. */
  'maintenance.failed': {
    readonly workspace: string
    readonly run: string
    readonly part: string
    readonly message: string
  }
  /** What is stored of it is not what was written: it is set aside, and the others go on. */
  'run.corrupt': { readonly workspace: string; readonly run: string; readonly message: string }
  /** The store took this worker for dead: its passes were abandoned, and it went on. */
  'worker.lost': { readonly worker: string; readonly passes: number }
  'item.escalated': OfRun & {
    readonly item: string
    readonly title: string
    /** Which rung of the ladder, from 1. */
    readonly rung: number
    readonly to: string
  }
  /** One person has said yes fifty times in a row without a look. */
  'inbox.fatigued': { readonly workspace: string; readonly by: string; readonly straight: number }
  'store.failed': { readonly message: string }
  'store.recovered': { readonly message: string }
}

const NAMES = namesOf<LifecycleEvents>({
  ...{ 'run.started': true, 'run.parked': true, 'run.settled': true, 'run.dropped': true },
  ...{ 'run.diverged': true, 'run.quarantined': true, 'run.stalled': true, 'run.corrupt': true },
  ...{ 'step.failed': true, 'effect.executed': true, 'effect.simulated': true, 'effect.asked': true },
  ...{ 'effect.held': true, 'effect.unknown': true, 'item.opened': true, 'item.reminded': true },
  ...{ 'item.escalated': true, 'anchor.failed': true, 'maintenance.failed': true, 'worker.lost': true },
  ...{ 'inbox.fatigued': true, 'store.failed': true, 'store.recovered': true },
})

/** Throws `INPUT_INVALID` for an event that there is not, and for what is no listener. */
export function assertListener(name: unknown, listener: unknown): void {
  assertOneOf('the event of on()', name ?? null, NAMES, 'INPUT_INVALID')
  if (typeof listener !== 'function')
    throw new KeelsonError('INPUT_INVALID', `on(${named(name)}) was given ${named(listener)} in place of a listener`, {
      hint: `on(${named(name)}, (event) => …)`,
    })
}

export class Lifecycle {
  readonly #emitter = new EventEmitter()
  readonly #onThrow: (thrown: unknown, name: string) => void

  constructor(onThrow: (thrown: unknown, name: string) => void) {
    this.#onThrow = onThrow
  }

  /** Calls `listener` on each such event. Returns what ends it. */
  on<K extends keyof LifecycleEvents>(name: K, listener: (event: LifecycleEvents[K]) => void): () => void {
    const guarded = (event: LifecycleEvents[K]): void => {
      try {
        const answer: unknown = listener(event)
        if (answer instanceof Promise) answer.catch((thrown: unknown) => this.#onThrow(thrown, name))
      } catch (thrown) {
        this.#onThrow(thrown, name)
      }
    }
    this.#emitter.on(name, guarded)
    return () => void this.#emitter.off(name, guarded)
  }

  emit<K extends keyof LifecycleEvents>(name: K, event: LifecycleEvents[K]): void {
    this.#emitter.emit(name, event)
  }
}
