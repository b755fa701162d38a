/**
 * Writes of entities: what each verb puts, built from what the store holds, for a run and for an edit from outside alike.
 *
 * N3. A write is one change: the record, its line in the timeline, and what leads to it, in one unit.
 * N4. Nothing is built from what does not fit: schema, key, links, lifecycle and taxonomy are checked against what is there.
 * N5. A write of what is there already writes nothing, and answers the version that is there.
 */
import { KeelsonError } from '../base/errors.ts'
import { aOr } from '../base/known.ts'
import { canonical, canonicalAround, parseStored } from '../base/json.ts'
import { toStored } from '../base/schema.ts'
import { joinLabels, labelNames, NO_LABELS, type Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { Expect, RecordWrite } from '../journal/store.ts'
import { difference, foldChange, NOTHING, SNAPSHOT_EVERY, snapshotRow, timelinePut, versionMark } from './change.ts'
import type { EntityChange, NamesChange, TimelineEvent } from './change.ts'
import {
  conflict,
  entityPut,
  indexedFields,
  recordId,
  type AnyEntityType,
  type EntityRecord,
  type FieldLabels,
} from './entity.ts'
import { erasuresToday, marksToday } from './entity-fed.ts'
import { changesOf, foldedTo, instant } from './entity-history.ts'
import { handedOut, headOf, idOfKey, nextPlace, present, survivorOf, type Head, type Shelf } from './entity-read.ts'
import type { WriteOptions } from './entity-store.ts'
import { labelsFor, mixed, relabelled } from './entity-labels.ts'
import { assertLinks, assertTermsOf, assertTransitions, type Allowed } from './entity-rules.ts'

type Data = EntityRecord['data']

/** Who writes, and why. */
export interface Who {
  readonly by?: string
  readonly run?: string
  readonly step?: string
}

/** A write as it goes into a unit. */
export interface Written {
  readonly puts: readonly Put[]
  /** Rows that no entry puts: snapshots. */
  readonly cached: readonly RecordWrite[]
  /** The entity afterwards. */
  readonly ok: Json
  /** What must still be so for that answer, where nothing is put that says it. */
  readonly expect?: readonly Expect[]
}

/** What all writes of one verb share. */
export interface Writing {
  readonly shelf: Shelf
  readonly type: AnyEntityType
  readonly who: Who
  /** Of a run: whether this very operation was performed before, and taken back. A run that continued begins the same ones anew. */
  readonly isAgain?: () => Promise<boolean>
  readonly options: Omit<WriteOptions, 'because'> & { readonly because?: readonly Json[] }
  /** What a person has agreed to. */
  readonly allowed: Allowed
  /** What all that is written is to be taken for. */
  readonly labels?: Labels
}

/** A new record under `id`, which is free; `archived`: that is in the archive from its first version on. */
export async function createEntity(
  writing: Writing,
  id: string,
  given: unknown,
  { labels, archived = false }: { readonly labels?: FieldLabels | undefined; readonly archived?: boolean } = {},
): Promise<Written> {
  const { type } = writing
  const data = fitted(type, given, `a new ${type.name}`)
  await assertRules(writing, id, undefined, data)
  const state = archived ? ARCHIVED : {}
  return commitChange(writing, undefined, { id, data, what: 'created', named: [], labels, ...state })
}

/** The named fields of a record changed, where that changes anything (N5). */
export async function updateEntity(
  writing: Writing,
  id: string,
  patch: object,
  labels?: FieldLabels,
): Promise<Written> {
  const head = await expected(writing, id)
  const written = await changeEntity(writing, id, patch, 'updated', labels)
  return writing.options.validAt === undefined && isThere(head, written) ? unchanged(writing, head) : written
}

/** Whether what a write puts says nothing new: data, schema, and which labels there are, whoever brought them. */
function isThere({ record }: Head, { puts }: Written): boolean {
  const after = puts.find(({ kind }) => kind === 'entity')!.data as unknown as EntityRecord
  const said = ({ labels, ...rest }: EntityRecord): string =>
    canonicalAround({ ...rest, at: 0, validAt: 0, labels: kindsOf(labels) })
  return said(after) === said(record)
}

function kindsOf(labels: FieldLabels = {}): Json {
  return Object.fromEntries(Object.entries(labels).map(([field, one]) => [field, [...labelNames(one)]]))
}

/** The named fields of a record changed, with its line in the timeline, also where they are as they were. */
export async function changeEntity(
  writing: Writing,
  id: string,
  patch: object,
  what: string,
  labels?: FieldLabels,
): Promise<Written> {
  const { type } = writing
  const head = await expected(writing, id)
  if (head.record.archived === true) throw archived(type, head.record.id)
  const before = present(type, head.record)
  const data = fitted(type, { ...before, ...patch }, `the changed ${type.name}`)
  await assertSameKey(writing, head.record, before, data)
  await assertRules(writing, head.record.id, before, data)
  return commitChange(writing, head, { id: head.record.id, data, what, named: Object.keys(patch), labels })
}

/** A change that puts fields as they were, and takes away those that were not there. */
export async function asBefore(
  writing: Writing,
  head: Head,
  fields: Data,
  drop: readonly string[],
): Promise<Omit<Wanted, 'what'>> {
  const { id } = head.record
  const held = Object.entries(head.record.data).filter(([field]) => !drop.includes(field))
  const data = { ...Object.fromEntries(held), ...fields }
  return { id, data, named: Object.keys(fields), raw: true, labels: await labelsBefore(writing, id, fields) }
}

/** Of values that it had: those of the writes that gave them. */
async function labelsBefore({ shelf, type }: Writing, id: string, fields: Data): Promise<FieldLabels> {
  const found: Record<string, Labels> = {}
  if (Object.keys(fields).length === 0) return found
  for await (const { labels = {}, schema, changed } of changesOf(shelf, type.name, id)) {
    const gave = (changed ?? {}) as Data
    for (const [field, value] of Object.entries(fields)) {
      const isThat = Object.hasOwn(gave, field) ? canonical(gave[field]) === canonical(value) : schema !== type.version
      if (isThat)
        found[field] = joinLabels(
          found[field],
          ...(Object.hasOwn(gave, field) ? [labels[field]] : Object.values(labels)),
        )
    }
  }
  return found
}

/** A record of an older schema stored anew, as of today. */
export async function upgradeEntity(writing: Writing, head: Head): Promise<Written> {
  const data = present(writing.type, head.record)
  return commitChange(writing, head, { id: head.record.id, data, what: 'upgraded', named: [], became: 'upgraded' })
}

export async function archiveEntity(writing: Writing, id: string): Promise<Written> {
  const head = await expected(writing, id)
  if (head.record.archived === true) return unchanged(writing, head)
  return commitChange(writing, head, { ...same(head), what: 'archived', ...ARCHIVED })
}

const ARCHIVED = { became: 'archived', state: { archived: true } } as const

/** The state of the record as it stands, for a change that leaves its data alone. */
export function same(head: Head): { id: string; data: Data; named: readonly string[]; raw: true } {
  return { id: head.record.id, data: head.record.data, named: [], raw: true }
}

export function unchanged({ shelf, type }: Pick<Writing, 'shelf' | 'type'>, head: Head): Written {
  const { record, version } = head
  const expect = [{ record: 'entity', id: recordId(record.type, record.id), version }]
  return { puts: [], cached: [], ok: handedOut(shelf, type, head), expect }
}

/** The record that a write is about. Throws `ENTITY_NOT_FOUND`, `ENTITY_CONFLICT`. */
export async function expected({ shelf, type, options }: Writing, id: string): Promise<Head> {
  const head = await survivorOf(shelf, type, id)
  if (options.expect !== undefined && options.expect !== head.version)
    throw conflict(type, head.record.id, options.expect, head.version)
  return head
}

/** What a change is, beside who made it. */
export interface Wanted {
  readonly id: string
  /** All data afterwards. */
  readonly data: Data
  readonly what: string
  /** Fields that the writer named, changed or not. */
  readonly named: readonly string[]
  readonly became?: TimelineEvent['became']
  readonly into?: string
  readonly undoes?: readonly number[] | undefined
  readonly names?: NamesChange | undefined
  /** Parts of the record beside its data. */
  readonly state?: Partial<EntityRecord>
  /** The data keep the schema that they have. */
  readonly raw?: boolean
  /** Of values that were taken from elsewhere, beside those of the writing. */
  readonly labels?: FieldLabels | undefined
}

/** The unit's part of one change. */
export async function commitChange(writing: Writing, head: Head | undefined, wanted: Wanted): Promise<Written> {
  const { shelf, type, who, options } = writing
  const before = head?.record
  const version = (head?.version ?? 0) + 1
  const at = Math.max(shelf.now(), before?.at ?? 0)
  const validAt = validFrom(options.validAt, at)
  const schema = wanted.raw === true ? before!.schema : type.version
  const base = before === undefined ? {} : wanted.raw === true ? before.data : present(type, before)
  const { changed, dropped } = difference(base, wanted.data, wanted.named)
  const labels = labelsOfChange(writing, Object.keys(changed), wanted.labels)
  const event: Omit<TimelineEvent, 'at'> = {
    what: `${type.name} ${wanted.what}`,
    ...who,
    version,
    schema,
    changed,
    ...(dropped.length === 0 ? {} : { dropped }),
    ...(validAt < at ? { validAt: new Date(validAt).toISOString() } : {}),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.because === undefined || options.because.length === 0 ? {} : { because: options.because }),
    ...(wanted.became === undefined ? {} : { became: wanted.became }),
    ...(wanted.into === undefined ? {} : { into: wanted.into }),
    ...(wanted.undoes === undefined ? {} : { undoes: wanted.undoes }),
    ...(wanted.names === undefined ? {} : { names: wanted.names }),
    ...(labels === undefined ? {} : { labels }),
  }
  const change = { ...event, at: new Date(at).toISOString() } as EntityChange
  const record = await recordAfter(writing, head, { wanted, change, base, at, validAt, schema })
  const puts = [
    entityPut(record, version, await shelf.key()),
    timelinePut(type.name, wanted.id, versionMark(version), at, event),
  ]
  return { puts, cached: await snapshotOf(writing, wanted.id, change), ok: handedOut(shelf, type, { record, version }) }
}

interface Made {
  readonly wanted: Wanted
  readonly change: EntityChange
  /** The data before, as of the schema of the change. */
  readonly base: Data
  readonly at: number
  readonly validAt: number
  readonly schema: number
}

async function recordAfter(writing: Writing, head: Head | undefined, made: Made): Promise<EntityRecord> {
  const { shelf, type } = writing
  const { wanted, change, base, at, validAt, schema } = made
  const { labels: had, erased: gone, ...before } = head?.record ?? {}
  const isUpgraded = head !== undefined && head.record.schema !== schema
  const erased = isUpgraded ? erasuresToday(type, head.record) : gone
  const took = isUpgraded ? marksToday(type, head.record, head.record.took ?? []) : (head?.record.took ?? [])
  const held = head?.record.schema === schema ? had : mixed(type, had, base)
  const changed = Object.keys((change.changed ?? {}) as Data)
  const { dropped = [], labels } = change
  const late = validAt < (head?.record.validAt ?? 0)
  const state = late
    ? await folded(writing, head!, change)
    : { data: wanted.data, labels: relabelled(held, { changed, dropped, labels }) }
  return {
    ...before,
    createdAt: head?.record.createdAt ?? (await nextPlace(shelf, type, at)),
    type: type.name,
    schema,
    id: wanted.id,
    data: state.data,
    indexed: wanted.raw === true ? head!.record.indexed : indexedFields(type),
    at,
    validAt: Math.max(validAt, head?.record.validAt ?? 0),
    ...(took.length === 0 ? {} : { took }),
    ...(erased === undefined ? {} : { erased }),
    ...(state.labels === undefined ? {} : { labels: state.labels }),
    ...wanted.state,
  }
}

function labelsOfChange(
  { type, labels = NO_LABELS }: Writing,
  fields: readonly string[],
  taken: FieldLabels = {},
): FieldLabels | undefined {
  const written = labelsFor(type, fields, labels) ?? {}
  const all = fields.map((field) => [field, joinLabels(written[field], taken[field])] as const)
  return relabelled(undefined, { changed: [], dropped: [], labels: Object.fromEntries(all) })
}

/** What took effect earlier than something else does not always count now. */
async function folded(
  { shelf, type }: Writing,
  head: Head,
  change: EntityChange,
): Promise<{ data: Data; labels?: FieldLabels | undefined }> {
  const state = await foldedTo(shelf, type, head.record.id, head.version)
  return foldChange(type, state, change)
}

/** Every hundredth change leaves a snapshot. */
async function snapshotOf({ shelf, type }: Writing, id: string, change: EntityChange): Promise<RecordWrite[]> {
  if (change.version % SNAPSHOT_EVERY !== 0) return []
  const before = change.version === 1 ? NOTHING : await foldedTo(shelf, type, id, change.version - 1)
  const row = snapshotRow(type.name, id, foldChange(type, before, change))
  const query = { kind: 'snapshot', ids: [row.id], limit: 1 }
  return (await shelf.store.records(shelf.workspace, query)).length > 0 ? [] : [row]
}

function validFrom(given: WriteOptions['validAt'], at: number): number {
  if (given === undefined) return at
  const validAt = instant(given)
  if (validAt <= at) return validAt
  throw new KeelsonError(
    'INPUT_INVALID',
    `a change cannot take effect in the future (${new Date(validAt).toISOString()})`,
    {
      hint: 'Sleep until then in a run, and write it there.',
    },
  )
}

export function fitted(type: AnyEntityType, given: unknown, what: string): Data {
  const text = toStored(type.schema, given, 'INPUT_INVALID', what)
  return parseStored(text) as Data
}

async function assertRules(
  { shelf, type, allowed }: Writing,
  id: string,
  before: Data | undefined,
  data: Data,
): Promise<void> {
  assertTransitions(type, id, before, data, allowed)
  await assertLinks(shelf, type, before, data)
  await assertTermsOf(shelf, type, before, data)
}

/** The id of a record with this business identity; undefined for types without one. */
export async function keyedId(shelf: Shelf, type: AnyEntityType, given: unknown): Promise<string | undefined> {
  if (type.key === undefined) return undefined
  return keyedIdOf(shelf, type, fitted(type, given, `a new ${type.name}`))
}

/** The same of data as they are stored, which may hold blanks that no schema lets in. */
export async function keyedIdOf(shelf: Shelf, type: AnyEntityType, data: Data): Promise<string | undefined> {
  return type.key === undefined ? undefined : idOfKey(shelf, type.name, keyOf(type, data))
}

/** What is other than the record itself had it: of one that was merged away, that much is news for its survivor. */
export function saidAnew(type: AnyEntityType, record: EntityRecord, given: unknown): Data {
  const [before, data] = [present(type, record), fitted(type, given, `the changed ${type.name}`)]
  const { changed } = difference(before, data)
  return changed
}

function keyOf(type: AnyEntityType, data: Data): unknown {
  try {
    return type.key!(data)
  } catch (cause) {
    throw new KeelsonError('INPUT_INVALID', `key() of ${type.name} threw: ${String(cause)}`, { cause })
  }
}

/** One whose key was erased is known by its id, which was made of the key. */
async function assertSameKey(
  { shelf, type }: Writing,
  { id, erased }: EntityRecord,
  before: Data,
  data: Data,
): Promise<void> {
  if (type.key === undefined) return
  if (erased === undefined && canonical(keyOf(type, before)) === canonical(keyOf(type, data))) return
  if (erased !== undefined && (await keyedId(shelf, type, data)) === id) return
  throw new KeelsonError('INPUT_INVALID', `${aOr(type.name)} keeps its key: a patch cannot change it`, {
    hint: 'Create another record and merge this one into it.',
  })
}

/** Throws `ENTITY_EXISTS` when the id is taken, and says by what. */
export async function assertFree(shelf: Shelf, type: AnyEntityType, id: string): Promise<void> {
  const head = await headOf(shelf, type, id)
  if (head === undefined) return
  throw new KeelsonError('ENTITY_EXISTS', `there is ${aOr(type.name)} with this key: "${id}"`, {
    hint: 'Update it, or use upsert().',
    data: { entity: type.name, id },
  })
}

export function archived(type: AnyEntityType, id: string): KeelsonError {
  return new KeelsonError('ENTITY_ARCHIVED', `${type.name} "${id}" is archived`, {
    hint: 'restore() it first.',
    data: { entity: type.name, id },
  })
}
