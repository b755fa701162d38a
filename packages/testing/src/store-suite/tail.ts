/** Checks of tail and watch. */
import { describe, expect } from 'vitest'
import type { StoreChange, MemoryStore, Placed } from '@keelson/core/ports'
import { deliver, delivery, entries, entryAt, newRun, parked, rowOf } from './rows.ts'
import { settled, start, startParked, takeOne, W } from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkTail(suite: StoreSuite): void {
  describe('tail', () => tail(suite))
  describe('watch', () => watch(suite))
}

/** All that tail gives in pages of `limit`. */
async function pages(store: MemoryStore, limit: number, from = 0): Promise<Placed[]> {
  const all: Placed[] = []
  for (let reads = 0; reads < 1000; reads++) {
    const page = await store.tail(W, all.at(-1)?.position ?? from, limit)
    all.push(...page)
    if (page.length === 0) return all
  }
  throw new Error('tail does not come to an end')
}

function tail(suite: StoreSuite): void {
  const given = checks(suite)
  const ofTwo = checksOfTwo(suite)
  given('gives entries of all streams in the order of their commits (S6)', async ({ store }) => {
    await store.write(W, { entries: [entryAt('b', 1), entryAt('a', 1)] })
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await store.commit(lease, { entries: [entryAt('r/0', 2)], starts: [newRun('q')] })
    const names = (await store.tail(W, 0, 100)).map(({ stream, seq }) => `${stream}:${seq}`)
    expect(names).toEqual(['b:1', 'a:1', 'r/0:1', 'r/0:2', 'q/0:1'])
  })
  given('numbers them upwards, the same as entries does (S6)', async ({ store }) => {
    await store.write(W, { entries: entries('s', 3) })
    const all = await store.tail(W, 0, 100)
    expect(all).toEqual(await store.entries(W, 's'))
    expect(all[0]!.position).toBeGreaterThan(0)
    expect(all.every((each, n) => n === 0 || each.position > all[n - 1]!.position)).toBe(true)
  })
  given('gives what is behind a position, in pages (S6)', async ({ store }) => {
    await store.write(W, { entries: entries('s', 7) })
    const all = await store.tail(W, 0, 100)
    expect(await pages(store, 3)).toEqual(all)
    expect(await store.tail(W, all[4]!.position, 100)).toEqual(all.slice(5))
    expect(await store.tail(W, all[6]!.position, 100)).toEqual([])
    expect(await store.tail(W, 0, 0)).toEqual([])
  })
  ofTwo('never skips while two sessions write (S6)', async ({ store, another }) => {
    const two = await another()
    const writes = Array.from({ length: 40 }, (_, n) => {
      const session = n % 2 === 0 ? store : two
      return session.write(W, { entries: entries(`s${n}`, 1 + (n % 3)) })
    })
    let open = true
    const reader = (async () => {
      const seen: Placed[] = []
      while (open) seen.push(...(await pages(two, 2, seen.at(-1)?.position)))
      return [...seen, ...(await pages(two, 2, seen.at(-1)?.position))]
    })()
    await Promise.all(writes)
    open = false
    const all = await store.tail(W, 0, 1000)
    expect(await reader).toEqual(all)
    expect(all).toHaveLength(writes.reduce((sum, _, n) => sum + 1 + (n % 3), 0))
  })
}

/** Ends when a change names `run`, or says to look oneself. Gives what names it. */
function heard(store: MemoryStore, run: string): Promise<StoreChange> {
  return new Promise((resolve) => {
    const end = store.watch((change) => {
      if (!change.runs.includes(run) && change.runs.length > 0) return
      end()
      resolve(change)
    })
  })
}

/** What makes a store say that run 'r' has changed. */
const CAUSES: readonly (readonly [string, (store: MemoryStore) => Promise<() => Promise<unknown>>])[] = [
  ['starts', async (store) => () => start(store, 'r')],
  ['is delivered to', async (store) => (await startParked(store, 'r'), () => deliver(store, 'r', 'k'))],
  [
    'is touched',
    async (store) => (await startParked(store, 'r'), () => store.write(W, { touch: [{ run: 'r', state: 'due' }] })),
  ],
  [
    'is delivered to while it is leased',
    async (store) => (await start(store, 'r'), await takeOne(store), () => deliver(store, 'r', 'k')),
  ],
  [
    'settles',
    async (store) => {
      await start(store, 'r')
      const { lease } = await takeOne(store)
      return () => store.commit(lease, { next: settled })
    },
  ],
  [
    'is left due',
    async (store) => {
      await start(store, 'r')
      const { lease } = await takeOne(store)
      return () => store.commit(lease, { deliveries: [delivery('r', 'k')], next: parked() })
    },
  ],
]

function watch(suite: StoreSuite): void {
  const given = checks(suite)
  const ofTwo = checksOfTwo(suite)
  for (const [what, prepare] of CAUSES) {
    given(`calls back when a run ${what}`, async ({ store }) => {
      const cause = await prepare(store)
      const change = heard(store, 'r')
      await cause()
      expect((await change).workspace).toBe(W)
    })
    ofTwo(`calls back another session when a run ${what}`, async ({ store, another }) => {
      const two = await another()
      const cause = await prepare(store)
      const change = heard(two, 'r')
      await cause()
      expect((await change).workspace).toBe(W)
    })
  }
  given('calls back with the row of a settled run as it is kept, if with any', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const change = heard(store, 'r')
    await store.commit(lease, { next: settled })
    const told = (await change).settled
    if (told !== undefined) expect([...told]).toEqual([['r', await rowOf(store, 'r')]])
  })
  given('calls nobody back who has ended it', async ({ store }) => {
    const calls: StoreChange[] = []
    const end = store.watch((change) => calls.push(change))
    end()
    const change = heard(store, 'r')
    await start(store, 'r')
    await change
    expect(calls).toEqual([])
  })
  ofTwo('calls back when a death makes a run claimable', async ({ store, another, kill }) => {
    await start(store, 'r')
    await takeOne(await another(), { worker: 'two' })
    const change = heard(store, 'r')
    await kill('two')
    await change
    expect((await takeOne(store)).row.id).toBe('r')
  })
}
