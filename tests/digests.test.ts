/** Digests of trust by maintenance: their times meet, and nothing falls between two of them. */
import { action, createConductor, definePlaybook, defineTrust, policy, type Conductor } from '@keelson/core'
import type { MemoryStore, PassUnit, Unit } from '@keelson/core/ports'
import { intercept, manualClock, memoryStore, storeFailure } from '@keelson/testing'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const DAY_MS = 86_400_000
const note = action({
  ...{ name: 'crm.note', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({}), output: z.null() },
  ...{ undo: z.null(), run: () => ({ output: null, undo: null }), compensate: () => {} },
})
const write = definePlaybook({
  ...{ name: 'write', version: 1, input: z.object({}), output: z.null(), run: (ctx) => ctx.act(note, {}) },
})
const HOUR_MS = 3_600_000
const log = { info: () => {}, warn: () => {}, error: () => {} }
const gate = policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable: true }))])

/** A store that holds back the first commit of this kind of entry, until it is let go. */
function holding(store: MemoryStore, kind: string) {
  const reached = Promise.withResolvers<undefined>()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  let held = false
  const holds = intercept(store, {
    before(op, detail) {
      if (op !== 'commit' || held) return
      if ((detail[1] as PassUnit).entries?.some((entry) => entry.kind === kind) !== true) return
      held = true
      reached.resolve(undefined)
      return promise.then(() => {})
    },
  })
  return { store: holds, reached: reached.promise, letGo: () => resolve(undefined) }
}

async function told(keelson: Conductor): Promise<number[]> {
  const { items } = await keelson.inbox.list({ limit: 200 })
  const digests = items.filter((one) => one.kind === 'attention' && one.code === 'TRUST_DIGEST')
  return digests.map((one) => JSON.stringify(one.preview).split('crm.note, automatic').length - 1)
}

async function conductor(
  store: MemoryStore,
  playbooks: (typeof write)[],
  clock: Parameters<typeof createConductor>[0]['clock'] & object,
): Promise<Conductor> {
  const rest = {
    actions: [note],
    policy: gate,
    trust: [defineTrust(note, { start: 'approve' })],
    keepAlive: false,
    log,
  }
  const made = await createConductor({ store, playbooks, clock, ...rest })
  onTestFinished(() => made.stop({ withinMs: 100 }))
  return made
}

const tell = async (keelson: Conductor): Promise<void> =>
  void (await (await keelson.maintenance.run({ by, digest: true })).result())

it.each([
  ['whose clock is a minute late', -60_000],
  ['whose clock is right', 0],
] as const)('tells once of what another process is recording as one is made, %s', async (_whose, skewMs) => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const inner = memoryStore()
  const held = holding(inner.session(), 'effect.sending')
  const teller = await conductor(inner.session(), [], time.process().clock)
  const actor = await conductor(held.store, [write], time.process(skewMs).clock)
  await teller.trust.set(note, 'automatic', { by })
  const run = await actor.start(write, {}, { id: 'one' })
  await held.reached
  time.to(time.now() + 5)
  await tell(teller)
  held.letGo()
  await run.result()
  expect(await told(teller)).toEqual([])
  for (let day = 0; day < 2; day++) {
    time.to(time.now() + DAY_MS)
    await tell(teller)
    expect(await told(teller)).toEqual([1])
  }
})

it('tells of a time that was closed when it comes to it, where the store failed in between', async () => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const failed = Promise.withResolvers<undefined>()
  let times = 0
  const store = intercept(memoryStore(), {
    before(op, detail) {
      const { entries = [] } = op === 'write' ? (detail[1] as Unit) : {}
      if (!entries.some(({ kind }) => kind === 'trust.told') || ++times !== 2) return
      failed.resolve(undefined)
      throw storeFailure()
    },
  })
  const keelson = await conductor(store, [write], time.process().clock)
  await keelson.trust.set(note, 'automatic', { by })
  await (await keelson.start(write, {}, { id: 'one' })).result()
  time.to(time.now() + 5)
  const run = await keelson.maintenance.run({ by, digest: true })
  await failed.promise
  await keelson.quiet()
  expect(await told(keelson)).toEqual([])
  time.to(time.now() + DAY_MS)
  await run.result()
  expect(await told(keelson)).toEqual([1])
  await tell(keelson)
  expect(await told(keelson)).toEqual([1])
})

it.each([
  ['a year ahead', 365 * DAY_MS],
  ['a day late', -DAY_MS],
] as const)(
  'tell of each day, and leave the instants as they are, where one was made by a clock %s',
  async (_how, skewMs) => {
    const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
    const inner = memoryStore()
    const wrong = await conductor(inner.session(), [], time.process(skewMs).clock)
    const right = await conductor(inner.session(), [write], time.process().clock)
    await right.trust.set(note, 'automatic', { by })
    const at: string[] = []
    const acts = async (id: string): Promise<void> => {
      at.push(new Date(time.now()).toISOString())
      await (await right.start(write, {}, { id })).result()
    }
    await acts('before')
    await tell(wrong)
    for (let day = 1; day <= 3; day++) {
      await acts(`day ${day}`)
      time.to(time.now() + DAY_MS)
      await tell(right)
      expect(await told(right)).toEqual(Array.from({ length: day + 1 }, () => 1))
    }
    const { lines } = await right.trust.digest({ from: '2026-03-01T00:00:00Z' })
    expect(lines.map((line) => line.at)).toEqual(at)
  },
)

it.each([
  ['late', -HOUR_MS],
  ['ahead', HOUR_MS],
] as const)('are made once within the day, also by a clock that is an hour %s', async (_how, skewMs) => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const inner = memoryStore()
  const other = await conductor(inner.session(), [], time.process(skewMs).clock)
  const right = await conductor(inner.session(), [write], time.process().clock)
  await right.trust.set(note, 'automatic', { by })
  await tell(right)
  await (await right.start(write, {}, { id: 'one' })).result()
  await tell(other)
  expect(await told(right)).toEqual([])
})

/** What acted long ago, as records of earlier releases say it. */
async function unnumbered(store: MemoryStore): Promise<void> {
  const where = { field: 'trust', value: 'automatic' }
  const [row] = await store.records('default', { kind: 'effect', where, limit: 1 })
  const { digest: _none, ...before } = JSON.parse(row!.data) as { digest: number }
  const record = {
    kind: 'effect',
    id: 'before',
    version: 1,
    data: JSON.stringify({ ...before, id: 'before' }),
    sort: 1,
  }
  await store.write('default', { records: [{ ...record, index: { trust: 'automatic' } }] })
}

it('begin with all that acted before the first of them, however long ago, also what carries no number', async () => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const store = memoryStore()
  const keelson = await conductor(store, [write], time.process().clock)
  await keelson.trust.set(note, 'automatic', { by })
  await (await keelson.start(write, {}, { id: 'one' })).result()
  await unnumbered(store)
  for (let day = 0; day < 5; day++) time.to(time.now() + DAY_MS)
  await tell(keelson)
  expect(await told(keelson)).toEqual([2])
  time.to(time.now() + DAY_MS)
  await tell(keelson)
  expect(await told(keelson)).toEqual([2])
})

it.each([
  ['the first', 0, 3],
  ['a later one', 1, 2],
] as const)('tell of what another had closed, and was cancelled before it told it: %s', async (_which, before, all) => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const inner = memoryStore()
  const failed = Promise.withResolvers<undefined>()
  let fails = true
  let times = 0
  const store = intercept(inner, {
    before(op, detail) {
      const { entries = [] } = op === 'write' ? (detail[1] as Unit) : {}
      if (!fails || !entries.some(({ kind }) => kind === 'trust.told') || ++times < 2 * before + 2) return
      failed.resolve(undefined)
      throw storeFailure()
    },
  })
  const keelson = await conductor(store, [write], time.process().clock)
  await keelson.trust.set(note, 'automatic', { by })
  for (let n = 0; n < before; n++) await tell(keelson)
  await (await keelson.start(write, {}, { id: 'one' })).result()
  await unnumbered(inner)
  time.to(time.now() + DAY_MS)
  const run = await keelson.maintenance.run({ by, digest: true })
  await failed.promise
  await keelson.quiet()
  await keelson.runs.cancel(run.id, { by, reason: 'enough' })
  await keelson.quiet()
  fails = false
  expect(await told(keelson)).toEqual([])
  await (await keelson.start(write, {}, { id: 'two' })).result()
  await tell(keelson)
  expect(await told(keelson)).toEqual([all])
})
