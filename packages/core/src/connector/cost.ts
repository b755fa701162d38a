/**
 * Cost: what an input moves, as budgets, grants, trust, reports of shadow and cards count it: one rule for all of them.
 *
 * An action that says its `cost` is believed. Of any other all money in its input counts together, however deep it stands, by currency: nobody
 * here knows which of it moves. What is no amount of money is no answer: it counts as what nobody knows.
 */
import { isMoney, type Money } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import { moneyIn } from '../base/money.ts'
import { fromStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from './action.ts'

type Costing = Pick<AnyAction, 'name' | 'cost' | 'input'>

/**
 * Each amount by itself; `action`: undefined where this process does not know it. Throws what the action's own code throws, and
 * `DEFINITION_INVALID` where that answers something else than money.
 */
export function costsOf(action: Costing | undefined, input: Json): readonly Money[] {
  if (action?.cost === undefined) return moneyIn(input)
  const cost: unknown = action.cost(fromStored(action.input, canonical(input)))
  if (cost === undefined) return []
  if (isMoney(cost) && Number.isFinite(cost.amount) && cost.currency.isWellFormed()) return [cost]
  if (cost instanceof Promise) cost.catch(() => {}) // nobody waits for it
  throw new KeelsonError('DEFINITION_INVALID', `cost() of ${action.name} answered ${named(cost)}, which is no money`, {
    hint: "Answer an amount at once, in minor units: { amount: 4200, currency: 'EUR' }.",
    data: { action: action.name },
  })
}

function named(cost: unknown): string {
  if (cost instanceof Promise) return 'a promise'
  return isMoney(cost) ? `${cost.amount} ${cost.currency}` : cost === null ? 'null' : `a ${typeof cost}`
}

/** The same; undefined where the action's own code does not tell. */
export function costsKnown(action: Costing | undefined, input: Json): readonly Money[] | undefined {
  try {
    return costsOf(action, input)
  } catch {
    return undefined
  }
}
