/** Stops before and behind the operations of a store; and the whole port again, through hooks that do nothing. */
import { describe, expect, it } from 'vitest'
import type { MemoryStore } from '@keelson/core/ports'
import { intercept, storeFailure, type Hooks } from '../src/intercept.ts'
import { memoryStore } from '../src/memory-store.ts'

const unit = { records: [{ kind: 'thing', id: 'a', version: 1, data: '1', index: {}, sort: 0 }] }

async function opened(hooks: Hooks): Promise<{ store: MemoryStore; bare: MemoryStore }> {
  const bare = memoryStore()
  const store = intercept(bare, hooks)
  await store.open({ worker: 'one', now: () => 1000 })
  return { store, bare }
}

const count = async (store: MemoryStore): Promise<number> =>
  (await store.records('acme', { kind: 'thing', limit: 9 })).length

describe('intercept', () => {
  it('fails a write that is then not applied', async () => {
    const { store, bare } = await opened({
      before: (op) => {
        if (op === 'write') throw storeFailure()
      },
    })
    await expect(store.write('acme', unit)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await count(bare)).toBe(0)
  })

  it('loses the answer of a write that was applied', async () => {
    const { store, bare } = await opened({
      after: (op) => {
        if (op === 'write') throw storeFailure()
      },
    })
    await expect(store.write('acme', unit)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await count(bare)).toBe(1)
  })

  it('holds a call back until its hook ends', async () => {
    const gate = Promise.withResolvers<void>()
    const { store, bare } = await opened({ before: (op) => (op === 'write' ? gate.promise : undefined) })
    const answer = store.write('acme', unit)
    expect(await count(bare)).toBe(0)
    gate.resolve()
    expect(await answer).toMatchObject({ status: 'done' })
  })

  it('tells operation, arguments and answer', async () => {
    const seen: unknown[] = []
    const { store } = await opened({
      before: (...call) => void seen.push(call),
      after: (...answered) => void seen.push(answered),
    })
    await store.write('acme', unit)
    expect(seen.slice(2)).toEqual([
      ['write', ['acme', unit]],
      ['write', ['acme', unit], { status: 'done', refused: [] }],
    ])
  })

  it('passes the calls of one turn on in that turn', async () => {
    const { store, bare } = await opened({ before: () => undefined })
    const answer = store.write('acme', unit)
    expect(await bare.write('acme', unit)).toMatchObject({ status: 'conflict' })
    expect(await answer).toMatchObject({ status: 'done' })
  })
})
