/** Had: events that a run received so long ago that its journal no longer names them; each is a record of its own. */
import { sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { History } from '../journal/fold.ts'
import type { Put } from '../journal/put.ts'
import type { MemoryStore } from '../journal/store.ts'

/** Keeps events that the next journal of a run will not name. */
export function hadPuts(run: string, events: readonly string[]): Put[] {
  return events.map((event) => ({ kind: 'had', id: idOf(run, event), version: 1, data: true }))
}

/** Those of `events` that the run has had, in this journal or an earlier one. */
export async function hadOf(
  { store, workspace, run }: { store: MemoryStore; workspace: string; run: string },
  history: History,
  events: readonly string[],
): Promise<Set<string>> {
  const had = new Set(events.filter((event) => history.events.has(event)))
  if (history.start.earlier !== true) return had
  const ids = new Map(events.filter((event) => !had.has(event)).map((event) => [idOf(run, event), event]))
  if (ids.size === 0) return had
  const rows = await store.records(workspace, { kind: 'had', ids: [...ids.keys()], limit: ids.size })
  for (const { id } of rows) had.add(ids.get(id)!)
  return had
}

function idOf(run: string, event: string): string {
  return sha256(canonical([run, event])).slice(0, 32)
}
