/**
 * Settle: the end of a run: its outcome, its parent's mail, what is still open withdrawn, in one unit.
 *
 * A cancelled run's code is not resumed.
 */
import { KeelsonError, type StoredError } from '../base/errors.ts'
import { canonical, canonicalAround, parseStored } from '../base/json.ts'
import { toStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import { dataOf, type Draft, type Entry } from '../journal/entry.ts'
import type { EntryData } from '../journal/kinds.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import { closeOpen, cancelOpen } from './closing.ts'
import { toParent } from './parent.ts'
import { located, placeIn, storedWithPlace } from './located.ts'
import type { Pass } from './pass.ts'
import { NOTHING } from './projections.ts'
import { raise, withdrawn } from './raise.ts'
import { submitInTurn } from './shadow/turns.ts'

const SETTLED = { how: 'settled' } as const

/** How a run ended. */
export type Settled = {
  status: 'completed' | 'failed' | 'declined' | 'cancelled'
  output?: Json
  error?: StoredError
  /** What its code asked for and ended without, for people. */
  dropped?: readonly string[]
}

export function outcomeOf(pass: Pass, result: { value: unknown } | { thrown: unknown }): Settled {
  const { playbook } = pass.task
  try {
    if ('thrown' in result) throw result.thrown
    const what = `the result of ${playbook.name}`
    const write = playbook.internal ? canonicalAround : canonical
    return { status: 'completed', output: parseStored(resultOf(playbook, result.value, what, write)) }
  } catch (thrown) {
    const declined = KeelsonError.is(thrown, 'ACTION_DECLINED')
    return { status: declined ? 'declined' : 'failed', error: storedWithPlace(thrown, { playbook: nameOf(playbook) }) }
  }
}

function nameOf({ name, version }: AnyPlaybook): string {
  return `${name}@${version}`
}

function resultOf(playbook: AnyPlaybook, value: unknown, what: string, write: (value: unknown) => string): string {
  try {
    return toStored(playbook.output, value, 'OUTPUT_INVALID', what, write)
  } catch (thrown) {
    throw located(playbook, value === undefined ? nothing(playbook, thrown) : thrown, 'its result', undefined)
  }
}

/** Code without a return: what it gives is nothing that its schema or a store could speak of. */
function nothing({ name }: AnyPlaybook, thrown: unknown): unknown {
  if (!KeelsonError.is(thrown)) return thrown
  const hint = 'Return what fits its output. Where there is nothing to give: output: z.null(), and return null.'
  return new KeelsonError(thrown.code, `the code of ${name} returned nothing, and its output is stored`, { hint })
}

/** Commits the end of the run, and tells whoever waits for it. False where a cancel has come too late by now. */
export async function settle(pass: Pass, settled: Settled): Promise<boolean> {
  const { claimed, playbook, env } = pass.task
  const { row } = claimed
  const { status, output, error, dropped } = settled
  const known = pass.history.ended !== undefined
  const { internals } = pass.task
  const written = await submitInTurn(pass, 'ends', async () => {
    const cancelled = status === 'cancelled' && !known ? await internals?.mayCancel?.(pass) : undefined
    if (cancelled?.may === false) return undefined
    const closed = await closeOpen(pass)
    const extra = await internals?.settle?.(pass, settled)
    const raised =
      status === 'failed' && pass.history.start.parent === undefined
        ? await raise(pass, failure(pass, error!))
        : status === 'cancelled'
          ? await withdrawn(pass)
          : []
    const counted = known
      ? NOTHING
      : await env.projections.settled(env, { row, playbook, history: pass.history, status })
    const puts = [...closed.puts, ...raised, ...(extra?.puts ?? []), ...counted.puts]
    const draft: Draft = {
      kind: 'run.settled',
      data: {
        status,
        ...(output === undefined ? {} : { output }),
        ...(error === undefined ? {} : { error }),
        ...(dropped === undefined ? {} : { dropped }),
        ...(closed.withdrawn.length === 0 ? {} : { withdrawn: closed.withdrawn }),
        ...(puts.length === 0 ? {} : { puts }),
      },
    }
    return {
      drafts: known ? [] : [...(extra?.drafts ?? []), draft],
      ...(counted.starts === undefined ? {} : { starts: counted.starts }),
      deliveries: [...toParent(pass, settled), ...(extra?.deliveries ?? [])],
      next: { to: 'settled', status: statusOf(settled), at: env.clock.now() },
      ...(cancelled === undefined ? {} : { expect: cancelled.expect }),
    }
  })
  if (written === undefined) return false
  const about = { workspace: row.workspace, run: row.id, playbook: playbook.name }
  if (dropped !== undefined && !known) env.emit('run.dropped', { ...about, dropped })
  env.emit('run.settled', {
    ...about,
    status,
    ...(error === undefined ? {} : { error: told(error) }),
  })
  pass.end(SETTLED)
  env.nudge()
  return true
}

function told(error: StoredError): { code: string; message: string; at?: string } {
  const at = placeIn(error)
  return { code: error.code, message: error.message, ...(at === undefined ? {} : { at }) }
}

/** An end as the row of the run tells it. */
function statusOf({ status, output, error }: EntryData['run.settled']): string {
  if (status !== 'completed') return canonicalAround({ state: status, error: (error ?? null) as unknown as Json })
  return canonicalAround({ state: status, ...(output === undefined ? {} : { output }) })
}

/** The status of a run's row, as the pass wrote it that settled the run; undefined where it was erased. */
export function statusIn(entry: Entry & { kind: 'run.settled' }): string | undefined {
  return entry.payload === null ? undefined : statusOf(dataOf(entry))
}

function failure(pass: Pass, error: StoredError): { code: string; title: string; hint: string } {
  return {
    code: error.code,
    title: `${pass.task.playbook.name} failed: ${error.message}`,
    hint: error.hint ?? 'Retry a step, set its outcome by hand, run again from a checkpoint, or dismiss this.',
  }
}

/** False where it has come too late by now. */
export async function cancel(pass: Pass): Promise<boolean> {
  const { by, reason } = pass.history.cancelling!
  await cancelOpen(pass)
  const error = { code: 'RUN_CANCELLED', message: `cancelled by ${by.name ?? by.id}: ${reason}` }
  return settle(pass, { status: 'cancelled', error })
}
