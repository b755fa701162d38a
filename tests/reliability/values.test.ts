/** Reliability 28 and 29: values that storage would change silently are typed errors at the moment of return. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineEntity,
  defineEvent,
  definePlaybook,
  KeelsonError,
  policy,
  type Conductor,
  type Context,
} from '@keelson/core'
import { exploreCrashes, manualClock, testConductor, type Harness } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic
const deep = (levels: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}
const polluted: unknown = JSON.parse('{"a":{"__proto__":{"isAdmin":true}}}')

const REFUSED: readonly [string, unknown, string][] = [
  ['NaN', { a: [Number.NaN] }, '$.a[0]'],
  ['Infinity', { a: Infinity }, '$.a'],
  ['a Date', { at: new Date(0) }, '$.at'],
  ['a Map', { m: new Map() }, '$.m'],
  ['a Set', new Set([1]), '$'],
  ['a bigint', { n: 1n }, '$.n'],
  ['a function', { f: () => 1 }, '$.f'],
  ['a symbol', { s: Symbol('x') }, '$.s'],
  ['undefined in an array', [1, undefined], '$[1]'],
  ['a cycle', cyclic, '$.self'],
  ['half a surrogate pair', { text: 'a\ud800' }, '$.text'],
  ['half a surrogate pair in a key', { ['\udc00']: 1 }, '$.'],
  ['a class instance', { e: new (class Thing {})() }, '$.e'],
  ['a Buffer', { b: Buffer.from('x') }, '$.b'],
  ['a key __proto__', polluted, '$.a.__proto__'],
  ['65 levels', deep(66), '$'],
  ['100,000 levels', deep(100_000), '$'],
  ['more than 1 MiB', 'x'.repeat(1_048_577), '$'],
]

describe('a step', () => {
  it.each(REFUSED)('#29 cannot return %s: a typed error names the path', async (_what, value, path) => {
    const playbook = code(async (ctx) => {
      try {
        await ctx.step('bad', () => value as never)
        return 'stored'
      } catch (error) {
        if (!KeelsonError.is(error, 'VALUE_NOT_STORABLE')) throw error
        return `refused at ${error.data['path'] as string}`
      }
    })
    const conductor = await open(store(), { playbooks: [playbook] })
    const run = await conductor.start(playbook, {}, { id: 'r' })
    expect(await run.result()).toContain(`refused at ${path}`)
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it('returns what storage keeps: undefined keys left out, -0 as 0, frozen through and through', async () => {
    let frozen = false
    const playbook = code(async (ctx) => {
      const value = (await ctx.step('x', () => ({ b: 1, a: undefined, z: [-0, { deep: true }] }))) as unknown as {
        z: object[]
      }
      frozen = Object.isFrozen(value) && Object.isFrozen(value.z) && Object.isFrozen(value.z[1])
      return value
    })
    const conductor = await open(store(), { playbooks: [playbook] })
    const result = await (await conductor.start(playbook, {}, { id: 'r' })).result()
    expect(result).toEqual({ b: 1, z: [0, { deep: true }] })
    expect(Object.is((result as { z: number[] }).z[0], 0)).toBe(true)
    expect(frozen).toBe(true)
  })

  it('returns nothing as nothing, live and in replay', async () => {
    const seen: unknown[] = []
    const playbook = code(async (ctx) => {
      seen.push(await ctx.step('void', () => undefined as never))
      await ctx.sleep('0s')
      return 'ok'
    })
    const conductor = await open(store(), { playbooks: [playbook] })
    await (await conductor.start(playbook, {}, { id: 'r' })).result()
    expect(new Set(seen)).toEqual(new Set([undefined]))
  })

  it('keeps text with NUL, quotes and every plane of Unicode', async () => {
    const text = 'a\0b"\'\u2028\u202e😀\u{10ffff}'
    const playbook = code(async (ctx) => ctx.step('x', () => text))
    const conductor = await open(store(), { playbooks: [playbook] })
    expect(await (await conductor.start(playbook, {}, { id: 'r' })).result()).toBe(text)
  })
})

describe('an input', () => {
  const strict = definePlaybook({
    name: 'strict',
    version: 1,
    input: z.object({ n: z.int() }),
    output: z.object({}),
    run: async () => ({}),
  })

  it.each([
    ['a wrong shape', { n: 'x' }, 'INPUT_INVALID'],
    ['NaN', { n: Number.NaN }, 'VALUE_NOT_STORABLE'],
    ['a polluting key', JSON.parse('{"n":1,"__proto__":{"isAdmin":true}}') as object, 'VALUE_NOT_STORABLE'],
  ])('with %s is refused before anything is stored', async (_what, input, errorCode) => {
    const conductor = await open(store(), { playbooks: [strict] })
    await expect(conductor.start(strict, input as never, { id: 'r' })).rejects.toMatchObject({ code: errorCode })
    await expect(conductor.why('r')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it.each(['', 'a\0b', 'x'.repeat(513), '\ud800'])('with the run id %j is refused', async (id) => {
    const conductor = await open(store(), { playbooks: [strict] })
    await expect(conductor.start(strict, { n: 1 }, { id })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('started again under the same id is the same run; with another input it is a mistake', async () => {
    const conductor = await open(store(), { playbooks: [strict] })
    await (await conductor.start(strict, { n: 1 }, { id: 'r' })).result()
    expect(await (await conductor.start(strict, { n: 1 }, { id: 'r' })).result()).toEqual({})
    await expect(conductor.start(strict, { n: 2 }, { id: 'r' })).rejects.toMatchObject({ code: 'RUN_EXISTS' })
  })
})

const told = defineEvent({ name: 'told', schema: z.record(z.string(), z.json()) })
const free = action({
  name: 'note.write',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.record(z.string(), z.json()),
  output: z.record(z.string(), z.json()),
  run: async (input) => ({ output: input }),
})
const Thing = defineEntity({ name: 'thing', version: 1, schema: z.looseObject({ name: z.string() }) })
const anything = definePlaybook({
  name: 'anything',
  version: 1,
  input: z.record(z.string(), z.json()),
  output: z.json(),
  run: async (_, input) => input,
})

const asks = code(async (ctx) => ctx.act(free, { name: 'n' }))

/** Each way in for a value from outside. */
const WAYS: readonly [string, (value: object, k: Conductor, ctx: Context) => Promise<unknown>][] = [
  ['the input of a run', (value, k) => k.start(anything, value as never, { id: 'i' }).then((run) => run.result())],
  ['the outcome of a step', (value, _, ctx) => ctx.step('s', () => value as never)],
  [
    'the payload of an event',
    (value, k, ctx) => k.send(told, value as never, { id: 'e' }).then(() => ctx.waitFor(told)),
  ],
  ['the input of an action', (value, _, ctx) => ctx.act(free, value as never)],
  ['the input of a child', (value, _, ctx) => ctx.call(anything, value as never)],
  ['a record', (value, _, ctx) => ctx.entities(Thing).create(value as never)],
  ['a memory', (value, _, ctx) => ctx.memory.remember({ subject: 's', predicate: 'is', value } as never)],
  ['settings', (value, k) => k.configure(value, { by: me })],
]

describe('#28 a key that JavaScript treats specially', () => {
  const inside = async (way: (typeof WAYS)[number][1], key: string): Promise<unknown> => {
    const playbook = code(async (ctx) => {
      const value = JSON.parse(`{"name":"n","${key}":{"isAdmin":true}}`) as object
      return way(value, conductor, ctx).then(
        (kept) => `kept: ${JSON.stringify(kept)}`,
        (error: unknown) => (KeelsonError.is(error) ? error.code : String(error)),
      )
    })
    const conductor: Conductor = await open(store(), {
      playbooks: [playbook, anything],
      actions: [free],
      entities: [Thing],
      policy: policy([policy.rule('free', { on: [free] }, () => policy.allow())]),
    })
    return (await conductor.start(playbook, {}, { id: 'r' })).result()
  }

  it.each(WAYS)('__proto__ in %s is refused, and no global is changed', async (_, way) => {
    expect(await inside(way, '__proto__')).toBe('VALUE_NOT_STORABLE')
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it('is refused in what a person answers or edits, naming the path', async () => {
    const t = await testConductor({ playbooks: [asks], actions: [free] })
    await t.start(asks, {})
    const [item] = (await t.inbox.list()).items
    const edit = JSON.parse('{"name":"n","deep":[{"__proto__":{"isAdmin":true}}]}') as object
    const decided = await t.inbox.decide(item!.id, { hash: item!.hash, by: me, edit: edit as never })
    expect(decided).toMatchObject({ status: 'refused', why: 'invalid' })
    expect((decided as { message: string }).message).toContain('deep[0].__proto__')
  })

  it('is left out of what an action answers: an outsider decides what that has, and nobody whether it happened', async () => {
    const answered = action({
      ...{ name: 'web.get', effect: 'read', input: z.object({}), output: z.looseObject({}) },
      run: () => ({ output: JSON.parse('{"a":1,"__proto__":{"isAdmin":true}}') as Record<string, unknown> }),
    })
    const reads = code(async (ctx) => ctx.act(answered, {}))
    const t = await testConductor({ playbooks: [reads], actions: [answered] })
    expect(await (await t.start(reads, {})).result()).toEqual({ a: 1 })
  })

  it.each(WAYS.flatMap(([what, way]) => ['constructor', 'prototype'].map((key) => [key, what, way] as const)))(
    '%s in %s is a key like any other, and no global is changed',
    async (key, _, way) => {
      expect(await inside(way, key)).toMatch(/^kept/)
      expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
      expect((Object as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    },
  )

  it.each(['__proto__', 'constructor', 'prototype', 'toString'])(
    '%s is a name like any other: of a playbook, a run, a step, a branch, an event and a workspace',
    async (name) => {
      const own = name.startsWith('_') ? 'plain' : name // such a name is refused where it is defined
      const event = defineEvent({ name: own, schema: z.object({}) })
      const playbook = code(
        async (ctx) => {
          await ctx.waitFor(event)
          const branches = await ctx.all([name], String, (each) => each.step(name, () => name))
          return [await ctx.step(name, () => name), ...branches]
        },
        { name: own },
      )
      const conductor = await open(store(), { playbooks: [playbook] })
      const company = conductor.workspace(name)
      const run = await company.start(playbook, {}, { id: name })
      await company.send(event, {}, { id: name })
      expect(await run.result()).toEqual([name, name])
      expect(await company.audit.verify()).toMatchObject({ ok: true })
    },
  )
})

describe('a codec', () => {
  it('is stored encoded and handed out decoded; a one-way transform is refused at definition', async () => {
    const when = z.codec(z.iso.datetime(), z.date(), {
      decode: (text) => new Date(text),
      encode: (date) => date.toISOString(),
    })
    const playbook = definePlaybook({
      name: 'dated',
      version: 1,
      input: z.object({}),
      output: z.object({ at: when }),
      run: async () => ({ at: '2026-11-22T00:00:00.000Z' }),
    })
    const conductor = await open(store(), { playbooks: [playbook] })
    const result = await (await conductor.start(playbook, {}, { id: 'r' })).result()
    expect(result.at).toEqual(new Date('2026-11-22T00:00:00.000Z'))
    const oneWay = {
      name: 'x',
      version: 1,
      input: z.object({}),
      output: z.string().transform((text) => text.length),
      run: async () => 'x',
    }
    expect(() => definePlaybook(oneWay)).toThrow(expect.objectContaining({ code: 'DEFINITION_INVALID' }) as Error)
  })
})

describe('an answer', () => {
  const early = z.object({ day: z.iso.date().refine((day) => day < '2026-02', 'that is too late') })
  const when = code(async (ctx) => {
    const first = await ctx.ask('When?', { answer: early })
    const second = await ctx.ask('And then?', { answer: early })
    return [first.day, second.day]
  })
  const answers = async (t: Harness) => {
    const run = await t.start(when, {}, { id: 'r' })
    await t.answer({ day: '2026-07-01' }, { question: 'When?' })
    const [asked] = (await t.host((keelson) => keelson.inbox.list())).items
    await t.answer({ day: '2026-01-02' }, { question: 'When?' })
    await t.answer({ day: '2026-01-03' }, { question: 'And then?' })
    return [await run.result(), (asked?.preview as { after?: string } | undefined)?.after]
  }

  it('that only the schema knows to be wrong is asked for anew, saying why, wherever the process dies', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        const [result, shown] = await answers(t)
        expect(result).toEqual(['2026-01-02', '2026-01-03'])
        expect(shown).toContain('that is too late')
        return result
      },
      { harness: () => ({ playbooks: [when] }) },
    )
    expect(explored.points).toBeGreaterThan(20)
    const replayed = await testConductor({ playbooks: [when], alwaysReplay: true })
    expect((await answers(replayed))[0]).toEqual(['2026-01-02', '2026-01-03'])
    await replayed.stop()
  })

  it('is decoded by a codec, live and in replay', async () => {
    const date = z.codec(z.iso.datetime(), z.date(), {
      decode: (text) => new Date(text),
      encode: (at) => at.toISOString(),
    })
    const dated = code(async (ctx) => {
      const at = await ctx.ask('When?', { answer: date })
      await ctx.sleep('1d')
      return at.getTime()
    })
    const t = await testConductor({ playbooks: [dated] })
    const run = await t.start(dated, {})
    await t.answer('2026-01-01T00:00:00.000Z')
    await t.crash()
    await t.advance('1d')
    expect(await run.result()).toBe(Date.UTC(2026, 0, 1))
    await t.stop()
  })
})

describe('what code draws, reads off the clock and says', () => {
  it('is the same on every replay although its steps draw, too; each try of a step draws its own, again after a crash', async () => {
    const outside: unknown[][] = []
    const inside: unknown[] = []
    const draws = code(async (ctx) => {
      const mine: unknown[] = []
      outside.push(mine)
      const tries = await Promise.all(
        ['a', 'b'].map((name) =>
          ctx.step(
            name,
            ({ attempt }) => {
              const had = [ctx.id(), ctx.random(), ctx.id()]
              inside.push(...had)
              if (attempt === 1) throw new Error('again')
              return had
            },
            { retry: { first: '1s' } },
          ),
        ),
      )
      mine.push(ctx.id(), ctx.random())
      await ctx.sleep('1h')
      mine.push(ctx.id(), ctx.random())
      return [...tries.flat(), ...mine]
    })
    const told = async (crash: boolean): Promise<unknown> => {
      const t = await testConductor({ playbooks: [draws] })
      const run = await t.start(draws, {}, { id: 'r' })
      await t.settle()
      if (crash) await t.crash()
      await t.advance('2s')
      if (crash) await t.crash()
      await t.advance('1h')
      const result = await run.result()
      await t.stop()
      return result
    }
    const result = (await told(false)) as unknown[]
    expect(new Set(result).size).toBe(10)
    expect(new Set(inside).size).toBe(12)
    expect(outside.length).toBeGreaterThan(1)
    for (const mine of outside) expect(mine).toEqual(result.slice(6, 6 + mine.length))
    expect(await told(true)).toEqual(result)
  })

  it('is the same on every replay; the log speaks once', async () => {
    const drawn: unknown[][] = []
    const draws = code(async (ctx) => {
      const mine: unknown[] = []
      drawn.push(mine)
      for (const turn of [1, 2, 3]) {
        mine.push(ctx.random(), ctx.id(), ctx.now())
        ctx.log.info({}, `turn ${turn}`)
        const slept = ctx.sleep('1h')
        ctx.log.info({}, `turn ${turn} sleeps`)
        await slept
      }
      const branches = await ctx.all([1, 2], String, async (each) => [each.random(), each.id()])
      mine.push(...branches.flat())
      ctx.log.info({}, 'turn over')
      return mine
    })
    const lines: string[] = []
    const log = { info: (_: object, text = '') => void lines.push(text), warn: () => {}, error: () => {} }
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const conductor = await open(store(), { playbooks: [draws], clock, log })
    const run = await conductor.start(draws, {}, { id: 'r' })
    for (let hours = 0; hours < 3; hours++) {
      await conductor.quiet()
      // A pass in which nothing is new.
      await conductor.runs.pause('r', { by: me, reason: 'lunch' })
      await conductor.runs.resume('r', { by: me })
      await conductor.quiet()
      clock.to(clock.now() + 3_600_000)
    }
    const result = (await run.result()) as unknown[]
    expect(drawn.length).toBeGreaterThanOrEqual(4)
    for (const mine of drawn) expect(mine).toEqual(result.slice(0, mine.length))
    expect(new Set(result).size).toBe(result.length)
    expect(lines.filter((line) => line.startsWith('turn'))).toEqual(
      [1, 2, 3].flatMap((n) => [`turn ${n}`, `turn ${n} sleeps`]).concat('turn over'),
    )
  })
})
