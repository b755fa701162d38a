/**
 * Stands: where an act stands on the ladder before anything judges it: on the rung 'shadow' it is simulated.
 *
 * A segment of which nothing is known, and an input of which its segment cannot be told, stand where their rule begins.
 */
import type { Json } from '../../base/value.ts'
import type { Expect } from '../../journal/store.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import type { Standing, TrustRung } from '../../policy/trust.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import { ruleOf, segmentOf, standingNow, trustId, trustOf, type TrustRecord } from './record.ts'

export interface Stands {
  readonly rule: TrustRule
  readonly rung: TrustRung
  /** Undefined where its segment cannot be told. */
  readonly known: { readonly segment: string; readonly record: TrustRecord; readonly standing: Standing } | undefined
  /** That it stands there in the unit that relies on it. */
  readonly expect: readonly Extract<Expect, { record: string }>[]
}

/** What an item says of it. */
export async function stoodAt(
  env: Environment,
  workspace: string,
  action: { readonly name: string; readonly account: string },
  input: Json,
): Promise<Pick<ItemRecord, 'rung' | 'segment'>> {
  const stands = await standsAt(env, workspace, action, input)
  return stands === undefined ? {} : stoodOn(stands)
}

export function stoodOn({ rung, known }: Stands): Pick<ItemRecord, 'rung' | 'segment'> {
  return { rung, ...(known === undefined ? {} : { segment: known.segment }) }
}

/** Undefined for an action that climbs no ladder. */
export async function standsAt(
  env: Environment,
  workspace: string,
  { name, account }: { readonly name: string; readonly account: string },
  input: Json,
): Promise<Stands | undefined> {
  const rule = ruleOf(env, name, account)
  if (rule === undefined) return undefined
  const segment = segmentOf(rule, input)
  if (segment === undefined) return { rule, rung: rule.start, known: undefined, expect: [] }
  const record = await trustOf(env, workspace, rule, segment)
  const standing = standingNow(env, rule, record)
  const expect = [{ record: 'trust', id: trustId(rule, segment), version: record.version }]
  return { rule, rung: standing.rung, known: { segment, record, standing }, expect }
}
