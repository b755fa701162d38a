/**
 * Erase entity: no byte of its values stays: not in the record, its lines, its snapshots, names, entries, nor in what was made of them.
 *
 * N1. What stood there is told by the record: who erased which fields, when, why, and a keyed hash. Versions stay as they were
 *     counted; blanks stand in the place of values, so that no read, fold or revert brings one back.
 * N2. The records that it was made one with are the same entity: theirs go with its own.
 * N3. Memory, the record and files go in this order, each as units of its own. Stopped between them it goes on when it is asked for
 *     again: what is remembered is looked for in words that the record's erasure would have taken out of it.
 */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { recordId, type AnyEntityType, type EntityRecord } from '../../memory/entity.ts'
import {
  assertErasing,
  erasedFields,
  ownTexts,
  standingFields,
  stringsIn,
  wantedOf,
  type Wanted,
} from '../../memory/entity-erased.ts'
import { survivorOf } from '../../memory/entity-read.ts'
import type { EntityErased } from '../../memory/entity-store.ts'
import type { Edit } from '../company.ts'
import type { Environment } from '../environment.ts'
import { forgettingReads } from '../effect/tags.ts'
import type { Notifier } from '../notifier.ts'
import { shelfOf } from '../shelf.ts'
import { deskOf, type Desk } from './desk.ts'
import { endProposals } from './end-proposals.ts'
import { erase } from './erase.ts'
import { erasedPuts, overlaidPuts, soughtOf, storedOf, type About, type Stored } from './entity-blanks.ts'
import { redactedPuts, tracesAndKeys } from './keys.ts'
import { rememberedLeft } from './meant.ts'
import { carried, leftOf, onceEach, redactedText, SHORTEST, textsOf } from './redact.ts'
import { placesIn, stillSaid } from './stands.ts'

export interface Erasing {
  readonly fields?: readonly string[]
  readonly reason?: string
  readonly memory?: boolean
  readonly keepEffects?: boolean
  readonly files?: boolean
}

export async function eraseEntity(
  { env, notifier, workspace }: { readonly env: Environment; readonly notifier: Notifier; readonly workspace: string },
  type: AnyEntityType,
  by: Actor,
  id: string,
  options: Erasing = {},
): Promise<EntityErased> {
  assertErasing({ ...options })
  if (by.kind !== 'person') {
    throw new KeelsonError('INPUT_INVALID', `only a person erases a ${type.name}`, {
      hint: 'Name who does: entities(type, { by: { kind: "person", id } }). A machine may archive it, and ask.',
    })
  }
  const desk = deskOf(env, workspace)
  const shelf = shelfOf(env, workspace)
  const { record } = await survivorOf(shelf, type, id)
  const about: About = {
    ...{ desk, type, by, secret: await shelf.key(), reason: options.reason ?? 'it was asked for' },
    wanted: wantedOf(type, options.fields, record.data),
    ids: [record.id, ...(record.merged ?? [])],
  }
  const { reason, wanted } = about
  const entities = wanted === 'all' ? about.ids.map((one) => recordId(type.name, one)) : []
  const still = stillSaid(desk, about.secret)
  await endProposals(desk, notifier, { texts: textsOf((await saidOf(about, still)).own), entities }, { by, reason })
  const notes = wanted === 'all' ? await erasedMemory(about, notifier, options) : []
  let result: EntityErased = { erased: [], left: [] }
  await env.company(workspace).edit(async () => {
    const made = await erasure(about, still, options.keepEffects)
    result = made.result
    return made.edit
  })
  env.library(workspace).clear()
  env.vectors?.forget(workspace)
  const once = onceEach([...notes, ...result.left])
  return { ...result, left: options.files === true ? await withoutFiles(about, notifier, once) : once }
}

/** The files in which it stands go as well; what is left then. */
async function withoutFiles(
  { desk, by, reason }: About,
  notifier: Notifier,
  left: EntityErased['left'],
): Promise<EntityErased['left']> {
  const files = left.flatMap(({ where }) => /^artifact (.+)$/.exec(where)?.[1] ?? [])
  if (files.length === 0) return left
  const { left: kept } = await erase(desk, notifier, { files }, { by, reason })
  return [...left.filter(({ where }) => !where.startsWith('artifact ')), ...kept]
}

/**
 * What was noted of it is remembered beside it, and goes with it; with `memory` all that is remembered about it. Where that is still
 * said, but for records of the entity itself: those go next.
 */
async function erasedMemory(
  { desk, type, ids, by, reason }: About,
  notifier: Notifier,
  { memory = false, keepEffects = false }: Erasing,
): Promise<EntityErased['left']> {
  const stored = await storedOf(desk, type, ids)
  const lines = stored.flatMap((one) => one.lines)
  const notes = lines.flatMap(({ data }) => (JSON.parse(data) as TimelineEvent).memory ?? [])
  if (!memory && notes.length === 0) return []
  const which = memory ? { about: { type: type.name, id: ids[0]! } } : { ids: notes }
  const { left } = await erase(desk, notifier, which, { by, reason, keepEffects, everywhere: true })
  const names = new Set(stored.flatMap((one) => one.names.map(({ kind, id }) => `${kind} ${id}`)))
  const own = ids.map((id) => recordId(type.name, id))
  const isOwn = (where: string): boolean =>
    names.has(where) || own.some((id) => where.endsWith(` ${id}`) || where.includes(` ${id}/`))
  return left.filter(({ where }) => !isOwn(where))
}

type Still = ReturnType<typeof stillSaid>

/** All of it as one unit, from what is stored now; none where nothing is left to erase. */
async function erasure(
  about: About,
  still: Still,
  keepEffects: boolean | undefined,
): Promise<{ result: EntityErased; edit: Edit | undefined }> {
  const { desk, type, by, reason, ids } = about
  const { stored, own, shared } = await saidOf(about, still)
  const texts = textsOf(own)
  const sought = soughtOf(about)
  const seen = await tracesAndKeys(desk, { ...sought, texts, keepEffects })
  const made = erasedPuts(about, stored, { texts, own, seen, now: desk.env.clock.now() })
  const puts = new Map(made.puts.map((put) => [`${put.kind}/${put.id}`, put]))
  for (const put of await overlaidPuts(about, sought, texts)) puts.set(`${put.kind}/${put.id}`, put)
  const others = await redactedPuts(desk, seen, { texts, sets: new Set(), done: puts })
  for (const put of others.puts) puts.set(`${put.kind}/${put.id}`, put)
  const cached = [...made.cached, ...others.cached]
  const done = [...puts.keys(), ...others.cached.map(({ kind, id }) => `${kind}/${id}`)]
  for (const put of await carried(desk, seen.entries, new Set(done))) puts.set(`${put.kind}/${put.id}`, put)
  const entities = ids.map((one) => recordId(type.name, one))
  const remembered = about.wanted === 'all' ? await rememberedLeft(desk, entities) : []
  const result = { erased: made.erased, left: [...leftOf(seen, []), ...remembered, ...notSought(shared, made)] }
  const nothing = puts.size + cached.length + seen.entries.length + seen.ended.length === 0
  if (nothing) return { result, edit: undefined }
  for (const put of await forgettingReads(desk.env, desk.workspace)) puts.set(`${put.kind}/${put.id}`, put)
  const purge = {
    payloads: seen.entries.map(({ stream, seq }) => ({ stream, seq })),
    statuses: seen.ended.map(({ id: run, status }) => ({ run, status: redactedText(status, texts) })),
    artifacts: [],
  }
  const drafts = [{ kind: 'entity.erased' as const, data: { by, reason, entities, puts: [...puts.values()] } }]
  return { result, edit: { drafts, cached, unit: { purge } } }
}

/** What it says and has said, and what of that was still found elsewhere when it was erased before. */
async function saidOf(about: About, still: Still): Promise<{ stored: Stored[]; own: string[]; shared: string[] }> {
  const { desk, type, ids, wanted } = about
  const stored = await storedOf(desk, type, ids)
  const { own, shared } = await textsIn(desk, type, stored, wanted)
  const earlier = stored.flatMap(({ head }) => head.record.erased ?? []).flatMap(({ stands = [] }) => stands)
  const again = await still([...earlier, ...placesIn(stored.flatMap(({ noted }) => noted))])
  return { stored, own: [...new Set([...own, ...again])], shared }
}

/** What it alone said, and fields of which others say the same: what those say is not looked for beside its own records. */
async function textsIn(
  desk: Desk,
  type: AnyEntityType,
  all: readonly Stored[],
  wanted: Wanted,
): Promise<{ own: string[]; shared: string[] }> {
  const said = new Map<string, string>()
  const take = (data: { readonly [field: string]: Json }, erased?: readonly string[]): void => {
    for (const field of standingFields(type, data, wanted, erased))
      for (const text of ownTexts(type, data, [field])) said.set(text, field)
  }
  for (const { head, lines } of all) {
    take(head.record.data, erasedFields(type, head.record))
    for (const row of lines) {
      const { changed, erased } = JSON.parse(row.data) as TimelineEvent
      take((changed ?? {}) as { [field: string]: Json }, erased)
    }
    if (wanted === 'all') for (const name of head.record.aliases ?? []) said.set(name, 'aliases')
  }
  const shared = new Set<string>()
  const ids = new Set(all.map(({ head }) => recordId(type.name, head.record.id)))
  for await (const row of pagesOf(desk.env.store, desk.workspace, { kind: 'entity' })) {
    if (said.size === 0) break
    if (ids.has(row.id) || !row.id.startsWith(`${type.name}/`)) continue
    const { data, aliases = [] } = JSON.parse(row.data) as EntityRecord
    for (const text of [...Object.values(data).flatMap((value) => stringsIn(value)), ...aliases]) {
      const field = said.get(text)
      if (field !== undefined) shared.add(field)
      said.delete(text)
    }
  }
  return { own: [...said.keys()], shared: [...shared].sort() }
}

function notSought(
  shared: readonly string[],
  { isShort, isNoted }: { readonly isShort: boolean; readonly isNoted: boolean },
): EntityErased['left'] {
  const where = 'what runs and people have copied'
  return [
    ...(isNoted
      ? [{ where, why: 'what was noted of it is taken from its timeline, and is not looked for there' }]
      : []),
    ...(shared.length === 0
      ? []
      : [{ where, why: `another record says the same (${shared.join(', ')}): it is not looked for there` }]),
    ...(isShort
      ? [
          {
            where,
            why: `numbers, terms, links, and texts of under ${SHORTEST} characters are not looked for there: they would be found in everything`,
          },
        ]
      : []),
  ]
}
