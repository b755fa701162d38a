/** Reliability 5, 6 and design §8: effects happen as often as promised, and an unknown outcome is never blindly repeated. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineConnector, definePersona, definePlaybook, policy, type Idempotency } from '@keelson/core'
import { exploreCrashes, fake, manualClock, testConductor } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const shapes = { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) }
const nowhere = async (): Promise<never> => {
  throw new Error('a fake stands in for it')
}

function setUp(idempotency: Idempotency, options: { reconcile?: boolean; intent?: boolean } = {}) {
  const send = action({
    name: 'post.send',
    effect: 'irreversible',
    idempotency,
    ...shapes,
    run: nowhere,
    ...(options.intent === true ? { intent: (input: { to: string }) => ['letter', input.to] } : {}),
    ...(options.reconcile === false ? {} : { reconcile: nowhere }),
    settleWindowMs: 60_000,
  })
  const post = defineConnector({ name: 'post', actions: { send } })
  const letter = definePlaybook({
    name: 'letter',
    version: 1,
    input: z.object({ to: z.string() }),
    output: z.object({ id: z.string(), deduplicated: z.boolean() }),
    uses: [post],
    async run(ctx, { to }) {
      const { output, deduplicated } = await ctx.effect(send, { to })
      return { id: output.id, deduplicated }
    },
  })
  const gate = policy([policy.rule('free', { on: send }, () => policy.allow())])
  return {
    send,
    post,
    letter,
    gate,
    harness: () => testConductor({ playbooks: [letter], connectors: [fake(post)], policy: gate }),
  }
}

describe('an effect with a lost answer', () => {
  it('#6 is looked up and adopted: it had happened', async () => {
    const { send, letter, harness } = setUp({ by: 'lookup' })
    const t = await harness()
    t.fault(send, 'timeout-after-effect')
    const run = await t.start(letter, { to: 'ada' })
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('#6 that had not happened is sent again only after the settle window', async () => {
    const { send, letter, harness } = setUp({ by: 'lookup' })
    const t = await harness()
    t.fault(send, 'timeout-before-effect')
    const run = await t.start(letter, { to: 'ada' })
    expect(t.world(send)).toEqual([])
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.advance('2m')
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it.each(['key', 'id', 'precondition'] as const)(
    'is sent again at once under its %s, and happens once',
    async (by) => {
      const { send, letter, harness } = setUp({ by }, { reconcile: false })
      const t = await harness()
      t.fault(send, 'timeout-after-effect')
      const run = await t.start(letter, { to: 'ada' })
      await run.result()
      expect(t.world(send)).toMatchObject([{ times: 1 }])
      await t.stop()
    },
  )

  it('#5 that can do nothing of the kind is put to the operator, and never sent again by itself', async () => {
    const { send, letter, harness } = setUp({ by: 'none' }, { reconcile: false })
    const t = await harness()
    t.fault(send, 'timeout-after-effect')
    const run = await t.start(letter, { to: 'ada' })
    await t.advance('30d')
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([
      { kind: 'outcome-unknown', action: 'post.send', answers: ['happened', 'did-not-happen', 'look-again'] },
    ])
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.outcome(send, 'happened', { output: { id: 'seen' } })
    expect(await run.result()).toEqual({ id: 'seen', deduplicated: false })
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('#5 whose process dies around it is sent once at most, and a person says what became of it', async () => {
    const { send, post, letter, gate } = setUp({ by: 'none' }, { reconcile: false })
    let asked = 0
    const explored = await exploreCrashes(
      async (t) => {
        const run = await t.start(letter, { to: 'ada' })
        await t.advance('30d') // whoever is asked looks, and says what is so
        await run.result()
        return t.world(send).map(({ times }) => times)
      },
      {
        harness: () => ({ playbooks: [letter], connectors: [fake(post)], policy: gate }),
        async invariant(t) {
          const { lines } = await t.keelson.audit.query({})
          if (lines.some(({ what }) => what.startsWith('outcome-unknown'))) asked++
          expect(t.world(send)).toMatchObject([{ times: 1 }])
        },
      },
    )
    expect(explored.points).toBeGreaterThan(10)
    expect(asked).toBeGreaterThan(2)
  })

  it('that the operator says did not happen is sent', async () => {
    const { send, letter, harness } = setUp({ by: 'none' }, { reconcile: false })
    const t = await harness()
    t.fault(send, 'timeout-before-effect')
    const run = await t.start(letter, { to: 'ada' })
    await t.outcome(send, 'did-not-happen')
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('whose key has expired is looked at, not repeated', async () => {
    const { send, letter, harness } = setUp({ by: 'key', forMs: 1000 })
    const t = await harness()
    for (let call = 1; call <= 5; call++) t.fault(send, 'timeout-after-effect', { call })
    const run = await t.start(letter, { to: 'ada' })
    await t.advance('1d')
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    const story = (await t.keelson.audit.story(run.id)).join('\n')
    expect(story).toContain('looked what became of it: done')
    expect(story).not.toContain('looked what became of it: resend')
    await t.stop()
  })
})

describe('a key that its provider forgets', () => {
  const HOUR = 3_600_000

  /** The first answer is lost; what is sent under a key after its hour is another effect. */
  function forgetful(more: Partial<{ fails: number; approval: boolean; hangs: boolean }> = {}) {
    const happened: number[] = []
    const clock = manualClock(0)
    const { fails = 1, approval = false, hangs = false } = more
    let calls = 0
    const send = action({
      name: 'post.send',
      effect: 'irreversible',
      idempotency: { by: 'key', forMs: HOUR },
      input: z.object({ to: z.string() }),
      output: z.object({ id: z.string() }),
      run: (_input, { key }) => {
        if (happened.length === 0 || clock.now() - happened.at(-1)! >= HOUR) happened.push(clock.now())
        if (++calls <= fails && hangs) return new Promise<never>(() => {})
        if (calls <= fails) throw new Error('the answer was lost')
        return { output: { id: key } }
      },
    })
    const letter = definePlaybook({
      name: 'letter',
      version: 1,
      input: z.object({}),
      output: z.string(),
      run: async (ctx) => (await ctx.act(send, { to: 'ada' })).id,
    })
    const rule = policy.rule('post', { on: send }, () => (approval ? policy.ask() : policy.allow()))
    const options = { playbooks: [letter], policy: policy([rule]) }
    return { happened, clock, send, letter, options }
  }

  it.each([false, true])(
    'is not relied on when its next try comes after a night (asked first: %s)',
    async (approval) => {
      const { happened, clock, letter, options } = forgetful({ approval })
      const data = store()
      const first = await open(data, { ...options, clock: clock.process().clock })
      await first.start(letter, {}, { id: 'r' })
      if (approval) {
        await first.quiet()
        const [item] = (await first.inbox.list()).items
        await first.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
      }
      await expect.poll(() => happened.length).toBe(1)
      await first.stop({ withinMs: 100 }) // it waits for its next try
      clock.to(8 * HOUR)
      const second = await open(data, { ...options, clock: clock.process().clock })
      await second.quiet()
      expect((await second.inbox.list()).items).toMatchObject([{ kind: 'outcome-unknown' }])
      expect(happened).toEqual([0])
    },
  )

  it('is not relied on by a clock that was set back behind the first try: nobody knows how long ago that was', async () => {
    const { happened, clock, letter, options } = forgetful({ hangs: true })
    const data = store()
    const dying = data.session()
    const first = await open(data, { ...options, store: dying, clock: clock.process().clock })
    await first.start(letter, {}, { id: 'r' })
    await expect.poll(() => happened.length).toBe(1)
    dying.kill()
    clock.to(8 * HOUR)
    const second = await open(data, { ...options, clock: clock.process(-8 * HOUR - 1000).clock })
    await second.quiet()
    expect((await second.inbox.list()).items).toMatchObject([{ kind: 'outcome-unknown' }])
    expect(happened).toEqual([0])
  })

  it('is not relied on so late that the call may arrive after it', async () => {
    const { happened, clock, letter, options } = forgetful({ approval: true })
    const data = store()
    const first = await open(data, { ...options, clock: clock.process().clock })
    await first.start(letter, {}, { id: 'r' })
    await first.quiet()
    const [item] = (await first.inbox.list()).items
    await first.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
    await expect.poll(() => happened.length).toBe(1)
    await first.stop({ withinMs: 100 }) // it waits for its next try
    clock.to(HOUR - 1000) // a call may take 30 s
    const second = await open(data, { ...options, clock: clock.process().clock })
    await second.quiet()
    expect((await second.inbox.list()).items).toMatchObject([{ kind: 'outcome-unknown' }])
  })

  it('makes no second effect, however the run is cut short and whatever is lost', async () => {
    const { send, post, letter, gate } = setUp({ by: 'key', forMs: 40_000 })
    const explored = await exploreCrashes(
      async (t) => {
        for (let call = 1; call <= 8; call++) t.fault(send, 'timeout-after-effect', { call })
        const run = await t.start(letter, { to: 'ada' })
        await t.advance('1d')
        return [await run.result(), t.world(send).map((one) => one.times)]
      },
      { harness: () => ({ playbooks: [letter], connectors: [fake(post)], policy: gate }) },
    )
    expect(explored.points).toBeGreaterThan(20)
  })
})

describe('an effect that is sent anew', () => {
  it('is asked about again when a rule came meanwhile, and denied when one forbids it', async () => {
    const { send, post, letter } = setUp({ by: 'none' }, { reconcile: false })
    let mood: 'allow' | 'ask' | 'deny' = 'allow'
    const rule = policy.rule('mood', { on: send }, () =>
      mood === 'allow' ? policy.allow() : mood === 'ask' ? policy.ask() : policy.deny('not any more'),
    )
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)], policy: policy([rule]) })
    for (const then of ['ask', 'deny'] as const) {
      mood = 'allow'
      t.fault(send, 'timeout-before-effect')
      const run = await t.start(letter, { to: then })
      mood = then
      await t.outcome(send, 'did-not-happen')
      if (then === 'deny') {
        await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
        continue
      }
      expect(t.world(send)).toEqual([])
      await t.approve(send)
      await run.result()
      expect(t.world(send)).toMatchObject([{ times: 1 }])
    }
    expect(t.world(send)).toHaveLength(1)
    await t.stop()
  })
})

describe('a business intent', () => {
  it('is one effect, whoever asks: the second run gets the receipt', async () => {
    const { send, letter, harness } = setUp({ by: 'key' }, { intent: true })
    const t = await harness()
    const one = await (await t.start(letter, { to: 'ada' })).result()
    const two = await (await t.start(letter, { to: 'ada' })).result()
    expect(two).toEqual({ id: one.id, deduplicated: true })
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('that is still open is joined, and both get its outcome', async () => {
    const { send, post, letter } = setUp({ by: 'key' }, { intent: true })
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)] })
    const one = await t.start(letter, { to: 'ada' })
    const two = await t.start(letter, { to: 'ada' })
    expect((await t.inbox.list()).items).toHaveLength(1)
    await t.approve(send)
    expect(await one.result()).toEqual(await two.result())
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('that is still open tells who joins it with another input that this is not what was sent', async () => {
    const send = action({
      name: 'post.send',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string(), text: z.string() }),
      output: z.object({}),
      intent: ({ to }) => ['letter', to],
      run: nowhere,
    })
    const letter = definePlaybook({
      name: 'letter',
      version: 1,
      input: z.object({ to: z.string(), text: z.string() }),
      output: z.json(),
      async run(ctx, input) {
        const { input: sent, deduplicated, differs } = await ctx.effect(send, input)
        return { text: sent.text, deduplicated, differs }
      },
    })
    const post = fake(defineConnector({ name: 'post', actions: { send } }))
    const t = await testConductor({ playbooks: [letter], connectors: [post] })
    const one = await t.start(letter, { to: 'ada', text: 'one' })
    const two = await t.start(letter, { to: 'ada', text: 'two' })
    await t.approve(send)
    expect(await one.result()).toEqual({ text: 'one', deduplicated: false, differs: false })
    expect(await two.result()).toEqual({ text: 'one', deduplicated: true, differs: true })
    await t.stop()
  })

  it.each(['open', 'done'])('that is %s answers no persona that may not do it', async (state) => {
    const { send, post, letter } = setUp({ by: 'key' }, { intent: true })
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)] })
    const one = await t.start(letter, { to: 'ada' })
    if (state === 'done') await t.approve(send)
    const clerk = definePersona({ name: 'clerk', may: ['calendar.*'] })
    const two = await t.start(letter, { to: 'ada' }, { persona: clerk })
    await expect(two.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    if (state === 'open') await t.approve(send)
    await one.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('that was declined makes room for another try of the same', async () => {
    const { send, post, letter } = setUp({ by: 'key' }, { intent: true })
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)] })
    const one = await t.start(letter, { to: 'ada' })
    await t.reject(send, 'not now')
    await expect(one.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    const two = await t.start(letter, { to: 'ada' })
    await t.approve(send)
    await two.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('is withdrawn when its only asker is cancelled, and lives on when another waits for it', async () => {
    const { send, post, letter } = setUp({ by: 'key' }, { intent: true })
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)] })
    const by = { kind: 'person', id: 'me' } as const
    const one = await t.start(letter, { to: 'ada' })
    const two = await t.start(letter, { to: 'ada' })
    await t.keelson.runs.cancel(one.id, { by, reason: 'changed my mind' })
    await t.settle()
    expect((await t.inbox.list()).items).toHaveLength(1)
    await expect(one.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
    await t.keelson.runs.cancel(two.id, { by, reason: 'me too' })
    await t.settle()
    expect((await t.inbox.list()).items).toEqual([])
    expect(t.world(send)).toEqual([])
    await t.stop()
  })
})

describe('a hold', () => {
  const held = () => {
    const made = setUp({ by: 'key' })
    const gate = policy([policy.rule('wait', { on: made.send }, () => policy.hold('10m'))])
    return {
      ...made,
      start: () => testConductor({ playbooks: [made.letter], connectors: [fake(made.post)], policy: gate }),
    }
  }

  it('is visible, survives a crash, and sends once when it is due', async () => {
    const { send, letter, start } = held()
    const t = await start()
    const run = await t.start(letter, { to: 'ada' })
    expect((await t.inbox.list()).items).toMatchObject([
      { kind: 'approval', reversibility: 'hold', allows: ['approve', 'edit', 'reject', 'respond', 'delegate'] },
    ])
    await t.crash()
    await t.advance('9m')
    expect(t.world(send)).toEqual([])
    await t.advance('1m')
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it('is cancelled by a person, and then never sends', async () => {
    const { send, letter, start } = held()
    const t = await start()
    const run = await t.start(letter, { to: 'ada' })
    await t.reject(send, 'stop')
    await t.advance('1d')
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(t.world(send)).toEqual([])
    await t.stop()
  })

  it('and an ask of the same rule both apply, ask first', async () => {
    const { send, post, letter } = setUp({ by: 'key' })
    const gate = policy([policy.rule('both', { on: send }, () => [policy.hold('1h'), policy.ask()])])
    const t = await testConductor({ playbooks: [letter], connectors: [fake(post)], policy: gate })
    await t.start(letter, { to: 'ada' })
    await t.advance('2h')
    expect(t.world(send)).toEqual([])
    await t.approve(send)
    expect(t.world(send)).toEqual([])
    await t.advance('1h')
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })
})

describe('a frozen workspace', () => {
  it('sends nothing until it is thawed, and loses nothing', async () => {
    const { send, letter, harness } = setUp({ by: 'key' })
    const t = await harness()
    const by = { kind: 'person', id: 'me' } as const
    await t.keelson.freeze({ by, reason: 'something is odd' })
    const run = await t.start(letter, { to: 'ada' })
    expect(await t.keelson.why(run.id)).toContain('frozen')
    expect(t.world(send)).toEqual([])
    await t.crash()
    await t.keelson.thaw({ by })
    await t.settle()
    await run.result()
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })
})

describe('silence', () => {
  const asked = (onSilence: 'wait' | 'remind' | 'reject', timeout: '1d' | undefined) => {
    const made = setUp({ by: 'key' })
    const gate = policy([
      policy.rule('ask', { on: made.send }, () =>
        policy.ask({ onSilence, ...(timeout === undefined ? {} : { timeout }) }),
      ),
    ])
    return {
      ...made,
      start: () => testConductor({ playbooks: [made.letter], connectors: [fake(made.post)], policy: gate }),
    }
  }

  it('never approves: it rejects where the rule says so', async () => {
    const { send, letter, start } = asked('reject', '1d')
    const t = await start()
    const run = await t.start(letter, { to: 'ada' })
    await t.advance('2d')
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(t.world(send)).toEqual([])
    await t.stop()
  })

  it('reminds and goes on waiting where the rule says so', async () => {
    const { send, letter, start } = asked('remind', '1d')
    const t = await start()
    await t.start(letter, { to: 'ada' })
    await t.advance('1d')
    await t.advance('1d')
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([{ reminders: 2 }])
    await t.approve(send)
    expect(t.world(send)).toMatchObject([{ times: 1 }])
    await t.stop()
  })

  it('past its time refuses a late approval', async () => {
    const { send, letter, start } = asked('reject', '1d')
    const t = await start()
    await t.start(letter, { to: 'ada' })
    const item = (await t.inbox.list()).items[0]!
    await t.advance('2d')
    const late = await t.inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'me' }, approve: true })
    expect(late).toMatchObject({ status: 'refused', why: 'expired' })
    expect(t.world(send)).toEqual([])
    await t.stop()
  })
})
