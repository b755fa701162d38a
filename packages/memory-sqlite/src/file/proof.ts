/** Proof: all of a file read once: every row against its checksum, every stream against its chain. */
import { assertChained, EMPTY_HEAD, KeelsonError, turn, type Head } from '@keelson/core/ports'
import { allWorkspaces, createContext, type Context } from '../sql/context.ts'
import { readTail } from '../sql/entries.ts'
import { unreadMail } from '../sql/mail.ts'
import { queries } from '../sql/queries.ts'
import { readRuns } from '../sql/reads.ts'
import { readRecords } from '../sql/records.ts'
import type { Sql } from '../sql/tables.ts'
import { kyselyOn, Runner, type Handle } from './connection.ts'
import { lastPosition } from './identity.ts'

/** What was read. */
export interface Proof {
  readonly entries: number
  readonly records: number
  readonly runs: number
}

const PAGE = 500

interface Reading {
  readonly runner: Runner
  readonly context: Context
  readonly db: Sql
}

/** Throws `STORE_CORRUPT` at the first row that is not what was written. The event loop gets a turn after each page. */
export async function prove(handle: Handle): Promise<Proof> {
  const db = kyselyOn(handle)
  const context: Context = createContext(queries(db), () => lastPosition(context))
  const reading = { runner: new Runner(handle), context, db }
  const proof = { entries: 0, records: 0, runs: 0 }
  for (const { id, name } of reading.runner.run(allWorkspaces(context))) {
    proof.entries += await entriesOf(reading, id, name)
    proof.records += await recordsOf(reading, id)
    proof.runs += await runsOf(reading, id, name)
  }
  return proof
}

async function entriesOf({ runner, context }: Reading, space: number, workspace: string): Promise<number> {
  const heads = new Map<string, Head>()
  let count = 0
  for (let after = 0; ;) {
    const page = runner.run(readTail(context, space, after, Number.MAX_SAFE_INTEGER, PAGE))
    for (const entry of page)
      heads.set(entry.stream, assertChained(workspace, [entry], heads.get(entry.stream) ?? EMPTY_HEAD))
    count += page.length
    after = page.at(-1)?.position ?? after
    if (page.length < PAGE) return count
    await turn()
  }
}

async function recordsOf({ runner, context, db }: Reading, space: number): Promise<number> {
  const kinds = runner.handle.prepare('select distinct kind from records where workspace = ?').pluck().all(space)
  let count = 0
  for (const kind of kinds as string[])
    for (let after: { sort: number; id: string } | undefined; ;) {
      const query = { kind, limit: PAGE, ...(after === undefined ? {} : { after }) }
      const page = runner.run(readRecords(context, db, space, query))
      count += page.length
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) break
      after = { sort: last.sort, id: last.id }
      await turn()
    }
  return count
}

async function runsOf({ runner, context, db }: Reading, space: number, workspace: string): Promise<number> {
  let count = 0
  for (let after = 0; ;) {
    const page = runner.run(readRuns(context, db, workspace, { limit: PAGE, after }))
    for (const row of page) {
      if (row.corrupt !== undefined)
        throw new KeelsonError('STORE_CORRUPT', row.corrupt, { data: { workspace, run: row.id } })
      if (row.state !== 'settled') runner.run(unreadMail(context, space, row.id, 0))
    }
    count += page.length
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return count
    after = last.order
    await turn()
  }
}
