/**
 * Merge: the entities and memories of a bundle into a workspace that has its own, each as a change of that workspace.
 *
 * G1. An entity is the same one when its id is there, or its key, or one of its outside identities. Equal data change nothing.
 * G2. What differs is a conflict: kept as it is here, or taken from the bundle, as told; it is named either way.
 * G3. What leads to one that was merged away leads to the one that it became.
 * G4. The files that come with what is taken over are those that it names; what the bundle does not hold of them is told.
 * G5. A memory keeps whose word it was, as far as an import may have it: never that of the operator here. What contradicts
 *     somebody here who counts for more is proposed.
 * G6. Nothing of the other journal enters: runs, approvals and grants stay behind. Who merged is on each change.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { edit, writingOf } from '../conductor/editor.ts'
import type { Environment } from '../conductor/environment.ts'
import { deskOf } from '../conductor/memory/desk.ts'
import { importKept } from '../conductor/memory/import.ts'
import { shelfOf } from '../conductor/shelf.ts'
import { partsOf, type AnyEntityType, type EntityRecord } from '../memory/entity.ts'
import { mixed } from '../memory/entity-labels.ts'
import { erasedHolders, headOf, holderOfRef, present, type Shelf } from '../memory/entity-read.ts'
import { withNames } from '../memory/entity-identity.ts'
import * as verbs from '../memory/entity-verbs.ts'
import { alsoTook, withTook } from '../memory/entity-took.ts'
import { createEntity, keyedId, keyedIdOf, type Writing } from '../memory/entity-write.ts'
import { taxonomyOf } from '../memory/terms.ts'
import { besidesErased, broughtOf, erasedHere, isKeyBlank, withBlanks, type Brought } from './merge-erased.ts'
import { erasedAs, goneHere, withoutGone, type Here } from './merge-gone.ts'
import { besidesHere, itemsOf, type Remembering } from './merge-memory.ts'
import { Files, filesIn, filesOf } from './merge-files.ts'
import { entryOf, readLines, type BundleSource } from './read.ts'

export interface MergeOptions {
  readonly by: Actor
  /** What becomes of an entity that differs here: 'keep' (default) leaves it, 'take' writes the bundle's data over it. */
  readonly onConflict?: 'keep' | 'take'
  /** Says what would be done, writes nothing. */
  readonly dryRun?: boolean
  readonly onProgress?: (done: { readonly entities: number }) => void
  readonly signal?: AbortSignal
}

/** One entity of the bundle. */
export interface Merged {
  readonly type: string
  readonly id: string
  /** The entity here that it is; the same id unless key or identity led to another. */
  readonly here: string
  readonly what: 'created' | 'same' | 'kept' | 'taken' | 'missing' | 'refused'
  /** Fields that differ. */
  readonly fields?: readonly string[]
  /** It was stored by an older version of its schema. */
  readonly upcast?: true
  /** Why it was refused; of 'missing', that its type is unknown here. */
  readonly why?: string
}

export interface MergeReport {
  readonly entities: readonly Merged[]
  /**
   * Memories written, known already, proposed to the operator, and left out because they were erased here. With `dryRun`,
   * `imported` is how many would be looked at.
   */
  readonly memories: {
    readonly imported: number
    readonly known: number
    readonly proposed: number
    readonly erased: number
  }
  /** Files that came with them. With `dryRun`, that would come. */
  readonly artifacts: number
  /** Hashes of artifacts that are named by what was taken over, that the bundle does not bring, and that are not here. */
  readonly missing: readonly string[]
}

interface Parts {
  readonly env: Environment
  readonly workspace: string
  readonly options: MergeOptions
  /** Entities of the bundle that are others here: for the links of those that follow. */
  readonly ids: Map<string, string>
  /** Of entities of the bundle, as `type/id`: ids of records that have an identity of theirs here, or had it until they were erased. */
  readonly beside: Map<string, readonly string[]>
  /** Entities of the bundle that had been merged into others of it, each with the one that stands for it. */
  readonly merged: ReadonlyMap<string, string>
  readonly files: Files
}

/** Reads a whole bundle and writes its entities, in the order in which their links allow it, and then its memories. */
export async function mergeBundle(
  env: Environment,
  workspace: string,
  source: BundleSource,
  options: MergeOptions,
): Promise<MergeReport> {
  const { waiting, memories, merged, files } = await contentsOf(source, options.signal)
  const parts: Parts = { env, workspace, options, ids: new Map(), beside: new Map(), merged: standing(merged), files }
  const entities: Merged[] = []
  for (let left = waiting, before = Infinity; left.length > 0 && left.length < before;) {
    before = left.length
    const again: EntityRecord[] = []
    for (const record of left) {
      options.signal?.throwIfAborted()
      const one = await mergeOne(parts, record)
      if (one.what === 'refused' && left.length > 1) again.push(record)
      else entities.push(one)
      options.onProgress?.({ entities: entities.length })
    }
    left = again
    if (left.length === before) for (const record of left) entities.push(await mergeOne(parts, record))
  }
  const remembered = await rememberAll(parts, memories)
  return { entities, memories: remembered, artifacts: files.brought, missing: files.missing }
}

async function contentsOf(
  source: BundleSource,
  signal: AbortSignal | undefined,
): Promise<{ waiting: EntityRecord[]; memories: Remembering[]; merged: Map<string, string>; files: Files }> {
  const waiting: EntityRecord[] = []
  const merged = new Map<string, string>()
  const memories: Remembering[] = []
  const files = new Files()
  for await (const line of readLines(source)) {
    signal?.throwIfAborted()
    if (line.type === 'entry') files.entry(entryOf(line))
    if (line.type === 'artifact') files.artifact(line)
    if (line.type !== 'record' || line.data === null) continue
    if (line.kind === 'artifact') files.record(line.id, line.data)
    if (line.kind === 'memory') memories.push(line.data as unknown as Remembering)
    if (line.kind !== 'entity') continue
    const record = line.data as unknown as EntityRecord
    if (record.mergedInto === undefined) waiting.push(record)
    else merged.set(`${record.type}/${record.id}`, record.mergedInto)
  }
  return { waiting, memories, merged, files }
}

/** Each redirect to its end. */
function standing(merged: ReadonlyMap<string, string>): Map<string, string> {
  const ends = [...merged].map(([key, into]): [string, string] => {
    const { type } = partsOf(key)!
    const seen = new Set<string>()
    let end = into
    for (
      let next: string | undefined = into;
      next !== undefined && !seen.has(next);
      next = merged.get(`${type}/${next}`)
    )
      seen.add((end = next))
    return [key, end]
  })
  return new Map(ends)
}

/** The id here of an entity that the bundle names. */
function idHere({ ids, merged }: Parts, type: string, id: string): string {
  const stands = merged.get(`${type}/${id}`) ?? id
  return ids.get(`${type}/${stands}`) ?? stands
}

async function mergeOne(parts: Parts, record: EntityRecord): Promise<Merged> {
  const { env } = parts
  const about = { type: record.type, id: record.id, here: record.id }
  const type = env.entities.named(record.type, record.schema)
  if (!env.entities.knows(record.type)) {
    return {
      ...about,
      what: 'missing',
      why: `no entity type "${record.type}" is known here: pass it in createConductor({ entities })`,
    }
  }
  const upcast = record.schema < type.version ? { upcast: true as const } : {}
  try {
    const { data: own, blanks } = broughtOf(type, record)
    const data = linked(parts, type, own)
    const labels = record.schema < type.version ? mixed(type, record.labels, data) : record.labels
    return { ...about, ...upcast, ...(await settle(parts, type, { record, data, blanks, labels })) }
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return { ...about, ...upcast, what: 'refused', why: thrown.message }
  }
}

/** Links that led to an entity which is another one here lead to that one. */
function linked(parts: Parts, type: AnyEntityType, data: EntityRecord['data']): EntityRecord['data'] {
  const fields = Object.entries(type.links).map(([field, to]): [string, Json] => {
    const follow = (id: Json): Json => (typeof id === 'string' ? idHere(parts, to.name, id) : id)
    const value = data[field] ?? null
    return [field, Array.isArray(value) ? value.map(follow) : follow(value)]
  })
  return { ...data, ...Object.fromEntries(fields.filter(([field]) => data[field] !== undefined)) }
}

/** What a record of the bundle is today. */
interface Given extends Brought {
  readonly record: EntityRecord
  readonly labels: EntityRecord['labels']
}

async function settle(
  parts: Parts,
  type: AnyEntityType,
  given: Given,
): Promise<Pick<Merged, 'here' | 'what' | 'fields'>> {
  const { env, workspace, options, ids } = parts
  const { record, data, blanks, labels } = given
  const shelf = shelfOf(env, workspace)
  const { here, own, takers } = await sameAs(parts, type, given)
  const gone = await goneHere(parts, type, record, { own: [here, ...own], takers })
  const beside = [...own, ...takers]
  const named = `${type.name}/${record.id}`
  if (here !== record.id) ids.set(named, here)
  if (beside.length > 0) parts.beside.set(named, beside)
  const head = await headOf(shelf, type, here)
  const free = writingOf(shelf, type, options.by, { reason: 'merged from a bundle' })
  const writing: Writing = free.allowed === 'any' ? { ...free, allowed: 'elsewhere' } : free
  if (head === undefined) {
    const left = withoutGone(type, given, gone, env.clock.now())
    await parts.files.bring(bringing(parts), filesIn(left.data))
    if (options.dryRun !== true) await createAll(parts, writing, here, { ...left, labels })
    return { here, what: 'created' }
  }
  const there = present(type, head.record)
  const fields = [...new Set([...Object.keys(there), ...Object.keys(data)])]
    .filter((field) => !gone.has(field) && !blanks.has(field))
    .filter((field) => canonical(there[field] ?? null) !== canonical(data[field] ?? null))
    .sort()
  if (fields.length > 0 && options.onConflict !== 'take') return { here, what: 'kept', fields }
  const said = Object.fromEntries(Object.entries(data).filter(([field]) => !gone.has(field) && !blanks.has(field)))
  await parts.files.bring(bringing(parts), filesIn(said))
  if (fields.length === 0) return { here, what: 'same' }
  if (options.dryRun !== true) {
    const patch = Object.fromEntries(fields.map((field) => [field, data[field]]))
    // What was the same before is a value of both from now on, too.
    const both = [...new Set([...fields, ...Object.keys(said)])]
    await edit(env, writing, options.by, async (w) =>
      withTook(await verbs.update(w, here, patch, labels), (now) => alsoTook(type, now, record, both)),
    )
  }
  return { here, what: 'taken', fields }
}

async function createAll({ env, options }: Parts, writing: Writing, here: string, given: Given): Promise<void> {
  const { record, data, blanks, labels } = given
  const names = { refs: record.refs ?? {}, aliases: record.aliases ?? [] }
  const archived = record.archived === true
  // With its names, and into the archive, in one unit: cut off in between, it would be there without, and nobody would add it.
  await edit(env, writing, options.by, async (w) => {
    const made = withBlanks(w.type, await createEntity(w, here, data, { labels, archived }), here, record, blanks)
    return withNames(
      w,
      withTook(made, (now) => alsoTook(w.type, now, record, Object.keys(data))),
      names,
    )
  })
}

function bringing({ env, workspace, options: { by, dryRun = false } }: Parts): Parameters<Files['bring']>[0] {
  return { env, workspace, by, dryRun }
}

/** The id under which it is here, if it is (G1). Whoever had values of it is it, unless it is here by its own id or key. */
async function sameAs(parts: Parts, type: AnyEntityType, given: Given): Promise<Here & { readonly here: string }> {
  const shelf = shelfOf(parts.env, parts.workspace)
  const { record } = given
  const [holders, blank]: [string[], string[]] = [[], []]
  for (const [system, ref] of Object.entries(record.refs ?? {})) {
    const holder = await holderOfRef(shelf, type, system, ref)
    if (holder !== undefined) holders.push(holder)
    blank.push(...(await erasedHolders(shelf, type, system, ref)))
  }
  const { all, part } = await erasedAs(parts, type, record)
  const [own, takers] = [
    [...holders, ...blank],
    [...all, ...part],
  ]
  if ((await headOf(shelf, type, record.id)) !== undefined) return { here: record.id, own, takers }
  const keyed = isKeyBlank(type, given) ? undefined : await keyedHere(shelf, type, given)
  if (keyed !== undefined && (await headOf(shelf, type, keyed)) !== undefined) return { here: keyed, own, takers }
  return { here: holders[0] ?? blank[0] ?? all[0] ?? keyed ?? record.id, own: [...own, ...takers], takers }
}

/** A blank that no schema lets in keeps nobody from reading the key beside it. */
async function keyedHere(shelf: Shelf, type: AnyEntityType, { data, blanks }: Brought): Promise<string | undefined> {
  try {
    return await keyedId(shelf, type, data)
  } catch (thrown) {
    if (blanks.size === 0) throw thrown
    return keyedIdOf(shelf, type, data)
  }
}

async function rememberAll(parts: Parts, memories: readonly Remembering[]): Promise<MergeReport['memories']> {
  const { env, workspace, options, ids, merged, beside } = parts
  const { value: taxonomy } = await taxonomyOf({ store: env.store, workspace })
  const here = new Map(ids)
  for (const [key, stands] of merged) {
    const { type, id } = partsOf(key)!
    here.set(key, idHere(parts, type, id))
    beside.set(key, beside.get(`${type}/${stands}`) ?? [])
  }
  const gone = await erasedHere(parts, memories)
  const left = memories.filter(({ id }) => !gone.has(id))
  const all = itemsOf(left, here, taxonomy)
  const whole = await besidesErased(parts, all)
  const erased = gone.size + all.length - whole.length
  const items = await besidesHere(parts, whole)
  const same = whole.length - items.length
  await parts.files.bring(
    bringing(parts),
    items.flatMap(({ item }) => filesOf(item.evidence ?? [])),
  )
  if (options.dryRun === true || items.length === 0) return { imported: items.length, known: same, proposed: 0, erased }
  const { imported, known, proposed } = await importKept(deskOf(env, workspace), items, {
    by: options.by,
    reason: 'merged from a bundle',
  })
  return { imported, known: known + same, proposed, erased }
}
