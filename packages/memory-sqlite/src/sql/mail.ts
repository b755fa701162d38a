/** Mail: what reaches a run from outside its lease, once per key; the key stays after the text was taken. */
import type { Delivery, Mail } from '@keelson/core/ports'
import { sealOf } from './checksum.ts'
import { type Context } from './context.ts'
import { MAIL_COLUMNS } from './queries.ts'
import { dueFrom, findRun, saveRun } from './runs.ts'
import { all, first, run, type Work } from './statement.ts'
import type { MailTable } from './tables.ts'

const sealed = sealOf<MailTable>(
  'mail',
  MAIL_COLUMNS.filter((column) => column !== 'crc'),
  (row) => `${row.run} #${row.num}`,
)

export type Refusal = 'closed' | 'unknown' | 'duplicate'

/** Puts mail into a run's box and wakes the run unless it is leased (S4). Answers why not. */
export function* deliver(context: Context, workspace: number, delivery: Delivery): Work<Refusal | undefined> {
  const row = yield* findRun(context, workspace, delivery.run)
  if (row === undefined) return 'unknown'
  if (yield* wasDelivered(context, workspace, delivery)) return 'duplicate'
  if (row.state === 'settled') return 'closed'
  const num = row.mails + 1
  const { run: id, onceKey: once_key, kind, payload, at } = delivery
  yield* run(context.q.addMail, sealed.seal({ workspace, run: id, num, once_key, kind, payload, at }))
  const wakes = row.worker === null && row.state !== 'due'
  yield* saveRun(context, { ...row, mails: num, ...(wakes ? dueFrom(at, at) : {}) })
  return undefined
}

export function* wasDelivered(context: Context, workspace: number, delivery: Delivery): Work<boolean> {
  const key = { workspace, run: delivery.run, once_key: delivery.onceKey }
  const row = yield* first(context.q.delivered, key)
  return row !== undefined && sealed.open(row) === row
}

export function* unreadMail(context: Context, workspace: number, id: string, after: number): Work<Mail[]> {
  const rows = yield* all(context.q.unread, { workspace, run: id, after })
  return rows.map((row) => {
    const { run, num, once_key: onceKey, kind, payload, at } = sealed.open(row)
    return { run, onceKey, kind, payload: payload!, at, row: num }
  })
}

/** The text of these mails is in the stream now: only their keys are kept. */
export function* readMail(context: Context, workspace: number, id: string, rows: ReadonlySet<number>): Work<void> {
  if (rows.size === 0) return
  const unread = yield* all(context.q.unread, { workspace, run: id, after: Math.min(...rows) - 1 })
  for (const row of unread) {
    if (!rows.has(row.num)) continue
    const { crc } = sealed.seal({ ...sealed.open(row), payload: null })
    yield* run(context.q.readMail, { workspace, run: id, once_key: row.once_key, crc })
  }
}

/** A settled run reads no more. */
export function* dropMail(context: Context, workspace: number, id: string): Work<void> {
  const unread = yield* unreadMail(context, workspace, id, 0)
  yield* readMail(context, workspace, id, new Set(unread.map((mail) => mail.row)))
}
