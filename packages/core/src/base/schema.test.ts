/** What does not fit a schema because an await is missing is told so. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parse, toStored } from './schema.ts'

const Mail = z.object({ to: z.string(), lines: z.array(z.object({ cents: z.int() })).optional() })
const hintOf = (value: unknown): unknown => {
  try {
    return parse(Mail, value, 'INPUT_INVALID', 'the input of mail.send')
  } catch (thrown) {
    return (thrown as { hint?: string }).hint
  }
}
const awaited = 'Await it, and give what it came to: an await is missing in front of a call.'

it.each([
  ['a field', { to: Promise.resolve('ada') }, `"to" is a promise. ${awaited}`],
  ['a field within', { to: 'ada', lines: [{ cents: Promise.resolve(1) }] }, `"lines.0.cents" is a promise. ${awaited}`],
  ['what holds the field', { to: 'ada', lines: [Promise.resolve({ cents: 1 })] }, `"lines.0" is a promise. ${awaited}`],
  ['all of it', Promise.resolve({ to: 'ada' }), `It is a promise. ${awaited}`],
  ['what only can be awaited', { to: { then: () => {} } }, `"to" is a promise. ${awaited}`],
  ['nothing', { to: 1 }, 'Compare the value with the schema; nothing was stored or executed.'],
])('of a promise: %s', (_, value, hint) => {
  expect(hintOf(value)).toBe(hint)
})

describe('an input of which a schema wants a part', () => {
  const Id = z.object({ id: z.string() })
  const kept = (value: object): string => toStored(Id, value, 'INPUT_INVALID', 'the input of it')

  it('is not asked for what is no JSON in it: bytes, or a row that loads what it is asked for', () => {
    const asked: PropertyKey[] = []
    const watched = new Proxy(new Uint8Array(4), {
      ownKeys: (of) => (asked.push('ownKeys'), Reflect.ownKeys(of)),
    })
    class Row {
      readonly id = 'r'
      readonly bytes = watched
      constructor() {
        const posts = (): never => {
          throw new Error('not loaded')
        }
        Object.defineProperty(this, 'posts', { enumerable: true, get: posts })
      }
    }
    expect(kept(new Row())).toBe('{"id":"r"}')
    expect(kept({ id: 'r', bytes: watched, row: new Row() })).toBe('{"id":"r"}')
    expect(asked).toEqual([])
  })

  it('is refused for a key __proto__ wherever there is JSON', () => {
    const polluted = JSON.parse('[{"__proto__":1}]') as unknown
    expect(() => kept({ id: 'r', more: polluted })).toThrow('$.more[0].__proto__')
    expect(() => kept({ id: 'r', more: Object.assign(Object.create(null) as object, { polluted }) })).toThrow(
      '__proto__',
    )
  })
})
