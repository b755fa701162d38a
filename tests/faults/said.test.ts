/** What somebody's code says beside its outcome: tags, limits, counts. What it throws never takes the conductor with it. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineBudget, defineEntity, defineEvent, policy, type Action } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), status: z.string(), email: z.string() }),
  index: ['status', 'email'],
})

function letter(invalidates?: () => string[]) {
  const sent: string[] = []
  const send = action({
    name: 'post.send',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({ id: z.string() }),
    ...(invalidates === undefined ? {} : { invalidates }),
    run({ to }) {
      sent.push(to)
      return { output: { id: to } }
    },
  })
  return { send, sent }
}

const allowing = (send: Action<any, any>) => policy([policy.rule('send', { on: send }, () => policy.allow())])

function broken(): never {
  throw new Error('a bug')
}

describe('an effect', () => {
  it('that rests on one entity at two versions is sent once, and its end is recorded', async () => {
    const { send, sent } = letter()
    const work = code(async (ctx) => {
      const before = await ctx.entities(Customer).create({ name: 'Ada', status: 'new', email: 'ada@x' })
      const after = await ctx.entities(Customer).update(before.id, { status: 'known' })
      await ctx.act(send, { to: 'ada' }, { because: [before, after, after] })
      return before.id
    })
    const keelson = await open(store(), { playbooks: [work], policy: allowing(send) })
    const id = (await (await keelson.start(work, {}, { id: 'r' })).result()) as string
    expect(sent).toEqual(['ada'])
    const lines = await keelson.entities(Customer).timeline(id)
    expect(lines.map(({ what }) => what)).toEqual(['customer created', 'customer updated', 'post.send executed'])
  })

  it('is recorded once, whatever its invalidates() throws', async () => {
    const { send, sent } = letter(broken)
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const keelson = await open(store(), { playbooks: [work], policy: allowing(send) })
    expect(await (await keelson.start(work, {}, { id: 'r' })).result()).toEqual({ id: 'ada' })
    expect(sent).toEqual(['ada'])
  })

  it('of a budget that cannot say its limit is denied, and says why', async () => {
    const { send, sent } = letter()
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    for (const limit of [broken, () => ({}), () => ({ calls: NaN })]) {
      const budgets = [defineBudget({ name: 'letters', limit })]
      const keelson = await open(store(), { playbooks: [work], policy: allowing(send), budgets })
      const run = await keelson.start(work, {}, { id: 'r' })
      await expect(run.result()).rejects.toMatchObject({
        code: 'ACTION_DENIED',
        message: expect.stringContaining('budget "letters"') as string,
      })
    }
    expect(sent).toEqual([])
  })

  it('is judged by a look-up that finds its one among thousands', async () => {
    const { send, sent } = letter()
    const rules = policy([
      policy.rule(
        'opted out',
        { on: send, look: (_input, look) => ({ gone: look.one(Customer, { status: 'gone', email: 'c1200@x' }) }) },
        ({ found }) => (found.gone === undefined ? policy.allow() : policy.deny('it wants no letters')),
      ),
    ])
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const keelson = await open(store(), { playbooks: [work], policy: rules })
    const customers = keelson.entities(Customer, { by: me })
    for (let i = 0; i <= 1200; i++) await customers.create({ name: 'x', status: 'gone', email: `c${i}@x` })
    const run = await keelson.start(work, {}, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(sent).toEqual([])
  })
})

describe('a read', () => {
  it('whose cache.tags() throws fails by that, and nothing else does', async () => {
    const price = action({
      name: 'shop.price',
      effect: 'read',
      input: z.object({ sku: z.string() }),
      output: z.number(),
      cache: { ttl: '10m', tags: broken },
      run: () => ({ output: 1 }),
    })
    const work = code((ctx) => ctx.act(price, { sku: 'a' }))
    const keelson = await open(store(), { playbooks: [work] })
    const run = await keelson.start(work, {}, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_FAILED' })
  })
})

describe('an event', () => {
  it('whose invalidates() throws is not sent, and says so to whoever sends it', async () => {
    const moved = defineEvent({ name: 'price.moved', schema: z.object({}), invalidates: broken })
    const work = code(async (ctx) => {
      try {
        await ctx.emit(moved, {})
      } catch (thrown) {
        return (thrown as { code: string }).code
      }
      return 'sent'
    })
    const keelson = await open(store(), { playbooks: [work] })
    const run = await keelson.start(work, {}, { id: 'r' })
    expect(await run.result()).toBe('INPUT_INVALID')
    await expect(keelson.send(moved, {}, { id: 'e' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

describe('memory of a run', () => {
  const caught = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      await work()
    } catch (thrown) {
      return (thrown as { code: string }).code
    }
    return 'none'
  }

  it('that is none, a text too long, or a count that is none, are errors that its code can catch', async () => {
    const work = code(async (ctx) => [
      await caught(() => ctx.memory.remember({ text: '' })),
      await caught(() => ctx.memory.append({ text: 'x'.repeat(300_000) })),
      await caught(() => ctx.memory.get('nobody')),
      await caught(() => ctx.memory.context({ task: 'x', countTokens: broken })),
      await caught(() => ctx.memory.context({ task: 'x', countTokens: () => NaN })),
    ])
    const keelson = await open(store(), { playbooks: [work] })
    expect(await (await keelson.start(work, {}, { id: 'r' })).result()).toEqual([
      'INPUT_INVALID',
      'INPUT_INVALID',
      'MEMORY_NOT_FOUND',
      'INPUT_INVALID',
      'INPUT_INVALID',
    ])
  })

  it('that an embedder of somebody cannot embed is no failure of the store', async () => {
    const work = code((ctx) => caught(() => ctx.memory.recall('gate')))
    const state = { down: false }
    const embedder = {
      model: 'own',
      embed: async (texts: readonly string[]) => (state.down ? broken() : texts.map((text) => [text.length, 1])),
    }
    const keelson = await open(store(), { playbooks: [work], embeddings: embedder })
    const gate = await keelson.memory.remember({ text: 'porte' }, { by: me })
    await keelson.memory.remember({ text: 'The house is large and old.' }, { by: me })
    await keelson.memory.calibrate([{ text: 'gate', answers: [gate.id] }], { by: me })
    state.down = true
    const run = await keelson.start(work, {}, { id: 'r' })
    expect(await run.result()).toBe('MODEL_FAILED')
  })
})

describe('an item', () => {
  it('that is raised again at the same instant can be decided again', async () => {
    let tries = 0
    const work = code((ctx) =>
      ctx.step(
        'a',
        () => {
          if (++tries <= 3) throw new Error('no')
          return tries
        },
        { retry: { attempts: 1 } },
      ),
    )
    const t = await testConductor({ playbooks: [work] })
    const run = await t.start(work, {}, { id: 'r' })
    for (let i = 0; i < 3; i++) {
      await expect(run.result()).rejects.toThrow()
      const { id, hash } = (await t.inbox.list()).items[0]!
      expect(await t.inbox.decide(id, { hash, by: me, retry: true })).toEqual({ status: 'done' })
    }
    expect(await run.result()).toBe(4)
    await t.stop()
  })
})
