/**
 * Keys: under what a memory stands is a hash of what it says, by which a guess could be confirmed: where that is erased, it goes.
 *
 * Y1. A memory of which a part was erased stands under a key of its own: nothing that is said later is the same.
 * Y2. What an open run has in its journal stays until it ended, its keys too; the record stays with them, and leads to nothing.
 * Y3. What it said before is kept as a keyed hash: a bundle that still has it does not bring it back.
 */
import { canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Placed } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import { putsOf } from '../../journal/records.ts'
import type { RecordRow, RecordWrite } from '../../journal/store.ts'
import { without } from '../../memory/gone.ts'
import { saidBy } from '../../memory/known-by.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import {
  isLive,
  isRedacted,
  KEY_RECORD,
  keyOf,
  keyPut,
  MEMORY_RECORD,
  wasIn,
  type MemoryRecord,
} from '../../memory/unit.ts'
import type { Desk } from './desk.ts'
import { isLessened, lessened } from './own.ts'
import { redacted } from './redact.ts'
import { traces, type Sought, type Traces } from './traces.ts'

/** Everything that holds what is sought, or a key that is made of it. */
export async function tracesAndKeys(desk: Desk, sought: Omit<Sought, 'keys'>): Promise<Traces> {
  const keys = await keysOf(desk, sought)
  const seen = await traces(desk, { ...sought, keys })
  const late = (await keysIn(desk, seen.entries)).filter((key) => !keys.has(key))
  return late.length === 0 ? seen : traces(desk, { ...sought, keys: new Set([...keys, ...late]) })
}

/** Of the memories that are sought, and of those that say one of the texts. */
async function keysOf({ env, workspace }: Desk, { texts, memories }: Omit<Sought, 'keys'>): Promise<Set<string>> {
  const keys = new Set<string>()
  if (texts.length + memories.size === 0) return keys
  const needles = texts.map((text) => JSON.stringify(text).slice(1, -1))
  const own = new Map<string, string>()
  const partly = new Map<string, string>()
  const going = new Set(memories)
  for await (const { record, data } of memoriesIn({ env, workspace })) {
    const says = needles.some((needle) => data.includes(needle))
    if (record.kind === 'event' || record.erased !== undefined) continue
    if (!says && !memories.has(record.id) && !isRedacted(record)) continue
    const key = keyOf(record)
    if (isRedacted(record)) partly.set(record.id, key)
    if (says) going.add(record.id)
    if (says && keyOf(without(record as unknown as Json, texts) as unknown as MemoryRecord) !== key) keys.add(key)
    if (memories.has(record.id) && record.functional !== true) own.set(record.id, key)
  }
  for (const key of await leftBehind({ env, workspace }, partly)) keys.add(key)
  const ids = [...own.values()]
  const rows = ids.length === 0 ? [] : await env.store.records(workspace, { kind: KEY_RECORD, ids, limit: ids.length })
  const open = new Map(rows.map(({ id, data }) => [id, (JSON.parse(data) as { open: string | null }).open]))
  // Another that says the same, and is not erased, keeps it.
  for (const key of ids) if ((open.get(key) ?? null) === null || going.has(open.get(key)!)) keys.add(key)
  return keys
}

/** Keys that earlier releases left to memories of which a part was erased, by their ids with the keys under which they stand. */
async function leftBehind(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  partly: ReadonlyMap<string, string>,
): Promise<string[]> {
  const keys: string[] = []
  if (partly.size === 0) return keys
  for await (const { id, data } of pagesOf(env.store, workspace, { kind: KEY_RECORD })) {
    const { open } = JSON.parse(data) as { open: string | null }
    if (open !== null && partly.has(open) && partly.get(open) !== id) keys.push(id)
  }
  return keys
}

/** Memories, and what runs in shadow would have remembered. */
async function* memoriesIn({
  env,
  workspace,
}: Pick<Desk, 'env' | 'workspace'>): AsyncGenerator<{ record: MemoryRecord; data: string }> {
  for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD }))
    yield { record: JSON.parse(data) as MemoryRecord, data }
  for await (const { data } of pagesOf(env.store, workspace, { kind: 'overlay' })) {
    const over = JSON.parse(data) as { kind: string; data: Json }
    if (over.kind === MEMORY_RECORD && over.data !== null) yield { record: over.data as unknown as MemoryRecord, data }
  }
}

/** Of memories as these entries put them, which say it no more: it was erased while the run of the entry was open. */
async function keysIn({ env, workspace }: Desk, entries: readonly Placed[]): Promise<string[]> {
  const said = entries
    .flatMap((entry) => putsOf(entry))
    .filter(({ kind, data }) => kind === MEMORY_RECORD && data !== null)
    .map(({ data }) => data as unknown as MemoryRecord)
    .filter(({ kind, erased }) => kind !== 'event' && erased === undefined)
  const now = await recordsOf(env.store, workspace, [...new Set(said.map(({ id }) => id))])
  const isGone = ({ id, functional, redacted: was }: MemoryRecord): boolean => {
    const record = now.get(id)
    return (record?.erased !== undefined && functional !== true) || (record?.redacted === true && was !== true)
  }
  return said.filter(isGone).map((record) => keyOf(record))
}

/** Records without the texts, in place of what is not put already; and the rows of keys, which no entry ends. */
export async function redactedPuts(
  desk: Desk,
  { records, freed }: Pick<Traces, 'records' | 'freed'>,
  { texts, sets, done }: { texts: readonly string[]; sets: ReadonlySet<string>; done: ReadonlyMap<string, Put> },
): Promise<{ puts: Put[]; cached: RecordWrite[] }> {
  const puts: Put[] = []
  const secret = await desk.env.company(desk.workspace).key()
  for (const row of records) {
    if (done.has(`${row.kind}/${row.id}`)) continue
    const put = isLessened(row.kind) ? lessened(row, texts) : redacted(row, texts, sets)
    if (put !== undefined) puts.push(...(row.kind === MEMORY_RECORD ? anew(secret, row, put) : [put]))
  }
  return { puts, cached: await endsOf(desk, freed) }
}

/** Y1, Y3. A memory without the texts, and the key under which it stands now. */
function anew(secret: string, row: RecordRow, put: Put): Put[] {
  const before = JSON.parse(row.data) as MemoryRecord
  const after = knownBy(secret, before, put.data as unknown as MemoryRecord)
  const kept = { ...put, data: after as unknown as Json, index: { ...put.index, ...wasIn(after) } }
  if (before.kind === 'event' || before.erased !== undefined || keyOf(before) === keyOf(after)) return [kept]
  const record: MemoryRecord = { ...after, redacted: true }
  const own = isLive(record) ? [keyPut(keyOf(record), record.id, 1)] : []
  return [{ ...kept, data: record as unknown as Json }, ...own]
}

function knownBy(secret: string, before: MemoryRecord, after: MemoryRecord): MemoryRecord {
  const [said, says] = [saidBy(secret, before), saidBy(secret, after)]
  if (before.erased !== undefined || canonicalAround(said) === canonicalAround(says)) return after
  return { ...after, was: [...(before.was ?? []), said] }
}

async function endsOf({ env, workspace }: Desk, freed: ReadonlySet<string>): Promise<RecordWrite[]> {
  if (freed.size === 0) return []
  const ids = [...freed]
  const rows = [...(await env.store.records(workspace, { kind: KEY_RECORD, ids, limit: ids.length }))]
  for await (const row of pagesOf(env.store, workspace, { kind: 'overlay' })) {
    const { kind, id } = JSON.parse(row.data) as { kind: string; id: string }
    if (kind === KEY_RECORD && freed.has(id)) rows.push(row)
  }
  return rows.map((row) => ({ ...row, version: row.version + 1, data: null, index: {} }))
}
