/**
 * World: what is outside: the effects that really happened, and the faults on the way there and back.
 *
 * It is not part of the system under test: a crash of a conductor does not touch it.
 *
 * W1. An action that is idempotent by key, id or precondition happens once under one key; any other happens each time. A key
 *     is honoured for as long as the action says (`forMs`), on the clock of whoever asks, and forgotten then.
 * W2. A fault before the effect leaves no trace; a fault after it leaves the effect and loses the answer.
 */
import { canonical, encoded, type AnyAction, type Clock } from '@keelson/core/ports'
import { ActionError, type Action, type ActionRun, type Json, type Reconciled } from '@keelson/core'
import { sample } from './sample.ts'
import { Script } from './script.ts'

/** What goes wrong with a call. */
export type FaultKind =
  /** Nothing happened, and nobody knows. */
  | 'timeout-before-effect'
  /** It happened, and nobody knows. */
  | 'timeout-after-effect'
  /** The system says no, for good. */
  | 'refused'
  /** The system is down for this call; nothing happened. */
  | 'unavailable'
  /** The system wants new credentials; nothing happened. */
  | 'reauth'

export const FAULTS = [
  ...['timeout-before-effect', 'timeout-after-effect', 'refused', 'unavailable', 'reauth'],
] as const satisfies readonly FaultKind[]

/** One effect that happened. */
export interface Happened<In = unknown, Out = unknown> {
  readonly input: In
  readonly output: Out
  /** How often it really happened under its key. */
  readonly times: number
  readonly key: string
}

/** What a fake answers with: the output for an input. `times` counts the effects of the action so far. */
export type Answer = (input: never, about: { readonly key: string; readonly times: number }) => unknown

/** By action name: 'calendar.findTime'. An action that is not named answers with the smallest value of its output. */
export type Answers = Readonly<Record<string, Answer>>

/** What the actions of a connector answer, each by what the connector calls it, or by its whole name ('calendar.findTime'). */
export type AnswersOf<C> = {
  readonly [K in keyof C as C[K] extends Action<any, any> ? K : never]?: C[K] extends Action<infer In, infer Out>
    ? (input: In, about: Parameters<Answer>[1]) => Out
    : never
} & { readonly [action: `${string}.${string}`]: Answer }

interface Effect {
  readonly key: string
  readonly input: Json
  readonly output: unknown
  readonly undo: unknown
  times: number
  /** When it last really happened. */
  at: number
}

interface OfAction {
  readonly effects: Map<string, Effect>
  readonly takenBack: Set<string>
  readonly faults: Map<number, FaultKind>
  calls: number
  latencyMs: number
}

const HARMLESS: ReadonlySet<string> = new Set(['key', 'id', 'precondition'])

export class World {
  /** What agents answer. */
  readonly script = new Script()
  /** What actions rest on, by name: what their `fresh` reads. */
  readonly fresh = new Map<string, Json>()
  readonly #actions = new Map<string, OfAction>()
  #answers: Answers = {}
  #moves = 0

  /** Adds answers to those that it has. */
  answer(answers: Answers): void {
    this.#answers = { ...this.#answers, ...answers }
  }

  /** Grows with every call. */
  get moves(): number {
    return this.#moves
  }

  /** The call of `action` that is `call` calls away (1: the next one) goes wrong. */
  fault(action: string, kind: FaultKind, call = 1): void {
    const of = this.#of(action)
    of.faults.set(of.calls + call, kind)
  }

  /** Calls of `action` take this long, on the injected clock. */
  latency(action: string, ms: number): void {
    this.#of(action).latencyMs = ms
  }

  /** How often `action` was called, whatever came of it. */
  calls(action: string): number {
    return this.#of(action).calls
  }

  /** What happened and was not taken back, in order. */
  happened(action: string): readonly Happened[] {
    return [...this.#of(action).effects.values()].map(({ input, output, times, key }) => ({
      input,
      output,
      times,
      key,
    }))
  }

  /** The names of the actions that were called. */
  get names(): string[] {
    return [...this.#actions.keys()].sort()
  }

  /** A call as the outside sees it: it takes its time, happens or not, and answers or not. */
  async run(action: AnyAction, input: unknown, options: ActionRun, clock: Clock): Promise<Outcome> {
    const of = this.#of(action.name)
    const call = ++of.calls
    this.#moves++
    const fault = of.faults.get(call)
    of.faults.delete(call)
    if (of.latencyMs > 0) await pause(clock, of.latencyMs, options.signal)
    if (fault !== undefined && fault !== 'timeout-after-effect') throw failing(fault, action.name)
    const done =
      action.effect === 'read' ? this.#look(action, input, options) : this.#happen(action, input, options, clock)
    const outcome = await done
    this.#moves++
    if (fault === 'timeout-after-effect') throw failing(fault, action.name)
    return outcome
  }

  async reconcile(action: AnyAction, key: string): Promise<Reconciled<unknown, unknown>> {
    this.#moves++
    const found = this.#of(action.name).effects.get(key)
    if (found === undefined) return { state: 'not-found' }
    return { state: 'done', output: found.output, ...(found.undo === undefined ? {} : { undo: found.undo }) }
  }

  /** Takes back the effect whose undo token this is. Taking back twice is taking back once. */
  async compensate(action: AnyAction, undo: unknown): Promise<void> {
    this.#moves++
    const of = this.#of(action.name)
    const token = tokenOf(undo)
    for (const [key, effect] of of.effects) {
      if (tokenOf(effect.undo) !== token) continue
      of.effects.delete(key)
      of.takenBack.add(token)
      return
    }
    if (of.takenBack.has(token)) return
    throw new ActionError({ class: 'final' }, `${action.name}: nothing of the kind is there to take back`)
  }

  async #look(action: AnyAction, input: unknown, { key }: ActionRun): Promise<Outcome> {
    return { output: await this.#output(action, input, key) }
  }

  async #happen(action: AnyAction, input: unknown, { key }: ActionRun, clock: Clock): Promise<Outcome> {
    const { effects } = this.#of(action.name)
    const before = effects.get(key)
    if (before !== undefined) {
      if (!isHonoured(action, before, clock.now())) {
        before.times++
        before.at = clock.now()
      }
      return outcomeOf(before)
    }
    const output = await this.#output(action, input, key)
    const again = effects.get(key)
    if (again !== undefined) return outcomeOf(again)
    const undo = action.undo === undefined ? undefined : this.#undo(action, output, key)
    const effect: Effect = {
      key,
      input: JSON.parse(encoded(action.input, input)) as Json,
      output,
      undo,
      times: 1,
      at: clock.now(),
    }
    effects.set(key, effect)
    return outcomeOf(effect)
  }

  async #output(action: AnyAction, input: unknown, key: string): Promise<unknown> {
    const answer = this.#answers[action.name]
    const times = this.#of(action.name).effects.size
    return answer === undefined ? sample(action.output, action.name) : answer(input as never, { key, times })
  }

  /** The output itself where it fits (many systems answer with what undoing needs), else the smallest token, by key. */
  #undo(action: AnyAction, output: unknown, key: string): unknown {
    const schema = action.undo!
    const made = sample(schema, `${action.name} (undo)`)
    const named =
      typeof made !== 'object' || made === null
        ? key
        : Object.fromEntries(
            Object.entries(made).map(([field, value]) => [field, typeof value === 'string' ? key : (value as unknown)]),
          )
    return [named, output, made].find((one) => schema.safeParse(one).success)
  }

  #of(action: string): OfAction {
    let of = this.#actions.get(action)
    if (of === undefined) {
      of = { effects: new Map(), takenBack: new Set(), faults: new Map(), calls: 0, latencyMs: 0 }
      this.#actions.set(action, of)
    }
    return of
  }
}

export interface Outcome {
  readonly output: unknown
  readonly undo?: unknown
}

/** Whether a second call under its key is known to be the first one's. */
function isHonoured({ idempotency }: AnyAction, { at }: Effect, now: number): boolean {
  const forMs = idempotency.by === 'key' ? idempotency.forMs : undefined
  return HARMLESS.has(idempotency.by) && (forMs === undefined || now - at < forMs)
}

function outcomeOf({ output, undo }: Effect): Outcome {
  return { output, ...(undo === undefined ? {} : { undo }) }
}

function tokenOf(undo: unknown): string {
  return undo === undefined ? '' : canonical(undo)
}

function failing(fault: FaultKind, action: string): Error {
  switch (fault) {
    case 'timeout-before-effect':
    case 'timeout-after-effect':
      return new Error(`${action}: no answer (a fault of the test)`)
    case 'refused':
      return new ActionError({ class: 'final' }, `${action}: refused (a fault of the test)`)
    case 'unavailable':
      return new ActionError({ class: 'retry' }, `${action}: unavailable (a fault of the test)`)
    case 'reauth':
      return new ActionError({ class: 'reauth' }, `${action}: credentials are refused (a fault of the test)`)
    default:
      return fault satisfies never
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.timer(clock.now() + ms, resolve)
    const abort = (): void => {
      cancel()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', abort, { once: true })
  })
}
