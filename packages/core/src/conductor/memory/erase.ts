/**
 * Erase: no byte of a memory's text stays: not in its record, not in entries, proposals, items, logs, or an index.
 *
 * E1. Entries keep their envelopes: the chain verifies. What other records such an entry carried is put anew in the entry
 *     of the erasure, so that records can still be rebuilt from entries.
 * E2. What an open run has in its own journal is left until it ended, and named: to take it away would stop the run.
 */
import { KeelsonError } from '../../base/errors.ts'
import { keyedHash } from '../../base/hash.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Put } from '../../journal/put.ts'
import { putsOf, sortToPut } from '../../journal/records.ts'
import type { Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { RecordRow } from '../../journal/store.ts'
import { CHANGE_SET_RECORD, changeSetPut, type ChangeSetRecord } from '../../memory/change-set.ts'
import { lineOf } from '../../memory/context.ts'
import type { Erased, Tombstone, WorkspaceMemory } from '../../memory/handle.ts'
import { subjectOf } from '../../memory/input.ts'
import {
  KEY_RECORD,
  keyOf,
  keyPut,
  MEMORY_RECORD,
  memoryPut,
  type MemoryRecord,
  type Place,
} from '../../memory/unit.ts'
import type { Notifier } from '../notifier.ts'
import { handle } from '../runs.ts'
import { assertWhole, mayWrite } from './bounds.ts'
import { assertActor, type Desk } from './desk.ts'
import { PROPOSAL_PLAYBOOK, proposalRunId, proposalSetOf } from './proposal.ts'
import { proposes, readAt, traces, type Traces } from './traces.ts'

type Which = Parameters<WorkspaceMemory['erase']>[0]
type Options = Parameters<WorkspaceMemory['erase']>[1]

/** Records that memory itself made of a text: here it is taken out. Others belong to others. */
const OWN = new Set([MEMORY_RECORD, KEY_RECORD, CHANGE_SET_RECORD, 'inbox', 'memory-context', 'lesson', 'overlay'])

export async function erase(desk: Desk, notifier: Notifier, which: Which, { by, reason }: Options): Promise<Erased> {
  assertActor(by)
  if (by.kind !== 'person') {
    throw new KeelsonError('INPUT_INVALID', 'only a person erases', {
      hint: 'A machine may propose to forget; what is erased does not come back.',
    })
  }
  const { env, workspace } = desk
  const found = await chosen(desk, which)
  const secret = await env.company(workspace).key()
  const wanted = new Set('files' in which ? which.files : [])
  const texts = textsOf([...found, ...(await stillSaid(desk, found))])
  const sets = new Set(found.filter(isShort).map(({ set }) => set))
  await endProposals(desk, notifier, found, texts, { by, reason })
  let result: Erased = { erased: [], files: [], left: [] }
  await env.company(workspace).edit(async () => {
    const seen = await traces(desk, { texts, memories: new Set(found.map(({ id }) => id)), sets, files: wanted })
    const now = env.clock.now()
    const rows = await rowsOf(
      desk,
      found.map(({ id }) => id),
    )
    const erased: Tombstone[] = []
    const puts = new Map<string, Put>()
    for (const row of rows) {
      const record = JSON.parse(row.data) as MemoryRecord
      if (record.erased !== undefined) continue
      const hash = keyedHash(secret, `${record.text}\n${canonical(record.value ?? null)}`)
      erased.push({ memory: record.id, hash })
      puts.set(
        `${MEMORY_RECORD}/${row.id}`,
        memoryPut(tombOf(record, { at: now, hash, reason, ...standing(record, seen) }), row.version + 1),
      )
      for (const put of await freedKey(desk, record)) puts.set(`${put.kind}/${put.id}`, put)
    }
    for (const row of seen.records)
      if (OWN.has(row.kind) && !puts.has(`${row.kind}/${row.id}`))
        puts.set(`${row.kind}/${row.id}`, redacted(row, texts, sets))
    for (const put of await carried(desk, seen.entries, new Set(puts.keys()))) puts.set(`${put.kind}/${put.id}`, put)
    const files = seen.artifacts.filter((sha256) => wanted.has(sha256) && !seen.inUse.has(sha256))
    result = { erased, files, left: [...leftOf(seen, files), ...(sets.size === 0 ? [] : [UNSOUGHT])] }
    if (puts.size + files.length === 0 && seen.entries.length === 0 && seen.ended.length === 0) return undefined
    const statuses = seen.ended.map(({ id, status }) => ({ run: id, status: redactedText(status, texts) }))
    const payloads = seen.entries.map(({ stream, seq }) => ({ stream, seq }))
    const memories = found.map(({ id }) => id)
    const gone = files.length === 0 ? {} : { files }
    return {
      drafts: [{ kind: 'memory.erased', data: { by, reason, memories, ...gone, puts: [...puts.values()] } }],
      unit: { purge: { payloads, statuses, artifacts: files } },
    }
  })
  env.library(workspace).clear()
  env.vectors?.forget(workspace)
  return result
}

/** Where an open run still says what a memory said: what it was is known again from there. */
function standing(record: MemoryRecord, { places }: Traces): { stands?: readonly Place[] } {
  const stands = [...new Set(ownTexts(record).flatMap(writtenAs))].flatMap((text) => places.get(text) ?? [])
  return stands.length === 0 ? {} : { stands }
}

/** What erased memories said, where it was left because a run was open. */
async function stillSaid(desk: Desk, found: readonly MemoryRecord[]): Promise<{ text: string }[]> {
  const places = found.flatMap(({ erased }) => erased?.stands ?? [])
  const texts = await Promise.all(places.map((place) => readAt(desk, place)))
  return texts.flatMap((text) => (text === undefined ? [] : [{ text }]))
}

function leftOf(seen: Traces, files: readonly string[]): Erased['left'] {
  const others = seen.records
    .filter((row) => !OWN.has(row.kind))
    .map((row) => ({ where: `${row.kind} ${row.id}`, why: 'it is another record: change that itself' }))
  return [
    ...seen.open.map((stream) => ({ where: stream, why: 'its run is open: erase again when it has ended' })),
    ...seen.mail.map((run) => ({ where: `mail of ${run}`, why: 'it has not been read yet' })),
    ...seen.artifacts
      .filter((sha256) => !files.includes(sha256))
      .map((sha256) => ({ where: `artifact ${sha256}`, why: seen.inUse.has(sha256) ? IN_USE : KEPT })),
    ...others,
  ]
}

const KEPT = 'it is a file of its own, and is kept: erase({ files: [sha256] }) takes it'
const IN_USE = 'its run is open: erase again when it has ended'

async function chosen(desk: Desk, which: Which): Promise<MemoryRecord[]> {
  const { env, workspace } = desk
  if ('files' in which) {
    assertWhole(desk)
    return []
  }
  const all: MemoryRecord[] = []
  if ('ids' in which) all.push(...(await rowsOf(desk, which.ids)).map((row) => JSON.parse(row.data) as MemoryRecord))
  else {
    const subject = 'about' in which ? subjectOf(which.about).subject : undefined
    const where = subject === undefined ? {} : { where: { field: 'subject', value: subject } }
    for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, ...where })) {
      const record = JSON.parse(data) as MemoryRecord
      if (subject !== undefined || record.thread === (which as { thread: string }).thread) all.push(record)
    }
  }
  return all.filter((record) => mayWrite(desk, record))
}

async function rowsOf({ env, workspace }: Desk, ids: readonly string[]): Promise<readonly RecordRow[]> {
  return ids.length === 0 ? [] : env.store.records(workspace, { kind: MEMORY_RECORD, ids, limit: ids.length })
}

/** What is looked for everywhere: texts, and values that are texts of their own. Very short ones would be found in all. */
function textsOf(records: readonly Pick<MemoryRecord, 'text' | 'value'>[]): string[] {
  return [...new Set(records.flatMap(ownTexts).flatMap(writtenAs))]
    .filter((text) => text.length >= SHORTEST)
    .sort((a, b) => b.length - a.length)
}

/** As a text is handed on: as it is, as a line of a context, and each of these in JSON that is itself a text. */
function writtenAs(text: string): string[] {
  const lines = [true, false].map((outside) => lineOf({ text, outside }).slice(2))
  const plain = [text, ...lines]
  return [...plain, ...plain.map((one) => JSON.stringify(one).slice(1, -1))]
}

const SHORTEST = 4
const UNSOUGHT = {
  where: 'what runs and people have copied',
  why: `a text of under ${SHORTEST} characters is not looked for there: it would be found in everything`,
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
  const { id, scope, kind, load, authority, sensitivity, from, recordedAt, source, set, ends } = record
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
    erased,
  }
}

/** A key is a hash of the text where it is not of subject and predicate: it goes, too. */
async function freedKey({ env, workspace }: Desk, record: MemoryRecord): Promise<Put[]> {
  if (record.kind === 'event') return []
  const key = keyOf(record)
  const [row] = await env.store.records(workspace, { kind: KEY_RECORD, ids: [key], limit: 1 })
  if (row === undefined) return []
  if (record.functional !== true) return [{ kind: KEY_RECORD, id: key, version: row.version + 1, data: null }]
  const { open } = JSON.parse(row.data) as { open: string | null }
  return open === record.id ? [keyPut(key, null, row.version + 1)] : []
}

function redacted(row: RecordRow, texts: readonly string[], sets: ReadonlySet<string>): Put {
  const found = JSON.parse(row.data) as Json
  const isItem = row.kind === 'inbox' && proposes(row.kind, row.id, found, sets)
  const shown = isItem ? { ...(found as object), preview: { kind: 'fields', rows: [] } } : found
  const data = without(shown, texts)
  return {
    kind: row.kind,
    id: row.id,
    version: row.version + 1,
    data,
    index: row.index,
    sort: sortOf(row),
  }
}

/** Where it stands, as its put says it: a place in the order of commits is each store's own. */
function sortOf({ kind, sort, data }: RecordRow): Put['sort'] & {} {
  const of = kind === 'overlay' ? (JSON.parse(data) as { kind: string }).kind : kind
  return sortToPut(of, sort)
}

function redactedText(text: string, texts: readonly string[]): string {
  return canonicalAround(without(JSON.parse(text) as Json, texts))
}

export function without(value: Json, texts: readonly string[]): Json {
  if (typeof value === 'string') return texts.reduce((left, text) => left.replaceAll(text, '[erased]'), value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => without(one as Json, texts))
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, without(one, texts)]))
}

/** Records whose newest put stands in an entry whose payload goes: they are put again. */
async function carried(desk: Desk, entries: readonly Placed[], done: ReadonlySet<string>): Promise<Put[]> {
  const puts: Put[] = []
  const seen = new Set(done)
  for (const entry of entries)
    for (const { kind, id, version } of putsOf(entry)) {
      const name = `${kind}/${id}`
      if (seen.has(name)) continue
      const [row] = await desk.env.store.records(desk.workspace, { kind, ids: [id], limit: 1 })
      if (row === undefined || row.version !== version) continue
      seen.add(name)
      puts.push({
        kind,
        id,
        version: version + 1,
        data: JSON.parse(row.data) as Json,
        index: row.index,
        sort: sortOf(row),
      })
    }
  return puts
}

/** Proposals that hold the text, or would change the memories, are ended first: their runs, too, have it in their journals. */
async function endProposals(
  desk: Desk,
  notifier: Notifier,
  found: readonly MemoryRecord[],
  texts: readonly string[],
  { by, reason }: Options,
): Promise<void> {
  const { env, workspace } = desk
  const rows = await env.store.records(workspace, {
    kind: CHANGE_SET_RECORD,
    where: { field: 'status', value: 'proposed' },
    limit: 1000,
  })
  const ids = found.map(({ id }) => id)
  const at = env.clock.now()
  const cancel = { kind: 'cancel', payload: canonical({ by, reason: 'what it proposes was erased' }), at }
  for (const row of rows) {
    if (![...ids, ...texts].some((text) => row.data.includes(JSON.stringify(text).slice(1, -1)))) continue
    await env.company(workspace).edit(async () => {
      const [now] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [row.id], limit: 1 })
      const record = JSON.parse(now!.data) as ChangeSetRecord
      if (record.status !== 'proposed') return undefined
      const { ops: _, ...rest } = record
      const put = changeSetPut(
        { ...rest, status: 'rejected', decidedBy: by, decidedAt: env.clock.now(), why: `${ERASED}${reason}` },
        now!.version + 1,
      )
      const deliveries = [{ ...cancel, run: proposalRunId(row.id), onceKey: `erase:${row.id}` }]
      return { drafts: [{ kind: 'memory.changed', data: { by, puts: [put] } }], unit: { deliveries } }
    })
  }
  env.nudge()
  await untilEnded(desk, notifier)
}

/** Why a change set was rejected whose text was erased. */
const ERASED = 'erased: '

/** Proposals that were ended for an erasure: this one, or one that a crash cut short. */
async function untilEnded({ env, workspace }: Desk, notifier: Notifier): Promise<void> {
  const open = await env.store.runs(workspace, { state: 'open', playbook: PROPOSAL_PLAYBOOK, limit: 1000 })
  const sets = new Map(open.map(({ id }) => [proposalSetOf(id), id]))
  if (sets.size === 0) return
  const rows = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [...sets.keys()], limit: sets.size })
  for (const row of rows) {
    const { status, why } = JSON.parse(row.data) as ChangeSetRecord
    if (status !== 'rejected' || why?.startsWith(ERASED) !== true) continue
    await handle(env, notifier, workspace, sets.get(row.id)!)
      .result()
      .catch(() => undefined)
  }
}
