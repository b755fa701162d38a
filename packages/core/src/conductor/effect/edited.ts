/** Edited: an effect as a person wants it instead: other bytes of the same intent, and somebody else who answers for them. */
import { actorText, type Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { NO_LABELS } from '../../base/labels.ts'
import { toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import { keepsIntent } from '../ops/act.ts'
import type { Bytes } from './bytes.ts'
import { EFFECT_PLAYBOOK } from './hand-over.ts'
import { judge } from './judge.ts'
import { actionOf, behalfIn, type EffectSpec } from './spec.ts'

/** Whoever edits decides: what had answered in a person's place, for other bytes, is the decider no more. */
export function editedBy(by: Actor, spec: EffectSpec, action: AnyAction, before: Bytes, input: Json): Bytes {
  const bytes = { ...before, input: edited(action, before, input), edited: true }
  if (before.decider?.grant === undefined && before.decider?.trust === undefined) return bytes
  const reason = `edited by ${actorText(by)}: ${spec.judged?.reason ?? spec.verdict.reason}`
  return { ...bytes, decider: undefined, verdict: { ...before.verdict, reason } }
}

/** Why policy denies what an item would execute with another input, under the rules of this process; undefined where it does not. */
export async function whyDenied(
  env: Environment,
  workspace: string,
  { run, shadow }: Pick<ItemRecord, 'run' | 'shadow'>,
  input: string,
): Promise<string | undefined> {
  if (shadow === true) return undefined // nothing leaves, and what rules look up is in its overlay
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  if (row?.playbook !== EFFECT_PLAYBOOK) return undefined
  const [started] = await env.store.entries(workspace, row.stream, 0, 1)
  if (started === undefined || started.payload === null) return undefined // erased: it cannot execute either
  const spec = dataOf(started as Entry & { kind: 'run.started' }).input as unknown as EffectSpec
  const about = { behalf: behalfIn(spec), labels: spec.labels ?? NO_LABELS, effect: spec.effect }
  const undo = spec.mode === 'undo'
  const { denies, reason } = await judge(env, { workspace, action: actionOf(env, spec), input, ...about, undo })
  return denies.length === 0 ? undefined : reason
}

/** The inbox has checked it against the schema; what is executed is what the schema makes of it. */
function edited(action: AnyAction, before: Bytes, input: Json): Json {
  const text = toStored(action.input, input, 'INPUT_INVALID', `the edited input of ${action.name}`)
  if (keepsIntent(action, canonical(before.input), text)) return parseStored(text)
  throw new KeelsonError('INPUT_INVALID', `the edited input of ${action.name} is that of another effect`, {
    hint: 'An edit keeps what intent() says of it. Decline it, and ask for the other.',
  })
}
