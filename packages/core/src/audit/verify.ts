/**
 * Verify: reads a whole workspace: every chain, and every record against the entries that put it.
 *
 * Q1. A chain is checked entry by entry; what does not hold, or cannot be read, is named, and reading goes on.
 * Q2. Records are what their entries put, last version last; one that differs, is missing or is too many is named. So is a run
 *     whose row tells another end.
 * Q3. Verifying a workspace that works finds nothing but what is wrong: what differs is compared again until no entry
 *     came in between.
 * Q4. A chain alone does not show that its tail was cut off, or that all of it was written anew: anchors do.
 */
import { canonicalAround } from '../base/json.ts'
import { sha256 } from '../base/hash.ts'
import { EMPTY_HEAD, fault, prunedIn, type Entry, type Head, type Placed } from '../journal/entry.ts'
import { putsOf, writeOf } from '../journal/records.ts'
import { pagesOf } from '../journal/pages.ts'
import type { MemoryStore, RecordRow, RecordWrite, RunRow } from '../journal/store.ts'
import type { Environment } from '../conductor/environment.ts'
import { statusIn } from '../conductor/settle.ts'
import { anchorCheck, type AnchorCheck, type Anchored } from './anchor-check.ts'
import { damageOf, recordsPast, tailPast, type Name } from './damaged.ts'

export interface Verification {
  readonly ok: boolean
  readonly entries: number
  readonly streams: number
  readonly records: number
  /** The last anchor, when all that were given hold; else 0. */
  readonly anchored: number
  /** What does not hold, in words; empty when all does. */
  readonly faults: readonly string[]
}

const PAGE = 1000
/** All kinds of records that entries put. */
export const RECORD_KINDS = [
  'alert',
  'alias',
  'anchor',
  'artifact',
  'audit',
  'budget',
  'change-set',
  'company',
  'deed',
  'effect',
  'entity',
  'event',
  'grant',
  'had',
  'inbox',
  'invalidation',
  'lesson',
  'meeting',
  'memory',
  'memory-context',
  'memory-key',
  'memory-weight',
  'outcome',
  'overlay',
  'rate',
  'ref',
  'reservation',
  'retention',
  'rollup',
  'stamps',
  'stands',
  'stayed',
  'timeline',
  'touch',
  'trust',
  'unpaired',
  'unsimulated',
  'wait',
  'would',
] as const

/** The fold of all entries as far as they have been read. */
interface Expected {
  /** Told of what the store refuses to read; without it, that is thrown. */
  readonly name?: Name
  after: number
  entries: number
  readonly heads: Map<string, Head>
  readonly faults: string[]
  readonly records: Map<string, RecordWrite>
  /** Runs whose journals were taken away. */
  readonly pruned: Set<string>
  readonly check?: AnchorCheck
}

export async function verify(env: Environment, workspace: string, given?: Anchored): Promise<Verification> {
  const damaged = new Set<string>()
  const unreadable = new Set<string>()
  const name: Name = (fault, record) => {
    damaged.add(fault)
    if (record !== undefined) unreadable.add(record)
  }
  const expected = { ...nothing(given === undefined ? undefined : anchorCheck(workspace, given)), name }
  const { wrong, found } = await differing(env.store, workspace, expected)
  const { faults: unanchored, anchored } = expected.check?.end() ?? { faults: [], anchored: 0 }
  const faults = [...expected.faults, ...unanchored]
  for (const [id, row] of wrong) {
    if (unreadable.has(id)) continue
    if (row === undefined) faults.push(`record ${id} is missing`)
    else if (!expected.records.has(id)) faults.push(`record ${id} was put by no entry`)
    else faults.push(`record ${id} is not what its entries put`)
  }
  faults.unshift(...damaged)
  await verifyRuns(env, workspace, faults, async (run) => {
    if (!expected.pruned.has(run)) await readOn(env.store, workspace, expected)
    return expected.pruned.has(run)
  })
  return {
    ok: faults.length === 0,
    entries: expected.entries,
    streams: expected.heads.size,
    records: found,
    anchored,
    faults,
  }
}

/** Rebuilds records from the entries: wrong ones are ended and put again, each at once. */
export async function rebuild(env: Environment, workspace: string): Promise<{ repaired: number }> {
  const expected = nothing()
  const { wrong } = await differing(env.store, workspace, expected)
  for (const [id, row] of wrong) {
    const ended = row === undefined ? [] : [{ ...row, version: row.version + 1, data: null, index: {} }]
    const wanted = expected.records.get(id)
    // In one unit: an effect's record that was away for a moment would let it be sent again.
    await env.store.write(workspace, {
      records: [...ended, ...(wanted === undefined ? [] : [wanted])],
      restoring: true,
    })
  }
  return { repaired: wrong.size }
}

type Rows = Map<string, RecordRow | undefined>

/** The records that are not what their entries put, and how many there are in all. */
async function differing(
  store: MemoryStore,
  workspace: string,
  expected: Expected,
): Promise<{ wrong: Rows; found: number }> {
  await readOn(store, workspace, expected)
  const suspects = new Set(expected.records.keys())
  let found = 0
  for (const kind of RECORD_KINDS) {
    for await (const row of all(store, workspace, kind, expected.name)) {
      found++
      const id = `${kind}/${row.id}`
      if (isSame(expected.records.get(id), row)) suspects.delete(id)
      else suspects.add(id)
    }
  }
  return { wrong: await confirmed(store, workspace, expected, suspects), found }
}

/** Those of the suspects that still differ when nothing was written between the reading of their entries and of them. */
async function confirmed(
  store: MemoryStore,
  workspace: string,
  expected: Expected,
  suspects: ReadonlySet<string>,
): Promise<Rows> {
  const wrong: Rows = new Map()
  for (let open = suspects; open.size > 0;) {
    await readOn(store, workspace, expected)
    const rows = await rowsOf(store, workspace, open, expected.name)
    const moved = await readOn(store, workspace, expected)
    for (const [id, row] of rows) if (!moved.has(id) && !isSame(expected.records.get(id), row)) wrong.set(id, row)
    open = new Set([...open].filter((id) => moved.has(id)))
  }
  return wrong
}

async function rowsOf(
  store: MemoryStore,
  workspace: string,
  ids: ReadonlySet<string>,
  name: Name | undefined,
): Promise<Rows> {
  const rows: Rows = new Map([...ids].map((id) => [id, undefined]))
  for (const kind of RECORD_KINDS) {
    const own = [...ids].filter((id) => id.startsWith(`${kind}/`)).map((id) => id.slice(kind.length + 1))
    for (let from = 0; from < own.length; from += PAGE) {
      const page = own.slice(from, from + PAGE)
      const found =
        name === undefined
          ? await store.records(workspace, { kind, ids: page, limit: page.length })
          : await recordsPast(store, workspace, { kind, ids: page }, name)
      for (const row of found) rows.set(`${kind}/${row.id}`, row)
    }
  }
  return rows
}

function nothing(check?: AnchorCheck): Expected {
  const none = { after: 0, entries: 0, heads: new Map(), faults: [], records: new Map(), pruned: new Set<string>() }
  return check === undefined ? none : { ...none, check }
}

/** Reads the entries that have come since. Answers the ids of the records that they put. */
async function readOn(store: MemoryStore, workspace: string, expected: Expected): Promise<Set<string>> {
  const { heads, faults, records, pruned } = expected
  const moved = new Set<string>()
  for (;;) {
    const { page, after, more } = await pageBehind(store, workspace, expected)
    for (const entry of page) {
      expected.entries++
      expected.check?.see(entry)
      const wrong = fault(workspace, entry, heads.get(entry.stream) ?? EMPTY_HEAD)
      if (wrong !== undefined) faults.push(`stream ${entry.stream}: ${wrong}`)
      for (const run of prunedIn(entry)) pruned.add(run)
      heads.set(entry.stream, { seq: entry.seq, hash: entry.hash })
      for (const put of putsOf(entry)) {
        const id = `${put.kind}/${put.id}`
        moved.add(id)
        if (put.data === null) records.delete(id)
        else records.set(id, writeOf(put))
      }
    }
    expected.after = after
    if (!more) return moved
  }
}

async function pageBehind(
  store: MemoryStore,
  workspace: string,
  { after, name }: Expected,
): Promise<{ page: readonly Placed[]; after: number; more: boolean }> {
  if (name !== undefined) return tailPast(store, workspace, { after, limit: PAGE }, name)
  const page = await store.tail(workspace, after, PAGE)
  return { page, after: page.at(-1)?.position ?? after, more: page.length === PAGE }
}

/** Behind one that is damaged nothing of its kind is read: those that are expected are looked for by their ids. */
async function* all(store: MemoryStore, workspace: string, kind: string, name?: Name): AsyncGenerator<RecordRow> {
  try {
    yield* pagesOf(store, workspace, { kind })
  } catch (error) {
    const damage = damageOf(error, 'records')
    if (damage === undefined || name === undefined) throw error
    name(damage)
  }
}

function isSame(wanted: RecordWrite | undefined, row: RecordRow | undefined): boolean {
  if (wanted === undefined || row === undefined) return wanted === row
  // A position is given by the store: what an entry put does not say which.
  return digest(wanted) === digest(wanted.sort === 'position' ? { ...row, sort: 'position' } : row)
}

function digest(row: RecordWrite): string {
  const { version, data, index, sort } = row
  return sha256(canonicalAround({ version, data, index, sort }))
}

/** A settled run's row says what its last entry says; of one whose journal was pruned, an entry says so. */
async function verifyRuns(
  env: Environment,
  workspace: string,
  faults: string[],
  isPruned: (run: string) => Promise<boolean>,
): Promise<void> {
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { limit: PAGE, after })
    for (const row of rows) {
      if (row.corrupt !== undefined) {
        faults.push(`run ${row.id}: ${row.corrupt}`)
        continue
      }
      const entries = await readable(env.store.entries(workspace, row.stream))
      if (entries === undefined) continue
      const last = entries.findLast(
        (entry) => entry.kind === 'run.settled' || entry.kind === 'run.reopened' || entry.kind === 'run.rewound',
      )
      const settled = last?.kind === 'run.settled'
      if (entries.length === 0) {
        if (row.state !== 'settled' || !(await isPruned(row.id))) faults.push(`run ${row.id} has no entries`)
      } else if (row.state === 'settled' && !settled && (await isStill(env.store, row)))
        faults.push(`run ${row.id} is settled by no entry`)
      else if (row.state === 'settled' && settled && !endsAs(last, row) && (await isStill(env.store, row)))
        faults.push(`run ${row.id} has another end than its entries say`)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.order
  }
}

/** Undefined: there is a damaged one among them, which was named when all were read. */
async function readable<T>(entries: Promise<T>): Promise<T | undefined> {
  return entries.catch((error: unknown) => {
    if (damageOf(error, 'entries') === undefined) throw error
    return undefined
  })
}

/** What `result()` answers is what its last entry says. What was erased says nothing. */
function endsAs(last: Entry, { status }: RunRow): boolean {
  const told = statusIn(last as Entry & { kind: 'run.settled' })
  return told === undefined || told === status
}

/** It has not gone on since the row was read. */
async function isStill(store: MemoryStore, row: RunRow): Promise<boolean> {
  const [now] = await store.runs(row.workspace, { ids: [row.id], limit: 1 })
  return now?.state === row.state && now.stream === row.stream && now.status === row.status
}
