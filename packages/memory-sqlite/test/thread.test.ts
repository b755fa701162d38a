/** A store in a thread of its own, and the death of that thread. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertChained, EMPTY_HEAD, turn, type StoreChange } from '@keelson/core/ports'
import type { FileStore } from '../src/file/store.ts'
import { sqlite } from '../src/index.ts'
import { Thread } from '../src/thread.ts'
import { leased, more, newRun, opened, query, W } from './rows.ts'
import { temporary } from './subject.ts'

let folder: string
let remove: () => void
let thread: Thread
let store: FileStore

beforeEach(async () => {
  ;({ folder, remove } = temporary())
  thread = new Thread()
  store = await opened(thread.file(join(folder, 'store.db'), { durability: 'disk' }))
})
afterEach(async () => {
  await store.close()
  remove()
})

describe('the death of the thread', () => {
  it('in the middle of a flush neither loses nor repeats a write (S1)', async () => {
    const writes = Array.from({ length: 60 }, (_, n) => store.write(W, { entries: more(`s${n % 20}`, earlier(n), 2) }))
    // The first answers come while the rest is on its way.
    await Promise.race(writes.slice(0, 1))
    await thread.terminate()
    const answers = await Promise.all(writes)
    expect(answers.every(({ status }) => status === 'done')).toBe(true)
    for (let n = 0; n < 20; n++) {
      const entries = await store.entries(W, `s${n}`)
      expect(assertChained(W, entries, EMPTY_HEAD).seq).toBe(6)
    }
  })

  it('between a commit and its answer neither loses nor repeats it (S1)', async () => {
    const { lease, entries } = await leased(store, 'one')
    const deaf = deafen()
    const writes = [
      store.write(W, { entries: more('s', [], 3) }),
      store.write(W, { records: [{ kind: 'thing', id: 'a', version: 1, data: '{}', index: {}, sort: 0 }] }),
      store.write(W, { starts: [newRun('q')] }),
      store.write(W, { deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }] }),
      store.commit(lease, { entries: more('r', entries) }),
    ]
    const beside = new Database(join(folder, 'store.db'))
    while (beside.prepare('select count(*) from mail').pluck().get() === 0) await turn()
    beside.close()
    await thread.terminate()
    deaf.end()
    expect(await Promise.all(writes)).toEqual(writes.map(() => ({ status: 'done', refused: [] })))
    expect(await store.entries(W, 's')).toHaveLength(3)
    expect(await store.entries(W, 'r')).toHaveLength(2)
    expect(await store.runs(W, { limit: 9 })).toHaveLength(2)
  })

  it('before a write reached it does not lose it (S1)', async () => {
    const write = store.write(W, { entries: more('s', []) })
    await thread.terminate()
    expect(await write).toEqual({ status: 'done', refused: [] })
    expect(await store.entries(W, 's')).toHaveLength(1)
  })

  it('frees the leases without counting a death, and fences the passes (S3)', async () => {
    const { lease, entries } = await leased(store, 'one')
    const commit = store.commit(lease, { entries: more('r', entries) })
    await thread.terminate()
    const { status } = await commit
    expect(['done', 'fenced']).toContain(status)
    const { claimed } = await store.claim(query('one'))
    expect(claimed).toMatchObject([{ lease: { epoch: 2 }, row: { deaths: 0, claims: 1 } }])
    expect(claimed[0]!.entries).toHaveLength(status === 'done' ? 2 : 1)
  })

  it('leaves listeners listening', async () => {
    const heard = new Promise<StoreChange>((resolve) => store.watch(resolve))
    await store.workspaces()
    const reading = store.workspaces()
    await thread.terminate()
    await reading
    await store.write(W, { starts: [newRun('r')] })
    expect(await heard).toMatchObject({ workspace: W })
  })
})

/** From now on the host hears nothing of its thread; from `end` on it hears of the next. */
function deafen(): { end: () => void } {
  const original = Worker.prototype.emit
  Worker.prototype.emit = function (this: Worker, event: string, ...rest: unknown[]): boolean {
    return event === 'message' ? false : Reflect.apply(original, this, [event, ...rest])
  } as typeof original
  return { end: () => (Worker.prototype.emit = original) }
}

/** What is on stream n % 20 before write n. */
function earlier(n: number) {
  let before: ReturnType<typeof more> = []
  for (let round = 0; round < Math.floor(n / 20); round++) before = [...before, ...more(`s${n % 20}`, before, 2)]
  return before
}

describe('a store in a thread', () => {
  it('says what failed as the error that it was', async () => {
    const taken = sqlite(join(folder, 'store.db'), { thread: 'worker' })
    const opening = taken.open({ worker: 'one', now: () => 1 })
    await expect(opening).rejects.toMatchObject({ name: 'KeelsonError', code: 'STORE_BUSY', data: { worker: 'one' } })
  })

  it('reports the progress of a backup', async () => {
    await store.write(W, { entries: more('s', [], 50, 'x'.repeat(4000)) })
    const seen: number[] = []
    await store.backup(join(folder, 'copy.db'), ({ remaining }) => seen.push(remaining))
    expect(seen.length).toBeGreaterThan(0)
  })
})
