/** Reliability 5 and 6: what may have happened is neither declined nor cancelled nor failed, for then it could be asked for anew. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, defineConnector, definePlaybook, policy, type Verdict } from '@keelson/core'
import { exploreCrashes, fake, manualClock, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import { code, open, store } from '../support/open.ts'

const by = { kind: 'person', id: 'ann' } as const
const nowhere = (): Promise<never> => Promise.reject(new Error('a fake stands in for it'))
/** Of an action that cannot be taken back, and is asked for once. */
const once = (name: string, by: 'key' | 'lookup') =>
  ({
    name,
    effect: 'irreversible',
    idempotency: { by },
    input: z.object({}),
    output: z.object({}),
    intent: () => [name],
  }) as const
const send = action({
  name: 'post.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ id: z.string(), text: z.string() }),
  output: z.object({ ref: z.string() }),
  intent: ({ id }) => ['letter', id],
  run: nowhere,
})
const post = defineConnector({ name: 'post', actions: { send } })
/** Whoever declines it is asked again, with other words. */
const letter = definePlaybook({
  name: 'letter',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.string(),
  uses: [post],
  run: async (ctx, { id }) =>
    (await ctx.act(send, { id, text: 'a' }, { revise: ({ text }) => ({ id, text: `${text}!` }) })).ref,
})

/** `says`: what the rules say of the first, second … time that it is judged; the last of them ever after. */
function setUp(...says: Verdict[]): HarnessOptions {
  let times = 0
  const rule = policy.rule('mood', { on: send }, () => says[Math.min(times++, says.length - 1)]!)
  return { playbooks: [letter], connectors: [fake(post)], policy: policy([rule]) }
}

const kinds = async (t: Harness): Promise<string[]> => (await t.inbox.list()).items.map((item) => item.kind)
const happened = (t: Harness): number => t.world(send).reduce((sum, one) => sum + one.times, 0)

describe('an effect that may have happened', () => {
  it.each([
    ['by its caller', [policy.allow(), policy.ask()]],
    ['by a run of its own', [policy.hold('1m'), policy.hold('1m'), policy.ask()]],
  ])('is not put to a person as if it had not, when rules ask before another try (sent %s)', async (_where, says) => {
    const t = await testConductor(setUp(...says))
    t.fault(send, 'timeout-after-effect')
    const run = await t.start(letter, { id: '1' })
    await t.advance('10m')
    expect(await kinds(t)).toEqual(['outcome-unknown'])
    await t.outcome(send, 'happened', { output: { ref: 'seen' } })
    expect(await run.result()).toBe('seen')
    expect(happened(t)).toBe(1)
  })

  it('is asked for as it was, once a person says that it did not happen', async () => {
    const t = await testConductor(setUp(policy.allow(), policy.ask()))
    t.fault(send, 'timeout-before-effect')
    const run = await t.start(letter, { id: '1' })
    await t.advance('10m')
    await t.outcome(send, 'did-not-happen')
    expect(await kinds(t)).toEqual(['approval'])
    await t.reject(send, 'shorter')
    await t.approve(send)
    await run.result()
    expect(t.world(send)).toMatchObject([{ input: { text: 'a!' }, times: 1 }])
  })

  it.each([
    ['by its caller', policy.allow()],
    ['by a run of its own', policy.hold('1m')],
  ])('has not failed because its system is down for all later tries (sent %s)', async (_where, says) => {
    const t = await testConductor(setUp(says))
    t.fault(send, 'timeout-after-effect')
    for (let call = 2; call <= 20; call++) t.fault(send, 'unavailable', { call })
    const run = await t.start(letter, { id: '1' })
    await t.advance('2d')
    expect(await kinds(t)).toEqual(['outcome-unknown'])
    await t.outcome(send, 'happened', { output: { ref: 'seen' } })
    expect(await run.result()).toBe('seen')
  })

  it('has failed where its system is down for the first try, too', async () => {
    const t = await testConductor(setUp(policy.allow()))
    for (let call = 1; call <= 20; call++) t.fault(send, 'unavailable', { call })
    const run = await t.start(letter, { id: '1' })
    await t.advance('2d')
    expect(await run.status()).toMatchObject({ state: 'failed' })
    expect(happened(t)).toBe(0)
  })

  it('is no longer withdrawn when its caller is cancelled before the next try', async () => {
    let now = 0
    const slow = action({
      ...once('post.slow', 'key'),
      run(_input, { key }) {
        keys.add(key)
        if (++now > 1) return { output: {} }
        throw new Error('no answer')
      },
    })
    const keys = new Set<string>()
    const asks = code((ctx) => ctx.act(slow, {}))
    const free = policy([policy.rule('free', { on: slow }, () => policy.allow())])
    const clock = manualClock(0)
    const data = store()
    const options = { playbooks: [asks], actions: [slow], policy: free, clock: clock.process().clock }
    const one = await open(data, options)
    await one.start(asks, {}, { id: 'first' })
    await expect.poll(() => now).toBe(1)
    await one.freeze({ by, reason: 'so that it waits' })
    await one.runs.cancel('first', { by, reason: 'not any more' })
    await one.stop({ withinMs: 100 })
    const two = await open(data, options)
    await two.quiet()
    await two.start(asks, {}, { id: 'second' })
    await two.thaw({ by })
    await two.quiet()
    await two.runs.get('second').result()
    expect(keys.size).toBe(1)
  })

  const looked = (sent: number[]) =>
    action({
      ...once('post.looked', 'lookup'),
      settleWindowMs: 600_000,
      run() {
        if (sent.push(1) > 1) return { output: {} }
        throw new Error('no answer')
      },
      reconcile: async () => ({ state: 'not-found' }),
    })

  it.each([
    ['is not sent anew once its caller was cancelled', false],
    ['is sent anew for whoever else asks for it, though its first caller was cancelled', true],
  ])('and did not, as a look says, %s', async (_what, other) => {
    const sent: number[] = []
    const one = looked(sent)
    const asks = code((ctx) => ctx.act(one, {}))
    const free = policy([policy.rule('free', { on: one }, () => policy.allow())])
    const t = await testConductor({ playbooks: [asks], actions: [one], policy: free })
    const first = await t.start(asks, {})
    await t.advance('1m')
    await t.host((keelson) => keelson.runs.cancel(first.id, { by, reason: 'not any more' }))
    const second = other ? await t.start(asks, {}) : undefined
    await t.advance('1h')
    expect(sent).toHaveLength(other ? 2 : 1)
    if (second !== undefined) expect(await second.status()).toMatchObject({ state: 'completed' })
    await t.stop()
  })

  it('is withdrawn with its caller while it is surely not done: its system only said later', async () => {
    let tries = 0
    const busy = fake(post, {
      'post.send': () => {
        if (++tries > 1) return { ref: 'sent' }
        throw new ActionError({ class: 'rate-limited', afterMs: 3_600_000 }, 'later')
      },
    })
    const t = await testConductor({ ...setUp(policy.hold('1m')), connectors: [busy] })
    const run = await t.start(letter, { id: '1' })
    await t.advance('2m')
    expect(tries).toBe(1)
    await t.host((keelson) => keelson.runs.cancel(run.id, { by, reason: 'no' }))
    await t.advance('2h')
    expect(tries).toBe(1)
    await t.stop()
  })

  it('is cancelled, and sent no more, wherever its process dies', { timeout: 600_000 }, async () => {
    const one = action({
      ...once('desk.one', 'lookup'),
      settleWindowMs: 600_000,
      run: nowhere,
      reconcile: nowhere,
    })
    const desk = defineConnector({ name: 'desk', actions: { one } })
    const asks = code((ctx) => ctx.act(one, {}))
    const free = policy([policy.rule('free', { on: one }, () => policy.allow())])
    await exploreCrashes(
      async (t) => {
        t.fault(one, 'timeout-before-effect')
        const run = await t.start(asks, {})
        await t.advance('1m')
        await t.host((keelson) => keelson.runs.cancel(run.id, { by, reason: 'no' }))
        await t.advance('1h')
        expect([(await run.status()).state, t.world(one)]).toEqual(['cancelled', []])
        return 'cancelled'
      },
      { harness: () => ({ playbooks: [asks], connectors: [fake(desk)], policy: free }), limit: 120 },
    )
  })

  const Move = fc.constantFrom('reject', 'approve', 'happened', 'did-not', 'again', 'cancel', 'freeze', 'thaw', 'down', 'lost', 'ask', 'hold', 'free', 'wait', 'crash') // prettier-ignore

  const Begin = fc.record({
    first: fc.nat(4),
    then: fc.constantFrom('allow', 'ask', 'hold'),
    down: fc.nat(12),
  })

  it('happens once at most, whatever people, rules and faults do, unless a person says wrongly that it did not', async () => {
    await fc.assert(
      fc.asyncProperty(Begin, fc.array(Move, { minLength: 3, maxLength: 12 }), async (begin, moves) => {
        const now = { verdict: policy.allow(), judged: 0 }
        const said = { allow: policy.allow(), ask: policy.ask(), hold: policy.hold('1h') }
        const rule = policy.rule('mood', { on: send }, () => {
          if (++now.judged === begin.first + 1) now.verdict = said[begin.then]
          return now.verdict
        })
        const t = await testConductor({ playbooks: [letter], connectors: [fake(post)], policy: policy([rule]) })
        t.fault(send, 'timeout-after-effect')
        for (let call = 2; call < 2 + begin.down; call++) t.fault(send, 'unavailable', { call })
        let runs = 1
        await t.start(letter, { id: '1' }, { id: 'run 1' })
        for (const move of moves) {
          const open = (await t.inbox.list()).items[0]
          const decide = async (kind: string, said: object): Promise<void> => {
            if (open?.kind !== kind) return
            await t.host((keelson) => keelson.inbox.decide(open.id, { hash: open.hash, by, ...said } as never))
          }
          if (move === 'reject') await decide('approval', { reject: 'no' })
          else if (move === 'approve') await decide('approval', { approve: true })
          else if (move === 'happened') await decide('outcome-unknown', { outcome: 'happened', output: { ref: 'x' } })
          // The truth: this person looks.
          else if (move === 'did-not' && happened(t) === 0)
            await decide('outcome-unknown', { outcome: 'did-not-happen' })
          else if (move === 'again') await decide('outcome-unknown', { outcome: 'look-again' })
          else if (move === 'freeze') await t.host((keelson) => keelson.freeze({ by, reason: 'wait' }))
          else if (move === 'thaw') await t.host((keelson) => keelson.thaw({ by }))
          else if (move === 'down') t.fault(send, 'unavailable')
          else if (move === 'lost') t.fault(send, 'timeout-after-effect')
          else if (move === 'ask') now.verdict = policy.ask()
          else if (move === 'hold') now.verdict = policy.hold('1h')
          else if (move === 'free') now.verdict = policy.allow()
          else if (move === 'wait') await t.advance('2h')
          else if (move === 'crash') await t.crash()
          else if (move === 'cancel') {
            await t.host((keelson) => keelson.runs.cancel(`run ${runs}`, { by, reason: 'no' }).catch(() => {}))
            await t.start(letter, { id: '1' }, { id: `run ${++runs}` })
          }
        }
        await t.host((keelson) => keelson.thaw({ by }))
        await t.advance('1d')
        expect(happened(t)).toBeLessThanOrEqual(1)
        await t.stop()
      }),
      { numRuns: process.env['KEELSON_CRASHES'] === 'all' ? 2000 : 100 },
    )
  })

  it('ends the same wherever it is cut', { timeout: 600_000 }, async () => {
    await exploreCrashes(
      async (t) => {
        t.fault(send, 'timeout-after-effect')
        const run = await t.start(letter, { id: '1' })
        await t.advance('2d')
        const [item] = (await t.inbox.list()).items
        if (item?.kind === 'outcome-unknown') await t.outcome(send, 'happened', { output: { ref: 'seen' } })
        await run.result()
        return happened(t)
      },
      { harness: () => setUp(policy.allow()), depth: 2, limit: 150 },
    )
  })
})

describe('a compensation whose answers are lost', () => {
  const taken: string[] = []
  const put = (over: { fails: number }, said: () => Error) =>
    action({
      name: 'site.put',
      effect: 'reversible',
      idempotency: { by: 'lookup' },
      input: z.object({ slug: z.string() }),
      output: z.object({ url: z.string() }),
      undo: z.object({ slug: z.string() }),
      run: ({ slug }) => ({ output: { url: slug }, undo: { slug } }),
      reconcile: async ({ slug }) => ({ state: 'done', output: { url: slug }, undo: { slug } }), // what was put is there
      compensate({ slug }) {
        if (over.fails-- > 0) throw said()
        taken.push(slug)
      },
    })

  it('is never taken to have happened because what it takes back is found', async () => {
    taken.length = 0
    const over = { fails: 1000 }
    const one = put(over, () => new Error('no answer'))
    const puts = definePlaybook({ name: 'puts', version: 1, input: z.object({}), output: z.json(), run: (ctx) => ctx.act(one, { slug: 'a' }) }) // prettier-ignore
    const free = policy([policy.rule('free', { on: one }, () => policy.allow())])
    const t = await testConductor({ playbooks: [puts], actions: [one], policy: free })
    const run = await t.start(puts, {})
    const plan = await t.keelson.revert.plan({ run: run.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by }))
    await t.advance('1d')
    await t.outcome(one, 'look-again')
    await t.advance('1d')
    expect(taken).toEqual([])
    expect(await kinds(t)).toEqual(['outcome-unknown'])
    over.fails = 0
    await t.outcome(one, 'look-again')
    expect(taken).toEqual(['a'])
    expect((await t.keelson.revert.plan({ run: run.id })).lines).toMatchObject([
      { why: 'it has been taken back already' },
    ])
  })

  it('and that is refused after that is not reported as failed: it may have changed what it is refused for', async () => {
    const over = { fails: 2 }
    const one = put(over, () => (over.fails === 1 ? new Error('no answer') : new ActionError({ class: 'final' }, 'edited since'))) // prettier-ignore
    const puts = definePlaybook({ name: 'puts', version: 1, input: z.object({}), output: z.json(), run: (ctx) => ctx.act(one, { slug: 'a' }) }) // prettier-ignore
    const free = policy([policy.rule('free', { on: one }, () => policy.allow())])
    const t = await testConductor({ playbooks: [puts], actions: [one], policy: free })
    const run = await t.start(puts, {})
    const plan = await t.keelson.revert.plan({ run: run.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by }))
    await t.advance('1d')
    expect(await kinds(t)).toEqual(['outcome-unknown'])
  })
})
