/** Row: what is counted of one run when it settles, and of one thing that a person did. Written in the unit of the thing itself. */
import type { Json } from '../base/value.ts'
import type { Terms } from '../base/taxonomy.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { History } from '../journal/fold.ts'
import type { Op } from '../journal/op.ts'
import type { Put } from '../journal/put.ts'
import type { BaselineMs } from '../playbook/baseline.ts'
import { triesOf, type OfEffect, type Tries } from './tries.ts'

/**
 * Kinds of what a person does. `setup` is none of the run's: it is what it cost to get there; nor is `by-hand`: it is how long the
 * same work takes without it.
 */
export const TOUCHES = ['gate', 'question', 'audit', 'takeover', 'correction', 'revert', 'setup', 'by-hand'] as const
export type TouchKind = (typeof TOUCHES)[number]

/** What a person did and nobody timed is taken to have cost this much: nothing would flatter. */
export const UNTIMED_MS = 15_000

export interface Touch {
  readonly kind: TouchKind
  readonly at: number
  readonly by: string
  readonly activeMs: number
  readonly run?: string
  readonly playbook?: string
  /** Of its run. */
  readonly terms?: Terms
  readonly action?: string
  /** Of a gate: 'approve', 'edit', 'reject', 'respond'. */
  readonly verdict?: string
  /** What was decided. */
  readonly item?: string
  /** Of a gate before one effect: the run of that effect. */
  readonly effectRun?: string
  /** Of a gate before a plan: its lines; one that was left out was rejected. */
  readonly lines?: readonly { readonly action: string; readonly verdict: 'approve' | 'edit' | 'reject' }[]
  /** Looked at for less than it takes to read. */
  readonly rubber?: boolean
  /** Of a correction: the same field of the same kind of record was corrected within 90 days before. */
  readonly repeat?: boolean
  /** Of a correction: `type/id`. */
  readonly about?: string
  /** Of a revert: why. What nobody holds against the run is a loss of what it had saved, and no intervention. */
  readonly cause?: 'wrong' | 'changed-mind'
  /** Of a revert: effects that it took back and that a person had let pass, each named once. */
  readonly caught?: readonly string[]
  /** Of a revert: a completed run is lost by it, for the first time. */
  readonly lost?: boolean
  /** Of such a one: what it would have saved. */
  readonly baseline?: BaselineMs
  /** Of a run in shadow: investment, not use. */
  readonly shadow?: boolean
}

export interface Outcome extends Tries {
  readonly run: string
  readonly playbook: string
  /** By which it is sorted. */
  readonly terms?: Terms
  readonly version: number
  readonly status: 'completed' | 'failed' | 'declined' | 'cancelled'
  readonly at: number
  readonly tookMs: number
  /** It is an effect's own run: counted with the run that asked. */
  readonly of?: string
  readonly shadow?: boolean
  /** Some of what it did was done nowhere: whatever its end, it has saved nobody any time. */
  readonly simulated?: boolean
  readonly baseline?: BaselineMs
  /** How often an effect was asked for, and how often a person changed it. */
  readonly effects: number
  readonly edited: number
  /** What people did about it, takeovers among it. */
  readonly touches: number
  /** Pauses, cancels, restarts and the like, by a person. */
  readonly takeovers: number
  readonly activeMs: number
  readonly tokens: { readonly input: number; readonly output: number }
  readonly cost: { readonly [currency: string]: number }
  /** Records that it read: `type/id`, and `memory/id`, each once. */
  readonly reads: readonly string[]
  /** Agents that it asked: `name@version`. */
  readonly agents: readonly string[]
}

/** A gate that a person let pass, as it stood or edited. */
export function isYes({ kind, verdict }: Touch): boolean {
  return kind === 'gate' && (verdict === 'approve' || verdict === 'edit')
}

const READS_MAX = 50

export type Counts = Tries & Pick<Outcome, 'effects' | 'edited' | 'tokens' | 'cost' | 'reads' | 'agents'>

/** What a history holds that is counted; of an effect's own run, with the effect. */
export function countsOf(history: History, effect?: OfEffect): Counts {
  const [reads, agents] = [new Set<string>(), new Set<string>()]
  const sums = { effects: 0, edited: 0, input: 0, output: 0 }
  const cost: Record<string, number> = {}
  for (const op of history.ops.values()) {
    if (op.outcome === undefined) continue
    for (const ref of refsOf(op)) if (reads.size < READS_MAX) reads.add(ref)
    const { agent } = op.outcome.outcome as { agent?: { name: string; version: number } }
    if (agent !== undefined) agents.add(`${agent.name}@${agent.version}`)
    countEffect(op, sums)
    countUsage(op, sums, cost)
  }
  const { input, output, ...rest } = sums
  const tokens = { input, output }
  return { ...triesOf(history, effect), ...rest, cost, tokens, reads: [...reads], agents: [...agents] }
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
  if (op.kind !== 'read' && op.kind !== 'memory') return []
  const { reads } = op.outcome!.outcome as { reads?: readonly Json[] }
  return (reads ?? []).flatMap((one) => {
    const { entity, id, memory } = one as { entity?: string; id?: string; memory?: string }
    if (memory !== undefined) return [`memory/${memory}`]
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
  const of = {
    ...(touch.run === undefined ? {} : { run: touch.run }),
    ...(touch.kind === 'by-hand' ? { 'by hand': touch.playbook ?? '' } : {}),
  }
  return {
    kind: 'touch',
    id,
    version: 1,
    data: touch as unknown as Json,
    index: { day: dayOf(touch.at), ...of },
    sort: touch.at,
  }
}
