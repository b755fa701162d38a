/** Misfit: an action whose answer does not fit its schema: whoever is to say what happened is told why, and sees the answer. */
import { action, createConductor, defineAgent, defineConnector, definePlaybook, policy } from '@keelson/core'
import { memoryStore, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const TOKEN = 'sk-very-secret-token'
const order = action({
  name: 'shop.order',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ item: z.string() }),
  output: z.object({ id: z.string() }),
  run: async () => ({
    output: JSON.parse(`{"id":7,"seen":"${TOKEN}","more":"${'x'.repeat(5000)}"}`) as { id: string },
  }),
})
const shop = defineConnector({ name: 'shop', actions: { order }, open: (_, use) => use.credential })
const buy = definePlaybook({
  name: 'buy',
  version: 1,
  input: z.object({}),
  output: z.string(),
  uses: [order],
  run: async (ctx) => (await ctx.act(order, { item: 'tea' })).id,
})
const begin = (hold = false) =>
  testConductor({
    playbooks: [buy],
    connectors: [shop.connect()],
    credentials: async () => ({ token: TOKEN }),
    policy: policy([policy.rule('free', { on: order }, () => (hold ? policy.ask() : policy.allow()))]),
  })

describe.each([false, true])('an answer that does not fit (asked first: %s)', (asked) => {
  it('is put before a person, with the reason and without secrets', async () => {
    const t = await begin(asked)
    const run = await t.start(buy, {})
    if (asked) await t.approve(order)
    const { items } = await t.inbox.list()
    const reason = /what shop.order returned does not fit its schema: id .*string/
    expect(items).toMatchObject([{ kind: 'outcome-unknown', title: expect.stringMatching(reason) as string }])
    const shown = JSON.stringify(items[0]!.preview)
    expect(shown).toContain('its answer')
    expect(shown).toContain('7')
    expect(shown).not.toContain(TOKEN)
    expect(shown.length).toBeLessThan(2000)
    expect((await t.keelson.audit.story(run.id)).join('\n')).toMatch(reason)
    expect(await t.keelson.why(run.id)).toMatch(reason)
    await t.outcome(order, 'happened', { output: { id: 'a' } })
    expect(await run.result()).toBe('a')
    await t.stop()
  })
})

const log = { info: () => {}, warn: () => {}, error: () => {} }

describe('an answer that is returned bare', () => {
  const bare = (answer: unknown) => async () => answer as never

  it('of an action says how it is to be returned', async () => {
    const post = action({
      name: 'desk.post',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      input: z.object({}),
      output: z.object({ id: z.string() }),
      run: bare(null),
    })
    const work = definePlaybook({
      name: 'post',
      version: 1,
      input: z.object({}),
      output: z.string(),
      uses: [post],
      run: async (ctx) => (await ctx.act(post, {})).id,
    })
    const free = policy([policy.rule('free', { on: post }, () => policy.allow())])
    const t = await testConductor({ playbooks: [work], actions: [post], policy: free })
    await t.start(work, {})
    expect((await t.inbox.list()).items[0]!.title).toContain(
      'what desk.post returned has no output: it is to return { output: … }',
    )
    await t.stop()
  })

  it('of a model says how it is to be returned', async () => {
    const reader = defineAgent({
      name: 'reader',
      version: 1,
      instructions: 'read',
      triesPerModel: 1,
      input: z.object({}),
      output: z.object({ id: z.string() }),
    })
    const work = definePlaybook({
      name: 'read',
      version: 1,
      input: z.object({}),
      output: z.string(),
      run: async (ctx) => (await ctx.delegate(reader, {})).id,
    })
    const keelson = await createConductor({ store: memoryStore(), playbooks: [work], models: bare({ id: 'a' }), log })
    const run = await keelson.start(work, {}, { id: 'one' })
    await expect(run.result()).rejects.toThrow(
      'the answer of agent reader has no output: it is to return { output: … }',
    )
    await keelson.stop()
  })
})
