/** Checks of the questions for runs and for the entries of a stream. */
import { describe, expect } from 'vitest'
import type { MemoryStore, RunQuery } from '@keelson/core/ports'
import { entries, rowOf, settled, start, startParked, takeOne, unplaced, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

export function checkRuns(suite: StoreSuite): void {
  describe('runs', () => runs(suite))
  describe('entries', () => streams(suite))
}

/** Runs s (settled), h (held), p (parked), l (leased), d (due) and f, of another playbook, in this order. */
async function assortment(store: MemoryStore): Promise<void> {
  for (const [id, next] of [
    ['s', settled],
    ['h', { to: 'held', status: '""' }],
  ] as const) {
    await start(store, id)
    await store.commit((await takeOne(store)).lease, { next })
  }
  await startParked(store, 'p')
  await start(store, 'l')
  await takeOne(store)
  await start(store, 'd')
  await start(store, 'f', { playbook: 'film' })
}

async function ids(store: MemoryStore, query: Partial<RunQuery>): Promise<string> {
  return (await store.runs(W, { limit: 100, ...query })).map(({ id }) => id).join('')
}

function runs(suite: StoreSuite): void {
  const given = checks(suite)
  const questions: readonly (readonly [string, Partial<RunQuery>, string])[] = [
    ['all, in the order of starting', {}, 'shpldf'],
    ['the newest first', { order: 'descending' }, 'fdlphs'],
    ['some', { limit: 2 }, 'sh'],
    ['none', { limit: 0 }, ''],
    ['the due, leased or not', { state: 'due' }, 'ldf'],
    ['the parked', { state: 'parked' }, 'p'],
    ['the held', { state: 'held' }, 'h'],
    ['the settled', { state: 'settled' }, 's'],
    ['the open', { state: 'open' }, 'hpldf'],
    ['those of a playbook', { playbook: 'film' }, 'f'],
    ['those of a playbook in a state', { playbook: 'book', state: 'due' }, 'ld'],
    ['by ids, in the order of starting, without the unknown', { ids: ['d', 'ghost', 's', 'd'] }, 'sd'],
    ['by ids in a state', { ids: ['d', 's'], state: 'open' }, 'd'],
    ['by no ids', { ids: [] }, ''],
  ]
  for (const [what, query, answer] of questions) {
    given(`are found: ${what}`, async ({ store }) => {
      await assortment(store)
      expect(await ids(store, query)).toBe(answer)
    })
  }
  given('come in pages, either way', async ({ store }) => {
    await assortment(store)
    const after = (await rowOf(store, 'p')).order
    expect(await ids(store, { after, limit: 2 })).toBe('ld')
    expect(await ids(store, { after, order: 'descending', limit: 1 })).toBe('h')
    expect(await ids(store, { after, state: 'open', order: 'descending' })).toBe('h')
    expect(await ids(store, { after: (await rowOf(store, 'f')).order })).toBe('')
  })
  given('cannot be changed by who reads them', async ({ store }) => {
    await start(store, 'r')
    const row = await rowOf(store, 'r')
    try {
      Object.assign(row, { state: 'settled' })
    } catch {
      // A frozen row is as good.
    }
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due' })
  })
}

function streams(suite: StoreSuite): void {
  const given = checks(suite)
  given('are read behind a seq, and no more than asked for', async ({ store }) => {
    await store.write(W, { entries: entries('s', 5) })
    const seqs = async (...rest: [number?, number?]): Promise<number[]> =>
      (await store.entries(W, 's', ...rest)).map(({ seq }) => seq)
    expect(await seqs()).toEqual([1, 2, 3, 4, 5])
    expect(await seqs(3)).toEqual([4, 5])
    expect(await seqs(1, 2)).toEqual([2, 3])
    expect(await seqs(5)).toEqual([])
    expect(await seqs(0, 0)).toEqual([])
  })
  given('of one stream are not those of another', async ({ store }) => {
    await store.write(W, { entries: [...entries('s', 2), ...entries('s2', 1)] })
    expect(unplaced(await store.entries(W, 's'))).toEqual(entries('s', 2))
    expect(await store.entries(W, 'S')).toEqual([])
    expect(await store.entries(W, '')).toEqual([])
  })
  given('are not changed by who wrote them', async ({ store }) => {
    const written = entries('s', 1).map((entry) => ({ ...entry }))
    await store.write(W, { entries: written })
    written[0]!.payload = '"changed"'
    expect(unplaced(await store.entries(W, 's'))).toEqual(entries('s', 1))
  })
}
