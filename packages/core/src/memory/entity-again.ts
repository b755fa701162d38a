/**
 * Again: a creation that a rewind took back and that is performed once more: its record stands, and becomes what is said now.
 *
 * G1. Only what it says otherwise than the last time is written: what others, and later steps of the run, made of the rest stays.
 * G2. What was erased since is not written again by it.
 */
import { changeId, difference, foldChanges, NOTHING, type EntityChange } from './change.ts'
import { changesOf } from './entity-history.ts'
import { present, type Head } from './entity-read.ts'
import { fitted, unchanged, updateEntity, type Who, type Writing, type Written } from './entity-write.ts'

/** Was this record made by this very operation? */
export async function madeBy({ shelf, type, who, isAgain }: Writing, id: string): Promise<boolean> {
  const ids = [changeId(type.name, id, 1)]
  const [row] = await shelf.store.records(shelf.workspace, { kind: 'timeline', ids, limit: 1 })
  return row !== undefined && isBy(who, JSON.parse(row.data) as EntityChange) && (await isAgain?.()) === true
}

export async function createAgain(writing: Writing, head: Head, given: unknown): Promise<Written> {
  const { shelf, type, who } = writing
  const { id } = head.record
  const own: EntityChange[] = []
  for await (const change of changesOf(shelf, type.name, id)) if (isBy(who, change)) own.push(change)
  const { data, schema } = foldChanges(type, NOTHING, own)
  const last = present(type, { ...head.record, data, schema })
  const { changed, dropped } = difference(last, fitted(type, given, `a new ${type.name}`))
  const erased = own.flatMap((change) => change.erased ?? [])
  const said = [...Object.entries(changed), ...dropped.map((field) => [field, undefined] as const)]
  const patch = Object.fromEntries(said.filter(([field]) => !erased.includes(field)))
  return Object.keys(patch).length === 0 ? unchanged(writing, head) : updateEntity(writing, id, patch)
}

function isBy({ run, step }: Who, change: EntityChange): boolean {
  return run !== undefined && change.run === run && change.step === step
}
