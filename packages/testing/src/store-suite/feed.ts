/** Checks of records that stand in the order of their commits: what keeps an index current. */
import { describe, expect } from 'vitest'
import type { Entry, MemoryStore } from '@keelson/core/ports'
import { entries as entriesOf, put, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

export function checkFeed(suite: StoreSuite): void {
  describe('the feed of an index value (S8)', () => {
    const given = checks(suite, suite.abilities.feeds)
    given('has what changed last at its end', async ({ store }) => {
      const write = writer(store)
      await write(['b'], 1)
      await write(['a', 'c'], 1)
      await write(['b'], 2)
      expect(await feed(store)).toEqual(['a1', 'c1', 'b2'])
    })
    given('gives behind a row what was written after it, and nothing else', async ({ store }) => {
      const write = writer(store)
      await write(['z'], 1)
      const [seen] = await store.records(W, { kind: 'thing', where, limit: 10 })
      await write(['a'], 1)
      await write(['z'], 2)
      expect(await feed(store, { sort: seen!.sort, id: seen!.id })).toEqual(['a1', 'z2'])
      const last = (await store.records(W, { kind: 'thing', where, limit: 10 })).at(-1)!
      expect(await feed(store, last)).toEqual([])
    })
    given('keeps its order among units of one turn', async ({ store }) => {
      const write = writer(store)
      await Promise.all(['d', 'b', 'a', 'c'].map((id) => write([id], 1)))
      expect(await feed(store)).toEqual(['d1', 'b1', 'a1', 'c1'])
    })
  })
}

const where = { field: 'in', value: 'here' }

/** Writes records with an entry each time, as everything is. */
function writer(store: MemoryStore): (ids: readonly string[], version: number) => Promise<void> {
  const entries: Entry[] = entriesOf('s', 8)
  let next = 0
  return async (ids, version) => {
    const records = ids.map((id) => put(id, version, { sort: 'position', index: { in: 'here' } }))
    expect(await store.write(W, { entries: [entries[next++]!], records })).toMatchObject({ status: 'done' })
  }
}

async function feed(store: MemoryStore, after = { sort: 0, id: '' }): Promise<string[]> {
  const rows = await store.records(W, { kind: 'thing', where, after: { sort: after.sort, id: after.id }, limit: 100 })
  return rows.map(({ id, version }) => `${id}${version}`)
}
