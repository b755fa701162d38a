/** Charge: what is about to be done, as far as budgets, rates and hours go. */
import { isMoney, type Money } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import type { Rate } from '../base/rate.ts'
import { fromStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from '../connector/action.ts'
import type { Ledger, Spending } from '../policy/budget.ts'
import type { Behalf } from './behalf.ts'

/** What something takes; `unpriced` where nobody can say what it costs. */
export interface Spend extends Spending {
  readonly unpriced?: boolean
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

/** What its own code says that it costs, or the first money of its input. */
function costOf(action: AnyAction, input: Json): Spend {
  try {
    const money = action.cost === undefined ? moneyIn(input) : action.cost(fromStored(action.input, canonical(input)))
    return money === undefined ? {} : { money }
  } catch {
    return { unpriced: true }
  }
}

/** The money of an input: its first field that is money, in order of name. */
export function moneyIn(input: Json): Money | undefined {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return undefined
  return Object.values(input).find(isMoney) as Money | undefined
}
