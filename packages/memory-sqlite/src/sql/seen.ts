/**
 * Seen: where the rows of records stand that were read a moment ago, so that a unit which was made of them is judged
 * without reading them again.
 *
 * V1. What was seen counts as long as nobody has written records since: this connection forgets it with every such write,
 *     and what another writes ends it as it ends all that a context remembers (K1).
 */
import type { Context } from './context.ts'
import type { RecordsTable } from './tables.ts'

/** Fewer are sooner read again than remembered. */
export const MANY = 100
/** So many rows are kept: what some units at a time are made of. */
const SEEN_MAX = 4_000

export function seenName(workspace: number, kind: string, id: string): string {
  return `${workspace}/${kind}/${id}`
}

/** Keeps where the rows of these ids stand, as they were just read. */
export function keepSeen(
  { seen, writesOfOthers }: Context,
  { workspace, kind, ids }: { workspace: number; kind: string; ids: readonly string[] },
  found: ReadonlyMap<string, RecordsTable>,
): void {
  if (writesOfOthers === undefined || ids.length < MANY) return
  if (seen.size > SEEN_MAX) seen.clear()
  for (const id of ids) {
    const row = found.get(id)
    const standing = row === undefined ? undefined : { version: row.version, sort: row.sort, fields: row.fields }
    seen.set(seenName(workspace, kind, id), standing)
  }
}
