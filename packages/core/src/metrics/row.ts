/**
 * Row: what is counted of one run when it settles, and of one thing that a person did. Written in the unit of the thing itself.
 *
 * An attempt is one real execution. Replay, waking up and looking again are none.
 */
import type { Json } from '../base/value.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { History } from '../journal/fold.ts'
import type { Op } from '../journal/op.ts'
import type { Put } from '../journal/put.ts'

/** Kinds of what a person does. `setup` is none of the run's: it is what it cost to get there. */
export const TOUCHES = ['gate', 'question', 'audit', 'takeover', 'correction', 'revert', 'setup'] as const
export type TouchKind = (typeof TOUCHES)[number]

export interface Touch {
  readonly kind: TouchKind
  readonly at: number
  readonly by: string
  readonly activeMs: number
  readonly run?: string
  readonly playbook?: string
  readonly action?: string
  /** Of a gate: 'approve', 'edit', 'reject', 'respond'. */
  readonly verdict?: string
  /** Looked at for less than it takes to read. */
  readonly rubber?: boolean
  /** Of a correction: the same field of the same kind of record was corrected within 90 days before. */
  readonly repeat?: boolean
  /** Of a correction: `type/id`. */
  readonly about?: string
  /** Of a revert: why. What nobody holds against the run is a loss of what it had saved, and no intervention. */
  readonly cause?: 'wrong' | 'changed-mind'
  /** Of a revert: a person had approved what was taken back. */
  readonly caught?: boolean
  /** Of a revert: the baseline of what was taken back. */
  readonly baselineMs?: number
  /** Of a run in shadow: investment, not use. */
  readonly shadow?: boolean
}

export interface StepCount {
  readonly steps: number
  readonly attempts: number
  readonly exhausted: number
}

export interface Outcome {
  readonly run: string
  readonly playbook: string
  readonly version: number
  readonly status: 'completed' | 'failed' | 'declined' | 'cancelled'
  readonly at: number
  readonly tookMs: number
  /** It is an effect's own run: counted with the run that asked. */
  readonly of?: string
  readonly shadow?: boolean
  readonly baselineMs?: number
  readonly steps: number
  readonly attempts: number
  readonly firstTry: number
  readonly exhausted: number
  /** Failed tries, by cause. */
  readonly causes: { readonly [cause: string]: number }
  /** Steps that did not go well at the first try. */
  readonly troubled: { readonly [step: string]: StepCount }
  /** How often an effect was asked for, and how often a person changed it. */
  readonly effects: number
  readonly edited: number
  readonly touches: number
  readonly activeMs: number
  readonly tokens: { readonly input: number; readonly output: number }
  readonly cost: { readonly [currency: string]: number }
  /** Records that it read: `type/id`, each once. */
  readonly reads: readonly string[]
}

/** A gate that a person let pass, as it stood or edited. */
export function isYes({ kind, verdict }: Touch): boolean {
  return kind === 'gate' && (verdict === 'approve' || verdict === 'edit')
}

const READS_MAX = 50
const TROUBLED_MAX = 20

export type Counts = Pick<
  Outcome,
  | 'steps'
  | 'attempts'
  | 'firstTry'
  | 'exhausted'
  | 'causes'
  | 'troubled'
  | 'effects'
  | 'edited'
  | 'tokens'
  | 'cost'
  | 'reads'
>

/** What a history holds that is counted. */
export function countsOf(history: History): Counts {
  const causes: Record<string, number> = {}
  const troubled: Record<string, StepCount> = {}
  const reads = new Set<string>()
  const sums = { steps: 0, attempts: 0, firstTry: 0, exhausted: 0, effects: 0, edited: 0, input: 0, output: 0 }
  const cost: Record<string, number> = {}
  for (const op of history.ops.values()) {
    for (const cause of op.causes ?? []) add(causes, causeOf(cause, 'transient'))
    if (op.kind === 'read') for (const ref of refsOf(op)) if (reads.size < READS_MAX) reads.add(ref)
    if (!isTried(op)) continue
    const { outcome } = op.outcome!
    const failed = outcome.error !== undefined && !isPlain(outcome.error.code)
    sums.steps++
    sums.attempts += op.attempts + 1
    if (!failed && op.attempts === 0) sums.firstTry++
    if (failed) {
      sums.exhausted++
      add(causes, causeOf(outcome.error.code, 'permanent'))
    }
    if ((failed || op.attempts > 0) && Object.keys(troubled).length < TROUBLED_MAX) {
      const name = op.key.replaceAll(/#\d+/g, '')
      const before = troubled[name] ?? { steps: 0, attempts: 0, exhausted: 0 }
      troubled[name] = {
        steps: before.steps + 1,
        attempts: before.attempts + op.attempts + 1,
        exhausted: before.exhausted + (failed ? 1 : 0),
      }
    }
    countEffect(op, sums)
    countUsage(op, sums, cost)
  }
  const { input, output, ...rest } = sums
  return { ...rest, causes, troubled, cost, tokens: { input, output }, reads: [...reads] }
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

function add(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1
}

/** Steps, effects and questions to models are tried; the rest waits or reads. */
function isTried(op: Op): boolean {
  return (op.kind === 'step' || op.kind === 'effect' || op.kind === 'agent') && op.outcome !== undefined
}

/** A no is an answer, not a failure. */
function isPlain(code: string): boolean {
  return code === 'ACTION_DECLINED' || code === 'ACTION_DENIED'
}

function countEffect(op: Op, sums: { effects: number; edited: number }): void {
  const { receipt } = op.outcome!.outcome as { receipt?: { effect?: string; edited?: boolean } }
  if (op.kind !== 'effect' || receipt === undefined || receipt.effect === '') return
  sums.effects++
  if (receipt.edited === true) sums.edited++
}

function countUsage(op: Op, sums: { input: number; output: number }, cost: Record<string, number>): void {
  const { usage } = op.outcome!.outcome as {
    usage?: { inputTokens?: number; outputTokens?: number; cost?: { amount?: number; currency?: string } }
  }
  if (usage === undefined) return
  sums.input += usage.inputTokens ?? 0
  sums.output += usage.outputTokens ?? 0
  const { amount, currency } = usage.cost ?? {}
  if (amount !== undefined && currency !== undefined) cost[currency] = (cost[currency] ?? 0) + amount
}

function refsOf(op: Op): string[] {
  const { reads } = (op.outcome?.outcome ?? {}) as { reads?: readonly Json[] }
  return (reads ?? []).flatMap((one) => {
    const { entity, id } = one as { entity?: string; id?: string }
    return entity === undefined ? [] : [`${entity}/${id}`]
  })
}

/** Items that the run's own operations opened. */
export function itemsOf(history: History): string[] {
  return [...history.ops.values()].flatMap((op) =>
    op.kind === 'ask' && op.opened !== undefined ? [dataOf(op.opened as Entry & { kind: 'ask.opened' }).item] : [],
  )
}

/** True where a person may have been asked on the run's behalf. */
export function mayBeTouched(history: History): boolean {
  for (const op of history.ops.values())
    if (op.kind === 'ask' || (op.kind === 'effect' && op.opened !== undefined)) return true
  return history.takeovers > 0
}

/** The day of an instant, in UTC. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

export function outcomePut(outcome: Outcome, id: string, version: number): Put {
  return {
    kind: 'outcome',
    id,
    version,
    data: outcome as unknown as Json,
    index: { day: dayOf(outcome.at) },
    sort: outcome.at,
  }
}

export function touchPut(touch: Touch, id: string): Put {
  const of = touch.run === undefined ? {} : { run: touch.run }
  return {
    kind: 'touch',
    id,
    version: 1,
    data: touch as unknown as Json,
    index: { day: dayOf(touch.at), ...of },
    sort: touch.at,
  }
}
