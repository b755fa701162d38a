/** Deadly: effects whose every try ends the process, settle windows that begin anew, effects of which a newer one counts. */
import { createConductor, action, ActionError, policy, type Conductor, type ConductorOptions } from '@keelson/core'
import { testConductor, type MemoryStoreSession } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, store } from '../support/open.ts'

const silent = { info() {}, warn() {}, error() {} }
const shapes = { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) }
const LIVES = 12

/** Processes one after the other, each of which dies as soon as it sends; until one finds nothing to send. */
async function livesOf(
  data: MemoryStoreSession,
  make: (sending: () => void) => { playbook: ReturnType<typeof code>; gate: NonNullable<ConductorOptions['policy']> },
  begin: (conductor: Conductor, playbook: ReturnType<typeof code>) => Promise<unknown>,
): Promise<{ sent: number; last: Conductor }> {
  let sent = 0
  for (;;) {
    const sending = Promise.withResolvers<'sent'>()
    const session = data.session()
    const { playbook, gate } = make(() => {
      sent++
      sending.resolve('sent')
    })
    const conductor = await createConductor({
      store: session,
      playbooks: [playbook],
      policy: gate,
      keepAlive: false,
      log: silent,
    })
    if (sent === 0) await begin(conductor, playbook)
    if ((await Promise.race([sending.promise, conductor.quiet()])) !== 'sent') return { sent, last: conductor }
    expect(sent).toBeLessThan(LIVES)
    session.kill()
    conductor.abandon()
  }
}

describe('an effect that ends its process at every try', () => {
  it.each(['allowed', 'approved'] as const)('is quarantined with its run, where it was %s', async (how) => {
    const data = store()
    const { sent, last } = await livesOf(
      data,
      (sending) => {
        const post = action({
          name: 'letter.post',
          effect: 'irreversible',
          idempotency: { by: 'key' },
          ...shapes,
          run: () => (sending(), new Promise<never>(() => {})),
        })
        const rule = policy.rule('r', { on: post }, () => (how === 'allowed' ? policy.allow() : policy.ask()))
        return { playbook: code(async (ctx) => ctx.act(post, { to: 'ada' })), gate: policy([rule]) }
      },
      async (conductor, playbook) => {
        await conductor.start(playbook, {}, { id: 'r' })
        if (how === 'allowed') return
        await conductor.quiet()
        const [item] = (await conductor.inbox.list()).items
        await conductor.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
      },
    )
    expect(sent).toBe(how === 'allowed' ? 5 : 6) // the second process tells it of the rules, which is mail
    const { runs } = await last.runs.list({ builtIn: true })
    const held = runs.filter((run) => JSON.stringify(run.status).includes('RUN_QUARANTINED'))
    expect(held.map(({ playbook }) => playbook)).toContain(how === 'allowed' ? 'work' : 'keelson.effect')
    expect((await last.inbox.list()).items).toMatchObject([{ kind: 'attention', code: 'RUN_QUARANTINED' }])
    expect(await last.audit.verify()).toMatchObject({ ok: true })
    await last.stop()
  })

  it('is put to a person where a look-up says each time that it did not happen', async () => {
    const data = store()
    const { sent, last } = await livesOf(
      data,
      (sending) => {
        const post = action({
          name: 'letter.post',
          effect: 'irreversible',
          idempotency: { by: 'lookup' },
          settleWindowMs: 0,
          ...shapes,
          run: () => (sending(), new Promise<never>(() => {})),
          reconcile: async () => ({ state: 'not-found' }),
        })
        const rule = policy.rule('r', { on: post }, () => policy.allow())
        return { playbook: code(async (ctx) => ctx.act(post, { to: 'ada' })), gate: policy([rule]) }
      },
      (conductor, playbook) => conductor.start(playbook, {}, { id: 'r' }),
    )
    expect(sent).toBe(6) // once by its caller, then by its own run
    const { items } = await last.inbox.list()
    expect(items).toMatchObject([{ kind: 'outcome-unknown' }])
    expect(JSON.stringify(items[0]!.preview) + items[0]!.title).toContain('its process ended')
    await last.stop()
  })
})

describe('a settle window', () => {
  it('begins with the last sending, not with the first', async () => {
    let tries = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      timeout: '1s',
      ...shapes,
      run: () => {
        tries++
        if (tries === 1) throw new ActionError({ class: 'rate-limited', afterMs: 45_000 }, 'slow down')
        return tries === 2 ? new Promise<never>(() => {}) : { output: { id: 'sent' } }
      },
      reconcile: async () => ({ state: 'not-found' }),
    })
    const work = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const t = await testConductor({
      playbooks: [work],
      actions: [post],
      policy: policy([policy.rule('free', { on: post }, () => policy.allow())]),
    })
    const run = await t.start(work, {})
    await t.advance('45s')
    await t.advance('55s') // past 60 s of the first
    expect(tries).toBe(2)
    await t.advance('10s')
    expect(tries).toBe(3)
    expect(await run.result()).toEqual({ id: 'sent' })
  })
})

describe('a settle window of a look-up', () => {
  it('that is longer than the one of its action is waited for', async () => {
    let tries = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      timeout: '1s',
      ...shapes,
      run: () => (++tries === 1 ? new Promise<never>(() => {}) : { output: { id: 'sent' } }),
      reconcile: async () => ({ state: 'not-found', settleMs: 600_000 }),
    })
    const work = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const t = await testConductor({
      playbooks: [work],
      actions: [post],
      policy: policy([policy.rule('free', { on: post }, () => policy.allow())]),
    })
    await t.start(work, {})
    await t.advance('9m')
    expect(tries).toBe(1)
    await t.advance('2m')
    expect(tries).toBe(2)
  })
})

describe('an effect of which a newer generation counts', () => {
  it('is not sent when its run is restarted, and leaves the ledger alone', async () => {
    let sent = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      intent: ({ to }) => [to],
      ...shapes,
      run: () => ({ output: { id: `letter ${++sent}` } }),
    })
    const work = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const t = await testConductor({
      playbooks: [work],
      actions: [post],
      policy: policy([policy.rule('asks', { on: post }, () => policy.ask())]),
    })
    await t.start(work, {}, { id: 'one' })
    await t.reject(post, 'no')
    const two = await t.start(work, {}, { id: 'two' })
    await t.approve(post)
    expect(await two.result()).toEqual({ id: 'letter 1' })
    const { runs } = await t.keelson.runs.list({ builtIn: true })
    const old = runs.find(({ id }) => id.startsWith('effect:') && id.endsWith(':1'))!
    await t.host((keelson) => keelson.runs.restart(old.id, { by: me, from: 'start' }))
    await t.approve(post)
    expect(sent).toBe(1)
    const three = await t.start(work, {}, { id: 'three' })
    expect(await three.result()).toEqual({ id: 'letter 1' })
    expect((await t.keelson.audit.verify()).ok).toBe(true)
  })
})

describe('an effect that failed and is asked for again', () => {
  it('goes out under another key: to the outside it is another one', async () => {
    const keys: string[] = []
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      intent: ({ to }) => [to],
      ...shapes,
      run: (_input, { key }) => {
        keys.push(key)
        if (keys.length === 1) throw new ActionError({ class: 'final' }, 'no stamps')
        return { output: { id: 'sent' } }
      },
    })
    const work = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const t = await testConductor({
      playbooks: [work],
      actions: [post],
      policy: policy([policy.rule('free', { on: post }, () => policy.allow())]),
    })
    await expect((await t.start(work, {})).result()).rejects.toThrow('no stamps')
    expect(await (await t.start(work, {})).result()).toEqual({ id: 'sent' })
    expect(new Set(keys).size).toBe(2)
  })
})
