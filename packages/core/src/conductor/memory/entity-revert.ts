/**
 * Entity revert: what a change set wrote to entities, taken back in the unit that takes back the set.
 *
 * B1. What somebody else has changed since stays; what was taken back before counts as if it had never been (`revert/inverse.ts`).
 * B2. What was created goes into the archive, what was archived comes back, what was merged is two again.
 */
import { actorText } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordWrite } from '../../journal/store.ts'
import { writtenIn, type ChangeSetRecord, type EntityWritten } from '../../memory/change-set.ts'
import { putBack, type Inverse } from '../../memory/entity-inverse.ts'
import type { Written } from '../../memory/entity-write.ts'
import type { WorkspaceMemory } from '../../memory/handle.ts'
import type { Blocked } from '../../memory/invert.ts'
import { changedSince, inverseOf, targetOf, withoutTaken, type Target } from '../revert/inverse.ts'
import { undoneOf } from '../revert/undone.ts'
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
  const block = (id: string, why: string | undefined): void =>
    void (why === undefined || made.blocked.push({ id, why }))
  const targets: Target[] = []
  for (const [entity, changes] of written) {
    const target = await readTarget(desk, set, entity, changes)
    if (typeof target === 'string') block(entity, target)
    else targets.push(target)
  }
  const done = new Set<Target>()
  // What was merged first: it brings its survivor along.
  for (const target of targets.toSorted((a, b) => Number(isMerge(b)) - Number(isMerge(a)))) {
    if (done.has(target)) continue
    done.add(target)
    const other = isMerge(target) ? targets.find(({ id }) => id === target.last.event.into) : undefined
    if (other !== undefined) {
      done.add(other)
      block(nameOf(other), changedSince(other))
    }
    const written = await inverse(desk, target, other, options, (why) => block(nameOf(target), why))
    made.puts.push(...written.puts)
    made.cached.push(...written.cached)
    made.changes.push(...changesIn(written))
  }
  return made
}

function nameOf({ type, id }: Target): string {
  return `${type}/${id}`
}

function isMerge({ last }: Target): boolean {
  return last.event.became === 'merged'
}

function changesIn({ puts }: Pick<Written, 'puts'>): EntityWritten[] {
  return puts.flatMap(({ kind, id, version }) =>
    kind === 'entity' ? [{ did: 'written' as const, id, version, what: 'taken back' }] : [],
  )
}

/** What cannot even be read is said. */
async function readTarget(
  { env, workspace }: Desk,
  set: ChangeSetRecord,
  entity: string,
  changes: readonly EntityWritten[],
): Promise<Target | string> {
  const versions = new Set(changes.map(({ version }) => version))
  const undone = await undoneOf(env, workspace, entity, set)
  const others = new Set([...undone].filter((version) => !versions.has(version)))
  try {
    return await targetOf(env, workspace, { ...entityOf(entity), versions }, others)
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return thrown.message
  }
}

const NOTHING: Pick<Written, 'puts' | 'cached'> = { puts: [], cached: [] }

/** What takes it back, as far as it can be; what cannot be is said to `block`. */
async function inverse(
  { env, workspace }: Desk,
  target: Target,
  survivor: Target | undefined,
  { by, reason }: By,
  block: (why: string | undefined) => void,
): Promise<Pick<Written, 'puts' | 'cached'>> {
  const { head, type, created } = target
  const isOwn = created && head !== undefined && head.record.mergedInto === undefined
  const wanted = isOwn ? uncreated(target) : inverseOf(target, survivor)
  if (typeof wanted !== 'object') {
    block(wanted)
    return NOTHING
  }
  const { inverse: left, taken } = await withoutTaken(env, workspace, target, wanted)
  if (!isOwn && !isMerge(target)) block(changedSince(target))
  for (const system of taken) block(`its identity in ${system} belongs to another by now`)
  return putBack(
    {
      shelf: shelfOf(env, workspace),
      type: env.entities.named(type, head!.record.schema),
      who: { by: actorText(by) },
      options: reason === undefined ? {} : { reason },
      allowed: [],
    },
    head!,
    left,
  )
}

/** What was created, and changed by nobody since, goes into the archive. */
function uncreated({ head, later }: Target): Inverse | string | undefined {
  if (head?.record.erased !== undefined) return 'what it held was erased'
  if (later.length > 0) return `it was changed since, up to version ${Math.ceil(later.at(-1)!.version)}`
  if (head?.record.archived === true) return undefined
  return { standing: 'archived', restore: {}, drop: [], names: {} }
}
