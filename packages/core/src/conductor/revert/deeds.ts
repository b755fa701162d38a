/** Deeds: what the runs of a target did to the world, to entities and to memory, their children included, each thing once. */
import { canonical } from '../../base/json.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import { putsOf } from '../../journal/records.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Environment } from '../environment.ts'
import { childId, streamOf } from '../start.ts'
import { erasedDeeds } from './erased-deeds.ts'
import { partOf, type Part } from './target.ts'

export interface EntityDeed {
  readonly type: string
  readonly id: string
  readonly versions: ReadonlySet<number>
  /** Position of the last write. */
  readonly at: number
}

export interface Deeds {
  /** Effect → position of its outcome; of an open one, of its beginning. */
  readonly effects: ReadonlyMap<string, number>
  readonly entities: readonly EntityDeed[]
  /** Change set of memory → position of the entry that made or proposed it. */
  readonly sets: ReadonlyMap<string, number>
  /** Memories that those have added. */
  readonly memories: ReadonlySet<string>
  /** All runs that were looked into. */
  readonly runs: ReadonlySet<string>
  /** Of these, the ones that have not ended and may do more. */
  readonly running: readonly string[]
  /** Of these, the ones whose journals, or the parts of them that say when they were of a version, were taken away. */
  readonly pruned: readonly string[]
  /** Position of the first thing done. */
  readonly since: number
}

interface Found {
  readonly effects: Map<string, number>
  readonly entities: Map<string, { versions: Set<number>; at: number }>
  readonly sets: Map<string, number>
  readonly memories: Set<string>
  readonly runs: Set<string>
  readonly running: Set<string>
}

export async function deedsOf(env: Environment, parts: readonly Part[]): Promise<Deeds> {
  const found: Found = {
    ...{ effects: new Map(), entities: new Map(), sets: new Map(), memories: new Set() },
    ...{ runs: new Set(), running: new Set() },
  }
  for (const part of parts) found.runs.add(part.row.id)
  for (const part of parts) await collect(env, part, found)
  const entities = [...found.entities].map(([key, { versions, at }]) => {
    const [type, id] = JSON.parse(key) as [string, string]
    return { type, id, versions, at }
  })
  const positions = parts.flatMap(({ entries, counts }) => entries.filter(counts).map(({ position }) => position))
  const since = positions.reduce((least, position) => Math.min(least, position), Infinity)
  return {
    effects: found.effects,
    entities,
    sets: found.sets,
    memories: found.memories,
    runs: found.runs,
    running: [...found.running].sort(),
    pruned: prunedOf(parts),
    since,
  }
}

function prunedOf(parts: readonly Part[]): string[] {
  const isGone = ({ row, entries, unclear }: Part): boolean =>
    unclear === true || (row.state === 'settled' && entries.length === 0)
  return parts.filter(isGone).map(({ row }) => row.id)
}

async function collect(env: Environment, part: Part, found: Found): Promise<void> {
  const { row, entries, counts } = part
  if (isInShadow(entries)) return
  if (row.state !== 'settled') found.running.add(row.id)
  await erasedDeeds(env.store, part, {
    effect: (id, position) => void found.effects.set(id, position),
    entity: (one, position) => add(found.entities, one, position),
    set: (set, position) => addSet(set, position, found),
  })
  for (const entry of entries) {
    if (!counts(entry)) continue
    if (entry.kind === 'call.opened') await collectChild(env, row, entry, found)
    if (entry.payload === null) continue
    const effect = effectIn(entry)
    if (effect !== undefined) found.effects.set(effect, entry.position)
    if (entry.kind === 'entity.completed') addWrites(entry, found)
    // What is noted of a record is remembered, too.
    if (entry.kind === 'entity.completed' || entry.kind === 'memory.completed') addSets(entry, found)
  }
}

async function collectChild(env: Environment, row: Part['row'], entry: Placed, found: Found): Promise<void> {
  const child = childIn(entry, row.id)
  const [own] = await env.store.runs(row.workspace, { ids: [child], limit: 1 })
  if (own === undefined || found.runs.has(child)) return
  const part = await partOf(env, own)
  if (!isCalledBy(part.entries[0], row.id, entry.key)) return
  found.runs.add(child)
  await collect(env, part, found)
}

/** Its name may be that of a run which was there, and which nobody called. */
function isCalledBy(first: Entry | undefined, run: string, key: string): boolean {
  if (first?.kind !== 'run.started' || first.payload === null) return true
  const { parent } = dataOf(first as Entry & { kind: 'run.started' })
  return parent?.run === run && parent.key === key
}

/** Which run it called; where that was erased, it follows from where it stands. */
function childIn(entry: Placed, run: string): string {
  if (entry.payload !== null) return dataOf(entry as Entry & { kind: 'call.opened' }).child
  return childId(run, Number(entry.stream.slice(streamOf(run, 0).length - 1)), entry.key)
}

/** What a run in shadow did is nowhere to be taken back. */
function isInShadow([first]: readonly Entry[]): boolean {
  if (first?.kind !== 'run.started' || first.payload === null) return false
  return dataOf(first as Entry & { kind: 'run.started' }).shadow !== undefined
}

/** The effect that an entry begins or ends; what merely reads has no record and so no id. */
export function effectIn(entry: Placed): string | undefined {
  if (entry.kind !== 'effect.opened' && entry.kind !== 'effect.sending' && entry.kind !== 'effect.completed')
    return undefined
  const { effect, receipt } = JSON.parse(entry.payload!) as {
    effect?: string
    receipt?: { effect?: string; shadow?: boolean }
  }
  const id = effect ?? receipt?.effect
  return id === '' || receipt?.shadow === true ? undefined : id
}

function add(
  entities: Found['entities'],
  { type, id, version }: { type: string; id: string; version: number },
  position: number,
): void {
  const key = canonical([type, id])
  const before = entities.get(key) ?? { versions: new Set(), at: 0 }
  entities.set(key, { versions: before.versions.add(version), at: Math.max(before.at, position) })
}

/** What an operation answers may be what somebody else wrote: only what it put is its own. */
function addWrites(entry: Placed, { entities }: Found): void {
  for (const one of versionsIn(entry)) add(entities, one, entry.position)
}

function addSets(entry: Placed, found: Found): void {
  for (const put of putsOf(entry))
    if (put.kind === CHANGE_SET_RECORD) addSet(put.data as unknown as ChangeSetRecord, entry.position, found)
}

function addSet({ id, changes }: ChangeSetRecord, position: number, { sets, memories }: Found): void {
  sets.set(id, position)
  for (const change of changes) if (change.did === 'added') memories.add(change.id)
}

/** The versions of entities that an entry made. */
export function versionsIn(entry: Entry): { type: string; id: string; version: number }[] {
  return putsOf(entry).flatMap(({ kind, data, version }) => {
    const { type, id } = (data ?? {}) as { type?: string; id?: string }
    return kind === 'entity' && type !== undefined && id !== undefined ? [{ type, id, version }] : []
  })
}
