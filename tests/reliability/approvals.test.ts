/** Reliability 4: what was approved is what executes; once, in time, for this item, or not at all. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineConnector,
  definePlaybook,
  policy,
  type Conductor,
  type InboxItem,
  type Verdict,
} from '@keelson/core'
import { fake, manualClock, testConductor } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

function setUp(rule?: Parameters<typeof policy.ask>[0]) {
  const sent: { to: string; cents: number }[] = []
  const pay = action({
    name: 'bank.pay',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string(), cents: z.int() }),
    output: z.object({ ok: z.boolean() }),
    async run(input) {
      sent.push(input)
      return { output: { ok: true } }
    },
  })
  const payment = definePlaybook({
    name: 'payment',
    version: 1,
    input: z.object({ to: z.string(), cents: z.int() }),
    output: z.object({ paid: z.number(), edited: z.boolean() }),
    async run(ctx, input) {
      const done = await ctx.effect(pay, input)
      return { paid: done.input.cents, edited: done.edited }
    },
  })
  const gate = policy([policy.rule('money', { on: pay }, () => policy.ask(rule))])
  return { sent, pay, payment, gate }
}

async function asked(conductor: Conductor): Promise<InboxItem> {
  await conductor.quiet()
  const { items } = await conductor.inbox.list()
  expect(items).toHaveLength(1)
  return items[0]!
}

describe('an approval', () => {
  it('executes exactly the bytes that were shown, once', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    const run = await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(conductor)
    expect(item).toMatchObject({
      kind: 'approval',
      action: 'bank.pay',
      input: { to: 'ada', cents: 4200 },
      allows: ['approve', 'edit', 'reject', 'respond', 'snooze', 'delegate'],
    })
    expect(await conductor.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })).toEqual({
      status: 'done',
    })
    expect(await run.result()).toEqual({ paid: 4200, edited: false })
    expect(sent).toEqual([{ to: 'ada', cents: 4200 }])
  })

  it('#4 of another hash is refused as changed', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(conductor)
    const decided = await conductor.inbox.decide(item.id, { hash: 'forged', by: me, approve: true })
    expect(decided).toMatchObject({ status: 'refused', why: 'changed' })
    await conductor.quiet()
    expect(sent).toEqual([])
  })

  it('#4 is taken once, by whoever is first', async () => {
    const { sent, payment, gate } = setUp()
    const data = store()
    const one = await open(data, { playbooks: [payment], policy: gate })
    const two = await open(data, { playbooks: [payment], policy: gate, work: false })
    const run = await one.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(one)
    const answers = await Promise.all([
      one.inbox.decide(item.id, { hash: item.hash, by: me, approve: true }),
      two.inbox.decide(item.id, { hash: item.hash, by: { kind: 'person', id: 'you' }, reject: 'no' }),
    ])
    expect(answers.map((answer) => answer.status).sort()).toEqual(['done', 'refused'])
    const won = answers[0].status === 'done'
    if (won) expect(await run.result()).toMatchObject({ paid: 1 })
    else await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(sent).toHaveLength(won ? 1 : 0)
    expect(await one.inbox.get(item.id)).toMatchObject({ state: 'decided' })
  })

  it('that was edited executes the edit, and says so', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    const run = await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(conductor)
    await conductor.inbox.decide(item.id, { hash: item.hash, by: me, edit: { to: 'ada', cents: 9 } })
    expect(await run.result()).toEqual({ paid: 9, edited: true })
    expect(sent).toEqual([{ to: 'ada', cents: 9 }])
  })

  it('edited into something that does not fit is refused, and the item stays', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(conductor)
    const decided = await conductor.inbox.decide(item.id, { hash: item.hash, by: me, edit: { to: 'ada', cents: 0.5 } })
    expect(decided).toMatchObject({ status: 'refused', why: 'invalid' })
    expect(sent).toEqual([])
    expect((await asked(conductor)).id).toBe(item.id)
  })

  it('edited into what another effect is about is refused: it would be done for both, or twice', async () => {
    const charge = action({
      name: 'pay.charge',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ invoice: z.string(), cents: z.int() }),
      output: z.object({}),
      intent: ({ invoice }) => ['charge', invoice],
      run: () => Promise.reject(new Error('a fake stands in for it')),
    })
    const charging = definePlaybook({
      name: 'charging',
      version: 1,
      input: z.object({ invoice: z.string() }),
      output: z.object({}),
      run: (ctx, { invoice }) => ctx.act(charge, { invoice, cents: 100 }),
    })
    for (const verdict of [policy.ask(), policy.hold('1h')]) {
      const gate = policy([policy.rule('pay', { on: charge }, () => verdict)])
      const pay = fake(defineConnector({ name: 'pay', actions: { charge } }))
      const t = await testConductor({ playbooks: [charging], connectors: [pay], policy: gate })
      const run = await t.start(charging, { invoice: '42' })
      const item = (await t.inbox.list()).items[0]!
      const edit = (input: object) =>
        t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by: me, edit: { ...input } }))
      expect(await edit({ invoice: '43', cents: 100 })).toMatchObject({ status: 'refused', why: 'invalid' })
      expect(await edit({ invoice: '42', cents: 50 })).toEqual({ status: 'done' })
      await run.result()
      expect(t.world(charge)).toMatchObject([{ input: { invoice: '42', cents: 50 } }])
      await t.stop()
    }
  })

  describe('edited past a rule that denies', () => {
    const limited = () => {
      const { pay, ...all } = setUp()
      const gate = (verdict: Verdict) =>
        policy([
          policy.rule('gate', { on: pay }, () => verdict),
          policy.rule('ceiling', { on: pay }, ({ input }) =>
            input.cents > 5000 ? policy.deny('over 50') : policy.allow(),
          ),
        ])
      return { ...all, pay, gate }
    }

    it.each([policy.ask(), policy.hold('1h')])(
      'is refused with the reason, and the item stays: $verdict',
      async (by) => {
        const { sent, payment, gate } = limited()
        const conductor = await open(store(), { playbooks: [payment], policy: gate(by) })
        const run = await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
        const item = await asked(conductor)
        const edit = (cents: number) => conductor.inbox.decide(item.id, { hash: item.hash, by: me, edit: { cents } })
        const refused = { status: 'refused', why: 'invalid', message: 'policy denies it with this: ceiling: over 50' }
        expect(await edit(9999)).toMatchObject({ ...refused, item: { id: item.id, hash: item.hash, state: 'open' } })
        expect(await conductor.audit.story(run.id)).not.toContainEqual(expect.stringContaining('9999'))
        expect(await asked(conductor)).toMatchObject({ id: item.id, hash: item.hash })
        expect(await edit(5000)).toEqual({ status: 'done' })
        expect(await run.result()).toEqual({ paid: 5000, edited: true })
        expect(sent).toEqual([{ to: 'ada', cents: 5000 }])
      },
    )

    it('is denied before it leaves where it was decided without the rules, and judged anew by retry()', async () => {
      const { sent, pay, payment, gate } = limited()
      const data = store()
      const conductor = await open(data, { playbooks: [payment], policy: gate(policy.ask()) })
      const run = await conductor.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
      const item = await asked(conductor)
      const desk = await open(data, { playbooks: [], actions: [pay], work: false })
      const edit = { cents: 9999 }
      expect(await desk.inbox.decide(item.id, { hash: item.hash, by: me, edit })).toEqual({ status: 'done' })
      await expect(run.result()).rejects.toMatchObject({
        code: 'ACTION_DENIED',
        hint: expect.stringContaining('runs.retry()') as string,
      })
      expect(sent).toEqual([])
      await conductor.runs.retry('p', { by: me })
      const again = await asked(conductor)
      await conductor.inbox.decide(again.id, { hash: again.hash, by: me, approve: true })
      expect(await run.result()).toEqual({ paid: 4200, edited: false })
    })
  })

  it('#4 for one run is none for another: its hash is refused there', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'one' })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'two' })
    await conductor.quiet()
    const [one, two] = (await conductor.inbox.list()).items as [InboxItem, InboxItem]
    expect(one.hash).not.toBe(two.hash)
    const decided = await conductor.inbox.decide(two.id, { hash: one.hash, by: me, approve: true })
    expect(decided).toMatchObject({ status: 'refused', why: 'changed' })
    await conductor.quiet()
    expect(sent).toEqual([])
  })

  it('#4 after its time is refused, though no process has ended it yet, and expiry never approves', async () => {
    const { sent, pay, payment, gate } = setUp({ onSilence: 'reject', timeout: '1h' })
    const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const data = store()
    const working = () => open(data, { playbooks: [payment], policy: gate, clock: clock.process().clock })
    const conductor = await working()
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(conductor)
    await conductor.stop()
    clock.to(clock.now() + 3_600_001)
    const desk = await open(data, { playbooks: [], actions: [pay], work: false, clock: clock.process().clock })
    const decided = await desk.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    expect(decided).toMatchObject({ status: 'refused', why: 'expired' })
    const later = await working()
    await expect(later.runs.get('p').result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(sent).toEqual([])
  })

  it('row 7: executes what was shown, though the input says something else when it is read again', async () => {
    const { sent, pay, gate } = setUp()
    const sly = definePlaybook({
      name: 'sly',
      version: 1,
      input: z.object({}),
      output: z.object({ ok: z.boolean() }),
      run: (ctx) => {
        let reads = 0
        const input = {
          cents: 1,
          get to() {
            return reads++ === 0 ? 'ada' : 'evil'
          },
        }
        return ctx.act(pay, input)
      },
    })
    const conductor = await open(store(), { playbooks: [sly], policy: gate })
    await conductor.start(sly, {}, { id: 'p' })
    const item = await asked(conductor)
    await conductor.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    await conductor.quiet()
    expect(sent).toEqual([(item as InboxItem & { kind: 'approval' }).input])
  })

  it('without a name for who decides is forbidden', async () => {
    const { sent, payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(conductor)
    const nobody = { kind: 'person', id: '' } as const
    const decided = await conductor.inbox.decide(item.id, { hash: item.hash, by: nobody, approve: true })
    expect(decided).toMatchObject({ status: 'refused', why: 'forbidden' })
    expect(sent).toEqual([])
  })

  it('by an actor who may not decide is forbidden', async () => {
    const { sent, payment, gate } = setUp()
    const mayDecide = (actor: { id: string }) => actor.id === 'boss'
    const conductor = await open(store(), { playbooks: [payment], policy: gate, mayDecide })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(conductor)
    const decided = await conductor.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    expect(decided).toMatchObject({ status: 'refused', why: 'forbidden' })
    expect(sent).toEqual([])
  })

  it('with a verb that the item does not allow is invalid', async () => {
    const { payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(conductor)
    const decided = await conductor.inbox.decide(item.id, { hash: item.hash, by: me, outcome: 'happened' })
    expect(decided).toMatchObject({ status: 'refused', why: 'invalid' })
  })

  it('of a thing that policy has since denied does not execute it', async () => {
    const { sent, pay, payment, gate } = setUp()
    const data = store()
    const first = await open(data, { playbooks: [payment], policy: gate })
    await first.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(first)
    await first.stop()
    const strict = policy([policy.rule('money', { on: pay }, () => policy.deny('no more payments'))])
    const second = await open(data, { playbooks: [payment], policy: strict })
    await second.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    await expect(second.runs.get('p').result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(sent).toEqual([])
  })

  it('does not cover a rule that came later: it is asked again', async () => {
    const { sent, pay, payment, gate } = setUp()
    const data = store()
    const first = await open(data, { playbooks: [payment], policy: gate })
    await first.start(payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await asked(first)
    await first.stop()
    const more = policy([...gate.rules, policy.rule('new', { on: pay }, () => policy.ask({ reason: 'a new rule' }))])
    const second = await open(data, { playbooks: [payment], policy: more })
    await second.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    const again = await asked(second)
    expect(again.id).not.toBe(item.id)
    expect(again.title).toContain('Changed')
    expect(sent).toEqual([])
    await second.inbox.decide(again.id, { hash: again.hash, by: me, approve: true })
    await second.runs.get('p').result()
    expect(sent).toHaveLength(1)
  })

  it('is taken while the version of its caller is not registered: the effect happens once, the caller stays', async () => {
    const { sent, pay, payment, gate } = setUp()
    const data = store()
    const first = await open(data, { playbooks: [payment], policy: gate })
    await first.start(payment, { to: 'ada', cents: 7 }, { id: 'p' })
    const item = await asked(first)
    await first.stop()
    const without = await open(data, { playbooks: [], actions: [pay], policy: gate })
    await without.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    await without.quiet()
    expect(sent).toHaveLength(1)
    expect(await without.why('p')).toContain('payment@1 is not registered')
    await without.stop()
    const back = await open(data, { playbooks: [payment], policy: gate })
    expect(await back.runs.get('p').result()).toEqual({ paid: 7, edited: false })
    expect(sent).toHaveLength(1)
  })

  it('waits for its action where nobody has brought it, and goes on when somebody does', async () => {
    const { sent, pay, payment, gate } = setUp()
    const data = store()
    const first = await open(data, { playbooks: [payment], policy: gate })
    await first.start(payment, { to: 'ada', cents: 7 }, { id: 'p' })
    const item = await asked(first)
    await first.stop()
    const bare = await open(data, { playbooks: [], policy: gate })
    await bare.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    await bare.quiet()
    expect(sent).toEqual([])
    await bare.stop()
    const full = await open(data, { playbooks: [payment], actions: [pay], policy: gate })
    expect(await full.runs.get('p').result()).toEqual({ paid: 7, edited: false })
  })
})

describe('a decline', () => {
  it('ends the run as declined, not failed, when nobody catches it', async () => {
    const { payment, gate } = setUp()
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    const run = await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await asked(conductor)
    await conductor.inbox.decide(item.id, { hash: item.hash, by: me, reject: 'too much' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'ACTION_DECLINED',
      message: expect.stringContaining('too much'),
    })
    expect(await run.status()).toEqual({ state: 'declined' })
  })

  it('is answered with a new proposal, linked to the old one', async () => {
    const { pay, sent, gate } = setUp()
    const careful = definePlaybook({
      name: 'careful',
      version: 1,
      input: z.object({}),
      output: z.object({ cents: z.number() }),
      async run(ctx) {
        const done = await ctx.effect(
          pay,
          { to: 'ada', cents: 100 },
          { revise: (input, no) => ({ ...input, cents: Number(no.text ?? no.reason) }) },
        )
        return { cents: done.input.cents }
      },
    })
    const conductor = await open(store(), { playbooks: [careful], policy: gate })
    const run = await conductor.start(careful, {}, { id: 'c' })
    const first = await asked(conductor)
    await conductor.inbox.decide(first.id, { hash: first.hash, by: me, respond: '50' })
    const second = await asked(conductor)
    expect(second).toMatchObject({ input: { cents: 50 }, revises: first.id })
    await conductor.inbox.decide(second.id, { hash: second.hash, by: me, approve: true })
    expect(await run.result()).toEqual({ cents: 50 })
    expect(sent).toEqual([{ to: 'ada', cents: 50 }])
  })
})

describe('policy', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('broken rule')
      },
    ],
    ['returns junk', () => 'yes' as never],
    ['returns nothing', () => undefined as never],
    ['returns a promise', () => Promise.resolve({ verdict: 'allow' }) as never],
    ['returns an empty list', () => [] as never],
  ])('denies when a rule %s', async (_how, decide) => {
    const { sent, pay, payment } = setUp()
    const conductor = await open(store(), {
      playbooks: [payment],
      policy: policy([policy.rule('bad', { on: pay }, decide)]),
    })
    const run = await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(sent).toEqual([])
  })

  it.each([
    ['allows', async () => policy.allow()],
    ['rejects', async () => Promise.reject(new Error('no network'))],
  ])('says of a rule that is asynchronous that it cannot be: one that %s', async (_how, decide) => {
    const { pay, payment } = setUp()
    const gate = policy([policy.rule('bad', { on: pay }, decide as never)])
    const conductor = await open(store(), { playbooks: [payment], policy: gate })
    const run = await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'ACTION_DENIED',
      message: expect.stringContaining('bad: the rule returned a promise: a rule is not async') as string,
    })
  })

  it('asks for a write of which no rule speaks, and when there is no policy at all', async () => {
    const { sent, payment } = setUp()
    const conductor = await open(store(), { playbooks: [payment] })
    await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    expect((await asked(conductor)).title).toContain('(no rule covers it yet, so you decide)')
    expect(sent).toEqual([])
  })

  it('#30 denies when an engine exceeds its time', async () => {
    const { sent, payment } = setUp()
    const never = { version: 'slow', judge: () => new Promise<never>(() => {}) }
    const conductor = await open(store(), { playbooks: [payment], policy: never, limits: { policyMs: 10 } })
    const run = await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    await expect(run.result()).rejects.toMatchObject({
      code: 'ACTION_DENIED',
      message: expect.stringContaining('exceeded its time'),
    })
    expect(sent).toEqual([])
  })

  it('never lets a rule change the input that executes', async () => {
    const { sent, pay, payment } = setUp()
    const sly = policy.rule('sly', { on: pay }, ({ input }) => {
      ;(input as { cents: number }).cents = 1_000_000
      return policy.allow()
    })
    const conductor = await open(store(), { playbooks: [payment], policy: policy([sly]) })
    const run = await conductor.start(payment, { to: 'ada', cents: 1 }, { id: 'p' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(sent).toEqual([])
  })
})
