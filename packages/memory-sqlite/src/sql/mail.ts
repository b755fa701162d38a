/** Mail: what has reached a run from outside its lease; the key of each stays after its text was taken. */
import type { Delivery, Mail } from '@keelson/core/ports'
import { sealOf } from './checksum.ts'
import type { Context } from './context.ts'
import { MAIL_COLUMNS } from './queries.ts'
import { all, first, run, type Work } from './statement.ts'
import type { MailTable } from './tables.ts'

const sealed = sealOf<MailTable>(
  'mail',
  MAIL_COLUMNS.filter((column) => column !== 'crc'),
  (row) => `${row.run} #${row.num}`,
)

export function* addMail(context: Context, workspace: number, num: number, delivery: Delivery): Work<void> {
  const { run: id, onceKey: once_key, kind, payload, at } = delivery
  yield* run(context.q.addMail, sealed.seal({ workspace, run: id, num, once_key, kind, payload, at }))
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
