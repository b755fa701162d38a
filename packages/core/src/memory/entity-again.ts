/**
 * Again: a creation that a rewind took back and that is performed once more: its record stands, and becomes what is said now.
 *
 * G1. Only what it says otherwise than the last time is written: what others, and later steps of the run, made of the rest stays.
 * G2. What was erased since is not written again by it: of names, none at all once anything was.
 */
import { changeId, difference, foldChanges, NOTHING, type EntityChange } from './change.ts'
import { changesOf } from './entity-history.ts'
import type { EntityRecord } from './entity.ts'
import { identifyEntity, withNames, type Names } from './entity-identity.ts'
import { plainName, present, type Head } from './entity-read.ts'
import { archived, fitted, unchanged, updateEntity, type Who, type Writing, type Written } from './entity-write.ts'

/** Was this record made by this very operation? */
export async function madeBy({ shelf, type, who, isAgain }: Writing, id: string): Promise<boolean> {
  const ids = [changeId(type.name, id, 1)]
  const [row] = await shelf.store.records(shelf.workspace, { kind: 'timeline', ids, limit: 1 })
  return row !== undefined && isBy(who, JSON.parse(row.data) as EntityChange) && (await isAgain?.()) === true
}

export async function createAgain(writing: Writing, head: Head, given: unknown, names: Names): Promise<Written> {
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
  const called = own.some((change) => change.erased !== undefined) ? {} : calledOtherwise(head.record, own, names)
  const written = Object.keys(patch).length === 0 ? unchanged(writing, head) : await updateEntity(writing, id, patch)
  if (Object.keys(called).length === 0) return written
  if (head.record.archived === true) throw archived(type, id)
  return written.puts.length === 0 ? identifyEntity(writing, id, called) : withNames(writing, written, called)
}

/** The names that it says otherwise than the last time (G1); empty where it says the same. */
function calledOtherwise(
  record: EntityRecord,
  own: readonly EntityChange[],
  { refs = {}, aliases = [] }: Names,
): Names {
  const lastRefs: Record<string, string | null> = {}
  let last: string[] = []
  for (const { names = {} } of own) {
    Object.assign(lastRefs, names.refs)
    last = [...last.filter((name) => names.without?.includes(name) !== true), ...(names.aliases ?? [])]
  }
  const gone = Object.keys(lastRefs).filter(
    (system) => lastRefs[system] !== null && refs[system] === undefined && record.refs?.[system] === lastRefs[system],
  )
  const changed = Object.entries(refs).filter(([system, ref]) => lastRefs[system] !== ref)
  const [now, before] = [new Set(aliases.map(plainName)), new Set(last.map(plainName))]
  const more = aliases.filter((name) => !before.has(plainName(name)))
  const without = last.filter((name) => !now.has(plainName(name)))
  const others = Object.fromEntries([...changed, ...gone.map((system) => [system, null] as const)])
  return {
    ...(changed.length + gone.length === 0 ? {} : { refs: others }),
    ...(more.length === 0 ? {} : { aliases: more }),
    ...(without.length === 0 ? {} : { without }),
  }
}

function isBy({ run, step }: Who, change: EntityChange): boolean {
  return run !== undefined && change.run === run && change.step === step
}
