/** Digests of trust by maintenance: their times meet, and nothing falls between two of them. */
import { action, createConductor, definePlaybook, defineTrust, policy, type Conductor } from '@keelson/core'
import type { MemoryStore, PassUnit } from '@keelson/core/ports'
import { intercept, manualClock, memoryStore } from '@keelson/testing'
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

it.each([
  ['whose clock is a minute late', -60_000],
  ['whose clock is right', 0],
] as const)('tells once of what another process is recording as one is made, %s', async (_whose, skewMs) => {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const inner = memoryStore()
  const held = holding(inner.session(), 'effect.sending')
  const conductor = async (store: MemoryStore, playbooks: (typeof write)[], skew: number): Promise<Conductor> => {
    const rest = {
      actions: [note],
      policy: gate,
      trust: [defineTrust(note, { start: 'approve' })],
      keepAlive: false,
      log,
    }
    const made = await createConductor({ store, playbooks, clock: time.process(skew).clock, ...rest })
    onTestFinished(() => made.stop({ withinMs: 100 }))
    return made
  }
  const teller = await conductor(inner.session(), [], 0)
  const actor = await conductor(held.store, [write], skewMs)
  const tell = async (): Promise<void> => void (await (await teller.maintenance.run({ by, digest: true })).result())
  await teller.trust.set(note, 'automatic', { by })
  const run = await actor.start(write, {}, { id: 'one' })
  await held.reached
  time.to(time.now() + 5)
  await tell()
  held.letGo()
  await run.result()
  expect(await told(teller)).toEqual([])
  for (let day = 0; day < 2; day++) {
    time.to(time.now() + DAY_MS)
    await tell()
    expect(await told(teller)).toEqual([1])
  }
})
