/** Purge: text, whole streams, or all of a workspace but for the envelopes of one stream. */
import type { Purge } from '@keelson/core/ports'
import { findStream, type Context } from './context.ts'
import { erase, headSeq } from './entries.ts'
import { findRun, saveRun } from './runs.ts'
import { run, type Work } from './statement.ts'

export function* purge(context: Context, workspace: number, what: Purge): Work<void> {
  context.begun.clear()
  if (what.streams !== undefined || what.allBut !== undefined) yield* keepLast(context)
  for (const { stream, seq } of what.payloads ?? []) yield* erase(context, workspace, stream, seq)
  for (const name of what.streams ?? []) yield* dropStream(context, workspace, name)
  for (const id of what.runs ?? []) yield* run(context.q.removeMailOfRun, { workspace, run: id })
  for (const { run: id, status } of what.statuses ?? []) {
    const row = yield* findRun(context, workspace, id)
    if (row?.state === 'settled') yield* saveRun(context, { ...row, status }, row)
  }
  for (const sha256 of what.artifacts ?? [])
    yield* run(context.q.removeArtifact, { workspace, sha256: Buffer.from(sha256, 'hex') })
  if (what.allBut !== undefined) yield* dropAllBut(context, workspace, what.allBut)
}

/** The entries that the unit appends go on behind the last number that was given, though its row may be gone (S6). */
function* keepLast(context: Context): Work<void> {
  context.last ??= yield* context.lastNumber(context.q)
}

function* dropStream(context: Context, workspace: number, name: string): Work<void> {
  const stream = yield* findStream(context, workspace, name)
  if (stream === undefined) return
  yield* run(context.q.removeEntries, { stream })
  context.names.heads.delete(stream)
}

function* dropAllBut(context: Context, workspace: number, kept: string): Work<void> {
  const stream = (yield* findStream(context, workspace, kept)) ?? 0
  yield* run(context.q.removeOtherEntries, { workspace, stream })
  const last = yield* headSeq(context, workspace, kept)
  for (let seq = 1; seq <= last; seq++) yield* erase(context, workspace, kept, seq)
  for (const table of [context.q.removeRuns, context.q.removeMail, context.q.removeRecords]) {
    yield* run(table, { workspace })
  }
  yield* run(context.q.removeRecordIndex, { workspace })
  yield* run(context.q.removeArtifacts, { workspace })
  context.names.heads.clear()
  context.runs.clear()
  context.seen.clear()
  context.lastRuns.delete(workspace)
}
