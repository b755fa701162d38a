/**
 * ByHand: a baseline that was measured: how long a person took for the same work, the last times that somebody did it by hand.
 *
 * M1. Measured times replace what a playbook declares, for all its runs, from the fifth on.
 */
import type { Environment } from '../conductor/environment.ts'
import type { BaselineMs } from '../playbook/baseline.ts'
import type { Day, Rollup } from './rollup.ts'
import type { Touch } from './row.ts'

const LEAST = 5
const LAST = 100

/** M1. */
export async function measured(env: Environment, workspace: string, days: readonly Day[]): Promise<Day[]> {
  const found = new Map<string, BaselineMs | undefined>()
  for (const playbook of new Set(days.map(({ rollup }) => rollup.playbook)))
    if (playbook !== '') found.set(playbook, await measuredFor(env, workspace, playbook))
  return days.map(({ day, rollup }) => ({ day, rollup: asMeasured(rollup, found.get(rollup.playbook)) }))
}

async function measuredFor(env: Environment, workspace: string, playbook: string): Promise<BaselineMs | undefined> {
  const where = { field: 'by hand', value: playbook }
  const rows = await env.store.records(workspace, { kind: 'touch', where, order: 'descending', limit: LAST })
  return rangeOf(rows.map((row) => (JSON.parse(row.data) as Touch).activeMs))
}

/** Of ten times, one is shorter and one is longer; undefined where there are too few to tell. */
export function rangeOf(times: readonly number[]): BaselineMs | undefined {
  if (times.length < LEAST) return undefined
  const sorted = [...times].sort((a, b) => a - b)
  return { lowMs: quantile(sorted, 0.1), highMs: quantile(sorted, 0.9) }
}

/** Between the two nearest, in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const below = Math.floor(at)
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!]
  return low + (high - low) * (at - below)
}

function asMeasured(sum: Rollup, range: BaselineMs | undefined): Rollup {
  if (range === undefined) return sum
  const { completed, simulated, lost } = sum
  const real = completed - simulated
  return {
    ...sum,
    based: real,
    measured: real,
    lowMs: real * range.lowMs,
    highMs: real * range.highMs,
    lostLowMs: lost * range.lowMs,
    lostHighMs: lost * range.highMs,
  }
}
