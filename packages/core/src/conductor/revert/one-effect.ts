/**
 * OneEffect: what a plan of a single effect says beyond its line: who has built on it since, and what people have changed of what it
 * rests on.
 *
 * O1. The run that asked for it is not taken back with it: what that run did later because of it counts, as that of others does.
 * O2. It is named by the operation that asked for it, within the runs that did; elsewhere by the value that it answered.
 */
import { keyedHash } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import { putsOf } from '../../journal/records.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { historyOf } from '../../memory/history.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import { actionTag, tagsOf } from '../effect/tags.ts'
import type { Environment } from '../environment.ts'
import { effectIn } from './deeds.ts'
import type { Dependent } from './dependents.ts'
import { sinceOf } from './inverse.ts'
import type { EditedSince } from './line.ts'
import { partOf } from './target.ts'

/** The position of its first entry; 0 where the journal of who asked for it is gone: everything may have come since. */
export async function firstEntryOf(env: Environment, workspace: string, { owner }: EffectRecord): Promise<number> {
  const [row] = await env.store.runs(workspace, { ids: [owner.run], limit: 1 })
  const { entries } = row === undefined ? { entries: [] } : await partOf(env, row)
  return entries.find(({ key, kind }) => key === owner.key && kind.startsWith('effect.'))?.position ?? 0
}

type Add = (one: Dependent) => void

/** Sees who has built on it, in the entries from its first one (`since`) on. */
export async function buildingOn(
  env: Environment,
  workspace: string,
  record: EffectRecord,
  since: number,
): Promise<(entry: Placed, add: Add) => void> {
  const named = namedBy(record, await env.company(workspace).key())
  const tags = tagsMoved(env, record)
  let happened = false
  return (entry, add) => {
    happened ||= since === 0 ? entry.at >= (record.settledAt ?? record.openedAt) : isDoneBy(entry, record.id)
    const run = /^run:(.+):\d+$/s.exec(entry.stream)?.[1]
    if (run !== undefined && run !== record.owner.run && happened) reading(env, { entry, run }, { record, tags }, add)
    for (const { kind, id, data } of putsOf(entry)) {
      if (kind === 'effect') restingEffect(data, record, named, add)
      if (kind === 'effect' && happened) agreedRead(env, data, { record, tags }, add)
      if (kind === 'timeline') restingWrite(id, data as unknown as TimelineEvent, record, named, add)
    }
  }
}

function isDoneBy(entry: Placed, effect: string): boolean {
  return entry.kind !== 'effect.opened' && effectIn(entry) === effect
}

type Named = (ref: Json, run: string | undefined) => boolean

/** O2. */
function namedBy({ id, askers, owner, input, output, edited, verdict, setBy }: EffectRecord, secret: string): Named {
  const steps = new Set([owner, ...askers].map(({ run, key }) => canonical([run, key])))
  // As ctx.act and as ctx.effect hand it out.
  const whole = { id, input, output, edited, verdict, deduplicated: false, differs: false, setBy }
  const values = [output, whole].filter((one) => typeof one === 'object' && one !== null)
  const hashes = new Set(values.map((one) => keyedHash(secret, canonicalAround(one))))
  return (ref, run) => {
    const { step, value } = (ref ?? {}) as { step?: string; value?: string }
    if (step !== undefined) return run !== undefined && steps.has(canonical([run, step]))
    return value !== undefined && hashes.has(value)
  }
}

/** What cached reads stand under that its end made stale. Nothing where its action is not known, or cannot tell. */
function tagsMoved(env: Environment, { action: name, input }: EffectRecord): ReadonlySet<string> {
  const action = env.actions.find(name)
  return new Set(tried(() => action?.invalidates?.(fromStored(action.input, canonicalAround(input))))?.map(String))
}

function tried<T>(look: () => Iterable<T> | undefined): T[] | undefined {
  try {
    const found = look()
    return found === undefined ? undefined : [...found]
  } catch {
    return undefined
  }
}

function reading(
  env: Environment,
  { entry, run }: { readonly entry: Placed; readonly run: string },
  { record, tags }: { readonly record: EffectRecord; readonly tags: ReadonlySet<string> },
  add: Add,
): void {
  if (entry.kind === 'read.completed') {
    const { ok } = dataOf(entry as Entry & { kind: 'read.completed' })
    if (!Array.isArray(ok) || !ok.some((one) => isItsLine(one as Partial<TimelineEvent> | null, record))) return
    add({ kind: 'run', id: run, why: `read in a timeline that ${record.action} was done` })
  }
  if (entry.kind !== 'effect.completed') return
  const { judged } = dataOf(entry as Entry & { kind: 'effect.completed' })
  const { action = '', input = null } = (judged ?? {}) as { action?: string; input?: Json }
  if (isStale(env, action, input, tags)) add({ kind: 'run', id: run, why: `read ${action}` })
}

/** A read to which somebody had to agree has a record, as a write has. */
function agreedRead(
  env: Environment,
  data: Json,
  { record, tags }: { readonly record: EffectRecord; readonly tags: ReadonlySet<string> },
  add: Add,
): void {
  const { action, input, state, askers } = data as unknown as EffectRecord
  if (state !== 'done' || !isStale(env, action, input, tags)) return
  for (const { run } of askers) if (run !== record.owner.run) add({ kind: 'run', id: run, why: `read ${action}` })
}

/** Is it a read of what the effect made stale? */
function isStale(env: Environment, name: string, input: Json, tags: ReadonlySet<string>): boolean {
  const action = tags.size === 0 ? undefined : env.actions.find(name)
  return action?.effect === 'read' && standsUnder(action, input, tags)
}

/** The line that its end left in the timelines of what it rests on. */
function isItsLine(line: Partial<TimelineEvent> | null, { owner, action }: EffectRecord): boolean {
  return line?.run === owner.run && line.step === owner.key && line.what === `${action} executed`
}

function standsUnder(action: AnyAction, input: Json, tags: ReadonlySet<string>): boolean {
  const own = tried(() => tagsOf(action, fromStored(action.input, canonicalAround(input)))) ?? [actionTag(action.name)]
  return own.some((tag) => tags.has(tag))
}

function restingEffect(data: Json, record: EffectRecord, isNamed: Named, add: Add): void {
  const { id, action, state, because, owner, compensates } = data as unknown as EffectRecord
  if (id === record.id || compensates !== undefined || (state !== 'open' && state !== 'done')) return
  if (because.some((ref) => isNamed(ref, owner.run)))
    add({ kind: 'effect', id, why: `${action} of run ${owner.run} rests on effect ${record.id}` })
}

function restingWrite(mark: string, event: TimelineEvent, record: EffectRecord, isNamed: Named, add: Add): void {
  const { run, version, because = [] } = event
  if (run === undefined || version === undefined || !because.some((ref) => isNamed(ref, run))) return
  const entity = mark.slice(0, mark.lastIndexOf('/')).replace('/', ' ')
  add({ kind: 'run', id: run, why: `wrote ${entity} at version ${version}, resting on effect ${record.id}` })
}

/** What people have changed since of the entities that it rests on. */
export async function editedSince(
  env: Environment,
  workspace: string,
  { because }: EffectRecord,
): Promise<EditedSince[]> {
  const refs = because.flatMap((one) => {
    const { entity, id, version } = (one ?? {}) as { entity?: string; id?: string; version?: number }
    return entity === undefined || id === undefined || version === undefined ? [] : [{ entity, id, version }]
  })
  const found: EditedSince[] = []
  for (const { entity, id, version: seen } of refs) {
    for (const one of await historyOf(env.store, workspace, entity, id)) {
      const { version, event, changes, about } = one
      if (version <= seen || event.by === undefined || event.run !== undefined) continue
      for (const field of [...changes, ...about.changes].sort())
        found.push({ entity: `${entity}/${id}`, ...sinceOf(field, one) })
    }
  }
  return found
}
