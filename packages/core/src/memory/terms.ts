/** Terms: the taxonomy of a workspace as its record keeps it. */
import { EMPTY_TAXONOMY, type Taxonomy } from '../base/taxonomy.ts'
import type { MemoryStore, RecordRow } from '../journal/store.ts'

/** Where it is looked up. */
export const TAXONOMY_QUERY = { kind: 'company', ids: ['taxonomy'], limit: 1 } as const

export interface StoredTaxonomy {
  readonly value: Taxonomy
  readonly version: number
}

/** The workspace's taxonomy as it stands. */
export async function taxonomyOf({
  store,
  workspace,
}: {
  readonly store: MemoryStore
  readonly workspace: string
}): Promise<StoredTaxonomy> {
  return taxonomyIn(await store.records(workspace, TAXONOMY_QUERY))
}

/** What `TAXONOMY_QUERY` found. */
export function taxonomyIn([row]: readonly RecordRow[]): StoredTaxonomy {
  if (row === undefined) return { value: EMPTY_TAXONOMY, version: 0 }
  return { value: JSON.parse(row.data) as Taxonomy, version: row.version }
}
