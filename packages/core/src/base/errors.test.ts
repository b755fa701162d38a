/** Errors: whatever is thrown can be stored, and what is JSON stays as it was. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeelsonError, reviveError, storeError } from './errors.ts'
import { canonical, stored } from './json.ts'

const thrown = (data: unknown): KeelsonError =>
  new KeelsonError('INPUT_INVALID', 'no orders', { data: data as KeelsonError['data'] })

class Hostile extends Error {
  override get message(): string {
    throw new Error('no message for you')
  }
}

const odd = (): never => {
  throw new Error('not for you')
}
const circle: Record<string, unknown> = {}
circle['self'] = [circle, circle]

const STRANGE: readonly [string, unknown][] = [
  ['not a number', { average: 0 / 0 }],
  ['a date', { when: new Date(0), never: new Date(NaN) }],
  ['a function', { step: () => 5 }],
  ['half a character', { text: 'a\ud83d', ['b\ud83d']: 1 }],
  ['a bigint and a symbol', { big: 10n, symbol: Symbol('s') }],
  ['a map and a set', { map: new Map([['a', new Date(0)]]), set: new Set([1]) }],
  ['a circle', circle],
  ['a field that throws', Object.defineProperty({}, 'x', { enumerable: true, get: () => odd() })],
  ['a megabyte', { text: 'x'.repeat(2_000_000) }],
  ['many values', { list: Array.from({ length: 100_000 }, (_, i) => [i]) }],
  ['no data at all', null],
  ['__proto__', JSON.parse('{"__proto__":{"a":1}}')],
]

describe('an error that is stored', () => {
  it.each(STRANGE)('may carry %s', (_, data) => {
    const text = canonical(storeError(thrown(data)))
    expect(text.length).toBeLessThan(200_000)
    expect(canonical(storeError(reviveError(JSON.parse(text))))).toBe(text)
  })

  it('says what stood there', () => {
    expect(
      storeError(thrown({ average: NaN, when: new Date(0), step: function five() {}, left: undefined })).data,
    ).toEqual({
      average: 'NaN',
      when: '1970-01-01T00:00:00.000Z',
      step: 'function five',
    })
    expect(storeError(thrown({ text: 'x'.repeat(2_000_000) })).data).toEqual({
      note: expect.stringMatching(/^data of \d+ characters was left out$/) as string,
    })
  })

  it('may be one that cannot even be read', () => {
    expect(storeError(new Hostile())).toMatchObject({ code: 'STEP_FAILED' })
  })

  it('keeps data that is JSON as it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (data) => {
        let kept: unknown
        try {
          kept = stored(data)
        } catch {
          return // what is no JSON for a store
        }
        expect(canonical(storeError(thrown(data)).data ?? {})).toBe(canonical(kept))
      }),
    )
  })
})
