/** Settling: an effect's end in the ledger, and word of it to all who asked. */
import { actorJson, type Actor } from '../../base/actor.ts'
import type { StoredError } from '../../base/errors.ts'
import { isUnlabelled, NO_LABELS, type Labels } from '../../base/labels.ts'
import { canonicalAround } from '../../base/json.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import { connectorOf } from '../../connector/action.ts'
import { dataOf, type Draft, type Entry } from '../../journal/entry.ts'
import type { Outcome } from '../../journal/kinds.ts'
import type { Put } from '../../journal/put.ts'
import type { Delivery } from '../../journal/store.ts'
import { timelinePut } from '../../memory/change.ts'
import { recordId } from '../../memory/entity.ts'
import type { TrustAnswer } from '../../policy/trust.ts'
import { settled } from '../limits.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import { endedFor } from '../trust/ended.ts'
import type { Pass } from '../pass.ts'
import { invalidations } from './tags.ts'
import { askedHash, effectPut, readEffect, type Asker, type EffectRecord } from './ledger.ts'
import { recordOf, type EffectSpec } from './spec.ts'

/** How an effect ended. */
export interface EffectEnd {
  readonly state: Exclude<EffectRecord['state'], 'open'>
  readonly output?: Json
  readonly undo?: Json
  readonly error?: StoredError
  /** What really executed. */
  readonly input: Json
  readonly edited: boolean
  readonly verdict: string
  /** Who said that it happened, where nobody else knew. */
  readonly setBy?: Actor
  /** The standing grant that decided: not where a person has, since. */
  readonly grant?: string
  /** The rung of trust that did. */
  readonly trust?: TrustAnswer
}

/** The grant, or the rung of trust, that decided, as a spec or a record names it. */
export function decidedBy({
  grant,
  trust,
}: {
  readonly grant?: string | undefined
  readonly trust?: TrustAnswer | undefined
}): { grant?: string; trust?: TrustAnswer } {
  return { ...(grant === undefined ? {} : { grant }), ...(trust === undefined ? {} : { trust }) }
}

/** What every asker's code gets beside the output. */
export interface Receipt {
  readonly effect: string
  readonly input: Json
  readonly edited: boolean
  readonly verdict: string
  readonly deduplicated: boolean
  readonly differs: boolean
  /** Who said that it happened, where nobody else knew. */
  readonly setBy?: Json
}

export function receiptOf(id: string, end: EffectEnd, inputHash: string, asked: string): Receipt {
  const { input, edited, verdict, setBy } = end
  return {
    effect: id,
    input,
    edited,
    verdict,
    deduplicated: inputHash !== asked,
    differs: inputHash !== asked && !edited,
    ...(setBy === undefined ? {} : { setBy: actorJson(setBy) }),
  }
}

export function outcomeOf(end: EffectEnd, labels: Labels): Outcome {
  const of = isUnlabelled(labels) ? {} : { labels }
  if (end.error !== undefined) return { error: end.error, ...of }
  return { ...(end.output === undefined ? {} : { ok: end.output }), ...of }
}

/** The unit's part that settles an effect: its record, a line in the timelines of what it rests on, and mail to its askers. */
export async function settleEffect(
  pass: Pass,
  spec: EffectSpec,
  end: EffectEnd,
  except?: Asker,
): Promise<{ puts: Put[]; deliveries: Delivery[]; drafts: readonly Draft[] }> {
  const { env, claimed } = pass.task
  const now = env.clock.now()
  const found = await readEffect(env.store, claimed.row.workspace, spec.effect)
  if (found !== undefined && found.record.generation > spec.generation) return { puts: [], deliveries: [], drafts: [] } // an old one, tried again
  const {
    grant,
    trust,
    error: _before,
    ...base
  } = found?.record.generation === spec.generation ? found.record : recordOf(spec, now)
  const record: EffectRecord = {
    ...base,
    ...decidedBy(spec.grant === undefined && spec.trust === undefined ? { grant, trust } : end),
    state: end.state,
    input: end.input,
    edited: end.edited,
    verdict: end.verdict,
    settledAt: now,
    ...(end.output === undefined ? {} : { output: end.output }),
    ...(end.undo === undefined ? {} : { undo: end.undo }),
    ...(end.error === undefined ? {} : { error: end.error as unknown as Json }),
    ...(end.setBy === undefined ? {} : { setBy: end.setBy }),
  }
  const receipt = receiptOf(spec.effect, end, base.inputHash, base.inputHash)
  // Who takes back asks for nothing of its own.
  const asked = spec.compensates === undefined ? { asked: askedHash(base.action, base.account, base.inputHash) } : {}
  const action = env.actions.find(spec.action)
  const labels = action === undefined ? (base.labels ?? NO_LABELS) : labelsOfOutput(action, base.labels)
  const deliveries = base.askers
    .filter((asker) => asker.run !== except?.run || asker.key !== except.key)
    .map((asker) => ({
      run: asker.run,
      onceKey: `effect:${spec.effect}:${spec.generation}:${asker.key}`,
      kind: 'effect',
      payload: canonicalAround({ key: asker.key, outcome: outcomeOf(end, labels), receipt, ...asked }),
      at: now,
    }))
  const stale = await invalidated(pass, spec, end, now)
  const { agreed, ...trusted } = await endedFor(env, claimed.row.workspace, record, itemsOf(pass, record))
  const known = agreed === undefined ? record : { ...record, agreed }
  const puts = [effectPut(known, (found?.version ?? 0) + 1), ...lines(spec, end, now), ...stale, ...trusted.puts]
  puts.push(...(await settled(env, claimed.row.workspace, `${spec.effect}:${spec.generation}`, spentBy(end))))
  if (spec.compensates !== undefined && end.state === 'done')
    puts.push(...(await compensated(pass, spec.compensates, now)))
  return { puts, deliveries, drafts: trusted.drafts }
}

/** By which people were asked: as the effect's own run did, or as a line of a plan. */
function itemsOf(pass: Pass, { plan }: EffectRecord): string[] {
  const own = pass.task.internals === undefined ? [] : [...pass.history.ops.values()]
  const asked = own.flatMap(({ kind, opened }) =>
    kind === 'ask' && opened !== undefined ? [dataOf(opened as Entry & { kind: 'ask.opened' }).item] : [],
  )
  return plan === undefined ? asked : [...asked, plan]
}

/** What cached reads may have answered otherwise since it was sent. */
async function invalidated(pass: Pass, spec: EffectSpec, end: EffectEnd, now: number): Promise<Put[]> {
  const { env, claimed } = pass.task
  const action = env.actions.find(spec.action)
  if (action?.invalidates === undefined) return []
  let tags: string[] = []
  try {
    tags = [...action.invalidates(fromStored(action.input, canonicalAround(end.input)))].map(String)
  } catch (thrown) {
    // What has happened is recorded, whatever its code throws; here, nothing that the connector answered is given again.
    env.log.error({ action: action.name }, `invalidates() of ${action.name} threw: ${String(thrown)}`)
    env.cache.forget(connectorOf(action.name))
  }
  return invalidations(env, claimed.row.workspace, tags, now)
}

/** What did not happen has cost nothing. */
function spentBy(end: EffectEnd): 'spent' | 'released' {
  return end.state === 'done' ? 'spent' : 'released'
}

/** The effect that was taken back makes room for a new generation. */
async function compensated(pass: Pass, id: string, now: number): Promise<Put[]> {
  const found = await readEffect(pass.task.env.store, pass.task.claimed.row.workspace, id)
  return found === undefined
    ? []
    : [effectPut({ ...found.record, state: 'compensated', settledAt: now }, found.version + 1)]
}

function lines(spec: EffectSpec, end: EffectEnd, now: number): Put[] {
  if (end.state !== 'done') return []
  const entities = spec.because.filter(
    (one): one is { entity: string; id: string } => typeof one === 'object' && one !== null && 'entity' in one,
  )
  const once = new Map(entities.map((one) => [recordId(one.entity, one.id), one]))
  return [...once.values()].map(({ entity, id }) =>
    timelinePut(entity, id, `effect:${spec.effect}:${spec.generation}`, now, {
      what: spec.compensates === undefined ? `${spec.action} executed` : `${spec.action} taken back`,
      run: spec.owner.run,
      step: spec.owner.key,
    }),
  )
}
