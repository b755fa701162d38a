/** TrustRule: which action climbs the ladder of trust, in which segments, and how far. */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, assertOneOf, namesOf } from '../base/known.ts'
import { TAXONOMIES, type TaxonomyName } from '../base/taxonomy.ts'
import { fromStored } from '../base/schema.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { definitionOf, type Action, type AnyAction } from '../connector/action.ts'
import type { Category } from '../connector/facts.ts'
import { HIGHEST_BY_ITSELF, isAbove, RUNGS, type TrustRung } from './trust.ts'

export interface TrustRule {
  readonly action: string
  /** The account of its connector under which it climbs. */
  readonly account: string
  readonly segment: (input: unknown) => string
  /** It tells cases apart; else all are one segment, 'all'. */
  readonly isSegmented: boolean
  /** Whose terms its segments are. */
  readonly taxonomy: TaxonomyName | undefined
  /** Where it begins in a segment of which nothing is known. */
  readonly start: 'shadow' | 'approve'
  readonly ceiling: TrustRung
  /** What of its action the ceiling follows from, where none was named. */
  readonly category?: Category
  /** Of this input a person is asked whatever the rung: its risk is high, and no ceiling was named. */
  readonly isHigh?: (input: Json) => boolean
  readonly highRisk: boolean
  readonly version: string
  readonly vetoMs: number
  readonly autoPromote?: AutoPromote
}

/** A rung that an action may come to without a person. */
export type AutoPromote = Exclude<TrustRung, 'shadow' | 'automatic'>

/**
 * Lets an action earn trust, under the account that it is given with. Its asks must be marked `grantable`: no rung ever answers another.
 *
 * It begins in shadow: nothing of it leaves, in any run, until what it would have done has shown itself or a person moves it
 * (`keelson.trust.set`). `start: 'approve'` is for an action that already does its work, and is to be asked from the first day.
 *
 * `ceiling`: the highest rung that is proposed. Left out, it follows from the action: 'approve' for what has a category, cannot be taken
 * back or is of high risk, 'batch' for a conversation, else 'automatic'. `keelson.trust.ceiling` moves it. `version`: change it with what
 * decides how the action acts and is not declared; agents that playbooks name in `uses` beside the action are seen without it.
 */
export function defineTrust<In>(
  action: Action<In, any>,
  options: {
    /** Cases that are trusted apart: an amount band, a known or a new recipient; of the input as it is stored. Default: one for all. */
    readonly segment?: (input: NoInfer<In>) => string
    /** Its segments are terms of this list of the workspace's taxonomy: in any other, nothing is trusted and nothing is earned. */
    readonly taxonomy?: TaxonomyName
    /** The rung on which it begins. Default 'shadow': it is simulated. 'approve': it asks. */
    readonly start?: 'shadow' | 'approve'
    /** The highest rung that is proposed. Default: what follows from its category, and from whether it can be taken back. */
    readonly ceiling?: TrustRung
    /** Something wrong brings it down to asking each time. Default: true for what cannot be taken back, or is of high risk. */
    readonly highRisk?: boolean
    /** Change it with what decides how the action acts and is not declared: its evidence begins anew. Default '1'. */
    readonly version?: string
    /** How long it can be stopped on the rung 'veto'. Default '10m'. */
    readonly veto?: Duration
    /**
     * What would be proposed up to this rung is done by itself, within the ceiling: recorded, told in the inbox, and taken back
     * there with one answer. Default: a person promotes. Beyond 'veto' one always does.
     */
    readonly autoPromote?: AutoPromote
  } = {},
): TrustRule {
  const known = definitionOf(action)
  assertKnown(`the trust of ${known.name}`, options, TRUST)
  const final = known.effect === 'irreversible' || known.risk === 'high'
  const {
    segment,
    taxonomy,
    start = 'shadow',
    ceiling = ceilingOf(known),
    highRisk = final,
    version = '1',
    veto = '10m',
    autoPromote,
  } = options
  assertTrust(known.name, { taxonomy, segment, start, ceiling, autoPromote })
  return Object.freeze({
    action: known.name,
    account: known.account,
    segment: (input: unknown) => segment?.(input as never) ?? 'all',
    isSegmented: segment !== undefined,
    taxonomy,
    start,
    ceiling,
    ...(options.ceiling === undefined ? unnamed(known) : {}),
    highRisk,
    version,
    vetoMs: durationMs(veto),
    ...(autoPromote === undefined ? {} : { autoPromote }),
  })
}

function assertTrust(
  name: string,
  options: {
    readonly taxonomy: TaxonomyName | undefined
    readonly segment: unknown
    readonly start: string
    readonly ceiling: TrustRung
    readonly autoPromote: AutoPromote | undefined
  },
): void {
  const { taxonomy, segment, start, ceiling, autoPromote } = options
  assertOneOf(`"taxonomy" of the trust of ${name}`, taxonomy, TAXONOMIES)
  assertOneOf(`"start" of the trust of ${name}`, start, ['shadow', 'approve'])
  if (!RUNGS.includes(ceiling))
    throw new KeelsonError('DEFINITION_INVALID', `"${String(ceiling)}" is no rung of trust`, {
      hint: `Choose one of ${RUNGS.join(', ')}.`,
    })
  if (autoPromote !== undefined && !isReachable(autoPromote))
    throw new KeelsonError('DEFINITION_INVALID', `nothing is put on "${String(autoPromote)}" by itself`, {
      hint: 'autoPromote is one of approve, batch, veto; what goes beyond is promoted by a person.',
    })
  if (taxonomy !== undefined && segment === undefined)
    throw new KeelsonError('DEFINITION_INVALID', `the trust of ${name} names ${taxonomy} and no segment`, {
      hint: 'Say by `segment` which term an input belongs to.',
    })
}

const TRUST = namesOf<NonNullable<Parameters<typeof defineTrust>[1]>>({
  ...{
    segment: true,
    taxonomy: true,
    start: true,
    ceiling: true,
    highRisk: true,
    version: true,
    veto: true,
    autoPromote: true,
  },
})

/** How high an action may climb by what it says of itself. */
function ceilingOf({ effect, risk, category }: AnyAction): TrustRung {
  if (risk === 'high') return 'approve'
  if (category !== undefined) return category === 'conversation' ? 'batch' : 'approve'
  return effect === 'irreversible' ? 'approve' : 'automatic'
}

function unnamed({ category, risk, input }: AnyAction): Pick<TrustRule, 'category' | 'isHigh'> {
  return {
    ...(category === undefined ? {} : { category }),
    ...(typeof risk === 'function'
      ? { isHigh: (value) => isHigh(() => risk(fromStored(input, canonical(value)))) }
      : {}),
  }
}

/** What its code cannot tell counts as high. */
function isHigh(risk: () => unknown): boolean {
  try {
    return risk() === 'high'
  } catch {
    return true
  }
}

function isReachable(rung: TrustRung): boolean {
  return RUNGS.includes(rung) && rung !== 'shadow' && !isAbove(rung, HIGHEST_BY_ITSELF)
}
