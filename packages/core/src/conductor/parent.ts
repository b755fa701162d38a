/** Parent: word of a run's end to the run that called it. */
import { canonicalAround } from '../base/json.ts'
import type { StoredError } from '../base/errors.ts'
import { isUnlabelled } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { Delivery } from '../journal/store.ts'
import { passing } from './ops/rests.ts'
import type { Pass } from './pass.ts'

export function toParent(pass: Pass, settled: { status: string; output?: Json; error?: StoredError }): Delivery[] {
  const { parent } = pass.history.start
  if (parent === undefined) return []
  const error = settled.error ?? {
    code: 'RUN_FAILED',
    message: `run ${pass.task.claimed.row.id} was ${settled.status}`,
  }
  const outcome =
    settled.status === 'completed' ? (settled.output === undefined ? {} : { ok: settled.output }) : { error }
  const labels = passing(pass.task.playbook.output, pass.history.labels)
  const { stream } = pass.task.claimed.row
  const payload = canonicalAround({ key: parent.key, outcome: isUnlabelled(labels) ? outcome : { ...outcome, labels } })
  return [
    {
      run: parent.run,
      onceKey: `child:${stream}:${pass.history.head.seq}`,
      kind: 'child',
      payload,
      at: pass.task.env.clock.now(),
    },
  ]
}
