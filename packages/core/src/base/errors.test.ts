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

  it.each<[string, unknown, string]>([
    [
      'an object of a client',
      { status: 422, body: { why: 'no such list' } },
      '{"status":422,"body":{"why":"no such list"}}',
    ],
    ['one that says something', { status: 500, message: 'the list is gone' }, 'the list is gone'],
    [
      'an error of another realm',
      Object.assign(Object.create(null) as object, { name: 'TypeError', message: 'x is not y' }),
      'x is not y',
    ],
    ['a circle', circle, '{"self":["…"'],
    ['one that is long', { text: 'x'.repeat(5000) }, '{"text":"xxx'],
    ['nothing', {}, '{}'],
    ['a list', ['no', 'way'], '["no","way"]'],
    ['one with words of its own', { toString: () => 'in my words' }, 'in my words'],
    [
      'several errors',
      new AggregateError([new Error('connect ::1'), new Error('connect 127.0.0.1')]),
      'connect ::1; connect 127.0.0.1',
    ],
    [
      'several, and what they come to',
      new AggregateError([new Error('no mirror')], 'all of them failed'),
      'all of them failed (no mirror)',
    ],
    ['a code alone', Object.assign(new Error(''), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    ['an error that says nothing', new Error(''), ''],
  ])('says what it was, of %s', (_, value, says) => {
    const { message } = storeError(value)
    expect(message.length).toBeLessThan(600)
    expect(message).toContain(says)
    if (says === '') expect(message).toBe('')
    expect(message).not.toContain('[object')
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
