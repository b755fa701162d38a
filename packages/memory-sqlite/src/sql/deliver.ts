/** Deliver: puts mail into a run's box, once per key, and wakes the run. */
import type { Delivery } from '@keelson/core/ports'
import { changed, workspaceName, type Context } from './context.ts'
import { addMail, wasDelivered } from './mail.ts'
import { dueFrom, saveRun, seenRun, troubleOf } from './runs.ts'
import type { Work } from './statement.ts'

export type Refusal = 'closed' | 'unknown' | 'duplicate' | 'corrupt'

/** Puts mail into a run's box and wakes the run unless it is leased (S4). Answers why not. */
export function* deliver(context: Context, workspace: number, delivery: Delivery): Work<Refusal | undefined> {
  const row = yield* seenRun(context, workspace, delivery.run)
  if (row === undefined) return 'unknown'
  if (troubleOf(row) !== undefined) return 'corrupt'
  if (yield* wasDelivered(context, workspace, delivery)) return 'duplicate'
  if (row.state === 'settled') return 'closed'
  const num = row.mails + 1
  yield* addMail(context, workspace, num, delivery)
  const wakes = row.worker === null && row.state !== 'due'
  yield* saveRun(context, { ...row, mails: num, ...(wakes ? dueFrom(delivery.at, delivery.at) : {}) }, row)
  if (row.worker !== null) changed(context, yield* workspaceName(context, workspace), row.id)
  return undefined
}
