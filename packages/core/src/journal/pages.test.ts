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
})
