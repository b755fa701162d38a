/** Reuse: an earlier success of the same intent answers whoever asks again. */
import { sha256 } from '../../base/hash.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Draft } from '../../journal/entry.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import type { EffectRecord } from './ledger.ts'
import { receiptOf, type EffectEnd } from './settling.ts'

export function reuse(
  acting: { key: string; hash: string; input: string; action: AnyAction },
  record: EffectRecord,
): Draft {
  const { input, edited, verdict, setBy } = record
  const end: EffectEnd = { state: 'done', input, edited, verdict, ...(setBy === undefined ? {} : { setBy }) }
  const receipt = {
    ...receiptOf(record.id, end, record.inputHash, sha256(acting.input)),
    deduplicated: true,
    differs: record.inputHash !== sha256(acting.input),
  }
  const ok = record.output === undefined ? {} : { ok: record.output }
  const labels = labelsOfOutput(acting.action, record.labels)
  return { kind: 'effect.completed', key: acting.key, data: { hash: acting.hash, ...ok, labels, receipt } }
}
