/** Read: an action that changes nothing: judged, tried, and recorded like a step; no intent, no ledger. */
import { storeError } from '../../base/errors.ts'
import type { Op } from '../../journal/op.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { parseStored } from '../../base/json.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { Environment } from '../environment.ts'
import { isUnlabelled } from '../../base/labels.ts'
import { sleepWithin } from '../ops/retrying.ts'
import { behalfOf } from '../behalf.ts'
import type { Pass } from '../pass.ts'
import { iso } from '../waiting.ts'
import { overlaidRead } from '../shadow/simulate.ts'
import { chargeOf, turnOf } from '../charge.ts'
import { clear } from '../limits.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import type { Acting } from './act.ts'
import { denied, judge, judgedOf } from './judge.ts'
import type { Asked } from './read-cache.ts'
import { marksOf, tagsOf } from './tags.ts'
import { backoffMs, tryOnce, type Tried } from './send.ts'

/** Answers true when the read has been dealt with; false when policy asks first, so that it goes the way of an effect. */
export async function read(pass: Pass, acting: Acting, op: Op): Promise<boolean> {
  const { env, claimed } = pass.task
  const { action, input, key, hash } = acting
  const { workspace } = claimed.row
  const verdict = await pass.work.run(() =>
    judge(env, { workspace, action, input, behalf: behalfOf(pass), labels: acting.labels, effect: acting.effect }),
  )
  if (verdict.verdict === 'deny') {
    const error = denied(action, verdict)
    const judged = judgedOf(acting, verdict)
    await pass.writer.append([{ kind: 'effect.completed', key, data: { hash, error: storeError(error), judged } }])
    return true
  }
  if (verdict.verdict !== 'allow' || !(await pass.work.run(() => inTurn(pass, acting)))) return false
  for (;;) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, key, op.retryAt, `${action.name} is tried again`)))
      return true
    if (pass.work.aborted || (await pass.work.run(() => once(pass, acting, op, verdict)))) return true
  }
}

/** Takes its turn where it has a rate. False when that is later: it then waits as an effect does. */
async function inTurn(pass: Pass, { action, effect, input }: Acting): Promise<boolean> {
  const { env, claimed } = pass.task
  const spec = { effect, generation: 0, behalf: behalfOf(pass), input: parseStored(input) }
  const charge = turnOf(chargeOf(spec, action))
  let late = false
  await pass.writer.submit(async () => {
    const { limit, puts } = await clear(env, claimed.row.workspace, charge)
    late = limit !== undefined
    return late || puts.length === 0 ? undefined : { drafts: [{ kind: 'limit.taken', data: { by: effect, puts } }] }
  })
  return !late
}

async function once(pass: Pass, acting: Acting, op: Op, verdict: Judgement): Promise<boolean> {
  const { env, claimed } = pass.task
  const { action, key, hash } = acting
  const attempt = op.attempts + 1
  const { workspace, id: run, playbook } = claimed.row
  const tried = await cachedOr(pass, acting, attempt)
  if (pass.work.aborted) return true
  if (tried.end === 'done') {
    const ok = await overlaidRead(pass, acting, tried.output)
    const receipt = {
      ...{ effect: '', input: parseStored(acting.input), edited: false, verdict: verdict.reason },
      ...{ deduplicated: false, differs: false, readAt: iso(tried.readAt) },
      ...(tried.cached ? { cached: true } : {}),
    }
    const labels = labelsOfOutput(action, acting.labels)
    const judged = judgedOf(acting, verdict)
    const data = { hash, ok, ...(isUnlabelled(labels) ? {} : { labels }), receipt, judged }
    await pass.writer.append([{ kind: 'effect.completed', key, data }])
    return true
  }
  if (tried.end === 'final' || attempt >= action.attempts) {
    await pass.writer.append([{ kind: 'effect.completed', key, data: { hash, error: tried.error } }])
    return true
  }
  const retryAt = env.clock.now() + (tried.afterMs ?? backoffMs(attempt, () => env.ids.random()))
  await pass.writer.append([
    { kind: 'effect.failed', key, data: { attempt, error: tried.error, retryAt, cause: tried.end } },
  ])
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

type Answer = Exclude<Tried, { end: 'done' }> | { end: 'done'; output: Json; readAt: number; cached: boolean }

/** What is kept and still good, or what the system answers now. */
async function cachedOr(pass: Pass, acting: Acting, attempt: number): Promise<Answer> {
  const { env, claimed } = pass.task
  const { action, input } = acting
  const { start } = pass.history
  const asked: Asked = {
    ...{ workspace: claimed.row.workspace, action, input },
    scope: [start.persona ?? null, start.scopes ?? []],
  }
  const marks = action.cache === undefined ? '' : await marksNow(env, asked)
  const kept = action.cache === undefined ? undefined : env.cache.get(asked)
  const anew = (signal: AbortSignal): Promise<Answer> => readNow(env, asked, { ...acting, attempt, signal, marks })
  if (kept === undefined || kept.marks !== marks || acting.maxAgeMs === 0) return anew(pass.signal)
  const age = env.clock.now() - kept.at
  const { ttlMs, staleMs } = action.cache!
  if (age < 0 || age > ttlMs + staleMs || age > (acting.maxAgeMs ?? Infinity)) return anew(pass.signal)
  // Given stale, it is fetched anew behind the reader's back.
  if (age > ttlMs) env.cache.refresh(asked, async () => void (await anew(new AbortController().signal)))
  return { end: 'done', output: kept.output, readAt: kept.at, cached: true }
}

function marksNow(env: Environment, { workspace, action, input }: Asked): Promise<string> {
  return marksOf(env, workspace, tagsOf(action, fromStored(action.input, input)))
}

async function readNow(
  env: Environment,
  asked: Asked,
  how: { readonly effect: string; readonly attempt: number; readonly signal: AbortSignal; readonly marks: string },
): Promise<Answer> {
  const { workspace, action, input } = asked
  const { effect, attempt, signal, marks } = how
  const since = env.clock.now()
  const epoch = env.cache.epoch(asked)
  const tried = await tryOnce({ env, workspace, action, input, key: effect, attempt, since, signal })
  if (tried.end !== 'done') return tried
  if (action.cache !== undefined) env.cache.set(asked, { output: tried.output, at: since, marks }, epoch)
  return { end: 'done', output: tried.output, readAt: since, cached: false }
}
