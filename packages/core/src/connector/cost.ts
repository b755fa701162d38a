/**
 * Cost: what an input moves, as budgets, grants, trust, reports of shadow and cards count it: one rule for all of them.
 *
 * An action that says its `cost` is believed. Of any other all money in its input counts together, however deep it stands, by currency: nobody
 * here knows which of it moves.
 */
import type { Money } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import { moneyIn } from '../base/money.ts'
import { fromStored } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from './action.ts'

type Costing = Pick<AnyAction, 'cost' | 'input'>

/** Each amount by itself; `action`: undefined where this process does not know it. Throws what the action's own code throws. */
export function costsOf(action: Costing | undefined, input: Json): readonly Money[] {
  if (action?.cost === undefined) return moneyIn(input)
  const cost = action.cost(fromStored(action.input, canonical(input))) as Money | undefined
  return cost === undefined ? [] : [cost]
}

/** The same; undefined where the action's own code throws. */
export function costsKnown(action: Costing | undefined, input: Json): readonly Money[] | undefined {
  try {
    return costsOf(action, input)
  } catch {
    return undefined
  }
}
