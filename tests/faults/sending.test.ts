/** Sending: an effect that is under way when its run is stopped, rewound, moved or cancelled. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, ActionError, createConductor, defineConnector, policy, type Run } from '@keelson/core'
import type { MemoryStore } from '@keelson/core/ports'
import { fake, testConductor, type MemoryStoreSession } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const silent = { info() {}, warn() {}, error() {} }
const shapes = { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) }
const free = (of: Parameters<typeof policy.rule>[1]['on']) =>
  policy([policy.rule('free', { on: of }, () => policy.allow())])

/** A session that calls `after` when an entry of this kind has been committed. */
function watched(session: MemoryStoreSession, kind: string, after: () => void): MemoryStore {
  return new Proxy<MemoryStore>(session, {
    get(target, name) {
      if (name === 'commit')
        return async (...args: Parameters<MemoryStore['commit']>) => {
          const answer = await target.commit(...args)
          if (args[1].entries?.some((entry) => entry.kind === kind) === true) after()
          return answer
        }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('a stop', () => {
  it('between the record of a sending and the sending waits for what comes of it', async () => {
    const data = store()
    let calls = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      ...shapes,
      run: async () => ({ output: { id: String(++calls) } }),
    })
    const posts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    let stopped: Promise<void> | undefined
    const gone = Promise.withResolvers<void>()
    const first = await createConductor({
      store: watched(data.session(), 'effect.sending', () => {
        stopped = first.stop()
        gone.resolve()
      }),
      playbooks: [posts],
      policy: free(post),
      keepAlive: false,
      log: silent,
    })
    await first.start(posts, {}, { id: 'r' })
    await gone.promise
    await stopped
    const second = await open(data, { playbooks: [posts], policy: free(post) })
    await second.quiet()
    expect((await second.inbox.list()).items).toEqual([])
    expect(await second.runs.get('r').result()).toEqual({ id: '1' })
    expect(calls).toBe(1)
  })
})

describe('an effect that was being sent when its run was rewound past it', () => {
  it.each([[1], [2]])(
    'is finished for whoever joined it, though its owner never asks again (rewound %i times)',
    async (times) => {
      const data = store()
      const sending = Promise.withResolvers<void>()
      let asks = true
      let lives = 1
      const post = action({
        name: 'letter.post',
        effect: 'irreversible',
        idempotency: { by: 'key' },
        intent: ({ to }) => [to],
        ...shapes,
        run: () => {
          if (lives > 1) return { output: { id: 'sent' } }
          sending.resolve()
          return new Promise<never>(() => {})
        },
      })
      const owner = code(async (ctx) => (asks ? ctx.act(post, { to: 'ada' }) : 'gave up'), { name: 'owner' })
      const joiner = code(async (ctx) => ctx.act(post, { to: 'ada' }), { name: 'joiner' })
      const options = { playbooks: [owner, joiner], actions: [post], policy: free(post) }
      const session = data.session()
      const first = await createConductor({ store: session, keepAlive: false, log: silent, ...options })
      await first.start(owner, {}, { id: 'o' })
      await sending.promise
      await first.start(joiner, {}, { id: 'j' })
      while ((await first.runs.get('j').status()).state !== 'waiting') await new Promise((go) => setImmediate(go))
      session.kill()
      first.abandon()
      const paper = await open(data, { ...options, work: false })
      for (let n = 0; n < times; n++) await paper.runs.restart('o', { by: me, from: 'start' })
      asks = false
      lives++
      const second = await open(data, options)
      await second.quiet()
      expect(await second.runs.get('o').result()).toBe('gave up')
      expect(await second.runs.get('j').result()).toEqual({ id: 'sent' })
      expect(await second.audit.verify()).toMatchObject({ ok: true })
    },
  )
})

describe('a try that a death ended', () => {
  it('has not failed: it takes none of the tries', async () => {
    const data = store()
    const began = [1, 2].map(() => Promise.withResolvers<void>())
    let lives = 0
    let failed = false
    const charge = action({
      name: 'billing.charge',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      attempts: 2,
      ...shapes,
      run: () => {
        if (lives < 2) {
          began[lives]!.resolve()
          return new Promise<never>(() => {})
        }
        if (failed) return { output: { id: 'paid' } }
        failed = true
        throw new ActionError({ class: 'rate-limited', afterMs: 1 }, 'slow down')
      },
    })
    const charges = code(async (ctx) => ctx.act(charge, { to: 'ada' }))
    const options = { playbooks: [charges], policy: free(charge) }
    for (; lives < 2; lives++) {
      const session = data.session()
      const mortal = await createConductor({ store: session, keepAlive: false, log: silent, ...options })
      await mortal.start(charges, {}, { id: 'r' })
      await began[lives]!.promise
      session.kill()
      mortal.abandon()
    }
    const last = await open(data, options)
    expect(await last.runs.get('r').result()).toEqual({ id: 'paid' })
  })
})

const send = action({
  name: 'post.send',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  ...shapes,
  run: () => ({ output: { id: '1' } }),
})

describe('a run with an open effect', () => {
  it('is not moved to another version', async () => {
    const run = async (ctx: Parameters<Parameters<typeof code>[0]>[0]) => ctx.act(send, { to: 'ada' })
    const v1 = code(run)
    const v2 = code(run, { version: 2 })
    const t = await testConductor({ playbooks: [v1, v2], actions: [send] })
    const started = await t.start(v1, {})
    const moving = t.keelson.runs.move(started.id, { by: me, to: 2 })
    await expect(moving).rejects.toMatchObject({ code: 'EFFECT_OPEN', hint: expect.any(String) as string })
    await t.approve(send)
    expect(await started.result()).toEqual({ id: '1' })
    await t.stop()
  })
})

describe('revise', () => {
  it('that answers with nothing takes the no as it is', async () => {
    let asked = 0
    const acts = code(async (ctx) => {
      const no = ctx.act(send, { to: 'ada' }, { revise: () => void asked++ })
      return no.catch((error: { code: string }) => error.code)
    })
    const t = await testConductor({ playbooks: [acts], actions: [send] })
    const run = await t.start(acts, {})
    await t.reject(send, 'never')
    expect(await run.result()).toBe('ACTION_DECLINED')
    expect(asked).toBe(1)
    await t.stop()
  })
})

/** The run of the effect that a run waits for. */
async function effectOf(run: Run<unknown>): Promise<string> {
  const status = await run.status()
  return status.state === 'waiting' ? (status.for[0]?.run ?? '') : ''
}

describe('an effect that waits for new credentials', () => {
  it('is cancelled when a person says so, and its caller hears of it', async () => {
    const stale = action({
      name: 'post.stale',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      ...shapes,
      run: () => {
        throw new ActionError({ class: 'reauth' }, 'the token has expired')
      },
    })
    const acts = code(async (ctx) => ctx.act(stale, { to: 'ada' }))
    const t = await testConductor({ playbooks: [acts], actions: [stale] })
    const run = await t.start(acts, {})
    await t.approve(stale)
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'attention' })
    const effect = await effectOf(run)
    await t.host((keelson) => keelson.runs.cancel(effect, { by: me, reason: 'no longer wanted' }))
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    expect((await t.inbox.list()).items.filter(({ id }) => id === item!.id)).toEqual([])
    await t.stop()
  })

  it('is not cancelled while nobody knows whether it happened', async () => {
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      ...shapes,
      run: () => Promise.reject(new Error('a test reached the real world')),
    })
    const acts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const t = await testConductor({
      playbooks: [acts],
      actions: [post],
      connectors: [fake(defineConnector({ name: 'letter', actions: { post } }))],
    })
    t.fault(post, 'timeout-after-effect')
    const run = await t.start(acts, {})
    await t.approve(post)
    await t.advance('5m')
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'outcome-unknown' })
    const effect = await effectOf(run)
    await t.host((keelson) => keelson.runs.cancel(effect, { by: me, reason: 'no longer wanted' }))
    expect((await t.inbox.list()).items).toHaveLength(1)
    await t.outcome(post, 'happened', { output: { id: '1' } })
    expect(await run.result()).toEqual({ id: '1' })
    await t.stop()
  })
})

describe('an error of a connector', () => {
  it('is stored and logged without the credential that it quotes', async () => {
    const secret = 'hunter2-hunter2'
    const basic = Buffer.from(`me:${secret}`).toString('base64')
    const post = action({
      name: 'mail.post',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      ...shapes,
      run: () => {
        throw new ActionError({ class: 'final' }, `refused ${secret} at smtp.example.com, sent as ${basic}`, {
          data: { header: `Basic ${basic}` },
        })
      },
    })
    const mail = defineConnector({ name: 'mail', actions: { post }, open: () => ({}) })
    const acts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const said: string[] = []
    const note = (...args: unknown[]): void => void said.push(JSON.stringify(args))
    const data = store()
    const t = await createConductor({
      store: data,
      playbooks: [acts],
      connectors: [mail.connect()],
      policy: free(post),
      keepAlive: false,
      log: { info: note, warn: note, error: note },
      credentials: async () => ({ user: 'me', pass: secret, host: 'smtp.example.com' }),
    })
    onTestFinished(() => t.stop())
    const run = await t.start(acts, {}, { id: 'r' })
    const error = (await run.result().catch((thrown: unknown) => thrown)) as Error
    expect(error.message).toContain('[secret] at smtp.example.com')
    const all = JSON.stringify([said, await data.tail('default', 0, 1000), await data.runs('default', { limit: 9 })])
    for (const known of [secret, basic.replace(/=+$/, '')]) expect(all).not.toContain(known)
  })
})
