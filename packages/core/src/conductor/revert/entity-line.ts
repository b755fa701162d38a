/**
 * EntityLine: what of an entity can be put back.
 *
 * L1. A field is put back only if the last change of it is of the runs in question; then to what it held before the
 *     first of their changes that nobody else's came after. So no foreign change is ever overwritten.
 * L2. A write that repeats a value is no change.
 */
import type { Json } from '../../base/value.ts'
import type { MemoryStore } from '../../journal/store.ts'
import { recordId } from '../../memory/entity.ts'
import { historyOf, type EntityVersion } from '../../memory/history.ts'
import { iso } from '../waiting.ts'
import type { EntityDeed } from './deeds.ts'
import type { RevertLine, Since } from './line.ts'

export async function entityLine(store: MemoryStore, workspace: string, deed: EntityDeed): Promise<RevertLine> {
  const { type, id, versions } = deed
  const what = `${type} ${id}`
  const cannot = (why: string, since: readonly Since[] = []): RevertLine => ({
    kind: 'entity',
    type,
    id,
    what,
    can: false,
    why,
    since,
  })
  const [row] = await store.records(workspace, { kind: 'entity', ids: [recordId(type, id)], limit: 1 })
  if (row === undefined) return cannot('it is gone')
  const history = await historyOf(store, workspace, type, id)
  const { restore, drop, since } = backTo(history, versions)
  if (versions.has(1)) return cannot('the run created it; archive it if it is not wanted', since)
  const fields = [...Object.keys(restore), ...drop]
  if (fields.length === 0) {
    const kept = since.map(({ field }) => field).join(', ')
    return cannot(kept === '' ? 'it is as it was before' : `changed since: ${kept}`, since)
  }
  const kept = since.map(({ field }) => field)
  const told = `${what}: ${fields.join(', ')}`
  return { kind: 'entity', type, id, version: row.version, restore, drop, kept, since, what: told, can: true }
}

export interface Back {
  readonly restore: Record<string, Json>
  readonly drop: string[]
  readonly since: Since[]
}

/**
 * What each field that `ours` changed goes back to, or who has changed it since. `undone`: versions that count as if they had
 * never been: they were taken back, or took back.
 */
export function backTo(
  history: readonly EntityVersion[],
  ours: ReadonlySet<number>,
  undone: ReadonlySet<number> = new Set(),
): Back {
  const back: Back = { restore: {}, drop: [], since: [] }
  const touched = new Set(history.filter(({ version }) => ours.has(version)).flatMap(({ changes }) => [...changes]))
  for (const field of [...touched].sort()) {
    const writers = history.filter(({ changes, version }) => changes.has(field) && !undone.has(version))
    const last = writers.at(-1)!
    if (!ours.has(last.version)) {
      back.since.push(sinceOf(field, last))
      continue
    }
    const before = writers.findLast(({ version }) => !ours.has(version))?.data[field]
    if (before === undefined) {
      if (Object.hasOwn(last.data, field)) back.drop.push(field)
    } else back.restore[field] = before
  }
  return back
}

function sinceOf(field: string, { version, at, event }: EntityVersion): Since {
  const by = event.by ?? (event.run === undefined ? undefined : `run ${event.run}`)
  return { field, version, at: iso(at), ...(by === undefined ? {} : { by }) }
}
