/** Entity fed: which fields of today were made of what in an older schema, and what is said of those by their old names. */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { upcastTo, type Versioned } from '../base/upcast.ts'
import type { Json } from '../base/value.ts'
import type { EntityRecord, Erasure } from './entity.ts'

type Data = EntityRecord['data']

/** What of a record was erased, by the names of today. */
export function erasuresToday(
  type: Versioned,
  record: Pick<EntityRecord, 'data' | 'schema' | 'erased'>,
): readonly Erasure[] | undefined {
  return record.erased && marksToday(type, record, record.erased)
}

/** What is noted of fields of a record, by their names of today. A name of which nobody can say what it has become stays. */
export function marksToday<T extends { readonly fields: readonly string[] }>(
  type: Versioned,
  { data, schema }: Pick<EntityRecord, 'data' | 'schema'>,
  marks: readonly T[],
): readonly T[] {
  if (schema === type.version) return marks
  const made = tried(type, data, schema)
  // No upcaster could go on from the blanks: data are what they are, under their own names.
  if (made === undefined) return marks
  const today = (field: string): string[] => {
    if (!Object.hasOwn(data, field)) return [field]
    const fed = fedBy(type, data, schema, [field]) ?? Object.keys(made)
    return fed.length === 0 ? [field] : fed
  }
  return marks.map((one) => ({ ...one, fields: [...new Set(one.fields.flatMap((field) => today(field)))].sort() }))
}

/** The fields of today that older data's `fields` are made into; undefined where upcasters do not tell. */
export function fedBy(type: Versioned, data: Data, schema: number, fields: readonly string[]): string[] | undefined {
  const entries = Object.entries(data)
  const without = Object.fromEntries(entries.filter(([field]) => !fields.includes(field)))
  const others = Object.fromEntries(
    entries.map(([field, value]) => [field, fields.includes(field) ? other(value) : value]),
  )
  const [made, ...probes] = [data, without, others].map((one) => tried(type, one, schema))
  if (made === undefined) return undefined
  const told = probes.filter((probe) => probe !== undefined)
  if (told.length === 0) return undefined
  const all = new Set([made, ...told].flatMap((one) => Object.keys(one)))
  return [...all].filter((field) =>
    told.some((one) => canonical(one[field] ?? null) !== canonical(made[field] ?? null)),
  )
}

function tried(type: Versioned, data: Data, schema: number): Data | undefined {
  try {
    return upcastTo(type, data, schema)
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'UPCAST_FAILED')) return undefined
    throw thrown
  }
}

/** Another value of the same shape. */
export function other(value: Json): Json {
  if (typeof value === 'string') return `another ${value}`
  if (typeof value === 'number') return value + 1
  if (typeof value === 'boolean') return !value
  if (typeof value !== 'object' || value === null) return 'another'
  if (Array.isArray(value)) return value.map((one: Json) => other(one))
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, other(one)]))
}
