/** What user code does wrong never ends the host's process, and never stops the other runs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook, policy } from '@keelson/core'
import { testConductor, memoryStore } from '@keelson/testing'
import { code, open, store } from '../support/open.ts'

const lost: unknown[] = []
const note = (reason: unknown): void => void lost.push(reason)
beforeEach(() => {
  lost.length = 0
  process.on('unhandledRejection', note)
})
afterEach(() => void process.off('unhandledRejection', note))
const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

const shapes = { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) }

describe('a promise that the code does not await', () => {
  it('of ctx.act that is denied is no unhandled rejection', async () => {
    const send = action({ name: 'post.send', effect: 'reversible', ...shapes, run: () => ({ output: { id: '1' } }) })
    const forgets = code(async (ctx) => {
      void ctx.act(send, { to: 'ada' })
      await ctx.sleep('1h')
    })
    const gate = policy([policy.rule('no', { on: send }, () => policy.deny('never'))])
    const t = await testConductor({ playbooks: [forgets], actions: [send], policy: gate })
    await t.start(forgets, {})
    await turns()
    expect(lost).toEqual([])
    await t.stop()
  })

  it('of ctx.all whose branch fails is no unhandled rejection', async () => {
    const forgets = code(async (ctx) => {
      void ctx.all([1], String, async () => {
        throw new Error('no')
      })
      await ctx.sleep('1h')
    })
    const t = await testConductor({ playbooks: [forgets] })
    await t.start(forgets, {})
    await turns()
    expect(lost).toEqual([])
    await t.stop()
  })

  it('of ctx.continueAsNew that is refused is no unhandled rejection', async () => {
    const forgets = code(async (ctx) => {
      void ctx.continueAsNew({ a: Number.NaN })
      await ctx.sleep('1h')
    })
    const t = await testConductor({ playbooks: [forgets] })
    await t.start(forgets, {})
    await turns()
    expect(lost).toEqual([])
    await t.stop()
  })
})

describe('an action that answers after its time', () => {
  it.each([
    ['nothing', undefined],
    ['what cannot be stored', { output: { n: 1n } }],
  ])('with %s ends no process', async (_what, late) => {
    const answer = Promise.withResolvers<never>()
    const slow = action({
      name: 'post.slow',
      effect: 'reversible',
      idempotency: { by: 'none' },
      timeout: '1s',
      ...shapes,
      run: () => answer.promise,
    })
    const acts = code(async (ctx) => ctx.act(slow, { to: 'ada' }))
    const gate = policy([policy.rule('free', { on: slow }, () => policy.allow())])
    const t = await testConductor({ playbooks: [acts], actions: [slow], policy: gate })
    await t.start(acts, {})
    await t.advance('2s')
    answer.resolve(late as never)
    await turns()
    expect(lost).toEqual([])
    await t.stop()
  })
})

describe('a result that is asked for', () => {
  it('of a stopped conductor is an error, and no unhandled rejection', async () => {
    const waits = code(async (ctx) => ctx.sleep('1h'))
    const t = await open(store(), { playbooks: [waits] })
    const run = await t.start(waits, {}, { id: 'r' })
    await t.quiet()
    await t.stop()
    await expect(run.result()).rejects.toMatchObject({ code: expect.stringMatching(/STOPPED|CLOSED/) as string })
    await turns()
    expect(lost).toEqual([])
  })
})

describe('code that throws where core calls it', () => {
  it('in intent() fails its own run, not the store', async () => {
    const send = action({
      name: 'post.send',
      effect: 'reversible',
      ...shapes,
      intent: () => {
        throw new TypeError('no such field')
      },
      run: () => ({ output: { id: '1' } }),
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'ada' }))
    const t = await testConductor({ playbooks: [acts], actions: [send] })
    const failures: unknown[] = []
    t.keelson.on('store.failed', (e) => failures.push(e))
    const run = await t.start(acts, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_FAILED' })
    expect(failures).toEqual([])
    await t.stop()
  })

  it('in serialize() of a child fails the call, not the store', async () => {
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.null(),
      serialize: () => {
        throw new TypeError('no such field')
      },
      run: async () => null,
    })
    const parent = code(async (ctx) => ctx.call(child, {}))
    const t = await testConductor({ playbooks: [parent, child] })
    const failures: unknown[] = []
    t.keelson.on('store.failed', (e) => failures.push(e))
    const run = await t.start(parent, {})
    await expect(run.result()).rejects.toThrow('no such field')
    expect(failures).toEqual([])
    await t.stop()
  })

  it.each([
    ['has a message that is no text', Object.assign(new Error('x'), { message: { not: 'text' } })],
    ['cannot be printed', Object.create(null) as unknown],
  ])('with an error that %s fails the step, not the store', async (_what, thrown) => {
    const fails = code(async (ctx) => {
      await ctx.step(
        'bad',
        () => {
          throw thrown
        },
        { retry: { attempts: 1 } },
      )
    })
    const t = await testConductor({ playbooks: [fails] })
    const failures: unknown[] = []
    t.keelson.on('store.failed', (e) => failures.push(e))
    const run = await t.start(fails, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'STEP_FAILED' })
    expect(failures).toEqual([])
    await t.stop()
  })
})

describe('a step that starts another run', () => {
  it('does not make that run believe to be inside a step', async () => {
    const other = code(async (ctx) => ctx.step('mine', () => 'fine'), { name: 'other' })
    const holder: { start?: () => Promise<unknown> } = {}
    const starter = code(async (ctx) =>
      ctx.step('kick', async () => {
        await holder.start?.()
        return null
      }),
    )
    const t = await open(memoryStore(), { playbooks: [starter, other] })
    holder.start = () => t.start(other, {}, { id: 'other' })
    await t.start(starter, {}, { id: 'starter' })
    await t.quiet()
    expect(await t.runs.get('other').result()).toBe('fine')
  })
})

describe('a log that fails', () => {
  const breaks = (): never => {
    throw new Error('the log is full')
  }
  it.each([
    ['throws', breaks],
    ['rejects', () => Promise.reject(new Error('the log is full'))],
  ])('and %s harms no run, and no store', async (_, fails) => {
    const speaks = code(async (ctx) => {
      ctx.log.info({}, 'begun')
      await ctx.step('tries', ({ attempt }) => (attempt < 2 ? breaks() : 1), { retry: { first: '0s' } })
      await ctx.ask('So?', { answer: z.string() })
      return 'done'
    })
    const log = { info: fails, warn: fails, error: fails } as never
    const keelson = await open(store(), { playbooks: [speaks], log })
    keelson.on('run.started', breaks)
    const run = await keelson.start(speaks, {}, { id: 'r' })
    await expect.poll(async () => (await keelson.inbox.list()).items.length).toBe(1)
    const [item] = (await keelson.inbox.list()).items
    const by = { kind: 'person', id: 'ann' } as const
    await keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: 'yes' })
    expect(await run.result()).toBe('done')
    await turns()
    expect(lost).toEqual([])
  })

  it('is called as a method of what was given', async () => {
    class Book {
      readonly said: string[] = []
      info(_: object, message = ''): void {
        this.said.push(message)
      }
      warn = (): void => {}
      error = (): void => {}
    }
    const book = new Book()
    const speaks = code(async (ctx) => ctx.log.info({}, 'begun'))
    const keelson = await open(store(), { playbooks: [speaks], log: book })
    await (await keelson.start(speaks, {}, { id: 'r' })).result()
    expect(book.said).toContain('begun')
  })
})

describe('a mayDecide that says neither true nor false', () => {
  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [{ allowed: false }, 'an object'],
    ['no', '"no"'],
    [Promise.resolve(0), '0'],
  ])('%j decides nothing, and it is said', async (says, named) => {
    const asks = code(async (ctx) => ctx.ask('So?', { answer: z.string() }))
    const keelson = await open(store(), { playbooks: [asks], mayDecide: (() => says) as never })
    await keelson.start(asks, {}, { id: 'r' })
    await expect.poll(async () => (await keelson.inbox.list()).items.length).toBe(1)
    const [item] = (await keelson.inbox.list()).items
    const by = { kind: 'person', id: 'ann' } as const
    const decided = keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: 'yes' })
    await expect(decided).rejects.toMatchObject({ code: 'DEFINITION_INVALID', message: `mayDecide answered ${named}` })
    expect((await keelson.inbox.list()).items).toHaveLength(1)
  })
})
