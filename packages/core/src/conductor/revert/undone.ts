/** Undone: versions of an entity that were taken back with their change sets, and those that took them back. */
import { aboutField, CHANGE_SET_RECORD, writtenIn, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Environment } from '../environment.ts'

/** `but`: the set in question. One that it took back counts as what it was: taken back again, it stands. */
export async function undoneOf(
  env: Pick<Environment, 'store'>,
  workspace: string,
  entity: string,
  but?: ChangeSetRecord,
): Promise<Set<number>> {
  const where = { field: aboutField(entity), value: '' }
  const rows = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, where, limit: 1000 })
  const sets = rows.map((row) => JSON.parse(row.data) as ChangeSetRecord)
  const others = sets.filter(({ id }) => id !== but?.id && but?.reverts?.includes(id) !== true)
  return new Set(others.flatMap((one) => writtenIn(one).flatMap(({ id, version }) => (id === entity ? [version] : []))))
}
