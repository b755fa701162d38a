/** Entity blanks: what is stored of an entity that is erased, where it is sought, and what is put in its place. */
import { actorText, type Actor } from '../../base/actor.ts'
import { keyedHash } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordRow, RecordWrite } from '../../journal/store.ts'
import { timelinePut, versionMark, type TimelineEvent } from '../../memory/change.ts'
import { entityPut, recordId, type AnyEntityType, type EntityRecord, type Erasure } from '../../memory/entity.ts'
import {
  blanked,
  blankLine,
  erasedFields,
  type Erasable,
  isAllErased,
  ownTexts,
  standingFields,
  unlabelled,
  type Wanted,
} from '../../memory/entity-erased.ts'
import { headOf, refId, type Head } from '../../memory/entity-read.ts'
import { takenId } from '../../memory/entity-took.ts'
import { GONE, without } from '../../memory/gone.ts'
import type { EntityErased } from '../../memory/entity-store.ts'
import type { Desk } from './desk.ts'
import { SHORTEST, sortOf } from './redact.ts'
import { notedOf, notedPuts, standing } from './stands.ts'
import type { Sought, Traces } from './traces.ts'

/** What is erased, of which records, by whom. */
export interface About {
  readonly desk: Desk
  readonly type: AnyEntityType
  readonly ids: readonly string[]
  readonly wanted: Wanted
  readonly by: Actor
  readonly reason: string
  readonly secret: string
}

/** All that is stored of one of the records. */
export interface Stored {
  readonly head: Head
  readonly lines: readonly RecordRow[]
  readonly names: readonly RecordRow[]
  readonly snapshots: readonly RecordRow[]
  /** Where it was still said when it was erased before. */
  readonly noted: readonly RecordRow[]
}

export async function storedOf(desk: Desk, type: AnyEntityType, ids: readonly string[]): Promise<Stored[]> {
  const { env, workspace } = desk
  const all = async (kind: string, where?: { field: string; value: string }): Promise<RecordRow[]> => {
    const rows: RecordRow[] = []
    for await (const row of pagesOf(env.store, workspace, { kind, ...(where === undefined ? {} : { where }) }))
      rows.push(row)
    return rows
  }
  const found: Stored[] = []
  for (const id of ids) {
    const head = await headOf({ store: env.store, workspace }, type, id)
    if (head === undefined) continue
    const value = recordId(type.name, id)
    const aliases = await all('alias', { field: 'type', value: type.name })
    found.push({
      head,
      lines: await all('timeline', { field: 'entity', value }),
      names: [
        ...aliases.filter((row) => row.id.startsWith(`${value}/`)),
        ...(await all('ref', { field: 'entity', value })),
      ],
      snapshots: await all('snapshot', { field: 'entity', value }),
      noted: await notedOf(desk, value),
    })
  }
  return found
}

/** Where its own records, and reads of it, hold what is meant. */
export function soughtOf({ type, ids, wanted }: About): Omit<Sought, 'texts' | 'keys'> {
  const entities = new Set(ids.map((id) => recordId(type.name, id)))
  const isOwn = (kind: string, id: string, data: Json): boolean => {
    if (kind === 'entity') return entities.has(id)
    if (kind === 'ref') return entities.has(`${type.name}/${(data as { entity?: string } | null)?.entity}`)
    return ['timeline', 'snapshot', 'alias'].includes(kind) && [...entities].some((one) => id.startsWith(`${one}/`))
  }
  const holds = ({ kind, id, version, data }: Pick<Put, 'kind' | 'id' | 'version' | 'data'>): boolean => {
    if (kind === 'overlay' && data !== null) return holds({ ...(data as unknown as Overlaid), version })
    if (data === null || !isOwn(kind, id, data)) return false
    if (kind === 'entity') return holdsMore(type, data as unknown as EntityRecord, wanted)
    if (kind === 'timeline') return blankLine(type, data as unknown as TimelineEvent, wanted) !== undefined
    return wanted === 'all'
  }
  const isRead = (payload: string): boolean => {
    if (!ids.some((id) => payload.includes(JSON.stringify(id)))) return false
    return statesIn(JSON.parse(payload) as Json, type.name, ids).some(
      (state) => standingFields(type, state.data, wanted, erasedFields(type, state)).length > 0,
    )
  }
  const none = new Set<string>()
  return { memories: none, sets: none, files: none, entities: { isOwn, holds, isRead } }
}

function holdsMore(type: AnyEntityType, record: EntityRecord, wanted: Wanted): boolean {
  if (wanted === 'all') return !isAllErased(type, record)
  return standingFields(type, record.data, wanted, erasedFields(type, record)).length > 0
}

/** Entities as reads and writes answered them, wherever they stand in an entry. */
function statesIn(value: Json, type: string, ids: readonly string[]): Erasable[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((one: Json) => statesIn(one, type, ids))
  const one = value as { type?: Json; id?: Json; data?: Json; version?: Json }
  const isIt = one.type === type && ids.includes(one.id as string) && typeof one.data === 'object' && one.data !== null
  return [
    ...(isIt ? [one as unknown as Erasable] : []),
    ...Object.values(value).flatMap((part) => statesIn(part, type, ids)),
  ]
}

interface Means {
  readonly texts: readonly string[]
  /** What was said, as it was said. */
  readonly own: readonly string[]
  readonly seen: Traces
  readonly now: number
}

interface Made {
  readonly puts: Put[]
  readonly cached: RecordWrite[]
  readonly erased: EntityErased['erased'][number][]
  readonly isShort: boolean
  /** Something that was noted of it went. */
  readonly isNoted: boolean
}

export function erasedPuts(about: About, all: readonly Stored[], means: Means): Made {
  const { type, wanted } = about
  const made = { puts: [] as Put[], cached: [] as RecordWrite[], erased: [] as Made['erased'][number][] }
  let [isShort, isNoted] = [false, false]
  for (const stored of all) {
    const { head, lines, names, snapshots, noted } = stored
    const id = recordId(type.name, head.record.id)
    const { puts, fields, hash } = headPuts(about, head, lines, means)
    const isErased = puts.length > 0 || head.record.erased !== undefined
    if (isErased) made.puts.push(...notedPuts(id, noted, standing(about.secret, means.own, means.seen)))
    made.puts.push(...puts, ...lines.flatMap((row) => linePut(about, row, means.texts)))
    if (puts.length > 0) made.erased.push({ entity: id, fields, hash })
    if (fields.some((field) => isUnsaid(type, head.record, field))) isShort = true
    if (wanted === 'all' && lines.some(isNote)) isNoted = true
    if (wanted === 'all')
      for (const { kind, id: name, version } of names)
        made.puts.push({ kind, id: name, version: version + 1, data: null })
    if (puts.length > 0)
      for (const row of snapshots) made.cached.push({ ...row, version: row.version + 1, data: null, index: {} })
  }
  return { ...made, isShort, isNoted }
}

/** One that is a memory, too, is looked for as that. */
function isNote(row: RecordRow): boolean {
  const { version, what, memory } = JSON.parse(row.data) as TimelineEvent
  return version === undefined && memory === undefined && what !== GONE
}

function isUnsaid(type: AnyEntityType, { data }: EntityRecord, field: string): boolean {
  const texts = ownTexts(type, data, [field])
  return texts.length === 0 || texts.some((text) => text !== '' && text.length < SHORTEST)
}

/** The record, and the line that says that it was erased; none where nothing is left to erase. */
function headPuts(
  { type, wanted, by, reason, secret }: About,
  { record, version }: Head,
  lines: readonly RecordRow[],
  { now }: Means,
): { puts: Put[]; fields: string[]; hash: string } {
  const events = lines.map((row) => JSON.parse(row.data) as TimelineEvent)
  const past = events.flatMap(({ changed, erased }) =>
    standingFields(type, (changed ?? {}) as EntityRecord['data'], wanted, erased),
  )
  const held = standingFields(type, record.data, wanted, erasedFields(type, record))
  const fields = [...new Set([...held, ...past])].sort()
  const values = Object.fromEntries(held.map((field) => [field, record.data[field]!]))
  const hash = keyedHash(secret, canonical(['erased', values]))
  const isMore =
    holdsMore(type, record, wanted) ||
    past.length > 0 ||
    events.some((event) => blankLine(type, event, wanted) !== undefined)
  if (!isMore) return { puts: [], fields, hash }
  const at = Math.max(now, record.at)
  const next = version + 1
  const gone = {
    at,
    by: actorText(by),
    reason,
    fields,
    hash,
    ...(wanted === 'all' ? { all: true as const } : {}),
    ...refsGone(type, record, { fields, wanted, secret }),
  }
  const data = blanked(type, record.data, held, record.schema)
  const { labels, refs, aliases, ...rest } = record
  const kept = unlabelled(labels, fields)
  const isAway = record.mergedInto !== undefined
  const after: EntityRecord = {
    ...rest,
    data,
    ...{ at, validAt: Math.max(at, record.validAt), erased: [...(record.erased ?? []).map(unplaced), gone] },
    ...(kept === undefined ? {} : { labels: kept }),
    ...(wanted === 'all' ? (isAway ? {} : { archived: true }) : named(refs, aliases)),
  }
  const changed = Object.fromEntries(held.map((field) => [field, data[field]!]))
  const event: Omit<TimelineEvent, 'at'> = {
    ...{
      what: `${type.name} erased`,
      by: actorText(by),
      version: next,
      schema: record.schema,
      changed,
      erased: fields,
    },
    ...(wanted === 'all' && !isAway && record.archived !== true ? { became: 'archived' } : {}),
  }
  return {
    puts: [entityPut(after, next, secret), timelinePut(type.name, record.id, versionMark(next), at, event)],
    ...{ fields, hash },
  }
}

/** By what it is known whose values went: identities that go with all of it, and records that the values were taken from. */
function refsGone(
  type: AnyEntityType,
  { refs = {}, took = [] }: EntityRecord,
  { fields, wanted, secret }: { readonly fields: readonly string[]; readonly wanted: Wanted; readonly secret: string },
): Pick<Erasure, 'refs'> {
  const identities = wanted === 'all' ? Object.entries(refs) : []
  const gone = [
    ...identities.map(([system, ref]) => refId(type.name, system, ref, secret)),
    ...took
      .filter((one) => one.fields.some((field) => fields.includes(field)))
      .map(({ id }) => takenId(type, id, secret)),
  ]
  return gone.length === 0 ? {} : { refs: gone }
}

/** Where it is still said is noted beside it. */
function unplaced({ stands: _, ...erasure }: Erasure): Erasure {
  return erasure
}

function named(refs: EntityRecord['refs'], aliases: EntityRecord['aliases']): Partial<EntityRecord> {
  return { ...(refs === undefined ? {} : { refs }), ...(aliases === undefined ? {} : { aliases }) }
}

function linePut({ type, wanted }: About, row: RecordRow, texts: readonly string[]): Put[] {
  const event = JSON.parse(row.data) as TimelineEvent
  const data = without((blankLine(type, event, wanted) ?? event) as unknown as Json, texts)
  if (canonicalAround(data) === canonicalAround(event)) return []
  return [{ kind: row.kind, id: row.id, version: row.version + 1, data, index: row.index, sort: sortOf(row) }]
}

/** What runs in shadow would have made of it: blank, and no longer found by what it said. */
export async function overlaidPuts(
  about: About,
  sought: Pick<Sought, 'entities'>,
  texts: readonly string[],
): Promise<Put[]> {
  const { desk, type, wanted } = about
  const puts: Put[] = []
  for await (const row of pagesOf(desk.env.store, desk.workspace, { kind: 'overlay' })) {
    const over = JSON.parse(row.data) as Overlaid
    if (!sought.entities!.holds({ kind: 'overlay', id: row.id, version: 1, data: over as unknown as Json })) continue
    const data = without(overlaidData(type, over, wanted), texts)
    const index = Object.entries(row.index).filter(([field]) => !field.includes(`.${type.name}.`))
    const blank = { ...over, data, index: {} } as unknown as Json
    puts.push({
      kind: row.kind,
      id: row.id,
      version: row.version + 1,
      data: blank,
      index: Object.fromEntries(index),
      sort: sortOf(row),
    })
  }
  return puts
}

interface Overlaid {
  readonly kind: string
  readonly id: string
  readonly data: Json
}

function overlaidData(type: AnyEntityType, { kind, data }: Overlaid, wanted: Wanted): Json {
  if (kind === 'timeline') return (blankLine(type, data as unknown as TimelineEvent, wanted) ?? data) as unknown as Json
  if (kind !== 'entity') return null
  const record = data as unknown as EntityRecord
  const fields = standingFields(type, record.data, wanted, erasedFields(type, record))
  const { refs: _, aliases: __, ...rest } = record
  const kept = wanted === 'all' ? rest : record
  return { ...kept, data: blanked(type, record.data, fields, record.schema) } as unknown as Json
}
