/**
 * Edit: what a person wants other, laid over what was shown. The whole of it is what is checked, recorded and executed.
 *
 * Fields that an edit leaves out stay as they were shown, and one that is `undefined` goes, as in an update of an entity.
 * What is no plain object is replaced. Of a plan, the same for the input of each line.
 */
import { nearest } from '../base/nearest.ts'
import type { Json } from '../base/value.ts'

/** JSON, in which a field may be `undefined`: it goes. */
export type Edit = Json | { readonly [field: string]: Edit | undefined }

/** What an edit is laid over, of an item. */
export interface Shown {
  readonly kind: string
  readonly input?: Json
  readonly lines?: readonly { readonly id: string; readonly input: Json }[]
}

/** The decision as it is taken: an edit with everything that it leaves as it is. */
export function wholeDecision<D extends object>(item: Shown, decision: D): D {
  if (!('edit' in decision)) return decision
  const edit = decision.edit as Edit
  if (item.kind !== 'plan') return { ...decision, edit: laidOver(item.input, edit) }
  const inputs = isObject(edit) ? edit['inputs'] : undefined
  if (!isObject(edit) || !isObject(inputs)) return decision
  const line = (id: string): Json | undefined => item.lines?.find((one) => one.id === id)?.input
  const laid = Object.entries(inputs).map(([id, input]) => [id, laidOver(line(id), input)] as const)
  return { ...decision, edit: { ...edit, inputs: Object.fromEntries(laid) } }
}

function laidOver(shown: Json | undefined, edit: Edit | undefined): Json {
  if (!isObject(edit)) return edit as Json
  const all = Object.entries({ ...(isObject(shown) ? shown : {}), ...edit })
  return Object.fromEntries(all.filter(([, value]) => value !== undefined)) as Json
}

/** A field of an edited input that does not count: its place from the input on, and the fields that are beside it. */
export interface Stray {
  readonly at: readonly (string | number)[]
  readonly beside: readonly string[]
}

/**
 * A field of an edited input, however deep, that neither was shown nor is among those that count. A schema leaves such a field out
 * without a word, and what executes would be what was shown.
 */
export function strayIn(
  counts: Json | undefined,
  shown: Json | undefined,
  edited: Json,
  at: Stray['at'] = [],
): Stray | undefined {
  if (Array.isArray(counts) && Array.isArray(edited)) {
    const items = Array.isArray(shown) ? shown : []
    return firstOf(edited as Json[], (one, i) => strayIn(counts[i] as Json, items[i] as Json, one, [...at, i]))
  }
  if (!isObject(counts) || !isObject(edited)) return undefined
  const before = isObject(shown) ? shown : {}
  return firstOf(Object.keys(edited), (field): Stray | undefined => {
    const here = [...at, field]
    if (Object.hasOwn(counts, field)) return strayIn(counts[field], before[field], edited[field] as Json, here)
    if (Object.hasOwn(before, field) || edited[field] === undefined) return undefined
    return { at: here, beside: [...new Set([...Object.keys(counts), ...Object.keys(before)])] }
  })
}

/** That it counts for nothing, in words, with what may have been meant: by the JSON Schema, where that says more. */
export function strayText({ at, beside }: Stray, schema: Json): string {
  const path = at.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  const known = [...new Set([...fieldsAt(schema, at.slice(0, -1)), ...beside])]
  const meant = nearest(String(at.at(-1)), known)
  const hint = meant === undefined ? `beside it: ${known.join(', ') || 'none'}` : `did you mean "${meant}"?`
  return `the input has no field "${path.replace(/^\./, '')}"; ${hint}`
}

function fieldsAt(schema: Json | undefined, at: Stray['at']): string[] {
  const [step, ...more] = at
  const { properties, items } = isObject(schema) ? schema : {}
  if (typeof step === 'number') return fieldsAt(items, more)
  if (!isObject(properties)) return []
  return step === undefined ? Object.keys(properties) : fieldsAt(properties[step], more)
}

function firstOf<A, B>(all: readonly A[], find: (one: A, at: number) => B | undefined): B | undefined {
  for (const [at, one] of all.entries()) {
    const found = find(one, at)
    if (found !== undefined) return found
  }
  return undefined
}

/** What counts of an input by a JSON Schema: without the fields of objects of which it says all fields, and not these. */
export function countedBy(schema: Json | undefined, input: Json): Json {
  if (!isObject(schema)) return input
  const { properties, additionalProperties = false, items } = schema
  if (Array.isArray(input)) return (input as Json[]).map((one) => countedBy(items as Json, one))
  if (!isObject(properties) || additionalProperties !== false || !isObject(input)) return input
  const counted = Object.entries(input).filter(([field]) => Object.hasOwn(properties, field))
  return Object.fromEntries(counted.map(([field, value]) => [field, countedBy(properties[field] as Json, value)]))
}

/** A plain one: a form or a map has no fields of its own, and would say that nothing is to be other. */
function isObject(value: Edit | undefined): value is { readonly [field: string]: Edit | undefined } {
  if (typeof value !== 'object' || value === null) return false
  const made = Object.getPrototypeOf(value) as object | null
  return made === null || Object.getPrototypeOf(made) === null
}
