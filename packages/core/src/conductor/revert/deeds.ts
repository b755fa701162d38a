/** Deeds: what the runs of a target did to the world, to entities and to memory, their children included, each thing once. */
import { canonical } from '../../base/json.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import { putsOf } from '../../journal/records.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Environment } from '../environment.ts'
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
  /** Of these, the ones whose journals were taken away. */
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
  return parts.filter(({ row, entries }) => row.state === 'settled' && entries.length === 0).map(({ row }) => row.id)
}

async function collect(env: Environment, { row, entries, counts }: Part, found: Found): Promise<void> {
  if (isInShadow(entries)) return
  if (row.state !== 'settled') found.running.add(row.id)
  const erased = entries.filter((entry) => entry.kind === 'entity.completed' && entry.payload === null && counts(entry))
  if (erased.length > 0) await addErased(env, row, erased, found)
  for (const entry of entries) {
    if (entry.payload === null || !counts(entry)) continue
    const effect = effectIn(entry)
    if (effect !== undefined) found.effects.set(effect, entry.position)
    if (entry.kind === 'entity.completed') addWrites(entry, found)
    if (entry.kind === 'memory.completed') addSets(entry, found)
    if (entry.kind !== 'call.opened') continue
    const { child } = dataOf(entry as Entry & { kind: 'call.opened' })
    const [own] = await env.store.runs(row.workspace, { ids: [child], limit: 1 })
    if (own === undefined || found.runs.has(child)) continue
    found.runs.add(child)
    await collect(env, await partOf(env, own), found)
  }
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

/** What the entries of an erasure do not say any more, the lines of the entities do: which versions the run made, under which key. */
async function addErased(
  { store }: Environment,
  { workspace, id }: Part['row'],
  erased: readonly Placed[],
  { entities }: Found,
): Promise<void> {
  for await (const row of pagesOf(store, workspace, { kind: 'timeline', where: { field: 'run', value: id } })) {
    const { step, version } = JSON.parse(row.data) as TimelineEvent
    const entry = erased.find(({ key }) => key === step)
    if (entry === undefined || version === undefined) continue
    const entity = row.id.slice(0, row.id.lastIndexOf('/'))
    const slash = entity.indexOf('/')
    add(entities, { type: entity.slice(0, slash), id: entity.slice(slash + 1), version }, entry.position)
  }
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

function addSets(entry: Placed, { sets, memories }: Found): void {
  for (const put of putsOf(entry)) {
    if (put.kind !== CHANGE_SET_RECORD) continue
    sets.set(put.id, entry.position)
    const { changes } = put.data as unknown as ChangeSetRecord
    for (const { did, id } of changes) if (did === 'added') memories.add(id)
  }
}

/** The versions of entities that an entry made. */
export function versionsIn(entry: Entry): { type: string; id: string; version: number }[] {
  return putsOf(entry).flatMap(({ kind, data, version }) => {
    const { type, id } = (data ?? {}) as { type?: string; id?: string }
    return kind === 'entity' && type !== undefined && id !== undefined ? [{ type, id, version }] : []
  })
}
