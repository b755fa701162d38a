/**
 * Called: what the entities are called that a question may mean: names, aliases and renames of today, read when it is asked.
 *
 * L1. Without memories about entities nothing is read.
 * L2. An entity goes by the names of those that it was made one with, and they by its own.
 */
import type { MemoryStore } from '../../journal/store.ts'
import { recordId, type EntityRecord } from '../entity.ts'
import { GONE } from '../gone.ts'
import type { Called } from './rank.ts'
import { nameOf, type Indexed, type Segment } from './segment.ts'

/** Of more entities than that, a question knows the names that their memories were written with. */
const CALLED_MAX = 500

export async function calledIn(
  { store, workspace }: { readonly store: MemoryStore; readonly workspace: string },
  segments: readonly Segment<Indexed>[],
): Promise<Called | undefined> {
  const ids = new Set<string>()
  for (const segment of segments)
    for (const id of segment.entities()) {
      ids.add(id)
      if (ids.size > CALLED_MAX) return undefined
    }
  if (ids.size === 0) return undefined
  const heads = new Map<string, EntityRecord>()
  const read = async (wanted: readonly string[]): Promise<void> => {
    const missing = wanted.filter((id) => !heads.has(id))
    if (missing.length === 0) return
    const rows = await store.records(workspace, { kind: 'entity', ids: missing, limit: missing.length })
    for (const { id, data } of rows) heads.set(id, JSON.parse(data) as EntityRecord)
  }
  await read([...ids])
  await read(
    [...heads.values()].flatMap(({ type, mergedInto }) =>
      mergedInto === undefined ? [] : [recordId(type, mergedInto)],
    ),
  )
  await read([...heads.values()].flatMap(({ type, merged = [] }) => merged.map((id) => recordId(type, id))))
  const called = new Map<string, ReadonlySet<string>>()
  for (const id of ids) {
    const own = heads.get(id)
    if (own === undefined) continue
    const survivor = heads.get(recordId(own.type, own.mergedInto ?? own.id)) ?? own
    const all = [own, survivor, ...(survivor.merged ?? []).flatMap((one) => heads.get(recordId(own.type, one)) ?? [])]
    called.set(id, new Set(all.flatMap(namesOf)))
  }
  return called
}

function namesOf({ data, aliases = [] }: EntityRecord): string[] {
  const names = [data['name'], ...aliases].filter((name): name is string => typeof name === 'string' && name !== GONE)
  return names.map((name) => nameOf(name.slice(0, 300))).filter((name) => name !== '')
}
