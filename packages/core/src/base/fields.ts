/** Fields: which fields the values that a schema lets through can have. */
import type { z } from 'zod'

interface Def {
  readonly type: string
  readonly shape?: object
  readonly catchall?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly left?: z.ZodType
  readonly right?: z.ZodType
  readonly innerType?: z.ZodType
}

/** All of them by name; undefined where nobody knows: of a loose object, a record, what is decoded. */
export function fieldsOf(schema: z.ZodType): readonly string[] | undefined {
  const { type, shape, catchall, options, left, right, innerType } = schema.def as unknown as Def
  if (type === 'object')
    return catchall === undefined || catchall.def.type === 'never' ? Object.keys(shape!) : undefined
  if (type === 'union') return together(options!)
  if (type === 'intersection') return together([left!, right!])
  if (type === 'null' || type === 'undefined') return []
  return innerType === undefined ? undefined : fieldsOf(innerType)
}

function together(schemas: readonly z.ZodType[]): readonly string[] | undefined {
  const all = schemas.map(fieldsOf)
  return all.includes(undefined) ? undefined : [...new Set(all.flatMap((one) => one!))]
}
