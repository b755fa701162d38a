/**
 * Prune: the journals of runs that ended long ago leave the store, batch by batch.
 *
 * U1. A batch is one unit: the journals and their mail go, and the workspace's own stream says whose they were, in one write.
 * U2. Records outlive the journal that put them: those that it put last are put again, as they are and at their version.
 * U3. A journal stays while anything may need it: an open effect, child or inbox item, or a caller that could call again.
 * U4. Run rows stay: a start is still idempotent, and a result still answers.
 */
import type { Actor } from '../../base/actor.ts'
import { durationMs, type Duration } from '../../base/duration.ts'
import { canonicalAround } from '../../base/json.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Put } from '../../journal/put.ts'
import { lastPuts, writeOf, type LastPut } from '../../journal/records.ts'
import type { Expect, RecordRow, RunRow } from '../../journal/store.ts'
import type { Edit } from '../company.ts'
import type { Environment } from '../environment.ts'
import { journalOf, neededFor, type Journal } from './journal.ts'

export interface PruneOptions {
  /** Runs that ended so long ago, or longer. */
  readonly olderThan: Duration
  readonly by: Actor
  /** Only runs of this playbook. Default: all, the built-in ones too. */
  readonly playbook?: string
  /** Says what would go, writes nothing. */
  readonly dryRun?: boolean
  /** Told after each batch. */
  readonly onProgress?: (done: Readonly<Pick<PruneReport, 'runs' | 'entries'>>) => void
  readonly signal?: AbortSignal
}

export interface PruneReport {
  /** Runs whose journals went, or with `dryRun` would. */
  readonly runs: number
  readonly entries: number
  /** Runs that are old enough and keep their journal: why → how many. */
  readonly kept: { readonly [why: string]: number }
}

const PAGE = 200
const BATCH_RUNS = 50
const BATCH_ENTRIES = 2000
const PUTS_PER_ENTRY = 200

/** Takes away what is old enough. Cut off anywhere, it has taken whole batches, and called again it goes on. */
export async function prune(env: Environment, workspace: string, options: PruneOptions): Promise<PruneReport> {
  const until = env.clock.now() - durationMs(options.olderThan)
  const report = { runs: 0, entries: 0, kept: {} as Record<string, number> }
  const gone = new Set<string>()
  let batch: Journal[] = []
  const flush = async (): Promise<void> => {
    const taken = options.dryRun === true ? batch : await take(env, workspace, batch, options.by)
    batch = []
    report.runs += taken.length
    report.entries += entriesIn(taken)
    options.onProgress?.({ runs: report.runs, entries: report.entries })
  }
  for await (const row of ended(env, workspace, until, options.playbook)) {
    options.signal?.throwIfAborted()
    const journal = await journalOf(env, row)
    if (journal === undefined) continue
    const why = await neededFor(env, journal, gone)
    if (why !== undefined) {
      report.kept[why] = (report.kept[why] ?? 0) + 1
      continue
    }
    gone.add(row.id)
    batch.push(journal)
    if (batch.length >= BATCH_RUNS || entriesIn(batch) >= BATCH_ENTRIES) await flush()
  }
  if (batch.length > 0) await flush()
  return report
}

function entriesIn(journals: readonly Journal[]): number {
  return journals.reduce((sum, { entries }) => sum + entries.length, 0)
}

/** In the order of starting: callers come before what they called. */
async function* ended(
  env: Environment,
  workspace: string,
  until: number,
  playbook: string | undefined,
): AsyncGenerator<RunRow> {
  const only = playbook === undefined ? {} : { playbook }
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { state: 'settled', after, limit: PAGE, ...only })
    yield* rows.filter(({ settledAt }) => settledAt !== null && settledAt <= until)
    if (rows.length < PAGE) return
    after = rows.at(-1)!.order
  }
}

/** Writes one batch (U1). Answers those that went: a run that was reopened meanwhile stays, with what it called. */
async function take(
  env: Environment,
  workspace: string,
  batch: readonly Journal[],
  by: Actor,
): Promise<readonly Journal[]> {
  let going: readonly Journal[] = []
  await env.company(workspace).edit(async () => {
    going = await unchanged(env, workspace, batch)
    return going.length === 0 ? undefined : pruning(env, workspace, going, by)
  })
  return going
}

async function unchanged(env: Environment, workspace: string, batch: readonly Journal[]): Promise<Journal[]> {
  const ids = batch.map(({ row }) => row.id)
  const rows = new Map((await env.store.runs(workspace, { ids, limit: ids.length })).map((row) => [row.id, row]))
  const stays = new Set<string>()
  for (const { row, caller } of batch) {
    const now = rows.get(row.id)
    const same = now?.state === 'settled' && now.settledAt === row.settledAt && now.stream === row.stream
    if (!same || (caller !== undefined && stays.has(caller))) stays.add(row.id)
  }
  return batch.filter(({ row }) => !stays.has(row.id))
}

async function pruning(env: Environment, workspace: string, going: readonly Journal[], by: Actor): Promise<Edit> {
  const streams = going.flatMap((journal) => journal.streams)
  const runs = going.map(({ row }) => row.id)
  const { puts, expect } = await outliving(env, workspace, going)
  const drafts: Draft[] = [
    { kind: 'stream.pruned', data: { by, streams: streams.map(({ first, seq }) => ({ first, seq })), runs } },
  ]
  for (let from = 0; from < puts.length; from += PUTS_PER_ENTRY)
    drafts.push({ kind: 'record.kept', data: { kept: puts.slice(from, from + PUTS_PER_ENTRY) } })
  return {
    drafts,
    expect: [...expect, ...streams.map(({ name, seq }): Expect => ({ stream: name, seq }))],
    unit: { purge: { streams: streams.map(({ name }) => name), runs } },
  }
}

/** What the journals put last (U2), and that nobody puts anything else meanwhile. */
async function outliving(
  env: Environment,
  workspace: string,
  going: readonly Journal[],
): Promise<{ puts: Put[]; expect: Expect[] }> {
  const last = lastPuts(going.flatMap((journal) => journal.entries))
  const rows = await rowsOf(env, workspace, last)
  const puts: Put[] = []
  const expect: Expect[] = []
  for (const [key, { put, whole }] of last) {
    const row = rows.get(key)
    // An end outlives only where something else still says that the record began.
    const stands = put.data === null ? row === undefined && !whole : row !== undefined && isSame(put, row)
    if (!stands) continue
    puts.push(put)
    expect.push({ record: put.kind, id: put.id, version: row?.version ?? 0 })
  }
  return { puts, expect }
}

async function rowsOf(
  env: Environment,
  workspace: string,
  last: ReadonlyMap<string, LastPut>,
): Promise<Map<string, RecordRow>> {
  const rows = new Map<string, RecordRow>()
  const byKind = Map.groupBy(last.values(), ({ put }) => put.kind)
  for (const [kind, puts] of byKind)
    for (let from = 0; from < puts.length; from += PAGE) {
      const ids = puts.slice(from, from + PAGE).map(({ put }) => put.id)
      for (const row of await env.store.records(workspace, { kind, ids, limit: ids.length }))
        rows.set(`${kind}/${row.id}`, row)
    }
  return rows
}

function isSame(put: Put, row: RecordRow): boolean {
  const { version, data, index } = writeOf(put)
  return version === row.version && data === row.data && canonicalAround(index) === canonicalAround(row.index)
}
