/**
 * Doubt: an effect that may have happened, though nobody has heard of it, is neither declined nor cancelled, and has not
 * failed: each of these would let it be asked for anew, under another key. It is looked up, or a person tells.
 */
import { SYSTEM } from '../../base/actor.ts'
import type { StoredError } from '../../base/errors.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Cancelling, Pass } from '../pass.ts'
import { isUnsure } from './hand-over.ts'
import { readEffect } from './ledger.ts'
import type { Tried } from './send.ts'
import type { EffectSpec } from './spec.ts'

/** What the outcome of an operation says, in a word. */
export function wordOf(ok: unknown): string | undefined {
  const said = (ok ?? {}) as { state?: string; do?: string; decision?: { outcome?: string } }
  return said.decision?.outcome ?? said.do ?? said.state
}

/** True while it may have happened: it was sent, and neither a look nor a person has said what came of that. */
export function inDoubt(pass: Pass): boolean {
  const { ops, outcomes, start } = pass.history
  const { mode, unsure } = start.input as unknown as EffectSpec
  let doubt = mode === 'reconcile' || unsure === true
  for (const { key, outcome } of outcomes) {
    const word = wordOf(outcome.ok)
    doubt ||= ops.get(key)?.unsure === true || word === 'unknown' || word === 'undecided'
    if (word === 'not-happened' || word === 'did-not-happen') doubt = false
  }
  return doubt || [...ops.values()].some((op) => op.outcome === undefined && isUnsure(op))
}

/**
 * Whether a cancel counts by now: once it is known that nothing happened. One that came because its caller went counts for
 * nothing where somebody else has asked since.
 */
export async function mayCancel(pass: Pass): Promise<Cancelling> {
  const { start, cancelling } = pass.history
  if (cancelling === undefined || !surelyNothing(pass)) return { may: false, expect: [] }
  if (cancelling.by.kind !== SYSTEM.kind) return { may: true, expect: [] }
  const { effect: id, generation } = start.input as unknown as EffectSpec
  const found = await readEffect(pass.task.env.store, pass.task.claimed.row.workspace, id)
  const may = found?.record.generation !== generation || found.record.askers.length === 0
  return { may, expect: [{ record: 'effect', id, version: found?.version ?? 0 }] }
}

/** True while it is known that nothing has happened outside: it was not sent, was refused, or is proven not to have happened. */
function surelyNothing(pass: Pass): boolean {
  const { ops, outcomes } = pass.history
  for (const { key, outcome } of outcomes) {
    const word = wordOf(outcome.ok)
    if (word === 'done' || word === 'happened') return false
    if (word === 'failed' && ops.get(key)?.sending !== undefined) return false
  }
  return !inDoubt(pass)
}

/** Whether a try that ended so says nothing of those before it. A system that honours keys answers the second as the first. */
export function leavesDoubt({ idempotency }: AnyAction, { end }: Tried): boolean {
  return end !== 'final' || idempotency.by !== 'key'
}

/** Why a person is asked whether it happened, where rules or their change let no other try out. */
export function stopped(action: AnyAction, reason: string): StoredError {
  return { code: 'ACTION_FAILED', message: `${action.name} may have happened, and is not to be tried again: ${reason}` }
}
