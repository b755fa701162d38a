/** Mistyped: refuses what there never was, where the answer would else be that of one that was done, with nothing left of it. */
import { KeelsonError } from '../../base/errors.ts'
import { nearest } from '../../base/nearest.ts'
import type { WorkspaceMemory } from '../../memory/handle.ts'
import { subjectOf } from '../../memory/input.ts'
import { rowOf } from '../status.ts'
import { noMemory } from './bounds.ts'
import type { Desk } from './desk.ts'
import { memoryRows, type Meant } from './meant.ts'

type Erasing = Parameters<WorkspaceMemory['erase']>[0]
type Reverting = Parameters<WorkspaceMemory['revert']>[0]

/** Throws `MEMORY_NOT_FOUND` for an id that none has, nor had: what is erased is known by it still. */
export async function assertIds(desk: Desk, which: Erasing): Promise<void> {
  if (!('ids' in which)) return
  const known = new Set((await memoryRows(desk, which.ids)).map(({ id }) => id))
  const stray = which.ids.find((id) => !known.has(id))
  if (stray !== undefined) throw noMemory(desk, stray)
}

/** Throws `INPUT_INVALID` for a type of entities that there is not, where nothing is, or was, remembered of it either. */
export async function assertType(desk: Desk, which: Erasing, { memories, would, beside }: Meant): Promise<void> {
  if (!('about' in which) || typeof which.about === 'string') return
  if (memories.length + would.length + beside.length > 0) return
  const { env, workspace } = desk
  const { type = '' } = which.about
  const { subject } = subjectOf(which.about)
  if (env.entities.knows(type) || env.entities.names().length === 0) return
  if ((await env.store.records(workspace, { kind: 'entity', ids: [subject], limit: 1 })).length > 0) return
  const meant = nearest(type, env.entities.names())
  const slip = meant === undefined ? '' : `Did you mean "${meant}"? `
  throw new KeelsonError(
    'INPUT_INVALID',
    `there is no entity type "${type}", and nothing is remembered about ${subject}`,
    {
      hint: `${slip}Of what is no entity, give the subject as a text: about: "${subject}".`,
    },
  )
}

/** Throws `RUN_NOT_FOUND` for a run that never was: nothing was found of it. */
export async function assertRun({ env, workspace }: Desk, what: Reverting): Promise<void> {
  if ('run' in what) await rowOf(env, workspace, what.run)
}
