/**
 * Merge gone: what of a record of a bundle does not come, because it was erased here.
 *
 * O1. What was erased of the record itself, of one that it is one with, there or here, of one whose values it holds, or of one that had
 *     taken values of it. The first two hold for all of it, the others for those values.
 * O2. A record whose values were erased here as those of another is that one, where it is not here itself, nor anything else leads to it.
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

/** What a record of a bundle is here. */
export interface Here {
  /** Records that it is, and those that have, or had until they were erased, an identity of it. */
  readonly own: readonly string[]
  /** Those of which something was erased that had values of it. */
  readonly takers: readonly string[]
}

/** The fields of today that are not to be taken from `record` (O1). */
export async function goneHere(
  place: Place,
  type: AnyEntityType,
  record: EntityRecord,
  { own, takers }: Here,
): Promise<Gone> {
  const { id, merged = [], took = [] } = record
  const whole = goneFields(type, await allOfOne(place, type, [...own, ...merged]), record)
  const parts = [await takenBy(place, type, takers, { ids: [id, ...merged], record })]
  for (const { id: from, fields } of marksToday(type, record, took)) {
    const gone = await goneOf(place, type, from, record)
    parts.push(new Set(fields.filter((field) => gone.has(field))))
  }
  return anyOf([whole, ...parts])
}

/** The same of one whose values `record` holds. */
async function goneOf(place: Place, type: AnyEntityType, id: string, record: EntityRecord): Promise<Gone> {
  const takers = await takersOf(place, type, id)
  const isHere = (await headOf(shelfOf(place.env, place.workspace), type, id)) !== undefined
  const whole = goneFields(type, await allOfOne(place, type, [id, ...(isHere ? [] : takers)]), record)
  return anyOf([whole, await takenBy(place, type, takers, { ids: [id], record })])
}

/** What was erased of `takers` that they had taken from one of `ids`. */
async function takenBy(
  place: Place,
  type: AnyEntityType,
  takers: readonly string[],
  { ids, record }: { readonly ids: readonly string[]; readonly record: EntityRecord },
): Promise<Gone> {
  const shelf = shelfOf(place.env, place.workspace)
  const taken: Gone[] = []
  for (const taker of takers) {
    const theirs = (await headOf(shelf, type, taker))!.record
    const gone = goneFields(type, await allOfOne(place, type, [taker]), record)
    const marks = (theirs.took ?? []).filter((one) => ids.includes(one.id))
    // Under which names of today it would stand, blanks do not tell.
    const isOlder = marks.length > 0 && theirs.schema !== type.version
    const fields = marks.flatMap((one) => one.fields).filter((field) => gone.has(field))
    taken.push(isOlder ? gone : new Set(fields))
  }
  return anyOf(taken)
}

function anyOf(all: readonly Gone[]): Gone {
  return { has: (field) => all.some((gone) => gone.has(field)) }
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
