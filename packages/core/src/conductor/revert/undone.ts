/** Undone: versions of an entity that were taken back with their change sets, and those that took them back. */
import { pagesOf } from '../../journal/pages.ts'
import { aboutField, CHANGE_SET_RECORD, writtenIn, type ChangeSetRecord } from '../../memory/change-set.ts'
import { historyOf } from '../../memory/history.ts'
import type { Environment } from '../environment.ts'
import { entityOf } from '../memory/entity-sets.ts'
import { takenBack } from './inverse.ts'

/**
 * What took something back and was taken back itself took nothing back. `but`: the set in question. One that it took back counts as what
 * it was: taken back again, it stands.
 */
export async function undoneOf(
  env: Pick<Environment, 'store'>,
  workspace: string,
  entity: string,
  but?: ChangeSetRecord,
): Promise<Set<number>> {
  const where = { field: aboutField(entity), value: '' }
  const sets: ChangeSetRecord[] = []
  for await (const { data } of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where })) {
    const set = JSON.parse(data) as ChangeSetRecord
    if (set.id !== but?.id && isDone(set)) sets.push(set)
  }
  const reverters = Map.groupBy(
    sets.flatMap((set) => (set.reverts ?? []).map((id) => ({ id, set }))),
    ({ id }) => id,
  )
  const stands = ({ id }: ChangeSetRecord): boolean => !(reverters.get(id) ?? []).some(({ set }) => stands(set))
  const gone = sets.filter((one) => one.reverts !== undefined || !stands(one))
  return new Set(gone.flatMap((one) => writtenIn(one).flatMap(({ id, version }) => (id === entity ? [version] : []))))
}

function isDone({ status }: ChangeSetRecord): boolean {
  return status === 'applied' || status === 'reverted'
}

/** All versions of it that were taken back, with their sets or by runs, and those that took them back. */
export async function goneOf(
  env: Pick<Environment, 'store'>,
  workspace: string,
  entity: string,
): Promise<ReadonlySet<number>> {
  const { type, id } = entityOf(entity)
  const history = await historyOf(env.store, workspace, type, id)
  return new Set([...(await undoneOf(env, workspace, entity)), ...takenBack(history, new Set())])
}
