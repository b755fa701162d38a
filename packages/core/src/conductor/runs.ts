/** Runs: starting, sending, and handles that wait for a result. */
import type { Actor } from '../base/actor.ts'
import type { Persona } from '../policy/persona.ts'
import { labelled, parseLabels, type Label } from '../base/labels.ts'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown } from '../base/known.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { RunRow } from '../journal/store.ts'
import { toStored } from '../base/schema.ts'
import { young } from '../base/young.ts'

import type { Playbook } from '../playbook/context.ts'
import { eventSchema, type EventType } from '../playbook/event.ts'
import { playbookOf } from '../playbook/playbook.ts'
import type { Environment } from './environment.ts'
import { EVENT_PLAYBOOK, isSent, sentEvent, sentRun, type EventInput } from './event-run.ts'
import { assertActive } from './life.ts'
import type { Notifier } from './notifier.ts'
import { rootIn } from './shadow/mode.ts'
import { assertOwnId, newRun, startUnit, streamOf } from './start.ts'
import { resultOf, rowOf, statusOf, whyOf, type RunStatus } from './status.ts'

/** A handle on a run, which may be anywhere. */
export interface Run<Out> {
  readonly id: string
  /** Its result when it has ended. Throws its error; with a timeout, `RUN_WAITING` with what it waits for. */
  result(options?: { timeout?: Duration; signal?: AbortSignal }): Promise<Out>
  status(): Promise<RunStatus>
}

export interface StartOptions {
  /** Business identity: the same id is started once. */
  readonly id: string
  readonly by?: Actor
  /** Narrows what the run may do: it must be covered by this persona and by its playbook's own. */
  readonly persona?: Persona
  /** It runs for real in all but its effects: they are simulated, and what it writes is seen by no other run. Default false. */
  readonly shadow?: boolean
  /** What its input is to be taken for: 'untrusted' where an outsider wrote it (a form, a mail). */
  readonly labels?: readonly Label[]
}

export async function start<In, Out>(
  env: Environment,
  notifier: Notifier,
  workspace: string,
  playbook: Playbook<In, Out>,
  input: In,
  options: StartOptions,
): Promise<Run<Out>> {
  const known = playbookOf(playbook)
  env.catalog.assertHas(known, 'Start')
  const company = env.company(workspace)
  const standing = await company.standing()
  assertActive(workspace, standing.life)
  assertOwnId(options.id)
  await company.secret()
  const settings = standing.settings()
  const run = newRun(known, {
    workspace,
    id: options.id,
    input,
    ...(options.by === undefined ? {} : { by: options.by }),
    personas: [known.persona, options.persona].filter((one) => one !== undefined),
    labels: labelled(labelsOf(options.labels), `the input of ${known.name}`),
    ...(settings.version === 0 ? {} : { settings }),
    ...(options.shadow === true ? { shadow: options.id } : rootIn(standing.shadow, known, options.id)),
    now: env.clock.now(),
    salt: () => env.ids.salt(),
    told: options.by !== undefined,
  })
  const written = env.store.write(workspace, startUnit(run))
  env.nudge() // a store that writes in groups claims it in the same one
  const answer = await written
  if (answer.status === 'fenced') throw new KeelsonError('STORE_FAILED', `run ${options.id} could not be started`)
  if (answer.status === 'conflict' || answer.refused.length > 0)
    await assertSame(env, workspace, run.id, run.entries[0] as Entry & { kind: 'run.started' }, options.shadow)
  env.nudge()
  return handle(env, notifier, workspace, options.id)
}

function labelsOf(given: readonly Label[] = []): readonly Label[] {
  const labels = parseLabels(given)
  if (labels !== undefined) return labels
  throw new KeelsonError('INPUT_INVALID', `${JSON.stringify(given)} are not labels`, {
    hint: "The labels are 'untrusted' and 'private'.",
  })
}

/** Starting again with the same input is the same start; with another it is a mistake. */
async function assertSame(
  env: Environment,
  workspace: string,
  id: string,
  wanted: Entry & { kind: 'run.started' },
  shadow?: boolean,
): Promise<void> {
  const [first] = await env.store.entries(workspace, streamOf(id, 0), 0, 1)
  if (first === undefined || first.payload === null) return
  const there = dataOf(first as Entry & { kind: 'run.started' })
  const asked = dataOf(wanted)
  const same = there.playbook === asked.playbook && there.inputHash === asked.inputHash
  if (same && (shadow === undefined || shadow === (there.shadow !== undefined))) return
  const what = same ? 'mode: one of the two is in shadow' : there.playbook === asked.playbook ? 'input' : 'playbook'
  const sent = asked.playbook === EVENT_PLAYBOOK ? (asked.input as unknown as EventInput) : undefined
  if (sent !== undefined)
    throw new KeelsonError('RUN_EXISTS', `event ${sent.event} was sent before as "${sent.id}", with another payload`, {
      hint: 'An event id is sent once. Give another event another id.',
      data: { run: id },
    })
  throw new KeelsonError('RUN_EXISTS', `run "${id}" exists with another ${what}`, {
    hint: 'A run id is started once. Give other work another id.',
    data: { run: id },
  })
}

export async function send<T>(
  env: Environment,
  workspace: string,
  event: EventType<T>,
  payload: T,
  options: { id: string; by?: Actor },
): Promise<void> {
  const text = toStored(eventSchema(event), payload, 'INPUT_INVALID', `the payload of event ${event.name}`)
  assertActive(workspace, (await env.company(workspace).standing()).life)
  const run = await sentRun(env, workspace, sentEvent(event, options.id, text), options.by)
  const isNew = !(await isSent(env, workspace, run.id))
  const answer = isNew ? await env.store.write(workspace, startUnit(run)) : undefined
  if (answer?.status !== 'done' || answer.refused.length > 0) {
    await assertSame(env, workspace, run.id, run.entries[0] as Entry & { kind: 'run.started' })
  }
  env.nudge()
}

export function handle<Out>(env: Environment, notifier: Notifier, workspace: string, id: string): Run<Out> {
  return {
    ...young,
    id,
    result: (options = {}) => result<Out>(env, notifier, workspace, id, options),
    status: async () => statusOf(env, await rowOf(env, workspace, id)),
  }
}

const RESULT = ['timeout', 'signal']

async function result<Out>(
  env: Environment,
  notifier: Notifier,
  workspace: string,
  id: string,
  options: { timeout?: Duration; signal?: AbortSignal },
): Promise<Out> {
  assertKnown('result()', options, RESULT, 'INPUT_INVALID')
  const limit = Promise.withResolvers<'late'>()
  const cancel =
    options.timeout === undefined
      ? undefined
      : env.clock.timer(env.clock.now() + durationMs(options.timeout), () => limit.resolve('late'))
  const abort = (): void => limit.reject(options.signal?.reason)
  options.signal?.addEventListener('abort', abort, { once: true })
  limit.promise.catch(() => {})
  const watched = notifier.watch(workspace, id)
  try {
    options.signal?.throwIfAborted()
    for (let told: RunRow | 'changed' = 'changed'; ;) {
      const changed = watched.next()
      changed.catch(() => {}) // the look at the row may be what fails first
      const row: RunRow = told === 'changed' ? await rowOf(env, workspace, id) : told
      if (row.state === 'settled') return resultOf(env, row) as Out
      const next = await Promise.race([changed, limit.promise])
      if (next === 'late') {
        throw new KeelsonError('RUN_WAITING', await whyOf(env, await rowOf(env, workspace, id)), { data: { run: id } })
      }
      told = next
    }
  } finally {
    cancel?.()
    options.signal?.removeEventListener('abort', abort)
    watched.end()
  }
}
