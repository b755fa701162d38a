/** Effects whose callers go away, repeat themselves, or look too early. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, definePlaybook, policy, type Idempotency, type Reconciled } from '@keelson/core'
import { memoryStore, testConductor } from '@keelson/testing'
import { code, me, open } from '../support/open.ts'

type Sent = { output: { id: string } }

function letters(options: {
  run: () => Promise<Sent> | Sent
  idempotency?: Idempotency
  reconcile?: () => Promise<Reconciled<{ id: string }, never>>
  verdict?: () => ReturnType<typeof policy.allow>
}) {
  const send = action({
    name: 'post.send',
    effect: 'irreversible',
    idempotency: options.idempotency ?? { by: 'none' },
    input: z.object({ to: z.string() }),
    output: z.object({ id: z.string() }),
    intent: ({ to }) => ['letter', to],
    run: options.run,
    settleWindowMs: 60_000,
    ...(options.reconcile === undefined ? {} : { reconcile: options.reconcile }),
  })
  const gate = policy([policy.rule('gate', { on: send }, options.verdict ?? (() => policy.allow()))])
  return { send, gate }
}

const turns = async (n = 30): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('an effect', () => {
  it('of one intent, asked for by two branches of a run at once, is sent once and asks nobody', async () => {
    let sent = 0
    const answer = Promise.withResolvers<Sent>()
    const { send, gate } = letters({ run: () => (sent++, answer.promise) })
    const acts = code(async (ctx) => {
      const both = await ctx.all(['a', 'b'], String, (own) => own.act(send, { to: 'ada' }))
      return both.map((one) => one.id)
    })
    const t = await open(memoryStore(), { playbooks: [acts], policy: gate })
    await t.start(acts, {}, { id: 'r' })
    await turns()
    expect((await t.inbox.list()).items).toEqual([])
    answer.resolve({ output: { id: '1' } })
    await t.quiet()
    expect(await t.runs.get('r').result()).toEqual(['1', '1'])
    expect(sent).toBe(1)
    expect((await t.inbox.list()).items).toEqual([])
  })

  it('that was being sent when its caller was cancelled is reconciled, not called cancelled', async () => {
    let happened = 0
    let looked = 0
    const { send, gate } = letters({
      idempotency: { by: 'lookup' },
      run: () => (happened++, new Promise<Sent>(() => {})),
      reconcile: async () => (looked++, { state: 'done', output: { id: '1' } }),
    })
    const acts = code(async (ctx) => (await ctx.act(send, { to: 'ada' })).id)
    const shared = memoryStore()
    const first = await open(shared, { playbooks: [acts], policy: gate, name: 'first' })
    await first.start(acts, {}, { id: 'r' })
    await turns()
    expect(happened).toBe(1)
    const paper = await open(shared, { playbooks: [acts], policy: gate, work: false })
    await paper.runs.cancel('r', { by: me, reason: 'enough' })
    await first.stop({ withinMs: 1 })
    const second = await open(shared, { playbooks: [acts], policy: gate, actions: [send] })
    await second.quiet()
    expect((await second.runs.get('r').status()).state).toBe('cancelled')
    expect(looked).toBe(1)
    await second.start(acts, {}, { id: 'again' })
    await second.quiet()
    expect(await second.runs.get('again').result()).toBe('1')
    expect(happened).toBe(1)
  })

  it('that waits to be tried again when its caller ends lives on, and answers the next who asks', async () => {
    let tries = 0
    const { send, gate } = letters({
      run: () => {
        if (++tries === 1) throw new ActionError({ class: 'rate-limited', afterMs: 60_000 }, 'slow down')
        return { output: { id: '1' } }
      },
    })
    const hasty = code(async (ctx) => {
      await Promise.race([ctx.act(send, { to: 'ada' }), ctx.sleep('10s')])
      return 'gone'
    })
    const patient = code(async (ctx) => (await ctx.act(send, { to: 'ada' })).id, { name: 'patient' })
    const t = await testConductor({ playbooks: [hasty, patient], actions: [send], policy: gate })
    const one = await t.start(hasty, {})
    await t.advance('10s')
    expect(await one.result()).toBe('gone')
    const two = await t.start(patient, {})
    await t.advance('2m')
    expect(await two.result()).toBe('1')
    await t.stop()
  })

  it('that waits to be tried again when its caller is cancelled makes room for another', async () => {
    let tries = 0
    const { send, gate } = letters({
      run: () => {
        if (++tries === 1) throw new ActionError({ class: 'rate-limited', afterMs: 60_000 }, 'slow down')
        return { output: { id: '1' } }
      },
    })
    const acts = code(async (ctx) => (await ctx.act(send, { to: 'ada' })).id)
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    const one = await t.start(acts, {})
    await t.host((keelson) => keelson.runs.cancel(one.id, { by: me, reason: 'enough' }))
    const two = await t.start(acts, {})
    await t.advance('2m')
    expect(await two.result()).toBe('1')
    await t.stop()
  })

  it('is not called not found by a look that began before the settle window was over', async () => {
    const seen: string[] = []
    const clock: { move?: (() => void) | undefined } = {}
    const { send, gate } = letters({
      idempotency: { by: 'lookup' },
      run: () => {
        seen.push('send')
        throw new ActionError({ class: 'unknown' }, 'lost')
      },
      reconcile: async () => {
        seen.push('look')
        clock.move?.()
        return { state: 'not-found' }
      },
    })
    const acts = code(async (ctx) => (await ctx.act(send, { to: 'ada' })).id)
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    clock.move = () => {
      clock.move = undefined
      t.clock.to(t.clock.now() + 61_000)
    }
    await t.start(acts, {})
    expect(seen.slice(0, 4)).toEqual(['send', 'look', 'look', 'send'])
    await t.stop()
  })

  it.each(['reconcile', 'preview', 'credentials'])('is not held up for ever by %s that never answers', async (what) => {
    const never = (): Promise<never> => new Promise(() => {})
    const send = action({
      name: 'post.send',
      effect: 'reversible',
      idempotency: { by: 'lookup' },
      timeout: '10s',
      input: z.object({ to: z.string() }),
      output: z.null(),
      run: () => {
        throw new ActionError({ class: 'unknown' }, 'lost')
      },
      reconcile: what === 'reconcile' ? never : async () => ({ state: 'unknown' }),
      ...(what === 'preview' ? { preview: never } : {}),
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'ada' }))
    const gate = policy([policy.rule('gate', { on: send }, () => (what === 'preview' ? policy.ask() : policy.allow()))])
    const post = { name: 'post', actions: [send], config: what === 'credentials' ? never : () => ({}) }
    const t = await testConductor({ playbooks: [acts], policy: gate, connectors: [post] })
    await t.host((keelson) => keelson.start(acts, {}, { id: 'r' }).then(() => {}))
    for (let i = 0; i < 20; i++) {
      await turns(10)
      t.clock.to(t.clock.now() + 60_000)
    }
    await turns()
    expect((await t.inbox.list()).items).toHaveLength(1)
    await t.stop()
  })

  it('that waits for an approval outlives another title of its action', async () => {
    const make = (title: string) => {
      const send = action({
        name: 'post.send',
        title,
        effect: 'reversible',
        input: z.object({ to: z.string() }),
        output: z.null(),
        run: () => ({ output: null }),
      })
      const acts = definePlaybook({
        name: 'acts',
        version: 1,
        input: z.object({}),
        output: z.null(),
        uses: [send],
        run: async (ctx) => ctx.act(send, { to: 'ada' }),
      })
      return { acts }
    }
    const shared = memoryStore()
    const before = make('Send a letter')
    const first = await open(shared, { playbooks: [before.acts] })
    await first.start(before.acts, {}, { id: 'r' })
    await first.quiet()
    await first.stop()
    const after = make('Send the letter')
    const second = await open(shared, { playbooks: [after.acts] })
    await second.quiet()
    const titles: string[] = []
    for (let round = 1; round <= 2; round++) {
      const [item] = (await second.inbox.list()).items
      titles.push(item!.title.replace(/ \(.*/, ''))
      await second.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
      await second.quiet()
    }
    expect(titles).toEqual(['Send a letter', 'Changed: Send the letter'])
    expect((await second.runs.get('r').status()).state).toBe('completed')
  })

  it('that the code does not await is sent all the same before the run ends', async () => {
    let sent = 0
    const { send, gate } = letters({ run: () => (sent++, { output: { id: '1' } }) })
    const forgets = code(async (ctx) => {
      await ctx.step('first', () => 1)
      void ctx.act(send, { to: 'ada' })
      return null
    })
    const t = await testConductor({ playbooks: [forgets], actions: [send], policy: gate })
    const run = await t.start(forgets, {})
    expect(await run.result()).toBeNull()
    expect(sent).toBe(1)
    await t.stop()
  })
})

describe('a decision that is not one', () => {
  it.each([{ approve: false }, { approve: true, reject: 'no' }, { reject: 5 }, { outcome: 'perhaps' }, {}])(
    '%j is invalid and executes nothing',
    async (decision) => {
      let sent = 0
      const { send, gate } = letters({ run: () => (sent++, { output: { id: '1' } }), verdict: () => policy.ask() })
      const acts = code(async (ctx) => (await ctx.act(send, { to: 'ada' })).id)
      const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
      await t.start(acts, {})
      const [item] = (await t.inbox.list()).items
      const answer = await t.inbox.decide(item!.id, { hash: item!.hash, by: me, ...decision } as never)
      expect(answer).toMatchObject({ status: 'refused', why: 'invalid' })
      await t.settle()
      expect(sent).toBe(0)
      await t.stop()
    },
  )
})
