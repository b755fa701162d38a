/** Price: what a question to a model costs, from a table; and the worst that it may cost, before it is asked. */
import type { Money } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'

/** Per million tokens, in minor units of one currency. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly currency: string
}

export interface Prices {
  /** By the name of a model: as in an agent's `model`. An agent that names none counts as `unpriced`, since its cost is reserved beforehand. */
  readonly models: Readonly<Record<string, Price>>
  /** What a question to a model counts for that is not in the table. One that is, and does not say what it used, counts as reserved. */
  readonly unpriced?: Money
}

export interface Usage {
  readonly inputTokens?: number
  readonly outputTokens?: number
}

export const NO_PRICES: Prices = { models: {} }

/** Throws `DEFINITION_INVALID`. */
export function pricesOf(prices: Prices): Prices {
  const wrong = Object.entries(prices.models).find(
    ([, one]) =>
      ![one.input, one.output].every((each) => Number.isFinite(each) && each >= 0) || !isCurrency(one.currency),
  )
  const worst = prices.unpriced
  if (wrong === undefined && (worst === undefined || (worst.amount >= 0 && isCurrency(worst.currency)))) return prices
  throw new KeelsonError('DEFINITION_INVALID', `the price of ${wrong?.[0] ?? 'unpriced models'} is none`, {
    hint: "Write minor units per million tokens: { input: 250, output: 1000, currency: 'USD' }.",
  })
}

/** What it cost; the worst case where its price is not known; undefined without a worst case. */
export function costOf(prices: Prices, model: string | undefined, usage: Required<Usage>): Money | undefined {
  const price = model === undefined ? undefined : prices.models[model]
  const { inputTokens, outputTokens } = usage
  if (price === undefined) return prices.unpriced
  const amount = (inputTokens * price.input + outputTokens * price.output) / 1e6
  return { amount: Math.ceil(amount * 1e6) / 1e6, currency: price.currency }
}

function isCurrency(text: unknown): boolean {
  return typeof text === 'string' && /^[A-Z]{3}$/.test(text)
}
