/**
 * Act: the road of an effect that a playbook asks for: intent, verdict, and either at once or by a run of its own.
 *
 * X1. Before anything leaves, the intent is committed as `sending`, expecting that nobody froze the workspace and nobody
 *     opened the same intent meanwhile.
 * X2. A `sending` without an outcome is never simply sent again: only under a key that makes a second try harmless.
 * X3. An owner settles its effect and tells the others who asked in the same unit as its own outcome.
 * X4. From the commit of `sending` to the record of what came of it is one piece of work: whoever ends the pass waits for it.
 */
import { storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { parseStored } from '../../base/json.ts'
import type { Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { shapeOf, type Shape } from '../../connector/shape.ts'
import { dataOf, type Draft, type Entry } from '../../journal/entry.ts'
import type { Op } from '../../journal/op.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { Put } from '../../journal/put.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { Pass } from '../pass.ts'
import { sleepWithin } from '../ops/retrying.ts'
import { standing, type Shadowed } from '../shadow/mode.ts'
import { iso } from '../waiting.ts'
import type { Built } from '../writer.ts'
import { effectRun, handedOver, handOver, heardOf, isUnsure, orphaned, sentOf } from './hand-over.ts'
import { denied, judge, judgedOf } from './judge.ts'
import { byGrant, stillCovered, type Answered } from './granted.ts'
import { reuse } from './reuse.ts'
import { reportLate } from './attempt.ts'
import { leavesDoubt } from './doubt.ts'
import { deciderOf, isCovered } from './bytes.ts'
import { effectPut, effectRunId, readEffect, remoteKey, type EffectRecord } from './ledger.ts'
import { backoffMs, mayResend, tryOnce, type Tried } from './send.ts'
import { decidedBy, outcomeOf, receiptOf, settleEffect, type EffectEnd } from './settling.ts'
import { behalfIn, recordOf, type EffectSpec } from './spec.ts'
import { behalfOf, whoMayNot } from '../behalf.ts'
import { chargeOf } from '../charge.ts'
import { clear, type Cleared } from '../limits.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import { shut } from '../life.ts'

type Sent = EntryData['effect.sending']

/** What an operation of `ctx.act` knows. */
export interface Acting {
  readonly key: string
  readonly hash: string
  readonly action: AnyAction
  /** Canonical text. */
  readonly input: string
  readonly effect: string
  readonly because: readonly Json[]
  /** What the input is to be taken for. */
  readonly labels: Labels
  /** The overlay that it sees; undefined outside of shadow. */
  readonly shadow: Shadowed | undefined
  /** The item that this proposal revises. */
  readonly revises?: string | undefined
  /** Of a cached read: the oldest answer that will do, in milliseconds. */
  readonly maxAgeMs?: number | undefined
  /** A person has agreed to it as a line of a plan. */
  readonly approved?: Approved | undefined
}

/** What the approval of a plan answers for, for one line. */
export interface Approved {
  readonly item: string
  readonly covered: readonly string[]
  readonly edited: boolean
  readonly fresh?: Json
  readonly shape?: Shape
  /** Who decided what, for people. */
  readonly reason: string
}

/** Brings an effect on its way, or goes on where it stands. False: its action may stand elsewhere by now, so look anew. */
export async function act(pass: Pass, acting: Acting, op: Op): Promise<boolean> {
  if (op.opened === undefined && op.sending === undefined) return pass.work.run(() => decide(pass, acting, op))
  await goOn(pass, acting, op)
  return true
}

async function goOn(pass: Pass, acting: Acting, op: Op): Promise<void> {
  if (op.opened !== undefined) return awaitRun(pass, acting, op.opened)
  if (!op.dangling) return pass.work.run(() => send(pass, acting, op, false))
  const sent = dataOf(op.sending as Entry & { kind: 'effect.sending' })
  if (mayResend(acting.action, op.sentAt!, pass.task.env.clock.now()))
    return pass.work.run(() => send(pass, acting, op, false))
  await pass.work.run(() => handOver(pass, acting.key, sent, sentOf(op)))
  if (!pass.work.aborted) awaitRun(pass, acting, op.opened!)
}

/** Looks up the intent, judges it, and commits what follows. */
async function decide(pass: Pass, acting: Acting, op: Op): Promise<boolean> {
  const once = standing(pass, acting.shadow)
  const written = await pass.writer.submit(once.job(() => decision(pass, acting)))
  if (once.moved()) return false
  if (written === undefined || pass.work.aborted) return true
  if (op.opened !== undefined) awaitRun(pass, acting, op.opened)
  else if (op.outcome === undefined) await send(pass, acting, op, true)
  return true
}

async function decision(pass: Pass, acting: Acting): Promise<Built | undefined> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const { key, hash } = acting
  const found = await readEffect(env.store, workspace, acting.effect)
  const state = found?.record.state
  if (state === 'open' && orphaned(pass, acting.key, found!.record))
    return await takeBack(pass, acting, found!.record, found!.version)
  // What somebody else was let do answers nobody who may not do it.
  const mayAsk = whoMayNot(env, behalfOf(pass).personas, acting.action.name) === undefined
  if (mayAsk && state === 'open') return join(pass, acting, found!.record, found!.version)
  if (mayAsk && state === 'done') return { drafts: [reuse(acting, found!.record)] }
  const spec = await specOf(pass, acting, (found?.record.generation ?? 0) + 1)
  const { verdict } = spec
  if (verdict.verdict === 'deny')
    return {
      drafts: [
        {
          kind: 'effect.completed',
          key,
          data: { hash, error: storeError(denied(acting.action, verdict)), judged: judgedOf(acting, verdict) },
        },
      ],
    }
  if (acting.approved !== undefined) return own(pass, acting, { spec, puts: [] }, (found?.version ?? 0) + 1)
  return proceed(pass, acting, await byGrant(pass, spec), (found?.version ?? 0) + 1)
}

/** Commits the sending where nothing obliges any more, else the effect run that sees to what does. */
async function proceed(pass: Pass, acting: Acting, answered: Answered, version: number): Promise<Built | undefined> {
  const { env, claimed } = pass.task
  const { spec, puts } = answered
  const now = await env.company(claimed.row.workspace).leaving()
  if (shut(now.life) !== undefined) return pass.mailbox.overtaken('suspend')
  const expect = [...now.expect, ...(answered.expect ?? [])]
  let taken: Cleared = { puts: [], starts: [] }
  if (spec.verdict.verdict === 'allow' && !now.frozen) {
    const charge = chargeOf({ ...spec, behalf: behalfIn(spec) }, acting.action)
    taken = await clear(env, claimed.row.workspace, charge)
    if (taken.limit === undefined) {
      const put = effectPut(recordOf(spec, env.clock.now()), version)
      return { drafts: [sending(acting, spec, 1, [put, ...puts, ...taken.puts])], expect }
    }
  }
  const built = own(pass, acting, { ...answered, puts: [...puts, ...taken.puts] }, version)
  return { ...built, starts: [...(built.starts ?? []), ...taken.starts], expect }
}

/** The unit that gives the effect a run of its own. */
function own(pass: Pass, acting: Acting, answered: Answered, version: number): Built {
  const { spec, puts } = answered
  const run = effectRun(pass, spec)
  const now = pass.task.env.clock.now()
  const plan = acting.approved === undefined ? {} : { plan: acting.approved.item }
  const put = effectPut(recordOf(spec, now, { effectRun: run.id, askers: [spec.owner], ...plan }), version)
  const { key, hash, action } = acting
  const verdict = (spec.judged ?? spec.verdict) as unknown as Json
  const opened = { hash, action: action.name, effect: spec.effect, run: run.id, verdict, puts: [put, ...puts] }
  return { drafts: [{ kind: 'effect.opened', key, data: opened }], starts: [run] }
}

async function specOf(pass: Pass, acting: Acting, generation: number): Promise<EffectSpec> {
  const { claimed } = pass.task
  const { start } = pass.history
  const { action, input, effect, approved } = acting
  const verdict = await verdictOf(pass, acting)
  return {
    effect,
    generation,
    action: action.name,
    account: action.account,
    input: parseStored(input),
    inputHash: sha256(input),
    owner: { run: claimed.row.id, key: acting.key },
    playbook: `${claimed.row.playbook}@${claimed.row.version}`,
    ...(start.persona === undefined ? {} : { persona: start.persona }),
    scopes: start.scopes ?? [],
    behalf: behalfOf(pass),
    labels: acting.labels,
    because: acting.because,
    // Whatever a person approved, it is not by that word that policy denies it.
    verdict:
      approved === undefined || verdict.denies.length > 0
        ? verdict
        : { ...verdict, reason: `${approved.reason}: ${verdict.reason}` },
    mode: 'judge',
    ...(approved === undefined ? {} : { covered: approved.covered, edited: approved.edited }),
    ...(approved?.fresh === undefined ? {} : { fresh: approved.fresh }),
    shape: approved?.shape ?? shapeOf(action),
    ...(acting.revises === undefined ? {} : { revises: acting.revises }),
  }
}

export function verdictOf(pass: Pass, { action, input, effect, labels }: Acting): Promise<Judgement> {
  const { env, claimed } = pass.task
  return judge(env, { workspace: claimed.row.workspace, action, input, behalf: behalfOf(pass), labels, effect })
}

function sending(acting: Acting, spec: EffectSpec, attempt: number, puts: Put[]): Draft {
  const { key, hash, action } = acting
  const { effect, generation } = spec
  const remote = remoteKey(effect, generation)
  const verdict = spec.verdict as unknown as Json
  const judged = spec.judged === undefined ? {} : { judged: spec.judged as unknown as Json }
  const shape = shapeOf(action).mark
  const about = { hash, action: action.name, effect, generation, key: remote, attempt, verdict, shape }
  return { kind: 'effect.sending', key, data: { ...about, ...judged, ...deciderOf(spec), puts } }
}

async function takeBack(pass: Pass, acting: Acting, record: EffectRecord, version: number): Promise<Built> {
  const { env, claimed } = pass.task
  const verdict = { reason: record.verdict, asks: [], holds: [], denies: [] } as unknown as Json
  const sent = { hash: acting.hash, effect: record.id, verdict }
  const entries = await env.store.entries(claimed.row.workspace, claimed.row.stream)
  const last = entries.findLast(
    (entry) => entry.kind === 'effect.sending' && entry.payload?.includes(record.id) === true,
  )
  const when = { first: record.openedAt, last: last?.at ?? env.clock.now() }
  return handedOver(pass, acting.key, sent, { record, version }, when, 'reconcile')
}

function join(pass: Pass, acting: Acting, record: EffectRecord, version: number): Built {
  const asker = { run: pass.task.claimed.row.id, key: acting.key }
  const put = effectPut(
    { ...record, askers: [...record.askers.filter((one) => one.run !== asker.run || one.key !== asker.key), asker] },
    version + 1,
  )
  const run = record.effectRun ?? record.owner.run
  const data = { hash: acting.hash, action: record.action, effect: record.id, run, joined: true, puts: [put] }
  return { drafts: [{ kind: 'effect.opened', key: acting.key, data }] }
}

/** Tries until it is done, has failed for good, or nobody knows. `recorded`: the first try's sending has just been. */
async function send(pass: Pass, acting: Acting, op: Op, recorded: boolean): Promise<void> {
  const { env, claimed } = pass.task
  const what = `${acting.action.name} is tried again`
  for (let ready = recorded; ; ready = false) {
    if (op.retryAt !== undefined && !(await sleepWithin(pass, acting.key, op.retryAt, what))) return
    if (!ready && (await pass.writer.submit(() => again(pass, acting, op))) === undefined) return
    if (pass.work.aborted) return
    if (op.opened !== undefined) return awaitRun(pass, acting, op.opened)
    const sent = sentBy(op)
    const tried = await tryOnce({
      env,
      workspace: claimed.row.workspace,
      action: acting.action,
      input: acting.input,
      key: sent.key,
      attempt: sent.attempt,
      since: op.sentAt ?? env.clock.now(),
      signal: pass.signal,
      onLate: (late) => reportLate(pass, effectRunId(sent.effect, sent.generation), late),
    })
    if (pass.work.aborted || (await settleTry(pass, acting, op, sent, tried))) return
  }
}

function sentBy(op: Op): Sent {
  return dataOf(op.sending as Entry & { kind: 'effect.sending' })
}

/** The unit that records another try; frozen, or no longer just allowed, the effect is left to a run of its own. */
async function again(pass: Pass, acting: Acting, op: Op): Promise<Built | undefined> {
  const { env, claimed } = pass.task
  const leaving = await env.company(claimed.row.workspace).leaving()
  if (shut(leaving.life) !== undefined) return pass.mailbox.overtaken('suspend')
  const { puts: _puts, ...sent } = sentBy(op)
  const verdict = await verdictOf(pass, acting)
  const { action } = acting
  const judged = { workspace: claimed.row.workspace, action, verdict }
  const { covered, expect: standing } = await stillCovered(env, judged, new Set(sent.covered), deciderOf(sent))
  const other = (sent.shape ?? shapeOf(action).mark) !== shapeOf(action).mark
  const forgotten = isUnsure(op) && !mayResend(action, op.sentAt!, env.clock.now())
  if (leaving.frozen || other || forgotten || !isCovered(verdict, covered)) {
    const found = await readEffect(env.store, claimed.row.workspace, sent.effect)
    const now = { ...sent, verdict: verdict as unknown as Json }
    return handedOver(
      pass,
      acting.key,
      now,
      found!,
      sentOf(op),
      op.dangling || other || forgotten ? 'reconcile' : 'judge',
    )
  }
  const data = { ...sent, attempt: op.attempts + 1 } // a try that a death ended has not failed
  const expect = [...leaving.expect, ...standing]
  return { drafts: [{ kind: 'effect.sending', key: acting.key, data }], expect, again: op.dangling }
}

/** Records what a try came to. True when the operation needs no further try here. */
async function settleTry(pass: Pass, acting: Acting, op: Op, sent: Sent, tried: Tried): Promise<boolean> {
  const { env } = pass.task
  const { action } = acting
  const { attempt } = sent
  if (tried.end === 'done') {
    await complete(pass, acting, sent, {
      state: 'done',
      output: tried.output,
      ...(tried.undo === undefined ? {} : { undo: tried.undo }),
      input: parseStored(acting.input),
      edited: false,
      verdict: reasonOf(sent),
    })
    return true
  }
  const harmless = tried.end === 'unknown' && mayResend(action, op.sentAt!, env.clock.now())
  const retry = (tried.end === 'retry' || tried.end === 'rate-limited' || harmless) && attempt < action.attempts
  if (retry) {
    const retryAt = env.clock.now() + (tried.afterMs ?? backoffMs(attempt, () => env.ids.random()))
    await pass.writer.append([
      { kind: 'effect.failed', key: acting.key, data: { attempt, error: tried.error, retryAt, cause: tried.end } },
    ])
    const { row } = pass.task.claimed
    env.emit('step.failed', {
      workspace: row.workspace,
      run: row.id,
      playbook: row.playbook,
      step: acting.key,
      attempt,
      message: tried.error.message,
      retryAt: iso(retryAt),
    })
    return false
  }
  if (tried.end === 'unknown' || tried.end === 'reauth' || (op.unsure && leavesDoubt(action, tried))) {
    const { when, mode } = heardOf(op, tried)
    await handOver(pass, acting.key, sent, when, mode)
    if (pass.work.aborted) return true
    awaitRun(pass, acting, op.opened!)
    return true
  }
  await complete(pass, acting, sent, {
    state: 'failed',
    error: tried.error,
    input: parseStored(acting.input),
    edited: false,
    verdict: reasonOf(sent),
  })
  return true
}

function reasonOf(sent: Sent): string {
  return (sent.verdict as { reason?: string }).reason ?? ''
}

async function complete(pass: Pass, acting: Acting, sent: Sent, end: EffectEnd): Promise<void> {
  const { env, claimed } = pass.task
  const owner = { run: claimed.row.id, key: acting.key }
  await pass.writer.submit(async () => {
    const found = await readEffect(env.store, claimed.row.workspace, sent.effect)
    const record = found!.record
    const spec = {
      ...record,
      effect: record.id,
      playbook: '',
      scopes: [],
      verdict: sent.verdict as unknown as Judgement,
      mode: 'judge' as const,
    }
    const { puts, deliveries } = await settleEffect(pass, spec, { ...end, ...decidedBy(record) }, owner)
    const receipt = receiptOf(record.id, end, record.inputHash, record.inputHash) as unknown as Json
    return {
      drafts: [
        {
          kind: 'effect.completed',
          key: acting.key,
          data: { ...outcomeOf(end, labelsOfOutput(acting.action, record.labels)), hash: acting.hash, receipt, puts },
        },
      ],
      deliveries,
    }
  })
  const { row } = claimed
  if (end.state === 'done')
    env.emit('effect.executed', {
      workspace: row.workspace,
      run: row.id,
      playbook: row.playbook,
      action: acting.action.name,
      effect: sent.effect,
    })
}

/** The operation waits for the effect's own run, as for a child. */
function awaitRun(pass: Pass, acting: Acting, opened: Entry): void {
  const data = dataOf(opened as Entry & { kind: 'effect.opened' })
  pass.waits.set(acting.key, {
    kind: 'effect',
    what: `${acting.action.name} (${acting.key})`,
    run: data.run,
    since: iso(opened.at),
  })
  pass.task.env.nudge()
}
