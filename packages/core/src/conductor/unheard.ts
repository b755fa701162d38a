/**
 * Unheard: what a run's code asked for and then ended without: not done, or failed and nobody looked.
 *
 * U1. What is done all the same, or goes on in a run of its own, is not told of; nor is a wait that was given up.
 * U2. What the code asks for once the outcomes of its end are handed out counts: a branch that nobody awaited goes on there.
 * U3. No promise that a verb of `ctx` answers ends the process, whatever it is made of: all of them are handed over in one place.
 */
import { turn } from '../base/clock.ts'
import { storeError, type StoredError } from '../base/errors.ts'
import type { History } from '../journal/fold.ts'
import type { Op } from '../journal/op.ts'
import type { Replay } from './replay.ts'

/** Longest list of one run, and longest text of one line. */
const LINES_MAX = 20
const LINE_MAX = 300

/** Nothing is lost where these are given up. */
const WAITS: ReadonlySet<string> = new Set(['sleep', 'wait', 'ask'])

/** That somebody awaits it. */
const HEARD = Symbol('heard')

type Answer = Promise<unknown> & { [HEARD]?: true }

// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its promise, each time
const { then } = Promise.prototype

/** What an answer of `ctx` is made on: of a promise that says it is made by Promise itself, an await would not call `then`. */
const answers = Object.create(Promise.prototype, {
  constructor: { value: undefined },
  then: {
    value(this: Answer, ...on: Parameters<typeof then>) {
      this[HEARD] = true
      return then.apply(this, on)
    },
  },
}) as object

export class Unheard {
  readonly #failed = new Map<Answer, { readonly name: string; readonly thrown: unknown }>()
  readonly #late: string[] = []

  /** The answer as the code gets it: one that knows whether somebody awaits it. One that fails never ends the process. */
  hand<T>(name: string, answer: Promise<T>): Promise<T> {
    const given = answer as Answer
    void then.call(given, undefined, (thrown: unknown) => {
      if (given[HEARD] === undefined) this.#failed.set(given, { name, thrown })
    })
    return Object.setPrototypeOf(answer, answers) as Promise<T>
  }

  /** These verbs, fresh and without getters, each promise of which is handed over from now on; those of what a verb hands out, too (U3). */
  verbs<T extends object>(verbs: T, path = ''): T {
    const own = verbs as Record<string, unknown>
    for (const name of Object.keys(own)) {
      const value = own[name]
      const where = path === '' ? name : `${path}.${name}`
      if (typeof value === 'function') own[name] = this.#verb(where, value as Verb)
      else if (isVerbs(value)) this.verbs(value, where)
    }
    return verbs
  }

  #verb(path: string, verb: Verb): Verb {
    return (...given) => {
      const answer = verb(...given)
      if (answer instanceof Promise) return this.hand(calledName(path, given[0]), answer)
      return HANDS_OUT.test(path) ? this.verbs(answer as object, calledName(path, given[0])) : answer
    }
  }

  /** It was asked for when nothing is begun any more. */
  late(asked: { readonly key: string; readonly kind: string }): void {
    if (!WAITS.has(asked.kind)) this.#late.push(asked.key)
  }

  /** One line for each, once all work of the pass has ended. */
  async lines(replay: Replay, { ops: known }: History): Promise<string[]> {
    const open = [...replay.open]
    const answered = (): boolean => [...replay.open].some((key) => known.get(key)?.outcome !== undefined)
    for (let i = 0; i < 3 * open.length + 3 && answered(); i++) await turn()
    const ops = [...replay.open].flatMap((key) => known.get(key) ?? [])
    const lines = [
      ...ops.flatMap(undone),
      ...[...this.#failed]
        .filter(([answer]) => answer[HEARD] === undefined)
        .map(([, { name, thrown }]) => failed(name, thrown)),
      ...this.#late.map((key) => `"${key}" was asked for too late`),
    ]
    return [...new Set(lines)].slice(0, LINES_MAX).map((line) => line.slice(0, LINE_MAX).toWellFormed())
  }
}

type Verb = (...given: unknown[]) => unknown

/** What holds verbs, and is no value. */
function isVerbs(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => typeof one === 'function')
}

/** What hands out verbs, by its path; all else answers with values, which may have functions of their own. */
const HANDS_OUT = /^(entities|memory(\.scope)*\.(scope|working))$/

/** Verbs that are told by what they are called with. */
const BY_NAME: ReadonlySet<string> = new Set(['act', 'effect', 'delegate', 'call', 'entities'])

function calledName(path: string, first: unknown): string {
  if (path === 'step') return String(first)
  const { name } = (first ?? {}) as { name?: unknown }
  return BY_NAME.has(path) ? (typeof name === 'string' ? name : 'unknown') : path
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
