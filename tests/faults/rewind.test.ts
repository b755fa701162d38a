/** Runs taken back, given up and retried: what they leave behind is closed, and nobody waits for ever. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook } from '@keelson/core'
import { memoryStore, testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({ n: z.number() }) })

describe('a run that is restarted', () => {
  it('withdraws the questions that it had asked', async () => {
    const asks = code(async (ctx) => ctx.ask('and now?', { answer: z.string() }))
    const t = await testConductor({ playbooks: [asks] })
    const run = await t.start(asks, {})
    const [before] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.runs.restart(run.id, { by: me, from: 'start' }))
    const { items } = await t.inbox.list()
    expect(items).toHaveLength(1)
    expect(items[0]!.id).not.toBe(before!.id)
    await t.host((keelson) => keelson.runs.restart(run.id, { by: me, from: 'start' }))
    await t.answer('well')
    expect(await run.result()).toBe('well')
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it('twice before it is looked at withdraws them once', async () => {
    const asks = code(async (ctx) => ctx.ask('and now?', { answer: z.string(), onSilence: 'remind', timeout: '1h' }))
    const shared = store()
    const first = await open(shared, { playbooks: [asks] })
    await first.start(asks, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const paper = await open(shared, { playbooks: [asks], work: false })
    await paper.runs.restart('r', { by: me, from: 'start' })
    await paper.runs.restart('r', { by: me, from: 'start' })
    const second = await open(shared, { playbooks: [asks] })
    await second.quiet()
    expect((await second.inbox.list()).items).toHaveLength(1)
  })
})

describe('a run that no longer fits its journal', () => {
  it('leaves nothing to decide on when it is cancelled', async () => {
    const shared = store()
    const before = code(async (ctx) => (await ctx.step('a', () => 1), ctx.waitFor(go)))
    const first = await open(shared, { playbooks: [before] })
    await first.start(before, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const second = await open(shared, { playbooks: [code(async (ctx) => ctx.step('b', () => 1))] })
    await second.send(go, { n: 1 }, { id: 'g' })
    await second.quiet()
    expect((await second.inbox.list()).items).toMatchObject([{ kind: 'attention', code: 'JOURNAL_DIVERGED' }])
    await second.runs.cancel('r', { by: me, reason: 'given up' })
    await second.quiet()
    expect(await second.runs.get('r').status()).toEqual({ state: 'cancelled' })
    expect((await second.inbox.list()).items).toEqual([])
  })
})

describe('a branch that is given up', () => {
  it('withdraws its question', async () => {
    const asks = code(async (ctx) => {
      const all = ctx.all(
        ['ask', 'fail'],
        String,
        async (own, what) => {
          if (what === 'ask') return own.ask('and now?', { answer: z.string() })
          await own.sleep('1h')
          throw new Error('no')
        },
        { onError: 'cancel' },
      )
      await all.catch(() => {})
      await ctx.waitFor(go)
      return null
    })
    const t = await testConductor({ playbooks: [asks] })
    const run = await t.start(asks, {})
    expect((await t.inbox.list()).items).toHaveLength(1)
    await t.advance('1h')
    expect((await t.inbox.list()).items).toEqual([])
    await t.send(go, { n: 1 })
    expect(await run.result()).toBeNull()
    await t.stop()
  })
})

describe('a call of a child that failed', () => {
  const family = () => {
    const state = { broken: true }
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.number(),
      run: async (ctx) =>
        ctx.step(
          'work',
          () => {
            if (state.broken) throw new Error('broken')
            return 7
          },
          { retry: { attempts: 1 } },
        ),
    })
    const parent = code(async (ctx) => ctx.call(child, {}))
    return { state, child, parent }
  }

  it('is tried again with its child', async () => {
    const { state, child, parent } = family()
    const t = await testConductor({ playbooks: [parent, child] })
    const run = await t.start(parent, {})
    await expect(run.result()).rejects.toThrow('broken')
    state.broken = false
    await t.host((keelson) => keelson.runs.retry(run.id, { by: me }))
    expect(await run.result()).toBe(7)
    await t.stop()
  })
})

describe('a child whose name is taken', () => {
  it('by a run of somebody else is an error, not a wait for ever', async () => {
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.null(),
      run: async (ctx) => (await ctx.waitFor(go), null),
    })
    const parent = code(async (ctx) => ctx.call(child, {}))
    const t = await testConductor({ playbooks: [parent, child] })
    await t.start(child, {}, { id: 'p/child' })
    const run = await t.start(parent, {}, { id: 'p' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_EXISTS' })
    await t.stop()
  })
})

describe('a retry', () => {
  it('does not run again a step behind the one that failed and was caught', async () => {
    let times = 0
    let broken = true
    const mends = code(async (ctx) => {
      const fail = (): never => {
        throw new Error('no')
      }
      await ctx.step('optional', fail, { retry: { attempts: 1 } }).catch(() => {})
      await ctx.step('dear', () => ++times)
      if (broken) throw new Error('a bug')
      return times
    })
    const t = await testConductor({ playbooks: [mends] })
    const run = await t.start(mends, {})
    await expect(run.result()).rejects.toThrow('a bug')
    broken = false
    await t.host((keelson) => keelson.runs.retry(run.id, { by: me }))
    expect(await run.result()).toBe(1)
    await t.stop()
  })
})

describe('a lane', () => {
  it('that is held only while its runs run is free while a child of one waits', async () => {
    const order: string[] = []
    const child = definePlaybook({
      name: 'child',
      version: 1,
      input: z.object({}),
      output: z.null(),
      run: async (ctx) => (await ctx.waitFor(go), null),
    })
    const laned = definePlaybook({
      name: 'laned',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      serialize: () => 'one',
      while: 'running',
      async run(ctx, { id }) {
        order.push(id)
        if (id === 'a') await ctx.call(child, {})
        return null
      },
    })
    const t = await testConductor({ playbooks: [laned, child] })
    await t.start(laned, { id: 'a' })
    const b = await t.start(laned, { id: 'b' })
    expect(await b.result()).toBeNull()
    await t.stop()
  })
})

describe('a schedule', () => {
  it('whose instants never come keeps nothing busy', async () => {
    const job = code(async () => null)
    const t = await open(memoryStore(), { playbooks: [job] })
    await t.schedules.set('never', job, { cron: '0 9 30 2 *', input: {} }).catch(() => {})
    let quiet = false
    void t.quiet().then(() => (quiet = true))
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(quiet).toBe(true)
  })

  it('that handles missed instants once does so once, however many they are', async () => {
    const job = code(async () => null)
    const t = await testConductor({ playbooks: [job] })
    await t.host((keelson) => keelson.schedules.set('often', job, { cron: '* * * * *', input: {}, missed: 'once' }))
    t.clock.to(t.clock.now() + 3 * 86_400_000 + 30_000)
    await t.settle()
    const { runs } = await t.keelson.runs.list({ playbook: 'work', limit: 100 })
    expect(runs).toHaveLength(1)
    await t.stop()
  })
})

describe('two who watch the inbox', () => {
  it('are not silenced by one of them leaving', async () => {
    const asks = code(async (ctx) => ctx.ask('and now?', { answer: z.string() }))
    const t = await open(store(), { playbooks: [asks] })
    await t.start(asks, {}, { id: 'first' })
    await t.quiet()
    const [a, b] = [new AbortController(), new AbortController()]
    const left = t.inbox.watch({ signal: a.signal })[Symbol.asyncIterator]()
    const stays = t.inbox.watch({ signal: b.signal })[Symbol.asyncIterator]()
    await left.next()
    await stays.next()
    await t.start(asks, {}, { id: 'second' })
    await t.quiet()
    await left.return?.()
    expect((await stays.next()).done).toBe(false)
    const third = stays.next()
    await t.start(asks, {}, { id: 'third' })
    await t.quiet()
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    b.abort()
    expect((await third).done).toBe(false)
  })
})
