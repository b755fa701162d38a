/**
 * Send: one try of an action, and what its failure means for the next.
 *
 * S1. A try has an end: after the action's timeout its signal is aborted and its outcome is unknown. What it answers
 *     later is reported as late, never taken for this try's outcome.
 * S2. Outputs are parsed before they count: one that does not fit leaves the outcome unknown.
 * S3. Anything thrown that nobody classified, or by a class that there is not, leaves the outcome of a write unknown; a read is simply
 *     tried again.
 */
import { KeelsonError, storeError, type StoredError } from '../../base/errors.ts'
import { parseStored } from '../../base/json.ts'
import { isPromise } from '../../base/known.ts'
import { fromStored, outputOf, toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { ActionError, type AnyAction, type Failure } from '../../connector/action.ts'
import type { Environment } from '../environment.ts'

/** Longest part of an answer that is kept with the error that it does not fit. */
const ANSWER_MAX = 1000

/** What one try came to. */
export type Tried =
  | { readonly end: 'done'; readonly output: Json; readonly undo?: Json }
  | { readonly end: Failure['class']; readonly error: StoredError; readonly afterMs?: number }

export interface Try {
  readonly env: Environment
  readonly workspace: string
  readonly action: AnyAction
  /** Canonical text. */
  readonly input: string
  readonly key: string
  readonly attempt: number
  /** When the effect was first sent. */
  readonly since: number
  readonly signal: AbortSignal
  /** Called when the action answers after its time. */
  readonly onLate?: (late: { output?: unknown; error?: StoredError }) => void
}

export async function tryOnce(one: Try): Promise<Tried> {
  const { env, action } = one
  const timeout = new AbortController()
  const cancel = env.clock.timer(env.clock.now() + action.timeoutMs, () => timeout.abort(timedOut(action)))
  const signal = AbortSignal.any([one.signal, timeout.signal])
  const onLate: Try['onLate'] = ({ error, ...late }) =>
    one.onLate?.({
      ...late,
      ...(error === undefined ? {} : { error: env.actions.redacted(one.workspace, action, error) }),
    })
  try {
    const config = await configOf(env, one.workspace, action)
    const work = action.run(fromStored(action.input, one.input), {
      key: one.key,
      signal,
      attempt: one.attempt,
      since: one.since,
      config,
    })
    return settled(action, await raceWith(work, timeout.signal, onLate))
  } catch (thrown) {
    return failed(one, thrown)
  } finally {
    cancel()
  }
}

/** What a connector makes of the credentials. It has the time of a try; nothing has been sent then. */
export async function configOf(env: Environment, workspace: string, action: AnyAction): Promise<unknown> {
  try {
    return await within(env, action.timeoutMs, timedOut(action), () =>
      env.actions.config(workspace, action, action.account),
    )
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'STEP_TIMEOUT')) throw thrown
    throw new KeelsonError('CREDENTIALS_MISSING', `the credentials for ${action.name} were not to be had in time`, {
      hint: 'The credentials callback of createConductor did not answer.',
    })
  }
}

/** What `work` answers, or `late` when it takes longer than `ms`; what it answers after that is dropped. */
export async function within<T>(env: Environment, ms: number, late: Error, work: () => Promise<T> | T): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const cancel = env.clock.timer(env.clock.now() + ms, () => reject(late))
  try {
    return await Promise.race([work(), promise])
  } finally {
    cancel()
  }
}

/**
 * True when another try under the same key cannot be a second effect, even if it arrives as late as a try may. A clock that says that it has
 * not been sent yet was set back since: then nobody knows how old the key is.
 */
export function mayResend(action: AnyAction, firstSentAt: number, now: number): boolean {
  const { idempotency } = action
  if (idempotency.by === 'key')
    return (
      idempotency.forMs === undefined ||
      (now >= firstSentAt && now + action.timeoutMs - firstSentAt < idempotency.forMs)
    )
  return idempotency.by === 'id' || idempotency.by === 'precondition'
}

/**
 * Delay before try `attempt + 1` in milliseconds: doubles from 1 s to at most 5 min, jittered over [half, whole].
 *
 * Source: "Exponential Backoff and Jitter", AWS Architecture Blog (2015), "equal jitter".
 */
export function backoffMs(attempt: number, random: () => number, firstMs = 1000, longestMs = 300_000): number {
  const whole = Math.min(longestMs, firstMs * 2 ** (attempt - 1))
  return Math.round(whole / 2 + random() * (whole / 2))
}

function settled(action: AnyAction, result: { output: unknown; undo?: unknown }): Tried {
  const output = outcomeOf(action, result)
  if (result.undo === undefined || action.undo === undefined) return { end: 'done', output: parseStored(output) }
  const undo = toStored(action.undo, result.undo, 'OUTPUT_INVALID', `the undo token of ${action.name}`)
  return { end: 'done', output: parseStored(output), undo: parseStored(undo) }
}

/** What does not fit is kept with the error: a person may have to say what came of it. */
function outcomeOf(action: AnyAction, result: { output: unknown }): string {
  try {
    return outputOf(action.output, result, `what ${action.name} returned`)
  } catch (thrown) {
    if (!KeelsonError.is(thrown)) throw thrown
    const { code, message, hint, data } = thrown
    const answer = safely(() => JSON.stringify(result?.output ?? result).slice(0, ANSWER_MAX * 10))
    throw new KeelsonError(
      'OUTPUT_INVALID',
      code === 'OUTPUT_INVALID' ? message : `what ${action.name} returned: ${message}`,
      {
        ...(hint === undefined ? {} : { hint }),
        data: { ...data, ...(answer === undefined ? {} : { answer }) },
      },
    )
  }
}

/** The answer within its bound, cut when its secrets are out: what was cut in two would not be found. */
function cut(error: StoredError): StoredError {
  const answer = error.data?.['answer']
  if (error.code !== 'OUTPUT_INVALID' || typeof answer !== 'string' || answer.length <= ANSWER_MAX) return error
  return { ...error, data: { ...error.data, answer: `${answer.slice(0, ANSWER_MAX).toWellFormed()}…` } }
}

function failed({ env, workspace, action }: Try, thrown: unknown): Tried {
  const failure = classify(action, thrown)
  const stored = { ...storeError(thrown), code: KeelsonError.is(thrown) ? thrown.code : 'ACTION_FAILED' }
  const error = cut(env.actions.redacted(workspace, action, stored))
  const afterMs = failure.class === 'rate-limited' ? failure.afterMs : undefined
  return { end: failure.class, error, ...(isDelay(afterMs) ? { afterMs } : {}) }
}

const CLASSES: readonly unknown[] = ['retry', 'rate-limited', 'final', 'reauth', 'unknown'] satisfies Failure['class'][]

/** What code says of a failure counts where it is one of the words that there are: any other would pass for "it did not happen". */
function isFailure(said: unknown): said is Failure {
  return CLASSES.includes((said as { class?: unknown } | null | undefined)?.class)
}

/** Milliseconds that somebody outside asked for; what is none is as if nothing was said. */
export function isDelay(ms: unknown): ms is number {
  return Number.isFinite(ms) && (ms as number) >= 0
}

function classify(action: AnyAction, thrown: unknown): Failure {
  if (KeelsonError.is(thrown, 'CREDENTIALS_MISSING')) return { class: 'reauth' }
  const said: unknown = ActionError.is(thrown) ? thrown.failure : safely(() => action.classify?.(thrown))
  if (isFailure(said)) return said
  if (isPromise(said)) said.then(undefined, () => {}) // what it comes to is too late
  return {
    class:
      action.effect === 'read' && !KeelsonError.is(thrown, 'OUTPUT_INVALID')
        ? 'retry'
        : action.effect === 'read'
          ? 'final'
          : 'unknown',
  }
}

function safely<T>(judge: () => T): T | undefined {
  try {
    return judge()
  } catch {
    return undefined
  }
}

export function timedOut(action: AnyAction): KeelsonError {
  return new KeelsonError('STEP_TIMEOUT', `${action.name} did not answer within ${action.timeoutMs / 1000} s`, {
    hint: 'Raise the timeout of the action if its system is that slow.',
  })
}

async function raceWith(
  work: Promise<{ output: unknown; undo?: unknown }>,
  signal: AbortSignal,
  onLate: Try['onLate'],
): Promise<{ output: unknown; undo?: unknown }> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  let late = false
  const abort = (): void => {
    late = true
    reject(signal.reason as Error)
  }
  signal.addEventListener('abort', abort, { once: true })
  work
    .then(
      (result) => late && onLate?.({ output: result?.output }),
      (error: unknown) => late && onLate?.({ error: storeError(error) }),
    )
    .catch(() => {}) // a late answer that cannot be told must not end the process
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
