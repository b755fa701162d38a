/**
 * Take back: the inverse of one applied set, of memories and of entities, as what a unit puts; and what a machine may invert.
 *
 * K1. A machine takes back what it wrote itself, where that ends what it added, and lets stand again what it had closed: no more
 *     than it might have done the other way round. All else is a person's to decide.
 */
import type { Actor } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordWrite } from '../../journal/store.ts'
import { writtenIn, type Change, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Diff, WorkspaceMemory } from '../../memory/handle.ts'
import { historyOf } from '../../memory/history.ts'
import { invert, type Blocked } from '../../memory/invert.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import { memoryOf, yields, type MemoryRecord } from '../../memory/unit.ts'
import { benchOf, type Desk } from './desk.ts'
import { takeBack } from './entity-revert.ts'
import { entityOf } from './entity-sets.ts'

export interface Undoing {
  readonly puts: readonly Put[]
  readonly cached: readonly RecordWrite[]
  readonly changes: readonly Change[]
  readonly blocked: readonly Blocked[]
}

/** `set`: of the set that takes it back. */
export async function undoing(
  desk: Desk,
  record: ChangeSetRecord,
  { set, ...by }: Parameters<WorkspaceMemory['revert']>[1] & { readonly set: string },
): Promise<Undoing> {
  const bench = benchOf(desk)
  const inverse = await invert(bench, record, { now: desk.env.clock.now(), set })
  const entities = await takeBack(desk, record, by)
  return {
    puts: [...bench.puts(), ...entities.puts],
    cached: entities.cached,
    changes: [...inverse.changes, ...entities.changes],
    blocked: [...inverse.blocked, ...entities.blocked],
  }
}

/** K1. */
export async function mayAlone(desk: Desk, set: ChangeSetRecord, by: Actor): Promise<boolean> {
  if (by.kind === 'person') return true
  if (!isSame(set.source.by, by) || set.decidedBy !== undefined) return false
  const memories = await memoriesOf(desk, set)
  for (const change of set.changes) {
    if (change.did === 'amended') return false
    if (change.did === 'written') {
      if (!(await isPlain(desk, change.id, change.version))) return false
    } else if (change.did === 'added' && !isOwn(memories.get(change.id), by)) return false
  }
  return true
}

function isSame(one: Actor, other: Actor): boolean {
  return one.kind === other.kind && one.id === other.id
}

/** Nobody has made more of it since. */
function isOwn(record: MemoryRecord | undefined, by: Actor): boolean {
  if (record === undefined) return true
  const { source, pinned, load, kind, authority } = record
  return (
    isSame(source.by, by) && pinned !== true && load !== 'always' && kind !== 'rule' && yields(authority, 'operator')
  )
}

/** A write of an entity that the machine might as well make: no merge, no step of a lifecycle, nothing that is the operator's. */
async function isPlain({ env, workspace }: Desk, entity: string, version: number): Promise<boolean> {
  const { type, id } = entityOf(entity)
  const made = (await historyOf(env.store, workspace, type, id)).find((one) => one.version === version)
  if (made === undefined) return false
  const known = env.entities.named(type, made.event.schema ?? 1)
  if (known.owner === 'operator' || made.event.became === 'merged' || made.event.what.includes('no longer one with'))
    return false
  return !Object.keys(known.lifecycles).some((field) => version > 1 && made.changes.has(field))
}

function memoriesOf(
  { env, workspace }: Desk,
  { changes }: Pick<ChangeSetRecord, 'changes'>,
): Promise<Map<string, MemoryRecord>> {
  return recordsOf(
    env.store,
    workspace,
    changes.flatMap((change) => (change.did === 'written' ? [] : [change.id])),
  )
}

/** What its inverse would do, which makes `changes`: of a set that writes one entity several times, each of them. */
export async function undoingDiff(desk: Desk, set: ChangeSetRecord, changes: readonly Change[]): Promise<Diff[]> {
  const memories = await memoriesOf(desk, { changes })
  const back = new Set(writtenIn({ changes }).map(({ id }) => id))
  const written = writtenIn(set)
    .filter(({ id }) => back.has(id))
    .map(({ id, version, what }): Diff => ({
      op: 'take back',
      ...{ entity: id, version, after: `taken back: ${what}` },
    }))
  const rest = changes.flatMap((change): Diff[] => {
    if (change.did === 'written') return []
    const memory = memories.get(change.id)
    const before = memory === undefined ? {} : { before: memoryOf(memory, desk.env.clock.now()) }
    if (change.did === 'amended') return [{ op: 'amend', ...before, after: canonical(change.after ?? {}) }]
    return [{ op: change.did === 'reopened' ? 'restore' : 'take back', ...before }]
  })
  return [...rest, ...written]
}
