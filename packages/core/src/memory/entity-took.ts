/**
 * Entity took: whose values a record holds beside its own.
 *
 * What is erased of one record is not to come back by another that had taken it over, nor by that one when it is no longer known to be
 * the same: separated again, or without the identity by which it was found. So it is noted with each merge, and noted for good.
 */
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { AnyEntityType, EntityRecord, Took } from './entity.ts'
import { marksToday } from './entity-fed.ts'
import { refId } from './entity-read.ts'
import type { Written } from './entity-write.ts'

/** What `into` took, with `fields` of `from`, and whatever of those `from` had taken itself. Names of fields are those of today. */
export function alsoTook(
  type: AnyEntityType,
  into: EntityRecord,
  from: EntityRecord,
  fields: readonly string[],
): readonly Took[] {
  const more = [{ id: from.id, fields }, ...marksToday(type, from, from.took ?? [])]
  const took = new Map(marksToday(type, into, into.took ?? []).map((one) => [one.id, one.fields]))
  for (const one of more) {
    const those = one.fields.filter((field) => fields.includes(field))
    if (one.id === into.id || those.length === 0) continue
    took.set(one.id, [...new Set([...(took.get(one.id) ?? []), ...those])].sort())
  }
  return [...took].map(([id, its]) => ({ id, fields: its }))
}

/** `written`, with a note in its record of whose values it holds. */
export function withTook(written: Written, tookBy: (record: EntityRecord) => readonly Took[]): Written {
  const noted = (put: Put): Put => {
    const took = tookBy(put.data as unknown as EntityRecord)
    return took.length === 0 ? put : { ...put, data: { ...(put.data as object), took: took as unknown as Json } }
  }
  return { ...written, puts: written.puts.map((put) => (put.kind === 'entity' ? noted(put) : put)) }
}

/** By which a record is known whose values were erased here. */
export function takenId(type: { readonly name: string }, id: string, secret: string): string {
  return refId(type.name, '', id, secret)
}
