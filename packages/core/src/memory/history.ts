/** History: an entity version by version, as its timeline tells it, with what each version really changed. */
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { MemoryStore } from '../journal/store.ts'
import { recordId, type TimelineEvent } from './entity.ts'

export interface EntityVersion {
  readonly version: number
  readonly at: number
  readonly event: TimelineEvent
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
  const events = (await timeline(store, workspace, recordId(type, id)))
    .filter((event): event is TimelineEvent & { version: number } => event.version !== undefined)
    .sort((a, b) => a.version - b.version)
  let data: Record<string, Json> = {}
  return events.map((event) => {
    const before = data
    data = { ...before, ...((event.changed ?? {}) as Record<string, Json>) }
    for (const field of event.dropped ?? []) delete data[field]
    const fields = new Set([...Object.keys(before), ...Object.keys(data)])
    const changes = new Set([...fields].filter((field) => !isSame(before[field], data[field])))
    return { version: event.version, at: Date.parse(event.at), event, data, changes }
  })
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b)
}

async function timeline(store: MemoryStore, workspace: string, entity: string): Promise<TimelineEvent[]> {
  const events: TimelineEvent[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const where = { field: 'entity', value: entity }
    const paged = after === undefined ? {} : { after }
    const rows = await store.records(workspace, { kind: 'timeline', where, limit: 500, ...paged })
    events.push(...rows.map((row) => JSON.parse(row.data) as TimelineEvent))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return events
    after = { sort: last.sort, id: last.id }
  }
}
