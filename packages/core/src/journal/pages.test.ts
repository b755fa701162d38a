import { describe, expect, it } from 'vitest'
import type { MemoryStore, RecordQuery } from './store.ts'
import { pagesOf } from './pages.ts'

describe('pagesOf', () => {
  it.each([0, 1, 499, 500, 501, 1000, 1234])('gives all of %i rows, each once', async (count) => {
    const all = Array.from({ length: count }, (_, n) => ({ id: `${n}`.padStart(5, '0'), sort: Math.floor(n / 7) }))
    const records = (_workspace: string, { after, limit }: RecordQuery) => {
      const from = after === undefined ? 0 : all.findIndex((row) => row.id === after.id && row.sort === after.sort) + 1
      return Promise.resolve(all.slice(from, from + limit))
    }
    const ids: string[] = []
    const store = { records } as unknown as MemoryStore
    for await (const row of pagesOf(store, 'acme', { kind: 'budget', where: { field: 'all', value: 'budget' } }))
      ids.push(row.id)
    expect(ids).toEqual(all.map((row) => row.id))
  })

  it('reads no more at first than is wanted, and on from there where that does not do', async () => {
    const all = Array.from({ length: 700 }, (_, n) => ({ id: `${n}`.padStart(5, '0'), sort: n }))
    const limits: number[] = []
    const records = (_workspace: string, { after, limit }: RecordQuery) => {
      limits.push(limit)
      const from = after === undefined ? 0 : after.sort + 1
      return Promise.resolve(all.slice(from, from + limit))
    }
    const store = { records } as unknown as MemoryStore
    const first = async (count: number, wanted: number): Promise<number[]> => {
      limits.length = 0
      let seen = 0
      for await (const row of pagesOf(store, 'acme', { kind: 'budget' }, wanted)) {
        expect(row.sort).toBe(seen)
        if (++seen === count) break
      }
      return [seen, ...limits]
    }
    expect(await first(3, 3)).toEqual([3, 3])
    expect(await first(4, 3)).toEqual([4, 3, 500])
    expect(await first(1000, 3)).toEqual([700, 3, 500, 500])
    expect(await first(600, 10_000)).toEqual([600, 500, 500])
  })
})
