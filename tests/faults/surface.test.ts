/** What the surface says when it is used wrongly, or when code does what it should not. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, open, store } from '../support/open.ts'

const send = action({
  name: 'post.send',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => ({ output: { id: '1' } }),
})

describe('the list of runs', () => {
  it('leaves built-in playbooks out unless they are asked for, page by page', async () => {
    const acts = code(async (ctx) => ctx.act(send, { to: 'ada' }))
    const t = await testConductor({ playbooks: [acts] })
    for (const id of ['a', 'b', 'c']) await t.start(acts, {}, { id })
    const { runs } = t.keelson
    const first = await runs.list({ limit: 2 })
    expect(first.runs.map(({ id }) => id)).toEqual(['a', 'b'])
    const second = await runs.list({ limit: 2, after: first.next! })
    expect(second.runs.map(({ id }) => id)).toEqual(['c'])
    expect(second.next).toBeUndefined()
    expect((await runs.list({ builtIn: true })).runs).toHaveLength(6)
    expect((await runs.list({ playbook: 'keelson.effect' })).runs).toHaveLength(3)
    await t.stop()
  })
})

describe('a run id', () => {
  it.each(['effect:1', 'event:paid:1', 'revert:x', 'schedule:daily#1'])(
    'may not be Keelson\u2019s own: %s',
    async (id) => {
      const works = code(async () => null)
      const t = await open(store(), { playbooks: [works] })
      await expect(t.start(works, {}, { id })).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        hint: expect.any(String) as string,
      })
    },
  )
})

describe('a stopped conductor', () => {
  it('says that it was stopped, whatever it is asked', async () => {
    const works = code(async () => null)
    const t = await open(store(), { playbooks: [works] })
    await t.stop()
    const stopped = { code: 'CONDUCTOR_STOPPED', hint: expect.any(String) as string }
    await expect(t.start(works, {}, { id: 'r' })).rejects.toMatchObject(stopped)
    await expect(t.runs.list()).rejects.toMatchObject(stopped)
    await expect(t.inbox.list()).rejects.toMatchObject(stopped)
  })
})

describe('a step whose name is taken', () => {
  it('is refused with playbook, step and place', async () => {
    const twice = code(async (ctx) => {
      const one = ctx.step('a', () => 1)
      const two = ctx.step('a', () => 2)
      await Promise.all([one, two])
    })
    const t = await testConductor({ playbooks: [twice] })
    const run = await t.start(twice, {})
    await expect(run.result()).rejects.toMatchObject({
      code: 'STEP_KEY_NEEDED',
      data: { playbook: 'work@1', step: 'a', at: expect.stringContaining('surface.test.ts:') as string },
    })
    await t.stop()
  })
})

describe('code that awaits something outside of ctx', () => {
  it('after its last step is told of once, and goes on', async () => {
    const outside = Promise.withResolvers<string>()
    const told = Promise.withResolvers<{ run: string; last: string }>()
    const waits = code(async (ctx) => {
      await ctx.step('a', () => 1)
      return outside.promise
    })
    const lines: string[] = []
    const note = (_: object, line?: string): void => void lines.push(line ?? '')
    const t = await createConductor({
      store: store(),
      playbooks: [waits],
      keepAlive: false,
      log: { info: note, warn: note, error: note },
      limits: { stallMs: 1 },
    })
    t.on('run.stalled', told.resolve)
    const run = await t.start(waits, {}, { id: 'r' })
    expect(await told.promise).toMatchObject({ run: 'r', last: 'a' })
    expect(lines.filter((line) => line.includes('outside ctx'))).toHaveLength(1)
    outside.resolve('done')
    expect(await run.result()).toBe('done')
    await t.stop()
  })
})
