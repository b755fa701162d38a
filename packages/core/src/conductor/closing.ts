/** Closing: what a run that ends does with what it still waits for. */
import { canonical } from '../base/json.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { Op } from '../journal/op.ts'
import type { Put } from '../journal/put.ts'
import type { Delivery } from '../journal/store.ts'
import { closing } from './item.ts'
import { waitGone } from './event-buffer.ts'
import type { Pass } from './pass.ts'
import { leaveSending, releaseEffect } from './effect/release.ts'

/** Withdraws losing waits and unanswered questions; held effects and children live on. */
export async function closeOpen(pass: Pass): Promise<{ puts: Put[]; withdrawn: string[] }> {
  const puts: Put[] = []
  const items: string[] = []
  const withdrawn: string[] = []
  for (const { op, opened } of openOps(pass)) {
    if (opened.kind === 'wait.opened') puts.push(...waitGone(dataOf(opened as Entry & { kind: 'wait.opened' })))
    if (opened.kind === 'ask.opened') items.push(dataOf(opened as Entry & { kind: 'ask.opened' }).item)
    withdrawn.push(op.key)
  }
  const { env, claimed } = pass.task
  puts.push(...(await closing(env.store, claimed.row.workspace, items, 'withdrawn')))
  return { puts, withdrawn }
}

/** What closes the question or the wait of one operation. */
export async function withdrawal(pass: Pass, { opened }: Op): Promise<Put[]> {
  const { env, claimed } = pass.task
  if (opened?.kind === 'wait.opened') return waitGone(dataOf(opened as Entry & { kind: 'wait.opened' }))
  if (opened?.kind !== 'ask.opened') return []
  const { item } = dataOf(opened as Entry & { kind: 'ask.opened' })
  return closing(env.store, claimed.row.workspace, [item], 'withdrawn')
}

/** Cancels children, withdraws effects that only this run asked for, and leaves one being sent to be reconciled. */
export async function cancelOpen(pass: Pass): Promise<void> {
  const { by, reason } = pass.history.cancelling!
  const { env, claimed } = pass.task
  await leaveSending(pass)
  const deliveries: Delivery[] = []
  for (const { op, opened } of openOps(pass)) {
    if (opened.kind === 'call.opened') {
      const { child } = dataOf(opened as Entry & { kind: 'call.opened' })
      const payload = canonical({ by, reason: `its caller was cancelled: ${reason}` })
      deliveries.push({
        run: child,
        onceKey: `cancel:${claimed.row.id}:${op.key}`,
        kind: 'cancel',
        payload,
        at: env.clock.now(),
      })
    }
    if (opened.kind === 'effect.opened')
      await releaseEffect(pass, op.key, dataOf(opened as Entry & { kind: 'effect.opened' }))
  }
  if (deliveries.length > 0) await pass.writer.submit(() => ({ drafts: [], deliveries }))
}

function openOps(pass: Pass): { op: Op; opened: Entry }[] {
  return [...pass.history.ops.values()].flatMap((op) =>
    op.opened !== undefined && op.outcome === undefined && !op.withdrawn ? [{ op, opened: op.opened }] : [],
  )
}
