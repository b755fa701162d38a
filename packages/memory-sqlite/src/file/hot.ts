/** Hot: entries of a pass, and nothing else, as one statement each. */
import type { Answer, Entry, Instant, Lease, PassUnit } from '@keelson/core/ports'
import { findStream, findWorkspace, numbers, type Context } from '../sql/context.ts'
import { toRow } from '../sql/entries.ts'
import { ENTRY_COLUMNS } from '../sql/queries.ts'
import { run, type Work } from '../sql/statement.ts'
import type { EntriesTable } from '../sql/tables.ts'
import { commitUnit } from '../sql/unit.ts'

/**
 * The first entry is fenced by the run's row and by the end of its stream, in the statement that writes it. When it
 * writes nothing the reason is looked for the long way, which also resets what counts against the run.
 */
export function* commitFast(context: Context, lease: Lease, unit: PassUnit, now: Instant): Work<Answer> {
  const { entries } = unit
  const first = entries?.[0]
  if (first === undefined || !isPlain(unit) || !isOneRun(entries!)) return yield* commitUnit(context, lease, unit, now)
  const workspace = yield* findWorkspace(context, lease.workspace)
  const stream = workspace === undefined ? undefined : yield* findStream(context, workspace, first.stream)
  if (workspace === undefined || stream === undefined) return yield* commitUnit(context, lease, unit, now)
  const position = yield* numbers(context, entries!.length)
  const row = toRow(workspace, stream, position, first)
  const values = [...valuesOf(row), workspace, lease.run, lease.worker, lease.epoch, stream, first.seq - 1]
  const written = (yield { sql: FENCED, values, wants: 'changes' }) as number
  if (written === 0) return yield* commitUnit(context, lease, unit, now)
  for (let at = 1; at < entries!.length; at++) {
    yield* run(context.q.addEntry, { ...toRow(workspace, stream, position + at, entries![at]!) })
  }
  return DONE
}

const DONE: Answer = { status: 'done', refused: [] }

const FENCED = `insert into entries (${ENTRY_COLUMNS.map((name) => `"${name}"`).join(', ')})
select ${ENTRY_COLUMNS.map(() => '?').join(', ')}
where exists (select 1 from runs where workspace = ? and id = ? and worker = ? and epoch = ? and deaths = 0 and claims = 0)
and (select coalesce(max(seq), 0) from entries where stream = ?) = ?`

function isPlain(unit: PassUnit): boolean {
  for (const [part, value] of Object.entries(unit)) if (part !== 'entries' && !isEmpty(value)) return false
  return true
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0)
}

function isOneRun(entries: readonly Entry[]): boolean {
  const { stream, seq } = entries[0]!
  return entries.every((entry, at) => entry.stream === stream && entry.seq === seq + at)
}

function valuesOf(row: EntriesTable): (string | number | Uint8Array | null)[] {
  return ENTRY_COLUMNS.map((name) => row[name])
}
