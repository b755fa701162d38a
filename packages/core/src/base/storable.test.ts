/** Storable: schemas of what could never be stored are refused when they are defined, with the path and a way out. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { canonical } from './json.ts'
import { encoded, fromStored } from './schema.ts'
import { action, defineAgent, defineEntity, defineEvent, definePlaybook } from '../index.ts'

const when = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})
const none = z.object({})
const acts = (schemas: { input?: z.ZodType; output?: z.ZodType; undo?: z.ZodType }) =>
  action({
    ...{ name: 'shop.buy', effect: 'reversible', input: none, output: none },
    ...schemas,
    run: () => ({ output: {} }),
  })
const plays = (schemas: { input?: z.ZodType; output?: z.ZodType }) =>
  definePlaybook({ name: 'p', version: 1, input: none, output: none, ...schemas, run: async () => ({}) })
const refused = (path: string, type: string) =>
  expect.objectContaining({ code: 'DEFINITION_INVALID', data: { path, type }, hint: expect.any(String) as string })

describe('a definition', () => {
  it.each([
    ['a Date', z.date(), 'date'],
    ['a Date that is made of anything', z.coerce.date(), 'date'],
    ['a bigint', z.bigint(), 'bigint'],
    ['a literal bigint', z.literal(1n), 'bigint'],
    ['a Map', z.map(z.string(), z.string()), 'map'],
    ['a Set', z.set(z.string()), 'set'],
    ['a symbol', z.symbol(), 'symbol'],
    ['a function', z.function(), 'function'],
    ['a promise', z.promise(z.string()), 'promise'],
    ['not a number', z.nan(), 'nan'],
    ['a File', z.file(), 'file'],
  ])('of %s is refused wherever it is', (_, inner, type) => {
    const schema = z.object({ of: z.object({ it: inner }) })
    expect(() => acts({ input: schema })).toThrow(refused('of.it', type))
    expect(() => acts({ output: z.array(inner) })).toThrow(refused('[]', type))
    expect(() => acts({ undo: z.tuple([z.string(), inner]) })).toThrow(refused('[1]', type))
    expect(() => plays({ output: z.record(z.string(), inner) })).toThrow(refused('*', type))
    expect(() => defineEvent({ name: 'e', schema: z.union([z.string(), schema]) })).toThrow(refused('of.it', type))
    expect(() => defineEntity({ name: 'n', version: 1, schema: schema.extend({ a: inner.optional() }) })).toThrow(
      refused('of.it', type),
    )
    const agent = { name: 'a', version: 1, instructions: '', input: none }
    expect(() => defineAgent({ ...agent, output: schema })).toThrow(refused('of.it', type))
  })

  it('of nothing is refused where nothing cannot be left out', () => {
    for (const nothing of [z.void(), z.undefined(), z.literal(undefined)]) {
      expect(() => plays({ output: nothing })).toThrow(refused('', 'undefined'))
      expect(() => plays({ input: nothing })).toThrow(refused('', 'undefined'))
      expect(() => acts({ output: z.array(nothing) })).toThrow(refused('[]', 'undefined'))
      expect(() => acts({ input: z.object({ a: nothing }) })).not.toThrow()
      expect(() => acts({ input: z.object({ a: nothing, b: z.array(nothing) }) })).toThrow(refused('b[]', 'undefined'))
    }
    expect(() => plays({ output: z.void() })).toThrow(
      expect.objectContaining({
        message: 'the output of playbook p cannot be stored: it is of type undefined',
        hint: expect.stringContaining('z.null()') as string,
      }),
    )
  })

  it('says what to use instead of a Date, and where', () => {
    expect(() => acts({ input: z.object({ due: z.date().nullable() }) })).toThrow(
      expect.objectContaining({
        message: 'the input of shop.buy cannot be stored: its "due" is of type date',
        hint: expect.stringMatching(/z\.iso\.datetime\(\).*z\.codec/) as string,
      }),
    )
  })
})

describe('a definition without a schema', () => {
  it('says so', () => {
    for (const none of [undefined, null, {}, { type: 'object' }]) {
      const hint = expect.stringContaining('zod 4') as string
      expect(() => acts({ input: none as never })).toThrow(
        expect.objectContaining({ code: 'DEFINITION_INVALID', hint }),
      )
      expect(() => plays({ output: none as never })).toThrow(/the output of playbook p is not given by a schema/)
    }
  })
})

describe('what is stored as JSON', () => {
  it('may be decoded by a codec, also in the middle of a pipe', () => {
    for (const schema of [when, when.optional(), z.object({ at: z.array(when) }), when.pipe(z.date()), z.stringbool()])
      expect(() => acts({ input: schema, output: schema })).not.toThrow()
  })

  it('may be decoded deep inside of what a pipe goes on with', () => {
    const dates = z.object({ at: z.date(), all: z.array(z.date()) })
    const text = { at: '2026-01-31T09:00:00.000Z', all: [] }
    const schema = z.object({ at: when, all: z.array(when) }).pipe(dates)
    expect(() => acts({ input: schema, output: z.array(schema) })).not.toThrow()
    expect(encoded(schema, fromStored(schema, canonical(text)))).toBe(canonical(text))
    expect(() => acts({ input: z.object({ schema, at: z.date() }) })).toThrow(refused('at', 'date'))
  })

  it('may be given to a playbook as text that its code has as something else', () => {
    const input = z.object({
      at: z.coerce.date(),
      n: z.string().transform(BigInt),
      more: z.preprocess(String, z.date()),
    })
    expect(() => plays({ input })).not.toThrow()
    expect(() => plays({ input: z.string().or(z.date()).pipe(z.coerce.date()) })).not.toThrow()
    expect(() => plays({ input: z.object({ at: z.date() }) })).toThrow(refused('at', 'date'))
    const date = z.date()
    const both = z.object({ a: z.union([z.string(), date]), b: date })
    expect(() => plays({ input: both })).toThrow(refused('b', 'date'))
    expect(() => plays({ input: z.union([date, z.bigint()]) })).toThrow(refused('', 'bigint'))
    expect(() =>
      plays({ input: z.codec(z.date(), z.string(), { decode: String, encode: (s) => new Date(s) }) }),
    ).toThrow(refused('', 'date'))
  })

  it('may be a schema that names itself, or one that is not there yet', () => {
    const Tree = z.object({
      name: z.string(),
      get children() {
        return z.array(Tree)
      },
    })
    expect(() => plays({ input: Tree, output: Tree })).not.toThrow()
    const names = Array.from({ length: 40 }, (_, at) => at)
    const grammar: z.ZodType[] = names.map(() =>
      z.union([z.string(), ...names.map((at) => z.lazy(() => z.object({ of: grammar[at]! })))]),
    )
    expect(() => plays({ input: grammar[0]!, output: grammar[0]! })).not.toThrow()
    const later: z.ZodType = z.lazy(() => missing())
    const missing = (): z.ZodType => {
      throw new ReferenceError('not yet')
    }
    expect(() => plays({ input: later })).not.toThrow()
    const dated = z.object({ name: z.string(), inner: z.lazy(() => z.object({ at: z.date() })) })
    expect(() => plays({ input: dated })).toThrow(refused('inner.at', 'date'))
  })
})
