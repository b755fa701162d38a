/** Fields: which fields the values that a schema lets through can have, and what under each. */
import type { z } from 'zod'
import { named } from './known.ts'

interface Def {
  readonly type: string
  readonly shape?: object
  readonly catchall?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly left?: z.ZodType
  readonly right?: z.ZodType
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly out?: z.ZodType
  readonly reverseTransform?: unknown
}

/** All of them by name; undefined where nobody knows: of a loose object, a record, what is decoded. */
export function fieldsOf(schema: z.ZodType): readonly string[] | undefined {
  const { type, shape, catchall, options, left, right, innerType } = defOf(schema)
  if (type === 'object')
    return catchall === undefined || catchall.def.type === 'never' ? Object.keys(shape!) : undefined
  if (type === 'union') return together(options!.map(fieldsOf))
  if (type === 'intersection') return together([left!, right!].map(fieldsOf))
  if (type === 'null' || type === 'undefined') return []
  return innerType === undefined ? undefined : fieldsOf(innerType)
}

/**
 * What stands under `field` in every stored value that the schema lets through, where `value` never does; undefined where it may. Goes by
 * types and lists of values alone: nobody knows what checks in code let through.
 */
export function expectedUnder(schema: z.ZodType, field: string, value: unknown): string | undefined {
  const expected = under(schema, field)?.map((one) => expectedFor(one, value)) ?? []
  return expected.includes(undefined) || expected.length === 0 ? undefined : [...new Set(expected)].join(' or ')
}

/** What a field goes by: one of these. Empty where there is none of this name, undefined where nobody knows. */
function under(schema: z.ZodType, field: string): readonly z.ZodType[] | undefined {
  const { type, shape, options, left, right, innerType } = defOf(schema)
  if (type === 'object') {
    if (Object.hasOwn(shape!, field)) return [(shape as Record<string, z.ZodType>)[field]!]
    return fieldsOf(schema) === undefined ? undefined : []
  }
  if (type === 'union') return together(options!.map((one) => under(one, field)))
  if (type === 'intersection') return together([left!, right!].map((one) => under(one, field)))
  if (type === 'null' || type === 'undefined') return []
  return innerType === undefined ? undefined : under(innerType, field)
}

const KINDS: { readonly [type: string]: readonly [kind: string, words: string] } = {
  string: ['string', 'a text'],
  template_literal: ['string', 'a text'],
  number: ['number', 'a number'],
  boolean: ['boolean', 'true or false'],
  null: ['null', 'null'],
  array: ['array', 'a list'],
  tuple: ['array', 'a list'],
  object: ['object', 'an object'],
  record: ['object', 'an object'],
}

/** Of what is decoded, the side that is stored counts. */
function expectedFor(schema: z.ZodType, value: unknown): string | undefined {
  const { type, options, innerType, in: read, out, reverseTransform } = defOf(schema)
  if (type === 'enum' || type === 'literal') return expectedOf(schema, value)
  if (type === 'union') {
    const all = options!.map((one) => expectedFor(one, value))
    return all.includes(undefined) ? undefined : [...new Set(all)].join(' or ')
  }
  if (type === 'pipe') return expectedFor(reverseTransform === undefined ? out! : read!, value)
  if (innerType !== undefined && type !== 'success')
    return value === null && type === 'nullable' ? undefined : expectedFor(innerType, value)
  const [kind, words] = KINDS[type] ?? []
  return kind === kindOf(value) ? undefined : words
}

/** Of a list of values, of which zod alone knows how it is kept. */
function expectedOf(schema: z.ZodType, value: unknown): string | undefined {
  const { values } = (schema as { _zod: { values?: ReadonlySet<unknown> } })._zod
  if (values === undefined || values.has(value)) return undefined
  return [...values]
    .filter((one) => one !== undefined)
    .map(named)
    .join(' or ')
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function defOf(schema: z.ZodType): Def {
  return schema.def
}

/** Each once; undefined if one is. */
function together<T>(lists: readonly (readonly T[] | undefined)[]): readonly T[] | undefined {
  return lists.includes(undefined) ? undefined : [...new Set(lists.flatMap((one) => one!))]
}
