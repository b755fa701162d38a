/** Reads of entities: by id, by index, by what they are called elsewhere. */
import { KeelsonError } from '../base/errors.ts'
import { keyedHash } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import { parseStored } from '../base/json.ts'
import { toStored } from '../base/schema.ts'
import type { Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { MemoryStore, RecordRow } from '../journal/store.ts'
import { erasedRefField, indexValue, notFound, recordId, type AnyEntityType, type EntityRecord } from './entity.ts'
import { erasuresToday } from './entity-fed.ts'
import { labelsIn } from './entity-labels.ts'
import type { ListOptions } from './entity-store.ts'
import { upcastBlank, upcastTo } from '../base/upcast.ts'

/** Where the entities of a workspace are. */
export interface Shelf {
  readonly store: MemoryStore
  readonly workspace: string
  /** Of each type: where the last one stands that this process created. */
  readonly newest: Map<string, number>
  /** The workspace's secret, for what is indexed as a keyed hash. */
  readonly key: () => Promise<string>
  readonly now: () => number
  /** Hears what is handed out is to be taken for. */
  readonly saw?: (labels: Labels) => void
}

/** A record as it stands, with its version. */
export interface Head {
  readonly record: EntityRecord
  readonly version: number
}

const REDIRECTS_MAX = 100

/** The record under this very id, merged away or not. */
export async function headOf(
  shelf: Pick<Shelf, 'store' | 'workspace'>,
  type: { readonly name: string },
  id: string,
): Promise<Head | undefined> {
  const query = { kind: 'entity', ids: [recordId(type.name, id)], limit: 1 }
  const [row] = await shelf.store.records(shelf.workspace, query)
  return row === undefined ? undefined : headFrom(row)
}

/** The record that an id leads to, over merges. Throws `ENTITY_NOT_FOUND`. */
export async function survivorOf(shelf: Shelf, type: { readonly name: string }, id: string): Promise<Head> {
  let at = id
  for (let hops = 0; hops < REDIRECTS_MAX; hops++) {
    const head = await headOf(shelf, type, at)
    if (head === undefined) throw notFound(type, id)
    if (head.record.mergedInto === undefined) return head
    at = head.record.mergedInto
  }
  throw notFound(type, id)
}

function headFrom(row: RecordRow): Head {
  return { record: JSON.parse(row.data) as EntityRecord, version: row.version }
}

/** Data as today's code knows them: those of an older schema are brought up and must fit. */
export function present(type: AnyEntityType, record: EntityRecord): EntityRecord['data'] {
  if (record.schema === type.version) return record.data
  if (record.erased !== undefined) return upcastBlank(type, record.data, record.schema)
  const data = upcastTo(type, record.data, record.schema)
  const what = `${type.name} "${record.id}", brought from version ${record.schema} of its schema,`
  return parseStored(toStored(type.schema, data, 'UPCAST_FAILED', what)) as EntityRecord['data']
}

/** An entity as code gets it. */
export function entityJson(type: AnyEntityType, { record, version }: Head): Json {
  const state = { ...(record.archived === true ? { archived: true } : {}), ...erasedIn(type, record) }
  return { type: type.name, id: record.id, version, data: present(type, record), ...state }
}

function erasedIn(type: AnyEntityType, record: EntityRecord): { erased?: Json } {
  const erased = erasuresToday(type, record)
  if (erased === undefined) return {}
  return { erased: erased.map(({ at, by, fields }) => ({ at: new Date(at).toISOString(), by, fields: [...fields] })) }
}

/** As code gets it, with word of what it is to be taken for. */
export function handedOut({ saw }: Pick<Shelf, 'saw'>, type: AnyEntityType, head: Head): Json {
  saw?.(labelsIn(head.record))
  return entityJson(type, head)
}

export async function getEntity(shelf: Shelf, type: AnyEntityType, id: string): Promise<Json> {
  return handedOut(shelf, type, await survivorOf(shelf, type, id))
}

/** The first whose indexed fields equal `where`, by creation. */
export async function findEntity(shelf: Shelf, type: AnyEntityType, where: object): Promise<Json | undefined> {
  if (wanted(where).length === 0) throw unindexed(type, undefined)
  const { entities } = await listEntities(shelf, type, { where, limit: 1 })
  return entities[0]
}

interface Place {
  readonly sort: number
  readonly id: string
}

/** A page, by creation. */
export async function listEntities(
  shelf: Shelf,
  type: AnyEntityType,
  options: ListOptions<object>,
): Promise<{ entities: Json[]; next?: string }> {
  const limit = Math.min(Math.max(Math.trunc(options.limit ?? 50), 1), 500)
  const order = options.first === 'newest' ? ('descending' as const) : ('ascending' as const)
  const lookups = await lookupsOf(shelf, type, options)
  const rest = wanted(options.where ?? {}).slice(1)
  const found: { at: Place; json: Json }[] = []
  let after = placeOf(options.after)
  for (;;) {
    const page = await pageOf(shelf, lookups, { order, limit: rest.length === 0 ? limit + 1 : 200, after })
    for (const row of page.rows) {
      const head = headFrom(row)
      if (fits(type, head.record, rest))
        found.push({ at: { sort: row.sort, id: row.id }, json: handedOut(shelf, type, head) })
      if (found.length > limit) break
    }
    if (found.length > limit || page.last === undefined) break
    after = page.last
  }
  const entities = found.slice(0, limit).map(({ json }) => json)
  const last = found[limit - 1]
  return found.length > limit && last !== undefined ? { entities, next: textOf(last.at) } : { entities }
}

/** Instants of today are exact to half as much; later than the year 2248 they are not, and the step is what they are exact to. */
const STEP_MS = 1 / 1024

/**
 * Where a new record stands in the order of creation: at its instant, but behind all that this process has created of its type,
 * and all that were there when it created its first.
 */
export async function nextPlace(shelf: Shelf, type: AnyEntityType, at: number): Promise<number> {
  const last = shelf.newest.get(type.name) ?? (await newestOf(shelf, type))
  const place = last === undefined ? at : Math.max(at, last + Math.max(STEP_MS, last * Number.EPSILON))
  shelf.newest.set(type.name, place)
  return place
}

async function newestOf({ store, workspace }: Shelf, type: AnyEntityType): Promise<number | undefined> {
  const where = { field: 'type', value: type.name }
  const query = { kind: 'entity', where, order: 'descending', limit: 1 } as const
  const [newest] = await store.records(workspace, query)
  return newest?.sort
}

type Lookup = { readonly field: string; readonly value: string }

/** Under which index values the page is: one, or those of all ids that lead to a linked entity. */
async function lookupsOf(shelf: Shelf, type: AnyEntityType, options: ListOptions<object>): Promise<Lookup[]> {
  if (options.archived === true) return [{ field: 'archived', value: type.name }]
  const fields = wanted(options.where ?? {})
  for (const [field] of fields) if (!type.index.includes(field)) throw unindexed(type, field)
  const [first] = fields
  if (first === undefined) return [{ field: 'type', value: type.name }]
  const [field, value] = first
  const secret = await shelf.key()
  const link = type.links[field]
  const values = link === undefined || typeof value !== 'string' ? [value] : await idsOf(shelf, link, value)
  return values.map((one) => ({ field: `${type.name}.${field}`, value: indexValue(type, field, one, secret) }))
}

/** An id and all that lead to the same entity. */
async function idsOf(shelf: Shelf, type: { readonly name: string }, id: string): Promise<string[]> {
  const head = await headOf(shelf, type, id)
  if (head === undefined) return [id]
  const { record } = head.record.mergedInto === undefined ? head : await survivorOf(shelf, type, id)
  return [record.id, ...(record.merged ?? [])]
}

/** Rows of several look-ups as one page, in one order. */
async function pageOf(
  shelf: Shelf,
  lookups: readonly Lookup[],
  page: { order: 'ascending' | 'descending'; limit: number; after: Place | undefined },
): Promise<{ rows: RecordRow[]; last: Place | undefined }> {
  const { order, limit, after } = page
  const query = { kind: 'entity', order, limit, ...(after === undefined ? {} : { after }) }
  const lists = await Promise.all(lookups.map((where) => shelf.store.records(shelf.workspace, { ...query, where })))
  const sign = order === 'ascending' ? 1 : -1
  const rows = lists
    .flat()
    .sort((a, b) => sign * (a.sort - b.sort || (a.id < b.id ? -1 : 1)))
    .slice(0, limit)
  const last = rows.at(-1)
  return { rows, last: last === undefined || rows.length < limit ? undefined : { sort: last.sort, id: last.id } }
}

function wanted(where: object): [string, unknown][] {
  return Object.entries(where).filter(([, value]) => value !== undefined)
}

function fits(type: AnyEntityType, record: EntityRecord, where: readonly [string, unknown][]): boolean {
  if (where.length === 0) return true
  const data = present(type, record)
  return where.every(([field, value]) => canonical(data[field] ?? null) === canonical(value))
}

function unindexed(type: AnyEntityType, field: string | undefined): KeelsonError {
  return new KeelsonError(
    'INPUT_INVALID',
    `${type.name} cannot be found by ${field === undefined ? 'nothing' : `"${field}"`}`,
    {
      hint: `Name an indexed field (${type.index.join(', ') || 'none is declared'}); declare it in defineEntity({ index }).`,
    },
  )
}

function textOf({ sort, id }: Place): string {
  return `${sort}:${id}`
}

function placeOf(text: string | undefined): Place | undefined {
  if (text === undefined) return undefined
  const [, sort, id] = /^([^:]*):(.*)$/s.exec(text) ?? []
  if (sort !== undefined && id !== undefined && sort !== '' && Number.isFinite(Number(sort))) {
    return { sort: Number(sort), id }
  }
  throw new KeelsonError('INPUT_INVALID', 'that is no place in a list', { hint: 'Pass the `next` of the page before.' })
}

/** The id of the record of a key. */
export async function idOfKey({ key: secret }: Pick<Shelf, 'key'>, type: string, key: unknown): Promise<string> {
  return `${type}_${keyedHash(await secret(), canonical([type, key])).slice(0, 20)}`
}

export async function entityByKey(shelf: Shelf, type: AnyEntityType, key: unknown): Promise<Json | undefined> {
  if (type.key === undefined)
    throw new KeelsonError('INPUT_INVALID', `${type.name} has no key by which byKey could find it`, {
      hint: 'Declare one: defineEntity({ key: (data) => … }), or use find().',
    })
  const id = await idOfKey(shelf, type.name, key)
  return (await headOf(shelf, type, id)) === undefined ? undefined : getEntity(shelf, type, id)
}

/** The record of an identity outside. */
export function refId(type: string, system: string, ref: string, secret: string): string {
  return `${type}/${system}/${keyedHash(secret, canonical([type, system, ref]))}`
}

/** Whose identity it is; undefined when nobody's. */
export async function holderOfRef(
  shelf: Shelf,
  type: { readonly name: string },
  system: string,
  ref: string,
): Promise<string | undefined> {
  const id = refId(type.name, system, ref, await shelf.key())
  const [row] = await shelf.store.records(shelf.workspace, { kind: 'ref', ids: [id], limit: 1 })
  return row === undefined ? undefined : (JSON.parse(row.data) as { entity: string }).entity
}

/** Ids of records that had this identity until they were erased, the latest made first. */
export async function erasedHolders(
  shelf: Shelf,
  type: { readonly name: string },
  system: string,
  ref: string,
): Promise<string[]> {
  const where = { field: erasedRefField(refId(type.name, system, ref, await shelf.key())), value: '' }
  const rows = await shelf.store.records(shelf.workspace, { kind: 'entity', where, order: 'descending', limit: 500 })
  return rows.map((row) => headFrom(row).record.id)
}

export async function entityByRef(
  shelf: Shelf,
  type: AnyEntityType,
  system: string,
  ref: string,
): Promise<Json | undefined> {
  const holder = await holderOfRef(shelf, type, system, ref)
  return holder === undefined ? undefined : getEntity(shelf, type, holder)
}

/** A name as it is compared: case, spacing and composition do not count. */
export function plainName(name: string): string {
  return name.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim()
}

export function aliasToken(type: string, name: string, secret: string): string {
  return keyedHash(secret, canonical(['alias', type, plainName(name)]))
}

export async function entitiesByAlias(shelf: Shelf, type: AnyEntityType, name: string): Promise<Json[]> {
  const where = { field: 'alias', value: aliasToken(type.name, name, await shelf.key()) }
  const rows = await shelf.store.records(shelf.workspace, { kind: 'alias', where, limit: 500 })
  const heads = await Promise.all(
    rows.map((row) => survivorOf(shelf, type, (JSON.parse(row.data) as { entity: string }).entity)),
  )
  const seen = new Map(heads.map((head) => [head.record.id, head]))
  return [...seen.values()].filter(({ record }) => record.archived !== true).map((head) => handedOut(shelf, type, head))
}
