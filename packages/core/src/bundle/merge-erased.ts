/**
 * Merge erased: what was erased here does not come back with a bundle, and what was erased there is no fact to bring.
 *
 * E1. A field that was ever erased here is left as it is, whatever it holds today: of a value that a bundle has for it, nobody can say
 *     that it is another. So are fields of today that are made of it.
 * E2. Blanks of the bundle say nothing. Where a new record must have them, it says that they are blanks.
 */
import { canonical } from '../base/json.ts'
import { upcastBlank, upcastTo } from '../base/upcast.ts'
import type { Json } from '../base/value.ts'
import type { Environment } from '../conductor/environment.ts'
import { subjectsOf } from '../conductor/memory/subjects.ts'
import { pagesOf } from '../journal/pages.ts'
import { versionMark, type TimelineEvent } from '../memory/change.ts'
import { partsOf, recordId, type AnyEntityType, type EntityRecord } from '../memory/entity.ts'
import { erasedFields, fieldsOf, stringsIn } from '../memory/entity-erased.ts'
import { erasuresToday, fedBy, other } from '../memory/entity-fed.ts'
import type { Written } from '../memory/entity-write.ts'
import { GONE } from '../memory/gone.ts'
import { saidBy } from '../memory/known-by.ts'
import { recordsOf } from '../memory/recall/recall.ts'
import { rootOf, WORKSPACE_SCOPE } from '../memory/scope.ts'
import { isRedacted, MEMORY_RECORD, START, type MemoryRecord } from '../memory/unit.ts'
import type { Taking } from './merge-memory.ts'

type Data = EntityRecord['data']

/** What a record of a bundle says. */
export interface Brought {
  /** As of today. */
  readonly data: Data
  /** The fields of it that hold blanks. */
  readonly blanks: ReadonlySet<string>
}

/** Throws as an upcast does where nothing of it was erased. */
export function broughtOf(type: AnyEntityType, { data, schema, erased }: EntityRecord): Brought {
  if (erased === undefined) return { data: upcastTo(type, data, schema), blanks: new Set() }
  const made = upcastBlank(type, data, schema)
  const fields = blanksIn(type, { data, schema, erased })
  const blanks = schema === type.version ? fields : (fedBy(type, data, schema, fields) ?? Object.keys(made))
  const known = fieldsOf(type)
  const must = Object.entries(made).filter(([field]) => !blanks.includes(field) || known.get(field)?.mayLack !== true)
  return { data: Object.fromEntries(must), blanks: new Set(blanks) }
}

/**
 * Fields that hold blanks, or what an upcaster has made of some. Earlier releases left the old names to what a newer schema calls
 * otherwise: then any field may be meant that looks like one.
 */
function blanksIn(
  type: AnyEntityType,
  record: Pick<EntityRecord, 'data' | 'schema'> & Required<Pick<EntityRecord, 'erased'>>,
): string[] {
  const { data, schema, erased } = record
  const [known, own] = [fieldsOf(type), new Set(erased.flatMap(({ fields }) => fields))]
  const isLost = schema === type.version && [...own].some((field) => !Object.hasOwn(data, field) && !known.has(field))
  const meant = isLost ? Object.keys(data) : [...own].filter((field) => Object.hasOwn(data, field))
  const blank = new Set(erasedFields(type, { data, schema, erased: [{ fields: meant }] }))
  return meant.filter((field) => blank.has(field) || stringsIn(data[field]).some((text) => text.includes(GONE)))
}

/** All records that are one with one of these by now, these among them: what was erased of any of them is erased of it. */
export async function allOfOne(
  { env, workspace }: { readonly env: Environment; readonly workspace: string },
  type: AnyEntityType,
  of: readonly string[],
): Promise<EntityRecord[]> {
  const found = new Map<string, EntityRecord>()
  for (const id of of) {
    const ids = await subjectsOf({ env, workspace }, recordId(type.name, id))
    for (const row of await env.store.records(workspace, { kind: 'entity', ids, limit: ids.length }))
      found.set(row.id, JSON.parse(row.data) as EntityRecord)
  }
  return [...found.values()]
}

/** The fields of today that are not to be taken from `record`, as the bundle has it (E1). `here`: the records that it is here. */
export function goneFields(
  type: AnyEntityType,
  here: readonly EntityRecord[],
  { data, schema }: Pick<EntityRecord, 'data' | 'schema'>,
): { readonly has: (field: string) => boolean } {
  const erasures = here.flatMap(({ erased = [] }) => erased)
  const gone = new Set(erasures.flatMap(({ fields }) => fields))
  if (gone.size === 0 && !erasures.some(({ all }) => all === true)) return gone
  const known = fieldsOf(type)
  const lost = new Set(gone)
  for (const field of known.keys()) lost.delete(field)
  for (const older of [...here, { data, schema }]) {
    if (older.schema === type.version) for (const field of Object.keys(older.data)) lost.delete(field)
    if (older.schema === type.version) continue
    const named = [...gone].filter((field) => Object.hasOwn(older.data, field))
    const fed = fedBy(type, older.data, older.schema, named)
    if (fed === undefined) return everyField(type)
    for (const field of fed) gone.add(field)
    for (const field of named) lost.delete(field)
  }
  // What an erased field of another shape has become, nobody can say.
  if (lost.size > 0 || erasures.some(({ all }) => all === true)) return everyField(type)
  return gone
}

/** All that says anything of anybody. */
function everyField(type: AnyEntityType): { has: (field: string) => boolean } {
  return { has: (field) => !Object.hasOwn(type.lifecycles, field) }
}

/** Is the key of it made of blanks? Then it tells nothing. */
export function isKeyBlank(type: AnyEntityType, { data, blanks }: Brought): boolean {
  if (type.key === undefined || blanks.size === 0) return false
  const others = Object.entries(data).map(([field, value]) => [field, blanks.has(field) ? other(value) : value])
  try {
    return canonical(type.key(data)) !== canonical(type.key(Object.fromEntries(others)))
  } catch {
    return true
  }
}

/** A record that `written` creates, with word of what of it was erased where it came from. */
export function withBlanks(
  type: AnyEntityType,
  written: Written,
  id: string,
  record: EntityRecord,
  blanks: ReadonlySet<string>,
): Written {
  if (record.erased === undefined || blanks.size === 0) return written
  // Where it was still said, and by which hash it is known, belongs to the other journal.
  const told = erasuresToday(type, record)!.map(({ stands: _, refs: __, ...erasure }) => ({ ...erasure, hash: '' }))
  const line = `${recordId(type.name, id)}/${versionMark(1)}`
  const puts = written.puts.map((put) => {
    if (put.kind === 'entity') return { ...put, data: { ...(put.data as object), erased: told as unknown as Json } }
    if (put.kind !== 'timeline' || put.id !== line) return put
    const { changed } = put.data as unknown as TimelineEvent
    const fields = Object.keys((changed ?? {}) as Data).filter((field) => blanks.has(field))
    return { ...put, data: { ...(put.data as object), ...(fields.length === 0 ? {} : { erased: fields.sort() }) } }
  })
  return { ...written, puts }
}

/** Memories of the bundle that were erased here, or of which something was: an older bundle of this very company has them whole. */
export async function erasedHere(
  { env, workspace }: { readonly env: Environment; readonly workspace: string },
  memories: readonly Pick<MemoryRecord, 'id'>[],
): Promise<Set<string>> {
  const gone = new Set<string>()
  for (let at = 0; at < memories.length; at += 500) {
    const ids = memories.slice(at, at + 500).map(({ id }) => id)
    for (const [id, record] of await recordsOf(env.store, workspace, ids))
      if (record.erased !== undefined || isRedacted(record)) gone.add(id)
  }
  return gone
}

/** Those of another company that were taken over before and erased since, or partly: known by the hashes that are left of them. */
export async function besidesErased(
  parts: { readonly env: Environment; readonly workspace: string; readonly beside: Beside },
  items: readonly Taking[],
): Promise<Taking[]> {
  const { env, workspace } = parts
  const secret = await env.company(workspace).key()
  const scopes = items.map(({ item }) => item.scope ?? WORKSPACE_SCOPE)
  const tombs = new Set<string>()
  for (const root of new Set(scopes.map(rootOf)))
    for (const where of [
      { field: 'in', value: `past:${root}` },
      { field: 'was', value: root },
    ])
      for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, where, after: START })) {
        const { scope, erased, was = [] } = JSON.parse(data) as MemoryRecord
        for (const said of erased === undefined ? was : [...was, erased]) tombs.add(markOf(scope, said))
      }
  if (tombs.size === 0) return [...items]
  const namesOf = naming(parts)
  const left: Taking[] = []
  for (const [at, one] of items.entries()) {
    const saying = one.item as { text: string; value?: Json }
    const said = await namesOf(one.about)
    const marks = (said.length === 0 ? [undefined] : said).map((subject) =>
      markOf(scopes[at]!, saidBy(secret, { ...saying, ...(subject === undefined ? {} : { subject }) })),
    )
    if (!marks.some((mark) => tombs.has(mark))) left.push(one)
  }
  return left
}

/** By the names that entities have in the bundle: ids of records that are no others, as their identities say. */
type Beside = ReadonlyMap<string, readonly string[]>

/** Under which names something may have been known here of what a memory is about: of all records that are, or were, one with it. */
function naming({
  env,
  workspace,
  beside,
}: {
  readonly env: Environment
  readonly workspace: string
  readonly beside: Beside
}): (about: readonly string[]) => Promise<readonly string[]> {
  const known = new Map<string, Promise<string[]>>()
  const look = (subject: string): Promise<string[]> => {
    const found = known.get(subject) ?? subjectsOf({ env, workspace }, subject)
    known.set(subject, found)
    return found
  }
  return async (about) => {
    const others = about.flatMap((one) => (beside.get(one) ?? []).map((id) => recordId(partsOf(one)!.type, id)))
    return [...new Set((await Promise.all([...about, ...others].map(look))).flat())]
  }
}

function markOf(
  scope: string,
  { hash, about = null }: { readonly hash: string; readonly about?: string | null },
): string {
  return canonical([scope, hash, about])
}
