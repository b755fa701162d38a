/** Money as people read it. */
import { isMoney } from './actor.ts'

/** Minor units as people write them: '20.00' for 2000 of EUR, '2000' of JPY. Throws on what is no currency. */
export function inMajor(amount: number, currency: string): string {
  const { maximumFractionDigits: digits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
  }).resolvedOptions()
  return (amount / 10 ** digits).toFixed(digits)
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
