/** Code edits against running histories: a run goes on or is held with a readable difference; never wrong, never failed. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook, type Changes, type ConductorOptions, type Context } from '@keelson/core'
import { code, me, open, store } from './support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })
const other = defineEvent({ name: 'other', schema: z.object({}) })

type Code = (ctx: Context, did: string[]) => Promise<unknown>

const step = (ctx: Context, did: string[], name: string, value: unknown = name): Promise<unknown> =>
  ctx.step(name, () => {
    did.push(name)
    return value as string
  })

const before: Code = async (ctx, did) => {
  const a = await step(ctx, did, 'a')
  const b = await step(ctx, did, 'b')
  await ctx.waitFor(go)
  const c = await step(ctx, did, 'c')
  return [a, b, c]
}

/** What a conductor with this code says of the run before it takes work. */
async function rehearsed(data: ReturnType<typeof store>, playbooks: ConductorOptions['playbooks']) {
  const idle = await open(data, { playbooks, work: false })
  const entries = await idle.workspace('default').rehearse()
  await idle.stop()
  return entries.runs.find(({ run }) => run === 'r')!
}

/** Runs `old` until it parks, then goes on with `edited` in another conductor. */
async function afterEdit(old: Code, edited: Code, changes?: Changes) {
  const data = store()
  const did: string[] = []
  const oldPlaybook = code((ctx) => old(ctx, did))
  const first = await open(data, { playbooks: [oldPlaybook] })
  await first.start(oldPlaybook, {}, { id: 'r' })
  await first.quiet()
  await first.stop()
  did.length = 0
  const playbooks = [code((ctx) => edited(ctx, did), changes === undefined ? {} : { changes })]
  const foretold = await rehearsed(data, playbooks)
  expect(did).toEqual([])
  const second = await open(data, { playbooks })
  await second.send(go, {}, { id: 'go' })
  await second.quiet()
  const status = await second.runs.get('r').status()
  const result = status.state === 'completed' ? await second.runs.get('r').result() : undefined
  const why = await second.why('r')
  const held = why.includes('JOURNAL_DIVERGED') ? 'branches' : why.includes('REPLAY_STALLED') ? 'stalls' : 'continues'
  expect(foretold.verdict).toBe(held)
  return { status, result, why, did, conductor: second, data }
}

/** Returns a text, whatever its schema says. */
const returning = (output: z.ZodType) =>
  definePlaybook({
    name: 'work',
    version: 1,
    input: z.object({}),
    output,
    run: async (ctx) => {
      await ctx.waitFor(go)
      return 'text'
    },
  })

describe('a running history', () => {
  it('goes on with the same code', async () => {
    const { result, did } = await afterEdit(before, before)
    expect(result).toEqual(['a', 'b', 'c'])
    expect(did).toEqual(['c'])
  })

  it('goes on when a step is added behind what is recorded', async () => {
    const { result, did } = await afterEdit(before, async (ctx, d) => {
      const all = (await before(ctx, d)) as unknown[]
      return [...all, await step(ctx, d, 'd')]
    })
    expect(result).toEqual(['a', 'b', 'c', 'd'])
    expect(did).toEqual(['c', 'd'])
  })

  it('#15 is held when a step is inserted amid what is recorded', async () => {
    const { status, why, did } = await afterEdit(before, async (ctx, d) => {
      await step(ctx, d, 'a')
      await step(ctx, d, 'new')
      await step(ctx, d, 'b')
      await ctx.waitFor(go)
      return step(ctx, d, 'c')
    })
    expect(status.state).toBe('waiting')
    expect(why).toContain('recorded, but not asked for: "b"')
    expect(why).toContain('asked for, but not recorded: "new"')
    expect(did).toEqual([])
  })

  it('goes on past an inserted step that the version declares', async () => {
    const { result, did } = await afterEdit(
      before,
      async (ctx, d) => {
        const a = await step(ctx, d, 'a')
        const n = await step(ctx, d, 'new')
        const b = await step(ctx, d, 'b')
        await ctx.waitFor(go)
        return [a, n, b, await step(ctx, d, 'c')]
      },
      { inserted: ['new'] },
    )
    expect(result).toEqual(['a', 'new', 'b', 'c'])
    expect(did).toEqual(['new', 'c'])
  })

  it('#15 is held when a step is removed', async () => {
    const { status, why } = await afterEdit(before, async (ctx, d) => {
      await step(ctx, d, 'b')
      await ctx.waitFor(go)
      return step(ctx, d, 'c')
    })
    expect(status.state).toBe('waiting')
    expect(why).toContain('JOURNAL_DIVERGED')
    expect(why).toContain('"a"')
  })

  it('goes on without a removed step that the version declares', async () => {
    const { result } = await afterEdit(
      before,
      async (ctx, d) => {
        const b = await step(ctx, d, 'b')
        await ctx.waitFor(go)
        return [b, await step(ctx, d, 'c')]
      },
      { removed: ['a'] },
    )
    expect(result).toEqual(['b', 'c'])
  })

  it('#15 is held when a step is renamed, and never runs it again under the new name', async () => {
    const { status, why, did } = await afterEdit(before, async (ctx, d) => {
      await step(ctx, d, 'a2')
      await step(ctx, d, 'b')
      await ctx.waitFor(go)
      return step(ctx, d, 'c')
    })
    expect(status.state).toBe('waiting')
    expect(why).toContain('"a2"')
    expect(did).toEqual([])
  })

  it('goes on with a renamed step that the version declares', async () => {
    const { result, did } = await afterEdit(
      before,
      async (ctx, d) => {
        const a = await step(ctx, d, 'a2')
        const b = await step(ctx, d, 'b')
        await ctx.waitFor(go)
        return [a, b, await step(ctx, d, 'c')]
      },
      { renamed: { a: 'a2' } },
    )
    expect(result).toEqual(['a', 'b', 'c'])
    expect(did).toEqual(['c'])
  })

  it('#15 is held when two steps change places', async () => {
    const { status, why } = await afterEdit(before, async (ctx, d) => {
      await step(ctx, d, 'b')
      await step(ctx, d, 'a')
      await ctx.waitFor(go)
      return step(ctx, d, 'c')
    })
    expect(status.state).toBe('waiting')
    expect(why).toContain('JOURNAL_DIVERGED')
  })

  it('is held when what a wait matches has changed', async () => {
    const { status, why } = await afterEdit(
      async (ctx) => Promise.race([ctx.waitFor(other, { timeout: '30d' }), ctx.waitFor(go)]),
      async (ctx) => Promise.race([ctx.waitFor(other, { timeout: '20d' }), ctx.waitFor(go)]),
    )
    expect(status.state).toBe('waiting')
    expect(why).toContain('was recorded with another input')
  })

  it('is held when the same key asks for another kind', async () => {
    const { why } = await afterEdit(
      async (ctx, d) => {
        await step(ctx, d, 'go')
        await ctx.waitFor(go)
      },
      async (ctx) => ctx.waitFor(go),
    )
    expect(why).toContain('was recorded as a step; the code now asks for a wait')
  })

  it('#15 is held when a loop runs fewer times than it did', async () => {
    const loop =
      (times: number): Code =>
      async (ctx, d) => {
        for (let i = 0; i < times; i++) await step(ctx, d, 'turn', i)
        await ctx.waitFor(go)
        return times
      }
    expect((await afterEdit(loop(3), loop(2))).why).toContain('"turn#3"')
  })

  it('is held when a loop runs more often before what is recorded', async () => {
    const loop =
      (times: number): Code =>
      async (ctx, d) => {
        for (let i = 0; i < times; i++) await step(ctx, d, 'turn', i)
        await ctx.waitFor(go)
        return times
      }
    const { why, did } = await afterEdit(loop(2), loop(3))
    expect(why).toContain('"turn#3"')
    expect(did).toEqual([])
  })

  it('is held when the code returns while recorded outcomes were not asked for', async () => {
    const { status, why } = await afterEdit(before, async () => 'early')
    expect(status.state).toBe('waiting')
    expect(why).toContain('the code returned instead')
  })

  it('is held with what the code failed with, where it fails before what is recorded', async () => {
    const { status, why } = await afterEdit(before, () => Promise.reject(new Error('no such table')))
    expect(status.state).toBe('waiting')
    expect(why).toContain('the code failed instead: no such table')
    expect(why).not.toContain('returned')
  })

  it('#15 is held when its stored input no longer fits, and goes on when it does again', async () => {
    const data = store()
    const make = (input: z.ZodType) =>
      definePlaybook({
        name: 'work',
        version: 1,
        input,
        output: z.json(),
        run: async (ctx) => (await ctx.waitFor(go)) && 1,
      })
    const old = make(z.object({ n: z.number() }))
    const first = await open(data, { playbooks: [old] })
    await first.start(old, { n: 1 }, { id: 'r' })
    await first.quiet()
    await first.stop()
    const second = await open(data, { playbooks: [make(z.object({ n: z.string() }))] })
    expect(await rehearsed(data, [make(z.object({ n: z.string() }))])).toMatchObject({ verdict: 'needs-migration' })
    await second.send(go, {}, { id: 'go' })
    await second.quiet()
    expect(await second.why('r')).toContain('JOURNAL_DIVERGED: the input of work does not fit its schema: n')
    expect(await second.inbox.list()).toMatchObject({ items: [{ hint: expect.stringContaining('widen the schema') }] })
    await second.stop()
    const third = await open(data, { playbooks: [make(z.object({ n: z.union([z.number(), z.string()]) }))] })
    expect(await third.runs.get('r').result()).toBe(1)
    expect(await third.inbox.list()).toMatchObject({ items: [] })
  })

  it('is held when its output schema has changed and its result no longer fits, and ends when it does again', async () => {
    const data = store()
    const old = returning(z.string())
    const first = await open(data, { playbooks: [old] })
    await first.start(old, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const second = await open(data, { playbooks: [returning(z.number())] })
    await second.send(go, {}, { id: 'go' })
    await second.quiet()
    expect(await second.why('r')).toContain('JOURNAL_DIVERGED: the result of work does not fit its schema')
    expect(await second.inbox.list()).toMatchObject({ items: [{ hint: expect.stringContaining('add a version') }] })
    await second.stop()
    expect(await rehearsed(data, [returning(z.number())])).toMatchObject({ verdict: 'needs-migration' })
    const third = await open(data, { playbooks: [old] })
    expect(await third.runs.get('r').result()).toBe('text')
    expect(await third.inbox.list()).toMatchObject({ items: [] })
  })

  it('fails when its result does not fit the output schema that it began with, and is mended by a verb', async () => {
    const data = store()
    const wrong = returning(z.number())
    const first = await open(data, { playbooks: [wrong] })
    await first.start(wrong, {}, { id: 'r' })
    await first.send(go, {}, { id: 'go' })
    await expect(first.runs.get('r').result()).rejects.toMatchObject({ code: 'OUTPUT_INVALID' })
    await first.stop()
    const second = await open(data, { playbooks: [returning(z.string())] })
    await second.runs.retry('r', { by: me })
    expect(await second.runs.get('r').result()).toBe('text')
  })

  it('that was held goes on by itself when the old code comes back', async () => {
    const { data, conductor } = await afterEdit(before, async () => 'early')
    await conductor.stop()
    const did: string[] = []
    const again = await open(data, { playbooks: [code((ctx) => before(ctx, did))] })
    expect(await again.runs.get('r').result()).toEqual(['a', 'b', 'c'])
    expect(await again.inbox.list()).toMatchObject({ items: [] })
  })

  it('that was held is moved to a version that fits', async () => {
    const { data, conductor } = await afterEdit(before, async () => 'early')
    await conductor.stop()
    const did: string[] = []
    const two = await open(data, {
      playbooks: [code(async () => 'early'), code((ctx) => before(ctx, did), { version: 2 })],
    })
    await two.quiet()
    await two.runs.move('r', { by: me, to: 2 })
    expect(await two.runs.get('r').result()).toEqual(['a', 'b', 'c'])
  })

  it('raises one item however often it is looked at, and says what to do', async () => {
    const { data, conductor } = await afterEdit(before, async () => 'early')
    await conductor.stop()
    const again = await open(data, { playbooks: [code(async () => 'early')] })
    await again.quiet()
    const { items } = await again.inbox.list()
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({ kind: 'attention', code: 'JOURNAL_DIVERGED' })
  })

  it('is told of again when somebody has it tried again and nothing has changed, and not once that is dismissed', async () => {
    const { data, conductor } = await afterEdit(before, async () => 'early')
    await conductor.stop()
    const hints: unknown[] = []
    const info = ({ hint }: { hint?: string }): unknown => hint !== undefined && hints.push(hint)
    const log = { info: (fields: object) => void info(fields), warn: () => {}, error: () => {} }
    const two = await open(data, { playbooks: [code(async () => 'early')], log })
    await two.quiet()
    const says = async (decision: { retry: true } | { dismiss: true }): Promise<number> => {
      const [item] = (await two.inbox.list()).items
      await two.inbox.decide(item!.id, { hash: item!.hash, by: me, ...decision })
      await two.quiet()
      return (await two.inbox.list()).items.length
    }
    expect(await says({ retry: true })).toBe(1)
    expect(hints).toEqual([expect.stringContaining("keelson.runs.restart('r', { from: 'start'")])
    expect(hints[0]).not.toContain('retry: true')
    expect(await says({ dismiss: true })).toBe(0)
    await two.runs.retry('r', { by: me })
    await two.quiet()
    expect((await two.inbox.list()).items).toEqual([])
    expect(await two.why('r')).toContain('JOURNAL_DIVERGED')
  })

  it('that stalls on something outside ctx is tried again, not called a divergence', async () => {
    const { status } = await afterEdit(before, async (ctx, d) => {
      await new Promise(() => {})
      return before(ctx, d)
    })
    expect(status).toMatchObject({ state: 'waiting', for: [{ kind: 'retry' }] })
  })
})
