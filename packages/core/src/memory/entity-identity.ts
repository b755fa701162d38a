/** Identity of entities: what they are called elsewhere, and which of them are one. */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { sha256 } from '../base/hash.ts'
import type { Put } from '../journal/put.ts'
import type { RecordWrite } from '../journal/store.ts'
import type { AnyEntityType, EntityRecord } from './entity.ts'
import { aliasToken, headOf, holderOfRef, plainName, refId, present, survivorOf, type Head } from './entity-read.ts'
import { mixed } from './entity-labels.ts'
import {
  asBefore,
  commitChange,
  expected,
  same,
  unchanged,
  updateEntity,
  type Writing,
  type Written,
} from './entity-write.ts'

type Refs = { readonly [system: string]: string | null }

/** `written`, with names and identities added to the record that it puts. */
export async function withNames(
  writing: Writing,
  written: Written,
  names: { refs?: Refs | undefined; aliases?: readonly string[] | undefined },
): Promise<Written> {
  const at = written.puts.findIndex(({ kind }) => kind === 'entity')
  const put = written.puts[at]
  if (put === undefined || (names.refs === undefined && names.aliases === undefined)) return written
  const record = put.data as unknown as EntityRecord
  const named = await namesOf(writing, record, names)
  const puts = written.puts.with(at, { ...put, data: { ...record, ...named.state } })
  return { ...written, puts: [...puts, ...named.puts] }
}

export async function identifyEntity(
  writing: Writing,
  id: string,
  names: { refs?: Refs; aliases?: readonly string[] },
): Promise<Written> {
  const head = await expected(writing, id)
  const { state, puts } = await namesOf(writing, head.record, names)
  if (puts.length === 0) return unchanged(writing, head)
  const written = await commitChange(writing, head, { ...same(head), what: 'identified', state })
  return { ...written, puts: [...written.puts, ...puts] }
}

/** What of the record changes, and what leads to it. Throws `REF_TAKEN`. */
async function namesOf(
  { shelf, type }: Writing,
  record: EntityRecord,
  names: { refs?: Refs | undefined; aliases?: readonly string[] | undefined },
): Promise<{ state: Partial<EntityRecord>; puts: Put[] }> {
  const puts: Put[] = []
  const refs: Record<string, string> = { ...record.refs }
  for (const [system, ref] of Object.entries(names.refs ?? {})) {
    const held = refs[system]
    if (held === (ref ?? undefined)) continue
    if (held !== undefined) puts.push(await refEnd(shelf, type, system, held))
    delete refs[system]
    if (ref === null) continue
    const holder = await holderOfRef(shelf, type, system, ref)
    if (holder !== undefined) throw taken(type, system, holder)
    puts.push(await refPut(shelf, type, system, ref, record.id, 1))
    refs[system] = ref
  }
  const known = new Set(record.aliases?.map(plainName))
  const fresh = (names.aliases ?? []).filter((name) => {
    const plain = plainName(name)
    return plain !== '' && !known.has(plain) && known.add(plain)
  })
  for (const name of fresh) puts.push(await aliasPut(shelf, type, record.id, name))
  const aliases = [...(record.aliases ?? []), ...fresh]
  return { state: { refs, ...(aliases.length === 0 ? {} : { aliases }) }, puts }
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
  const id = `${type.name}/${entity}/${sha256(canonical(plainName(name))).slice(0, 16)}`
  return { kind: 'alias', id, version: 1, data: { type: type.name, entity, name }, index: { alias, type: type.name } }
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
  const kept = await updateEntity(writing, survivor.record.id, patch, `merged with ${lost.record.id}`, labels)
  const left = { ...writing, options: { ...writing.options, expect: undefined } } as unknown as Writing
  const gone = await commitChange(left, lost, {
    ...same(lost),
    ...{ what: `merged into ${survivor.record.id}`, became: 'merged', into: survivor.record.id },
    state: { mergedInto: survivor.record.id },
  })
  return joined(writing, kept, gone, lost)
}

/** Both changes in one unit, the survivor with what led to the other. */
async function joined(writing: Writing, kept: Written, gone: Written, lost: Head): Promise<Written> {
  const { shelf, type } = writing
  const at = kept.puts.findIndex(({ kind }) => kind === 'entity')
  const put = kept.puts[at]!
  const record = put.data as unknown as EntityRecord
  const aliases = [...new Set([...(record.aliases ?? []), ...(lost.record.aliases ?? [])])]
  const merged: EntityRecord = {
    ...record,
    merged: [...(record.merged ?? []), lost.record.id, ...(lost.record.merged ?? [])],
    refs: { ...record.refs, ...lost.record.refs },
    ...(aliases.length === 0 ? {} : { aliases }),
  }
  const moved: Put[] = []
  for (const [system, ref] of Object.entries(lost.record.refs ?? {}))
    moved.push(await refMoved(shelf, type, system, ref, record.id))
  return {
    puts: [...kept.puts.with(at, { ...put, data: merged as never }), ...gone.puts, ...moved],
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

/** `to`: what the survivor's fields go back to, where the merge itself is taken back. */
export async function unmerge(
  writing: Writing,
  head: Head,
  to: { restore: EntityRecord['data']; drop: readonly string[] } = { restore: {}, drop: [] },
): Promise<Written> {
  const { type, shelf } = writing
  const survivor = await survivorOf(shelf, type, head.record.id)
  const { mergedInto: _, ...rest } = head.record
  const back = await commitChange(
    writing,
    { ...head, record: rest },
    { ...same(head), what: 'restored', became: 'restored' },
  )
  const own = new Set([head.record.id, ...(head.record.merged ?? [])])
  const refs = Object.entries(survivor.record.refs ?? {})
  const theirs = refs.filter(([system, ref]) => head.record.refs?.[system] === ref)
  const left = await commitChange(writing, survivor, {
    ...(await asBefore(writing, survivor, to.restore, to.drop)),
    what: `no longer one with ${head.record.id}`,
    state: {
      merged: (survivor.record.merged ?? []).filter((one) => !own.has(one)),
      refs: Object.fromEntries(refs.filter((one) => !theirs.includes(one))),
    },
  })
  const moved: Put[] = []
  for (const [system, ref] of theirs) moved.push(await refMoved(shelf, type, system, ref, head.record.id))
  return { puts: [...back.puts, ...left.puts, ...moved], cached: [...back.cached, ...left.cached], ok: back.ok }
}
