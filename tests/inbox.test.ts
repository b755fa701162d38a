/** The inbox beyond yes and no: what is shown, what has changed, put off, handed on, climbed, decided together, measured. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineConnector,
  definePlaybook,
  defineTrust,
  policy,
  type InboxItem,
  type Notice,
} from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ id: z.string() }),
  rejectReasons: [{ id: 'tone', label: 'Wrong tone', fill: 'Please warmer.' }],
  fresh: real,
  run: real,
})
const tag = action({
  name: 'crm.tag',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ customer: z.string(), tag: z.string() }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  batchBy: ({ tag }) => tag,
  preview: ({ customer, tag }) => ({ kind: 'table', columns: ['customer', 'tag'], rows: [[customer, tag]] }),
  run: real,
  compensate: real,
})
const mail = defineConnector({ name: 'mail', actions: { send } })
const crm = defineConnector({ name: 'crm', actions: { tag } })
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ id: z.string() }),
  uses: [mail],
  run: (ctx, input) => ctx.act(send, input),
})
const label = definePlaybook({
  name: 'label',
  version: 1,
  input: z.object({ customer: z.string(), tag: z.string() }),
  output: z.object({ ok: z.boolean() }),
  uses: [crm],
  run: (ctx, input) => ctx.act(tag, input),
})
const ann = { kind: 'person', id: 'ann' } as const
const bob = { kind: 'person', id: 'bob', name: 'Bob' } as const
const asks = (options?: Parameters<typeof policy.ask>[0]) =>
  policy.rule('ask', { on: [send, tag] }, () => policy.ask(options))
const setUp = (rules = [asks()], more: Partial<HarnessOptions> = {}): HarnessOptions => ({
  playbooks: [write, label],
  connectors: [fake(mail), fake(crm)],
  policy: policy(rules),
  ...more,
})
const letter = { to: 'ada@example.org', text: 'Dear Ada' }

async function only(t: Harness): Promise<InboxItem & { kind: 'approval' }> {
  const { items } = await t.inbox.list()
  expect(items).toHaveLength(1)
  return items[0] as InboxItem & { kind: 'approval' }
}

describe('what is shown', () => {
  it('says what a yes leads to, the risk, the way back, and which noes are offered', async () => {
    const t = await testConductor(setUp())
    await t.start(write, letter)
    expect(await only(t)).toMatchObject({
      risk: 'medium',
      reversibility: 'none',
      consequence: 'Executes as soon as you approve; it cannot be taken back.',
      rejectReasons: [{ id: 'tone', label: 'Wrong tone', fill: 'Please warmer.' }],
      flags: [],
    })
  })

  it('hides no letter that pretends: the bytes stay, the card shows them written out', async () => {
    const t = await testConductor(setUp())
    await t.start(write, { to: 'аda@example.org', text: 'pay\u202Ethis' })
    const item = await only(t)
    expect(item.preview).toEqual({
      kind: 'fields',
      rows: [
        { label: 'text', after: 'pay\\u{202e}this' },
        { label: 'to', after: '\\u{430}da@example.org' },
      ],
    })
    expect(item.flags.map((flag) => flag.code)).toEqual(['direction', 'lookalike'])
    expect(item.input).toEqual({ to: 'аda@example.org', text: 'pay\u202Ethis' })
  })

  it('shows a table to a card that knows rows alone, and to one that knows tables', async () => {
    const t = await testConductor(setUp())
    await t.start(label, { customer: 'acme', tag: 'vip' })
    expect((await only(t)).preview).toEqual({
      kind: 'fields',
      rows: [{ label: '1', after: 'customer: acme · tag: vip' }],
      table: { columns: ['customer', 'tag'], rows: [['acme', 'vip']] },
    })
  })
})

describe('an approval of what has changed since', () => {
  it('row 7: sends nothing, and comes back under a new hash that says what changed', async () => {
    const t = await testConductor(setUp())
    t.fresh(send, { invoice: 'open', cents: 4200 })
    const run = await t.start(write, letter)
    const first = await only(t)
    t.fresh(send, { invoice: 'paid', cents: 4200 })
    await t.approve(send)
    const second = await only(t)
    expect(t.world(send)).toEqual([])
    expect(second.hash).not.toBe(first.hash)
    expect(second.title).toMatch(/^Changed: /)
    expect(second.changed).toEqual([{ label: 'invoice', before: 'open', after: 'paid' }])
    expect(await t.inbox.decide(second.id, { hash: first.hash, by: ann, approve: true })).toMatchObject({
      why: 'changed',
    })
    await t.approve(send)
    expect(t.world(send)).toHaveLength(1)
    expect(await run.status()).toEqual({ state: 'completed' })
  })

  it('asks anew for a hold, too, and is not looked at again once it was sent', async () => {
    const t = await testConductor(setUp([policy.rule('window', { on: send }, () => policy.hold('10m'))]))
    t.fresh(send, 1)
    const run = await t.start(write, letter)
    t.fresh(send, 2)
    await t.advance('10m')
    expect(t.world(send)).toEqual([])
    t.fault(send, 'timeout-after-effect') // whatever it reads now may be its own work
    await t.approve(send)
    t.fresh(send, 3)
    await t.advance('1h')
    expect(await run.status()).toEqual({ state: 'completed' })
    expect(t.world(send)).toMatchObject([{ times: 1 }])
  })

  it('says that a yes sends it at once, where its hold was waited out', async () => {
    const t = await testConductor(setUp([asks(), policy.rule('window', { on: send }, () => policy.hold('10m'))]))
    t.fresh(send, 1)
    await t.start(write, letter)
    expect((await only(t)).consequence).toContain('10 min after you approve')
    await t.approve(send)
    t.fresh(send, 2)
    await t.advance('10m')
    expect(t.world(send)).toEqual([])
    expect((await only(t)).consequence).toBe('Executes as soon as you approve; it cannot be taken back.')
    await t.approve(send)
    expect(t.world(send)).toHaveLength(1)
  })

  it('ends the same wherever it is cut', { timeout: 600_000 }, async () => {
    await exploreCrashes(
      async (t) => {
        t.fresh(send, 'open')
        const run = await t.start(write, letter)
        t.fresh(send, 'paid')
        await t.approve(send)
        await t.approve(send)
        return run
      },
      { harness: () => setUp(), depth: 2, limit: 120 },
    )
  })
})

describe('an item', () => {
  it('that is put off leaves the list and the reminders until its time', async () => {
    const t = await testConductor(setUp([asks({ onSilence: 'remind', timeout: '1h' })]))
    await t.start(write, letter)
    const { id } = await only(t)
    expect(await t.inbox.snooze(id, { by: ann, until: '5h' })).toEqual({ status: 'done' })
    expect((await t.inbox.list()).items).toEqual([])
    expect((await t.inbox.list({ snoozed: true })).items).toHaveLength(1)
    await t.advance('4h')
    expect(await t.inbox.get(id)).toMatchObject({ reminders: 0, state: 'open' })
    await t.advance('1h')
    expect(await only(t)).toMatchObject({ id })
    await t.advance('1h')
    expect((await t.inbox.get(id)).reminders).toBeGreaterThan(0)
    await t.approve(send)
    expect(t.world(send)).toHaveLength(1)
  })

  it('is shown to who watches when it comes back, though nothing else happens', async () => {
    const t = await testConductor(setUp())
    await t.start(write, letter)
    const { id } = await only(t)
    await t.inbox.snooze(id, { by: ann, until: '5h' })
    const watching = t.inbox.watch()[Symbol.asyncIterator]()
    const first = watching.next()
    await t.advance('4h')
    await t.inbox.opened(id, { by: ann }) // a change, and not yet its time
    await t.advance('1h')
    expect(await first).toMatchObject({ value: { id } })
    await t.inbox.snooze(id, { by: ann, until: '1h' })
    const second = watching.next()
    await t.advance('1h')
    expect(await second).toMatchObject({ value: { id } })
    await watching.return?.(undefined)
  })

  it('cannot be put off beyond its end, into the past, or once it is decided', async () => {
    const t = await testConductor(setUp([asks({ onSilence: 'reject', timeout: '1h' })]))
    await t.start(write, letter)
    const { id } = await only(t)
    expect(await t.inbox.snooze(id, { by: ann, until: '2h' })).toMatchObject({ why: 'invalid' })
    expect(await t.inbox.snooze(id, { by: ann, until: '2020-01-01' })).toMatchObject({ why: 'invalid' })
    await expect(t.inbox.snooze(id, { by: ann, until: 'soon' })).rejects.toMatchObject({ code: 'DURATION_INVALID' })
    await t.reject(send, 'no')
    expect(await t.inbox.snooze(id, { by: ann, until: '1m' })).toMatchObject({ why: 'settled' })
  })

  it('is decided by no agent, unless the host says so', async () => {
    const bot = { kind: 'agent', id: 'bot' } as const
    const t = await testConductor(setUp([asks()]))
    await t.start(write, letter)
    const { id, hash } = await only(t)
    expect(await t.inbox.decide(id, { hash, by: bot, approve: true })).toMatchObject({
      status: 'refused',
      why: 'forbidden',
    })
    expect(await t.inbox.decide(id, { hash, by: { kind: 'system', id: 'host' }, approve: true })).toEqual({
      status: 'done',
    })
    const open = await testConductor(setUp([asks()], { mayDecide: () => true }))
    await open.start(write, letter)
    const other = await only(open)
    expect(await open.inbox.decide(other.id, { hash: other.hash, by: bot, reject: 'no' })).toEqual({ status: 'done' })
  })

  it('that is handed on is the other person’s, and the host’s rule sees whose it is', async () => {
    const mayDecide: HarnessOptions['mayDecide'] = (actor, item) =>
      item.assignee === undefined || item.assignee.id === actor.id
    const t = await testConductor(setUp([asks()], { mayDecide }))
    await t.start(write, letter)
    const { id, hash } = await only(t)
    expect(await t.inbox.delegate(id, { by: ann, to: bob, note: 'you know her' })).toEqual({ status: 'done' })
    expect((await t.inbox.list({ assignee: 'bob' })).items).toMatchObject([
      { assignee: bob, handings: [{ by: ann, to: bob, note: 'you know her' }] },
    ])
    expect(await t.inbox.decide(id, { hash, by: ann, approve: true })).toMatchObject({ why: 'forbidden' })
    expect(await t.inbox.delegate(id, { by: ann, to: ann })).toMatchObject({ why: 'forbidden' })
    expect(await t.inbox.decide(id, { hash, by: bob, approve: true })).toEqual({ status: 'done' })
  })
})

describe('a ladder', () => {
  const rungs = {
    escalate: [
      { after: '1h', to: 'lead' },
      { after: '3h', to: bob, via: 'pager' },
    ],
  } as const

  it('is climbed rung by rung, each at its time, and tells through the channels of the host', async () => {
    const told: Notice[] = []
    const t = await testConductor(setUp([asks(rungs)], { channels: { pager: (notice) => void told.push(notice) } }))
    await t.start(write, letter)
    const { id } = await only(t)
    await t.advance('59m')
    expect((await t.inbox.get(id)).assignee).toBeUndefined()
    await t.advance('1m')
    expect(await t.inbox.get(id)).toMatchObject({ assignee: { kind: 'person', id: 'lead' }, reminders: 1 })
    expect(told).toEqual([])
    await t.advance('2h')
    expect(await t.inbox.get(id)).toMatchObject({ assignee: bob, reminders: 2, state: 'open' })
    expect(told).toMatchObject([{ rung: 2, to: bob, workspace: 'default', item: { id, action: 'mail.send' } }])
    await t.advance('2d')
    expect((await t.inbox.get(id)).reminders).toBeGreaterThan(2)
    expect(told).toHaveLength(1)
    expect(t.world(send)).toEqual([])
  })

  it('stops with the answer; a channel that is missing shows in the inbox', async () => {
    const t = await testConductor(setUp([asks(rungs)]))
    await t.start(write, letter)
    await t.advance('3h')
    await t.advance('1h')
    const { items } = await t.inbox.list()
    expect(items.map((item) => item.kind).sort()).toEqual(['approval', 'attention'])
    expect(items.find((item) => item.kind === 'attention')).toMatchObject({ title: expect.stringContaining('pager') })
    await t.approve(send)
    expect(t.world(send)).toHaveLength(1)
  })

  it('tells of each rung wherever it is cut', { timeout: 600_000 }, async () => {
    await exploreCrashes(
      async (t) => {
        const run = await t.start(write, letter)
        await t.advance('4h')
        await t.approve(send)
        return run
      },
      { harness: () => setUp([asks(rungs)], { channels: { pager: () => {} } }), depth: 1 },
    )
  })

  it('of rungs that do not climb is refused where it is written', () => {
    const turned = [
      { after: '2h', to: 'a' },
      { after: '1h', to: 'b' },
    ] as const
    expect(() => policy.ask({ escalate: turned })).toThrow(expect.objectContaining({ code: 'DEFINITION_INVALID' }))
  })
})

describe('a batch', () => {
  async function tags(t: Harness, ...names: string[]): Promise<InboxItem[]> {
    for (const [i, name] of names.entries()) await t.start(label, { customer: `c${i}`, tag: name })
    return (await t.inbox.list()).items
  }

  it('decides exactly what was reviewed, and answers for each item', async () => {
    const t = await testConductor(setUp())
    const items = await tags(t, 'vip', 'vip', 'vip', 'late')
    const [one, two, three, other] = items as [InboxItem, InboxItem, InboxItem, InboxItem]
    const reviewed = [one, { ...two, hash: 'stale' }, other].map(({ id, hash }) => ({ id, hash }))
    const { batch, items: answers } = await t.inbox.batch(reviewed, { by: ann, approve: true })
    await t.settle()
    expect(answers).toMatchObject([
      { id: one.id, status: 'done' },
      { id: two.id, status: 'refused', why: 'changed' },
      { id: other.id, status: 'refused', why: 'invalid', message: 'it is not like the others of the batch' },
    ])
    expect(t.world(tag)).toHaveLength(1)
    expect(await t.inbox.get(one.id)).toMatchObject({ decided: { by: ann, batch } })
    expect(await t.inbox.get(three.id)).toMatchObject({ state: 'open' })
  })

  it('takes nothing that cannot be taken back, nothing twice, and not more than can be reviewed', async () => {
    const t = await testConductor(setUp())
    await t.start(write, letter)
    const { id, hash, batchKey } = await only(t)
    expect(batchKey).toBeUndefined()
    expect(await t.inbox.batch([{ id, hash }], { by: ann, approve: true })).toMatchObject({
      items: [{ why: 'invalid', message: 'it may only be decided alone' }],
    })
    const many = Array.from({ length: 51 }, (_, i) => ({ id: `${i}`, hash }))
    for (const wrong of [
      [],
      [
        { id, hash },
        { id, hash },
      ],
      many,
    ])
      await expect(t.inbox.batch(wrong, { by: ann, approve: true })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('is not begun where one of its items is not there', async () => {
    const t = await testConductor(setUp())
    const [one] = await tags(t, 'vip')
    const reviewed = [
      { id: one!.id, hash: one!.hash },
      { id: 'gone', hash: 'x' },
    ]
    await expect(t.inbox.batch(reviewed, { by: ann, approve: true })).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND' })
    expect(await t.inbox.get(one!.id)).toMatchObject({ state: 'open' })
  })

  it('holds no taking back, and nothing that is not as it seems: these are groups of their own', async () => {
    const back = policy.rule('back', { on: tag, undo: true }, () => policy.ask())
    const t = await testConductor(setUp([asks(), back]))
    const run = await t.start(label, { customer: 'c', tag: 'vip' })
    await t.approve(tag)
    await t.host(async ({ revert }) => revert.apply(await revert.plan({ run: run.id }), { by: ann }))
    await t.start(label, { customer: 'd', tag: 'vip' })
    await t.start(label, { customer: 'v\u202eip', tag: 'vip' })
    const { items } = await t.inbox.list()
    const of = (item: InboxItem): string => `${item.title} ${item.flags.length > 0 ? 'flagged' : ''}`.trim()
    const keys = items.map((item) => [of(item), item.kind === 'approval' && item.batchKey !== undefined] as const)
    expect(Object.fromEntries(keys)).toEqual({
      'Take back: crm.tag (back)': false,
      'crm.tag (ask)': true,
      'crm.tag (ask) flagged': false,
    })
    expect((await t.inbox.groups()).map(({ count }) => count)).toEqual([1, 1, 1])
    const reviewed = items.map(({ id, hash }) => ({ id, hash }))
    const { items: answers } = await t.inbox.batch(reviewed, { by: ann, approve: true })
    const done = answers.filter(({ status }) => status === 'done').map(({ id }) => items.find((one) => one.id === id)!)
    expect(done.map(of)).toEqual(['crm.tag (ask)'])
  })

  it('is called by what all of it says, and leaves out what was put off', async () => {
    const rule = policy.rule('who', { on: tag }, ({ input }) => policy.ask({ reason: `for ${input.customer}` }))
    const t = await testConductor(setUp([rule]))
    const [one] = await tags(t, 'vip', 'vip', 'vip')
    expect(await t.inbox.groups()).toMatchObject([{ title: '3 × crm.tag', count: 3 }])
    await t.host((keelson) => keelson.inbox.snooze(one!.id, { by: ann, until: '1d' }))
    expect(await t.inbox.groups()).toMatchObject([{ title: '2 × crm.tag', count: 2 }])
  })

  it('is for actions that climb only from the rung on which several can be decided together', async () => {
    const trust = [defineTrust(tag, { start: 'approve', ceiling: 'automatic' })]
    const t = await testConductor(setUp([asks({ grantable: true })], { trust }))
    const together = async (...names: string[]): Promise<InboxItem[]> =>
      (await tags(t, ...names)).filter((item) => item.kind === 'approval' && item.batchKey !== undefined)
    expect(await together('vip')).toEqual([])
    await t.keelson.trust.set(tag, 'batch', { by: ann })
    const [one, two, ...more] = await together('vip', 'vip')
    expect(more).toEqual([])
    await t.inbox.batch([{ id: one!.id, hash: one!.hash }], { by: ann, approve: true })
    await t.keelson.trust.set(tag, 'approve', { by: ann })
    const { items: answers } = await t.inbox.batch([{ id: two!.id, hash: two!.hash }], { by: ann, approve: true })
    expect(answers).toMatchObject([{ why: 'invalid', message: 'its action is to be decided one at a time' }])
    await t.settle()
    expect(t.world(tag)).toHaveLength(1)
  })

  it('row 9: counts like items once: 200 asks in a minute', async () => {
    const t = await testConductor(setUp())
    for (let i = 0; i < 200; i++) await t.start(label, { customer: `c${i}`, tag: 'vip' })
    const groups = await t.inbox.groups()
    expect(groups).toMatchObject([{ count: 200, action: 'crm.tag' }])
    const fatigue = await t.inbox.fatigue({ since: '1d' })
    expect(fatigue).toMatchObject({ asked: 200, interruptions: 1, perHour: { most: 1 }, decided: 0, stampShare: 0 })
  })
})

describe('fatigue', () => {
  it('is measured: looked-at time, rubber stamps, unopened', async () => {
    const t = await testConductor(setUp())
    for (const [i, look] of ['30s', '1s', undefined].entries()) {
      await t.start(label, { customer: `${i}`, tag: 'vip' })
      const { id } = await only(t)
      if (look !== undefined) {
        await t.inbox.opened(id, { by: ann })
        await t.advance(look)
      }
      await t.approve(tag, { by: ann })
    }
    expect(await t.inbox.fatigue({ since: '7d' })).toMatchObject({
      asked: 3,
      decided: 3,
      approved: 3,
      stamps: 2,
      stampShare: 2 / 3,
      unopened: 1,
      lookedMs: { median: 30_000, p90: 30_000 },
      byAction: [{ action: 'crm.tag', asked: 3, approved: 3, stamps: 2 }],
    })
  })

  it('is told of after fifty approvals in a row without a look', async () => {
    const t = await testConductor(setUp())
    const told: unknown[] = []
    t.keelson.on('inbox.fatigued', (event) => told.push(event))
    for (let i = 0; i < 51; i++) {
      await t.start(label, { customer: `${i}`, tag: 'vip' })
      await t.approve(tag, { by: bob })
    }
    expect(told).toEqual([{ workspace: 'default', by: 'Bob', straight: 50 }])
  })
})

describe('the outbox', () => {
  const held = policy.rule('window', { on: send }, () => policy.hold('10m'))

  it('lists what goes out, the next first, and sends it once when it is due', async () => {
    const t = await testConductor(setUp([held]))
    await t.start(write, { ...letter, text: 'one' })
    await t.advance('5m')
    await t.start(write, { ...letter, text: 'two' })
    const { holds } = await t.keelson.holds.list()
    expect(holds.map((one) => [one.dueAt, (one.input as { text: string }).text])).toEqual([
      ['2026-01-05T09:10:00.000Z', 'one'],
      ['2026-01-05T09:15:00.000Z', 'two'],
    ])
    const first = await t.keelson.holds.list({ limit: 1 })
    expect((await t.keelson.holds.list({ after: first.next! })).holds).toHaveLength(1)
    await t.crash()
    await t.advance('5m')
    expect(t.world(send).map(({ input }) => input.text)).toEqual(['one'])
    await t.advance('5m')
    expect(t.world(send)).toHaveLength(2)
    expect((await t.keelson.holds.list()).holds).toEqual([])
  })

  it('stops what is stopped before it is due, and refuses to afterwards', async () => {
    const t = await testConductor(setUp([held]))
    const run = await t.start(write, letter)
    const { id } = (await t.keelson.holds.list()).holds[0]!
    await t.cancelHold(send, 'too early')
    await t.advance('1h')
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(t.world(send)).toEqual([])
    expect(await t.keelson.holds.cancel(id, { by: ann, reason: 'again' })).toMatchObject({ why: 'settled' })
  })

  it('sends it now, later, or earlier when told so', async () => {
    const t = await testConductor(setUp([held]))
    await t.start(write, { ...letter, text: 'now' })
    await t.sendNow(send)
    expect(t.world(send)).toHaveLength(1)
    await t.start(write, { ...letter, text: 'later' })
    await t.reschedule(send, '1h')
    await t.advance('30m')
    expect(t.world(send)).toHaveLength(1)
    await t.reschedule(send, '1m')
    await t.advance('1m')
    expect(t.world(send)).toHaveLength(2)
  })

  it('does not send now what policy has come to deny', async () => {
    let closed = false
    const shut = policy.rule('shut', { on: send }, () => (closed ? policy.deny('shut') : policy.allow()))
    const t = await testConductor(setUp([held, shut]))
    const run = await t.start(write, letter)
    closed = true
    await t.sendNow(send)
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(t.world(send)).toEqual([])
  })
})

describe('whatever comes between', () => {
  const Move = fc.constantFrom(
    ...(['ann', 'bob', 'edit', 'reject', 'stale', 'expire', 'crash'] as const),
    ...(['deny', 'ask', 'loosen', 'deploy deny', 'deploy ask', 'deploy loosen', 'ann, crash', 'edit, crash'] as const),
  )

  /** What the rules say: `now` changes under rules that stay, `version` makes others of them. */
  function rulesOf(now: { denies: boolean; asksMore: boolean }, version: string) {
    const closed =
      version === 'deny' ? () => policy.deny('closed') : () => (now.denies ? policy.deny('closed') : policy.allow())
    const second = version === 'ask' ? () => policy.ask() : () => (now.asksMore ? policy.ask() : policy.allow())
    return [
      asks({ onSilence: 'reject', timeout: '1h' }),
      policy.rule(`closed, ${version}`, { on: send }, closed),
      policy.rule(`second, ${version}`, { on: send }, second),
    ]
  }

  it('row 7: an approval executes once at most, and nothing but what was approved last', async () => {
    const met = { sent: 0, anew: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(Move, { minLength: 1, maxLength: 8 }), async (moves) => {
        const now = { denies: false, asksMore: false }
        let version = 'first'
        const t = await testConductor(setUp(rulesOf(now, version)))
        t.fresh(send, 0)
        const approved: unknown[] = []
        /** What was sent and approved when the rules became stricter. */
        let since = { sent: 0, approved: 0, denied: false, asked: false }
        const holds = async (): Promise<void> => {
          await t.settle()
          const sent = t.world(send).length
          if (since.denied || (since.asked && approved.length === since.approved)) expect(sent).toBe(since.sent)
          const denied = now.denies || version === 'deny'
          const asked = now.asksMore || version === 'ask'
          since = {
            ...{ denied, asked },
            ...(asked && since.asked
              ? { sent: since.sent, approved: since.approved }
              : { sent, approved: approved.length }),
            ...(denied ? { sent } : {}),
          }
        }
        await t.start(write, letter)
        const seen = (await t.inbox.list()).items[0]!
        for (const [i, move] of moves.entries()) {
          const [what, how] = move.split(/,? /) as [string, string | undefined]
          if (what === 'deploy') await t.deploy({ policy: policy(rulesOf(now, (version = how!))) })
          else if (what === 'expire') await t.advance('1h')
          else if (what === 'deny' || what === 'ask') now[what === 'deny' ? 'denies' : 'asksMore'] = true
          else if (what === 'loosen') Object.assign(now, { denies: false, asksMore: false })
          else if (what === 'stale') t.fresh(send, i + 1)
          else if (what === 'crash') await t.crash()
          else approved.push(...(await race(t, seen, what, i)))
          if (how === 'crash') await t.crash()
          await holds()
          if ((await t.inbox.list()).items.some(({ id }) => id !== seen.id)) met.anew++
        }
        await t.settle()
        const sent = t.world(send)
        met.sent += sent.length
        expect(sent.length).toBeLessThanOrEqual(1)
        for (const { input, times } of sent) {
          expect(times).toBe(1)
          expect(approved.at(-1)).toEqual(input)
        }
        if (approved.length === 0) expect(sent).toEqual([])
        expect((await t.keelson.audit.verify()).ok).toBe(true)
        await t.stop()
      }),
      { numRuns: process.env['KEELSON_CRASHES'] === 'all' ? 1000 : 150 },
    )
    expect(met.sent).toBeGreaterThan(10)
    expect(met.anew).toBeGreaterThan(10)
  })

  /** Two people decide at once, on what is open now and on what was seen at first; answers what was approved. */
  async function race(t: Harness, seen: InboxItem, move: string, i: number): Promise<unknown[]> {
    const open = (await t.inbox.list()).items.find((item) => item.kind === 'approval') as InboxItem & {
      kind: 'approval'
    }
    const input = { to: 'ada@example.org', text: `edited ${i}` }
    const said = move === 'edit' ? { edit: input } : move === 'reject' ? { reject: 'no' } : ({ approve: true } as const)
    const [stale, fresh, second] = await Promise.all([
      t.inbox.decide(seen.id, { hash: open?.id === seen.id ? 'forged' : seen.hash, by: bob, approve: true }),
      open === undefined ? undefined : t.inbox.decide(open.id, { hash: open.hash, by: ann, ...said }),
      open === undefined ? undefined : t.inbox.decide(open.id, { hash: open.hash, by: bob, ...said }),
    ])
    expect(stale.status).toBe('refused')
    expect([fresh, second].filter((one) => one?.status === 'done').length).toBeLessThanOrEqual(1)
    const done = fresh?.status === 'done' || second?.status === 'done'
    return done && move !== 'reject' ? [move === 'edit' ? input : open.input] : []
  }
})
