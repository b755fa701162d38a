/**
 * Unheard: what a run's code asked for and then ended without: not done, or failed and nobody looked.
 *
 * U1. What is done all the same, or goes on in a run of its own, is not told of; nor is a wait that was given up.
 * U2. What the code asks for once the outcomes of its end are handed out counts: a branch that nobody awaited goes on there.
 */
import { turn } from '../base/clock.ts'
import { storeError, type StoredError } from '../base/errors.ts'
import type { Op } from '../journal/op.ts'
import type { Pass } from './pass.ts'

/** Longest list of one run, and longest text of one line. */
const LINES_MAX = 20
const LINE_MAX = 300

/** Nothing is lost where these are given up. */
const WAITS: ReadonlySet<string> = new Set(['sleep', 'wait', 'ask'])

export class Unheard {
  readonly #failed = new Set<{ readonly name: string; readonly promise: Heard<unknown>; readonly thrown: unknown }>()
  readonly #late: string[] = []

  /** The answer as the code gets it. One that fails never ends the process. */
  hand<T>(name: string, answer: Promise<T>): Promise<T> {
    const promise = new Heard<T>((resolve) => resolve(answer))
    promise.onFailure((thrown) => {
      if (!promise.heard) this.#failed.add({ name, promise, thrown })
    })
    return promise
  }

  /** It was asked for when nothing is begun any more. */
  late(asked: { readonly key: string; readonly kind: string }): void {
    if (!WAITS.has(asked.kind)) this.#late.push(asked.key)
  }

  /** One line for each, once all work of the pass has ended. */
  async lines(pass: Pass): Promise<string[]> {
    const open = [...pass.replay!.open]
    const answered = (): boolean =>
      [...pass.replay!.open].some((key) => pass.history.ops.get(key)?.outcome !== undefined)
    for (let i = 0; i < 3 * open.length + 3 && answered(); i++) await turn()
    const ops = [...pass.replay!.open].flatMap((key) => pass.history.ops.get(key) ?? [])
    const lines = [
      ...ops.flatMap(undone),
      ...[...this.#failed].filter(({ promise }) => !promise.heard).map(({ name, thrown }) => failed(name, thrown)),
      ...this.#late.map((key) => `"${key}" was asked for too late`),
    ]
    return [...new Set(lines)].slice(0, LINES_MAX).map((line) => line.slice(0, LINE_MAX).toWellFormed())
  }
}

function undone({ key, kind, outcome, opened, withdrawn, failure }: Op): string[] {
  if (WAITS.has(kind) || withdrawn || opened !== undefined) return []
  if (outcome !== undefined) return outcome.outcome.error === undefined ? [] : [told(key, outcome.outcome.error)]
  return [
    failure === undefined ? `"${key}" was not done` : `"${key}" was not done, its last try failed: ${text(failure)}`,
  ]
}

function failed(name: string, thrown: unknown): string {
  const error = storeError(thrown)
  const step = error.data?.['step']
  return told(typeof step === 'string' ? step : name, error)
}

function told(key: string, error: StoredError): string {
  return `"${key}" failed, and nobody looked: ${text(error)}`
}

function text({ code, message }: StoredError): string {
  return `${code}: ${message}`
}

/** A promise that knows whether somebody awaits it. */
class Heard<T> extends Promise<T> {
  heard = false

  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  override then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((thrown: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.heard = true
    return super.then(onValue, onError)
  }

  onFailure(call: (thrown: unknown) => void): void {
    void super.then(undefined, call)
  }
}
