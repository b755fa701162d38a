/** Values at the edge of what can be stored end the run that made them, never the work of all others. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, defineEvent, definePlaybook, policy, type Preview } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { code } from '../support/open.ts'

const MEBI = 1_048_576

function failuresOf(t: Harness): unknown[] {
  const failures: unknown[] = []
  t.keelson.on('store.failed', (e) => failures.push(e))
  return failures
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

describe('a value as large as one may be', () => {
  it.each([
    ['long', 'x'.repeat(MEBI - 2)],
    ['deep', nested(64)],
  ])('(%s) is stored as the outcome of a step and the result of its run', async (_what, value) => {
    const makes = code(async (ctx) => ctx.step('make', () => value as string))
    const t = await testConductor({ playbooks: [makes] })
    const failures = failuresOf(t)
    const run = await t.start(makes, {})
    expect(await run.result()).toEqual(value)
    expect(failures).toEqual([])
    await t.stop()
  })

  it('is taken from a child', async () => {
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.string(),
      run: async () => 'x'.repeat(MEBI - 2),
    })
    const parent = code(async (ctx) => (await ctx.call(child, {})).length)
    const t = await testConductor({ playbooks: [parent, child] })
    const failures = failuresOf(t)
    const run = await t.start(parent, {})
    expect(await run.result()).toBe(MEBI - 2)
    expect(failures).toEqual([])
    await t.stop()
  })

  it('is an entity, of half that size', async () => {
    const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ text: z.string() }) })
    const makes = code(async (ctx) => (await ctx.entities(Note).create({ text: 'x'.repeat(MEBI / 2) })).version)
    const t = await testConductor({ playbooks: [makes] })
    const failures = failuresOf(t)
    const run = await t.start(makes, {})
    expect(await run.result()).toBe(1)
    expect(failures).toEqual([])
    await t.stop()
  })

  it('goes into an action and another comes out', async () => {
    const big = action({
      name: 'files.turn',
      effect: 'reversible',
      input: z.object({ text: z.string() }),
      output: z.object({ text: z.string() }),
      run: ({ text }) => ({ output: { text } }),
    })
    const acts = code(async (ctx) => (await ctx.act(big, { text: 'x'.repeat(700_000) })).text.length)
    const gate = policy([policy.rule('free', { on: big }, () => policy.allow())])
    const t = await testConductor({ playbooks: [acts], actions: [big], policy: gate })
    const failures = failuresOf(t)
    const run = await t.start(acts, {})
    expect(await run.result()).toBe(700_000)
    expect(failures).toEqual([])
    await t.stop()
  })
})

describe('text that was cut in the middle of a character', () => {
  const half = '😀'.slice(0, 1)
  const asking = (preview: () => Preview, reason = 'look') => {
    const send = action({
      name: 'post.send',
      effect: 'reversible',
      input: z.object({ to: z.string() }),
      output: z.null(),
      preview,
      run: () => ({ output: null }),
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'ada' }))
    const gate = policy([policy.rule('ask', { on: send }, () => policy.ask({ reason }))])
    return { send, acts, gate }
  }

  it('in a preview shows the fields instead', async () => {
    const { send, acts, gate } = asking(() => ({ kind: 'text', after: half }))
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    const failures = failuresOf(t)
    const run = await t.start(acts, {})
    const { items } = await t.inbox.list()
    expect(items[0]?.preview).toEqual({ kind: 'fields', rows: [{ label: 'to', after: 'ada' }] })
    await t.approve(send)
    expect(await run.result()).toBeNull()
    expect(failures).toEqual([])
    await t.stop()
  })

  it("in a rule's reason still asks", async () => {
    const { send, acts, gate } = asking(() => ({ kind: 'text', after: 'x' }), half)
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    const failures = failuresOf(t)
    const run = await t.start(acts, {})
    await t.approve(send)
    expect(await run.result()).toBeNull()
    expect(failures).toEqual([])
    await t.stop()
  })

  it('by the length of a title leaves the failed run with its item', async () => {
    const fails = code(async () => {
      throw new Error(`${'x'.repeat(500 - 'work failed: '.length - 1)}😀`)
    })
    const t = await testConductor({ playbooks: [fails] })
    const failures = failuresOf(t)
    const run = await t.start(fails, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'STEP_FAILED' })
    expect((await t.inbox.list()).items).toHaveLength(1)
    expect(failures).toEqual([])
    await t.stop()
  })

  it('by showing an input that is a text, character by character, asks all the same', async () => {
    const say = action({
      name: 'post.say',
      effect: 'reversible',
      input: z.string(),
      output: z.null(),
      run: () => ({ output: null }),
    })
    const acts = code(async (ctx) => ctx.act(say, '😀'))
    const t = await testConductor({ playbooks: [acts], actions: [say] })
    const failures = failuresOf(t)
    const run = await t.start(acts, {})
    await t.approve(say)
    expect(await run.result()).toBeNull()
    expect(failures).toEqual([])
    await t.stop()
  })
})

describe('what reaches beyond', () => {
  it('the last instant there is, is refused as a duration', async () => {
    const sleeps = code(async (ctx) => ctx.sleep('999999999d'))
    const t = await testConductor({ playbooks: [sleeps] })
    const failures = failuresOf(t)
    const run = await t.start(sleeps, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'DURATION_INVALID' })
    expect(failures).toEqual([])
    await t.stop()
  })

  it('the own fields of a payload matches nothing', async () => {
    const built = defineEvent({ name: 'built', schema: z.looseObject({ site: z.string() }) })
    const waits = code(async (ctx) => ctx.waitFor(built, { match: { constructor: 'ACME' } }))
    const t = await testConductor({ playbooks: [waits] })
    const failures = failuresOf(t)
    const run = await t.start(waits, {})
    await t.send(built, { site: 'a' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.send(built, { site: 'a', constructor: 'ACME' })
    expect(await run.result()).toEqual({ site: 'a', constructor: 'ACME' })
    expect(failures).toEqual([])
    await t.stop()
  })

  it('what an engine may say is a denial', async () => {
    const send = action({
      name: 'post.send',
      effect: 'reversible',
      input: z.object({ to: z.string() }),
      output: z.null(),
      run: () => ({ output: null }),
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'ada' }))
    const junk = {
      ...{ verdict: 'allow', reason: 'fine', asks: [], holds: [], denies: [], holdMs: 0, policy: 'x' },
      found: { at: new Date(0) },
    }
    const t = await testConductor({
      playbooks: [acts],
      actions: [send],
      policy: { version: 'x', judge: () => junk as never },
    })
    const failures = failuresOf(t)
    const run = await t.start(acts, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(failures).toEqual([])
    await t.stop()
  })
})
