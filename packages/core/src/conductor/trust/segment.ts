/** Segment: whether cases are told apart by a word that the company still has, where their rule says that it must be one. */
import { assertTerms, inUse } from '../../base/taxonomy.ts'
import type { Expect } from '../../journal/store.ts'
import { TAXONOMY_QUERY, taxonomyOf } from '../../memory/terms.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import type { Environment } from '../environment.ts'

/** `expect`: that it is so in a unit that relies on it. A rule that names no list costs no look-up. */
export async function termOf(
  { store }: Pick<Environment, 'store'>,
  workspace: string,
  { taxonomy }: TrustRule,
  segment: string,
): Promise<{ readonly known: boolean; readonly expect: readonly Expect[] }> {
  if (taxonomy === undefined) return { known: true, expect: [] }
  const { value, version } = await taxonomyOf({ store, workspace })
  const known = inUse(value, { [taxonomy]: [segment] }) !== undefined
  return { known, expect: [{ record: TAXONOMY_QUERY.kind, id: TAXONOMY_QUERY.ids[0], version }] }
}

/** Throws `TAXONOMY_UNKNOWN`. */
export async function assertSegment(
  { store }: Pick<Environment, 'store'>,
  workspace: string,
  { action, taxonomy }: TrustRule,
  segment: string,
): Promise<void> {
  if (taxonomy === undefined) return
  const { value } = await taxonomyOf({ store, workspace })
  assertTerms(value, taxonomy, `the segment of ${action}`, segment, null)
}
