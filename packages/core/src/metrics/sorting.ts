/**
 * Sorting: by which terms of the company's taxonomy a run is counted: what its playbook says of its input.
 *
 * S1. A word that is not in use, or a playbook that throws, sorts by nothing: a count never fails the thing that it counts.
 * S2. A playbook that does not sort its runs costs no look-up.
 */
import { canonicalAround } from '../base/json.ts'
import { fromStored } from '../base/schema.ts'
import { assertLists, inUse, type Terms } from '../base/taxonomy.ts'
import type { Json } from '../base/value.ts'
import type { Environment } from '../conductor/environment.ts'
import type { RunRow } from '../journal/store.ts'
import { taxonomyOf } from '../memory/terms.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'

export interface Sorted {
  readonly terms?: Terms
}

const UNSORTED: Sorted = {}

/** Terms in use that a run of this input is sorted by. */
export async function sortedBy(
  { store }: Pick<Environment, 'store'>,
  workspace: string,
  playbook: AnyPlaybook,
  input: Json,
): Promise<Sorted> {
  const said = saidBy(playbook, input)
  if (said === undefined) return UNSORTED
  const terms = inUse((await taxonomyOf({ store, workspace })).value, said)
  return terms === undefined ? UNSORTED : { terms }
}

/** The same of a run that is looked at from outside. */
export async function sortedAs(
  env: Pick<Environment, 'store' | 'catalog'>,
  workspace: string,
  row: RunRow | undefined,
): Promise<Sorted> {
  const playbook = row === undefined ? undefined : env.catalog.get(row.playbook, row.version)
  if (row === undefined || playbook?.terms === undefined) return UNSORTED
  const [first] = await env.store.entries(workspace, row.stream, 0, 1)
  const { input } = JSON.parse(first?.payload ?? '{}') as { input?: Json }
  return input === undefined ? UNSORTED : sortedBy(env, workspace, playbook, input)
}

function saidBy({ terms, input }: AnyPlaybook, given: Json): Terms | undefined {
  if (terms === undefined) return undefined
  try {
    const said = terms(fromStored(input, canonicalAround(given)))
    assertLists(said)
    return said
  } catch {
    return undefined // S1.
  }
}
