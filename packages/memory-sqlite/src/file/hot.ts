/** Hot: entries of a pass, and nothing else, as one statement each. */
import type { Answer, Entry, Instant, Lease, PassUnit } from '@keelson/core/ports'
import { findStream, numbers, type Context } from '../sql/context.ts'
import { headOf, toRow } from '../sql/entries.ts'
import type { Work } from '../sql/statement.ts'
import { commitUnit } from '../sql/unit.ts'

/**
 * Fenced by the run's row in the statement that writes it. That it continues its stream is known from the last head that
 * was seen: streams only grow, and a head that grew elsewhere meets the unique index. When nothing is written the reason
 * is looked for the long way, which also resets what counts against the run.
 */
export function* commitFast(context: Context, lease: Lease, unit: PassUnit, now: Instant): Work<Answer> {
  const { entries } = unit
  if (entries === undefined || entries.length === 0 || !isPlain(unit) || !isOneRow(entries)) {
    return yield* commitUnit(context, lease, unit, now)
  }
  const [first] = entries as readonly [Entry]
  const workspace = context.names.workspaces.get(lease.workspace)
  const stream = workspace === undefined ? undefined : yield* findStream(context, workspace, first.stream)
  if (workspace === undefined || stream === undefined) return yield* commitUnit(context, lease, unit, now)
  if ((yield* headOf(context, stream)) === first.seq - 1) {
    if (yield* append(context, lease, { workspace, stream }, entries)) return DONE
    context.names.heads.delete(stream)
  }
  return yield* commitUnit(context, lease, unit, now)
}

const DONE: Answer = { status: 'done', refused: [] }

function* append(
  context: Context,
  lease: Lease,
  at: { workspace: number; stream: number },
  entries: readonly Entry[],
): Work<boolean> {
  const { workspace, stream } = at
  let position = yield* numbers(context, entries.length)
  for (const entry of entries) {
    const row = toRow(workspace, stream, position++, entry)
    const values = [
      ...[row.position, workspace, stream, row.seq, row.kind, row.key, row.at, row.payload, row.salt],
      ...[row.payload_hash, row.hash, row.crc, workspace, lease.run, lease.worker, lease.epoch],
    ]
    try {
      if ((yield { sql: FENCED, values, wants: 'changes' }) === 0) return false
    } catch (error) {
      if (isTaken(error)) return false
      throw error
    }
  }
  context.names.heads.set(stream, entries.at(-1)!.seq)
  return true
}

const FENCED = `insert into entries
(position, workspace, stream, seq, kind, "key", "at", payload, salt, payload_hash, hash, crc)
select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? where exists (
  select 1 from runs where workspace = ? and id = ? and worker = ? and epoch = ? and deaths = 0 and claims = 0)`

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_CONSTRAINT')
}

function isPlain({ records, expect, starts, deliveries, purge, touch, consumed, artifacts, next }: PassUnit): boolean {
  return (
    next === undefined &&
    purge === undefined &&
    [records, expect, starts, deliveries, touch, consumed, artifacts].every(
      (part) => part === undefined || part.length === 0,
    )
  )
}

/** All of one stream, without a gap. */
function isOneRow(entries: readonly Entry[]): boolean {
  const { stream, seq } = entries[0]!
  return entries.every((entry, at) => entry.stream === stream && entry.seq === seq + at)
}
