/** Gone: what stands in the place of a text that was erased. */
import type { Json } from '../base/value.ts'

export const GONE = '[erased]'

/** A value with that in the place of each of the texts, wherever they stand in it; not in the names of its fields. */
export function without(value: Json, texts: readonly string[]): Json {
  if (typeof value === 'string') return texts.reduce((left, text) => left.replaceAll(text, GONE), value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => without(one as Json, texts))
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, without(one, texts)]))
}
