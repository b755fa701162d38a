/** Step: a named unit of the playbook's own work, tried until it has an outcome. */
import { durationMs } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, verbatim } from '../../base/json.ts'
import { list } from '../../base/young.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { Op } from '../../journal/op.ts'
import type { StepOptions } from '../../playbook/context.ts'
import { backoffMs } from '../effect/send.ts'
import { insideStep, type Operation, type Pass } from '../pass.ts'
import { placeIn, storedWithPlace } from '../located.ts'
import { iso } from '../waiting.ts'
import { sleepWithin } from './retrying.ts'

/** Mistakes in the code, which another try would only repeat. */
const FINAL: ReadonlySet<string> = new Set(['VALUE_NOT_STORABLE', 'NESTED_STEP', 'STEP_KEY_NEEDED'])

type Work = (o: { signal: AbortSignal; attempt: number }) => unknown

const PLAIN: StepOptions = {}

export function step(pass: Pass, key: string, work: Work, options: StepOptions = PLAIN): Promise<unknown> {
  if (typeof work !== 'function')
    return Promise.reject(
      new KeelsonError('DEFINITION_INVALID', `the work of step "${key}" is no function`, {
        hint: `Write ctx.step('${key}', () => …).`,
      }),
    )
  return pass.operation(new Step(pass, key, work, options))
}

/** A class, as all that lives for a turn or a run: see base/young.ts. */
class Step implements Operation<unknown> {
  readonly key: string
  readonly kind = 'step'
  readonly #pass: Pass
  readonly #work: Work
  readonly #options: StepOptions

  constructor(pass: Pass, key: string, work: Work, options: StepOptions) {
    this.key = key
    this.#pass = pass
    this.#work = work
    this.#options = options
  }

  live(op: Op): 'succeeded' | Promise<void> {
    const isFirst = this.#options.timeout === undefined && op.retryAt === undefined
    return (isFirst ? firstTry : tries)(this.#pass, this.key, this.#work, this.#options, op)
  }
}

class Completed {
  readonly kind = 'step.completed'
  readonly key: string
  readonly data: EntryData['step.completed']

  constructor(key: string, value: unknown) {
    this.key = key
    this.data = verbatim(value === undefined ? '{}' : `{"ok":${canonical(value)}}`) as EntryData['step.completed']
  }
}

/** What nearly every step comes to: one try, recorded without a promise but those of the work and of the store. */
function firstTry(pass: Pass, key: string, work: Work, options: StepOptions, op: Op): 'succeeded' | Promise<void> {
  const failed = async (thrown: unknown): Promise<void> => {
    const done = await pass.work.run(() => fail(pass, key, thrown, op.attempts + 1, options)).finally(over)
    if (!done && !pass.work.aborted) return tries(pass, key, work, options, op)
  }
  const over = (): void => pass.work.ended()
  const succeeded = (value: unknown): void => {
    pass.writer.put(list(new Completed(key, value)), over)
  }
  pass.work.began()
  try {
    const value = insideStep.run(key, work, new Given(pass, op.attempts + 1))
    if (isThenable(value)) return Promise.resolve(value).then(succeeded).catch(failed)
    succeeded(value)
    return 'succeeded'
  } catch (thrown) {
    return failed(thrown)
  }
}

/** What a step's code gets: a signal is made when it is asked for. */
class Given {
  readonly attempt: number
  readonly #pass: Pass

  constructor(pass: Pass, attempt: number) {
    this.#pass = pass
    this.attempt = attempt
  }

  get signal(): AbortSignal {
    return this.#pass.signal
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}

async function tries(pass: Pass, key: string, work: Work, options: StepOptions, op: Op): Promise<void> {
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `step "${key}" is tried again`))) return
    const attempt = op.attempts + 1
    const done = await pass.work.run(async () => {
      try {
        const value = await within(pass, key, work, attempt, options)
        const data = value === undefined ? {} : { ok: verbatim(canonical(value)) }
        await pass.writer.append([{ kind: 'step.completed', key, data }])
        return true
      } catch (thrown) {
        return fail(pass, key, thrown, attempt, options)
      }
    })
    if (done || pass.work.aborted) return
  }
}

/** Records a failed try. True when there will be no other. */
async function fail(pass: Pass, key: string, thrown: unknown, attempt: number, options: StepOptions): Promise<boolean> {
  if (pass.work.aborted) return true
  const most = Math.max(1, options.retry?.attempts ?? 3)
  const error = storedWithPlace(thrown)
  if (attempt >= most || (KeelsonError.is(thrown) && FINAL.has(thrown.code))) {
    await pass.writer.append([{ kind: 'step.completed', key, data: { error } }])
    return true
  }
  const { env, claimed } = pass.task
  const first = durationMs(options.retry?.first ?? '1s')
  const longest = durationMs(options.retry?.longest ?? '5m')
  const retryAt = env.clock.now() + backoffMs(attempt, () => env.ids.random(), first, longest)
  await pass.writer.append([{ kind: 'step.failed', key, data: { attempt, error, retryAt } }])
  const { workspace, id, playbook } = claimed.row
  const at = placeIn(error)
  env.emit('step.failed', {
    workspace,
    run: id,
    playbook,
    step: key,
    attempt,
    message: error.message,
    ...(at === undefined ? {} : { at }),
    retryAt: iso(retryAt),
  })
  return false
}

async function within(pass: Pass, key: string, work: Work, attempt: number, options: StepOptions): Promise<unknown> {
  const run = (signal: AbortSignal): Promise<unknown> => insideStep.run(key, async () => work({ signal, attempt }))
  if (options.timeout === undefined) return run(pass.signal)
  const { clock } = pass.task.env
  const limit = durationMs(options.timeout)
  const controller = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const cancel = clock.timer(clock.now() + limit, () => {
    const error = new KeelsonError('STEP_TIMEOUT', `step "${key}" took longer than ${options.timeout}`, {
      hint: 'Raise its timeout, or make it stop when its signal is aborted.',
    })
    controller.abort(error)
    reject(error)
  })
  try {
    return await Promise.race([run(AbortSignal.any([pass.signal, controller.signal])), promise])
  } finally {
    cancel()
  }
}
