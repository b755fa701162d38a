/** TrustRule: which action climbs the ladder of trust, in which segments, and how far. */
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, assertOneOf, namesOf } from '../base/known.ts'
import { TAXONOMIES, type TaxonomyName } from '../base/taxonomy.ts'
import { definitionOf, type Action } from '../connector/action.ts'
import { HIGHEST_BY_ITSELF, isAbove, RUNGS, type TrustRung } from './trust.ts'

export interface TrustRule {
  readonly action: string
  /** The account of its connector under which it climbs. */
  readonly account: string
  readonly segment: (input: unknown) => string
  /** Whose terms its segments are. */
  readonly taxonomy: TaxonomyName | undefined
  readonly ceiling: TrustRung
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
 * `ceiling`: the highest rung that is proposed; 'approve' where left out for what cannot be taken back (money, deletions,
 * promises, first contacts), else 'automatic'. `version`: change it with the model or the prompt behind the action.
 */
export function defineTrust<In>(
  action: Action<In, any>,
  options: {
    /** Cases that are trusted apart: an amount band, a known or a new recipient; of the input as it is stored. Default: one for all. */
    readonly segment?: (input: NoInfer<In>) => string
    /** Its segments are terms of this list of the workspace's taxonomy: in any other, nothing is trusted and nothing is earned. */
    readonly taxonomy?: TaxonomyName
    readonly ceiling?: TrustRung
    /** Something wrong brings it down to asking each time. Default: true for what cannot be taken back. */
    readonly highRisk?: boolean
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
  const final = known.effect === 'irreversible'
  const {
    segment,
    taxonomy,
    ceiling = final ? 'approve' : 'automatic',
    highRisk = final,
    version = '1',
    veto = '10m',
    autoPromote,
  } = options
  assertOneOf(`"taxonomy" of the trust of ${known.name}`, taxonomy, TAXONOMIES)
  if (!RUNGS.includes(ceiling))
    throw new KeelsonError('DEFINITION_INVALID', `"${String(ceiling)}" is no rung of trust`, {
      hint: `Choose one of ${RUNGS.join(', ')}.`,
    })
  if (autoPromote !== undefined && !isReachable(autoPromote))
    throw new KeelsonError('DEFINITION_INVALID', `nothing is put on "${String(autoPromote)}" by itself`, {
      hint: 'autoPromote is one of approve, batch, veto; what goes beyond is promoted by a person.',
    })
  if (taxonomy !== undefined && segment === undefined)
    throw new KeelsonError('DEFINITION_INVALID', `the trust of ${known.name} names ${taxonomy} and no segment`, {
      hint: 'Say by `segment` which term an input belongs to.',
    })
  return Object.freeze({
    action: known.name,
    account: known.account,
    segment: (input: unknown) => segment?.(input as never) ?? 'all',
    taxonomy,
    ceiling,
    highRisk,
    version,
    vetoMs: durationMs(veto),
    ...(autoPromote === undefined ? {} : { autoPromote }),
  })
}

const TRUST = namesOf<NonNullable<Parameters<typeof defineTrust>[1]>>({
  ...{ segment: true, taxonomy: true, ceiling: true, highRisk: true, version: true, veto: true, autoPromote: true },
})

function isReachable(rung: TrustRung): boolean {
  return RUNGS.includes(rung) && rung !== 'shadow' && !isAbove(rung, HIGHEST_BY_ITSELF)
}
