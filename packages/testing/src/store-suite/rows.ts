/** Rows: what the checks write and ask, with defaults for all that a check does not speak of. */
import { expect } from 'vitest'
import { chain, EMPTY_HEAD, type ClaimQuery, type Claimed, type Delivery, type Entry } from '@keelson/core/ports'
import type { Head, MemoryStore, NewRun, Next, RecordRow, RecordWrite, RunRow } from '@keelson/core/ports'

/** The workspace of most checks. */
export const W = 'acme'

/** `count` entries of a stream, chained behind `head`. */
export function entries(stream: string, count: number, head: Head = EMPTY_HEAD, workspace = W): Entry[] {
  const drafts = Array.from({ length: count }, (_, i) => ({
    kind: 'checkpoint.completed' as const,
    key: `step#${head.seq + i + 1}`,
    data: { ok: `${stream} ${head.seq + i + 1}` },
  }))
  return chain(workspace, stream, head, drafts, 1000, () => 'salt')
}

/** One entry at `seq`, for checks that do not look at the chain. */
export function entryAt(stream: string, seq: number): Entry {
  return entries(stream, 1, { seq: seq - 1, hash: '' })[0]!
}

/** A run with the stream `<id>/0` of one entry, due at 1000. */
export function newRun(id: string, over: Partial<NewRun> = {}, workspace = W): NewRun {
  const stream = over.stream ?? `${id}/0`
  return {
    ...{ id, stream, playbook: 'book', version: 1, lane: null, laneWhileRunning: false, root: id },
    ...{ dueAt: 1000, createdAt: 1000, entries: entries(stream, 1, EMPTY_HEAD, workspace) },
    ...over,
  }
}

export async function start(store: MemoryStore, id: string, over: Partial<NewRun> = {}, workspace = W): Promise<void> {
  const answer = await store.write(workspace, { starts: [newRun(id, over, workspace)] })
  expect(answer).toEqual({ status: 'done', refused: [] })
}

export function delivery(run: string, onceKey: string, over: Partial<Delivery> = {}): Delivery {
  return { run, onceKey, kind: 'event', payload: '{}', at: 1000, ...over }
}

export async function deliver(store: MemoryStore, run: string, onceKey: string, workspace = W): Promise<void> {
  const answer = await store.write(workspace, { deliveries: [delivery(run, onceKey)] })
  expect(answer).toEqual({ status: 'done', refused: [] })
}

export function put(id: string, version: number, over: Partial<RecordWrite> = {}): RecordWrite {
  return { kind: 'thing', id, version, data: `{"v":${version}}`, index: {}, sort: 0, ...over }
}

export function query(worker: string, over: Partial<ClaimQuery> = {}): ClaimQuery {
  return { worker, can: ['book@1'], now: 1000, limit: 100, suspectAfter: 3, alone: false, ...over }
}

/** Claims as worker `one` unless `over` says otherwise. */
export async function take(store: MemoryStore, over: Partial<ClaimQuery> = {}): Promise<readonly Claimed[]> {
  return (await store.claim(query(over.worker ?? 'one', over))).claimed
}

/** Claims what must be exactly one run. */
export async function takeOne(store: MemoryStore, over: Partial<ClaimQuery> = {}): Promise<Claimed> {
  const claimed = await take(store, over)
  expect(claimed.map(({ row }) => row.id)).toHaveLength(1)
  return claimed[0]!
}

/** The ids of what is claimed, in the order of the answer. */
export async function idsTaken(store: MemoryStore, over: Partial<ClaimQuery> = {}): Promise<string[]> {
  return (await take(store, over)).map(({ row }) => row.id)
}

export async function rowOf(store: MemoryStore, id: string, workspace = W): Promise<RunRow> {
  const [row, ...more] = await store.runs(workspace, { ids: [id], limit: 10 })
  expect(more).toEqual([])
  expect(row).toBeDefined()
  return row!
}

export async function recordOf(store: MemoryStore, id: string, workspace = W): Promise<RecordRow | undefined> {
  return (await store.records(workspace, { kind: 'thing', ids: [id], limit: 10 }))[0]
}

export function parked(wakeAt: number | null = null, seenMail = 0): Next {
  return { to: 'parked', wakeAt, status: '"waiting"', seenMail }
}

export const settled: Next = { to: 'settled', status: '"completed"', at: 2000 }

/** Starts `id`, claims it and parks it. */
export async function startParked(store: MemoryStore, id: string, wakeAt: number | null = null): Promise<void> {
  await start(store, id)
  const { lease } = await takeOne(store)
  expect(await store.commit(lease, { next: parked(wakeAt) })).toEqual({ status: 'done', refused: [] })
}

/** Starts `id`, claims it and settles it. */
export async function startSettled(store: MemoryStore, id: string): Promise<void> {
  await start(store, id)
  const { lease } = await takeOne(store)
  expect(await store.commit(lease, { next: settled })).toEqual({ status: 'done', refused: [] })
}

export const done = { status: 'done', refused: [] } as const
export const fenced = { status: 'fenced' } as const

/** Entries without the numbers that the store gave them. */
export function unplaced(placed: readonly Entry[]): Entry[] {
  return placed.map((entry) => {
    const { position: _, ...rest } = entry as Entry & { position?: number }
    return rest
  })
}
