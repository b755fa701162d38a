/**
 * EffectRun: the built-in playbook of an effect that cannot execute at once: asked, held, frozen, unknown, taken back.
 *
 * It is a run like any other: it has its own lease, executes stored bytes, needs only the action, and outlives whoever
 * asked.
 *
 * Y1. Just before it is sent the intent is judged again, in the unit that records the sending: a denial, or an obligation
 *     that nobody answered for, sends it back.
 * Y2. An unknown outcome is looked up, or sent again under a key that makes that harmless, or put to a person. 'Not found'
 *     counts only after the settle window.
 * Y3. An approval covers the rules and the bytes that it was shown, and nothing else.
 * Y4. What may have happened is neither declined nor cancelled: see doubt.ts.
 */
import { SYSTEM } from '../../base/actor.ts'
import { KeelsonError, storeError, type StoredError } from '../../base/errors.ts'
import { canonical } from '../../base/json.ts'
import { NO_LABELS } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf, type AnyAction } from '../../connector/action.ts'
import { builtIn } from '../../playbook/playbook.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { Internals, Pass } from '../pass.ts'
import { EFFECT_PLAYBOOK } from './hand-over.ts'
import {
  ask,
  askItemOf,
  decisionOf,
  declined,
  holdItem,
  ladderIn,
  reauthItem,
  unknownItem,
  type Decided,
} from './items.ts'
import { FRESHNESS, keptBy, stale } from './fresh.ts'
import { HOURS, sendOnce } from './attempt.ts'
import { askOf, deciderOf, holdOf, type Bytes, type Reshaped, type Sent } from './bytes.ts'
import { askedAnew, asReshaped, DEFINITION, shapeKeptBy } from './reshaped.ts'
import { untilThereIsRoom } from './room.ts'
import { decidedBy, settleEffect, type EffectEnd } from './settling.ts'
import { actionOf, behalfIn, type EffectSpec } from './spec.ts'
import { mayCancel } from './doubt.ts'
import { editedBy } from './edited.ts'
import { reconcileOnce, resend } from './look.ts'
import { judgeAgain } from '../policy-change.ts'
import { denied, judge } from './judge.ts'
import { thawed } from './thaw.ts'

export const effectPlaybook = builtIn((z) => ({
  name: EFFECT_PLAYBOOK,
  version: 1,
  input: z.looseObject({ effect: z.string(), generation: z.number(), action: z.string() }),
  output: z.looseObject({ state: z.string() }),
  run: async (_ctx, input, pass) => execute(pass as Pass, input as EffectSpec),
}))

/** What the effect run adds to its settling, and when a cancel comes too late. */
export const effectInternals: Internals = {
  mayCancel,
  holdFor(pass, thrown) {
    if (!KeelsonError.is(thrown, 'ACTION_NOT_FOUND')) return undefined
    const { owner, action } = pass.history.start.input as unknown as EffectSpec
    const isThere = (): boolean => pass.task.env.actions.find(action) !== undefined
    return { what: thrown.message, wake: [owner.run], isThere } // its code may bring the action
  },
  async settle(pass, outcome) {
    const spec = pass.history.start.input as unknown as EffectSpec
    return settleEffect(pass, spec, endOf(spec, outcome))
  },
}

function endOf(spec: EffectSpec, outcome: { status: string; output?: unknown; error?: StoredError }): EffectEnd {
  if (outcome.status === 'completed') return outcome.output as EffectEnd
  const bare = { input: spec.input, edited: false, verdict: spec.verdict.reason, ...decidedBy(spec) }
  return {
    state: outcome.status === 'cancelled' ? 'cancelled' : 'failed',
    error: outcome.error ?? { code: 'RUN_FAILED', message: 'the effect failed' },
    ...bare,
  }
}

async function execute(pass: Pass, spec: EffectSpec): Promise<EffectEnd> {
  const action = actionOf(pass.task.env, spec)
  let bytes: Bytes = {
    input: spec.input,
    edited: spec.edited ?? false,
    verdict: spec.verdict,
    covered: new Set([...(spec.covered ?? []), ...(spec.mode === 'resend' ? answeredFor(spec.verdict) : [])]),
    fresh: spec.fresh,
    decider: deciderOf(spec),
    shape: spec.shape,
  }
  const sentAt = spec.sentAt ?? 0
  if (spec.mode === 'resend') return resolve(pass, spec, action, bytes, { state: 'not-happened', sentAt })
  if (spec.mode === 'reconcile') {
    const error = spec.heard ?? { code: 'ACTION_FAILED', message: 'it was sent, and no answer was recorded' }
    return resolve(pass, spec, action, bytes, { state: 'unknown', error, sentAt })
  }
  for (let round = 1; ; round++) {
    // What may have happened is not put to anybody as if it had not.
    const cleared = spec.unsure === true ? bytes : await obligations(pass, spec, action, bytes, round)
    if ('state' in cleared) return cleared
    if (cleared.judgedAgain === true) {
      bytes = { ...cleared, judgedAgain: undefined }
      continue
    }
    bytes = cleared
    const sent = await sendOnce(pass, spec, action, bytes, `send ${round}`)
    if (sent.state === 'changed' || sent.state === 'stale' || sent.state === 'reshaped') bytes = renewed(bytes, sent)
    else if (sent.state === 'frozen')
      bytes = heldAnew(pass, bytes, sent.epoch, round) ?? (await thawed(pass, sent), bytes)
    else if (sent.state === 'limited') {
      const waited = await limited(pass, spec, action, bytes, sent, round)
      if ('state' in waited) return waited
      bytes = waited
    } else return resolve(pass, spec, action, bytes, sent)
  }
}

/** Asks and holds as the verdict obliges; the bytes that may then be sent, or how the effect ended instead. */
async function obligations(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  before: Bytes,
  round: number,
): Promise<Bytes | EffectEnd> {
  let bytes = before
  if (bytes.verdict.denies.length > 0) return ended(bytes, 'denied', deniedError(action, bytes.verdict.reason))
  const since = [
    ...(bytes.stale === undefined ? [] : [FRESHNESS]),
    ...(bytes.reshaped === undefined ? [] : [DEFINITION]),
  ]
  const asks = [...since, ...uncovered(bytes.verdict, bytes)]
  if (asks.length > 0) {
    const key = `approve ${round}`
    const asked = askItemOf(pass, spec, action, bytes, asks, round > 1)
    const decided = await ask(pass, key, { ...asked, again: judging(pass, spec, action, bytes, key) })
    if (decided === 'expired')
      return ended(
        bytes,
        'declined',
        refusal(action, { reason: 'nobody answered in time', by: { kind: 'system', id: 'silence' } }),
      )
    const { decision, by } = decided
    if ('judged' in decision || 'reshaped' in decision) return anew(pass, key, bytes, decided)
    if ('reject' in decision)
      return ended(bytes, 'declined', refusal(action, { reason: textOf(decision.reject), by, item: decided.item }))
    if ('respond' in decision)
      return ended(
        bytes,
        'declined',
        refusal(action, { reason: 'respond', text: textOf(decision.respond), by, item: decided.item }),
      )
    const covered = new Set([...bytes.covered, ...asks.map((one) => askOf(one.rule))])
    const agreed = { fresh: keptBy(pass, key), shape: shapeKeptBy(pass, key) ?? bytes.shape }
    const seen = { ...bytes, covered, ...agreed, stale: undefined, reshaped: undefined }
    bytes = 'edit' in decision ? editedBy(by, spec, action, seen, decision.edit) : seen
  }
  const holds = bytes.verdict.holds.filter((rule) => !bytes.covered.has(holdOf(rule)))
  return holds.length === 0 ? bytes : held(pass, spec, action, bytes, holds, `hold ${round}`)
}

/** Asks that nobody has answered for. */
function uncovered({ asks }: Judgement, { covered }: Bytes): Judgement['asks'] {
  return asks.filter((one) => !covered.has(askOf(one.rule)))
}

/** Waits for what does not let it be sent now: room in a budget, its turn, working hours. */
async function limited(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  { limit, at }: Sent & { state: 'limited' },
  round: number,
): Promise<Bytes | EffectEnd> {
  if (limit.kind === 'unpriced') return ended(bytes, 'denied', deniedError(action, `budget: ${limit.what}`))
  if (limit.kind !== 'hours') {
    const no = await untilThereIsRoom(pass, limit, at, round)
    return no === undefined ? bytes : ended(bytes, 'declined', refusal(action, { reason: no, by: SYSTEM }))
  }
  const { until, persona } = limit
  const holds = [`outside the working hours of ${persona}`]
  const verdict = { ...bytes.verdict, holds, holdMs: Math.max(0, until - pass.task.env.clock.now()) }
  const waited = await held(pass, spec, action, { ...bytes, verdict }, [HOURS], `hours ${round}`)
  return 'state' in waited ? waited : { ...waited, verdict: bytes.verdict }
}

/** Held until it is due, or a person sends it now, as it is or edited, or stops it. */
async function held(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  holds: readonly string[],
  key: string,
): Promise<Bytes | EffectEnd> {
  const covered = new Set([...bytes.covered, ...holds.map(holdOf)])
  const item0 = holdItem(pass, spec, action, bytes)
  const until = bytes.heldSince === undefined ? item0.until! : bytes.heldSince + bytes.verdict.holdMs
  const asked = { ...item0, until, item: { ...item0.item, dueAt: until } }
  const again = holds.includes(HOURS) ? {} : { again: judging(pass, spec, action, bytes, key) }
  const decided = await ask(pass, key, { ...asked, ...again })
  const seen = { ...bytes, covered, fresh: bytes.fresh ?? keptBy(pass, key) }
  if (decided === 'expired') return holds.includes(HOURS) ? { ...bytes, fresh: seen.fresh } : { ...seen, due: true }
  const { decision, by, item } = decided
  if ('judged' in decision || 'reshaped' in decision) return anew(pass, key, bytes, decided)
  if ('reject' in decision)
    return ended(bytes, 'cancelled', refusal(action, { reason: textOf(decision['reject']), by, item }))
  if ('respond' in decision) {
    return ended(
      bytes,
      'cancelled',
      refusal(action, { reason: 'respond', text: textOf(decision['respond']), by, item }),
    )
  }
  return 'edit' in decision ? editedBy(by, spec, action, seen, decision['edit']) : seen
}

/**
 * A hold whose time came, and that met a freeze before it was sent, is held until that ends: it can be stopped meanwhile. Where earlier
 * releases have waited for the thaw instead, that is what is replayed.
 */
function heldAnew(pass: Pass, bytes: Bytes, epoch: number, round: number): Bytes | undefined {
  const { holds, holdMs } = bytes.verdict
  const { ops } = pass.history
  const waited = ops.has(`thaw ${epoch}`) && !ops.has(`hold ${round + 1}`) // a later round may wait for the same thaw
  if (bytes.due === undefined || holds.length === 0 || waited) return undefined
  const was = new Set(holds.map(holdOf))
  const covered = new Set([...bytes.covered].filter((one) => !was.has(one)))
  return { ...bytes, covered, due: undefined, heldSince: pass.task.env.clock.now() - holdMs }
}

/** Looked at again while it was open: other rules say something else of it, or its action is defined otherwise. */
function anew(pass: Pass, key: string, bytes: Bytes, decided: Decided): Bytes {
  const { judged, reshaped: other } = decided.decision
  const heldSince = bytes.heldSince ?? decided.since
  if (other !== undefined) {
    const seen = { ...bytes, shape: shapeKeptBy(pass, key) ?? bytes.shape }
    return { ...asReshaped(seen, other as unknown as Reshaped), judgedAgain: true, heldSince }
  }
  return { ...bytes, verdict: judged as unknown as Judgement, judgedAgain: true, heldSince }
}

/** Not sent, as something is otherwise than when it was answered for. */
function renewed(bytes: Bytes, sent: Sent & { state: 'changed' | 'stale' | 'reshaped' }): Bytes {
  switch (sent.state) {
    case 'changed':
      return rejudged(bytes, sent)
    case 'stale':
      return stale(bytes, sent.fresh)
    case 'reshaped':
      return asReshaped(bytes, sent)
    default:
      return sent satisfies never
  }
}

/** Judged otherwise than before; what a grant or trust had answered is open again where that answers no more. */
function rejudged(bytes: Bytes, { verdict, revoked }: Sent & { state: 'changed' }): Bytes {
  if (revoked !== true) return { ...bytes, verdict }
  const covered = new Set([...bytes.covered].filter((one) => one.startsWith('hold:')))
  return { ...bytes, verdict, covered, decider: undefined }
}

/** How an open item of these bytes is looked at again. */
function judging(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes, key: string) {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const about = { behalf: behalfIn(spec), labels: spec.labels ?? NO_LABELS, effect: spec.effect }
  const judged = { workspace, action, input: canonical(bytes.input), ...about, undo: spec.mode === 'undo' }
  const ladder = (verdict: Judgement) => ladderIn(uncovered(verdict, bytes))
  return async (item: string): Promise<void> => {
    await askedAnew(pass, key, item, { spec, action, bytes })
    if (pass.history.ops.get(key)?.outcome !== undefined) return
    await judgeAgain(pass, key, item, { judge: () => judge(env, judged), ladder })
  }
}

/** From the outcome of a try to the end of the effect, however long that takes. */
async function resolve(pass: Pass, spec: EffectSpec, action: AnyAction, given: Bytes, first: Sent): Promise<EffectEnd> {
  let bytes = given
  let sent = first
  const told = { died: { times: diedIn(first) }, heard: spec.reauth === true ? undefined : spec.heard }
  for (let round = 1; ; round++) {
    switch (sent.state) {
      case 'done':
        return { ...ended(bytes, 'done'), output: sent.output, ...(sent.undo === undefined ? {} : { undo: sent.undo }) }
      case 'failed':
        return ended(bytes, 'failed', sent.error)
      case 'not-happened':
        sent = await resend(pass, spec, action, bytes, { ...told, sentAt: sent.sentAt, key: `resend ${round}` })
        told.died.times += diedIn(sent)
        break
      case 'reauth':
        await decisionOf(pass, `reauth ${round}`, reauthItem(spec, action, sent.error))
        await pass.task.env.actions.credentialsChanged(connectorOf(action.name))
        sent = await again(pass, spec, action, bytes, `reauth send ${round}`)
        break
      case 'unknown': {
        const { error, sentAt } = sent
        if (sent.died !== true) told.heard = error
        const next = await reconcileOnce(pass, spec, action, bytes, sent, round)
        // Policy stopped another try of what may have happened: only a person can tell.
        sent = next.state === 'changed' ? { state: 'undecided', error, sentAt } : next
        break
      }
      case 'undecided':
        sent = await byPerson(pass, spec, action, bytes, sent.error, sent.sentAt, round)
        break
      case 'frozen':
        await thawed(pass, sent)
        sent = await again(pass, spec, action, bytes, `thawed send ${round}`)
        break
      case 'limited': {
        const waited = await limited(pass, spec, action, bytes, sent, RESENT + round)
        if ('state' in waited) return waited
        bytes = waited
        sent = await again(pass, spec, action, bytes, `limited send ${round}`)
        break
      }
      case 'stale':
      case 'reshaped':
      case 'changed': {
        const cleared = await obligations(pass, spec, action, renewed(bytes, sent), RESENT + round)
        if ('state' in cleared) return cleared
        if (cleared.judgedAgain === true) {
          bytes = { ...cleared, judgedAgain: undefined }
          sent = { state: 'changed', verdict: bytes.verdict }
          break
        }
        bytes = cleared
        sent = await again(pass, spec, action, bytes, `changed send ${round}`)
        break
      }
      default:
        return sent satisfies never
    }
  }
}

function diedIn(sent: Sent): number {
  return sent.state === 'unknown' && sent.died === true ? 1 : 0
}

/** Rounds of obligations that come up when an effect is sent anew are named apart from the first ones. */
const RESENT = 1000

/** Obligations of the verdict under which it was first sent. */
function answeredFor(verdict: Judgement): string[] {
  return [...verdict.asks.map((one) => askOf(one.rule)), ...verdict.holds.map(holdOf)]
}

/** Sent anew: what obliged before has been answered for these bytes; a new obligation, or a denial, still counts. */
function again(pass: Pass, spec: EffectSpec, action: AnyAction, bytes: Bytes, key: string): Promise<Sent> {
  return sendOnce(pass, spec, action, bytes, key)
}

/** Nobody can tell but a person: it happened, it did not, look again. */
async function byPerson(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  error: StoredError,
  sentAt: number,
  round: number,
): Promise<Sent> {
  const decided = await decisionOf(pass, `outcome ${round}`, unknownItem(pass, spec, action, bytes, error))
  const decision = decided.decision as { outcome?: string; output?: Json }
  if (decision.outcome === 'happened') return { state: 'done', output: decision.output ?? null }
  if (decision.outcome === 'did-not-happen') return { state: 'not-happened', sentAt }
  return { state: 'unknown', error, sentAt }
}

function ended(bytes: Bytes, state: EffectEnd['state'], error?: StoredError): EffectEnd {
  return {
    state,
    input: bytes.input,
    edited: bytes.edited,
    verdict: bytes.verdict.reason,
    ...decidedBy(bytes.decider ?? {}),
    ...(error === undefined ? {} : { error }),
  }
}

function deniedError(action: AnyAction, reason: string): StoredError {
  return storeError(denied(action, { reason }))
}

function refusal(action: AnyAction, no: Parameters<typeof declined>[1]): StoredError {
  return storeError(declined(action.name, no))
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : canonical(value ?? null)
}
