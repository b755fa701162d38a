/** EntityLine: what a plan says of an entity: what goes back, what stays and since when, or why nothing can. */
import { KeelsonError } from '../../base/errors.ts'
import type { Inverse } from '../../memory/entity-inverse.ts'
import type { Environment } from '../environment.ts'
import type { EntityDeed } from './deeds.ts'
import { changedSince, inverseOf, targetOf, withoutTaken, type Target } from './inverse.ts'
import type { RevertLine, Since } from './line.ts'
import { undoneOf } from './undone.ts'

/** The lines of what was done to entities, each with its place. One that was merged away brings the other along. */
export async function entityLines(
  env: Environment,
  workspace: string,
  deeds: readonly EntityDeed[],
): Promise<{ at: number; line: RevertLine }[]> {
  const found: { deed: EntityDeed; target: Target | string }[] = []
  for (const deed of deeds) found.push({ deed, target: await readTarget(env, workspace, deed) })
  const targets = found.flatMap(({ target }) => (typeof target === 'string' ? [] : [target]))
  const named = new Map(targets.map((target) => [`${target.type}/${target.id}`, target]))
  const along = new Set<Target>()
  const survivors = new Map<Target, Target>()
  for (const target of targets) {
    const other = named.get(`${target.type}/${target.head?.record.mergedInto}`)
    if (other === undefined || typeof inverseOf(target, other) !== 'object') continue
    along.add(other)
    survivors.set(target, other)
  }
  const lines: { at: number; line: RevertLine }[] = []
  for (const { deed, target } of found) {
    if (typeof target === 'string') lines.push({ at: deed.at, line: cannot(deed, target) })
    else if (!along.has(target))
      lines.push({ at: deed.at, line: await lineOf(env, workspace, target, survivors.get(target)) })
  }
  return lines
}

/** What cannot even be read is said, and left. */
async function readTarget(env: Environment, workspace: string, deed: EntityDeed): Promise<Target | string> {
  try {
    return await targetOf(env, workspace, deed, await undoneOf(env, workspace, `${deed.type}/${deed.id}`))
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return thrown.message
  }
}

type About = Pick<EntityDeed, 'type' | 'id'>

function cannot({ type, id }: About, why: string, since: readonly Since[] = []): RevertLine {
  return { kind: 'entity', type, id, what: `${type} ${id}`, can: false, why, since }
}

async function lineOf(
  env: Environment,
  workspace: string,
  target: Target,
  survivor: Target | undefined,
): Promise<RevertLine> {
  const { type, id, head, created } = target
  const own = [...target.fields.since, ...target.about.since]
  const since = [...own, ...(survivor === undefined ? [] : [...survivor.fields.since, ...survivor.about.since])]
  if (created && head !== undefined) return cannot(target, 'the run created it; archive it if it is not wanted', since)
  const wanted = inverseOf(target, survivor)
  if (typeof wanted !== 'object')
    return cannot(target, wanted ?? changedSince(target) ?? 'it is as it was before', since)
  const { inverse, taken } = await withoutTaken(env, workspace, target, wanted)
  const told = toldOf(inverse, survivor?.id ?? head!.record.mergedInto)
  const kept = [...since.map(({ field }) => field), ...taken.map((system) => `ref:${system}`)]
  if (told.length === 0) return cannot(target, `taken by another since: ${kept.join(', ')}`, since)
  const { restore, drop, names, standing, archived, undoes } = inverse
  return {
    ...{ kind: 'entity', type, id, version: head!.version, restore, drop, names, kept, since },
    ...(undoes === undefined ? {} : { undoes }),
    ...(standing === undefined ? {} : { standing }),
    ...(archived === undefined ? {} : { archived }),
    ...(survivor === undefined || inverse.survivor === undefined
      ? {}
      : { survivor: { id: survivor.id, version: survivor.head!.version, ...inverse.survivor } }),
    what: `${type} ${id}: ${told.join(', ')}`,
    can: true,
  }
}

/** In words, the fields first. */
function toldOf({ restore, drop, names, standing, archived, survivor }: Inverse, other: string | undefined): string[] {
  const { refs = {}, aliases = [], without = [] } = names
  const fields = [restore, survivor?.restore ?? {}].flatMap((one) => Object.keys(one))
  return [
    ...new Set([...fields, ...drop, ...(survivor?.drop ?? [])]),
    ...Object.keys(refs).map((system) => `its identity in ${system}`),
    ...(aliases.length + without.length === 0 ? [] : ['its names']),
    ...(standing === undefined ? [] : [standing === 'separate' ? `no longer one with ${other}` : standing]),
    ...(archived === undefined ? [] : ['archived']),
  ]
}
