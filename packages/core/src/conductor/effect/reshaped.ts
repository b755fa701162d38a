/**
 * Reshaped: an effect whose action is defined otherwise than when somebody spoke for it: it is asked for anew, as changed.
 *
 * Q1. It is looked at in the unit that would record a sending, so nothing leaves under a definition that nobody agreed to.
 * Q2. What was sent under one definition is not sent again under another: it may have happened, and is looked up.
 * Q3. An input that no longer fits cannot be approved as it stands; a person edits it, or says no.
 */
import { SYSTEM } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored, stored } from '../../base/json.ts'
import { toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { reshapedIn, shapeOf, type Shape } from '../../connector/shape.ts'
import { dataOf, type Entry } from '../../journal/entry.ts'
import type { Judgement } from '../../policy/verdict.ts'
import { itemPut, readItem } from '../item.ts'
import { heldSince } from '../policy-change.ts'
import type { Pass } from '../pass.ts'
import type { Bytes, Reshaped, Sent } from './bytes.ts'
import { isUnsure } from './hand-over.ts'
import { mayResend } from './send.ts'
import type { EffectSpec } from './spec.ts'

/** How the action is now, where nobody agreed to that; undefined where it is as it was, or nobody was to agree and it fits. */
function reshaped(
  action: AnyAction,
  { shape: before, input, covered }: Pick<Bytes, 'shape' | 'input' | 'covered'>,
  mode: EffectSpec['mode'],
): Reshaped | undefined {
  const shape = shapeOf(action)
  if (before === undefined || before.mark === shape.mark) return undefined
  if (mode === 'undo') return { shape, input, fits: true } // what was done is taken back, whatever its input was
  const text = fitting(action, input)
  if (covered.size === 0 && text === canonical(input)) return undefined
  return { shape, input: text === undefined ? input : parseStored(text), fits: text !== undefined }
}

function fitting(action: AnyAction, input: Json): string | undefined {
  try {
    return toStored(action.input, input, 'INPUT_INVALID', `the input of ${action.name}`)
  } catch (thrown) {
    if (KeelsonError.is(thrown)) return undefined
    throw thrown
  }
}

/** What is put to a person instead: nothing that was answered for counts, but that it was held. */
export function asReshaped(bytes: Bytes, { shape, input, fits }: Reshaped): Bytes {
  return {
    ...bytes,
    input,
    edited: bytes.edited || canonical(input) !== canonical(bytes.input),
    covered: new Set([...bytes.covered].filter((one) => one.startsWith('hold:'))),
    decider: undefined,
    shape,
    reshaped: { rows: reshapedIn(bytes.shape ?? shape, shape), fits },
  }
}

/** The shape that the question under `key` was opened with. */
export function shapeKeptBy(pass: Pass, key: string): Shape | undefined {
  const opened = pass.history.ops.get(key)?.opened
  return opened === undefined ? undefined : dataOf(opened as Entry & { kind: 'ask.opened' }).shape
}

/** Withdraws an open item of an action that is defined otherwise than when it opened: what it shows is not what would execute. */
export async function askedAnew(
  pass: Pass,
  key: string,
  item: string,
  { spec, action, bytes }: { spec: EffectSpec; action: AnyAction; bytes: Bytes },
): Promise<void> {
  const covered = new Set([...bytes.covered, `item:${item}`])
  const other = reshaped(action, { input: bytes.input, covered, shape: shapeKeptBy(pass, key) }, spec.mode)
  if (other === undefined) return
  await pass.writer.submit(async () => {
    const found = await readItem(pass.task.env.store, pass.task.claimed.row.workspace, item)
    if (found?.item.state !== 'open' || pass.history.ops.get(key)?.outcome !== undefined) return undefined
    const since = heldSince(found.item, bytes.verdict.holdMs)
    const ok = stored({ decision: { reshaped: other }, by: SYSTEM, ...since })
    const puts = [itemPut({ ...found.item, state: 'withdrawn' }, found.version + 1)]
    return { drafts: [{ kind: 'ask.completed', key, data: { ok, by: SYSTEM, puts } }] }
  })
}

/** Asks anew, whatever the rules say. */
export const DEFINITION: Judgement['asks'][number] = {
  rule: 'definition',
  reason: 'its action is defined otherwise since',
  onSilence: 'remind',
  grantable: false,
}

/** When this effect was first sent, by its owner or here; undefined before that. */
export function firstSentAt(pass: Pass, spec: EffectSpec): number | undefined {
  const here = [...pass.history.ops.values()].flatMap((op) => (op.sentAt === undefined ? [] : [op.sentAt]))
  const all = [spec.firstSentAt, spec.sentAt, ...here].filter((at) => at !== undefined)
  return all.length === 0 ? undefined : Math.min(...all)
}

/** When it was last sent; undefined before that. */
export function lastSentAt(pass: Pass, spec: EffectSpec): number | undefined {
  return [...pass.history.ops.values()].findLast((op) => op.sending !== undefined)?.sending?.at ?? spec.sentAt
}

/** Mark of the definition under which it was last sent; undefined where nothing was, or that was not kept. */
function sentAs(pass: Pass, spec: EffectSpec): string | undefined {
  const last = [...pass.history.ops.values()].findLast((op) => op.sending !== undefined)?.sending
  if (last !== undefined) return dataOf(last as Entry & { kind: 'effect.sending' }).shape
  return spec.sentAt === undefined ? undefined : spec.shape?.mark
}

/** Is its action defined as it was when it was last sent, as far as that was kept? */
export function isSentAs(pass: Pass, spec: EffectSpec, action: AnyAction): boolean {
  const as = sentAs(pass, spec)
  return as === undefined || as === shapeOf(action).mark
}

/** Why it is not to be sent now: nobody agreed to the action as it is defined, or it may have happened and a try is not harmless. */
export function otherwise(
  pass: Pass,
  spec: EffectSpec,
  action: AnyAction,
  bytes: Bytes,
  key: string,
): Sent | undefined {
  const { ops } = pass.history
  const [op, now] = [ops.get(key), pass.task.env.clock.now()]
  const handed = spec.mode === 'judge' && spec.sentAt !== undefined && ![...ops.values()].some((one) => one.sending)
  const unsure = bytes.covered.has('*') || (op !== undefined && isUnsure(op)) || (handed && spec.unsure === true)
  const harmless = !unsure || mayResend(action, firstSentAt(pass, spec) ?? now, now)
  const begun = op?.sending !== undefined || bytes.covered.has('*') || handed
  if (!begun) {
    const other = reshaped(action, bytes, spec.mode)
    return other === undefined ? undefined : { state: 'reshaped', ...other }
  }
  if (harmless && isSentAs(pass, spec, action)) return undefined
  const why = harmless ? 'is defined otherwise since it was sent' : 'may have happened, and a second time would count'
  const error = { code: 'ACTION_FAILED', message: `${action.name} ${why}` }
  return { state: 'unknown', error, sentAt: op?.sending?.at ?? spec.sentAt ?? now }
}
