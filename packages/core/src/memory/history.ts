/** History of an entity version by version, whole, whether or not its type is known: for proofs and reverts. */
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { MemoryStore } from '../journal/store.ts'
import { foldChange, NOTHING, type EntityChange } from './change.ts'
import { bareType } from './entity.ts'
import { changesOf } from './entity-history.ts'

export interface EntityVersion {
  readonly version: number
  readonly at: number
  readonly event: EntityChange
  /** The whole of it. */
  readonly data: Readonly<Record<string, Json>>
  /** Fields that hold something else than in the version before. */
  readonly changes: ReadonlySet<string>
}

/** Oldest first; empty when there is no such entity. */
export async function historyOf(
  store: MemoryStore,
  workspace: string,
  type: string,
  id: string,
): Promise<EntityVersion[]> {
  const versions: EntityVersion[] = []
  let state = NOTHING
  for await (const event of changesOf({ store, workspace }, type, id)) {
    const before = state.data
    state = foldChange(bareType(type, Math.max(event.schema ?? 1, state.schema)), state, event)
    const { data } = state
    const fields = new Set([...Object.keys(before), ...Object.keys(data)])
    const changes = new Set([...fields].filter((field) => !isSame(before[field], data[field])))
    versions.push({ version: event.version, at: Date.parse(event.at), event, data, changes })
  }
  return versions
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b)
}
