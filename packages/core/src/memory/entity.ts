/** Entity: a canonical business record: its type, its value, and the record that keeps it. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { keyedHash, sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import { aOr, assertKnown, named, namesOf, noSuch } from '../base/known.ts'
import { assertPlain } from '../base/schema.ts'
import type { Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import { zod } from '../base/zod.ts'
import type { Put } from '../journal/put.ts'
import { assertFields } from './entity-given.ts'
import type { Place } from './unit.ts'
import { lifecycleOf, type AnyLifecycle, type Lifecycle } from './lifecycle.ts'
import type { TaxonomyName } from '../base/taxonomy.ts'
import { upcastersOf, type Upcast, type Versioned } from '../base/upcast.ts'

/** A kind of business record. */
export interface EntityType<T> {
  readonly name: string
  readonly '~t'?: T
}

/** One record at one version. */
export interface Entity<T> {
  readonly id: string
  readonly version: number
  readonly data: T
  /** It was archived: `find` and `list` leave it out. */
  readonly archived?: boolean
  /** What of it was erased: blanks stand there. */
  readonly erased?: readonly { readonly at: string; readonly by: string; readonly fields: readonly string[] }[]
}

export interface AnyEntityType extends Versioned {
  readonly schema: z.ZodType
  /** Fields by which it is found: declared ones, and links. */
  readonly index: readonly string[]
  readonly private: ReadonlySet<string>
  readonly links: { readonly [field: string]: { readonly name: string } }
  readonly key: ((data: unknown) => unknown) | undefined
  readonly lifecycles: { readonly [field: string]: AnyLifecycle }
  readonly taxonomy: { readonly [field: string]: TaxonomyName }
  readonly owner: 'anyone' | 'operator'
}

/** What `key` of an entity type says of its data: one value, or several that are it together. */
export type EntityKey = string | number | readonly (string | number)[]

type Field<S extends z.ZodType> = keyof z.output<S> & string

export interface EntityDefinition<S extends z.ZodType> {
  /** Letters, digits, "-" and "_". */
  readonly name: string
  /** Of the schema. Raise it with each change of the stored shape, and add an upcaster. */
  readonly version: number
  /** The shape of its data: an object that is stored as JSON. */
  readonly schema: S
  /** Fields by which `find`, `list` and policy look-ups reach it. */
  readonly index?: readonly Field<S>[]
  /** Fields that hold private data: indexed as keyed hashes only. */
  readonly private?: readonly Field<S>[]
  /** For each version from the second on: how data of the version before become its data. */
  readonly upcast?: { readonly [version: number]: Upcast }
  /** Fields that hold the id of another entity (or a list of ids). What they name must exist; they are indexed. */
  readonly links?: { readonly [K in Field<S>]?: EntityType<any> }
  /** The business identity: a second record of the same key is refused, and `upsert` finds it. */
  readonly key?: (data: z.output<S>) => EntityKey
  /** Fields that are state machines. */
  readonly lifecycle?: { readonly [K in Field<S>]?: Lifecycle<Extract<z.output<S>[K], string>> }
  /** Fields whose values are terms of the workspace's taxonomy. */
  readonly taxonomy?: { readonly [K in Field<S>]?: TaxonomyName }
  /** 'operator': a run that writes it asks a person first. Default 'anyone'. */
  readonly owner?: 'anyone' | 'operator'
}

const ENTITY = namesOf<EntityDefinition<z.ZodType>>({
  ...{ name: true, version: true, schema: true, index: true, private: true, upcast: true, links: true, key: true },
  ...{ lifecycle: true, taxonomy: true, owner: true },
})

const definitions = new WeakMap<object, AnyEntityType>()

/** Defines an entity. Throws `DEFINITION_INVALID` for what could not be stored or found again. */
export function defineEntity<S extends z.ZodType>(definition: EntityDefinition<S>): EntityType<z.output<S>> {
  assertKnown(`entity ${named((definition as { name?: unknown } | undefined)?.name)}`, definition, ENTITY)
  const { name } = definition
  if (!/^[a-z][\w-]*$/i.test(name)) throw invalid(name, 'has no proper name', 'Use letters, digits, "-" and "_".')
  assertPlain(definition.schema, `the schema of entity ${name}`)
  assertFields(definition)
  return registerEntity(() => definition.schema, definition)
}

/** An entity whose definition was checked. Its schema is asked for when it is needed: Keelson's own need zod to be loaded. */
export function registerEntity<S extends z.ZodType>(
  schema: () => S,
  definition: Omit<EntityDefinition<S>, 'schema'>,
): EntityType<z.output<S>> {
  const { name, version } = definition
  const links = (definition.links ?? {}) as Record<string, { name: string }>
  const lifecycles = Object.entries(definition.lifecycle ?? {}).map(([field, flow]) => [
    field,
    lifecycleOf(flow as { name?: string }),
  ])
  const made = Object.freeze({ name, version })
  definitions.set(made, {
    ...made,
    get schema() {
      return schema()
    },
    index: [...new Set([...(definition.index ?? []), ...Object.keys(links)])],
    private: new Set(definition.private ?? []),
    upcast: upcastersOf(`entity "${name}"`, definition),
    links,
    key: definition.key as ((data: unknown) => unknown) | undefined,
    lifecycles: Object.fromEntries(lifecycles) as Record<string, AnyLifecycle>,
    taxonomy: (definition.taxonomy ?? {}) as Record<string, TaxonomyName>,
    owner: definition.owner ?? 'anyone',
  })
  return made
}

function invalid(name: string, what: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', `entity "${name}" ${what}`, { hint })
}

export function entityTypeOf(type: { readonly name: string }): AnyEntityType {
  const found = definitions.get(type)
  if (found !== undefined) return found
  throw noSuch('DEFINITION_INVALID', type, 'an entity type', 'defineEntity()')
}

/** Stands for a type whose definition is not known: its data are what they are. */
export function bareType(name: string, version: number): AnyEntityType {
  const upcast = new Map<number, Upcast>()
  for (let to = 2; to <= version; to++) upcast.set(to, (data) => data)
  const none = { links: {}, lifecycles: {}, taxonomy: {}, key: undefined, owner: 'anyone' as const }
  return { name, version, schema: zod().unknown(), index: [], private: new Set(), upcast, ...none }
}

/** What fields are to be taken for; only those that have any label. */
export type FieldLabels = { readonly [field: string]: Labels }

/** An entity as its record keeps it. Instants are milliseconds. */
export interface EntityRecord {
  readonly type: string
  /** The version of the schema that `data` fit. */
  readonly schema: number
  readonly id: string
  readonly data: { readonly [field: string]: Json }
  /** Indexed fields, and which of them are hashed under the workspace's key. */
  readonly indexed: { readonly [field: string]: 'plain' | 'private' }
  /** Also its place in the order of creation: those of one instant stand apart by parts of a millisecond. */
  readonly createdAt: number
  /** When it was last changed: never earlier than the change before. */
  readonly at: number
  /** The latest instant at which a change of it took effect in the world. */
  readonly validAt: number
  readonly archived?: boolean
  /** It is now one with this entity, under the other's id. */
  readonly mergedInto?: string
  /** Ids that now lead here. */
  readonly merged?: readonly string[]
  readonly refs?: { readonly [system: string]: string }
  readonly aliases?: readonly string[]
  /** What of it was erased, oldest first. */
  readonly erased?: readonly Erasure[]
  /** Which of its fields were ever taken from which other records, by merges of records and of bundles. */
  readonly took?: readonly Took[]
  /** What its fields are to be taken for, where they were written from something labelled. */
  readonly labels?: FieldLabels
}

/** Values of another record, here or in another company: what is erased of that one is erased of these. */
export interface Took {
  readonly id: string
  readonly fields: readonly string[]
}

/** An erasure, as the record keeps it. */
export interface Erasure {
  readonly at: number
  readonly by: string
  readonly reason: string
  readonly fields: readonly string[]
  /** Keyed, of the values that went: by it one can be recognised that somebody still has. */
  readonly hash: string
  /** All that it held. */
  readonly all?: true
  /**
   * Keyed, of the identities outside that it had until then, and of the records that it took what was erased from: a bundle that
   * still has one is about this very record.
   */
  readonly refs?: readonly string[]
  /** Where it was still said, as earlier releases noted it; now each place is a record of its own. */
  readonly stands?: readonly Place[]
}

export function recordId(type: string, id: string): string {
  return `${type}/${id}`
}

/** Type and id of a record, or of a subject that is one; undefined for other subjects. Ids may hold a slash, types do not. */
export function partsOf(record: string): { type: string; id: string } | undefined {
  const slash = record.indexOf('/')
  return slash > 0 ? { type: record.slice(0, slash), id: record.slice(slash + 1) } : undefined
}

/** The index value of a field: its canonical text, keyed where it is private, hashed where it is long. */
export function indexValue(
  type: { readonly name: string; readonly private: ReadonlySet<string> },
  field: string,
  value: unknown,
  key: string,
): string {
  const text = canonical(value ?? null)
  if (type.private.has(field)) return keyedHash(key, `${type.name}.${field}=${text}`)
  return text.length > 200 ? sha256(text) : text
}

/** How the fields of a type are indexed, as its records remember it. */
export function indexedFields(type: AnyEntityType): EntityRecord['indexed'] {
  return Object.fromEntries(type.index.map((field) => [field, type.private.has(field) ? 'private' : 'plain']))
}

/** The entity's record with its index, as far as the record itself says what is indexed. In order of creation. */
export function entityPut(record: EntityRecord, version: number, key: string): Put {
  const { type, id, schema, indexed, createdAt } = record
  const state = record.mergedInto !== undefined ? 'merged' : record.archived === true ? 'archived' : 'type'
  const index: Record<string, string> = { [state]: type, schema: `${type}@${schema}` }
  if (state === 'type') {
    const names = new Set(Object.keys(indexed).filter((field) => indexed[field] === 'private'))
    for (const field of Object.keys(indexed))
      index[`${type}.${field}`] = indexValue({ name: type, private: names }, field, record.data[field], key)
  }
  for (const ref of (record.erased ?? []).flatMap(({ refs = [] }) => refs)) index[erasedRefField(ref)] = ''
  return {
    kind: 'entity',
    id: recordId(type, id),
    version,
    data: record as unknown as Json,
    index,
    sort: createdAt,
  }
}

/** Names an identity that was erased in the index of the records that had it. */
export function erasedRefField(ref: string): string {
  return `erased:${ref}`
}

const BY_ID =
  'It takes the id of a record: byKey(), byRef() and find() look one up by what else is known of it, list() has them all.'

export function notFound(type: { readonly name: string }, id: string, hint = BY_ID): KeelsonError {
  if (typeof id !== 'string')
    return new KeelsonError('INPUT_INVALID', `${aOr(type.name)} is named by its id, not by ${named(id)}`, {
      hint: 'Pass the .id of the record.',
    })
  return new KeelsonError('ENTITY_NOT_FOUND', `there is no ${type.name} "${id}"`, {
    hint,
    data: { entity: type.name, id },
  })
}

export function conflict(type: { readonly name: string }, id: string, expected: number, found: number): KeelsonError {
  return new KeelsonError('ENTITY_CONFLICT', `${type.name} "${id}" has version ${found}, not ${expected}`, {
    hint: 'Somebody changed it meanwhile: read it again and decide, or update without expect.',
    data: { entity: type.name, id, expected, found },
  })
}
