/**
 * Use: how a rung of trust answers an ask, and how what people decide moves it.
 *
 * Z1. A rung answers only asks that are all marked grantable, never a denial, and is journaled as the decider.
 * Z2. What is unlike those that trust was earned with is asked, whatever the rung.
 * Z3. Evidence is written in the unit of the decision that it is.
 * Z4. A rung that answered answers still when its effect is sent, or a person is asked.
 * Z5. Where segments are terms of the taxonomy, one that is not in use is trusted with nothing and earns nothing.
 */
import { shareOf } from '../../base/hash.ts'
import type { Json } from '../../base/value.ts'
import { costsKnown } from '../../connector/cost.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Put } from '../../journal/put.ts'
import type { Expect } from '../../journal/store.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import { auditShare, isAbove, type Happening, type TrustAnswer, type TrustRung } from '../../policy/trust.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import { lookedAt } from '../looked.ts'
import { NOTHING, type Counted, type Deciding, type Drawn, type Projections, type Settling } from '../projections.ts'
import type { RevertLine } from '../revert/line.ts'
import { causeOf, REVERT_PLAYBOOK } from '../revert/revert.ts'
import { fieldsOf, agrees, similarity } from '../shadow/agreement.ts'
import { auditId } from './ended.ts'
import { saidOf } from './pairs.ts'
import { termOf } from './segment.ts'
import {
  anomalyIn,
  AUDIT,
  ceilingBy,
  happened,
  isReshaped,
  PROMOTED,
  PROPOSAL,
  ruleOf,
  segmentOf,
  standingNow,
  trustId,
  trustOf,
  widened,
} from './record.ts'

const WEEK_MS = 7 * 86_400_000
const USES_MAX = 200
const WRONG_MAX = 200

/** `holdMs`: how long it can be stopped. */
type Said = TrustAnswer & { readonly holdMs: number }

/** What a rung says to an ask; nothing: a person is asked. `puts`: that it acts, or has just come down. */
export async function useTrust(
  env: Environment,
  workspace: string,
  use: { action: string; account: string; input: Json; effect: string; generation: number; untrusted: boolean },
): Promise<{ readonly said?: Said; readonly puts: readonly Put[] } | undefined> {
  const rule = ruleOf(env, use.action, use.account)
  const segment = rule === undefined ? undefined : segmentOf(rule, use.input)
  if (rule === undefined || segment === undefined) return undefined
  if (!(await termOf(env, workspace, rule, segment)).known) return undefined
  const before = await trustOf(env, workspace, rule, segment)
  const at = env.clock.now()
  const { input, untrusted } = use
  const costs = costsKnown(env.actions.find(use.action), input)
  if (!isAbove(before.standing.rung, 'batch') || anomalyIn(before, { input, costs, untrusted }) !== undefined)
    return undefined
  if (ceilingBy(before, at) === undefined && rule.isHigh?.(input) === true) return undefined
  const uses = [...before.uses.filter((one) => at - one < WEEK_MS), at].slice(-USES_MAX)
  const { record, puts } = await happened(env, workspace, rule, before, [{ what: 'executed', at }], { uses })
  const { rung } = record.standing
  if (rung !== 'veto' && rung !== 'automatic')
    return { puts: (await happened(env, workspace, rule, before, [{ what: 'executed', at }])).puts }
  const drawn = shareOf(`audit ${use.effect} ${use.generation}`)
  const audit = drawn < auditShare(record.standing, uses.length) ? ({ audit: true } as const) : {}
  return { said: { rung, segment, ...audit, holdMs: rung === 'veto' ? rule.vetoMs : 0 }, puts }
}

/** Whether it is to be decided alone: its action stands below the rung on which several may be together, or it is unlike the others (Z2). */
export async function asksEach(
  env: Environment,
  workspace: string,
  { action, account, input = null }: Pick<ItemRecord, 'action' | 'account' | 'input'>,
  untrusted: boolean,
): Promise<boolean> {
  const rule = ruleOf(env, action, account)
  if (rule === undefined) return false
  const segment = segmentOf(rule, input)
  if (segment === undefined || !(await termOf(env, workspace, rule, segment)).known) return true
  const record = await trustOf(env, workspace, rule, segment)
  if (isAbove('batch', standingNow(env, rule, record).rung)) return true
  const costs = costsKnown(env.actions.find(rule.action), input)
  return anomalyIn(record, { input, costs, untrusted }) !== undefined
}

/** A rung decides nothing any more where the action stands below it by now: it came down, or its ceiling did. */
export async function stillTrusted(
  env: Environment,
  workspace: string,
  { action, account }: Pick<EffectRecord, 'action' | 'account'>,
  { segment, rung }: TrustAnswer,
): Promise<{ readonly over: boolean; readonly expect: readonly Expect[] }> {
  const rule = ruleOf(env, action, account)
  if (rule === undefined) return { over: true, expect: [] }
  const { known, expect } = await termOf(env, workspace, rule, segment)
  if (!known) return { over: true, expect: [] }
  const record = await trustOf(env, workspace, rule, segment)
  if (isAbove(rung, standingNow(env, rule, record).rung)) return { over: true, expect: [] }
  return { over: false, expect: [{ record: 'trust', id: trustId(rule, segment), version: record.version }, ...expect] }
}

export const trusting: Projections<Environment> = {
  decided: (env, workspace, deciding) => decided(env, workspace, deciding),
  settled: (env, settling) => takenBack(env, settling),
}

async function decided(env: Environment, workspace: string, { item, at }: Deciding): Promise<Drawn> {
  const rule = ruleOf(env, item.action, item.account)
  const looked = lookedAt(item)
  if (rule === undefined || looked === undefined) return NOTHING
  const told = toldBy(env, item, looked.verb, at)
  const own = item.input as { segment?: string; input?: Json }
  const input = item.kind === 'approval' ? (item.input ?? null) : (own.input ?? null)
  const segment = item.kind === 'approval' ? segmentOf(rule, input) : own.segment
  if (told === undefined || segment === undefined) return NOTHING
  // Only what a person looked at is evidence; what they say of a rung counts as it is. An audit is a look of its own.
  const glanced = looked.stamp || (item.shadow === true && told.what === 'seen' && told.good && looked.quick)
  if (told.what === 'seen' && (!looked.opened || glanced)) return NOTHING
  // A no is heard everywhere.
  const earns = told.what === 'seen' || told.what === 'accepted'
  if (earns && !(await termOf(env, workspace, rule, segment)).known) return NOTHING
  const record = await trustOf(env, workspace, rule, segment)
  // What was proposed for an action that is defined otherwise now is no answer to this one.
  if (told.what === 'set' && isReshaped(env, rule, record)) return NOTHING
  // What was decided on an action that is defined otherwise now says nothing of it.
  if (told.what === 'seen' && isOfBefore(env, item)) return NOTHING
  // It was taken back as wrong before anybody had checked it, and has counted so.
  if (item.code === AUDIT && record.wrong?.some((one) => auditId(effectOf(one)) === item.id) === true) return NOTHING
  // A shadow pair is evidence for leaving shadow, and for nothing else.
  if (told.what === 'seen' && (item.shadow === true) !== (record.standing.rung === 'shadow')) return NOTHING
  const bare = { happenings: [told], marks: [] }
  const standing = standingNow(env, rule, record)
  const word = told.what === 'seen' ? await saidOf(env, workspace, item, told, standing) : bare
  if (word === undefined) return NOTHING
  const { happenings, marks } = word
  if (happenings.length === 0) return { puts: marks }
  const costs = costsKnown(env.actions.find(rule.action), input)
  const good = told.what === 'seen' && told.good ? widened(record, input, costs) : {}
  const { puts, drafts } = await happened(env, workspace, rule, record, happenings, good, item.id)
  return { puts: [...marks, ...puts], drafts }
}

function isOfBefore(env: Environment, { action = '', shape }: ItemRecord): boolean {
  const known = env.actions.find(action)
  return shape !== undefined && known !== undefined && shapeOf(known).mark !== shape
}

function toldBy(env: Environment, item: ItemRecord, verb: string, at: number): Happening | undefined {
  const { answer, edit } = (item.decided?.decision ?? {}) as { answer?: { good?: boolean }; edit?: Json }
  if (item.code === PROPOSAL) {
    const { to } = item.input as { to: TrustRung }
    return answer?.good === true ? { what: 'accepted', rung: to, at } : { what: 'declined', at }
  }
  if (item.code === PROMOTED) {
    const { from } = item.input as { from: TrustRung }
    return answer?.good === false ? { what: 'returned', rung: from, at } : undefined
  }
  if (item.code === AUDIT)
    return answer?.good === undefined ? undefined : { what: 'seen', good: answer.good, audit: item.id, at }
  if (item.shadow === true) return answer?.good === undefined ? undefined : { what: 'seen', good: answer.good, at }
  if (item.kind !== 'approval' || item.undo === true) return undefined
  switch (verb) {
    case 'approve':
      return { what: 'seen', good: true, at }
    case 'edit':
      return { what: 'seen', good: isSlight(env, item, edit ?? null), at }
    case 'reject':
    case 'respond':
      return { what: 'seen', good: false, at }
    default:
      return undefined
  }
}

/** An edit of no material field, and of less than a twentieth of any text. */
function isSlight(env: Environment, item: ItemRecord, edit: Json): boolean {
  const material = env.actions.find(item.action ?? '')?.material ?? []
  const fields = fieldsOf(item.input ?? null, edit, material, 0)
  const exact = fields
    .filter((one) => one.material && material.length > 0)
    .every((one) => JSON.stringify(one.would) === JSON.stringify(one.did))
  const texts = fields.every(
    ({ would, did }) =>
      typeof would !== 'string' || typeof did !== 'string' || would === did || similarity(would, did) >= 0.95,
  )
  return material.length > 0 ? exact && texts : agrees(fields) && texts
}

/** Effects that a person had taken back were wrong, unless they say otherwise: once, however often that is tried. */
async function takenBack(env: Environment, { row, playbook, history }: Settling): Promise<Counted> {
  if (playbook.name !== REVERT_PLAYBOOK || env.trust.length === 0 || history.start.by.kind !== 'person') return NOTHING
  if (causeOf(history.start.input) === 'test') return NOTHING
  const wrong = causeOf(history.start.input) === 'wrong'
  const { lines = [] } = history.start.input as unknown as { lines?: readonly RevertLine[] }
  const ids = lines.flatMap((one) => (one.kind === 'effect' && one.can ? [one.id] : []))
  if (ids.length === 0) return NOTHING
  const effects = await env.store.records(row.workspace, { kind: 'effect', ids, limit: ids.length })
  const found = new Map<string, { rule: TrustRule; segment: string; effects: EffectRecord[] }>()
  for (const one of effects) {
    const effect = JSON.parse(one.data) as EffectRecord
    const rule = ruleOf(env, effect.action, effect.account)
    const segment = rule === undefined ? undefined : segmentOf(rule, effect.input)
    if (rule === undefined || segment === undefined) continue
    const of = found.get(trustId(rule, segment)) ?? { rule, segment, effects: [] }
    of.effects.push(effect)
    found.set(trustId(rule, segment), of)
  }
  const at = env.clock.now()
  const puts: Put[] = []
  for (const { rule, segment, effects: all } of found.values()) {
    const record = await trustOf(env, row.workspace, rule, segment)
    const before = record.wrong ?? []
    const fresh = all.filter((one) => !before.includes(markOf(one)))
    if (fresh.length === 0) continue
    const more = wrong ? { wrong: [...before, ...fresh.map(markOf)].slice(-WRONG_MAX) } : {}
    if (record.version === 0 && !(await termOf(env, row.workspace, rule, record.segment)).known) continue
    const { version, seen } = standingNow(env, rule, record)
    const audits = new Map(seen < record.standing.seen ? [] : record.audits) // what was seen may count no more
    const said = (one: EffectRecord): boolean | undefined =>
      one.agreed === undefined ? audits.get(auditId(one)) : one.agreed === version && !one.edited
    const good = fresh.filter((one) => said(one) === true).length
    const unseen = fresh.filter((one) => said(one) === undefined).length
    const back = { what: 'taken-back', wrong, good, unseen, at } as const
    puts.push(...(await happened(env, row.workspace, rule, record, [back], more)).puts)
  }
  return { puts }
}

function markOf({ id, generation }: EffectRecord): string {
  return `${id}:${generation}`
}

function effectOf(mark: string): Pick<EffectRecord, 'id' | 'generation'> {
  const at = mark.lastIndexOf(':')
  return { id: mark.slice(0, at), generation: Number(mark.slice(at + 1)) }
}
