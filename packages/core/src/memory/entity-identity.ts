/** Identity of entities: what they are called elsewhere, and which of them are one. */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { sha256 } from '../base/hash.ts'
import type { Json } from '../base/value.ts'
import type { Put } from '../journal/put.ts'
import type { RecordWrite } from '../journal/store.ts'
import { versionMark, type NamesChange } from './change.ts'
import type { AnyEntityType, EntityRecord } from './entity.ts'
import { aliasToken, headOf, holderOfRef, plainName, refId, present, survivorOf, type Head } from './entity-read.ts'
import { mixed } from './entity-labels.ts'
import { alsoTook } from './entity-took.ts'
import {
  asBefore,
  commitChange,
  expected,
  same,
  unchanged,
  changeEntity,
  type Writing,
  type Written,
} from './entity-write.ts'

/** What an entity is to be called, and no longer to be called. */
export interface Names {
  readonly refs?: { readonly [system: string]: string | null } | undefined
  readonly aliases?: readonly string[] | undefined
  readonly without?: readonly string[] | undefined
}

/** `written`, with names and identities changed in the record that it puts. Throws `REF_TAKEN`. */
export async function withNames(writing: Writing, written: Written, names: Names): Promise<Written> {
  const put = written.puts.find(({ kind }) => kind === 'entity')
  const named = put && (await namesOf(writing, put.data as unknown as EntityRecord, names))
  if (named === undefined) return written
  return { ...written, puts: [...besides(written.puts, named.state, named.change), ...named.puts] }
}

export async function identifyEntity(writing: Writing, id: string, names: Names): Promise<Written> {
  const head = await expected(writing, id)
  const named = await namesOf(writing, head.record, names)
  if (named === undefined) return unchanged(writing, head)
  const { state, puts, change } = named
  const written = await commitChange(writing, head, { ...same(head), what: 'identified', state, names: change })
  return { ...written, puts: [...written.puts, ...puts] }
}

/** The puts of one write, with more in the record, and in the line that tells of it. */
function besides(puts: readonly Put[], state: Partial<EntityRecord>, names: NamesChange): Put[] {
  const head = puts.find(({ kind }) => kind === 'entity')!
  const line = `${head.id}/${versionMark(head.version)}`
  return puts.map((put) => {
    if (put === head) return { ...put, data: { ...(put.data as object), ...(state as object) } }
    if (put.id !== line) return put
    const event = put.data as { names?: NamesChange }
    return { ...put, data: { ...event, names: alsoNamed(event.names, names) } }
  })
}

function alsoNamed(before: NamesChange | undefined, more: NamesChange): Json {
  const refs = { ...before?.refs, ...more.refs }
  const aliases = [...(before?.aliases ?? []), ...(more.aliases ?? [])]
  const without = [...(before?.without ?? []), ...(more.without ?? [])]
  return {
    ...(Object.keys(refs).length === 0 ? {} : { refs }),
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(without.length === 0 ? {} : { without }),
  }
}

interface Named {
  /** What of the record changes. */
  readonly state: Partial<EntityRecord>
  /** What leads to it. */
  readonly puts: readonly Put[]
  readonly change: NamesChange
}

/** Undefined where nothing changes. Throws `REF_TAKEN`. */
async function namesOf(writing: Writing, record: EntityRecord, names: Names): Promise<Named | undefined> {
  const [refs, aliases] = [await refsOf(writing, record, names), await aliasesOf(writing, record, names)]
  const change = { ...refs?.change, ...aliases?.change }
  if (Object.keys(change).length === 0) return undefined
  return {
    state: { ...refs?.state, ...aliases?.state },
    puts: [...(refs?.puts ?? []), ...(aliases?.puts ?? [])],
    change,
  }
}

async function refsOf({ shelf, type }: Writing, record: EntityRecord, names: Names): Promise<Named | undefined> {
  const puts: Put[] = []
  const refs: Record<string, string> = { ...record.refs }
  const change: Record<string, string | null> = {}
  for (const [system, ref] of Object.entries(names.refs ?? {})) {
    const held = refs[system]
    if (held === (ref ?? undefined)) continue
    change[system] = ref
    if (held !== undefined) puts.push(await refEnd(shelf, type, system, held))
    delete refs[system]
    if (ref === null) continue
    const holder = await holderOfRef(shelf, type, system, ref)
    if (holder !== undefined) throw taken(type, system, holder)
    puts.push(await refPut(shelf, type, system, ref, record.id, 1))
    refs[system] = ref
  }
  return Object.keys(change).length === 0 ? undefined : { state: { refs }, puts, change: { refs: change } }
}

async function aliasesOf({ shelf, type }: Writing, record: EntityRecord, names: Names): Promise<Named | undefined> {
  const held = record.aliases ?? []
  const without = new Set(names.without?.map(plainName))
  const gone = held.filter((name) => without.has(plainName(name)))
  const kept = held.filter((name) => !gone.includes(name))
  const known = new Set(kept.map(plainName))
  const fresh = (names.aliases ?? []).filter((name) => {
    const plain = plainName(name)
    return plain !== '' && !known.has(plain) && known.add(plain)
  })
  if (gone.length + fresh.length === 0) return undefined
  const puts = await aliasEnds(shelf, type, record.id, gone)
  for (const name of fresh) puts.push(await aliasPut(shelf, type, record.id, name))
  const change = {
    ...(fresh.length === 0 ? {} : { aliases: fresh }),
    ...(gone.length === 0 ? {} : { without: gone }),
  }
  return { state: { aliases: [...kept, ...fresh] }, puts, change }
}

async function refPut(
  shelf: Writing['shelf'],
  type: AnyEntityType,
  system: string,
  ref: string,
  entity: string,
  version: number,
): Promise<Put> {
  const id = refId(type.name, system, ref, await shelf.key())
  return {
    kind: 'ref',
    id,
    version,
    data: { type: type.name, system, entity },
    index: { entity: `${type.name}/${entity}` },
  }
}

async function refEnd(shelf: Writing['shelf'], type: AnyEntityType, system: string, ref: string): Promise<Put> {
  const id = refId(type.name, system, ref, await shelf.key())
  const [row] = await shelf.store.records(shelf.workspace, { kind: 'ref', ids: [id], limit: 1 })
  return { kind: 'ref', id, version: (row?.version ?? 0) + 1, data: null }
}

/** The identity leads to another entity from now on. */
async function refMoved(
  shelf: Writing['shelf'],
  type: AnyEntityType,
  system: string,
  ref: string,
  entity: string,
): Promise<Put> {
  const { version } = await refEnd(shelf, type, system, ref)
  return refPut(shelf, type, system, ref, entity, version)
}

async function aliasPut(shelf: Writing['shelf'], type: AnyEntityType, entity: string, name: string): Promise<Put> {
  const alias = aliasToken(type.name, name, await shelf.key())
  const id = aliasId(type, entity, name)
  return { kind: 'alias', id, version: 1, data: { type: type.name, entity, name }, index: { alias, type: type.name } }
}

function aliasId(type: AnyEntityType, entity: string, name: string): string {
  return `${type.name}/${entity}/${sha256(canonical(plainName(name))).slice(0, 16)}`
}

/** Names lead here no more. What came along in a merge leads to the other record, and is left to it. */
async function aliasEnds(
  shelf: Writing['shelf'],
  type: AnyEntityType,
  entity: string,
  names: readonly string[],
): Promise<Put[]> {
  const ids = [...new Set(names.map((name) => aliasId(type, entity, name)))]
  if (ids.length === 0) return []
  const rows = await shelf.store.records(shelf.workspace, { kind: 'alias', ids, limit: ids.length })
  return rows.map(({ id, version }) => ({ kind: 'alias', id, version: version + 1, data: null }))
}

function taken(type: AnyEntityType, system: string, holder: string): KeelsonError {
  return new KeelsonError('REF_TAKEN', `this identity in ${system} belongs to ${type.name} "${holder}"`, {
    hint: 'Are they the same? Then merge() them.',
    data: { entity: type.name, id: holder, system },
  })
}

/** Two records that are one: `from` leads to `into` from now on. */
export async function mergeEntities(
  writing: Writing,
  into: string,
  from: string,
  take: readonly string[],
): Promise<Written> {
  const { type, shelf } = writing
  const survivor = await expected(writing, into)
  const lost = await survivorOf(shelf, type, from)
  if (lost.record.id === survivor.record.id) return unchanged(writing, survivor)
  const clash = Object.entries(lost.record.refs ?? {}).find(([system]) => survivor.record.refs?.[system] !== undefined)
  if (clash !== undefined) {
    throw new KeelsonError('REF_TAKEN', `both have an identity in ${clash[0]}: they cannot be one`, {
      hint: `Take one away first: identify(id, { refs: { ${clash[0]}: null } }).`,
      data: { entity: type.name, id: lost.record.id, system: clash[0] },
    })
  }
  const theirs = present(type, lost.record)
  const patch = Object.fromEntries(take.filter((field) => Object.hasOwn(theirs, field)).map((f) => [f, theirs[f]!]))
  const labels = lost.record.schema === type.version ? lost.record.labels : mixed(type, lost.record.labels, theirs)
  const kept = await changeEntity(writing, survivor.record.id, patch, `merged with ${lost.record.id}`, labels)
  const left = { ...writing, options: { ...writing.options, expect: undefined } } as unknown as Writing
  const gone = await commitChange(left, lost, {
    ...same(lost),
    ...{ what: `merged into ${survivor.record.id}`, became: 'merged', into: survivor.record.id },
    state: { mergedInto: survivor.record.id },
  })
  return joined(writing, kept, gone, { lost, taken: Object.keys(patch) })
}

/** Both changes in one unit, the survivor with what led to the other. */
async function joined(
  writing: Writing,
  kept: Written,
  gone: Written,
  { lost, taken }: { readonly lost: Head; readonly taken: readonly string[] },
): Promise<Written> {
  const { shelf, type } = writing
  const record = kept.puts.find(({ kind }) => kind === 'entity')!.data as unknown as EntityRecord
  const aliases = [...new Set([...(record.aliases ?? []), ...(lost.record.aliases ?? [])])]
  const came = aliases.slice(record.aliases?.length ?? 0)
  const merged: Partial<EntityRecord> = {
    merged: [...(record.merged ?? []), lost.record.id, ...(lost.record.merged ?? [])],
    refs: { ...record.refs, ...lost.record.refs },
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(taken.length === 0 ? {} : { took: alsoTook(type, record, lost.record, taken) }),
  }
  const moved: Put[] = []
  for (const [system, ref] of Object.entries(lost.record.refs ?? {}))
    moved.push(await refMoved(shelf, type, system, ref, record.id))
  const names = { refs: { ...lost.record.refs }, ...(came.length === 0 ? {} : { aliases: came }) }
  return {
    puts: [...besides(kept.puts, merged, names), ...gone.puts, ...moved],
    cached: [...kept.cached, ...gone.cached] satisfies RecordWrite[],
    ok: kept.ok,
  }
}

/** What was archived, or merged away, is back under its own id. */
export async function restoreEntity(writing: Writing, id: string): Promise<Written> {
  const { type, shelf } = writing
  const head = await headOf(shelf, type, id)
  if (head?.record.mergedInto !== undefined) return unmerge(writing, head)
  const own = await expected(writing, id)
  if (own.record.archived !== true) return unchanged(writing, own)
  const { archived: _, ...rest } = own.record
  return commitChange(writing, { ...own, record: rest }, { ...same(own), what: 'restored', became: 'restored' })
}

/** What fields and names of a record go back to. */
export interface BackTo {
  readonly restore: EntityRecord['data']
  readonly drop: readonly string[]
  readonly names: Names
  /** The versions that are taken back. */
  readonly undoes?: readonly number[]
}

const AS_IT_IS: BackTo = { restore: {}, drop: [], names: {} }

/**
 * `own`, `theirs`: what its fields, and those of the survivor, go back to, where the merge itself is taken back; `own.archived`:
 * it goes back into the archive. Otherwise it is active, whatever it was before it was merged.
 */
export async function unmerge(
  writing: Writing,
  head: Head,
  own: Pick<BackTo, 'restore' | 'drop' | 'undoes'> & { readonly archived?: true } = AS_IT_IS,
  theirs: BackTo = AS_IT_IS,
): Promise<Written> {
  const survivor = await survivorOf(writing.shelf, writing.type, head.record.id)
  const { mergedInto: _, archived: __, ...rest } = head.record
  const became =
    own.archived === true ? { became: 'archived' as const, state: { archived: true } } : { became: 'restored' as const }
  const back = await commitChange(
    writing,
    { ...head, record: rest },
    { ...(await asBefore(writing, head, own.restore, own.drop)), what: 'restored', undoes: own.undoes, ...became },
  )
  const left = await leftAlone(writing, survivor, head, theirs)
  return { puts: [...back.puts, ...left.puts], cached: [...back.cached, ...left.cached], ok: back.ok }
}

/** The survivor, without what came along in the merge. */
async function leftAlone(writing: Writing, survivor: Head, head: Head, to: BackTo): Promise<Written> {
  const { type, shelf } = writing
  const own = new Set([head.record.id, ...(head.record.merged ?? [])])
  const refs = Object.entries(survivor.record.refs ?? {})
  const theirs = refs.filter(([system, ref]) => head.record.refs?.[system] === ref)
  const without = await borrowed(writing, survivor, head)
  const left = await commitChange(writing, survivor, {
    ...(await asBefore(writing, survivor, to.restore, to.drop)),
    what: `no longer one with ${head.record.id}`,
    undoes: to.undoes,
    state: {
      merged: (survivor.record.merged ?? []).filter((one) => !own.has(one)),
      refs: Object.fromEntries(refs.filter((one) => !theirs.includes(one))),
      ...(without.length === 0 ? {} : { aliases: survivor.record.aliases!.filter((name) => !without.includes(name)) }),
    },
    names: {
      refs: Object.fromEntries(theirs.map(([system]) => [system, null])),
      ...(without.length === 0 ? {} : { without }),
    },
  })
  const named = await withNames(writing, left, to.names)
  const moved: Put[] = []
  for (const [system, ref] of theirs) moved.push(await refMoved(shelf, type, system, ref, head.record.id))
  return { ...named, puts: [...named.puts, ...moved] }
}

/** Names that a record has only since the other became one with it. */
async function borrowed({ shelf, type }: Writing, survivor: Head, { record }: Head): Promise<string[]> {
  const theirs = new Set(record.aliases?.map(plainName))
  const shared = (survivor.record.aliases ?? []).filter((name) => theirs.has(plainName(name)))
  const own = new Set((await aliasEnds(shelf, type, survivor.record.id, shared)).map(({ id }) => id))
  return shared.filter((name) => !own.has(aliasId(type, survivor.record.id, name)))
}
