/**
 * Change: what happened to an entity, one line each, and its state as the fold of them.
 *
 * H1. Of each field that value counts which took effect last; of two at the same instant, the one recorded last. So the
 *     order of folding does not matter, and what is recorded late finds its place.
 * H2. A snapshot is a fold that was kept. It is no truth: dropped, the same is folded again.
 */
import { canonical, canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { RecordRow, RecordWrite } from '../journal/store.ts'
import { recordId, type AnyEntityType, type FieldLabels } from './entity.ts'
import { mixed, relabelled } from './entity-labels.ts'
import { upcastBlank, upcastTo } from '../base/upcast.ts'

/** Names and identities that an entity got, and those that it lost. */
export interface NamesChange {
  /** null: it no longer has one in this system. */
  readonly refs?: { readonly [system: string]: string | null }
  readonly aliases?: readonly string[]
  /** Names that are no longer its own. */
  readonly without?: readonly string[]
}

/** What happened to an entity. */
export interface TimelineEvent {
  readonly at: string
  readonly what: string
  readonly run?: string
  readonly step?: string
  readonly by?: string
  /** The version that it made, where it changed the record. */
  readonly version?: number
  readonly changed?: Json
  /** Fields that are no longer there. */
  readonly dropped?: readonly string[]
  /** When it took effect in the world, where that is not when it was recorded. */
  readonly validAt?: string
  readonly reason?: string
  /** What it rests on: entities by id and version, steps. */
  readonly because?: readonly Json[]
  /** Fields whose values were erased: blanks stand in their place. */
  readonly erased?: readonly string[]
  readonly became?: 'archived' | 'restored' | 'merged' | 'upgraded'
  /** The entity that it is now one with. */
  readonly into?: string
  /** Versions that it takes back, as far as nobody else's came after them. */
  readonly undoes?: readonly number[]
  /** What it is called since. */
  readonly names?: NamesChange
  /** Version of the schema that `changed` fits. */
  readonly schema?: number
  /** The memory that it is, too: what was noted is found by its words. Lines of earlier releases are none. */
  readonly memory?: string
  /** Whatever else is known about it. */
  readonly data?: Json
  readonly artifacts?: readonly Json[]
  /** What the changed fields, or the data, are to be taken for. */
  readonly labels?: FieldLabels
}

/** A change as its line keeps it. */
export interface EntityChange extends TimelineEvent {
  readonly version: number
}

/** How often a fold is kept. */
export const SNAPSHOT_EVERY = 100

/** A place in an entity's line of versions that sorts like the versions. */
export function versionMark(version: number): string {
  return `v${String(version).padStart(10, '0')}`
}

export function changeId(type: string, id: string, version: number): string {
  return `${recordId(type, id)}/${versionMark(version)}`
}

/** Under which the first lines of a type's records stand: no older shape is in their histories than that of the first. */
export function firstOf(type: string, schema = 1): string {
  return `${type}@${schema}`
}

/** A line in an entity's timeline. `mark` tells it from the others. */
export function timelinePut(type: string, id: string, mark: string, at: number, event: Omit<TimelineEvent, 'at'>): Put {
  const entity = recordId(type, id)
  const late = event.validAt !== undefined && Date.parse(event.validAt) < at
  return {
    kind: 'timeline',
    id: `${entity}/${mark}`,
    version: 1,
    data: { ...event, at: new Date(at).toISOString() } as unknown as Json,
    index: {
      entity,
      ...(event.version === undefined ? {} : { change: entity }),
      ...(event.version === 1 ? { first: firstOf(type, event.schema) } : {}),
      ...(late ? { late: entity } : {}),
      ...(event.run === undefined ? {} : { run: event.run }),
    },
    sort: at,
  }
}

/** An entity's state as the fold of some of its changes. */
export interface Folded {
  readonly schema: number
  readonly data: { readonly [field: string]: Json }
  /** Per field, dropped ones too: when its value took effect, and the version that brought it. */
  readonly since: { readonly [field: string]: readonly [validAt: number, version: number] }
  /** The last change in it, and when that was recorded. */
  readonly version: number
  readonly at: number
  readonly archived: boolean
  readonly into?: string
  readonly labels?: FieldLabels
  /** Blanks stand in it. */
  readonly erased?: true
}

export const NOTHING: Folded = { schema: 0, data: {}, since: {}, version: 0, at: 0, archived: false }

/** `state` with `change` in its place (H1). */
export function foldChange(type: AnyEntityType, state: Folded, change: EntityChange): Folded {
  return foldChanges(type, state, [change])
}

type Open = { -readonly [K in keyof Folded]: Folded[K] } & {
  data: Record<string, Json>
  since: Record<string, readonly [number, number]>
}

/** `state` with all of `changes` in their places. */
export function foldChanges(type: AnyEntityType, state: Folded, changes: readonly EntityChange[]): Folded {
  const open: Open = { ...state, data: { ...state.data }, since: { ...state.since } }
  for (const change of changes) take(type, open, change)
  return open
}

function take(type: AnyEntityType, open: Open, change: EntityChange): void {
  const at = Date.parse(change.at)
  const validAt = change.validAt === undefined ? at : Date.parse(change.validAt)
  const schema = Math.max(open.schema, change.schema ?? 1)
  if (open.schema !== 0 && open.schema !== schema) {
    const upcast = open.erased === true ? upcastBlank : upcastTo
    open.data = { ...upcast(type, open.data, open.schema, schema) }
    relabel(open, mixed(type, open.labels, open.data))
  }
  const wins = (field: string): boolean => {
    const held = open.since[field]
    if (held !== undefined && (held[0] > validAt || (held[0] === validAt && held[1] > change.version))) return false
    open.since[field] = [validAt, change.version]
    return true
  }
  const changed = (change.changed ?? {}) as Record<string, Json>
  const won = Object.keys(changed).filter(wins)
  const lost = (change.dropped ?? []).filter(wins)
  for (const field of won) open.data[field] = changed[field]!
  for (const field of lost) delete open.data[field]
  const own = Object.entries(change.labels ?? {}).filter(([field]) => won.includes(field))
  relabel(open, relabelled(open.labels, { changed: won, dropped: lost, labels: Object.fromEntries(own) }))
  if (change.erased !== undefined) open.erased = true
  const became = change.version > open.version ? change.became : undefined
  if (became === 'archived') open.archived = true
  if (became === 'restored') open.archived = false
  // What stands by itself, in the archive too, is merged no more.
  if (became === 'restored' || became === 'archived') delete open.into
  else if (change.into !== undefined) open.into = change.into
  open.schema = schema
  open.version = Math.max(change.version, open.version)
  open.at = Math.max(at, open.at)
}

function relabel(open: Open, labels: FieldLabels | undefined): void {
  if (labels === undefined) delete open.labels
  else open.labels = labels
}

/** `state` as a row that no entry puts: a cache. */
export function snapshotRow(type: string, id: string, state: Folded): RecordWrite {
  const entity = recordId(type, id)
  return {
    kind: 'snapshot',
    id: changeId(type, id, state.version),
    version: 1,
    data: canonicalAround(state),
    index: { entity },
    sort: state.at,
  }
}

export function changeOf(row: RecordRow): EntityChange {
  return JSON.parse(row.data) as EntityChange
}

/** What a write made of the fields: those that are other than before, and those that the writer named, changed or not. */
export function difference(
  before: { readonly [field: string]: Json },
  after: { readonly [field: string]: Json },
  named: readonly string[] = [],
): { changed: { [field: string]: Json }; dropped: string[] } {
  const fields = Object.keys(after).filter(
    (field) =>
      named.includes(field) || !Object.hasOwn(before, field) || canonical(before[field]) !== canonical(after[field]),
  )
  return {
    changed: Object.fromEntries(fields.map((field) => [field, after[field]!])),
    dropped: [...new Set([...Object.keys(before), ...named])].filter((field) => !Object.hasOwn(after, field)),
  }
}
