/**
 * Entity sets: writes of entities as change sets.
 *
 * E1. Nothing is stored for them: each is the lines that its entry left in the audit trail, read again. Only one that was taken
 *     back has a record, which says so.
 */
import { KeelsonError } from '../../base/errors.ts'
import type { RecordRow } from '../../journal/store.ts'
import { changeId, type EntityChange } from '../../memory/change.ts'
import type { ChangeSetRecord } from '../../memory/change-set.ts'
import { partsOf } from '../../memory/entity.ts'
import { WORKSPACE_SCOPE } from '../../memory/scope.ts'
import { actorValue, TRAIL, type TrailRecord } from '../trail.ts'
import type { Desk } from './desk.ts'

type At = Pick<Desk, 'env' | 'workspace'>

/** Lines of the trail that one list looks at, at most: newest first. */
const LOOKED_MAX = 10_000
const PAGE = 500
const PREFIX = 'entry:'
/** Entries that write entities; what takes memories and entities back has a set of its own. */
const WRITES: ReadonlySet<string> = new Set(['entity.completed', 'entity.edited'])

export interface SetQuery {
  readonly run?: string | undefined
  /** Of whatever kind. */
  readonly actor?: string | undefined
  /** Recorded at or after. */
  readonly since?: number
}

/** Newest first. */
export async function* entitySets(desk: At, query: SetQuery): AsyncGenerator<ChangeSetRecord> {
  const { run, actor } = query
  const wheres =
    run !== undefined
      ? [{ field: 'run', value: run }]
      : actor === undefined
        ? [{ field: 'all', value: '' }]
        : (['person', 'agent', 'system'] as const).map((kind) => ({
            field: 'actor',
            value: actorValue({ kind, id: actor }),
          }))
  for (const where of wheres)
    for await (const lines of groups(linesUnder(desk, where, query)))
      if (actor === undefined || lines[0]!.record.by.id === actor) yield await setOf(desk, lines)
}

/** The set of this id; undefined for one that is no set of entities. */
export async function entitySet(desk: At, id: string): Promise<ChangeSetRecord | undefined> {
  if (!id.startsWith(PREFIX)) return undefined
  const own = `${id.slice(PREFIX.length)}.`
  const { env, workspace } = desk
  const [first] = await env.store.records(workspace, { kind: TRAIL, ids: [`${own}0`], limit: 1 })
  if (first === undefined) return undefined
  const lines: Line[] = []
  for (let after = { sort: first.sort, id: own }; ;) {
    const rows = await env.store.records(workspace, {
      kind: TRAIL,
      where: { field: 'all', value: '' },
      after,
      limit: PAGE,
    })
    const mine = rows.filter((row) => row.id.startsWith(own)).map(lineOf)
    lines.push(...mine.filter(isWrite))
    const last = rows.at(-1)
    if (last === undefined || mine.length < PAGE) break
    after = { sort: last.sort, id: last.id }
  }
  return lines.length === 0 ? undefined : setOf(desk, lines)
}

interface Line {
  readonly id: string
  readonly record: TrailRecord
}

function lineOf(row: RecordRow): Line {
  return { id: row.id, record: JSON.parse(row.data) as TrailRecord }
}

/** A change of one entity; effects name those that they rest on. */
function isWrite({ record }: Line): boolean {
  const { kind, entities, version, effect } = record
  return WRITES.has(kind) && entities.length === 1 && version !== undefined && effect === undefined
}

async function* linesUnder(
  { env, workspace }: At,
  where: { field: string; value: string },
  { since = -Infinity }: SetQuery,
): AsyncGenerator<Line> {
  let after: { sort: number; id: string } | undefined
  for (let looked = 0; looked < LOOKED_MAX || where.field !== 'all'; looked += PAGE) {
    const rows = await env.store.records(workspace, {
      kind: TRAIL,
      where,
      order: 'descending',
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    for (const row of rows) {
      if (row.sort < since) return
      const line = lineOf(row)
      if (isWrite(line)) yield line
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}

/** Lines of one entry stand together. */
async function* groups(lines: AsyncIterable<Line>): AsyncGenerator<Line[]> {
  let group: Line[] = []
  for await (const line of lines) {
    if (group.length > 0 && entryOf(group[0]!) !== entryOf(line)) {
      yield group
      group = []
    }
    group.unshift(line)
  }
  if (group.length > 0) yield group
}

function entryOf({ id }: Line): string {
  return id.slice(0, id.lastIndexOf('.'))
}

async function setOf({ env, workspace }: At, lines: readonly Line[]): Promise<ChangeSetRecord> {
  const { at, by, run, step } = lines[0]!.record
  const changes = lines.map(({ record: { entities, version, what } }) => ({
    did: 'written' as const,
    id: entities[0]!,
    version: version!,
    what,
  }))
  const ids = changes.slice(0, 1).map(({ id, version }) => versionOf(id, version))
  const [row] = await env.store.records(workspace, { kind: 'timeline', ids, limit: 1 })
  const { reason } = row === undefined ? {} : (JSON.parse(row.data) as EntityChange)
  return {
    id: `${PREFIX}${entryOf(lines[0]!)}`,
    status: 'applied',
    source: { by, ...(run === undefined ? {} : { run }), ...(step === undefined ? {} : { step }) },
    reason:
      reason ??
      changes
        .map(({ what }) => what)
        .join('; ')
        .slice(0, 500)
        .toWellFormed(),
    createdAt: at,
    scope: WORKSPACE_SCOPE,
    changes,
  }
}

/** Type and id of an entity in a change. */
export function entityOf(id: string): { type: string; id: string } {
  const parts = partsOf(id)
  if (parts !== undefined) return parts
  throw new KeelsonError('MEMORY_NOT_FOUND', `"${id}" is no entity`)
}

export function versionOf(entity: string, version: number): string {
  const { type, id } = entityOf(entity)
  return changeId(type, id, version)
}
