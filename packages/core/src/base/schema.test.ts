/** What does not fit a schema because an await is missing is told so. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { parse } from './schema.ts'

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
