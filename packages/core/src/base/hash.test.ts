import { expect, it } from 'vitest'
import { shareOf } from './hash.ts'

it('the share of a text is as likely to be anywhere', () => {
  const shares = Array.from({ length: 20_000 }, (_, i) => shareOf(`text ${i}`))
  for (const bound of [0.01, 0.05, 0.1, 0.5, 0.9]) {
    const below = shares.filter((one) => one < bound).length / shares.length
    expect(Math.abs(below - bound)).toBeLessThan(0.01)
  }
  expect(shareOf('a')).toBe(shareOf('a'))
})
