/** Json: both writers write the same, and refuse the same. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical, canonicalAround, carefully, carefullyAround, DEPTH_MAX, verbatim } from './json.ts'

const strange = fc.constantFrom<unknown>(
  ...[
    undefined,
    NaN,
    Infinity,
    -0,
    1e21,
    1764356789123,
    0.1,
    () => 1,
    Symbol('s'),
    10n,
    new Date(0),
    new Map(),
    '\ud800',
  ],
  ...['"\\\u0000', 'é'.repeat(120), '𝒳', { '\udc00': 1 }, JSON.parse('{"__proto__":1}'), { [Symbol('k')]: 1 }],
  ...[
    Object.create(null),
    Object.assign(Object.create(null), { b: 1, a: 2 }),
    new (class Thing {})(),
    verbatim('{"a":1}'),
  ],
)
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    strange,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 4 }),
  ),
})).value

describe('the writer that is quick', () => {
  it('writes what the careful one writes, and refuses the same by the same words', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(outcome(() => canonical(value))).toEqual(outcome(() => carefully(value)))
        expect(outcome(() => canonicalAround(value))).toEqual(outcome(() => carefullyAround(value)))
      }),
      { numRuns: 2000 },
    )
  })

  it('agrees with it on how deep a value may be, and on one that holds itself', () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })
    for (const levels of [DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1, 2 * DEPTH_MAX, 2 * DEPTH_MAX + 1]) {
      const value = nested(levels)
      expect(outcome(() => canonical(value))).toEqual(outcome(() => carefully(value)))
      expect(outcome(() => canonicalAround(value))).toEqual(outcome(() => carefullyAround(value)))
    }
    const self: { self?: unknown } = {}
    self.self = [self]
    expect(outcome(() => canonical(self))).toMatchObject({
      refused: expect.stringContaining('refers back to itself') as string,
    })
  })
})

function outcome(write: () => string): { text: string } | { refused: string } {
  try {
    return { text: write() }
  } catch (error) {
    return { refused: (error as Error).message }
  }
}
