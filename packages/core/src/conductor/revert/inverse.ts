/**
 * Inverse: what of an entity goes back where some of its versions are taken back, and why the rest of it does not.
 *
 * L1. A field, a name, and where it stands go back only if the last change is one of those in question; then to what was
 *     before the first of them that nobody else's came after. So no foreign change is ever overwritten.
 * L2. A write that repeats a value is no change. A change of its schema is one of everything that the upcasters touched.
 * L3. What was taken back before counts as if it had never been, and so does what took it back. Taken back once more, it counts as
 *     far as nothing of it has gone back.
 */
import { canonical } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { BackTo, Names } from '../../memory/entity-identity.ts'
import type { Inverse } from '../../memory/entity-inverse.ts'
import { headOf, holderOfRef, plainName, type Head } from '../../memory/entity-read.ts'
import { historyOf, STANDING, type EntityVersion, type Held } from '../../memory/history.ts'
import type { Environment } from '../environment.ts'
import { shelfOf } from '../shelf.ts'
import { iso } from '../waiting.ts'
import type { Since } from './line.ts'

/** One entity, and what its fields, and the rest of it, would go back to. */
export interface Target {
  readonly type: string
  readonly id: string
  readonly head: Head | undefined
  /** The versions in question. */
  readonly versions: ReadonlySet<number>
  /** The last of them. */
  readonly last: EntityVersion
  readonly created: boolean
  /** What others have changed since, of whatever kind. */
  readonly later: readonly EntityVersion[]
  readonly fields: Back
  readonly about: Back
}

export interface Back {
  readonly restore: Record<string, Json>
  readonly drop: string[]
  /** Who has changed since what does not go back. */
  readonly since: Since[]
}

/** Throws `UPCASTER_MISSING`, `SCHEMA_NEWER`, `UPCAST_FAILED`. */
export async function targetOf(
  env: Environment,
  workspace: string,
  { type, id, versions }: { type: string; id: string; versions: ReadonlySet<number> },
  undone: ReadonlySet<number>,
): Promise<Target> {
  const head = await headOf({ store: env.store, workspace }, { name: type }, id)
  const known = head === undefined ? undefined : env.entities.named(type, head.record.schema)
  const history = await historyOf(env.store, workspace, type, id, known)
  const last = history.findLast(({ version }) => versions.has(version))!
  const gone = new Set([...undone, ...takenBack(history, versions)])
  const later = history.filter(({ version }) => version > last.version && !gone.has(version))
  const fields = backTo(history, versions, gone, (one) => one)
  const about = backTo(history, versions, gone, (one) => one.about)
  const first = Math.min(...versions)
  const before = history.findLast(({ version }) => version < first && !gone.has(version))
  // Where it stands is no matter where it stands there again.
  const since = about.since.filter(({ field }) => field !== STANDING || before?.about.data[field] !== standingOf(head))
  return { type, id, head, versions, last, later, created: versions.has(1), fields, about: { ...about, since } }
}

/**
 * What has been taken back, and what took it back: the latest first, as that may have been taken back itself. What is in question stays
 * in view, so that it is told whether anybody has changed it since.
 */
export function takenBack(history: readonly EntityVersion[], ours: ReadonlySet<number>): Set<number> {
  const gone = new Set<number>()
  for (const { version, event } of history.toReversed()) {
    const { undoes } = event
    if (undoes === undefined || gone.has(version) || ours.has(version)) continue
    for (const one of [version, ...undoes]) if (!ours.has(one)) gone.add(one)
  }
  return gone
}

function standingOf(head: Head | undefined): string {
  const { mergedInto, archived } = head?.record ?? {}
  return mergedInto !== undefined ? `merged:${mergedInto}` : archived === true ? 'archived' : 'active'
}

function backTo(
  history: readonly EntityVersion[],
  ours: ReadonlySet<number>,
  undone: ReadonlySet<number>,
  side: (version: EntityVersion) => Held,
): Back {
  const back: Back = { restore: {}, drop: [], since: [] }
  const touched = new Set(history.filter(({ version }) => ours.has(version)).flatMap((one) => [...side(one).changes]))
  for (const field of [...touched].sort()) {
    const all = history.filter((one) => side(one).changes.has(field) && !undone.has(one.version))
    const writers = counting(all, (one) => side(one).data[field])
    const last = writers.at(-1)
    if (!writers.some(({ version }) => ours.has(version))) continue
    if (!ours.has(last!.version)) {
      back.since.push(sinceOf(field, last!))
      continue
    }
    const before = writers.findLast(({ version }) => !ours.has(version))
    const value = before && side(before).data[field]
    if (value !== undefined) back.restore[field] = value
    else if (Object.hasOwn(side(last!).data, field)) back.drop.push(field)
  }
  return back
}

/** Without what runs have taken back: what they put there takes with it all that came since it was there before (L3). */
function counting(
  writers: readonly EntityVersion[],
  valueIn: (one: EntityVersion) => Json | undefined,
): EntityVersion[] {
  const left: EntityVersion[] = []
  for (const one of writers) {
    const value = valueIn(one)
    const at = left.findLastIndex((other) => isSame(valueIn(other), value))
    if (one.event.run?.startsWith('revert:') !== true || (at < 0 && value !== undefined)) left.push(one)
    else left.length = at + 1
  }
  return left
}

export function sinceOf(field: string, { version, at, event }: EntityVersion): Since {
  const by = event.by ?? (event.run === undefined ? undefined : `run ${event.run}`)
  const erased = event.erased?.includes(field) === true ? { erased: true as const } : {}
  return { field, version: Math.ceil(version), at: iso(at), ...(by === undefined ? {} : { by }), ...erased }
}

/** What puts it back; why nothing can; undefined where it is as it was. `survivor`: the one that it was merged into, if in question, too. */
export function inverseOf(target: Target, survivor?: Target): Inverse | string | undefined {
  const { head, last, about } = target
  if (head === undefined) return 'it is gone'
  const { mergedInto, archived } = head.record
  const to = about.restore[STANDING] as string | undefined
  if (mergedInto !== undefined && to === undefined) return `it was merged into ${mergedInto} since`
  if (last.event.became === 'merged' && mergedInto === undefined) return 'it is no longer merged into that'
  if (to?.startsWith('merged:') === true && mergedInto === undefined) return 'merge them again, if they are one'
  const fields = differing(head, target)
  if (mergedInto !== undefined) {
    const theirs =
      survivor?.head === undefined ? {} : { survivor: withoutCame(differing(survivor.head, survivor), head) }
    return { standing: 'separate', ...(to === 'archived' ? { archived: true } : {}), ...fields, names: {}, ...theirs }
  }
  const standing =
    to === 'archived' && archived !== true ? 'archived' : to === 'active' && archived === true ? 'restored' : undefined
  if (standing === undefined && isNothing(fields)) return changedSince(target) ?? whyNothing(last)
  return { ...fields, ...(standing === undefined ? {} : { standing }) }
}

function isNothing({ restore, drop, names }: BackTo): boolean {
  const { refs = {}, aliases = [], without = [] } = names
  return [Object.keys(restore), drop, Object.keys(refs), aliases, without].every(({ length }) => length === 0)
}

function whyNothing({ event, changes, about }: EntityVersion): string | undefined {
  if (event.became === 'upgraded') return 'it was only stored as of a newer schema'
  const told = changes.size + about.changes.size > 0 || event.became !== undefined
  return told || !event.what.endsWith('identified') ? undefined : 'its names and identities are changed with identify()'
}

/** What stands in the way, by the names of the fields. */
export function changedSince({ fields, about }: Pick<Target, 'fields' | 'about'>): string | undefined {
  const since = [...fields.since, ...about.since]
  const told = [
    ['changed', since.filter(({ erased }) => erased !== true)] as const,
    ['erased', since.filter(({ erased }) => erased === true)] as const,
  ].flatMap(([how, some]) => (some.length === 0 ? [] : [`${how} since: ${some.map(({ field }) => field).join(', ')}`]))
  return told.length === 0 ? undefined : told.join('; ')
}

/** What the record does not hold already. */
function differing({ record }: Head, { fields, about, versions }: Target): BackTo {
  const restore = Object.entries(fields.restore).filter(([field, value]) => !isSame(record.data[field], value))
  const known = new Set(record.aliases?.map(plainName))
  const refs: [string, string | null][] = []
  const [aliases, without]: string[][] = [[], []]
  for (const [name, value] of [...Object.entries(about.restore), ...about.drop.map((one) => [one, null] as const)]) {
    const [kind, rest] = [name.slice(0, name.indexOf(':')), name.slice(name.indexOf(':') + 1)]
    if (kind === 'ref' && (record.refs?.[rest] ?? null) !== value) refs.push([rest, value as string | null])
    if (kind !== 'name' || known.has(rest) === (value !== null)) continue
    if (value === null) without!.push(rest)
    else aliases!.push(value as string)
  }
  return {
    restore: Object.fromEntries(restore),
    drop: fields.drop.filter((field) => Object.hasOwn(record.data, field)),
    names: {
      ...(refs.length === 0 ? {} : { refs: Object.fromEntries(refs) }),
      ...(aliases!.length === 0 ? {} : { aliases }),
      ...(without!.length === 0 ? {} : { without }),
    },
    undoes: [...versions].sort((a, b) => a - b),
  }
}

/** What came along in a merge goes with it. */
function withoutCame(back: BackTo, { record }: Head): BackTo {
  const { refs = {}, aliases, without = [] } = back.names
  const own = Object.entries(refs).filter(([system]) => record.refs?.[system] === undefined)
  const theirs = new Set(record.aliases?.map(plainName))
  return {
    ...back,
    names: {
      refs: Object.fromEntries(own),
      ...(aliases === undefined ? {} : { aliases }),
      without: without.filter((name) => !theirs.has(name)),
    },
  }
}

/** The systems in which the identity that would come back belongs to another record by now, and the inverse without them. */
export async function withoutTaken(
  env: Environment,
  workspace: string,
  { type, id }: Pick<Target, 'type' | 'id'>,
  inverse: Inverse,
): Promise<{ inverse: Inverse; taken: string[] }> {
  const taken: string[] = []
  for (const [system, ref] of Object.entries(inverse.names.refs ?? {})) {
    const holder = ref === null ? undefined : await holderOfRef(shelfOf(env, workspace), { name: type }, system, ref)
    if (holder !== undefined && holder !== id) taken.push(system)
  }
  if (taken.length === 0) return { inverse, taken }
  const refs = Object.entries(inverse.names.refs!).filter(([system]) => !taken.includes(system))
  const names: Names = { ...inverse.names, refs: Object.fromEntries(refs) }
  return { inverse: { ...inverse, names }, taken }
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b)
}
