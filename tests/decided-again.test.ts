/** Decided again: a decision that is sent twice, as by a request that is tried again, is taken once and answered as the first time. */
import { action, createConductor, policy, type Conductor, type Decision, type InboxItem } from '@keelson/core'
import { intercept, storeFailure, type Hooks, type MemoryStoreSession } from '@keelson/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { code, me, open, store } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
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

interface Failed {
  readonly data: MemoryStoreSession
  readonly helper: Conductor
  readonly host: Conductor
  readonly item: InboxItem
  readonly tries: () => number
}

/** A run that failed once, and works from then on; `dies`: how the store of who decides fails. */
async function failed(dies: Hooks): Promise<Failed> {
  let tries = 0
  const flaky = code((ctx) =>
    ctx.step('try', () => (++tries === 1 ? Promise.reject(new Error('down')) : tries), { retry: { attempts: 1 } }),
  )
  const data = store()
  const helper = await open(data, { playbooks: [flaky] })
  await helper.start(flaky, {}, { id: 'r' })
  await helper.quiet()
  const host = await createConductor({
    store: intercept(data.session(), dies),
    playbooks: [flaky],
    work: false,
    log: quiet,
  })
  onTestFinished(() => host.stop({ withinMs: 100 }))
  return { data, helper, host, item: (await host.inbox.list()).items[0]!, tries: () => tries }
}

describe('a retry that is decided', () => {
  it.each(['before', 'after'] as const)(
    'is begun, or still asked for, wherever who decides it dies (%s)',
    async (when) => {
      const ends = new Set<string>()
      for (let at = 1, isCut = true; isCut; at++) {
        let [calls, counts] = [0, false]
        const { helper, host, item, tries } = await failed({
          [when]: () => {
            if (counts && ++calls >= at) throw storeFailure()
          },
        })
        counts = true
        const decision = { hash: item.hash, by: me, retry: true } as const
        const said = await host.inbox.decide(item.id, decision).catch((error: unknown) => error)
        counts = false
        isCut = calls >= at
        expect(said).toMatchObject(isCut ? { code: 'STORE_FAILED' } : { status: 'done' })
        await helper.quiet()
        const { state } = await helper.inbox.get(item.id)
        ends.add(`${state}, tried ${tries()} times`)
        expect(await helper.inbox.decide(item.id, decision)).toEqual({ status: 'done' })
        expect(await helper.runs.get('r').result()).toBe(2)
      }
      expect([...ends]).toEqual(['open, tried 1 times', 'decided, tried 2 times'])
    },
  )

  it('is not, and the item stays, where the run can be tried no more', async () => {
    const { data, helper, item } = await failed({})
    const other = data.session()
    await other.open({ worker: 'other', now: () => 0 })
    const [row] = await other.runs('default', { ids: ['r'], limit: 1 })
    await other.write('default', { purge: { streams: [row!.stream] } })
    const { id, hash } = item
    await expect(helper.inbox.decide(id, { hash, by: me, retry: true })).rejects.toMatchObject({ code: 'RUN_PRUNED' })
    expect(await helper.inbox.get(id)).toMatchObject({ state: 'open' })
    expect(await helper.inbox.decide(id, { hash, by: me, dismiss: true })).toEqual({ status: 'done' })
  })
})
