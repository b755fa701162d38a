/** BudgetLines: which budgets a charge counts against, each under the id of its period. */
import type { Money } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { counts, spendingOf, type Amount, type Budget, type Per, type Spending } from '../policy/budget.ts'
import type { Settings } from '../policy/settings.ts'
import { asDefined } from './behalf.ts'
import type { Charge, Spend } from './charge.ts'
import type { Environment } from './environment.ts'

/** One budget of one period. */
export interface Line {
  readonly id: string
  /** For people. */
  readonly what: string
  readonly limit: Spending
  readonly unpriced: Money | undefined
  /** When its period ends. */
  readonly until: number | undefined
}

type Day = { readonly name: string; readonly ends: number }

export function linesOf(env: Environment, charge: Charge, settings: Settings, day: Day): Line[] {
  const { line: runs } = charge.behalf
  const personas = asDefined(env, charge.behalf.personas)
  const of: Record<Exclude<Per, 'day'>, readonly string[]> = {
    run: runs.map((one) => one.run),
    playbook: [...new Set(runs.map((one) => one.playbook.slice(0, one.playbook.lastIndexOf('@'))))],
    persona: personas.map((one) => one.name),
  }
  const own = env.budgets
    .filter((budget) => counts(budget, charge.name))
    .flatMap((budget) => {
      const rest = { limit: limitOf(budget, settings), unpriced: budget.unpriced }
      return periods(budget.per, of, day).map((period) => lineOf(budget.name, period, rest))
    })
  const bound = personas.flatMap(({ name, limits }) =>
    limits === undefined
      ? []
      : [lineOf('persona', periodOf({ persona: name }, day), { limit: limits, unpriced: undefined })],
  )
  const playbooks = runs.flatMap(({ run, playbook }) => {
    const limit = env.budgetOf(playbook)
    return limit === undefined ? [] : [lineOf('playbook', periodOf({ run }), { limit, unpriced: undefined })]
  })
  return takes(charge.spend) ? [...own, ...bound, ...playbooks] : []
}

/** What the budget says for these settings. Throws `DEFINITION_INVALID`: what cannot be told is no room. */
function limitOf({ name, limit }: Budget, settings: Settings): Spending {
  const what = `budget "${name}"`
  try {
    return spendingOf(limit(settings), what)
  } catch (cause) {
    if (KeelsonError.is(cause)) throw cause
    throw new KeelsonError('DEFINITION_INVALID', `${what} could not say its limit: ${String(cause)}`, { cause })
  }
}

/** What a charge takes of a line; undefined where its money cannot be counted there. */
export function amountOf({ limit, unpriced }: Line, spend: Spend): Amount | undefined {
  const { tokens = 0, calls = 0 } = spend
  if (limit.money === undefined || (spend.money === undefined && spend.unpriced !== true))
    return { money: 0, tokens, calls }
  const { currency } = limit.money
  const own = spend.money?.find((one) => one.currency === currency)?.amount ?? 0
  const others = spend.unpriced === true || spend.money!.some((one) => one.currency !== currency)
  if (!others) return { money: own, tokens, calls }
  return unpriced?.currency === currency ? { money: own + unpriced.amount, tokens, calls } : undefined
}

function takes({ money, tokens, calls, unpriced }: Spend): boolean {
  return money !== undefined || tokens !== undefined || calls !== undefined || unpriced === true
}

type Period = { readonly parts: Readonly<Record<string, string>>; readonly until: number | undefined }

/** Every combination of what a budget is counted per. */
function periods(per: readonly Per[], of: Record<Exclude<Per, 'day'>, readonly string[]>, day: Day): Period[] {
  let all: Record<string, string>[] = [{}]
  for (const one of per) {
    if (one === 'day') continue
    all = all.flatMap((parts) => of[one].map((value) => ({ ...parts, [one]: value })))
  }
  return all.map((parts) => periodOf(parts, per.includes('day') ? day : undefined))
}

function periodOf(parts: Record<string, string>, day?: Day): Period {
  return { parts: day === undefined ? parts : { ...parts, day: day.name }, until: day?.ends }
}

function lineOf(name: string, { parts, until }: Period, rest: Pick<Line, 'limit' | 'unpriced'>): Line {
  const text = Object.entries(parts).map(([part, value]) => `${part} ${value}`)
  return { id: JSON.stringify([name, parts]), what: [`"${name}"`, ...text].join(', '), until, ...rest }
}
