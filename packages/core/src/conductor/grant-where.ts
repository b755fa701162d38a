/** GrantWhere: what a grant says of inputs, checked when it is made: a condition that no input can meet would answer nothing, silently. */
import type { z } from 'zod'
import { isMoney } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { AnyAction } from '../connector/action.ts'

/** Throws `INPUT_INVALID` for a field that no input has, and for a condition that no value of its field can meet. */
export function assertWhere({ name, input }: AnyAction, where: object): void {
  const def = input.def as { readonly type: string; readonly shape?: Record<string, z.ZodType> } & Loose
  const known = def.type === 'object' && isClosed(def) ? Object.keys(def.shape ?? {}) : undefined
  for (const [field, condition] of Object.entries(where) as [string, unknown][]) {
    if (known?.includes(field) === false)
      throw invalid(`the input of ${name} has no field "${field}"`, `It has ${known.join(', ') || 'none'}.`)
    const schema = def.type === 'object' ? def.shape?.[field] : undefined
    if (schema !== undefined) assertCondition(field, condition, schema) // else nobody knows its values
  }
}

interface Loose {
  readonly catchall?: z.ZodType
}

function isClosed({ catchall }: Loose): boolean {
  return catchall === undefined || catchall.def.type === 'never'
}

/** What a bound may be of, by the type of its field. Of another type it is compared with whatever it meets. */
const BOUNDS = {
  number: { max: isNumber, min: isNumber },
  string: { endsWith: isText },
  money: { max: isMoney },
  other: { max: (value: unknown) => isNumber(value) || isMoney(value), min: isNumber, endsWith: isText },
} as const

const TOLD = {
  number: '{ max: 100 }, { min: 1, max: 100 }',
  string: '{ endsWith: "@example.org" }',
  money: '{ max: { amount: 4200, currency: "EUR" } }',
} as const

function assertCondition(field: string, condition: unknown, schema: z.ZodType): void {
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition)) return
  if (isValue(schema, condition)) return // equal to that
  const of = kindOf(schema)
  const bounds: Readonly<Record<string, (value: unknown) => boolean>> = BOUNDS[of]
  const parts = Object.entries(condition).filter(([, value]) => value !== undefined)
  const wrong = parts.find(([bound, value]) => bounds[bound]?.(value) !== true)
  if (parts.length > 0 && wrong === undefined) return
  const what = wrong === undefined ? 'it says nothing' : `"${wrong[0]}: ${canonical(wrong[1])}" is no condition of it`
  const told = of === 'other' ? Object.values(TOLD).join('; ') : TOLD[of]
  throw invalid(`of "${field}": ${what}`, `Give a value, a list of values, or a bound: ${told}.`)
}

function isValue(schema: z.ZodType, value: unknown): boolean {
  const { success, data } = schema.safeParse(value)
  return success && canonical(data) === canonical(value)
}

/** Of the type that a schema lets through, beside that it may be left out. */
function kindOf(schema: z.ZodType): keyof typeof BOUNDS {
  const def = schema.def as { readonly type: string; readonly innerType?: z.ZodType; readonly shape?: object }
  if (def.innerType !== undefined) return kindOf(def.innerType)
  if (def.type === 'number' || def.type === 'string') return def.type
  const { shape = {} } = def
  return Object.hasOwn(shape, 'amount') && Object.hasOwn(shape, 'currency') ? 'money' : 'other'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

export function invalid(what: string, hint: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `this grant cannot be made: ${what}`, { hint })
}
