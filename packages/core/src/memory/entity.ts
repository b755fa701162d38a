/** Entity: a canonical business record, typed and versioned, written together with the journal entry that caused it. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { keyedHash, sha256 } from '../base/hash.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { assertPlain } from '../base/schema.ts'
import type { Put } from '../journal/put.ts'

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
}

/** What happened to an entity. */
export interface TimelineEvent {
  readonly at: string
  readonly what: string
  readonly run?: string
  readonly step?: string
  readonly by?: string
  readonly version?: number
  readonly changed?: Json
  /** Fields that are no longer there. */
  readonly dropped?: readonly string[]
}

export interface EntityStore<T> {
  /** A new record. Throws `INPUT_INVALID` when the data do not fit the schema. */
  create(data: T): Promise<Entity<T>>
  /** Throws `ENTITY_NOT_FOUND`. */
  get(id: string): Promise<Entity<T>>
  /** The first record whose declared index fields equal `where`. */
  find(where: Partial<T>): Promise<Entity<T> | undefined>
  /** Changes the named fields. With `expect`, throws `ENTITY_CONFLICT` if the record has another version. */
  update(id: string, patch: Partial<T>, options?: { expect?: number }): Promise<Entity<T>>
  /** What happened to the record, oldest first. */
  timeline(id: string): Promise<readonly TimelineEvent[]>
}

export interface AnyEntityType {
  readonly name: string
  readonly version: number
  readonly schema: z.ZodType
  readonly index: readonly string[]
  readonly personal: ReadonlySet<string>
}

const definitions = new WeakMap<object, AnyEntityType>()

/**
 * Defines an entity. `index` names the fields by which `find` and policy look-ups reach it; those also named in
 * `personal` are indexed as keyed hashes.
 */
export function defineEntity<S extends z.ZodType>(definition: {
  readonly name: string
  readonly version: number
  readonly schema: S
  readonly index?: readonly (keyof z.output<S> & string)[]
  readonly personal?: readonly (keyof z.output<S> & string)[]
}): EntityType<z.output<S>> {
  if (!/^[a-z][\w-]*$/i.test(definition.name)) {
    throw new KeelsonError('DEFINITION_INVALID', `"${definition.name}" is not a name for an entity`, {
      hint: 'Use letters, digits, "-" and "_".',
    })
  }
  assertPlain(definition.schema, `the schema of entity ${definition.name}`)
  const made = Object.freeze({ name: definition.name, version: definition.version })
  definitions.set(made, {
    ...made,
    schema: definition.schema,
    index: definition.index ?? [],
    personal: new Set(definition.personal ?? []),
  })
  return made
}

export function entityTypeOf(type: { readonly name: string }): AnyEntityType {
  const found = definitions.get(type)
  if (found !== undefined) return found
  throw new KeelsonError('DEFINITION_INVALID', `"${type.name}" is not an entity type`, {
    hint: 'Pass what defineEntity() returned.',
  })
}

/** An entity as its record keeps it. */
export interface EntityRecord {
  readonly type: string
  readonly schema: number
  readonly id: string
  readonly data: Json
  /** Indexed fields, and which of them are hashed under the workspace's key. */
  readonly indexed: { readonly [field: string]: 'plain' | 'personal' }
}

export function recordId(type: string, id: string): string {
  return `${type}/${id}`
}

/** The index value of a field: its canonical text, keyed where it is personal, hashed where it is long. */
export function indexValue(
  type: Pick<AnyEntityType, 'name' | 'personal'>,
  field: string,
  value: unknown,
  key: string,
): string {
  const text = canonical(value ?? null)
  if (type.personal.has(field)) return keyedHash(key, `${type.name}.${field}=${text}`)
  return text.length > 200 ? sha256(text) : text
}

/** What a write of an entity puts: the record and its line in the timeline. */
export function entityPuts(
  type: AnyEntityType,
  change: {
    id: string
    version: number
    data: Json
    changed: Json
    key: string
    event: Omit<TimelineEvent, 'at'>
    at: number
  },
): Put[] {
  const indexed = Object.fromEntries(
    type.index.map((field) => [field, type.personal.has(field) ? ('personal' as const) : ('plain' as const)]),
  )
  const record: EntityRecord = { type: type.name, schema: type.version, id: change.id, data: change.data, indexed }
  return [
    entityPut(record, change.version, change.key),
    timelinePut(type.name, change.id, `v${change.version}`, change.at, {
      ...change.event,
      version: change.version,
      changed: change.changed,
    }),
  ]
}

/** The entity's record with its index, as far as the record itself says what is indexed. */
export function entityPut(record: EntityRecord, version: number, key: string): Put {
  const index: Record<string, string> = { type: record.type }
  const personal = new Set(Object.keys(record.indexed).filter((field) => record.indexed[field] === 'personal'))
  for (const field of Object.keys(record.indexed)) {
    const value = (record.data as Record<string, unknown>)[field]
    index[`${record.type}.${field}`] = indexValue({ name: record.type, personal }, field, value, key)
  }
  return { kind: 'entity', id: recordId(record.type, record.id), version, data: record as unknown as Json, index }
}

/** A line in an entity's timeline. `mark` tells it from the others. */
export function timelinePut(type: string, id: string, mark: string, at: number, event: Omit<TimelineEvent, 'at'>): Put {
  return {
    kind: 'timeline',
    id: `${recordId(type, id)}/${mark}`,
    version: 1,
    data: { at: new Date(at).toISOString(), ...event },
    index: { entity: recordId(type, id) },
    sort: at,
  }
}
