/**
 * SetByHand: an effect that failed, of which a person knows better: it happened, and this came of it; or a read that did, and what it
 * answered.
 *
 * The ledger says so, and by whom: whoever asks for the same intent is answered by it, and a revert finds it.
 */
import { actorJson } from '../../base/actor.ts'
import { isUnlabelled, NO_LABELS } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Op } from '../../journal/op.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import type { SetByHand } from '../mail.ts'
import type { Pass } from '../pass.ts'
import { actionNamed, maybeFailedRead } from './failed-read.ts'
import { failedEffect, readEffect, whyNotFailed } from './ledger.ts'
import { decidedBy, outcomeOf, receiptOf, settleEffect, type EffectEnd } from './settling.ts'

/** The entries by which it has happened, or why it may not be said. */
export async function setByHand(pass: Pass, op: Op, { outcome, by }: SetByHand): Promise<readonly Draft[] | string> {
  const { env, claimed } = pass.task
  const answered = answeredByHand(pass, op, { outcome, by })
  if (answered !== undefined) return [answered]
  const id = failedEffect(op)
  const found = id === undefined ? undefined : await readEffect(env.store, claimed.row.workspace, id)
  const why = whyNotFailed(op, found?.record)
  if (why !== undefined) return `"${op.key}" cannot be set by hand: ${why}`
  const { record } = found!
  const { input, edited, verdict } = record
  const end: EffectEnd = {
    state: 'done',
    output: outcome.ok ?? null,
    ...{ input, edited, verdict, setBy: by },
    ...decidedBy(record),
  }
  const judged = { reason: verdict } as unknown as Judgement
  const spec = { ...record, effect: record.id, playbook: '', scopes: [], verdict: judged, mode: 'judge' as const }
  const { puts, drafts } = await settleEffect(pass, spec, end)
  const action = env.actions.find(record.action)
  const labels = action === undefined ? (record.labels ?? NO_LABELS) : labelsOfOutput(action, record.labels)
  const receipt = receiptOf(record.id, end, record.inputHash, record.inputHash) as unknown as Json
  const data = { ...outcomeOf(end, labels), hash: op.hash ?? '', receipt, by, puts }
  return [{ kind: 'effect.completed', key: op.key, data }, ...drafts]
}

/** The entry by which a read has answered: it has no ledger, and leaves no mark outside. Undefined of what is no read that failed. */
function answeredByHand(pass: Pass, op: Op, { outcome, by }: SetByHand): Draft | undefined {
  if (!maybeFailedRead(op)) return undefined
  const action = pass.task.env.actions.find(actionNamed(op)) // its code may bring it only once it goes on
  if (action !== undefined && action.effect !== 'read') return undefined
  const all = pass.history.labels // what its input was is not told
  const labels = action === undefined ? all : labelsOfOutput(action, all)
  const receipt = {
    ...{ effect: '', edited: false, verdict: '', deduplicated: false, differs: false },
    setBy: actorJson(by),
  }
  const { hash } = op
  const data = { ok: outcome.ok ?? null, ...(isUnlabelled(labels) ? {} : { labels }), receipt, by }
  return { kind: 'effect.completed', key: op.key, data: { ...data, ...(hash === undefined ? {} : { hash }) } }
}
