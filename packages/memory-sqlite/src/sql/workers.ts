/** Workers: who has the store open, and what becomes of the runs of one that has gone. */
import type { Instant } from '@keelson/core/ports'
import { checksum, corrupt } from './checksum.ts'
import { runName, type Context } from './context.ts'
import { openRun, saveRun, troubleOf } from './runs.ts'
import { all, first, run, type Work } from './statement.ts'

export function* addWorker(context: Context, name: string, openedAt: Instant): Work<void> {
  yield* run(context.q.removeWorker, { name })
  const row = { name, opened_at: openedAt }
  yield* run(context.q.addWorker, { ...row, crc: checksum('workers', [name, openedAt]) })
}

export function* isWorker(context: Context, name: string): Work<boolean> {
  return (yield* first(context.q.worker, { name })) !== undefined
}

export function* workerNames(context: Context): Work<string[]> {
  const rows = yield* all(context.q.workers, {})
  for (const row of rows) if (checksum('workers', [row.name, row.opened_at]) !== row.crc) corrupt('workers', row.name)
  return rows.map((row) => row.name)
}

/** Whoever holds runs, registered or not. */
export function* holders(context: Context): Work<string[]> {
  return (yield* all(context.q.holders, {})).flatMap((row) => row.worker ?? [])
}

/**
 * Frees the runs of a worker. Its death counts against them; a claim that ended by `close` does not count at all. A row that
 * is not what was written is only set aside: the next claim, which cannot believe it either, says so.
 */
export function* removeWorker(context: Context, name: string, how: 'died' | 'closed'): Work<void> {
  for (const held of yield* all(context.q.runsOfWorker, { worker: name })) {
    if (troubleOf(held) !== undefined) {
      yield* run(context.q.freeRun, held)
      context.runs.delete(runName(held.workspace, held.id))
      continue
    }
    const row = openRun(held)
    const counted = how === 'died' ? { deaths: row.deaths + 1 } : { claims: Math.max(0, row.claims - 1) }
    yield* saveRun(context, { ...row, ...counted, worker: null }, row)
  }
  yield* run(context.q.removeWorker, { name })
}
