/** Read: an action that changes nothing: judged, tried, and recorded like a step; no intent, no ledger. */
import { KeelsonError, storeError } from '../../base/errors.ts'
import type { Op } from '../../journal/fold.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { parseStored } from '../../base/json.ts'
import { sleepWithin } from '../ops/retrying.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'
import { overlaidRead } from '../shadow/simulate.ts'
import type { Acting } from './act.ts'
import { judge } from './judge.ts'
import { backoffMs, tryOnce } from './send.ts'

/** Answers true when the read has been dealt with; false when policy asks first, so that it goes the way of an effect. */
export async function read(pass: Pass, acting: Acting, op: Op): Promise<boolean> {
  const { env, claimed } = pass.task
  const { action, input, key, hash } = acting
  const { start } = pass.history
  const { workspace } = claimed.row
  const scopes = start.scopes ?? []
  const verdict = await pass.work.run(() =>
    judge(env, { workspace, action, input, scopes, persona: start.persona, effect: acting.effect }),
  )
  if (verdict.verdict === 'deny') {
    const error = new KeelsonError('ACTION_DENIED', `${action.name} was denied: ${verdict.reason}`, {
      data: { action: action.name },
    })
    await pass.writer.append([{ kind: 'effect.completed', key, data: { hash, error: storeError(error) } }])
    return true
  }
  if (verdict.verdict !== 'allow') return false
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `${action.name} is tried again`)))
      return true
    if (pass.signal.aborted || (await pass.work.run(() => once(pass, acting, op, verdict)))) return true
  }
}

async function once(pass: Pass, acting: Acting, op: Op, verdict: Judgement): Promise<boolean> {
  const { env, claimed } = pass.task
  const { action, input, key, hash, effect } = acting
  const attempt = op.attempts + 1
  const { workspace, id: run, playbook } = claimed.row
  const tried = await tryOnce({
    env,
    workspace,
    action,
    input,
    key: effect,
    attempt,
    since: env.clock.now(),
    signal: pass.signal,
  })
  if (pass.signal.aborted) return true
  if (tried.end === 'done') {
    const ok = await overlaidRead(pass, acting, tried.output)
    const receipt = {
      effect: '',
      input: parseStored(input),
      edited: false,
      verdict: verdict.reason,
      deduplicated: false,
      differs: false,
    }
    await pass.writer.append([{ kind: 'effect.completed', key, data: { hash, ok, receipt } }])
    return true
  }
  if (tried.end === 'final' || attempt >= action.attempts) {
    await pass.writer.append([{ kind: 'effect.completed', key, data: { hash, error: tried.error } }])
    return true
  }
  const retryAt = env.clock.now() + (tried.afterMs ?? backoffMs(attempt, () => env.ids.random()))
  await pass.writer.append([{ kind: 'effect.failed', key, data: { attempt, error: tried.error, retryAt } }])
  env.emit('step.failed', {
    workspace,
    run,
    playbook,
    step: key,
    attempt,
    message: tried.error.message,
    retryAt: iso(retryAt),
  })
  return false
}
