/** Reliability, row 6: an action that is defined otherwise than when people agreed to it is another action. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineConnector,
  definePlaybook,
  defineTrust,
  policy,
  type Action,
  type Conductor,
  type Idempotency,
  type InboxItem,
  type Verdict,
} from '@keelson/core'
import { exploreCrashes, fake, manualClock, testConductor } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

interface Defined {
  readonly title?: string
  readonly input?: z.ZodType
  readonly effect?: 'reversible' | 'irreversible'
  readonly idempotency?: Idempotency
}

const INPUT = z.object({ to: z.string(), cents: z.int() })
const OTHER: Record<string, Defined> = {
  'its words': { title: 'Pay, and tell the tax office' },
  'what is said of a field': { input: z.object({ to: z.string().describe('IBAN, or all of them'), cents: z.int() }) },
  'its effect': { effect: 'reversible' },
  'how it happens once': { idempotency: { by: 'none' } },
  'a field more': { input: z.object({ to: z.string(), cents: z.int(), tip: z.int().default(99) }) },
}

/** One deploy of an app: what `pay` is there, and what it sent. */
function release(verdicts: readonly (() => Verdict)[], { title = 'Pay', input = INPUT, ...more }: Defined = {}) {
  const sent: unknown[] = []
  const pay = action({
    name: 'bank.pay',
    title,
    effect: more.effect ?? 'irreversible',
    idempotency: more.idempotency ?? { by: 'key' },
    input,
    output: z.object({ ok: z.boolean() }),
    async run(given) {
      sent.push(given)
      return { output: { ok: true } }
    },
  }) as Action<{ to: string; cents: number }, { ok: boolean }>
  const payment = definePlaybook({
    name: 'payment',
    version: 1,
    input: z.object({ to: z.string(), cents: z.int() }),
    output: z.boolean(),
    run: async (ctx, given) => (await ctx.act(pay, given)).ok,
  })
  const batch = definePlaybook({
    name: 'batch',
    version: 1,
    input: z.object({}),
    output: z.string(),
    run: async (ctx) => {
      const lines = [ctx.intend(pay, { to: 'ada', cents: 1 }), ctx.intend(pay, { to: 'bob', cents: 2 })]
      return (await ctx.propose('pay them', lines)).lines.map((line) => line.state).join()
    },
  })
  const rules = verdicts.map((verdict, i) => policy.rule(`money ${i}`, { on: pay }, verdict))
  return {
    sent,
    pay,
    payment,
    batch,
    options: { playbooks: [payment, batch], actions: [pay], policy: policy(rules) },
  }
}

const asks = [() => policy.ask({ reason: 'money', grantable: true })]

type Approval = InboxItem & { kind: 'approval' }

async function only(conductor: Conductor): Promise<Approval> {
  await conductor.quiet()
  const { items } = await conductor.inbox.list()
  expect(items).toHaveLength(1)
  return items[0] as Approval
}

async function approve(conductor: Conductor, item: InboxItem): Promise<void> {
  expect(await conductor.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })).toEqual({ status: 'done' })
  await conductor.quiet()
}

describe('row 6: an action that is defined otherwise since', () => {
  it.each(Object.entries(OTHER))('row 6: is asked for anew after it was approved (%s)', async (_what, other) => {
    const [before, after] = [release(asks), release(asks, other)]
    const data = store()
    const first = await open(data, before.options)
    await first.start(before.payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await only(first)
    await first.stop()
    const second = await open(data, after.options)
    await approve(second, item)
    expect([before.sent, after.sent]).toEqual([[], []])
    const again = await only(second)
    expect(again.id).not.toBe(item.id)
    expect(again.title).toContain('Changed: ')
    expect(again.changed?.length).toBeGreaterThan(0)
    await approve(second, again)
    expect(after.sent).toEqual([again.input])
  })

  it('shows what differs, part by part', async () => {
    const [before, after] = [
      release(asks),
      release(asks, { title: 'Give', input: INPUT.extend({ cents: z.string() }) }),
    ]
    const data = store()
    const first = await open(data, before.options)
    await first.start(before.payment, { to: 'ada', cents: 4200 }, { id: 'p' })
    const item = await only(first)
    await first.stop()
    const second = await open(data, after.options)
    await approve(second, item)
    const again = await only(second)
    expect(again.changed).toEqual([
      { label: 'input.cents', before: expect.stringContaining('integer'), after: '{"type":"string"}' },
      { label: 'title', before: 'Pay', after: 'Give' },
    ])
    // What does not fit any more cannot be approved as it stands.
    expect(again.allows).toEqual(['edit', 'reject', 'respond', 'snooze', 'delegate'])
    const refused = await second.inbox.decide(again.id, { hash: again.hash, by: me, approve: true })
    expect(refused).toMatchObject({ status: 'refused', why: 'invalid' })
    const edit = { to: 'ada', cents: '42.00' }
    await second.inbox.decide(again.id, { hash: again.hash, by: me, edit })
    await second.quiet()
    expect(after.sent).toEqual([edit])
  })

  it('row 6: is not sent when its hold ends, but asked for', async () => {
    const held = [() => policy.hold('1h')]
    const [before, after] = [release(held), release(held, { effect: 'reversible' })]
    const [data, clock] = [store(), manualClock(0)]
    const first = await open(data, { ...before.options, clock: clock.process().clock })
    await first.start(before.payment, { to: 'ada', cents: 1 }, { id: 'p' })
    await only(first)
    await first.stop()
    const second = await open(data, { ...after.options, clock: clock.process().clock })
    clock.to(3_600_001)
    const item = await only(second)
    expect([after.sent, item.dueAt]).toEqual([[], undefined])
    await approve(second, item)
    expect(after.sent).toEqual([{ to: 'ada', cents: 1 }])
  })

  it('takes the place of an open item as soon as it is looked at again', async () => {
    const [before, after] = [release(asks), release([() => policy.ask({ reason: 'dear' })], { title: 'Give' })]
    const data = store()
    const first = await open(data, before.options)
    await first.start(before.payment, { to: 'ada', cents: 1 }, { id: 'p' })
    const item = await only(first)
    await first.stop()
    const second = await open(data, { ...after.options })
    await expect.poll(async () => (await only(second)).id).not.toBe(item.id) // other rules wake what is open
    const again = await only(second)
    expect(again.changed).toEqual([{ label: 'title', before: 'Pay', after: 'Give' }])
    const late = await second.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    expect(late).toMatchObject({ status: 'refused', why: 'settled' })
  })

  it('row 6: is asked for line by line, where a plan of it was approved', async () => {
    const [before, after] = [release(asks), release(asks, { title: 'Give' })]
    const data = store()
    const first = await open(data, before.options)
    await first.start(before.batch, {}, { id: 'p' })
    const plan = await only(first)
    await first.stop()
    const second = await open(data, after.options)
    await approve(second, plan)
    expect(after.sent).toEqual([])
    await approve(second, await only(second))
    expect(after.sent).toEqual([{ to: 'ada', cents: 1 }])
    await approve(second, await only(second))
    expect(await second.runs.get('p').result()).toBe('done,done')
  })

  it('row 6: is answered by no grant that was made for the other', async () => {
    const [before, after] = [release(asks), release(asks, { idempotency: { by: 'none' } })]
    const data = store()
    const first = await open(data, before.options)
    const until = new Date(Date.now() + 86_400_000).toISOString()
    await first.grants.create({ action: before.pay, where: {}, cap: { count: 9 }, until, by: me })
    expect(await (await first.start(before.payment, { to: 'ada', cents: 1 }, { id: 'a' })).result()).toBe(true)
    expect(before.sent).toHaveLength(1)
    await first.stop()
    const second = await open(data, after.options)
    await second.start(after.payment, { to: 'ada', cents: 2 }, { id: 'b' })
    await only(second)
    expect(await second.grants.list()).toMatchObject([{ state: 'changed', used: { count: 1 } }])
    await second.stop()
    const third = await open(data, { ...before.options, name: 'third' })
    expect(await third.grants.list()).toMatchObject([{ state: 'active' }])
  })

  it('is answered by no grant that had answered before it was sent', async () => {
    const both = [...asks, () => policy.hold('1h')]
    const [before, after] = [release(both), release(both, { title: 'Give' })]
    const [data, clock] = [store(), manualClock(0)]
    const first = await open(data, { ...before.options, clock: clock.process().clock })
    await first.grants.create({ action: before.pay, where: {}, cap: { count: 9 }, until: '2000-01-01', by: me })
    await first.start(before.payment, { to: 'ada', cents: 1 }, { id: 'a' })
    expect((await only(first)).dueAt).toBeDefined()
    await first.stop()
    const second = await open(data, { ...after.options, clock: clock.process().clock })
    clock.to(3_600_001)
    const item = await only(second)
    expect([item.dueAt, after.sent]).toEqual([undefined, []])
  })

  it('row 6: has to earn trust anew', async () => {
    const trusting = (one: ReturnType<typeof release>) => ({
      ...one.options,
      trust: [defineTrust(one.pay, { start: 'approve', ceiling: 'automatic' })],
    })
    const [before, after] = [release(asks), release(asks, { title: 'Give' })]
    const data = store()
    const first = await open(data, trusting(before))
    await first.start(before.payment, { to: 'ada', cents: 100 }, { id: 'a' })
    const taught = await only(first)
    await first.inbox.opened(taught.id, { by: me })
    await approve(first, taught)
    await first.trust.set(before.pay, 'automatic', { by: me })
    expect(await (await first.start(before.payment, { to: 'ada', cents: 100 }, { id: 'auto' })).result()).toBe(true)
    await first.stop()
    const clock = manualClock(Date.now())
    const second = await open(data, { ...trusting(after), clock: clock.process().clock })
    expect(await second.trust.list()).toMatchObject([{ rung: 'approve', seen: 0 }])
    await second.start(after.payment, { to: 'ada', cents: 100 }, { id: 'b' })
    await second.quiet()
    const item = (await second.inbox.list()).items.find((one) => one.kind === 'approval')!
    expect([before.sent.length, after.sent.length]).toEqual([2, 0])
    await second.inbox.opened(item.id, { by: me })
    clock.to(clock.now() + 60_000)
    await approve(second, item)
    expect(after.sent).toHaveLength(1)
    expect(await second.trust.list()).toMatchObject([{ rung: 'approve', seen: 1 }])
    const titles = (await second.inbox.list()).items.map((one) => one.title)
    expect(titles).toContain('bank.pay went from "automatic" to "approve"')
  })

  it('row 6: is not sent again under another definition, when nobody knows whether it happened', async () => {
    const free = [() => policy.allow()]
    const before = release(free, { idempotency: { by: 'none' } })
    const after = release(free, { idempotency: { by: 'key' } }) // this one would be sent again
    let died = false
    const dies = (): unknown => {
      connectors[0] = fake(defineConnector({ name: 'bank', actions: { pay: after.pay } }))
      died = true
      void t.crash()
      return new Promise(() => {})
    }
    const connectors = [fake(defineConnector({ name: 'bank', actions: { pay: before.pay } }), { 'bank.pay': dies })]
    const t = await testConductor({ playbooks: [before.payment], connectors, policy: before.options.policy })
    await t.start(before.payment, { to: 'ada', cents: 1 }, { id: 'a' })
    await t.settle()
    expect([died, (await t.inbox.list()).items.map((one) => one.kind)]).toEqual([true, ['outcome-unknown']])
    expect(t.world(after.pay)).toEqual([])
  })

  it('ends the same however it is cut short', async () => {
    const [before, after] = [release(asks), release(asks, { title: 'Give', effect: 'reversible' })]
    const bank = (one: ReturnType<typeof release>) => fake(defineConnector({ name: 'bank', actions: { pay: one.pay } }))
    let connectors = [bank(before)]
    const explored = await exploreCrashes(
      async (t) => {
        await t.start(before.payment, { to: 'ada', cents: 1 }, { id: 'p' })
        connectors[0] = bank(after)
        await t.crash()
        const titles: string[] = []
        const asked = async () => {
          const { items } = await t.host((keelson) => keelson.inbox.list())
          titles.push(...items.map((one) => one.title))
          return items.length
        }
        await asked()
        await t.approve(before.pay)
        // A run that was just looked at asks for the new definition by now; one that rested does when it is to be sent.
        if ((await asked()) > 0) await t.approve(after.pay)
        const happened = t.world(after.pay).map((one) => one.times)
        return [await asked(), happened, titles.some((one) => one.startsWith('Changed: '))]
      },
      {
        atOnce: 1, // they share the deploy
        harness: () => {
          connectors = [bank(before)]
          return { playbooks: [before.payment], connectors, policy: before.options.policy }
        },
      },
    )
    expect(explored.points).toBeGreaterThan(20)
  })
})
