/** Unknown, to the verbs of a context: an option that there is not fails the call with its place, and nothing is done. */
import {
  action,
  defineAgent,
  defineBudget,
  defineEntity,
  defineEvent,
  definePersona,
  type Context,
} from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, open, store } from './support/open.ts'

const read = action({
  ...{ name: 'bank.read', effect: 'read', input: z.object({}), output: z.object({}) },
  run: () => ({ output: {} }),
})
const write = action({
  ...{ name: 'bank.write', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({}) },
  ...{ output: z.object({}), run: () => ({ output: {} }) },
})
const sorter = defineAgent({
  ...{ name: 'sorter', version: 1, input: z.object({}), output: z.object({}), instructions: 'Sort.' },
})

const told = defineEvent({ name: 'told', schema: z.object({ by: z.string() }) })

type Loose = Record<string, (...given: unknown[]) => Promise<unknown>> & { memory: Loose; artifacts: Loose }

const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ name: z.string() }) })

type Case = readonly [string, (ctx: Loose) => Promise<unknown>, says: string, hint: string]

function entityCases(cases: readonly (readonly [string, readonly unknown[], string, string])[]): Case[] {
  return cases.map(([verb, given, says, hint]) => {
    const call = async (ctx: Loose): Promise<unknown> => (ctx['entities']!(Note) as unknown as Loose)[verb]!(...given)
    return [`entities.${verb}`, call, says, hint]
  })
}

const CASES: readonly (readonly [string, (ctx: Loose) => Promise<unknown>, says: string, hint: string])[] = [
  ['step', (ctx) => ctx['step']!('a', () => 1, { retries: 3 }), 'ctx.step has no option "retries"', 'retry, timeout'],
  ['step', (ctx) => ctx['step']!('a', () => 1, { retry: 5 }), 'retry of ctx.step was given 5', 'attempts, first'],
  ['step', (ctx) => ctx['step']!('a', () => 1, { retry: { attemps: 3 } }), 'no option "attemps"', '"attempts"'],
  ['step', (ctx) => ctx['step']!('a', () => 1, '5s'), 'ctx.step was given "5s"', 'retry, timeout'],
  ...[Number.NaN, 0, -1, 1.5, '3', null].map((attempts): Case => [
    'step',
    (ctx) => ctx['step']!('a', () => 1, { retry: { attempts } }),
    'attempts of',
    'from 1',
  ]),
  ['step', (ctx) => ctx['step']!('a', () => 1, { retry: { first: 5 } }), '"5" is not a duration', "'90s'"],
  ['step', (ctx) => ctx['step']!('a', () => 1, { retry: { longest: 'x' } }), '"x" is not a duration', "'90s'"],
  ['step', (ctx) => ctx['step']!('a', () => 1, { timeout: 5 }), '"5" is not a duration', "'90s'"],
  ['act', (ctx) => ctx['act']!(read, {}, { becuase: [] }), 'ctx.act has no option "becuase"', '"because"'],
  ['act', (ctx) => ctx['act']!(read, {}, { because: { a: 1 } }), 'because of ctx.act was given an object', '[ … ]'],
  ['effect', (ctx) => ctx['effect']!(read, {}, { because: 'x' }), 'because of ctx.act was given "x"', '[ … ]'],
  ['delegate', (ctx) => ctx['delegate']!(sorter, {}, { because: {} }), 'because of ctx.delegate', 'because: ['],
  ['delegate', (ctx) => ctx['delegate']!(sorter, {}, { about: {} }), 'about of ctx.delegate', 'about: ['],
  ['artifacts', (ctx) => ctx.artifacts['put']!('x', { because: {} }), 'because of ctx.artifacts.put', 'because: ['],
  ['intend', (ctx) => ctx['intend']!(write, {}, { because: null }), 'because of ctx.intend was given null', '[ … ]'],
  ['act', (ctx) => ctx['act']!(undefined, {}), 'undefined is not an action', 'import cycle'],
  ['act', (ctx) => ctx['act']!('bank.read', {}), '"bank.read" is not an action', 'action()'],
  ['effect', (ctx) => ctx['effect']!(undefined, {}), 'undefined is not an action', 'import cycle'],
  ['delegate', (ctx) => ctx['delegate']!(sorter, {}, { abuot: [] }), 'no option "abuot"', '"about"'],
  ['delegate', (ctx) => ctx['delegate']!(undefined, {}), 'undefined is not an agent', 'import cycle'],
  ['call', (ctx) => ctx['call']!('other', {}), '"other" is not a playbook', 'definePlaybook()'],
  ['call', (ctx) => ctx['call']!(undefined, {}), 'undefined is not a playbook', 'import cycle'],
  ['emit', (ctx) => ctx['emit']!(undefined, {}), 'undefined is not an event', 'import cycle'],
  ['waitFor', (ctx) => ctx['waitFor']!(undefined), 'undefined is not an event', 'import cycle'],
  ['ask', (ctx) => ctx['ask']!('Who?', { answr: z.string() }), 'ctx.ask has no option "answr"', '"answer"'],
  [
    'ask',
    (ctx) => ctx['ask']!('When?', { answer: z.object({ day: z.date() }), timeout: '1s' }),
    'the answer of ctx.ask cannot be stored: its "day" is of type date',
    'z.iso.datetime()',
  ],
  ['ask', (ctx) => ctx['ask']!('Who?'), 'ctx.ask has no schema of its answer', 'answer: z.string()'],
  [
    'approve',
    (ctx) => ctx['approve']!('So?', { onSilence: 'approve' }),
    'onSilence of ctx.approve is "approve"',
    'wait',
  ],
  [
    'propose',
    (ctx) => ctx['propose']!('So?', [], { onFailure: 'go on' }),
    'onFailure of ctx.propose',
    'stop, continue',
  ],
  ['all', (ctx) => ctx['all']!([], String, () => 1, { atonce: 1 }), 'ctx.all has no option "atonce"', '"atOnce"'],
  ...[Number.NaN, 0, -1, 1.5, '2', null].map((atOnce): Case => [
    'all',
    (ctx) => ctx['all']!([1], String, () => 1, { atOnce }),
    'atOnce of ctx.all',
    'from 1',
  ]),
  ['all', (ctx) => ctx['all']!(new Set([1]), String, () => 1), 'ctx.all was given an object', '[...items]'],
  ['all', (ctx) => ctx['all']!([1], 'id', () => 1), 'the key of ctx.all is no function', 'item => item.id'],
  ['all', (ctx) => ctx['all']!([1], String), 'the branch of ctx.all is no function', 'ctx.all(items, '],
  ['all', (ctx) => ctx['all']!(['\ud800'], String, () => 1), 'half of a surrogate pair', 'key'],
  ['waitFor', (ctx) => ctx['waitFor']!(told, { since: Number.NaN }), 'since of ctx.waitFor is NaN', 'milliseconds'],
  ['waitFor', (ctx) => ctx['waitFor']!(told, { since: '2027-01-01' }), 'since of ctx.waitFor is "2', 'milliseconds'],
  ...['2020-01-31T09:00:00', '2020-02-30', '2020-01-31T25:00:00Z', 'Fri, 31 Jan 2020 09:00:00 GMT', 'x'].map(
    (until): Case => [
      'sleep',
      (ctx) => ctx['sleep']!({ until }),
      `"${until}" is not an instant`,
      "'2027-01-31T09:00:00Z'",
    ],
  ),
  ['act', (ctx) => ctx['act']!(write, {}, { key: 5 }), 'key of ctx.act is 5', 'a text'],
  ['act', (ctx) => ctx['act']!(write, {}, { key: null }), 'key of ctx.act is null', 'a text'],
  ['effect', (ctx) => ctx['effect']!(write, {}, { key: '\ud800' }), 'key of ctx.act is', 'a text'],
  ['intend', (ctx) => ctx['intend']!(write, {}, { key: 5 }), 'key of ctx.intend is 5', 'a text'],
  ['entities', async (ctx) => ctx['entities']!(undefined), 'undefined is not an entity type', 'import cycle'],
  ...entityCases([
    ['create', [{ name: 'x' }, { refz: {} }], 'no option "refz"', '"refs"'],
    ['upsert', [{ name: 'x' }, { expect: 1 }], 'no option "expect"', 'validAt'],
    ['update', ['id', {}, { reasn: 'x' }], 'ctx.entities(note).update has no option "reasn"', '"reason"'],
    ['update', ['id', { nmae: 'x' }], 'note has no field "nmae"', 'Did you mean "name"? It has name.'],
    ['update', [{ type: 'note', id: 'id' }, { name: 'x' }], 'a note is named by its id, not by an object', '.id'],
    ['get', [{ type: 'note', id: 'id' }], 'a note is named by its id, not by an object', '.id'],
    ['create', [{ name: 'x' }, { because: {} }], 'because of ctx.entities(note).create', 'because: ['],
    ['archive', ['id', { becuase: [] }], 'no option "becuase"', '"because"'],
    ['restore', ['id', 'why'], 'was given "why"', 'expect'],
    ['merge', ['a', 'b', { tak: [] }], 'no option "tak"', '"take"'],
    ['identify', ['id', { ref: {} }], 'no option "ref"', '"refs"'],
    ['list', [{ wher: {} }], 'no option "wher"', '"where"'],
    ['list', [{ first: 'newst' }], 'first of ctx.entities(note).list', '"newest"'],
    ['asOf', ['id', { valdi: 1 }], 'no option "valdi"', '"valid"'],
    ['history', ['id', { limt: 1 }], 'no option "limt"', '"limit"'],
    ['timeline', ['id', { frm: 1 }], 'no option "frm"', '"from"'],
    ['note', ['id', { text: 'x' }], 'no option "text"', 'what'],
    ['drift', ['id', { system: 's', their: {} }], 'no option "their"', '"theirs"'],
  ]),
  ['memory', (ctx) => ctx.memory['remember']!({ text: 'x' }, { becuase: [] }), 'no option "becuase"', '"because"'],
  ['memory', (ctx) => ctx.memory['remember']!({ text: 'x' }, { because: {} }), 'because of ctx.memory', 'because: ['],
  ['memory', (ctx) => ctx.memory['propose']!([], { reasn: 'x' }), 'no option "reasn"', '"reason"'],
]

describe('a verb of a context', () => {
  it.each(CASES)('%s refuses what it does not have', async (_, act, says, hint) => {
    const playbook = code((ctx: Context) => act(ctx as never))
    const keelson = await open(store(), { playbooks: [playbook] })
    const run = await keelson.start(playbook, {}, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({
      code: expect.stringMatching(/_(INVALID|NOT_FOUND)$/) as string,
      message: expect.stringContaining(says) as string,
      hint: expect.stringContaining(hint) as string,
    })
  })

  it.each([
    '2020-01-31',
    '2020-01-31T09:00Z',
    '2020-01-31T09:00:00.5+01:00',
    '2020-02-29T00:00:00Z',
    '-000001-01-01T00:00:00Z',
  ])('sleeps until %s', async (until) => {
    const playbook = code((ctx) => ctx.sleep({ until }))
    const keelson = await open(store(), { playbooks: [playbook] })
    expect(await (await keelson.start(playbook, {}, { id: 'r' })).result()).toBe(null)
  })

  it('takes no options, and one that is left undefined', async () => {
    const playbook = code((ctx) => ctx.step('a', () => 1, { timeout: undefined } as never))
    const keelson = await open(store(), { playbooks: [playbook] })
    expect(await (await keelson.start(playbook, {}, { id: 'r' })).result()).toBe(1)
  })
})

describe('a wait for an event', () => {
  const paid = z.object({ invoice: z.string(), cents: z.int() })
  const none = z.looseObject({ by: z.string() })
  const event = (schema: z.ZodType) => defineEvent({ name: 'told', schema })
  const waits = (schema: z.ZodType, match: object) =>
    code((ctx) => ctx.waitFor(event(schema), { match: match as never, timeout: '1m' }))

  it.each([
    ['an object', paid, { invoise: '7' }, 'Did you mean "invoice"? It has invoice, cents.'],
    [
      'one of several objects',
      paid.or(z.object({ refund: z.string() })),
      { id: '7' },
      'It has invoice, cents, refund.',
    ],
    ['two objects at once', paid.and(z.object({ at: z.string() })), { id: '7' }, 'It has invoice, cents, at.'],
    ['what may be none', paid.nullable(), { invoice: '7', id: '7' }, 'It has invoice, cents.'],
    ['what has a name that all objects have', paid, { constructor: 'x' }, 'It has invoice, cents.'],
    ['an object without fields', z.object({}), { id: '7' }, 'It has no fields.'],
  ] as const)('for a field that there is not would be for ever: of %s', async (_, schema, match, hint) => {
    const playbook = waits(schema, match)
    const keelson = await open(store(), { playbooks: [playbook] })
    const run = await keelson.start(playbook, {}, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('event told has no field') as string,
      hint,
    })
  })

  it.each([
    ['its own', paid, { invoice: '7', cents: 1 }],
    ['one of either', paid.or(z.object({ refund: z.string() })), { refund: '7' }],
    ['one that is left undefined', paid, { invoice: '7', id: undefined }],
    ['any of a loose object', none, { id: '7' }],
    ['any of what may be a loose object', paid.or(none), { id: '7' }],
    ['any of a record', z.record(z.string(), z.string()), { id: '7' }],
    ['any where nobody knows', z.json(), { id: '7' }],
  ] as const)('takes a field: %s', async (_, schema, match) => {
    const playbook = waits(schema, match)
    const keelson = await open(store(), { playbooks: [playbook] })
    await keelson.start(playbook, {}, { id: 'r' })
    await keelson.quiet()
    expect(await keelson.why('r')).toContain('event told')
  })

  const kinds = z.object({
    who: z.string().min(2),
    n: z.int().optional(),
    how: z.enum(['card', 'cash']),
    lang: z.literal(['en', 'de']).default('en'),
    both: z.union([z.string(), z.number()]),
    note: z.string().nullable().readonly(),
    on: z.codec(z.string(), z.number(), { decode: Number, encode: String }),
    late: z.string().pipe(z.coerce.number()),
    tags: z.array(z.string()),
    at: z.object({ x: z.number() }).optional(),
    any: z.unknown(),
    odd: z.custom<string>((value) => typeof value === 'string'),
    fine: z.coerce.number(),
    tree: z.lazy(() => z.string()),
  })

  it.each([
    ['a number for a text', kinds, { who: 7 }, '"who" with 7: it is a text in'],
    ['a text for a number that may be none', kinds, { n: '7' }, '"n" with "7": it is a number in'],
    ['nothing for what may be left out', kinds, { n: null }, '"n" with null: it is a number in'],
    ['none of a list', kinds, { how: 'cheque' }, '"how" with "cheque": it is "card" or "cash" in'],
    ['none of some literals', kinds, { lang: 'fr' }, '"lang" with "fr": it is "en" or "de" in'],
    ['none of several types', kinds, { both: true }, '"both" with true: it is a text or a number in'],
    ['a list for a text that may be null', kinds, { note: ['x'] }, '"note" with a list: it is a text in'],
    ['what is decoded, and stored as a text', kinds, { on: 7 }, '"on" with 7: it is a text in'],
    ['what a pipe takes, and does not give', kinds, { late: '7' }, '"late" with "7": it is a number in'],
    ['a text for a list', kinds, { tags: 'x' }, '"tags" with "x": it is a list in'],
    ['a text for an object', kinds, { at: 'x' }, '"at" with "x": it is an object in'],
    ['what is coerced, and stored as a number', kinds, { fine: '7' }, '"fine" with "7": it is a number in'],
    [
      'what neither of two objects has',
      paid.or(z.object({ invoice: z.null() })),
      { invoice: 7 },
      '"invoice" with 7: it is a text or null in',
    ],
    ['what one of two objects has as another type', paid.or(none.strict()), { cents: '7' }, 'it is a number in'],
  ] as const)('for a value that there never is would be for ever: %s', async (_, schema, match, said) => {
    const playbook = waits(schema, match)
    const keelson = await open(store(), { playbooks: [playbook] })
    const run = await keelson.start(playbook, {}, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining(said) as string,
      hint: expect.stringContaining('never end') as string,
    })
  })

  it.each([
    ['one of its type, whatever checks in code say', kinds, { who: 'a', n: 1.5, odd: 7, any: 7, tree: 7 }],
    ['one of a list', kinds, { how: 'cash', lang: 'de' }],
    ['one of either type', kinds, { both: 7 }],
    ['null where it may be', kinds, { note: null }],
    ['one as it is stored', kinds, { on: '7', late: 7, fine: 7, tags: ['x'], at: { x: 7 } }],
    ['any of a loose object', none, { id: 7 }],
    ['what one of two objects has', paid.or(z.object({ invoice: z.number() })), { invoice: 7 }],
    ['what only a loose one of two objects may have', paid.or(none), { invoice: 7 }],
  ] as const)('takes a value: %s', async (_, schema, match) => {
    const playbook = waits(schema, match)
    const keelson = await open(store(), { playbooks: [playbook] })
    await keelson.start(playbook, {}, { id: 'r' })
    await keelson.quiet()
    expect(await keelson.why('r')).toContain('event told')
  })

  it('takes a value of another type of an event that had another shape: one of that may be there', async () => {
    const older = defineEvent({ name: 'told', schema: z.object({ id: z.number() }) })
    const schema: z.ZodType<object> = z.object({ id: z.string() })
    const newer = defineEvent({ name: 'told', version: 2, schema, upcast: { 2: () => ({ id: '7' }) } })
    const playbook = code((ctx) => ctx.waitFor(newer, { match: { id: 7 }, since: 0 }))
    const keelson = await open(store(), { playbooks: [playbook], events: [newer] })
    await keelson.send(older, { id: 7 }, { id: 'e' })
    expect(await (await keelson.start(playbook, {}, { id: 'r' })).result()).toEqual({ id: '7' })
  })

  it.each([
    ['its field went', z.object({ id: z.string() }), { id: '7' }],
    ['its field took another type', z.object({ cents: z.string() }), { cents: '7' }],
  ] as const)('that was open before %s goes on to its end', async (_, schema, match) => {
    const data = store()
    const before = waits(schema, match)
    const old = await open(data, { playbooks: [before] })
    await old.start(before, {}, { id: 'r' })
    await old.quiet()
    await old.stop()
    const keelson = await open(data, { playbooks: [waits(paid, match)] })
    await keelson.quiet()
    expect(await keelson.why('r')).toContain('event told')
  })
})

describe('a verb of the entities of a workspace', () => {
  it('refuses what it does not have, and writes nothing', async () => {
    const keelson = await open(store(), { playbooks: [], entities: [Note] })
    const notes = keelson.entities(Note)
    const created = notes.create({ name: 'x' }, { reasn: 'why' } as never)
    await expect(created).rejects.toMatchObject({ code: 'INPUT_INVALID', hint: 'Did you mean "reason"?' })
    expect((await notes.list()).entities).toEqual([])
    const { id } = await notes.create({ name: 'x' })
    await expect(notes.update(id, { name: 'y', nmae: 'z' } as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    expect(await notes.get(id)).toMatchObject({ version: 1, data: { name: 'x' } })
    expect(await notes.update(id, { name: 'y', nmae: undefined } as never)).toMatchObject({ version: 2 })
  })

  it('takes any field where any may be', async () => {
    const Any = defineEntity({ name: 'any', version: 1, schema: z.looseObject({ name: z.string() }) })
    const keelson = await open(store(), { playbooks: [], entities: [Any] })
    const { id } = await keelson.entities(Any).create({ name: 'x' })
    expect(await keelson.entities(Any).update(id, { more: 1 })).toMatchObject({ data: { name: 'x', more: 1 } })
  })
})

describe('what a run has begun before its options were looked at', () => {
  const ways: readonly [
    what: string,
    right: (ctx: Loose) => Promise<unknown>,
    wrong: (ctx: Loose) => Promise<unknown>,
  ][] = [
    ['a step', (ctx) => ctx['step']!('a', () => 1), (ctx) => ctx['step']!('a', () => 1, { retry: { attempts: 0 } })],
    [
      'branches',
      (ctx) => ctx['all']!([1, 2], String, (own: Loose) => own['step']!('a', () => 1)),
      (ctx) => ctx['all']!([1, 2], String, (own: Loose) => own['step']!('a', () => 1), { atOnce: 1.5 }),
    ],
    [
      'a question',
      (ctx) => ctx['ask']!('When?', { answer: z.object({ at: z.string().optional() }) }),
      (ctx) => ctx['ask']!('When?', { answer: z.object({ at: z.date().optional() }) }),
    ],
  ]

  it.each(ways)('goes on: %s', async (_, right, wrong) => {
    const builds = [right, wrong].map((way) =>
      code(async (ctx) => {
        await way(ctx as unknown as Loose)
        return (await ctx.waitFor(told))?.by
      }),
    )
    const data = store()
    const before = await open(data, { playbooks: [builds[0]!], events: [told] })
    const run = await before.start(builds[0]!, {}, { id: 'r' })
    const waiting = async (): Promise<string | undefined> => {
      const [item] = (await before.inbox.list()).items
      if (item?.kind === 'question') await before.inbox.decide(item.id, { by: me, hash: item.hash, answer: {} })
      return JSON.stringify(await run.status())
    }
    await expect.poll(waiting).toContain('"kind":"event"')
    await before.stop({ withinMs: 100 })
    const now = await open(data, { playbooks: [builds[1]!], events: [told] })
    await now.send(told, { by: 'ada' }, { id: 'e' })
    expect(await now.runs.get('r').result({ timeout: '5s' })).toBe('ada')
  })
})

describe('a Date that a run sleeps until', () => {
  const at = '2026-01-02T03:04:05.678Z'
  /** As a machine of some zone prints it. */
  const dateIn = (zone: string): Date => Object.assign(new Date(at), { toString: () => `2 Jan 2026 03:04:05 ${zone}` })
  const sleeps = (until: unknown) =>
    code(async (ctx) => {
      await ctx.sleep({ until } as never)
      return (await ctx.waitFor(told))?.by
    })
  const slept = async (first: unknown, then: unknown, look: (story: string) => void): Promise<unknown> => {
    const data = store()
    const playbook = sleeps(first)
    const before = await open(data, { playbooks: [playbook], events: [told] })
    await before.start(playbook, {}, { id: 'r' })
    await expect.poll(async () => (await before.audit.story('r')).join('\n')).toContain('waits for')
    look((await before.audit.story('r')).join('\n'))
    await before.stop({ withinMs: 100 })
    const now = await open(data, { playbooks: [sleeps(then)], events: [told] })
    await now.send(told, { by: 'ada' }, { id: 'e' })
    return now.runs.get('r').result({ timeout: '5s' })
  }

  it('is the same on a machine in another zone, to the millisecond', async () => {
    const story = (text: string): void => expect(text).toContain(`sleeps until ${at}`)
    expect(await slept(dateIn('GMT+0000'), dateIn('UTC'), story)).toBe('ada')
  })

  it('is the one that it was where a run sleeps since before it was taken for one', async () => {
    const printed = '2026-01-02T03:04:05Z' // without what it has of a second
    const date = Object.assign(new Date(at), { toString: () => printed })
    expect(await slept(printed, date, () => {})).toBe('ada')
  })
})

describe('a name of actions that nobody here has', () => {
  const mail = action({
    ...{ name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' }, input: z.object({}) },
    ...{ output: z.object({}), run: () => ({ output: {} }) },
  })
  const told = async (options: object): Promise<unknown[]> => {
    const warned: unknown[] = []
    const warn = ({ hint }: { hint?: string }, said?: string) => void warned.push([said, hint])
    const log = { info: () => {}, warn, error: () => {} }
    await open(store(), { playbooks: [], actions: [mail], ...options, log: log })
    return warned
  }
  const limit = { calls: 1 }

  it('is told of where it is a slip away from one that is here', async () => {
    const budgets = [defineBudget({ name: 'mails', on: ['mial.*', 'agnet.*'], limit })]
    const rates = [{ on: ['mail.sned'], count: 1, per: '1h' as const }]
    const clerk = definePersona({ name: 'clerk', may: ['mial.send'], rates })
    const may = (one: string) => `persona clerk names "${one}", and nothing here is called so`
    expect(await told({ budgets, personas: [clerk] })).toEqual([
      ['budget mails names "mial.*", and nothing here is called so', 'Did you mean "mail.*"?'],
      ['budget mails names "agnet.*", and nothing here is called so', 'Did you mean "agent.*"?'],
      [may('mial.send'), 'Did you mean "mail.send"?'],
      [may('mail.sned'), 'Did you mean "mail.send"?'],
    ])
  })

  it('is not where another process may have it', async () => {
    const budgets = [
      defineBudget({ name: 'all', on: ['*', 'mail.*', 'mail.send', 'bank.*', 'agent.writer', 'agent.w'], limit }),
    ]
    const clerk = definePersona({ name: 'clerk', may: ['bank.pay', 'mail.receive'] })
    expect(await told({ budgets, personas: [clerk] })).toEqual([])
  })
})

describe('whoever listens', () => {
  it('is told of an event that there is not, and of what is no listener', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const on = keelson.on as (...given: unknown[]) => unknown
    for (const [given, says] of [
      [['run.setled', () => {}], 'the event of on() is "run.setled"'],
      [[undefined, () => {}], 'the event of on() is not said'],
      [['run.settled'], 'on("run.settled") was given undefined in place of a listener'],
    ] as const)
      expect(() => on(...given)).toThrow(says)
    expect(() => on('run.setled', () => {})).toThrow(expect.objectContaining({ hint: 'Did you mean "run.settled"?' }))
  })
})
