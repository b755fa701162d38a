/**
 * Verify: reads a whole workspace: every chain, and every record against the entries that put it.
 *
 * Q1. A chain is checked entry by entry; what does not hold is named, and reading goes on.
 * Q2. Records are what their entries put, last version last; one that differs, is missing or is too many is named.
 * Q3. A chain alone does not show that its tail was cut off, or that all of it was written anew: that needs an anchor.
 */
import { canonical } from '../base/json.ts'
import { sha256 } from '../base/hash.ts'
import { EMPTY_HEAD, fault, type Head } from '../journal/entry.ts'
import { putsOf, writeOf } from '../journal/records.ts'
import type { MemoryStore, RecordWrite } from '../journal/store.ts'
import type { Environment } from '../conductor/environment.ts'

export interface Verification {
  readonly ok: boolean
  readonly entries: number
  readonly streams: number
  readonly records: number
  /** What does not hold, in words; empty when all does. */
  readonly faults: readonly string[]
}

const PAGE = 1000
/** All kinds of records that entries put. */
export const RECORD_KINDS = ['company', 'effect', 'entity', 'event', 'grant', 'inbox', 'timeline', 'wait'] as const

interface Expected {
  readonly entries: number
  readonly streams: number
  readonly faults: string[]
  readonly records: Map<string, RecordWrite>
}

export async function verify(env: Environment, workspace: string): Promise<Verification> {
  const expected = await fromEntries(env.store, workspace)
  const { faults, records } = expected
  let found = 0
  for (const kind of RECORD_KINDS) {
    for await (const row of all(env.store, workspace, kind)) {
      found++
      const id = `${kind}/${row.id}`
      const wanted = records.get(id)
      records.delete(id)
      if (wanted === undefined) faults.push(`record ${id} was put by no entry`)
      else if (digest(wanted) !== digest(row)) faults.push(`record ${id} is not what its entries put`)
    }
  }
  for (const id of records.keys()) faults.push(`record ${id} is missing`)
  await verifyRuns(env, workspace, faults)
  return { ok: faults.length === 0, entries: expected.entries, streams: expected.streams, records: found, faults }
}

/** Rebuilds records from the entries: wrong ones are ended and put again, version by version. */
export async function rebuild(env: Environment, workspace: string): Promise<{ repaired: number }> {
  const { records } = await fromEntries(env.store, workspace)
  const wrong = new Map<string, RecordWrite>(records)
  for (const kind of RECORD_KINDS) {
    for await (const row of all(env.store, workspace, kind)) {
      const id = `${kind}/${row.id}`
      const wanted = records.get(id)
      if (wanted !== undefined && digest(wanted) === digest(row)) {
        wrong.delete(id)
        continue
      }
      await env.store.write(workspace, { records: [{ ...row, version: row.version + 1, data: null, index: {} }] })
      if (wanted !== undefined) wrong.set(id, wanted)
    }
  }
  for (const wanted of wrong.values()) {
    for (let version = 1; version <= wanted.version; version++)
      await env.store.write(workspace, { records: [{ ...wanted, version }] })
  }
  return { repaired: wrong.size }
}

async function fromEntries(store: MemoryStore, workspace: string): Promise<Expected> {
  const heads = new Map<string, Head>()
  const faults: string[] = []
  const records = new Map<string, RecordWrite>()
  let entries = 0
  for (let after = 0; ;) {
    const page = await store.tail(workspace, after, PAGE)
    for (const entry of page) {
      entries++
      const head = heads.get(entry.stream) ?? EMPTY_HEAD
      const wrong = fault(workspace, entry, head)
      if (wrong !== undefined) faults.push(`stream ${entry.stream}: ${wrong}`)
      heads.set(entry.stream, { seq: entry.seq, hash: entry.hash })
      for (const put of putsOf(entry)) {
        const id = `${put.kind}/${put.id}`
        if (put.data === null) records.delete(id)
        else records.set(id, writeOf(put))
      }
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return { entries, streams: heads.size, faults, records }
    after = last.position
  }
}

async function* all(
  store: MemoryStore,
  workspace: string,
  kind: string,
): AsyncGenerator<RecordWrite & { data: string }> {
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await store.records(workspace, { kind, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}

function digest(row: RecordWrite): string {
  const { version, data, index, sort } = row
  return sha256(canonical({ version, data, index, sort }))
}

/** A settled run's row says what its last entry says. */
async function verifyRuns(env: Environment, workspace: string, faults: string[]): Promise<void> {
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { limit: PAGE, after })
    for (const row of rows) {
      const entries = await env.store.entries(workspace, row.stream)
      const last = entries.findLast(
        (entry) => entry.kind === 'run.settled' || entry.kind === 'run.reopened' || entry.kind === 'run.rewound',
      )
      const settled = last?.kind === 'run.settled'
      if (entries.length === 0) faults.push(`run ${row.id} has no entries`)
      else if ((row.state === 'settled') !== settled && row.state === 'settled')
        faults.push(`run ${row.id} is settled by no entry`)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.order
  }
}
