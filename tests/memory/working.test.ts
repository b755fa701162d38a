/** Working memory: kept while the run goes on, in whatever journal; gone with it; of one shape, or of another by an upcaster. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { definePlaybook, type Context, type Upcast } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import { code } from '../support/open.ts'

const shape = { tries: z.number(), plan: z.string() }
const rounds = definePlaybook({
  name: 'rounds',
  version: 1,
  input: z.object({ round: z.int() }),
  output: z.json(),
  async run(ctx, { round }) {
    const notes = ctx.memory.working(shape)
    const before = notes.get('tries') ?? 0
    if (round === 1) await notes.set('plan', 'call first')
    await ctx.sleep('1m')
    if (round === 3) {
      const { text } = await ctx.memory.context({ task: 'call', budgetTokens: 200 })
      return { tries: before, plan: notes.get('plan') ?? '', shown: text.includes('call first') }
    }
    await notes.set('tries', before + 1)
    return ctx.continueAsNew({ round: round + 1 })
  },
})

async function ends(t: Harness): Promise<unknown> {
  const run = await t.start(rounds, { round: 1 }, { id: 'r' })
  await t.advance('3m')
  return run.result()
}

describe('working memory', () => {
  it('goes on with a run that continues as new, and into no other', async () => {
    const t = await testConductor({ playbooks: [rounds] })
    expect(await ends(t)).toEqual({ tries: 2, plan: 'call first', shown: true })
    const other = await t.start(rounds, { round: 3 }, { id: 'other' })
    await t.advance('1m')
    expect(await other.result()).toEqual({ tries: 0, plan: '', shown: false })
    expect(await t.keelson.memory.recall('call first')).toEqual([])
    await t.stop()
  })

  it('is carried over once, wherever a process dies', async () => {
    const { schedules } = await exploreCrashes(
      async (t) => {
        expect(await ends(t)).toEqual({ tries: 2, plan: 'call first', shown: true })
        expect((await t.keelson.audit.verify()).faults).toEqual([])
      },
      { harness: () => ({ playbooks: [rounds] }), depth: 2, limit: 150 },
    )
    expect(schedules).toBeGreaterThan(20)
  })

  it('carries what was set though nobody waited for it, also in a branch', async () => {
    const hasty = definePlaybook({
      name: 'hasty',
      version: 1,
      input: z.object({ round: z.int() }),
      output: z.json(),
      async run(ctx, { round }) {
        const notes = ctx.memory.working({ a: z.number(), b: z.number() })
        if (round === 2) return [notes.get('a') ?? null, notes.get('b') ?? null]
        await ctx.all(['x'], String, (branch) => branch.memory.working({ a: z.number() }).set('a', 1))
        void notes.set('b', 1)
        return ctx.continueAsNew({ round: 2 })
      },
    })
    const { schedules } = await exploreCrashes(
      async (t) => {
        const run = await t.start(hasty, { round: 1 }, { id: 'r' })
        await t.settle()
        expect(await run.result()).toEqual([1, 1])
      },
      { harness: () => ({ playbooks: [hasty] }) },
    )
    expect(schedules).toBeGreaterThan(5)
  })
})

const days = z.object({ days: z.int() })
const weeks = z.object({ weeks: z.int() })

/** Round 1 sets two values; the code of another version reads them in round 2, which that begins as. */
function shaped(version: number, read: (ctx: Context) => unknown) {
  return definePlaybook({
    name: 'shaped',
    version,
    input: z.object({ round: z.int() }),
    output: z.json(),
    async run(ctx, { round }) {
      if (round === 2) return read(ctx) as null
      await ctx.memory.working({ term: days, who: z.string() }).set('term', { days: 14 })
      await ctx.memory.working({ term: days, who: z.string() }).set('who', 'Ada')
      await ctx.sleep('1m')
      return ctx.continueAsNew({ round: 2 })
    },
  })
}
const first = shaped(1, () => null)
const toWeeks: Upcast = ({ term, ...rest }) => ({ ...rest, term: { weeks: (term as { days: number }).days / 7 } })
const reading = (upcast?: { [version: number]: Upcast }, version = 2) =>
  shaped(2, (ctx) => {
    const options = upcast === undefined ? { version } : { version, upcast }
    const notes = ctx.memory.working({ term: weeks, who: z.string() }, options)
    return [notes.get('term'), notes.get('who')]
  })

describe('values of an older shape', () => {
  async function continued(next: ReturnType<typeof shaped>) {
    const t = await testConductor({ playbooks: [first, next] })
    const run = await t.start(first, { round: 1 }, { id: 'r' })
    await t.advance('1m')
    return { t, run }
  }

  it('become what they are now by an upcaster', async () => {
    const { t, run } = await continued(reading({ 2: toWeeks }))
    expect(await run.result()).toEqual([{ weeks: 2 }, 'Ada'])
    await t.stop()
  })

  it.each([
    ['without an upcaster', reading(), 'no way from there to version 2'],
    ['with one that throws', reading({ 2: () => JSON.parse('{') as never }), 'upcaster'],
    ['with one that makes what does not fit', reading({ 2: (old) => old }), 'does not fit its schema'],
    ['that is not said to be older', reading(undefined, 1), 'does not fit its schema'],
  ])('hold the run %s, and lose nothing', async (_, next, text) => {
    const { t, run } = await continued(next)
    expect(await run.status()).toMatchObject({
      state: 'waiting',
      for: [{ kind: 'version', what: expect.stringContaining(text) }],
    })
    expect((await t.keelson.inbox.list()).items).toHaveLength(1)
    await t.stop()
  })

  it('hold the run in code that is older than they are', async () => {
    const newer = definePlaybook({
      name: 'shaped',
      version: 1,
      input: z.object({ round: z.int() }),
      output: z.json(),
      async run(ctx) {
        await ctx.memory.working({ term: weeks }, { version: 2, upcast: { 2: toWeeks } }).set('term', { weeks: 2 })
        return ctx.continueAsNew({ round: 2 })
      },
    })
    const t = await testConductor({ playbooks: [newer, reading(undefined, 1)] })
    const run = await t.start(newer, { round: 1 }, { id: 'r' })
    await t.settle()
    const what = expect.stringContaining('this code knows 1')
    expect(await run.status()).toMatchObject({ state: 'waiting', for: [{ kind: 'version', what }] })
    await t.stop()
  })
})

/** A number of its own kind, as libraries of decimals make them: with functions of its own. */
class Decimal {
  readonly text: string
  readonly plus = (n: number): string => this.text + n

  constructor(text: string) {
    this.text = text
  }
}

it('hands out what a codec made, with the functions that it has', async () => {
  const decimal = z.codec(z.string(), z.instanceof(Decimal), {
    decode: (text) => new Decimal(text),
    encode: ({ text }) => text,
  })
  const seen: unknown[] = []
  const notes = code(async (ctx) => {
    const working = ctx.memory.working({ sum: decimal })
    await working.set('sum', '12')
    seen.push(working.get('sum'))
  })
  const t = await testConductor({ playbooks: [notes] })
  await (await t.start(notes, {})).result()
  expect(seen[0]).toBeInstanceOf(Decimal)
  expect((seen[0] as Decimal).plus(3)).toBe('123')
  await t.stop()
})
