/**
 * Erase: no byte of a memory's text stays: not in its record, not in entries, proposals, items, logs, or an index.
 *
 * E1. Entries keep their envelopes: the chain verifies. What other records such an entry carried is put anew in the entry
 *     of the erasure, so that records can still be rebuilt from entries.
 * E2. What an open run has in its own journal is left until it ended, and named: to take it away would stop the run.
 */
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordRow } from '../../journal/store.ts'
import type { EntityRecord } from '../../memory/entity.ts'
import { isAllErased } from '../../memory/entity-erased.ts'
import type { Erased, Tombstone, WorkspaceMemory } from '../../memory/handle.ts'
import { subjectOf } from '../../memory/input.ts'
import { saidBy, threadHash } from '../../memory/known-by.ts'
import { KEY_RECORD, keyOf, keyPut, memoryPut, type MemoryRecord, type Place } from '../../memory/unit.ts'
import { forgettingReads } from '../effect/tags.ts'
import type { Notifier } from '../notifier.ts'
import { assertWhole } from './bounds.ts'
import { assertActor, type Desk } from './desk.ts'
import { endProposals } from './end-proposals.ts'
import { redactedPuts, tracesAndKeys } from './keys.ts'
import { besideLeft, meantBy, memoryRows } from './meant.ts'
import { entityLeft } from './own.ts'
import { assertType, meantLeft } from './mistyped.ts'
import { blankedLines, commonLeft, commonWords, linesOfNotes } from './noted-lines.ts'
import { carried, leftOf, onceEach, redactedText, SHORTEST, textsOf, UNSOUGHT } from './redact.ts'
import { notedOf, notedPuts, placesIn, standing, stillSaid } from './stands.ts'
import { sharedLeft, sharedWords } from './shared.ts'
import { subjectsOf } from './subjects.ts'
import type { Traces } from './traces.ts'

type Which = Parameters<WorkspaceMemory['erase']>[0]
type Options = Parameters<WorkspaceMemory['erase']>[1]

export async function erase(desk: Desk, notifier: Notifier, which: Which, options: Options): Promise<Erased> {
  const { by, reason, everywhere = false, keepEffects, files: withFiles = false } = options
  assertActor(by)
  if (by.kind !== 'person') {
    throw new KeelsonError('INPUT_INVALID', 'only a person erases', {
      hint: 'A machine may propose to forget; what is erased does not come back.',
    })
  }
  if (withFiles) assertWhole(desk)
  const { env, workspace } = desk
  const secret = await env.company(workspace).key()
  const meant = await meantBy(desk, which, secret, everywhere)
  await assertType(desk, which, meant)
  const found = meant.memories
  const wanted = new Set('files' in which ? which.files : [])
  const all = [...found, ...meant.would.map(({ record }) => record)]
  const still = stillSaid(desk, secret)
  const { texts, sets, unsought } = await wordsOf(desk, found, all, still)
  const ending = meant.would.flatMap(({ proposal = [] }) => proposal)
  await endProposals(desk, notifier, { texts, memories: found.map(({ id }) => id), proposals: ending }, { by, reason })
  let result: Erased = { erased: [], files: [], left: [] }
  await env.company(workspace).edit(async () => {
    const memories = found.map(({ id }) => id)
    const sought = { texts, memories: new Set(memories), sets, files: wanted, keepEffects }
    const seen = await tracesAndKeys(desk, sought)
    const rows = await memoryRows(desk, memories)
    const { erased, puts } = await tombs(desk, rows, { reason, secret, seen, still })
    const { puts: others, cached } = await redactedPuts(desk, seen, { texts, sets, done: puts })
    for (const put of others) puts.set(`${put.kind}/${put.id}`, put)
    for (const put of blankedLines(await linesOfNotes(desk, found), puts)) puts.set(`${put.kind}/${put.id}`, put)
    const done = [...puts.keys(), ...cached.map(({ kind, id }) => `${kind}/${id}`)]
    for (const put of await carried(desk, seen.entries, new Set(done))) puts.set(`${put.kind}/${put.id}`, put)
    const files = seen.artifacts.filter((one) => (withFiles || wanted.has(one)) && !seen.inUse.has(one))
    const left = [
      ...leftOf(seen, files),
      ...besideLeft(desk, meant),
      ...(await stillInEntities(desk, which)),
      ...(await meantLeft(desk, which, meant)),
      ...(found.some(isShort) ? [UNSOUGHT] : []),
      ...unsought,
    ]
    result = { erased, files, left: onceEach(left) }
    if (puts.size + files.length + cached.length === 0 && seen.entries.length === 0 && seen.ended.length === 0)
      return undefined
    for (const put of await forgettingReads(env, workspace)) puts.set(`${put.kind}/${put.id}`, put)
    const statuses = seen.ended.map(({ id, status }) => ({ run: id, status: redactedText(status, texts) }))
    const payloads = seen.entries.map(({ stream, seq }) => ({ stream, seq }))
    const gone = files.length === 0 ? {} : { files }
    return {
      drafts: [{ kind: 'memory.erased', data: { by, reason, memories, ...gone, puts: [...puts.values()] } }],
      cached,
      unit: { purge: { payloads, statuses, artifacts: files } },
    }
  })
  env.library(workspace).clear()
  env.vectors?.forget(workspace)
  return result
}

interface Words {
  readonly texts: readonly string[]
  /** Of memories that say what is not looked for: what proposed them is known by these. */
  readonly sets: ReadonlySet<string>
  readonly unsought: Erased['left']
}

/** What is looked for: their own words, and those of before where they still stand; not what others are known by, or noted with. */
async function wordsOf(
  desk: Desk,
  found: readonly MemoryRecord[],
  all: readonly MemoryRecord[],
  still: ReturnType<typeof stillSaid>,
): Promise<Words> {
  const places = await Promise.all(found.map((record) => placesOf(desk, record)))
  const common = await commonWords(desk, await linesOfNotes(desk, found))
  const shared = await sharedWords(desk, found, ownTexts)
  const own = all.filter(({ text }) => !common.has(text)).flatMap(ownTexts)
  const texts = textsOf([...own.filter((text) => !shared.has(text)), ...(await still(places.flat()))])
  const isUnsought = (one: MemoryRecord): boolean =>
    isShort(one) || common.has(one.text) || ownTexts(one).some((text) => shared.has(text))
  const sets = new Set(found.filter(isUnsought).map(({ set }) => set))
  return { texts, sets, unsought: [...commonLeft(common), ...sharedLeft(shared)] }
}

/** Where what one said was still said when it was erased, as it is noted now and as it was. */
async function placesOf(desk: Desk, { id, erased }: MemoryRecord): Promise<Place[]> {
  return erased === undefined ? [] : [...(erased.stands ?? []), ...placesIn(await notedOf(desk, id))]
}

/** What takes the place of the memories that are not erased yet; of the others, where they are still said now. */
async function tombs(
  desk: Desk,
  rows: readonly RecordRow[],
  {
    reason,
    secret,
    seen,
    still,
  }: { reason: string; secret: string; seen: Traces; still: ReturnType<typeof stillSaid> },
): Promise<{ erased: Tombstone[]; puts: Map<string, Put> }> {
  const at = desk.env.clock.now()
  const erased: Tombstone[] = []
  const puts = new Map<string, Put>()
  const put = (one: Put): void => void puts.set(`${one.kind}/${one.id}`, one)
  for (const row of rows) {
    const record = JSON.parse(row.data) as MemoryRecord
    if (record.erased !== undefined) {
      const now = standing(secret, await still(await placesOf(desk, record)), seen)
      const { stands: before, ...gone } = record.erased
      if (before !== undefined) put(memoryPut({ ...record, erased: gone }, row.version + 1))
      for (const noted of notedPuts(record.id, await notedOf(desk, record.id), now)) put(noted)
      continue
    }
    const { hash, ...about } = saidBy(secret, record)
    erased.push({ memory: record.id, hash })
    const tomb = tombOf(record, { at, hash, reason, ...about, ...threadOf(secret, record) })
    const stands = notedPuts(record.id, await notedOf(desk, record.id), standing(secret, ownTexts(record), seen))
    for (const one of [memoryPut(tomb, row.version + 1), ...(await freedKey(desk, record)), ...stands]) put(one)
  }
  return { erased, puts }
}

/** By which it is found when the same is erased again. */
function threadOf(secret: string, { thread }: MemoryRecord): { thread?: string } {
  return thread === undefined ? {} : { thread: threadHash(secret, thread) }
}

/** What is known of an entity goes; what it holds itself is its own. */
async function stillInEntities(desk: Desk, which: Which): Promise<Erased['left']> {
  if (!('about' in which)) return []
  const { env, workspace } = desk
  const ids = await subjectsOf(desk, subjectOf(which.about).subject)
  const rows = await env.store.records(workspace, { kind: 'entity', ids, limit: ids.length })
  return rows.flatMap(({ id, data }) => {
    const record = JSON.parse(data) as EntityRecord
    const type = env.entities.named(record.type, record.schema)
    return isAllErased(type, record) ? [] : [{ where: `entity ${id}`, why: entityLeft(record.type) }]
  })
}

function ownTexts({ text, value }: Pick<MemoryRecord, 'text' | 'value'>): string[] {
  return [text, ...stringsIn(value)]
}

/** It stood in its record, and in what proposed it: there it is found by its change set. */
function isShort(record: MemoryRecord): boolean {
  return record.erased === undefined && ownTexts(record).some((text) => text !== '' && text.length < SHORTEST)
}

function stringsIn(value: Json | undefined): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((one) => stringsIn(one))
}

/** What is left of it: where it was, and a keyed hash by which a text can be recognised that somebody still has. */
function tombOf(record: MemoryRecord, erased: NonNullable<MemoryRecord['erased']>): MemoryRecord {
  const { id, scope, kind, load, authority, sensitivity, from, recordedAt, source, set, ends, was } = record
  return {
    id,
    scope,
    kind,
    text: '',
    load,
    authority,
    sensitivity,
    from,
    recordedAt,
    source,
    set,
    ends,
    evidence: [],
    ...(was === undefined ? {} : { was }),
    erased,
  }
}

/** The key of a text goes with it; that of a subject and a predicate is free for another. */
async function freedKey({ env, workspace }: Desk, record: MemoryRecord): Promise<Put[]> {
  if (record.kind === 'event' || record.functional !== true) return []
  const key = keyOf(record)
  const [row] = await env.store.records(workspace, { kind: KEY_RECORD, ids: [key], limit: 1 })
  if (row === undefined) return []
  const { open } = JSON.parse(row.data) as { open: string | null }
  return open === record.id ? [keyPut(key, null, row.version + 1)] : []
}
