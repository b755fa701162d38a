/** Edited: an effect as a person wants it instead: other bytes of the same intent, and somebody else who answers for them. */
import { actorText, type Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { keepsIntent } from '../ops/act.ts'
import type { Bytes } from './bytes.ts'
import type { EffectSpec } from './spec.ts'

/** Whoever edits decides: what had answered in a person's place, for other bytes, is the decider no more. */
export function editedBy(by: Actor, spec: EffectSpec, action: AnyAction, before: Bytes, input: Json): Bytes {
  const bytes = { ...before, input: edited(action, before, input), edited: true }
  if (before.decider?.grant === undefined && before.decider?.trust === undefined) return bytes
  const reason = `edited by ${actorText(by)}: ${spec.judged?.reason ?? spec.verdict.reason}`
  return { ...bytes, decider: undefined, verdict: { ...before.verdict, reason } }
}

/** The inbox has checked it against the schema; what is executed is what the schema makes of it. */
function edited(action: AnyAction, before: Bytes, input: Json): Json {
  const text = toStored(action.input, input, 'INPUT_INVALID', `the edited input of ${action.name}`)
  if (keepsIntent(action, canonical(before.input), text)) return parseStored(text)
  throw new KeelsonError('INPUT_INVALID', `the edited input of ${action.name} is that of another effect`, {
    hint: 'An edit keeps what intent() says of it. Decline it, and ask for the other.',
  })
}
