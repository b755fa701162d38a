/**
 * Merge gone: what of a record of a bundle does not come, because it was erased here.
 *
 * O1. What was erased of the record itself, of one that it is one with, there or here, or of one whose values it holds. The first two
 *     hold for all of it, the last for those values.
 * O2. A record that is one with something of which all was erased is that record, also where nothing else leads to it.
 */
import type { Environment } from '../conductor/environment.ts'
import { shelfOf } from '../conductor/shelf.ts'
import type { AnyEntityType, EntityRecord } from '../memory/entity.ts'
import { blanked, fieldsOf } from '../memory/entity-erased.ts'
import { erasuresToday, marksToday } from '../memory/entity-fed.ts'
import { erasedHolders, headOf } from '../memory/entity-read.ts'
import { allOfOne, goneFields, type Brought } from './merge-erased.ts'

interface Place {
  readonly env: Environment
  readonly workspace: string
}

/** The fields of today that are not to be taken from `record` (O1). `here`: what it is here, and what has an identity or values of it. */
export async function goneHere(
  place: Place,
  type: AnyEntityType,
  record: EntityRecord,
  here: readonly string[],
): Promise<Gone> {
  const own = goneFields(type, await allOfOne(place, type, [...here, ...(record.merged ?? [])]), record)
  const taken = new Set<string>()
  for (const { id, fields } of marksToday(type, record, record.took ?? [])) {
    const theirs = await allOfOne(place, type, [id, ...(await takersOf(place, type, id))])
    const gone = goneFields(type, theirs, record)
    for (const field of fields) if (gone.has(field)) taken.add(field)
  }
  return { has: (field) => own.has(field) || taken.has(field) }
}

export interface Gone {
  readonly has: (field: string) => boolean
}

/** Records here of which all, or a part, was erased, and that had values of `record`, or of one that it is one with; and those ones (O2). */
export async function erasedAs(
  place: Place,
  type: AnyEntityType,
  { id, merged = [] }: EntityRecord,
): Promise<{ all: readonly string[]; part: readonly string[] }> {
  const shelf = shelfOf(place.env, place.workspace)
  const takers = await Promise.all([id, ...merged].map((one) => takersOf(place, type, one)))
  const [all, part]: [string[], string[]] = [[], []]
  for (const one of new Set([...takers.flat(), ...merged])) {
    const { erased = [] } = (await headOf(shelf, type, one))?.record ?? {}
    if (erased.length > 0) (erased.some((erasure) => erasure.all === true) ? all : part).push(one)
  }
  return { all, part }
}

/** Those of which something was erased that they had taken from this record. */
function takersOf({ env, workspace }: Place, type: AnyEntityType, id: string): Promise<string[]> {
  return erasedHolders(shelfOf(env, workspace), type, '', id)
}

/** A record to be made of the bundle's, with blanks for what is gone, or without it where it need not be there. */
export function withoutGone<T extends Brought & { readonly record: EntityRecord }>(
  type: AnyEntityType,
  given: T,
  gone: Gone,
  at: number,
): T {
  const fields = Object.keys(given.data).filter((field) => gone.has(field) && !given.blanks.has(field))
  if (fields.length === 0) return given
  const known = fieldsOf(type)
  const blank = blanked(type, given.data, fields, type.version)
  const must = Object.entries(blank).filter(([field]) => !fields.includes(field) || known.get(field)?.mayLack !== true)
  const { record } = given
  const erasure = { at, by: 'system:merge', reason: 'it was erased here', fields, hash: '' }
  const erased = [...(erasuresToday(type, record) ?? []), erasure]
  const took = marksToday(type, record, record.took ?? [])
  const data = Object.fromEntries(must)
  return {
    ...given,
    data,
    blanks: new Set([...given.blanks, ...fields]),
    record: { ...record, data, schema: type.version, erased, ...(took.length === 0 ? {} : { took }) },
  }
}
