/** Days that an earlier build summed up: their sums are read as they are, or made anew from what each run left. */
import { action, defineConnector, definePlaybook } from '@keelson/core'
import { fake, memoryStore, testConductor, type Harness, type TestStore } from '@keelson/testing'
import type { MemoryStore } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const DAY = '2026-01-01'

const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const email = defineConnector({ name: 'email', actions: { send } })
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.string(),
  run: async (ctx, { to }) => (await ctx.act(send, { to })).id,
})

/** Three mails, each looked at for longer than the one before: 1, 2 and 4 minutes; and the day is over, and summed up. */
async function summedUp(): Promise<{ t: Harness; store: TestStore }> {
  const store = memoryStore()
  const t = await testConductor({ store, playbooks: [write], connectors: [fake(email)], now: `${DAY}T08:00:00Z` })
  for (const looks of ['1m', '2m', '4m']) {
    await t.start(write, { to: looks })
    const [item] = (await t.inbox.list()).items
    await t.host((keelson) => keelson.inbox.opened(item!.id, { by }))
    await t.advance(looks)
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, approve: true }))
  }
  await t.advance('3d')
  await t.keelson.metrics.report()
  return { t, store }
}

async function opened(data: TestStore): Promise<MemoryStore> {
  const store = data.session()
  await store.open({ worker: 'looks', now: () => 0 })
  return store
}

/** As a build kept it that listed the times of runs, and no more than `most` of them. */
async function keepAsList(data: TestStore, most: number): Promise<void> {
  const store = await opened(data)
  const [row] = await store.records('default', { kind: 'rollup', ids: [DAY], limit: 1 })
  const sums = (JSON.parse(row!.data) as { playbook: string; times: object }[]).map(({ times, ...kept }) => ({
    ...kept,
    actives: Object.keys(times).map(Number).slice(0, most),
  }))
  const { status } = await store.write('default', {
    records: [{ ...row!, version: row!.version + 1, data: JSON.stringify(sums), index: {} }],
  })
  expect(status).toBe('done')
}

describe('a day that an earlier build summed up', () => {
  it('is read as it is where its list of times is whole', async () => {
    const { t, store } = await summedUp()
    const live = (await t.keelson.metrics.report()).total
    expect(live.minutesPerOutcome).toBeCloseTo(2, 1)
    await keepAsList(store, 3)
    expect((await t.keelson.metrics.report()).total).toEqual(live)
  })

  it('is made anew where its list ends early: the first few times are not those of the day', async () => {
    const { t, store } = await summedUp()
    const live = (await t.keelson.metrics.report()).total
    await keepAsList(store, 1)
    expect((await t.keelson.metrics.report()).total).toEqual(live)
    const [row] = await (await opened(store)).records('default', { kind: 'rollup', ids: [DAY], limit: 1 })
    expect(row!.data).not.toContain('actives')
  })
})
