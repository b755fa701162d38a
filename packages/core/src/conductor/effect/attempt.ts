/**
 * Attempt: what an effect run does with the outside system: one sending with its tries.
 *
 * Whatever depends on the clock or the outside is the outcome of an operation, so that the effect run replays.
 */
import type { StoredError } from '../../base/errors.ts'
import { canonical } from '../../base/json.ts'
import { NO_LABELS } from '../../base/labels.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { zod } from '../../base/zod.ts'
import type { AnyAction } from '../../connector/action.ts'
import { inShapeOf, shapeOf } from '../../connector/shape.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Op } from '../../journal/op.ts'
import type { Put } from '../../journal/put.ts'
import { chargeOf } from '../charge.ts'
import type { Frozen } from '../company.ts'
import { clear, clearAnew, type Cleared } from '../limits.ts'
import { shut } from '../life.ts'
import { sleepWithin } from '../ops/retrying.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import { hasMoved, restedOn } from './fresh.ts'
import { stillCovered } from './granted.ts'
import { judge } from './judge.ts'
import { readEffect, remoteKey } from './ledger.ts'
import { holdOf, isCovered, type Bytes, type Sent } from './bytes.ts'
import { mayTry } from './counts.ts'
import { inDoubt, leavesDoubt, mayCancel, stopped } from './doubt.ts'
import { firstSentAt, lastSentAt, otherwise } from './reshaped.ts'
import { backoffMs, mayResend, tryOnce } from './send.ts'
import { behalfIn, type EffectSpec } from './spec.ts'

/** Sends the bytes, if policy still lets them; tries again where that is harmless. */
export function sendOnce(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes, key: string): Promise<Sent> {
  const sender = spec.mode === 'undo' ? undoing(action, spec) : action
  const live = (op: Op): Promise<void> => pass.work.run(() => send(pass, spec, sender, bytes, key, op))
  return pass.operation<Sent>({ key, kind: 'effect', live })
}

/** Taking back is conditional on the undo token, so a second try is harmless. */
function undoing(action: AnyAction, spec: EffectSpec): AnyAction {
  return inShapeOf(action, {
    ...action,
    output: zod().null(),
    undo: undefined,
    idempotency: { by: 'precondition' },
    run: async (_input, { key, signal, config }) => {
      const undo = action.undo === undefined ? undefined : fromStored(action.undo, canonical(spec.undo ?? null))
      await action.compensate?.(undo, { key, signal, config })
      return { output: null }
    },
  })
}

async function send(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes, key: string, op: Op): Promise<void> {
  const { env } = pass.task
  const remote = remoteKey(spec.effect, spec.generation)
  if (op.dangling && !mayResend(action, firstSentAt(pass, spec)!, env.clock.now())) {
    const error = { code: 'ACTION_FAILED', message: 'its process ended while it was being sent' }
    return complete(pass, key, { state: 'unknown', error, sentAt: op.sending!.at, died: true })
  }
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `${action.name} is tried again`))) return
    const attempt = op.attempts + 1
    if (bytes.fresh !== undefined && action.fresh !== undefined && firstSentAt(pass, spec) === undefined) {
      const fresh = await restedOn(pass, action, bytes.input)
      if (pass.work.aborted) return
      if (hasMoved(bytes, fresh)) return complete(pass, key, { state: 'stale', fresh })
    }
    const doubt = inDoubt(pass)
    const written = await pass.writer.submit(() => sending(pass, spec, action, bytes, key, remote, attempt))
    if (written === undefined || pass.work.aborted || op.outcome !== undefined) return
    const sentAt = op.sending!.at
    const tried = await tryOnce({
      env,
      workspace: pass.task.claimed.row.workspace,
      action,
      input: canonical(bytes.input),
      key: remote,
      attempt,
      since: firstSentAt(pass, spec) ?? env.clock.now(),
      signal: pass.signal,
      onLate: (late) => reportLate(pass, pass.task.claimed.row.id, late),
    })
    if (pass.work.aborted) return
    if (tried.end === 'done')
      return complete(
        pass,
        key,
        { state: 'done', output: tried.output, ...(tried.undo === undefined ? {} : { undo: tried.undo }) },
        action.name,
        spec,
      )
    const harmless = tried.end === 'unknown' && mayResend(action, firstSentAt(pass, spec)!, env.clock.now())
    if ((tried.end === 'retry' || tried.end === 'rate-limited' || harmless) && mayTry(pass, spec, action, attempt)) {
      const retryAt = env.clock.now() + (tried.afterMs ?? backoffMs(attempt, () => env.ids.random()))
      await pass.writer.append([
        { kind: 'effect.failed', key, data: { attempt, error: tried.error, retryAt, cause: tried.end } },
      ])
      continue
    }
    if (tried.end === 'unknown')
      return complete(pass, key, { state: harmless ? 'undecided' : 'unknown', error: tried.error, sentAt })
    if (doubt && tried.end !== 'reauth' && leavesDoubt(action, tried))
      return complete(pass, key, { state: 'undecided', error: tried.error, sentAt })
    return complete(pass, key, { state: tried.end === 'reauth' ? 'reauth' : 'failed', error: tried.error })
  }
}

/** The unit that records the sending, or why it must not be. */
async function sending(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  key: string,
  remote: string,
  attempt: number,
): Promise<Built | undefined> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const leaving = await env.company(workspace).leaving()
  if (shut(leaving.life) !== undefined) return pass.mailbox.overtaken('suspend')
  if ((await mayCancel(pass)).may) return pass.mailbox.overtaken('cancel')
  const found = await readEffect(env.store, workspace, spec.effect)
  if (found !== undefined && found.record.generation > spec.generation)
    return { drafts: [completed(key, { state: 'failed', error: superseded(action) })] }
  const undo = spec.mode === 'undo'
  if (leaving.frozen && !undo) return { drafts: [completed(key, frozenAs(leaving))] }
  const judged = {
    workspace,
    action,
    input: canonical(bytes.input),
    behalf: behalfIn(spec),
    labels: spec.labels ?? NO_LABELS,
    effect: spec.effect,
    undo,
  }
  const other = otherwise(pass, spec, action, bytes, key)
  if (other !== undefined) return { drafts: [completed(key, other)] }
  const verdict = await judge(env, judged)
  const about = { workspace, action, verdict }
  const { covered, over, expect } = await stillCovered(env, about, bytes.covered, bytes.decider)
  if (!isCovered(verdict, covered)) {
    const sentAt = lastSentAt(pass, spec) ?? env.clock.now()
    const not: Sent = inDoubt(pass)
      ? { state: 'undecided', error: stopped(action, verdict.reason), sentAt }
      : { state: 'changed', verdict, ...(over ? { revoked: true } : {}) }
    return { drafts: [completed(key, not)] }
  }
  const taken = await taking(pass, spec, action, bytes)
  if (taken.limit !== undefined) {
    const sent: Sent = { state: 'limited', limit: taken.limit, at: env.clock.now() }
    return { drafts: [completed(key, sent, taken.puts)], starts: taken.starts }
  }
  const data = {
    hash: '',
    action: action.name,
    effect: spec.effect,
    generation: spec.generation,
    key: remote,
    attempt,
    verdict: verdict as unknown as Json,
    shape: shapeOf(action).mark,
    ...(taken.puts.length === 0 ? {} : { puts: taken.puts }),
  }
  const again = pass.history.ops.get(key)?.dangling === true
  return { drafts: [{ kind: 'effect.sending', key, data }], expect: [...leaving.expect, ...expect], again }
}

function frozenAs({ epoch, reason }: Frozen): Sent {
  return { state: 'frozen', epoch, reason }
}

function superseded(action: AnyAction): StoredError {
  const message = `${action.name} was asked for again since, and that one counts`
  return { code: 'ACTION_FAILED', message, hint: 'Look at the newer effect of this intent.' }
}

/** What it takes of limits. What was sent before has taken it, but for what a person made it since; taking back takes nothing. */
async function taking(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes): Promise<Cleared> {
  const [{ env, claimed }, before] = [pass.task, firstSentAt(pass, spec) !== undefined]
  if (spec.mode === 'undo' || (before && (!bytes.edited || inDoubt(pass)))) return { puts: [], starts: [] }
  const charge = chargeOf({ ...spec, behalf: behalfIn(spec), input: bytes.input }, action)
  if (before) return clearAnew(env, claimed.row.workspace, charge)
  return clear(env, claimed.row.workspace, charge, bytes.covered.has(holdOf(HOURS)))
}

/** A hold that ends when working hours begin; whoever sends it earlier has answered for that. */
export const HOURS = 'working hours'

async function complete(pass: Pass, key: string, sent: Sent, executed?: string, spec?: EffectSpec): Promise<void> {
  await pass.work.run(() => pass.writer.append([completed(key, sent)]))
  if (executed === undefined || spec === undefined) return
  const { workspace, playbook } = pass.task.claimed.row
  pass.task.env.emit('effect.executed', {
    workspace,
    run: spec.owner.run,
    playbook,
    action: executed,
    effect: spec.effect,
  })
}

function completed(key: string, sent: Sent, puts: readonly Put[] = []): Draft {
  const more = puts.length === 0 ? {} : { puts }
  return { kind: 'effect.completed', key, data: { hash: '', ok: sent as unknown as Json, ...more } }
}

/** A try that was given up has answered after all: recorded with the effect's own run, never taken for an outcome. */
export function reportLate(pass: Pass, run: string, late: { output?: unknown; error?: StoredError }): void {
  const { env, claimed } = pass.task
  const payload = canonical(
    late.error === undefined
      ? { output: JSON.parse(JSON.stringify(late.output ?? null)) as Json }
      : { error: late.error },
  )
  const delivery = { run, onceKey: `late:${env.ids.id()}`, kind: 'late', payload, at: env.clock.now() }
  env.store.write(claimed.row.workspace, { deliveries: [delivery] }).catch(() => {})
}
