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
