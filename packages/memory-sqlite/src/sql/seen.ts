/**
 * Seen: where the rows of records stand that were read a moment ago, so that a unit which was made of them is judged
 * without reading them again.
 *
 * V1. What was seen counts as long as nobody has written records since: this connection forgets it with every such write,
 *     and what another writes ends it as it ends all that a context remembers (K1).
 */
import type { Context, Standing } from './context.ts'
import type { RecordsTable } from './tables.ts'

/** Fewer are sooner read again than remembered. */
export const MANY = 100
/** So many rows of so many kinds are kept: what some units at a time are made of. */
const SEEN_MAX = 4_000
const KINDS_MAX = 8

/** Where the rows of one kind were seen to stand, by their ids; undefined: there was no row. */
export type SeenRows = Map<string, Standing | undefined>

export function seenOf({ seen }: Context, workspace: number, kind: string): SeenRows | undefined {
  return seen.get(`${workspace}/${kind}`)
}

/** Keeps where the rows of these ids stand, as they were just read. */
export function keepSeen(
  context: Context,
  { workspace, kind, ids }: { workspace: number; kind: string; ids: readonly string[] },
  found: ReadonlyMap<string, RecordsTable>,
): void {
  const { seen, writesOfOthers } = context
  if (writesOfOthers === undefined || ids.length < MANY) return
  const known = seenOf(context, workspace, kind)
  if (known === undefined && seen.size >= KINDS_MAX) seen.clear()
  const rows: SeenRows = known ?? new Map<string, Standing | undefined>()
  if (rows.size > SEEN_MAX) rows.clear()
  seen.set(`${workspace}/${kind}`, rows)
  for (const id of ids) {
    const row = found.get(id)
    rows.set(id, row === undefined ? undefined : { version: row.version, sort: row.sort, fields: row.fields })
  }
}
