/** What every item says of itself: who asks, where its action stands, what silence does, and what it rests on, in its own words. */
import {
  action,
  createConductor,
  defineEntity,
  defineTrust,
  KeelsonError,
  policy,
  type Context,
  type InboxItem,
  type MemoryStore,
  type Rule,
} from '@keelson/core'
import { intercept, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { crm as secrets } from './support/labelled.ts'
import { code, me, open as conductor, store as stores } from './support/open.ts'

const ben = { kind: 'person', id: 'ben' } as const
const read = action({
  name: 'mail.read',
  effect: 'read',
  labels: ['untrusted'],
  outgoing: false,
  input: z.object({ long: z.boolean().optional() }),
  output: z.object({ text: z.string(), stars: z.number() }),
  run: async ({ long }) => ({ output: { text: long === true ? 'word '.repeat(90) : 'Pay аcme\nnow', stars: 5 } }),
})
const pay = action({
  name: 'bank.pay',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({}),
  undo: z.object({}),
  run: async () => ({ output: {}, undo: {} }),
  compensate: async () => {},
})
const Lead = defineEntity({ name: 'lead', version: 1, schema: z.object({ text: z.string() }) })
const byName = defineTrust(pay, { segment: ({ to }) => to, start: 'approve' })
const asks = policy.rule('asks', { on: pay }, () => policy.ask({ onSilence: 'remind' }))
const holds = policy.rule('holds', { on: pay }, () => policy.hold('10m'))
const actions = [read, secrets, pay]

async function first(
  run: (ctx: Context) => Promise<unknown>,
  { rules = [asks], shadow = false }: { rules?: Rule[]; shadow?: boolean } = {},
): Promise<{ t: Harness; item: InboxItem }> {
  const work = code(run, { version: 3 })
  const t = await testConductor({ playbooks: [work], actions, policy: policy(rules), trust: [byName] })
  await t.keelson.memory.remember([{ kind: 'rule', text: 'Pay on the first' }], { by: me })
  await t.start(work, {}, { id: 'r', ...(shadow ? { shadow: true } : {}) })
  return { t, item: (await t.inbox.list()).items[0]! }
}

const paying = (ctx: Context) => ctx.act(pay, { to: 'ada' })
const playbook = { name: 'work', version: 3 }

describe('an item says', () => {
  it('which playbook asks, where its action stands, how long a yes is held, and what silence does', async () => {
    const { t, item } = await first(paying, { rules: [asks, holds] })
    const said = { playbook, segment: 'ada', rung: 'approve', holdMs: 600_000, onSilence: 'remind' }
    expect(item).toMatchObject(said)
    expect(item.allows).toEqual(['approve', 'edit', 'reject', 'respond', 'snooze', 'delegate'])
    expect(await t.inbox.delegate(item.id, { by: me, to: ben })).toEqual({ status: 'done' })
    await t.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
    await t.settle()
    const [held] = (await t.keelson.holds.list()).holds
    expect(held).toMatchObject({ playbook, segment: 'ada', rung: 'approve', dueAt: expect.any(String) })
    expect(held).not.toHaveProperty('onSilence') // it goes out by itself
    expect(held).not.toHaveProperty('holdMs')
    expect((await t.inbox.get(item.id)).allows).not.toContain('delegate') // it was decided
    await t.stop()
  })

  it('nothing of a hold where there is none, and nothing of a ladder that its action does not climb', async () => {
    const work = code(paying)
    const t = await testConductor({ playbooks: [work], actions, policy: policy([asks]) })
    await t.start(work, {})
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ playbook: { name: 'work', version: 1 } })
    for (const none of ['segment', 'rung', 'holdMs']) expect(item).not.toHaveProperty(none)
    await t.stop()
  })

  it('so of a question, of a plan, of what needs a look, and of what a run in shadow would have asked', async () => {
    const delegable = expect.arrayContaining(['delegate'])
    const asked = await first((ctx) => ctx.ask('How many?', { answer: z.number(), onSilence: 'remind' }))
    expect(asked.item).toMatchObject({ kind: 'question', playbook, onSilence: 'remind', allows: delegable })
    await asked.t.stop()
    const plan = await first((ctx) => ctx.propose('Pay', [ctx.intend(pay, { to: 'ada' })]))
    expect(plan.item).toMatchObject({ kind: 'plan', playbook, onSilence: 'wait', allows: delegable })
    await plan.t.stop()
    const failed = await first((ctx) =>
      ctx.step('fail', () => Promise.reject(new Error('no')), { retry: { attempts: 1 } }),
    )
    expect(failed.item).toMatchObject({ kind: 'attention', playbook, allows: delegable })
    await failed.t.stop()
    const would = await first(paying, { shadow: true })
    expect(would.item).toMatchObject({ shadow: true, playbook, segment: 'ada', rung: 'approve' })
    await would.t.stop()
  })
})

describe('what an item rests on', () => {
  const resting = (source: (ctx: Context) => Promise<unknown>) =>
    first(async (ctx) => ctx.act(pay, { to: 'ada' }, { because: [await source(ctx)] }))

  it.each<[string, (ctx: Context) => Promise<unknown>, string | undefined]>([
    ['what was read', (ctx) => ctx.act(read, {}), 'stars: 5, text: Pay \\u{430}cme now'],
    ['an entity', (ctx) => ctx.entities(Lead).create({ text: 'Ada' }), 'text: Ada'],
    ['a step', (ctx) => ctx.step('sum', () => ({ sum: 3 })), 'sum: 3'],
    ['a memory', async (ctx) => (await ctx.memory.facts())[0], 'Pay on the first'],
    ['what is not open to all', (ctx) => ctx.act(secrets, {}), undefined],
    ['a value of the code', async () => ({ made: 'up' }), undefined],
  ])('is quoted, in short and written out: %s', async (_what, source, quote) => {
    const { t, item } = await resting(source)
    const [, why] = item.why
    expect(why!.quote).toBe(quote)
    if (why!.ref.startsWith('sha256:')) expect(why).not.toHaveProperty('at')
    else expect(why!.at).toMatch(/^20\d\d-.*Z$/)
    expect(Object.keys(why!).filter((key) => !['label', 'trust', 'ref', 'at', 'quote'].includes(key))).toEqual([])
    expect(await t.inbox.get(item.id)).toEqual(item)
    await t.stop()
  })

  it('is quoted in short', async () => {
    const { t, item } = await resting((ctx) => ctx.act(read, { long: true }))
    expect(item.why[1]!.quote).toMatch(/^stars: 5, text: word .*…$/)
    expect(item.why[1]!.quote).toHaveLength(200)
    await t.stop()
  })

  it('is looked at no further than it may be quoted, and says that there is more', async () => {
    const { t, item } = await resting((ctx) => ctx.step('read', () => ({ text: `a${' '.repeat(5_000)}b` })))
    expect(item.why[1]!.quote).toBe('text: a …')
    await t.stop()
  })

  it('is quoted no further than it is looked at where it is no record', async () => {
    const { t, item } = await resting((ctx) => ctx.step('read', () => ['x'.repeat(5_000)]))
    expect(item.why[1]!.quote).toMatch(/^\["x{197}…$/)
    await t.stop()
  })

  it('is quoted from where it stands: what was erased is not', async () => {
    const { t, item } = await resting(async (ctx) => (await ctx.memory.facts())[0])
    const [fact] = await t.keelson.memory.facts()
    await t.host(({ memory }) => memory.erase({ ids: [fact!.id] }, { by: me, reason: 'asked to' }))
    expect((await t.inbox.get(item.id)).why[1]).not.toHaveProperty('quote')
    await t.stop()
  })

  it('is not quoted where what it stands in is damaged, and everything else is shown', async () => {
    const store = stores()
    const work = code(async (ctx) => ctx.act(pay, { to: 'ada' }, { because: [await ctx.act(read, {})] }))
    const options = { playbooks: [work], actions, policy: policy([asks]) }
    const keelson = await conductor(store, options)
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const broken = intercept(store.session(), {
      before(op) {
        if (op === 'entries') throw new KeelsonError('STORE_CORRUPT', 'an entry is not what was written')
      },
    })
    const looks = await createConductor({ ...options, store: broken, work: false, keepAlive: false })
    const [item] = (await looks.inbox.list()).items
    expect(item!.why[1]).toMatchObject({ ref: 'step:mail.read', trust: 'outside' })
    expect(item!.why[1]).not.toHaveProperty('quote')
    expect(await looks.inbox.get(item!.id)).toEqual(item)
    await looks.stop()
  })

  it('is quoted line by line in a plan', async () => {
    const { t, item } = await first(async (ctx) => {
      const because = [await ctx.act(read, {})]
      await ctx.propose('Pay', [ctx.intend(pay, { to: 'ada' }, { because })])
    })
    const quoted = [{ ref: 'step:mail.read', trust: 'outside', quote: expect.stringMatching(/^stars: 5, text: Pay/) }]
    expect(item).toMatchObject({ kind: 'plan', lines: [{ why: quoted }] })
    expect(Object.keys(item.kind === 'plan' ? item.lines[0]!.why[0]! : {})).not.toContain('entry')
    await t.stop()
  })
})

/** As a release wrote it that knew none of this. */
async function earlier(store: MemoryStore, id: string): Promise<void> {
  const [row] = await store.records('default', { kind: 'inbox', ids: [id], limit: 1 })
  const { playbook, segment, rung, holdMs, why, ...data } = JSON.parse(row!.data) as Record<string, unknown>
  expect([playbook, segment, rung, holdMs, why]).not.toContain(undefined)
  const bare = (why as { at?: string; entry?: unknown }[]).map(({ at: _at, entry: _entry, ...one }) => one)
  await store.write('default', {
    records: [{ ...row!, version: row!.version + 1, data: JSON.stringify({ ...data, why: bare }) }],
  })
}

describe('an item of an earlier release', () => {
  it('is listed without what it does not say, and decided as it was shown', async () => {
    const store = stores()
    const work = code(async (ctx) => ctx.act(pay, { to: 'ada' }, { because: [await ctx.act(read, {})] }))
    const options = { playbooks: [work], actions, policy: policy([asks, holds]), trust: [byName] }
    const before = await conductor(store, options)
    await before.start(work, {}, { id: 'r' })
    await before.quiet()
    const [{ id, hash }] = (await before.inbox.list()).items as [InboxItem]
    await before.stop()
    const older = store.session()
    await older.open({ worker: 'older', now: () => 0 })
    await earlier(older, id)
    await older.close()
    const after = await conductor(store, options)
    await after.quiet()
    const [item] = (await after.inbox.list()).items
    expect(item).toMatchObject({ id, hash, state: 'open', onSilence: 'remind' })
    for (const none of ['playbook', 'segment', 'rung', 'holdMs', 'changed']) expect(item).not.toHaveProperty(none)
    expect(item!.why[1]).toEqual({ label: 'mail.read', trust: 'outside', ref: 'step:mail.read' })
    expect(await after.inbox.decide(id, { hash, by: me, approve: true })).toEqual({ status: 'done' })
  })
})
