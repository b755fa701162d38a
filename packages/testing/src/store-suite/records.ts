/** Checks of the questions for records: look-ups, order and pages. */
import { describe, expect } from 'vitest'
import type { MemoryStore, RecordQuery } from '@keelson/core/ports'
import { put, recordOf, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

export function checkRecords(suite: StoreSuite): void {
  describe('records', () => {
    lookUps(suite)
    pages(suite)
    order(suite)
  })
}

/** In order of id: a b c d e; under by=x in order of sort: d(1) b(2) e(2) a(3); c is under by=y. */
async function assortment(store: MemoryStore): Promise<void> {
  const place = { a: 3, b: 2, c: 9, d: 1, e: 2 }
  const records = Object.entries(place).map(([id, sort]) =>
    put(id, 1, { sort, index: id === 'c' ? { by: 'y' } : { by: 'x', of: `o${sort}` } }),
  )
  await store.write(W, { records: records.reverse() })
  await store.write(W, { records: [put('z', 1, { kind: 'other', index: { by: 'x' } })] })
}

async function ids(store: MemoryStore, query: Partial<RecordQuery>): Promise<string> {
  return (await store.records(W, { kind: 'thing', limit: 100, ...query })).map(({ id }) => id).join('')
}

const byX = { field: 'by', value: 'x' }

function lookUps(suite: StoreSuite): void {
  const given = checks(suite)
  const questions: readonly (readonly [string, Partial<RecordQuery>, string])[] = [
    ['all of a kind, by id', {}, 'abcde'],
    ['all of a kind, from the last id', { order: 'descending' }, 'edcba'],
    ['under an index value, by sort and then by id', { where: byX }, 'dbea'],
    ['under an index value, from the last', { where: byX, order: 'descending' }, 'aebd'],
    ['under another field', { where: { field: 'of', value: 'o2' } }, 'be'],
    ['under a value that nothing has', { where: { field: 'by', value: 'X' } }, ''],
    ['under a field that nothing has', { where: { field: 'none', value: 'x' } }, ''],
    ['under a field that objects have by themselves', { where: { field: 'toString', value: 'x' } }, ''],
    ['by ids, without the unknown', { ids: ['e', 'ghost', 'a', 'e'] }, 'ae'],
    ['by no ids', { ids: [] }, ''],
    ['by ids under an index value', { ids: ['a', 'c', 'd'], where: byX }, 'da'],
    ['not below a sort', { where: byX, from: 2 }, 'bea'],
    ['not below a sort, from the last', { where: byX, from: 2, order: 'descending' }, 'aeb'],
    ['some', { where: byX, limit: 3 }, 'dbe'],
    ['none', { limit: 0 }, ''],
    ['of another kind', { kind: 'other' }, 'z'],
    ['of a kind that is not', { kind: 'Thing' }, ''],
  ]
  for (const [what, query, answer] of questions) {
    given(`are found: ${what}`, async ({ store }) => {
      await assortment(store)
      expect(await ids(store, query)).toBe(answer)
    })
  }
}

function pages(suite: StoreSuite): void {
  const given = checks(suite)
  given('come in pages under an index value', async ({ store }) => {
    await assortment(store)
    expect(await ids(store, { where: byX, after: { sort: 2, id: 'b' }, limit: 1 })).toBe('e')
    expect(await ids(store, { where: byX, after: { sort: 2, id: 'e' } })).toBe('a')
    expect(await ids(store, { where: byX, after: { sort: 2, id: 'bb' } })).toBe('ea')
    expect(await ids(store, { where: byX, after: { sort: 3, id: 'a' } })).toBe('')
  })
  given('come in pages from the last', async ({ store }) => {
    await assortment(store)
    expect(await ids(store, { where: byX, order: 'descending', after: { sort: 2, id: 'e' } })).toBe('bd')
    expect(await ids(store, { order: 'descending', after: { sort: 0, id: 'c' } })).toBe('ba')
  })
  given('come in pages by id, whatever their sort', async ({ store }) => {
    await assortment(store)
    expect(await ids(store, { after: { sort: 3, id: 'a' }, limit: 2 })).toBe('bc')
    expect(await ids(store, { after: { sort: 1, id: 'd' } })).toBe('e')
  })
  given('are neither skipped nor repeated while others come and go', async ({ store }) => {
    await assortment(store)
    const first = await store.records(W, { kind: 'thing', where: byX, limit: 2 })
    await store.write(W, { records: [put('b', 2, { data: null }), put('0', 1, { sort: 0, index: { by: 'x' } })] })
    const last = first.at(-1)!
    expect(await ids(store, { where: byX, after: { sort: last.sort, id: last.id } })).toBe('ea')
  })
}

function order(suite: StoreSuite): void {
  const given = checks(suite)
  given('have ids in the order of code points', async ({ store }) => {
    const names = ['', ' ', 'A', 'B', 'a', 'aa', 'b', 'é', '\uff5e', '😀']
    await store.write(W, { records: [...names].reverse().map((id) => put(id, 1)) })
    expect((await store.records(W, { kind: 'thing', limit: 99 })).map(({ id }) => id)).toEqual(names)
  })
  given('have negative, fractional and large sorts', async ({ store }) => {
    const sorts = [-9007199254740991, -1.5, 0, 0.25, 10, 9, 1e15, 9007199254740991]
    const records = sorts.map((sort, n) => put(`${n}`, 1, { sort, index: { by: 'x' } }))
    await store.write(W, { records })
    const found = await store.records(W, { kind: 'thing', where: byX, limit: 99 })
    expect(found.map(({ sort }) => sort)).toEqual([...sorts].sort((a, b) => a - b))
  })
  given('are not changed by who wrote them', async ({ store }) => {
    const record = put('a', 1, { index: { by: 'x' } }) as { data: string; index: Record<string, string> }
    await store.write(W, { records: [record as never] })
    record.data = '"changed"'
    record.index.by = 'changed'
    expect(await recordOf(store, 'a')).toMatchObject({ data: '{"v":1}', index: { by: 'x' } })
    expect(await ids(store, { where: byX })).toBe('a')
  })
}
