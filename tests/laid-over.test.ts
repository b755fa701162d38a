/** Laid over: an edit says what is to be other, the same in an app and in a test; what it leaves out stays as it was shown. */
import { action, createConductor, definePlaybook, type Decision, type Edit } from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, store } from './support/open.ts'

const Mail = z.object({
  to: z.string(),
  text: z.string(),
  cc: z.string().optional(),
  lines: z.array(z.string()).default([]),
  head: z.object({ a: z.number(), b: z.number() }).optional(),
})
const send = action({
  ...{ name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' }, input: Mail, output: z.object({}) },
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const given = { to: 'ada', text: 'hello', cc: 'bob', lines: ['a', 'b'], head: { a: 1, b: 2 } }
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({}),
  output: z.object({ edited: z.boolean() }),
  run: async (ctx) => ({ edited: (await ctx.effect(send, given)).edited }),
})
const both = definePlaybook({
  name: 'both',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  async run(ctx) {
    const { lines } = await ctx.propose('Write to them', [ctx.intend(send, given), ctx.intend(send, given)])
    return lines.map(({ state, edited }) => `${state}${edited ? ' edited' : ''}`)
  },
})

async function begin(): Promise<Harness> {
  return testConductor({ playbooks: [write, both], connectors: [fake(send)] })
}

/** Through the inbox, as an app decides. */
async function decide(t: Harness, decision: Decision): Promise<unknown> {
  const [item] = (await t.inbox.list()).items
  return t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, ...decision }))
}

/** What becomes of an edit of an action with this input, and what was done then. */
async function edits(input: z.ZodType, given: unknown, edit: Edit): Promise<unknown> {
  const act = action({
    ...{ name: 'any.act', effect: 'irreversible', idempotency: { by: 'key' }, input, output: z.object({}) },
    run: () => Promise.reject(new Error('a test reached the real world')),
  })
  const acts = code((ctx) => ctx.act(act, given))
  const t = await testConductor({ playbooks: [acts], connectors: [fake(act)] })
  await t.start(acts, {})
  const decided = (await decide(t, { edit })) as object
  const did = t.world(act).map((one) => one.input)
  await t.stop()
  return { ...decided, did }
}

const sent = (t: Harness): unknown[] => t.world(send).map(({ input }) => input)

describe('an edit of an approval', () => {
  const cases: [string, { [field: string]: Edit | undefined }, object][] = [
    ['keeps what it leaves out', { text: 'hi' }, { ...given, text: 'hi' }],
    [
      'drops what is undefined',
      { cc: undefined },
      { to: 'ada', text: 'hello', lines: ['a', 'b'], head: { a: 1, b: 2 } },
    ],
    [
      'replaces lists and objects whole',
      { lines: ['c'], head: { a: 3, b: 4 } },
      { ...given, lines: ['c'], head: { a: 3, b: 4 } },
    ],
    ['may be the whole of it', { ...given, to: 'eve' }, { ...given, to: 'eve' }],
  ]
  it.each(cases)('%s, in an app and in a test', async (_, edit, whole) => {
    const app = await begin()
    const run = await app.start(write, {})
    expect(await decide(app, { edit })).toEqual({ status: 'done' })
    expect(await run.result()).toEqual({ edited: true })
    const test = await begin()
    await test.start(write, {})
    await test.approve(send, { edit: edit })
    expect([sent(app), sent(test)]).toEqual([[whole], [whole]])
    for (const t of [app, test]) await t.stop()
  })

  it('is refused where the whole of it does not fit, or is no object where one was shown', async () => {
    const t = await begin()
    await t.start(write, {})
    for (const edit of [{ text: 7 }, { to: undefined }, { head: { a: 3 } }, 'hello', null, ['hello']])
      expect(await decide(t, { edit })).toMatchObject({ status: 'refused', why: 'invalid' })
    expect(sent(t)).toEqual([])
    await t.stop()
  })

  it('is refused where it would change nothing of what it was meant to: a field misspelt, a form, a map', async () => {
    const t = await begin()
    await t.start(write, {})
    const form = new FormData()
    form.set('text', 'hi')
    for (const edit of [form, new Map([['text', 'hi']]), new Date(0)] as unknown as Edit[])
      expect(await decide(t, { edit })).toMatchObject({ status: 'refused', why: 'invalid' })
    const message = 'the input has no field "txt"; did you mean "text"?'
    expect(await decide(t, { edit: { txt: 'hi' } })).toMatchObject({ status: 'refused', why: 'invalid', message })
    expect(sent(t)).toEqual([])
    await t.stop()
  })

  it('is refused with a field that no input has, whatever the schema, and where nobody has the action', async () => {
    const pair = z.object({ a: z.int(), b: z.int() })
    const or = z.discriminatedUnion('k', [z.object({ k: z.literal('a'), a: z.int() }), z.object({ k: z.literal('b') })])
    const when = z.codec(z.iso.datetime(), z.date(), { decode: (t) => new Date(t), encode: (d) => d.toISOString() })
    for (const [input, given] of [
      [pair, { a: 1, b: 2 }],
      [pair.meta({ id: 'pair' }), { a: 1, b: 2 }],
      [pair.nullable(), { a: 1, b: 2 }],
      [pair.extend({ at: when }), { a: 1, b: 2, at: '2026-01-31T09:00:00.000Z' }],
      [or, { k: 'a', a: 1 }],
    ] as [z.ZodType, unknown][])
      expect(await edits(input, given, { c: 3 })).toMatchObject({
        message: expect.stringContaining('the input has no field "c"'),
        did: [],
      })
    expect(await edits(or, { k: 'a', a: 1 }, { k: 'b' })).toMatchObject({ status: 'done', did: [{ k: 'b' }] })
    const data = store()
    const t = await testConductor({ playbooks: [write], connectors: [fake(send)], store: data })
    await t.start(write, {})
    const { id, hash } = (await t.inbox.list()).items[0]!
    const web = await createConductor({ store: data.session(), playbooks: [], work: false })
    const says = (edit: Edit): Promise<unknown> => web.inbox.decide(id, { hash, by: me, edit })
    const message = 'the input has no field "txt"; did you mean "text"?'
    expect(await says({ txt: 'hi' })).toMatchObject({ message })
    const nested = { message: 'the input has no field "head.c"; beside it: a, b' }
    expect(await says({ head: { a: 1, b: 2, c: 3 } })).toMatchObject(nested)
    expect(await says({ text: 'hi' })).toEqual({ status: 'done' })
    await web.stop()
    await t.stop()
  })

  it('is refused with a field that no input has, however deep it is, and names its place', async () => {
    const line = z.object({ what: z.string(), price: z.object({ cents: z.int(), note: z.string().optional() }) })
    const input = z.object({ lines: z.array(line), more: z.looseObject({ a: z.int() }).optional() })
    const given = { lines: [{ what: 'tea', price: { cents: 100 } }], more: { a: 1 } }
    const tea = { what: 'tea', price: { cents: 200 } }
    for (const [edit, message] of [
      [{ lines: [tea, { ...tea, price: { cents: 1, noted: 'x' } }] }, '"lines[1].price.noted"; did you mean "note"?'],
      [{ lines: [{ ...tea, whta: 'cake' }] }, '"lines[0].whta"; did you mean "what"?'],
    ] as [Edit, string][])
      expect(await edits(input, given, edit)).toMatchObject({ message: `the input has no field ${message}`, did: [] })
    const fits = { lines: [{ ...tea, price: { cents: 1, note: 'x' } }], more: { a: 1, b: 2 } }
    expect(await edits(input, given, fits)).toEqual({ status: 'done', did: [fits] })
    const priced = z.object({ price: line.shape.price })
    expect(await edits(priced, { price: { cents: 1 } }, { price: { cents: 2, note: undefined } })).toEqual({
      status: 'done',
      did: [{ price: { cents: 2 } }],
    })
  })

  it('may add fields where any may be, and is all of an input that is no object', async () => {
    for (const [input, given, edit, whole] of [
      [z.looseObject({ a: z.int() }), { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
      [z.record(z.string(), z.int()), { a: 1, b: 2 }, { b: undefined, c: 3 }, { a: 1, c: 3 }],
      [z.object({ a: z.int() }).and(z.object({ b: z.int() })), { a: 1, b: 2 }, { b: 3 }, { a: 1, b: 3 }],
      [z.array(z.string()), ['a'], ['b'], ['b']],
      [z.string(), 'a', 'b', 'b'],
      [z.union([z.string(), z.object({ a: z.int() })]), 'a', { a: 1 }, { a: 1 }],
    ] as [z.ZodType, unknown, Edit, unknown][]) {
      expect(await edits(input, given, edit)).toEqual({ status: 'done', did: [whole] })
    }
  })

  it('is kept whole in what was decided', async () => {
    const t = await begin()
    await t.start(write, {})
    const [item] = (await t.inbox.list()).items
    await decide(t, { edit: { text: 'hi', cc: undefined } })
    const { decided } = await t.inbox.get(item!.id)
    expect(decided?.decision).toEqual({ edit: { to: 'ada', text: 'hi', lines: ['a', 'b'], head: { a: 1, b: 2 } } })
    await t.stop()
  })
})

describe('an edit of a plan', () => {
  it('keeps of each line what it leaves out, in an app and in a test', async () => {
    const app = await begin()
    const run = await app.start(both, {})
    expect(await decide(app, { edit: { inputs: { '2': { text: 'hi', cc: undefined } } } })).toEqual({ status: 'done' })
    expect(await run.result()).toEqual(['done', 'done edited'])
    const test = await begin()
    await test.start(both, {})
    await test.plan({ edit: { '2': { text: 'hi', cc: undefined } } })
    const { cc: _, ...without } = given
    expect([sent(app), sent(test)]).toEqual([
      [given, { ...without, text: 'hi' }],
      [given, { ...without, text: 'hi' }],
    ])
    const third = await begin()
    await third.start(both, {})
    const message = 'line "1": the input has no field "txt"; did you mean "text"?'
    expect(await decide(third, { edit: { inputs: { '1': { txt: 'hi' } } } })).toMatchObject({ why: 'invalid', message })
    await third.stop()
    expect(await decide(app, { approve: true }).catch(() => 'none waits')).toBe('none waits')
    await app.stop()
    await test.stop()
  })
})

it('a partial edit is taken once, wherever the process dies', async () => {
  const { points } = await exploreCrashes(
    async (t) => {
      const run = await t.start(write, {})
      await t.approve(send, { edit: { text: 'hi', cc: undefined } })
      return [await run.result(), sent(t)]
    },
    { harness: () => ({ playbooks: [write], connectors: [fake(send)] }) },
  )
  expect(points).toBeGreaterThan(20)
})
