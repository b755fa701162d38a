/**
 * Damaged: reading on behind rows that a store refuses to read, for whoever names all that is wrong.
 *
 * D1. A row is named once, and passed over; what it said is not known, so what rests on it may be named as well.
 * D2. What a store refuses for another reason, or of another table than it was asked for, is thrown on.
 */
import { KeelsonError } from '../base/errors.ts'
import type { Placed } from '../journal/entry.ts'
import type { MemoryStore, RecordRow } from '../journal/store.ts'

/** Told of each damaged row, in words; of a record that was asked for by its id, also which: `kind/id`. */
export type Name = (fault: string, record?: string) => void

/** What a store said of a row of `table` that is not as it was written; undefined: it failed otherwise. */
export function damageOf(error: unknown, table: string): string | undefined {
  if (!KeelsonError.is(error, 'STORE_CORRUPT') || error.data['table'] !== table) return undefined
  return error.message
}

/** Entries behind `after`, and from where to go on. */
export async function tailPast(
  store: MemoryStore,
  workspace: string,
  from: { readonly after: number; readonly limit: number },
  name: Name,
): Promise<{ page: readonly Placed[]; after: number; more: boolean }> {
  const { after } = from
  for (let limit = from.limit; ; limit = Math.floor(limit / 2)) {
    try {
      const page = await store.tail(workspace, after, limit)
      const more = limit < from.limit || page.length === limit
      return { page, after: page.at(-1)?.position ?? after, more }
    } catch (error) {
      const damage = damageOf(error, 'entries')
      if (damage === undefined) throw error
      if (limit > 1) continue
      name(damage)
      return { page: [], after: await positionOf(store, workspace, after, damage), more: true }
    }
  }
}

/** The place of the damaged entry that is the next one behind `after`: the first from which it is no longer met. */
async function positionOf(store: MemoryStore, workspace: string, after: number, damage: string): Promise<number> {
  const isMet = async (from: number): Promise<boolean> => {
    try {
      await store.tail(workspace, from, 1)
      return false
    } catch (error) {
      const met = damageOf(error, 'entries')
      if (met === undefined) throw error
      return met === damage
    }
  }
  let [before, behind] = [after, after + 1]
  for (; await isMet(behind); behind = after + 2 * (behind - after)) before = behind
  while (behind - before > 1) {
    const middle = Math.floor((before + behind) / 2)
    if (await isMet(middle)) before = middle
    else behind = middle
  }
  return behind
}

/** Records of one kind by id; one that is damaged is named and left out. */
export async function recordsPast(
  store: MemoryStore,
  workspace: string,
  { kind, ids }: { readonly kind: string; readonly ids: readonly string[] },
  name: Name,
): Promise<readonly RecordRow[]> {
  if (ids.length === 0) return []
  try {
    return await store.records(workspace, { kind, ids, limit: ids.length })
  } catch (error) {
    const damage = damageOf(error, 'records')
    if (damage === undefined) throw error
    if (ids.length === 1) {
      name(damage, `${kind}/${ids[0]}`)
      return []
    }
  }
  const half = Math.ceil(ids.length / 2)
  const halves = [ids.slice(0, half), ids.slice(half)]
  const rows: RecordRow[] = []
  for (const part of halves) rows.push(...(await recordsPast(store, workspace, { kind, ids: part }, name)))
  return rows
}
