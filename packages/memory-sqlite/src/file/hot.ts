/**
 * Hot: entries of a pass, and nothing else, as one statement each, without a generator or a look at what is known.
 *
 * Fenced by the run's row: as it is remembered, which within a transaction is as it is stored (K1 of the context), else in the
 * statement that writes. That they continue their stream is known from the last head that was seen: streams only grow, and
 * a head that grew elsewhere meets the unique index. When nothing is written the reason is looked for the long way.
 *
 * The first after a claim also resets what counts against the run.
 */
import type { Statement } from 'better-sqlite3'
import type { Answer, Entry, Lease, PassUnit } from '@keelson/core/ports'
import { keepRun, placeOf, runName, type Context, type Place } from '../sql/context.ts'
import { checksum } from '../sql/checksum.ts'
import { valuesOf } from '../sql/entries.ts'
import { ENTRY_COLUMNS } from '../sql/queries.ts'
import { progressed } from '../sql/runs.ts'
import type { RunsTable } from '../sql/tables.ts'
import { holds } from '../sql/unit.ts'
import type { Handle } from './connection.ts'

const DONE: Answer = { status: 'done', refused: [] }

const COLUMNS = ENTRY_COLUMNS.map((name) => `"${name}"`).join(', ')
const PLAIN = `insert into entries (${COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const FENCED = `insert into entries (${COLUMNS}) select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? where exists (
  select 1 from runs where workspace = ? and id = ? and worker = ? and epoch = ? and deaths = 0 and claims = 0)`

const RESET = 'update runs set deaths = 0, claims = 0, crc = ? where workspace = ? and id = ?'

const LAST = 'select max(position) from entries'

export class Hot {
  readonly context: Context
  readonly #handle: Handle
  #plain: Statement<unknown[]> | undefined
  #fenced: Statement<unknown[]> | undefined
  #reset: Statement<unknown[]> | undefined
  #last: Statement<[], number | null> | undefined

  constructor(handle: Handle, context: Context) {
    this.#handle = handle
    this.context = context
  }

  /** Runs in the transaction of a group. Undefined: it has to go the long way; nothing was written. */
  commit(lease: Lease, unit: PassUnit): Answer | undefined {
    const { entries } = unit
    const first = entries?.[0]
    if (entries === undefined || first === undefined || !isPlain(unit) || !isOneRow(entries)) return undefined
    const { names } = this.context
    const place = placeOf(this.context, lease.workspace, first.stream)
    if (place === undefined || names.heads.get(place.stream) !== first.seq - 1) return undefined
    const last = this.context.last ?? this.#lastPosition()
    const row = this.context.runs.get(runName(place.workspace, lease.run))
    if (row !== undefined && !holds(row, lease)) return undefined
    if (!this.#append(lease, place, entries, last, row === undefined)) return undefined
    if (row !== undefined && (row.claims > 0 || row.deaths > 0)) this.#progress(row)
    this.context.last = last + entries.length
    names.heads.set(place.stream, entries.at(-1)!.seq)
    return DONE
  }

  #lastPosition(): number {
    this.#last ??= this.#handle.prepare(LAST).pluck() as Statement<[], number | null>
    return this.#last.get() ?? 0
  }

  #progress(claimed: RunsTable): void {
    const reset = (this.#reset ??= this.#handle.prepare(RESET))
    const row = progressed(claimed)
    reset.run(row.crc, row.workspace, row.id)
    keepRun(this.context, row)
  }

  #append(lease: Lease, place: Place, entries: readonly Entry[], last: number, fenced: boolean): boolean {
    const { workspace, stream } = place
    const add = fenced ? (this.#fenced ??= this.#handle.prepare(FENCED)) : (this.#plain ??= this.#handle.prepare(PLAIN))
    const fence = fenced ? [workspace, lease.run, lease.worker, lease.epoch] : []
    let position = last
    for (const entry of entries) {
      const values = valuesOf(workspace, stream, ++position, entry)
      try {
        const { changes } = add.run(...values, checksum('entries', values), ...fence)
        if (changes === 0) return false
      } catch (error) {
        if (!isTaken(error)) throw error
        this.context.names.heads.delete(stream) // it has grown elsewhere
        return false
      }
    }
    return true
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_CONSTRAINT')
}

function isPlain(unit: PassUnit): boolean {
  if (unit.next !== undefined || unit.purge !== undefined || unit.again === true) return false
  return (
    isNone(unit.records) &&
    isNone(unit.expect) &&
    isNone(unit.starts) &&
    isNone(unit.deliveries) &&
    isNone(unit.touch) &&
    isNone(unit.consumed) &&
    isNone(unit.artifacts)
  )
}

function isNone(part: readonly unknown[] | undefined): boolean {
  return part === undefined || part.length === 0
}

/** All of one stream, without a gap. */
function isOneRow(entries: readonly Entry[]): boolean {
  const { stream, seq } = entries[0]!
  return entries.length === 1 || entries.every((entry, at) => entry.stream === stream && entry.seq === seq + at)
}
