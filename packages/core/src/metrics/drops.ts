/**
 * Drops: first tries that go wrong more than they ever do: the last 24 hours of a playbook against the four weeks before.
 *
 * D1. It is looked at when a run settles in which something was tried again, and at most four times an hour for each playbook.
 * D2. The bound is the mean share of first tries of those days, less three of its standard deviations; of fewer than ten steps, and
 *     against fewer than seven days on which there were any, nothing is said.
 */
import type { Environment } from '../conductor/environment.ts'
import { allOf } from '../conductor/shadow/would.ts'
import { fresh, rolledIn } from './report.ts'
import { total } from './rollup.ts'
import { dayOf, type Outcome } from './row.ts'
import type { Tried } from './tries.ts'

const DAY_MS = 86_400_000
const DAYS = 28
const DAYS_LEAST = 7
const STEPS_LEAST = 10
/** D1. */
const LOOK_MS = 15 * 60_000

interface Look {
  readonly at: number
  readonly dropped: boolean
}

/** What was found last, by playbook, and the days it was held against: they are over. */
interface Looked {
  readonly looks: Map<string, Look>
  readonly usual: Map<string, { readonly day: string; readonly shares: readonly number[] }>
}

const looked = new WeakMap<Environment['company'], Looked>()

/** Whether the first tries of the outcome's playbook, this one among them, have dropped. */
export async function hasDropped(env: Environment, workspace: string, outcome: Outcome): Promise<boolean> {
  if (outcome.firstTry === outcome.steps) return false
  const { looks, usual } = looked.get(env.company) ?? { looks: new Map<string, Look>(), usual: new Map() }
  looked.set(env.company, { looks, usual })
  const key = `${workspace} ${outcome.playbook}`
  const last = looks.get(key)
  if (last !== undefined && outcome.at - last.at >= 0 && outcome.at - last.at < LOOK_MS) return last.dropped
  const dropped = await isBelow(env, workspace, outcome, usual)
  looks.set(key, { at: outcome.at, dropped })
  return dropped
}

async function isBelow(
  env: Environment,
  workspace: string,
  outcome: Outcome,
  usual: Looked['usual'],
): Promise<boolean> {
  const { steps, firstTry } = await lately(env, workspace, outcome)
  if (steps < STEPS_LEAST) return false
  const key = `${workspace} ${outcome.playbook}`
  const day = dayOf(outcome.at)
  const before = usual.get(key)
  const shares = before?.day === day ? before.shares : await sharesBefore(env, workspace, outcome)
  usual.set(key, { day, shares })
  if (shares.length < DAYS_LEAST) return false
  const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length
  const spread = Math.sqrt(shares.reduce((sum, one) => sum + (one - mean) ** 2, 0) / shares.length)
  return firstTry / steps < mean - 3 * spread
}

/** The last 24 hours. */
async function lately(
  env: Environment,
  workspace: string,
  outcome: Outcome,
): Promise<Pick<Tried, 'steps' | 'firstTry'>> {
  const from = outcome.at - DAY_MS
  const sum = { steps: outcome.steps, firstTry: outcome.firstTry }
  for (const value of [dayOf(from), dayOf(outcome.at)]) {
    const where = { field: 'day', value }
    for (const one of await allOf<Outcome>(env.store, workspace, { kind: 'outcome', where, from })) {
      if (one.playbook !== outcome.playbook || one.shadow === true || one.run === outcome.run) continue
      sum.steps += one.steps
      sum.firstTry += one.firstTry
    }
  }
  return sum
}

/** Of each of the days that were over when those 24 hours began. */
async function sharesBefore(env: Environment, workspace: string, { playbook, at }: Outcome): Promise<number[]> {
  const days = Array.from({ length: DAYS }, (_, i) => dayOf(at - (i + 2) * DAY_MS))
  const rolled = await rolledIn(env, workspace, days.at(-1)!, days[0]!)
  const shares: number[] = []
  for (const day of days) {
    const sums = rolled.get(day) ?? (await fresh(env, workspace, day))
    const own = sums.filter((one) => one.playbook === playbook)
    if (own.length === 0) continue
    const { steps, firstTry } = total(own)
    if (steps > 0) shares.push(firstTry / steps)
  }
  return shares
}
