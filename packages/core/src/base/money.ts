/** Money as people read it. */
import { isMoney } from './actor.ts'

/** How many digits of a currency are minor units: two of EUR, none of JPY. Throws on what is no currency. */
export function digitsOf(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
}

/** '42.00 EUR' for an amount of money and nothing else; undefined where that would not say exactly what is there. */
export function moneyText(value: unknown): string | undefined {
  if (!isMoney(value) || Object.keys(value).length !== 2) return undefined
  const { amount, currency } = value
  if (!Number.isSafeInteger(amount)) return undefined
  try {
    const digits = digitsOf(currency)
    const units = String(Math.abs(amount)).padStart(digits + 1, '0')
    const whole = units.slice(0, units.length - digits)
    return `${amount < 0 ? '-' : ''}${whole}${digits === 0 ? '' : `.${units.slice(-digits)}`} ${currency}`
  } catch {
    return undefined
  }
}
