/** Release: what a caller that will not wait any longer does with its effects. */
import { SYSTEM } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { Pass } from '../pass.ts'
import { effectPut, readEffect } from './ledger.ts'
import { handOver, sentOf } from './hand-over.ts'

/** The caller no longer asks. An effect that nobody else asked for, and that is not being sent, is withdrawn. */
export async function releaseEffect(pass: Pass, key: string, opened: EntryData['effect.opened']): Promise<void> {
  const { env, claimed } = pass.task
  const { row } = claimed
  await pass.writer.submit(async () => {
    const found = await readEffect(env.store, row.workspace, opened.effect)
    if (found === undefined || found.record.state !== 'open') return undefined
    const others = found.record.askers.filter((asker) => asker.run !== row.id || asker.key !== key)
    const put = effectPut({ ...found.record, askers: others }, found.version + 1)
    const alone = others.length === 0 && found.record.effectRun !== undefined
    const payload = canonical({ by: SYSTEM, reason: `its caller ${row.id} was cancelled` })
    const withdraw = {
      run: opened.run,
      onceKey: `cancel:${row.id}:${key}`,
      kind: 'cancel',
      payload,
      at: env.clock.now(),
    }
    return { drafts: [{ kind: 'op.withdrawn', key, data: { puts: [put] } }], deliveries: alone ? [withdraw] : [] }
  })
}

/**
 * Effects that the caller was sending are finished by runs of their own: one whose outcome nobody knows is reconciled, one
 * that waits for its next try is tried there. Those of the effect's own run are its own.
 */
export async function leaveSending(pass: Pass): Promise<void> {
  if (pass.task.playbook.internal) return
  for (const op of pass.history.ops.values()) {
    if (op.sending === undefined || op.outcome !== undefined || op.opened !== undefined) continue
    const sent = dataOf(op.sending as Entry & { kind: 'effect.sending' })
    await handOver(pass, op.key, sent, sentOf(op), op.dangling ? 'reconcile' : 'judge')
  }
}
