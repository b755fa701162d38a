/** Wording: whether a schema lets anybody's words through, or only enums, numbers, ids, dates and booleans. */
import type { z } from 'zod'

/** Formats of text in which nothing can be said. */
const MUTE: ReadonlySet<unknown> = new Set([
  'uuid',
  'guid',
  'cuid',
  'cuid2',
  'ulid',
  'xid',
  'ksuid',
  'nanoid',
  'date',
  'datetime',
  'time',
  'duration',
])
const PLAIN: ReadonlySet<unknown> = new Set([
  'number',
  'int',
  'bigint',
  'boolean',
  'literal',
  'enum',
  'null',
  'undefined',
  'void',
  'date',
  'never',
  'nan',
])

const known = new WeakMap<z.ZodType, boolean>()

/** False for any text, whatever it is checked for, and for all that is not known to be mute. */
export function isMute(schema: z.ZodType): boolean {
  let mute = known.get(schema)
  if (mute === undefined) {
    mute = inspect(schema)
    known.set(schema, mute)
  }
  return mute
}

/** Of one field of an object's schema; false for what is no such field. */
export function isMuteField(schema: z.ZodType, field: string): boolean {
  const { type, shape } = (schema as unknown as { _zod: { def: { type: string; shape?: Record<string, z.ZodType> } } })
    ._zod.def
  return type === 'object' && shape !== undefined && Object.hasOwn(shape, field) && isMute(shape[field]!)
}

function inspect(node: unknown): boolean {
  const def = (node as { _zod?: { def: Record<string, unknown> } } | undefined)?._zod?.def
  if (def === undefined) return false
  const { type } = def
  if (PLAIN.has(type)) return true
  switch (type) {
    case 'string':
      return MUTE.has(def['format'])
    case 'object':
      return isClosed(def['catchall']) && Object.values(def['shape'] as object).every(inspect)
    case 'array':
      return inspect(def['element'])
    case 'tuple':
      return (
        (def['items'] as unknown[]).every(inspect) && ((def['rest'] ?? undefined) === undefined || inspect(def['rest']))
      )
    case 'union':
      return (def['options'] as unknown[]).every(inspect)
    case 'intersection':
      return inspect(def['left']) && inspect(def['right'])
    case 'record':
      return inspect(def['keyType']) && inspect(def['valueType'])
    case 'pipe':
      return inspect(def['in']) && inspect(def['out'])
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return inspect(def['innerType'])
    default:
      return false
  }
}

function isClosed(catchall: unknown): boolean {
  return catchall === undefined || (catchall as { _zod?: { def: { type?: unknown } } })._zod?.def.type === 'never'
}
