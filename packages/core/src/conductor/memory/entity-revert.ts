/**
 * Entity revert: what a change set wrote to entities, taken back in the unit that takes back the set.
 *
 * B1. A field goes back only if nobody else has changed it since; what was taken back before counts as if it had never been.
 * B2. What was created goes into the archive, what was archived comes back, what was merged is two again.
 */
import { actorText } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordWrite } from '../../journal/store.ts'
import {
  aboutField,
  CHANGE_SET_RECORD,
  writtenIn,
  type ChangeSetRecord,
  type EntityWritten,
} from '../../memory/change-set.ts'
import { restoreEntity, unmerge } from '../../memory/entity-identity.ts'
import { headOf, type Head } from '../../memory/entity-read.ts'
import { archiveEntity, restoreFields, type Writing, type Written } from '../../memory/entity-write.ts'
import type { WorkspaceMemory } from '../../memory/handle.ts'
import { historyOf, type EntityVersion } from '../../memory/history.ts'
import type { Blocked } from '../../memory/invert.ts'
import { backTo, type Back } from '../revert/entity-line.ts'
import { shelfOf } from '../shelf.ts'
import type { Desk } from './desk.ts'
import { entityOf } from './entity-sets.ts'

type By = Parameters<WorkspaceMemory['revert']>[1]

export interface TakenBack {
  readonly puts: Put[]
  readonly cached: RecordWrite[]
  readonly changes: EntityWritten[]
  readonly blocked: Blocked[]
}

export async function takeBack(desk: Desk, set: ChangeSetRecord, options: By): Promise<TakenBack> {
  const made: TakenBack = { puts: [], cached: [], changes: [], blocked: [] }
  const written = Map.groupBy(writtenIn(set), ({ id }) => id)
  const done = new Set<string>()
  const block = (id: string, why: string | undefined): void =>
    void (why === undefined || made.blocked.push({ id, why }))
  const targets = await Promise.all([...written].map(([id, changes]) => targetOf(desk, set, id, changes)))
  // What was merged first: it brings its survivor along.
  for (const target of targets.toSorted((a, b) => Number(isMerge(b)) - Number(isMerge(a)))) {
    if (done.has(target.entity)) continue
    done.add(target.entity)
    const other = isMerge(target) ? targets.find(({ id }) => id === target.last.event.into) : undefined
    if (other !== undefined) done.add(other.entity)
    const answer = await inverse(desk, target, other, options)
    if (other !== undefined) block(other.entity, changedSince(other.back))
    if (typeof answer === 'string') block(target.entity, answer)
    if (typeof answer !== 'object') continue
    block(target.entity, isMerge(target) ? undefined : changedSince(target.back))
    made.puts.push(...answer.puts)
    made.cached.push(...answer.cached)
    made.changes.push(...changesIn(answer))
  }
  return made
}

function changesIn({ puts }: Written): EntityWritten[] {
  return puts.flatMap(({ kind, id, version }) =>
    kind === 'entity' ? [{ did: 'written' as const, id, version, what: 'taken back' }] : [],
  )
}

/** One entity of a set. */
interface Target {
  readonly entity: string
  readonly type: string
  readonly id: string
  readonly head: Head | undefined
  readonly history: readonly EntityVersion[]
  /** The last change of the set. */
  readonly last: EntityVersion
  /** What others have changed since. */
  readonly since: readonly EntityVersion[]
  readonly created: boolean
  readonly back: Back
}

function isMerge({ last }: Target): boolean {
  return last.event.became === 'merged'
}

async function targetOf(
  desk: Desk,
  set: ChangeSetRecord,
  entity: string,
  changes: readonly EntityWritten[],
): Promise<Target> {
  const { env, workspace } = desk
  const { type, id } = entityOf(entity)
  const history = await historyOf(env.store, workspace, type, id)
  const ours = new Set(changes.map(({ version }) => version))
  const undone = await undoneOf(desk, set, entity, ours)
  const last = history.findLast(({ version }) => ours.has(version))!
  const since = history.filter(({ version }) => version > last.version && !undone.has(version))
  const head = await headOf({ store: env.store, workspace }, { name: type }, id)
  const back = backTo(history, ours, undone)
  return { entity, type, id, head, history, last, since, created: ours.has(1), back }
}

/** Versions of what was taken back already, and of what took it back. A revert that is itself taken back undid what it names. */
async function undoneOf(
  { env, workspace }: Desk,
  set: ChangeSetRecord,
  entity: string,
  ours: ReadonlySet<number>,
): Promise<Set<number>> {
  const where = { field: aboutField(entity), value: '' }
  const rows = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, where, limit: 1000 })
  const sets = rows.map((row) => JSON.parse(row.data) as ChangeSetRecord)
  const others = sets.filter(({ id }) => id !== set.id && set.reverts?.includes(id) !== true)
  const versions = others.flatMap((one) =>
    writtenIn(one).flatMap(({ id, version }) => (id === entity ? [version] : [])),
  )
  return new Set(versions.filter((version) => !ours.has(version)))
}

/** What takes it back; why it cannot be; undefined where it is as it was. */
async function inverse(
  { env, workspace }: Desk,
  target: Target,
  survivor: Target | undefined,
  { by, reason }: By,
): Promise<Written | string | undefined> {
  const { head, last, created, id, since } = target
  if (head === undefined) return 'it is gone'
  const { became, into } = last.event
  const { mergedInto, archived, schema } = head.record
  if (mergedInto !== undefined && became !== 'merged') return `it was merged into ${mergedInto} since`
  const writing: Writing = {
    shelf: shelfOf(env, workspace),
    type: env.entities.named(target.type, schema),
    who: { by: actorText(by) },
    options: reason === undefined ? {} : { reason },
    allowed: [],
  }
  if (became === 'merged')
    return mergedInto === into ? unmerge(writing, head, survivor?.back) : 'it is no longer merged into that'
  if (became === 'archived') return archived === true ? restoreEntity(writing, id) : undefined
  if (became === 'upgraded') return 'it was only stored as of a newer schema'
  if (became === 'restored')
    return wasArchived(target) ? archiveEntity(writing, id) : 'merge them again, if they are one'
  if (created && since.length > 0) return `it was changed since, up to version ${since.at(-1)!.version}`
  if (created) return archived === true ? undefined : archiveEntity(writing, id)
  if ((last.event.schema ?? 1) !== schema) return 'it has another schema now'
  const { restore, drop } = differing(head, target.back)
  if (Object.keys(restore).length + drop.length > 0) return restoreFields(writing, id, restore, drop)
  return (
    changedSince(target.back) ??
    (last.changes.size === 0 ? 'its names and identities are changed with identify()' : undefined)
  )
}

function wasArchived({ history, last }: Target): boolean {
  const before = history.findLast(({ version, event }) => version < last.version && event.became !== undefined)
  return before?.event.became === 'archived'
}

/** What the record does not hold already. */
function differing({ record: { data } }: Head, { restore, drop }: Back): Pick<Back, 'restore' | 'drop'> {
  const fields = Object.entries(restore).filter(([field, value]) => canonical(data[field] ?? null) !== canonical(value))
  return { restore: Object.fromEntries(fields), drop: drop.filter((field) => Object.hasOwn(data, field)) }
}

function changedSince({ since }: Back): string | undefined {
  return since.length === 0 ? undefined : `changed since: ${since.map(({ field }) => field).join(', ')}`
}
