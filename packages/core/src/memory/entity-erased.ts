/**
 * Erased: what stands in the place of an entity's values that were erased, in its record and in each line of its history.
 *
 * Z1. A blank has the shape of what it stands for, and fits the schema where that can be, so that folds, upcasters and readers go on.
 * Z2. The state of a lifecycle is a word of the definition, and stays. All else that a line says of a field goes.
 */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { assertKnown } from '../base/known.ts'
import type { Json } from '../base/value.ts'
import { isMuteField } from '../base/wording.ts'
import { isArtifactRef, type ArtifactRef } from './artifact.ts'
import type { TimelineEvent } from './change.ts'
import type { AnyEntityType, EntityRecord, FieldLabels } from './entity.ts'
import { GONE } from './gone.ts'

type Data = { readonly [field: string]: Json }

/** Which values are meant: of these fields, or everything that it holds. */
export type Wanted = readonly string[] | 'all'

/** Throws `INPUT_INVALID` for what is no field of it, or holds no text. */
export function wantedOf(type: AnyEntityType, fields: readonly string[] | undefined, data: Data): Wanted {
  if (fields === undefined) return 'all'
  const shape = shapeOf(type)
  const known = new Set([...Object.keys(shape ?? {}), ...Object.keys(data)])
  for (const field of fields) {
    const why = !known.has(field)
      ? `${type.name} has no field "${field}"`
      : Object.hasOwn(type.lifecycles, field)
        ? `"${field}" of ${type.name} is the state of a lifecycle, and says nothing of anybody`
        : undefined
    if (why !== undefined)
      throw new KeelsonError('INPUT_INVALID', why, { hint: 'Name fields that hold what is to go.' })
  }
  return [...new Set(fields)].sort()
}

/** Throws `INPUT_INVALID`: for what it does not take, and for memory that would go with some fields. */
export function assertErasing(options: { readonly [option: string]: unknown }): void {
  assertKnown('erase', options, ['fields', 'reason', ...FLAGS], 'INPUT_INVALID')
  for (const flag of FLAGS)
    if (!['boolean', 'undefined'].includes(typeof options[flag]))
      throw new KeelsonError('INPUT_INVALID', `erase: "${flag}" is neither true nor false`, {
        hint: `Pass { ${flag}: true }, or leave it out.`,
      })
  if (options['memory'] === true && options['fields'] !== undefined)
    throw new KeelsonError('INPUT_INVALID', 'erase: "memory" goes with all that a record holds, not with some fields', {
      hint: 'Leave "fields" out to erase all of it, or take memories by memory.erase({ ids }).',
    })
}

const FLAGS = ['memory', 'keepEffects', 'files']

export function isWanted(type: AnyEntityType, wanted: Wanted, field: string): boolean {
  return wanted === 'all' ? !Object.hasOwn(type.lifecycles, field) : wanted.includes(field)
}

/** Those of `data` that are meant and were not erased yet. */
export function standingFields(
  type: AnyEntityType,
  data: Data,
  wanted: Wanted,
  erased: readonly string[] | undefined,
): string[] {
  return Object.keys(data).filter((field) => isWanted(type, wanted, field) && erased?.includes(field) !== true)
}

/** The fields of a record whose values went, and that were given no other since. */
export function erasedFields(type: AnyEntityType, { erased = [], data, schema = type.version }: Erasable): string[] {
  const fields = [...new Set(erased.flatMap((one) => one.fields))].filter((field) => Object.hasOwn(data, field))
  const blanks = blanked(type, data, fields, schema)
  return fields.filter((field) => canonical(blanks[field]) === canonical(data[field]))
}

/** An entity as it is stored, or as it is handed out. */
export interface Erasable {
  readonly data: Data
  readonly schema?: number
  readonly erased?: readonly { readonly fields: readonly string[] }[]
}

/** Is nothing left of it to erase? */
export function isAllErased(type: AnyEntityType, record: EntityRecord): boolean {
  const { data, refs = {}, aliases = [], erased = [] } = record
  const left = standingFields(type, data, 'all', erasedFields(type, record))
  return erased.some(({ all }) => all === true) && left.length + Object.keys(refs).length + aliases.length === 0
}

/** `data` with blanks in place of the values of `fields`. */
export function blanked(type: AnyEntityType, data: Data, fields: readonly string[], schema: number): Data {
  const names = namesIn(type)
  const own = (field: string): Json => {
    const plain = blank(data[field]!, names)
    return schema === type.version ? fitting(type, field, plain) : plain
  }
  return Object.fromEntries(
    Object.entries(data).map(([field, value]) => [field, fields.includes(field) ? own(field) : value]),
  )
}

export function unlabelled(labels: FieldLabels | undefined, fields: readonly string[]): FieldLabels | undefined {
  const left = Object.entries(labels ?? {}).filter(([field]) => !fields.includes(field))
  return left.length === 0 ? undefined : Object.fromEntries(left)
}

/** A line without what is meant; undefined where it holds none of it. */
export function blankLine(type: AnyEntityType, event: TimelineEvent, wanted: Wanted): TimelineEvent | undefined {
  const changed = (event.changed ?? {}) as Data
  const fields = standingFields(type, changed, wanted, event.erased)
  const { changed: _, labels, ...rest } = event
  const kept = unlabelled(labels, fields)
  const line: TimelineEvent = {
    ...rest,
    ...(event.changed === undefined ? {} : { changed: blanked(type, changed, fields, event.schema ?? 1) }),
    ...(kept === undefined ? {} : { labels: kept }),
    ...(fields.length === 0 ? {} : { erased: [...(event.erased ?? []), ...fields].sort() }),
  }
  if (wanted !== 'all') return fields.length === 0 ? undefined : line
  const { reason, because, data, names, artifacts, ...bare } = line
  const isNote = event.version === undefined
  const more = [reason, because, data, names, artifacts].some((one) => one !== undefined)
  if (fields.length === 0 && !more && (!isNote || event.what === GONE)) return undefined
  return isNote ? { ...bare, what: GONE } : bare
}

/** Texts that could be told from others: not words of the schema, nor ids that lead to other records. */
export function ownTexts(type: AnyEntityType, data: Data, fields: readonly string[]): string[] {
  const names = namesIn(type)
  return fields
    .filter(
      (field) =>
        !isMuteField(type.schema, field) && !Object.hasOwn(type.links, field) && !Object.hasOwn(type.taxonomy, field),
    )
    .flatMap((field) => stringsIn(data[field], names))
}

const NONE: ReadonlySet<string> = new Set()

/** Of a value: what is said in it, but for the names of parts that are words of a schema. */
export function stringsIn(value: Json | undefined, names = NONE): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((one: Json) => stringsIn(one, names))
  if (isArtifactRef(value)) return saidOfFile(value, names)
  return Object.entries(value as Data).flatMap(([name, one]) => [
    ...(names.has(name) ? [] : [name]),
    ...stringsIn(one, names),
  ])
}

/** Its hash, its name, and what the host says of where it came from: of what kind it is, and what made it, is so of many. */
function saidOfFile({ sha256, name, origin }: ArtifactRef, names: ReadonlySet<string>): string[] {
  const said = [sha256, ...(name === undefined ? [] : [name])]
  if (typeof origin !== 'object' || origin === null || Array.isArray(origin))
    return [...said, ...stringsIn(origin, names)]
  const { template, entity, version, connector, outside, ...rest } = origin
  return [...said, ...stringsIn(rest, names)]
}

/** Z1. Names of parts stay where the schema names them: elsewhere they may be somebody's. */
function blank(value: Json, names: ReadonlySet<string>): Json {
  if (typeof value === 'string') return GONE
  if (typeof value === 'number') return 0
  if (typeof value === 'boolean' || value === null) return value === null ? null : false
  if (Array.isArray(value)) return []
  const parts = Object.entries(value as Data).filter(([name]) => names.has(name))
  return Object.fromEntries(parts.map(([name, one]) => [name, blank(one, names)]))
}

/** What a text is where its schema wants a form. */
const FORMS: readonly Json[] = [
  ...[null, '', 'erased@erased.invalid', 'https://erased.invalid', '00000000-0000-4000-8000-000000000000'],
  ...['1970-01-01', '1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z', 1, []],
]

type Checked = { safeParse: (value: unknown) => { success: boolean; data?: unknown } }

function fitting(type: AnyEntityType, field: string, plain: Json): Json {
  const schema = shapeOf(type)?.[field] as Checked | undefined
  if (schema === undefined) return plain
  const fits = (value: Json): boolean => {
    try {
      return schema.safeParse(value).success
    } catch {
      return false
    }
  }
  return [plain, ...FORMS].find(fits) ?? plain
}

interface Def {
  readonly type?: string
  readonly shape?: { readonly [field: string]: unknown }
}

function defOf(node: unknown): Def | undefined {
  return (node as { _zod?: { def?: Def } } | null | undefined)?._zod?.def
}

function shapeOf(type: AnyEntityType): Def['shape'] {
  return defOf(type.schema)?.shape
}

/** The fields that a schema names, and which of them need not be there. */
export function fieldsOf(type: AnyEntityType): ReadonlyMap<string, { readonly mayLack: boolean }> {
  return new Map(Object.entries(shapeOf(type) ?? {}).map(([field, schema]) => [field, { mayLack: mayLack(schema) }]))
}

function mayLack(schema: unknown): boolean {
  try {
    const { success, data } = (schema as Checked).safeParse(undefined)
    return success && data === undefined
  } catch {
    return false
  }
}

const namesOf = new WeakMap<AnyEntityType, ReadonlySet<string>>()

/** All names that a schema gives to parts. */
function namesIn(type: AnyEntityType): ReadonlySet<string> {
  const known = namesOf.get(type)
  if (known !== undefined) return known
  const names = new Set<string>()
  namesOf.set(type, names)
  const seen = new Set<unknown>()
  const look = (node: unknown): void => {
    if (typeof node !== 'object' || node === null || seen.has(node)) return
    seen.add(node)
    const def = defOf(node)
    for (const name of Object.keys(def?.shape ?? {})) names.add(name)
    for (const part of Object.values(def ?? node)) if (typeof part === 'object') look(part)
  }
  look(type.schema)
  return names
}
