/** Mistyped: refuses what there never was, where the answer would else be that of one that was done, with nothing left of it. */
import { KeelsonError } from '../../base/errors.ts'
import { nearest } from '../../base/nearest.ts'
import type { Erased, WorkspaceMemory } from '../../memory/handle.ts'
import { subjectOf, type Subject } from '../../memory/input.ts'
import { MEMORY_RECORD } from '../../memory/unit.ts'
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

/** Of a text under which nothing is, or was, remembered: the entity that has it for its id was probably meant. */
export async function meantLeft(
  desk: Desk,
  which: Erasing,
  { memories, would, beside }: Meant,
): Promise<Erased['left']> {
  if (!('about' in which) || memories.length + would.length + beside.length > 0) return []
  const entity = await entityCalled(desk, which.about)
  if (entity === undefined) return []
  return [{ where: `entity ${entity.type}/${entity.id}`, why: saying(entity) }]
}

/** A text is a subject as good as an entity. The id of one, under which nothing is remembered, was probably meant to be that one. */
export async function warnOfIds(desk: Desk, verb: string, about: readonly Subject[]): Promise<void> {
  const { env, workspace } = desk
  for (const one of about) {
    const entity = await entityCalled(desk, one)
    if (entity === undefined) continue
    const where = { field: 'subject', value: entity.id }
    if ((await env.store.records(workspace, { kind: MEMORY_RECORD, where, limit: 1 })).length > 0) continue
    env.log.warn({ workspace, entity: entity.type, hint: saying(entity) }, `${verb} found nothing about "${entity.id}"`)
  }
}

interface Called {
  readonly type: string
  readonly id: string
}

async function entityCalled({ env, workspace }: Desk, about: Subject): Promise<Called | undefined> {
  if (typeof about !== 'string' || about.includes('/')) return undefined
  const ids = env.entities.names().map((type) => `${type}/${about}`)
  if (ids.length === 0) return undefined
  const [row] = await env.store.records(workspace, { kind: 'entity', ids, limit: 1 })
  return row === undefined ? undefined : { type: row.id.slice(0, row.id.indexOf('/')), id: about }
}

function saying({ type, id }: Called): string {
  return `nothing is remembered under this text; it is the id of an entity: write about: { type: "${type}", id: "${id}" }`
}

/** Throws `RUN_NOT_FOUND` for a run that never was: nothing was found of it. */
export async function assertRun({ env, workspace }: Desk, what: Reverting): Promise<void> {
  if ('run' in what) await rowOf(env, workspace, what.run)
}
