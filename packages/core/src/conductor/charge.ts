/** Charge: what is about to be done, as far as budgets, rates and hours go. */
import type { Money } from '../base/actor.ts'
import { storeError } from '../base/errors.ts'
import { totals } from '../base/money.ts'
import type { Rate } from '../base/rate.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from '../connector/action.ts'
import { costsOf } from '../connector/cost.ts'
import type { Ledger, Spending } from '../policy/budget.ts'
import type { Behalf } from './behalf.ts'

/** What something takes; `unpriced` where nobody can say what it costs. */
export interface Spend extends Omit<Spending, 'money'> {
  /** One sum of each currency. */
  readonly money?: readonly Money[]
  readonly unpriced?: boolean
  /** Why nobody can. */
  readonly why?: string
}

export interface Charge {
  /** Of the reservation: the same for all tries. */
  readonly id: string
  /** The action, or 'agent.name'. */
  readonly name: string
  readonly spend: Spend
  readonly behalf: Behalf
  readonly rate: { readonly of: string; readonly rate: Rate } | undefined
  /** Held outside of working hours. */
  readonly inHours: boolean
}

/** A budget of one period, as its record keeps it. */
export interface BudgetRecord extends Ledger {
  readonly what: string
  readonly epoch: number
  readonly until?: number
  /** In which its money is counted. */
  readonly currency?: string
  readonly refused?: string
}

/** What a call of an action takes. */
export function chargeOf(
  spec: { effect: string; generation: number; behalf: Behalf; input: Json },
  action: AnyAction,
): Charge {
  return {
    id: `${spec.effect}:${spec.generation}`,
    name: action.name,
    spend: { calls: 1, ...costOf(action, spec.input) },
    behalf: spec.behalf,
    rate: action.rate === undefined ? undefined : { of: `${action.name} ${action.account}`, rate: action.rate },
    inHours: action.effect !== 'read',
  }
}

/** A read takes no money, and only its turn. */
export function turnOf(charge: Charge): Charge {
  return { ...charge, spend: {} }
}

function costOf(action: AnyAction, input: Json): Spend {
  try {
    const costs = costsOf(action, input)
    return costs.length === 0 ? {} : { money: totals(costs) }
  } catch (thrown) {
    return { unpriced: true, why: brief(storeError(thrown).message) }
  }
}

/** Longest part of what its own code says that is told on. */
const WHY_MAX = 300

function brief(text: string): string {
  return text.length <= WHY_MAX ? text : `${text.slice(0, WHY_MAX).toWellFormed()}…`
}
