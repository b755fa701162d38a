/** Ended: what an effect that was done is to the ladder: one to check afterwards, or the counterpart of what would have been done. */
import { sha256 } from '../../base/hash.ts'
import { moneyText } from '../../base/money.ts'
import type { Json } from '../../base/value.ts'
import { shapeOf } from '../../connector/shape.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Put } from '../../journal/put.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { itemPut, readItem } from '../item.ts'
import { lookedAt } from '../looked.ts'
import { completedByEffect } from './pairs.ts'
import { attention, AUDIT } from './record.ts'
import { standsAt } from './stands.ts'

export interface Ended {
  readonly puts: readonly Put[]
  readonly drafts: readonly Draft[]
  /** For its record. */
  readonly agreed?: string
}

const NOTHING: Ended = { puts: [], drafts: [] }

/** `items`: by which people were asked about it. */
export async function endedFor(
  env: Environment,
  workspace: string,
  record: EffectRecord,
  items: readonly string[],
): Promise<Ended> {
  const { state, compensates, action, grant, trust } = record
  if (state !== 'done' || compensates !== undefined || !env.trust.some((rule) => rule.action === action)) return NOTHING
  if (trust !== undefined)
    return trust.audit === true ? { puts: [auditPut(env, record, trust.segment)], drafts: [] } : NOTHING
  if (grant !== undefined || !(await isAgreed(env, workspace, items))) return NOTHING
  const stands = await standsAt(env, workspace, { name: action, account: record.account }, record.input)
  const agreed = stands?.known?.standing.version ?? ''
  return { ...(await completedByEffect(env, workspace, record)), agreed }
}

/** A person said yes after a look. */
async function isAgreed(env: Environment, workspace: string, items: readonly string[]): Promise<boolean> {
  for (const id of items) {
    const found = await readItem(env.store, workspace, id)
    const looked = found === undefined ? undefined : lookedAt(found.item)
    if (looked === undefined || !looked.opened || looked.stamp) continue
    if (looked.verb === 'approve' || looked.verb === 'edit') return true
  }
  return false
}

/** The item by which an effect is checked. */
export function auditId({ id, generation }: Pick<EffectRecord, 'id' | 'generation'>): string {
  return sha256(`audit ${id} ${generation}`).slice(0, 16)
}

function auditPut(env: Environment, record: EffectRecord, segment: string): Put {
  const { action, account, input } = record
  const id = auditId(record)
  const known = env.actions.find(action)
  const of = known === undefined ? {} : { shape: shapeOf(known).mark }
  const about = { action, account, input: { segment, input }, ...of }
  return itemPut(
    attention(id, AUDIT, `Check this one: ${known?.title ?? action}`, textOf(input), env.clock.now(), about),
    1,
  )
}

/** Field by field; an input that has none, as it is. */
function textOf(input: Json): string {
  if (typeof input !== 'object' || input === null) return JSON.stringify(input)
  return Object.entries(input)
    .map(([field, value]) => `${field}: ${moneyText(value) ?? JSON.stringify(value)}`)
    .join('\n')
}
