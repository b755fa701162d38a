/** What is held of memories: as much as there is room for, and no longer than their records stand. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import type { MemoryStore, RecordQuery } from '../../journal/store.ts'
import type { MemoryRecord } from '../unit.ts'
import { Room, shared } from './held.ts'
import { Library } from './library.ts'

setFlagsFromString('--expose_gc')
const gc = runInNewContext('gc') as () => void

function record(text: string, by = 'me'): MemoryRecord {
  return {
    ...{ id: text, scope: 'customer:ada', kind: 'note', text, load: 'search', authority: 'operator', sensitivity: 0 },
    ...{ from: 0, recordedAt: 0, ends: [], source: { by: { kind: 'person', id: by } }, evidence: [], set: 's' },
  }
}

it('is one source for all that have the same', () => {
  expect(shared(record('tea')).source).toBe(shared(record('milk')).source)
})

it('does not keep the record that it came from', async () => {
  const kept = new WeakRef(shared(record('tea', 'somebody who has said nothing before')))
  await new Promise(setImmediate)
  gc()
  expect(kept.deref()).toBeUndefined()
})

/** What a store answers that holds these, all of them live. */
function storeOf(records: readonly MemoryRecord[]): { store: MemoryStore; add(record: MemoryRecord): void } {
  const rows = records.map((one, sort) => ({ id: one.id, sort, data: JSON.stringify(one) }))
  const answer = ({ where, after }: RecordQuery): unknown[] =>
    where?.value === 'live:customer:ada' ? rows.filter(({ sort }) => sort > (after?.sort ?? -1)) : []
  const store = { feeds: true, records: (_: string, query: RecordQuery) => Promise.resolve(answer(query)) }
  return {
    store: store as unknown as MemoryStore,
    add: (one) => void rows.push({ id: one.id, sort: rows.length, data: JSON.stringify(one) }),
  }
}

async function heldIn(library: Library): Promise<number> {
  const [segment] = await library.segments(['customer:ada'])
  return [...segment!.docs()].filter(({ unit }) => unit.held !== undefined).length
}

it('stands in one room for all companies, and leaves it when it is dropped', async () => {
  const each = JSON.stringify(record('a')).length
  const room = new Room(3 * each)
  const { store, add } = storeOf([record('a'), record('b')])
  const libraries = [new Library(store, 'one', room), new Library(store, 'other', room)] as const
  expect(await heldIn(libraries[0])).toBe(2)
  expect(await heldIn(libraries[1])).toBe(1)
  libraries[0].clear()
  add(record('b'))
  expect(await heldIn(libraries[1])).toBe(2)
  expect(await heldIn(libraries[0])).toBe(1)
})
