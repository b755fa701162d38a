/**
 * Form: what a person may answer, from its JSON Schema: a line for each field, and an example that fits.
 *
 * M1. What cannot be told is called JSON, and has no example: one that would be refused is worse than none.
 */
import type { Json } from '@keelson/core'

/** A JSON Schema, or a part of one. */
type Schema = { readonly [word: string]: Json | undefined }

interface Field {
  readonly path: string
  readonly schema: Schema
  readonly optional: boolean
}

/** `money.amount: a number > 0 (minor units)`, and so on; none where nothing is known of it. */
export function fieldsOf(schema: Json): string[] {
  const root = schemaIn(schema)
  if (root === undefined || Object.keys(root).filter((word) => word !== '$schema').length === 0) return []
  const all = fieldsIn(root, '', 0, false)
  return all.map(({ path, schema, optional }) => {
    const more = [optional ? 'may be left out' : '', textOf(schema['description'])].filter((one) => one !== '')
    return `${path === '' ? 'the answer' : path}: ${typeOf(schema)}${more.length === 0 ? '' : ` (${more.join('; ')})`}`
  })
}

/** Undefined where none can be made for sure (M1). */
export function exampleOf(schema: Json | undefined): Json | undefined {
  const of = schemaIn(schema)
  if (of === undefined || Object.keys(of).some((word) => HARD.has(word))) return undefined
  const [given] = [...listIn(of, 'examples'), of['default'], of['const'], ...listIn(of, 'enum')].filter(isThere)
  if (given !== undefined) return given
  const forms = [...listIn(of, 'anyOf'), ...listIn(of, 'oneOf')]
  if (forms.length > 0) return forms.map(exampleOf).find(isThere)
  switch (listIn(of, 'type')[0] ?? of['type']) {
    case 'boolean':
      return true
    case 'null':
      return null
    case 'integer':
    case 'number':
      return numberLike(of)
    case 'string':
      return textLike(of)
    case 'array':
      return listLike(of)
    case 'object':
      return objectLike(of)
    default:
      return undefined
  }
}

/** What an example is not made for. */
const HARD: ReadonlySet<string> = new Set(
  '$ref allOf not if patternProperties propertyNames minProperties maxProperties contains multipleOf dependentRequired'.split(
    ' ',
  ),
)

function fieldsIn(schema: Schema, path: string, depth: number, optional: boolean): Field[] {
  const forms = [...listIn(schema, 'anyOf'), ...listIn(schema, 'oneOf')].map(schemaIn)
  const shapes = forms.length === 0 ? [schema] : forms
  if (depth > 3 || !shapes.every(isShape)) return [{ path, schema, optional }]
  const names = new Set(shapes.flatMap((one) => Object.keys(one['properties'])))
  return [...names].flatMap((name) => {
    const here = shapes.map((one) => schemaIn(one['properties'][name])).filter((one) => one !== undefined)
    const differ = new Set(here.map((one) => JSON.stringify(one))).size > 1
    const needed = shapes.every((one) => listIn(one, 'required').includes(name))
    const field = differ ? { anyOf: here } : here[0]!
    return fieldsIn(field as Schema, path === '' ? name : `${path}.${name}`, depth + 1, optional || !needed)
  })
}

function isShape(
  schema: Schema | undefined,
): schema is Schema & { readonly properties: { readonly [name: string]: Json } } {
  const properties = schemaIn(schema?.['properties'])
  return schema?.['type'] === 'object' && properties !== undefined && Object.keys(properties).length > 0
}

function typeOf(schema: Schema): string {
  if (schema['const'] !== undefined) return JSON.stringify(schema['const'])
  const values = listIn(schema, 'enum')
  if (values.length > 0) return values.map((one) => JSON.stringify(one)).join(' | ')
  const forms = [...listIn(schema, 'anyOf'), ...listIn(schema, 'oneOf')]
  if (forms.length > 0) return [...new Set(forms.map((one) => typeOf(schemaIn(one) ?? {})))].join(' | ')
  const { type } = schema
  const types = listIn(schema, 'type')
  if (types.length > 0) return types.map((one) => typeOf({ ...schema, type: one })).join(' | ')
  switch (type) {
    case 'string':
      return ['text', textOf(schema['format']), bounds(schema, 'Length', 'characters')].filter(Boolean).join(', ')
    case 'integer':
      return `a whole number${range(schema)}`
    case 'number':
      return `a number${range(schema)}`
    case 'boolean':
      return 'true | false'
    case 'null':
      return 'null'
    case 'array':
      return [
        'a list',
        schema['items'] === undefined ? '' : `of ${typeOf(schemaIn(schema['items']) ?? {})}`,
        bounds(schema, 'Items', 'of them'),
      ]
        .filter(Boolean)
        .join(' ')
    case 'object': {
      const names = Object.keys(schemaIn(schema['properties']) ?? {})
      return names.length === 0 ? 'an object' : `{ ${names.join(', ')} }`
    }
    default:
      return 'JSON'
  }
}

/** `> 0`, `>= 1`, `<= 5`; not what every whole number is. */
function range(schema: Schema): string {
  const says = { exclusiveMinimum: '>', minimum: '>=', exclusiveMaximum: '<', maximum: '<=' }
  const said = Object.entries(says).flatMap(([word, sign]) => {
    const bound = schema[word]
    return typeof bound !== 'number' || Math.abs(bound) === Number.MAX_SAFE_INTEGER ? [] : [`${sign} ${bound}`]
  })
  return said.length === 0 ? '' : ` ${said.join(', ')}`
}

function bounds(schema: Schema, what: 'Length' | 'Items', of: string): string {
  const [least, most] = [schema[`min${what}`], schema[`max${what}`]]
  if (typeof least === 'number')
    return typeof most === 'number' ? `${least} to ${most} ${of}` : `at least ${least} ${of}`
  return typeof most === 'number' ? `at most ${most} ${of}` : ''
}

function numberLike({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Schema): number | undefined {
  const least = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : minimum
  const most = typeof exclusiveMaximum === 'number' ? exclusiveMaximum - 1 : maximum
  const from = typeof least === 'number' ? Math.max(1, Math.ceil(least)) : 1
  const value = typeof most === 'number' ? Math.min(from, Math.floor(most)) : from
  return typeof least === 'number' && value < least ? undefined : value
}

const LIKE: { readonly [format: string]: string } = {
  email: 'ann@example.org',
  uri: 'https://example.org/',
  date: '2026-01-31',
  'date-time': '2026-01-31T09:00:00Z',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function textLike({ format, pattern, minLength = 0, maxLength = Infinity }: Schema): string | undefined {
  const known = typeof format === 'string' ? LIKE[format] : 'text'.padEnd(minLength as number, '.')
  const text = format === undefined ? known?.slice(0, maxLength as number) : known
  if (text === undefined || text.length < (minLength as number) || text.length > (maxLength as number)) return undefined
  if (pattern === undefined) return text
  try {
    return new RegExp(pattern as string, 'u').test(text) ? text : undefined
  } catch {
    return undefined // a pattern of another dialect
  }
}

function listLike(schema: Schema): Json | undefined {
  const { items, prefixItems, minItems = 1, maxItems = Infinity, uniqueItems } = schema
  const count = Math.min(Math.max(1, minItems as number), maxItems as number)
  if (prefixItems === undefined && (uniqueItems === undefined || count <= 1))
    return allOf(Array.from({ length: count }, () => exampleOf(items)))
  return items === undefined ? allOf(listIn(schema, 'prefixItems').map(exampleOf)) : undefined
}

function allOf(values: readonly (Json | undefined)[]): readonly Json[] | undefined {
  return values.every(isThere) ? values : undefined
}

/** What is needed; where nothing is, the first of what may be. */
function objectLike(schema: Schema): Json | undefined {
  const properties = schemaIn(schema['properties']) ?? {}
  const required = listIn(schema, 'required') as string[]
  const names = required.length > 0 ? required : Object.keys(properties).slice(0, 1)
  const values = allOf(names.map((name) => exampleOf(properties[name])))
  if (values === undefined || names.length === 0) return undefined
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]))
}

function schemaIn(value: Json | undefined): Schema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : undefined
}

function isThere(value: Json | undefined): value is Json {
  return value !== undefined
}

function listIn(schema: Schema, word: string): readonly Json[] {
  const value = schema[word]
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value.replaceAll(/\s+/g, ' ').trim() : ''
}
