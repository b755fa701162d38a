/** Reuse: an earlier success of the same intent answers whoever asks again. */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { parseStored } from '../../base/json.ts'
import type { AnyAction } from '../../connector/action.ts'
import type { Draft } from '../../journal/entry.ts'
import { labelsOfOutput } from '../ops/rests.ts'
import type { EffectRecord } from './ledger.ts'
import { receiptOf, type EffectEnd } from './settling.ts'

/** Throws nothing: where its answer was erased, who asks gets that as an error, and it is not done again. */
export function reuse(
  acting: { key: string; hash: string; input: string; action: AnyAction },
  record: EffectRecord,
): Draft {
  const { edited, verdict, setBy, erased = [] } = record
  if (erased.includes('output'))
    return { kind: 'effect.completed', key: acting.key, data: { hash: acting.hash, error: storeError(gone(record)) } }
  // Of the very same it is known what stood there.
  const isSame = !edited && record.inputHash === sha256(acting.input)
  const input = erased.includes('input') && isSame ? parseStored(acting.input) : record.input
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

function gone({ id, action }: EffectRecord): KeelsonError {
  return new KeelsonError('ERASED', `${action} was done, and what it answered was erased since`, {
    hint: 'It is not done again for that. Give it another key, or another intent, if it is to be done anew.',
    data: { action, effect: id },
  })
}
