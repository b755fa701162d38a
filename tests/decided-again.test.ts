/** Decided again: a decision that is sent twice, as by a request that is tried again, is taken once and answered as the first time. */
import { action, policy, type Conductor, type Decision, type InboxItem } from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, open, store } from './support/open.ts'

const you = { kind: 'person', id: 'you' } as const

function setUp() {
  const sent: unknown[] = []
  const pay = action({
    name: 'bank.pay',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ cents: z.int(), to: z.string() }),
    output: z.object({}),
    undo: z.object({}),
    run: async (input) => (sent.push(input), { output: {}, undo: {} }),
    compensate: async () => {},
  })
  const work = code(async (ctx) => void (await ctx.act(pay, { cents: 5, to: 'ada' })))
  const asks = code((ctx) => ctx.ask('How many?', { answer: z.number() }), { name: 'asks' })
  const gate = policy([policy.rule('asks', { on: pay }, () => policy.ask())])
  return { sent, options: { playbooks: [work, asks], actions: [pay], policy: gate }, work, asks }
}

async function asked(): Promise<{ keelson: Conductor; item: InboxItem; sent: unknown[] }> {
  const { sent, options, work } = setUp()
  const keelson = await open(store(), options)
  await keelson.start(work, {}, { id: 'r' })
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  return { keelson, item: item!, sent }
}

async function decisions(keelson: Conductor): Promise<number> {
  let count = 0
  for await (const line of keelson.audit.export()) if (line.includes('"kind":"item.decided"')) count++
  return count
}

const all: [string, Decision, Decision][] = [
  ['a yes', { approve: true }, { reject: 'no' }],
  ['an edit', { edit: { cents: 4 } }, { edit: { cents: 3 } }],
  ['a no', { reject: 'too dear' }, { reject: 'too late' }],
  ['words', { respond: 'half of it' }, { respond: 'none of it' }],
]

describe('a decision that is sent again', () => {
  it.each(all)('is answered as done, and was taken once (%s)', async (_what, said, other) => {
    const { keelson, item, sent } = await asked()
    const { id, hash } = item
    expect(await keelson.inbox.decide(id, { hash, by: me, ...said })).toEqual({ status: 'done' })
    await keelson.quiet()
    const once = sent.length
    expect(await keelson.inbox.decide(id, { hash, by: { ...me, name: 'Me' }, ...said })).toEqual({ status: 'done' })
    await keelson.quiet()
    expect(sent).toHaveLength(once)
    expect(await decisions(keelson)).toBe(1)
    const refused = { status: 'refused', why: 'settled' }
    expect(await keelson.inbox.decide(id, { hash, by: me, ...other })).toMatchObject(refused)
    expect(await keelson.inbox.decide(id, { hash, by: you, ...said })).toMatchObject(refused)
    expect(await keelson.inbox.decide(id, { hash, by: { ...me, kind: 'agent' }, ...said })).toMatchObject(refused)
    expect(await keelson.inbox.decide(id, { hash: 'another', by: me, ...said })).toMatchObject(refused)
    expect(await keelson.inbox.decide(id, { hash, by: me, answer: NaN })).toMatchObject(refused)
    expect((await keelson.inbox.get(id)).attempts).toBeUndefined()
  })

  it('is the same edit however its fields are ordered', async () => {
    const { keelson, item } = await asked()
    const { id, hash } = item
    await keelson.inbox.decide(id, { hash, by: me, edit: { cents: 4, to: 'ada' } })
    expect(await keelson.inbox.decide(id, { hash, by: me, edit: { to: 'ada', cents: 4 } })).toEqual({ status: 'done' })
    expect(await keelson.inbox.decide(id, { hash, by: me, edit: { cents: 4 } })).toEqual({ status: 'done' })
  })

  it('is taken once where both come at the same time, in two processes', async () => {
    const { sent, options, work } = setUp()
    const data = store()
    const [one, two] = [await open(data, options), await open(data, { ...options, work: false })]
    await one.start(work, {}, { id: 'r' })
    await one.quiet()
    const { id, hash } = (await one.inbox.list()).items[0]!
    const both = [one, two].map(({ inbox }) => inbox.decide(id, { hash, by: me, approve: true }))
    expect(await Promise.all(both)).toEqual([{ status: 'done' }, { status: 'done' }])
    await one.runs.get('r').result()
    expect(sent).toHaveLength(1)
    expect(await decisions(one)).toBe(1)
  })

  it('is an answer to a question, too, and each of a batch', async () => {
    const { options, work, asks } = setUp()
    const keelson = await open(store(), options)
    await keelson.start(asks, {}, { id: 'q' })
    await keelson.quiet()
    const { id, hash } = (await keelson.inbox.list()).items[0]!
    const answer = (n: number) => keelson.inbox.decide(id, { hash, by: me, answer: n })
    expect([await answer(3), await answer(3)]).toEqual([{ status: 'done' }, { status: 'done' }])
    expect(await answer(4)).toMatchObject({ status: 'refused', why: 'settled' })
    expect(await keelson.runs.get('q').result()).toBe(3)
    for (const run of ['a', 'b']) await keelson.start(work, {}, { id: run })
    await keelson.quiet()
    const [group] = await keelson.inbox.groups()
    const batch = () => keelson.inbox.batch(group!.items, { by: me, approve: true })
    const twice = [await batch(), await batch()].map(({ items }) => items.map(({ status }) => status))
    expect(twice).toEqual([
      ['done', 'done'],
      ['done', 'done'],
    ])
  })
})
