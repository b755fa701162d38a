/** Verbs: what a person or the host can do to a run from outside, each a delivery that the run's next pass takes in. */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Entry, type Placed } from '../journal/entry.ts'
import { fold, openEffect } from '../journal/fold.ts'
import type { Outcome } from '../journal/kinds.ts'
import type { Expect, RunRow, Unit } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import type { MailData } from './mail.ts'
import { settable, type SayOutcome } from './set-outcome.ts'
import { rowOf } from './status.ts'
import { assertJournal } from './upkeep/journal.ts'

export interface By {
  readonly by: Actor
}

/** What can be done to a run. All are recorded with their actor. */
export interface RunVerbs {
  /** Ends it: its code is not resumed, its questions are withdrawn, its children cancelled. */
  cancel(run: string, options: By & { reason: string }): Promise<void>
  /** Stops its code for now. What it asked for goes on: its children, held effects, questions. */
  pause(run: string, options: By & { reason: string }): Promise<void>
  resume(run: string, options: By): Promise<void>
  /** Tries a step again, or the whole rest from where it failed. For a run that failed, diverged or is quarantined. */
  retry(run: string, options: By & { step?: string }): Promise<void>
  /**
   * Sets what a step returned, as if it had; what a read answered that failed, or is tried again; of an effect that failed, or of which
   * nobody knows: that it happened, and with what output. Throws `NOT_A_STEP` for what has a verb of its own.
   */
  setOutcome(run: string, options: By & { step: string; outcome: Json }): Promise<void>
  /** Runs again from a checkpoint, a step, or the start. Effects that happened stay; the same intents are not repeated. */
  restart(run: string, options: By & ({ from: 'start' } | { checkpoint: string } | { step: string })): Promise<void>
  /** Gives it to another registered version. Throws `EFFECT_OPEN` while an effect of it is. */
  move(run: string, options: By & { to: number }): Promise<void>
}

/** `say` answers in the inbox what came of an effect of which nobody knows. */
export function runVerbs(env: Environment, workspace: string, say?: SayOutcome): RunVerbs {
  const send = (run: string, { kind, payload }: Verb): Promise<RunRow> =>
    command(env, workspace, run, kind, payload, { reopen: true })
  return {
    async cancel(run, { by, reason }) {
      const row = await command(env, workspace, run, 'cancel', { by, reason } as unknown as Json)
      if (env.catalog.get(row.playbook, row.version) === undefined) await env.endWithoutCode(workspace, run)
    },
    async pause(run, { by, reason }) {
      await command(env, workspace, run, 'pause', { by, reason } as unknown as Json)
    },
    async resume(run, { by }) {
      await command(env, workspace, run, 'resume', { by } as unknown as Json)
    },
    async retry(run, given) {
      await send(run, await retryOf(env, workspace, run, given))
    },
    async setOutcome(run, { by, step, outcome }) {
      const ok = await settable(env, workspace, { run, step, outcome, by }, say)
      if (ok === undefined) return
      const why = `the outcome of ${step} was set by hand`
      const set = { verb: 'setOutcome', to: { key: step }, by, why, outcome: { ok } } as const
      await send(run, await rewindOf(env, workspace, run, set))
    },
    async restart(run, { by, ...from }) {
      if (Object.values<unknown>(from).filter((one) => one !== undefined).length !== 1) throw nowhere(run)
      const to =
        'checkpoint' in from
          ? { checkpoint: from.checkpoint }
          : 'step' in from
            ? { key: from.step }
            : ('start' as const)
      await send(run, await rewindOf(env, workspace, run, { verb: 'restart', to, by, why: 'restarted' }))
    },
    move: (run, { by, to }) => move(env, workspace, run, { by, to }),
  }
}

function nowhere(run: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `run ${run} is to begin again from one place`, {
    hint: "Name one: { from: 'start' }, { checkpoint: name } or { step: key }.",
  })
}

/** A verb as the run's pass takes it in. */
interface Verb {
  readonly kind: keyof MailData
  readonly payload: Json
}

/** What `retry` writes, for whoever writes more in the same unit. Throws what `retry` throws. */
export async function retryUnit(env: Environment, workspace: string, run: string, by: Actor): Promise<Sent> {
  const { kind, payload } = await retryOf(env, workspace, run, { by })
  const row = await sendable(env, workspace, run, true)
  const sent = await sentTo(env, row, kind, payload, { reopen: true })
  // Who holds it takes its mail.
  return row.worker === null ? sent : { deliveries: sent.deliveries }
}

async function retryOf(
  env: Environment,
  workspace: string,
  run: string,
  { by, step }: By & { step?: string },
): Promise<Verb> {
  await assertJournal(env, await rowOf(env, workspace, run))
  const key = step ?? (await failedStep(env, workspace, run))
  if (key === undefined) return { kind: 'reopen', payload: { by, why: 'it is tried again' } as unknown as Json }
  return rewindOf(env, workspace, run, { verb: 'retry', to: { key }, by, why: `${key} is tried again` })
}

async function rewindOf(env: Environment, workspace: string, run: string, rewind: MailData['rewind']): Promise<Verb> {
  await assertJournal(env, await rowOf(env, workspace, run))
  if (await reaches(env, workspace, run, rewind.to)) return { kind: 'rewind', payload: rewind as unknown as Json }
  throw new KeelsonError('STEP_NOT_FOUND', `run ${run} has no ${describe(rewind.to)}`, {
    hint: 'audit.story(run) names its steps and checkpoints.',
    data: { run },
  })
}

async function move(env: Environment, workspace: string, run: string, { by, to }: By & { to: number }): Promise<void> {
  const row = await rowOf(env, workspace, run)
  if (env.catalog.get(row.playbook, to) === undefined) {
    throw new KeelsonError('PLAYBOOK_NOT_FOUND', `${row.playbook}@${to} is not registered`, {
      hint: 'Pass it in createConductor({ playbooks }).',
    })
  }
  await assertJournal(env, row)
  const entries = await env.store.entries(workspace, row.stream)
  const open = stillOpen(run, entries)
  if (open !== undefined) throw open
  await command(env, workspace, run, 'move', { by, version: to } as unknown as Json, {
    version: to,
    expect: [{ stream: row.stream, seq: entries.at(-1)!.seq }],
  })
}

/** Why a run cannot be moved now; undefined when it can. */
export function stillOpen(run: string, entries: readonly Placed[]): KeelsonError | undefined {
  const open = openEffect(fold(entries))
  if (open === undefined) return undefined
  const said = `"${open.key}" of run ${run} is still open: its outcome belongs to this version`
  return new KeelsonError('EFFECT_OPEN', said, {
    hint: 'Decide on it, or wait for it; or restart the run from before it, and move it then.',
    data: { run, step: open.key },
  })
}

interface Sending {
  readonly reopen?: boolean
  readonly version?: number
  readonly expect?: Unit['expect']
}

/** Delivers a verb. Throws what `sendable` and `sentTo` do. */
async function command(
  env: Environment,
  workspace: string,
  run: string,
  kind: keyof MailData,
  payload: Json,
  options: Sending = {},
): Promise<RunRow> {
  const row = await sendable(env, workspace, run, options.reopen === true)
  const sent = await sentTo(env, row, kind, payload, options)
  const first = await env.store.write(workspace, sent)
  if (first.status === 'conflict') {
    // Somebody holds it, or did just now: its pass takes the mail. Or it was pruned.
    const second = await env.store.write(workspace, { deliveries: sent.deliveries })
    if (second.status === 'done' && second.refused.length > 0)
      await assertJournal(env, await rowOf(env, workspace, run))
  }
  env.nudge()
  return row
}

/** A run to which a verb can be delivered. Throws `RUN_NOT_FOUND`, `STORE_CORRUPT`, and `RUN_CLOSED` for one that has ended and is not to be reopened. */
async function sendable(env: Environment, workspace: string, run: string, reopen: boolean): Promise<RunRow> {
  const row = await rowOf(env, workspace, run)
  if (row.corrupt !== undefined) throw new KeelsonError('STORE_CORRUPT', row.corrupt, { data: { run } })
  if (row.state !== 'settled' || reopen) return row
  throw new KeelsonError('RUN_CLOSED', `run ${run} has ended`, {
    hint: 'Only retry, setOutcome and restart reopen a run.',
    data: { run },
  })
}

/** A verb as it is written to a run that nobody holds. */
type Sent = Pick<Unit, 'touch' | 'expect'> & Required<Pick<Unit, 'deliveries'>>

/** Throws `RUN_PRUNED`, `ERASED`. */
async function sentTo(
  env: Environment,
  row: RunRow,
  kind: keyof MailData,
  payload: Json,
  options: Sending,
): Promise<Sent> {
  const delivery = {
    run: row.id,
    onceKey: `${kind}:${env.ids.id()}`,
    kind,
    payload: canonicalAround(payload),
    at: env.clock.now(),
  }
  const touch: Unit['touch'] =
    options.version !== undefined
      ? [{ run: row.id, version: options.version, state: 'due' }]
      : options.reopen === true
        ? [{ run: row.id, state: 'due' }]
        : undefined
  const expect = options.expect ?? (row.state === 'settled' ? [await endOf(env, row)] : undefined)
  return {
    deliveries: [delivery],
    ...(touch === undefined ? {} : { touch }),
    ...(expect === undefined ? {} : { expect }),
  }
}

/** Where the journal of a settled run ends: it is reopened as it was seen, or not at all. Throws `RUN_PRUNED`, `ERASED`. */
async function endOf(env: Environment, row: RunRow): Promise<Expect> {
  await assertJournal(env, row)
  const entries = await env.store.entries(row.workspace, row.stream)
  if (entries.some(({ payload }) => payload === null)) {
    throw new KeelsonError('ERASED', `part of the journal of run ${row.id} was erased: it has ended for good`, {
      hint: 'Its result, effects and records are still there. Start new work under another id.',
      data: { run: row.id },
    })
  }
  return { stream: row.stream, seq: entries.at(-1)?.seq ?? 0 }
}

/** The operation whose error ended the run: the one that its error names, or the last that failed if nothing came after. */
async function failedStep(env: Environment, workspace: string, run: string): Promise<string | undefined> {
  const row: RunRow = await rowOf(env, workspace, run)
  const entries = await env.store.entries(workspace, row.stream)
  const settled = entries.findLast((entry) => entry.kind === 'run.settled')
  if (settled === undefined) return undefined
  const { error } = dataOf(settled as Entry & { kind: 'run.settled' })
  const named = error?.data?.['step']
  const last = entries.findLast((entry) => entry.key !== '' && entry.kind.endsWith('.completed'))
  if (typeof named === 'string' && entries.some((entry) => entry.key === named)) return named
  const failed = (JSON.parse(last?.payload ?? '{}') as Outcome).error !== undefined
  return error !== undefined && failed ? last?.key : undefined
}

type RewindTarget = MailData['rewind']['to']

/** Whether the run's journal knows what a rewind aims at; its pass looks again when it takes the verb in. */
async function reaches(env: Environment, workspace: string, run: string, to: RewindTarget): Promise<boolean> {
  if (to === 'start' || 'seq' in to) return true
  const row = await rowOf(env, workspace, run)
  const entries = await env.store.entries(workspace, row.stream)
  if ('key' in to) return entries.some((entry) => entry.key === to.key)
  return entries.some(
    (entry) =>
      entry.kind === 'checkpoint.completed' &&
      (JSON.parse(entry.payload ?? '{}') as { ok?: string }).ok === to.checkpoint,
  )
}

function describe(to: RewindTarget): string {
  if (typeof to === 'string' || 'seq' in to) return 'such entry'
  return 'key' in to ? `step "${to.key}"` : `checkpoint "${to.checkpoint}" that it has reached`
}
