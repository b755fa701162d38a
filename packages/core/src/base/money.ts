/** Money as people read it, and as it is found in a value and added up. */
import { isMoney, type Money } from './actor.ts'
import type { Json } from './value.ts'

/** All money in a value, however deep. */
export function moneyIn(value: Json): Money[] {
  if (typeof value !== 'object' || value === null) return []
  return isMoney(value) ? [value] : Object.values<Json>(value).flatMap(moneyIn)
}

/** Added up by currency, in order of currency. What is negative counts by its size: what is taken is as large as what is given. */
export function totals(money: readonly Money[]): Money[] {
  const sums = new Map<string, number>()
  for (const { amount, currency } of money) sums.set(currency, (sums.get(currency) ?? 0) + Math.abs(amount))
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, amount]) => ({ amount, currency }))
}

/** Minor units as people write them: '20.00' for 2000 of EUR, '2000' of JPY; parts of one to the millionth. Throws on what is no currency. */
export function inMajor(amount: number, currency: string): string {
  const { maximumFractionDigits: digits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
  }).resolvedOptions()
  if (Number.isInteger(amount)) return (amount / 10 ** digits).toFixed(digits)
  const parts = { minimumFractionDigits: digits, maximumFractionDigits: digits + 6 }
  return new Intl.NumberFormat('en', { ...parts, useGrouping: false }).format(amount / 10 ** digits)
}

/** '42.00 EUR' for an amount of money and nothing else; undefined where that would not say exactly what is there. */
export function moneyText(value: unknown): string | undefined {
  if (!isMoney(value) || Object.keys(value).length !== 2) return undefined
  const { amount, currency } = value
  if (!Number.isInteger(amount) || Math.abs(amount) > EXACT_MAX) return undefined
  try {
    return `${inMajor(amount, currency)} ${currency}`
  } catch {
    return undefined
  }
}

/** So far its fractions are far finer than any minor unit. */
const EXACT_MAX = 1e12
