/** Several processes on one file: death, suspension, wake-ups, and what a kill leaves behind. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { pid } from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertChained, EMPTY_HEAD, seeded, type StoreChange, type Claimed } from '@keelson/core/ports'
import { loadDriver, type Handle } from '../src/file/connection.ts'
import { fileStore } from '../src/file/store.ts'
import { takeLock, type Probe } from '../src/file/worker-lock.ts'
import { opened, newRun, query, W } from './rows.ts'
import { temporary } from './subject.ts'

let folder: string
let remove: () => void
let children: ChildProcess[]

beforeEach(() => {
  ;({ folder, remove } = temporary())
  children = []
})
afterEach(async () => {
  for (const child of children) await end(child)
  remove()
})

const path = (): string => join(folder, 'store.db')
const session = (worker: string) => opened(fileStore(path(), { durability: 'disk' }), worker)

async function process(worker: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'fixtures/child.ts'), [path(), worker], {
    execArgv: ['--conditions=@keelson/source'],
  })
  children.push(child)
  await once(child, 'message')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function ask(child: ChildProcess, order: { do: string; run?: string }): Promise<unknown> {
  child.send(order)
  return ((await once(child, 'message')) as unknown[])[0]
}

describe('the death of a process', () => {
  it('makes its runs claimable at once, and counts', async () => {
    const store = await session('one')
    const child = await process('two')
    await store.write(W, { starts: [newRun('r')] })
    expect(await ask(child, { do: 'claim' })).toMatchObject([{ lease: { worker: 'two', epoch: 1 } }])
    expect((await store.claim(query('one'))).claimed).toEqual([])
    await end(child)
    const { claimed } = await store.claim(query('one'))
    expect(claimed).toMatchObject([{ lease: { epoch: 2 }, row: { deaths: 1, claims: 2 } }])
    await store.close()
  })

  it('is known to a process that opens later', async () => {
    const child = await process('two')
    await ask(child, { do: 'start', run: 'r' })
    await ask(child, { do: 'claim' })
    await end(child)
    const store = await session('one')
    expect((await store.runs(W, { limit: 1 }))[0]).toMatchObject({ worker: null, deaths: 1 })
    await store.close()
  })

  it('#7 is proved by its lock, also where a process that lives has its pid by now', async () => {
    const store = await session('one')
    const child = await process(`worker-${pid}`)
    await ask(child, { do: 'start', run: 'r' })
    await ask(child, { do: 'claim' })
    await end(child)
    // Whoever asked whether a process of this number lives would find this one.
    globalThis.process.kill(pid, 0)
    expect((await store.claim(query('one'))).claimed).toMatchObject([{ row: { deaths: 1 } }])
    await store.close()
  })

  it('counts when the same worker comes back', async () => {
    const child = await process('one')
    await ask(child, { do: 'start', run: 'r' })
    await ask(child, { do: 'claim' })
    await end(child)
    const store = await session('one')
    expect((await store.runs(W, { limit: 1 }))[0]).toMatchObject({ worker: null, deaths: 1 })
    await store.close()
  })
})

describe('a lock file that was replaced', () => {
  it('proves nothing about the worker that holds the new one', async () => {
    const Database = await loadDriver()
    const probes = new Map<string, Probe>()
    const first = takeLock(Database, path(), 'one', 0)
    expect(takeLock(Database, path(), 'one', 0, probes)).toBeUndefined()
    first!.release()
    const second = takeLock(Database, path(), 'one', 0)
    expect(takeLock(Database, path(), 'one', 0, probes)).toBeUndefined()
    second!.release()
    const third = takeLock(Database, path(), 'one', 0, probes)
    expect(third).toBeDefined()
    third!.release()
  })

  it('opens although the lock file of a dead worker is removed between opening it and looking at it', async () => {
    const Database = await loadDriver()
    let opens = 0
    class Removed extends Database {
      constructor(file: string, options?: ConstructorParameters<typeof Database>[1]) {
        super(file, options)
        if (++opens === 1) rmSync(file)
      }
    }
    const lock = takeLock(Removed as unknown as typeof Database, path(), 'dead', 0)
    expect(opens).toBe(2)
    expect(takeLock(Database, path(), 'dead', 0)).toBeUndefined()
    lock!.release()
  })
})

describe('a suspended process', () => {
  it('keeps its runs, because its lock is held', async () => {
    const store = await session('one')
    const child = await process('two')
    await ask(child, { do: 'start', run: 'r' })
    await ask(child, { do: 'claim' })
    child.kill('SIGSTOP')
    expect((await store.claim(query('one'))).claimed).toEqual([])
    const late = await session('three')
    expect((await late.claim(query('three'))).claimed).toEqual([])
    child.kill('SIGCONT')
    expect(await ask(child, { do: 'commit', run: 'r' })).toEqual({ status: 'done', refused: [] })
    await late.close()
    await store.close()
  })
})

describe('a second worker', () => {
  it('cannot take a name that is alive', async () => {
    await process('one')
    await expect(session('one')).rejects.toMatchObject({ code: 'STORE_BUSY', data: { worker: 'one' } })
  })

  it('takes a run that was started in another process when it hears of it', async () => {
    const store = await session('one')
    const child = await process('two')
    const heard = new Promise<StoreChange>((resolve) => store.watch(resolve))
    await ask(child, { do: 'start', run: 'r' })
    expect(await heard).toEqual({ workspace: W, runs: [] })
    expect((await store.claim(query('one'))).claimed).toHaveLength(1)
    await store.close()
  })

  it('shares the runs with the first, each once (P8)', async () => {
    const store = await session('one')
    const child = await process('two')
    await store.write(W, { starts: Array.from({ length: 40 }, (_, n) => newRun(`r${n}`)) })
    const theirs = ask(child, { do: 'claim' }) as Promise<Claimed[]>
    const ours: Claimed[] = []
    for (let n = 0; n < 10; n++) ours.push(...(await store.claim(query('one', { limit: 3 }))).claimed)
    const all = [...ours, ...(await theirs)].map(({ lease }) => lease.run)
    expect(new Set(all).size).toBe(all.length)
    expect(all.length + (await store.claim(query('one'))).claimed.length).toBe(40)
    await store.close()
  })
})

describe('a process without work', () => {
  it('ends by itself with a store open', async () => {
    const other = await session('two')
    const child = await process('one')
    child.send({ do: 'leave' })
    expect(await once(child, 'exit')).toEqual([0, null])
    await other.close()
  })
})

describe('a kill at any moment', () => {
  it('loses nothing that was acknowledged, and breaks nothing (S1, P12)', async () => {
    const random = seeded('kill')
    const durable = new Map<string, number>()
    for (let round = 0; round < 8; round++) {
      const workers = ['a', 'b']
      const running = await Promise.all(workers.map(process))
      await Promise.all(
        running.map(async (child, n) => {
          child.send({ do: 'append' })
          const acknowledged = 1 + Math.floor(random() * 60)
          for (let seen = 0; seen < acknowledged; seen++) {
            const [message] = (await once(child, 'message')) as [{ durable: number }]
            durable.set(workers[n]!, message.durable)
          }
          child.on('message', (message: { durable: number }) => durable.set(workers[n]!, message.durable))
          await end(child)
        }),
      )
      let integrity: unknown
      const tamper = (handle: Handle): unknown => (integrity = handle.pragma('integrity_check', { simple: true }))
      const store = await opened(fileStore(path(), { durability: 'disk', tamper }), 'judge')
      expect(integrity).toBe('ok')
      for (const worker of workers) {
        const entries = await store.entries(W, `stream of ${worker}`)
        expect(assertChained(W, entries, EMPTY_HEAD).seq).toBeGreaterThanOrEqual(durable.get(worker)!)
      }
      await store.close()
    }
  })
})
