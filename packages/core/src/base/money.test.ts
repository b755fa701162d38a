/** Money as people read it says exactly what is there, or nothing. */
import { expect, it } from 'vitest'
import { inMajor, moneyText } from './money.ts'

it.each([
  [{ amount: 4200, currency: 'EUR' }, '42.00 EUR'],
  [{ amount: 5, currency: 'EUR' }, '0.05 EUR'],
  [{ amount: -12_345, currency: 'USD' }, '-123.45 USD'],
  [{ amount: 4200, currency: 'JPY' }, '4200 JPY'],
  [{ amount: 1234, currency: 'BHD' }, '1.234 BHD'],
  [{ amount: 42.5, currency: 'EUR' }, undefined],
  [{ amount: 2 ** 60, currency: 'EUR' }, undefined],
  [{ amount: 42, currency: 'euros' }, undefined],
  [{ amount: 42, currency: 'EUR', net: true }, undefined],
  ['42 EUR', undefined],
  [null, undefined],
])('%j is %s', (money, text) => {
  expect(moneyText(money)).toBe(text)
})

it.each([
  [0.410625, 'EUR', '0.00410625'],
  [499_999.5, 'EUR', '4999.995'],
  [0.5, 'JPY', '0.5'],
  [250, 'EUR', '2.50'],
])('%d of %s is shown as what it is, however little: %s', (amount, currency, text) => {
  expect(inMajor(amount, currency)).toBe(text)
})
