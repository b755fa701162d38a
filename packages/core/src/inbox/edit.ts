/**
 * Edit: what a person wants other, laid over what was shown. The whole of it is what is checked, recorded and executed.
 *
 * Fields that an edit leaves out stay as they were shown, and one that is `undefined` goes, as in an update of an entity.
 * What is no plain object is replaced. Of a plan, the same for the input of each line.
 */
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

/**
 * A field of an edited input that neither was shown nor is among those that count, undefined where all are or nobody knows. A
 * schema leaves such a field out without a word, and what executes would be what was shown.
 */
export function fieldNotIn(counts: Json | undefined, shown: Json | undefined, edited: Json): string | undefined {
  if (!isObject(counts) || !isObject(edited)) return undefined
  const known = isObject(shown) ? { ...counts, ...shown } : counts
  return Object.keys(edited).find((field) => !Object.hasOwn(known, field))
}

/** The fields of a JSON Schema that says all of them. */
export function fieldsIn(schema: Json): Json | undefined {
  const { properties, additionalProperties = false } = isObject(schema) ? schema : {}
  return additionalProperties === false ? properties : undefined
}

/** A plain one: a form or a map has no fields of its own, and would say that nothing is to be other. */
function isObject(value: Edit | undefined): value is { readonly [field: string]: Edit | undefined } {
  if (typeof value !== 'object' || value === null) return false
  const made = Object.getPrototypeOf(value) as object | null
  return made === null || Object.getPrototypeOf(made) === null
}
