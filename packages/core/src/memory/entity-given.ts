/** EntityGiven: what the definition of an entity may say: names that there are, of fields that its schema has. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { assertOneOf, meantBy } from '../base/known.ts'
import { TAXONOMIES } from '../base/taxonomy.ts'
import { lifecycleOf } from './lifecycle.ts'

/** A definition as it may be given, its name and schema checked. */
interface Given {
  readonly name: string
  readonly schema: z.ZodType
  readonly index?: readonly string[]
  readonly private?: readonly string[]
  readonly links?: object
  readonly lifecycle?: object
  readonly taxonomy?: object
  readonly owner?: unknown
  readonly key?: unknown
}

/** Throws `DEFINITION_INVALID` for a field that no record has, and for a state that its field cannot hold. */
export function assertFields({ name, schema, ...definition }: Given): void {
  const what = `entity "${name}"`
  const shape = shapeOf(schema)
  const { index = [], private: hidden = [], links = {}, lifecycle = {}, taxonomy = {}, owner } = definition
  const has = (part: string, field: string): void => {
    if (shape === undefined || Object.hasOwn(shape, field)) return
    throw new KeelsonError(
      'DEFINITION_INVALID',
      `"${part}" of ${what} names "${field}", which its schema does not have`,
      {
        hint: meantBy(field, Object.keys(shape)),
      },
    )
  }
  for (const [part, list] of Object.entries({ index, private: hidden })) {
    if (!Array.isArray(list)) assertOneOf(`"${part}" of ${what}`, list, ['a list of fields'])
    for (const field of list as readonly string[]) has(part, field)
  }
  for (const [part, fields] of Object.entries({ links, lifecycle, taxonomy }))
    for (const field of Object.keys(fields)) has(part, field)
  for (const [field, list] of Object.entries(taxonomy))
    assertOneOf(`"${field}" of the taxonomy of ${what}`, list, TAXONOMIES)
  for (const [field, flow] of Object.entries(lifecycle))
    assertStates(`the lifecycle of "${field}" of ${what}`, lifecycleOf(flow as object).states, shape?.[field])
  assertOneOf(`"owner" of ${what}`, owner, ['anyone', 'operator'])
  if (definition.key !== undefined && typeof definition.key !== 'function')
    assertOneOf(`"key" of ${what}`, definition.key, ['a function of the data'])
}

function assertStates(what: string, states: readonly string[], field: z.ZodType | undefined): void {
  const values = field === undefined ? undefined : valuesOf(field)
  const stray = values === undefined ? undefined : states.find((state) => !values.includes(state))
  if (stray === undefined) return
  throw new KeelsonError('DEFINITION_INVALID', `${what} has the state "${stray}", which its schema does not`, {
    hint: meantBy(stray, values!),
  })
}

interface Def {
  readonly type: string
  readonly shape?: Record<string, z.ZodType>
  readonly catchall?: z.ZodType
  readonly entries?: Readonly<Record<string, unknown>>
  readonly values?: readonly unknown[]
  readonly options?: readonly z.ZodType[]
  readonly innerType?: z.ZodType
}

/** The fields of an object that has no others; undefined where nobody knows. */
function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  const { type, shape, catchall } = schema.def as unknown as Def
  const isClosed = catchall === undefined || catchall.def.type === 'never'
  return type === 'object' && isClosed ? shape : undefined
}

/** All texts that a schema lets through, where it says so. */
function valuesOf(schema: z.ZodType): readonly string[] | undefined {
  const { type, entries, values, options, innerType } = schema.def as unknown as Def
  if (type === 'enum') return Object.values(entries!).map(String)
  if (type === 'literal') return values!.map(String)
  if (type === 'null' || type === 'undefined') return []
  if (innerType !== undefined) return valuesOf(innerType)
  const all = type === 'union' ? options!.map(valuesOf) : [undefined]
  return all.includes(undefined) ? undefined : all.flatMap((one) => one!)
}
