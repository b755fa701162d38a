import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { markOf, partIn } from './needle.ts'

const SECRET = 'of a workspace'

/** How often a part was looked at, until it was found. */
function looks(text: string, needle: string, mark?: number): { found: string | undefined; looked: number } {
  let looked = 0
  const isIt = (part: string): boolean => ++looked > 0 && part === needle
  const known = { length: needle.length, ...(mark === undefined ? {} : { mark }) }
  return { found: partIn(text, known, SECRET, isIt), looked }
}

describe('partIn', () => {
  it('finds any part of any text, by its mark or without one', () => {
    const any = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(any, fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), any, (before, needle, after) => {
        const text = before + needle + after
        expect(looks(text, needle, markOf(SECRET, needle)).found).toBe(needle)
        expect(looks(text, needle).found).toBe(needle)
      }),
    )
  })

  it('finds nothing where it is not', () => {
    expect(looks('tea at five', 'tea at four', markOf(SECRET, 'tea at four')).found).toBeUndefined()
    expect(looks('tea', 'tea at four').found).toBeUndefined()
    expect(looks('', 'tea').found).toBeUndefined()
  })

  it('looks closely at a few places only, however long the text is', () => {
    const text = `${Array.from({ length: 20_000 }, (_, n) => `line ${n * 7919}`).join(' ')} tea at four`
    expect(text.length).toBeGreaterThan(250_000)
    const { found, looked } = looks(text, 'tea at four', markOf(SECRET, 'tea at four'))
    expect(found).toBe('tea at four')
    expect(looked).toBeLessThan(20)
  })
})
