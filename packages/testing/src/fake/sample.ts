/**
 * Sample: the smallest value that a schema takes: what a fake answers when nobody told it what to answer.
 *
 * An object has its required fields only, an array its least items, a string its least length; an enum or a union gives
 * its first member, a number 0 or its minimum, an instant 1970-01-01T00:00:00Z. Nullable and optional are empty. A schema that
 * gives an example (`meta({ examples })`) is met by that, where it fits.
 */
import { KeelsonError } from '@keelson/core/ports'
import type { z } from 'zod'

interface Def {
  readonly type: string
  readonly [part: string]: unknown
}

const FORMATS: Readonly<Record<string, string>> = {
  email: 'a@example.org',
  url: 'https://example.org/',
  uuid: '00000000-0000-4000-8000-000000000000',
  guid: '00000000-0000-4000-8000-000000000000',
  datetime: '1970-01-01T00:00:00Z',
  date: '1970-01-01',
  time: '00:00:00',
  duration: 'PT0S',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  e164: '+10000000',
  base64: 'AAAA',
  base64url: 'AAAA',
  hex: '00',
}

/** Throws `DEFINITION_INVALID` where no value can be made up, naming `what`. */
export function sample(schema: z.ZodType, what: string): unknown {
  const value = make(schema)
  if (schema.safeParse(value).success) return value
  throw new KeelsonError('DEFINITION_INVALID', `no value could be made up for ${what}`, {
    hint: `Say what it answers: fake(connector, { '${what}': (input) => … }).`,
  })
}

function make(schema: z.ZodType): unknown {
  const def = schema.def as unknown as Def
  const examples = schema.meta()?.['examples'] // a list in JSON Schema; others write other things there
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined
  if (example !== undefined && schema.safeParse(example).success) return example
  switch (def.type) {
    case 'object':
      return object(def)
    case 'array':
      return Array.from({ length: least(schema) }, () => make(def['element'] as z.ZodType))
    case 'tuple':
      return (def['items'] as z.ZodType[]).map(make)
    case 'string':
      return text(schema, def)
    case 'number':
      return number(schema)
    case 'boolean':
      return false
    case 'enum':
      return Object.values(def['entries'] as object)[0] as unknown
    case 'literal':
      return (def['values'] as unknown[])[0]
    case 'union':
      return make((def['options'] as z.ZodType[])[0]!)
    case 'intersection':
      return Object.assign({}, make(def['left'] as z.ZodType), make(def['right'] as z.ZodType))
    case 'default':
    case 'prefault':
      return def['defaultValue']
    case 'pipe':
      return make(def['in'] as z.ZodType)
    case 'lazy':
      return make((def['getter'] as () => z.ZodType)())
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return make(def['innerType'] as z.ZodType)
    case 'record':
    case 'unknown':
    case 'any':
      return {}
    case 'optional':
    case 'undefined':
    case 'void':
      return undefined
    default:
      return null
  }
}

function object(def: Def): Record<string, unknown> {
  const shape = def['shape'] as Record<string, z.ZodType>
  const fields = Object.entries(shape).map(([name, field]) => [name, make(field)] as const)
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined))
}

function text(schema: z.ZodType, def: Def): string {
  const format = (def['format'] ?? checksOf(schema).find((one) => one['format'] !== undefined)?.['format']) as
    string | undefined
  if (format !== undefined && FORMATS[format] !== undefined) return FORMATS[format]
  return 'x'.repeat(least(schema))
}

function number(schema: z.ZodType): number {
  let value = 0
  for (const { check, value: bound, inclusive } of checksOf(schema)) {
    if (check === 'greater_than') value = Math.max(value, (bound as number) + (inclusive === true ? 0 : 1))
    if (check === 'less_than') value = Math.min(value, (bound as number) - (inclusive === true ? 0 : 1))
  }
  return value
}

/** The least length of a text or a list. */
function least(schema: z.ZodType): number {
  const lengths = checksOf(schema).map(({ check, minimum, length }) =>
    check === 'min_length' ? (minimum as number) : check === 'length_equals' ? (length as number) : 0,
  )
  return Math.max(0, ...lengths)
}

/** The checks that were added to a schema, by zod's own description of them. */
function checksOf(schema: z.ZodType): readonly { readonly [part: string]: unknown }[] {
  const checks = (schema.def as { checks?: readonly { _zod: { def: unknown } }[] }).checks ?? []
  return checks.map((one) => one._zod.def as { readonly [part: string]: unknown })
}
