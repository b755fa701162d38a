/**
 * Tries: what a history tells of what was really executed, and how well that went.
 *
 * E1. An attempt is one execution. Replay, waking up, looking again, an answer that was there already, a no: none is one.
 * E2. An effect is one step, wherever it was sent: what its caller hands over is counted by the effect's own run.
 */
import type { Json } from '../base/value.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { History } from '../journal/fold.ts'
import type { Op } from '../journal/op.ts'
import { connectorOf } from '../connector/action.ts'

export interface StepCount {
  readonly steps: number
  readonly attempts: number
  readonly exhausted: number
}

export interface Tried extends StepCount {
  /** Steps that went well at the first attempt. */
  readonly firstTry: number
}

export interface Tries extends Tried {
  /** Failed tries, by cause. */
  readonly causes: { readonly [cause: string]: number }
  /** Steps that did not go well at the first try, by what that one failed with. */
  readonly missed: { readonly [cause: string]: number }
  /** Steps that did not go well at the first try, by name. */
  readonly troubled: { readonly [step: string]: StepCount }
  /** Those of actions, by connector. */
  readonly connectors: { readonly [connector: string]: Tried }
  /** Connectors that were refused for their credentials. */
  readonly refused?: readonly string[]
}

export const NO_TRIES: Tried = { steps: 0, attempts: 0, firstTry: 0, exhausted: 0 }

/** One step, or what its caller tried of an effect before it was handed over. */
interface One {
  readonly name: string
  readonly connector?: string
  readonly steps: 0 | 1
  readonly attempts: number
  readonly firstTry: boolean
  readonly failed: boolean
  readonly causes: readonly string[]
}

/** An effect whose own run this is. */
export interface OfEffect {
  readonly action: string
  /** It was sent before its run began. */
  readonly sentAt?: number
}

const TROUBLED_MAX = 20

export function triesOf(history: History, effect?: OfEffect): Tries {
  const ops = [...history.ops.values()]
  const all = effect === undefined ? ops.flatMap(triedIn) : triedBy(ops, effect)
  const sums = { steps: 0, attempts: 0, firstTry: 0, exhausted: 0 }
  const causes: Record<string, number> = {}
  const missed: Record<string, number> = {}
  const troubled: Record<string, StepCount> = {}
  const connectors: Record<string, Tried> = {}
  const refused = new Set<string>()
  for (const one of all) {
    const { name, connector, steps, attempts, firstTry, failed } = one
    const count = { steps, attempts, firstTry: firstTry ? 1 : 0, exhausted: failed ? 1 : 0 }
    for (const key of ['steps', 'attempts', 'firstTry', 'exhausted'] as const) sums[key] += count[key]
    for (const cause of one.causes) causes[cause] = (causes[cause] ?? 0) + 1
    if (connector !== undefined) connectors[connector] = plusTried(connectors[connector] ?? NO_TRIES, count)
    if (connector !== undefined && one.causes.includes('auth')) refused.add(connector)
    if (steps === 0 || firstTry) continue
    const first = one.causes[0] ?? 'transient'
    missed[first] = (missed[first] ?? 0) + 1
    const before = troubled[name] ?? { steps: 0, attempts: 0, exhausted: 0 }
    if (before.steps === 0 && Object.keys(troubled).length >= TROUBLED_MAX) continue
    troubled[name] = {
      steps: before.steps + 1,
      attempts: before.attempts + attempts,
      exhausted: before.exhausted + count.exhausted,
    }
  }
  const by = refused.size === 0 ? {} : { refused: [...refused].sort() }
  return { ...sums, causes, missed, troubled, connectors, ...by }
}

export function plusTried(a: Tried, b: Tried): Tried {
  return {
    steps: a.steps + b.steps,
    attempts: a.attempts + b.attempts,
    firstTry: a.firstTry + b.firstTry,
    exhausted: a.exhausted + b.exhausted,
  }
}

/** E1. Steps, effects and questions to models are tried; the rest waits or reads. */
function triedIn(op: Op): One[] {
  if (op.kind === 'effect') return effectIn(op)
  if ((op.kind !== 'step' && op.kind !== 'agent') || op.outcome === undefined) return []
  return [ended(op, nameOf(op.key), op.attempts + 1, op.outcome.outcome.error?.code)]
}

function effectIn(op: Op): One[] {
  const action = actionIn(op)
  const of = { connector: connectorOf(action) }
  const causes = causesOf(op)
  // E2.
  if (op.opened !== undefined)
    return op.sends === 0
      ? []
      : [{ name: action, ...of, steps: 0, attempts: op.sends, firstTry: false, failed: false, causes }]
  if (op.outcome === undefined) return []
  const { error } = op.outcome.outcome
  if (op.sends > 0) return [{ ...ended(op, nameOf(op.key), op.sends, error?.code), ...of }]
  const { receipt } = op.outcome.outcome as { receipt?: { effect?: string; cached?: boolean; setBy?: Json } }
  const isTried = receipt?.effect === '' && receipt.cached !== true && receipt.setBy === undefined
  const read = error === undefined ? isTried : !isPlain(error.code)
  return read ? [{ ...ended(op, nameOf(op.key), op.attempts + 1, error?.code), ...of }] : []
}

/** E2. However often, and for whatever reason, its run sent it. */
function triedBy(ops: readonly Op[], { action, sentAt }: OfEffect): One[] {
  const sent = ops.filter((op) => op.sends > 0)
  if (sent.length === 0 && sentAt === undefined) return []
  const attempts = sent.reduce((sum, op) => sum + op.sends, 0)
  const ends = sent.map((op) => (op.outcome?.outcome.ok ?? {}) as { state?: string; error?: { code: string } })
  const failed = ends.at(-1)?.state === 'failed'
  const causes = sent.flatMap((op, i) => [...causesOf(op), ...causeOfEnd(ends[i]!)])
  const firstTry = !failed && attempts === 1 && causes.length === 0 && sentAt === undefined
  return [{ name: action, connector: connectorOf(action), steps: 1, attempts, firstTry, failed, causes }]
}

function causeOfEnd({ state, error }: { state?: string; error?: { code: string } }): string[] {
  if (state === 'reauth') return ['auth']
  if (state === 'failed') return [causeOf(error?.code ?? '', 'permanent')]
  return state === 'unknown' || state === 'undecided' ? ['transient'] : []
}

function ended(op: Op, name: string, attempts: number, error: string | undefined): One {
  const failed = error !== undefined && !isPlain(error)
  const causes = [...causesOf(op), ...(failed ? [causeOf(error, 'permanent')] : [])]
  return { name, steps: 1, attempts, firstTry: !failed && attempts === 1, failed, causes }
}

function causesOf({ causes = [] }: Op): string[] {
  return causes.map((one) => causeOf(one, 'transient'))
}

/** As the playbook wrote it: without ordinals, and the same in all branches. */
function nameOf(key: string): string {
  if (!key.includes('#') && !key.includes('[')) return key
  return key.replaceAll(/#\d+|\[[^\]]*\]/g, '')
}

function actionIn(op: Op): string {
  const entry = op.opened ?? op.sending
  if (entry !== undefined && entry.payload !== null)
    return dataOf(entry as Entry & { kind: 'effect.sending' | 'effect.opened' }).action
  const { judged } = (op.outcome?.outcome ?? {}) as { judged?: { action?: string } }
  return judged?.action ?? /[\w-]+\.[\w-]+$/.exec(nameOf(op.key))?.[0] ?? op.key
}

/** A no is an answer, not a failure. */
function isPlain(code: string): boolean {
  return code === 'ACTION_DECLINED' || code === 'ACTION_DENIED'
}

/** The class of a failure, as people mean it. */
export function causeOf(code: string, otherwise: 'transient' | 'permanent'): string {
  switch (code) {
    case 'OUTPUT_INVALID':
      return 'invalid-output'
    case 'CREDENTIALS_MISSING':
    case 'reauth':
      return 'auth'
    case 'rate-limited':
      return 'rate-limit'
    case 'STEP_TIMEOUT':
      return 'timeout'
    case 'retry':
    case 'unknown':
      return 'transient'
    default:
      return otherwise
  }
}
