/** What is peculiar to writes that share a transaction, and to a disk that fails under them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertChained, EMPTY_HEAD } from '@keelson/core/ports'
import type { Handle } from '../src/file/connection.ts'
import { fileStore, type FileStore } from '../src/file/store.ts'
import { leased, more, newRun, opened, query, W } from './rows.ts'
import { temporary } from './subject.ts'

let folder: string
let remove: () => void
let handle: Handle
let store: FileStore

beforeEach(async () => {
  ;({ folder, remove } = temporary())
  store = await open((given) => {
    handle = given
    listen(given)
  })
})
afterEach(async () => {
  await store.close()
  remove()
})

/** The statements that were asked. */
const asked: string[] = []

function listen(given: Handle): void {
  const prepare = given.prepare.bind(given) as unknown as (sql: string) => Record<string, unknown>
  const heard = (sql: string): unknown => {
    const statement = prepare(sql)
    for (const name of ['run', 'all', 'get']) {
      const call = (statement[name] as (...args: unknown[]) => unknown).bind(statement)
      statement[name] = (...args: unknown[]) => {
        asked.push(sql)
        return call(...args)
      }
    }
    return statement
  }
  Object.assign(given, { prepare: heard })
}

function readsRuns(sql: string): boolean {
  return sql.startsWith('select') && sql.includes('from "runs"')
}

const path = (): string => join(folder, 'store.db')

function open(tamper: (handle: Handle) => void): Promise<FileStore> {
  return opened(fileStore(path(), { durability: 'disk', tamper }))
}

/** Transactions in the log: frames that end one say how large the file then is. */
function commits(): number {
  const log = readFileSync(`${path()}-wal`)
  const frame = 24 + log.readUInt32BE(8)
  let count = 0
  for (let at = 32; at + frame <= log.length; at += frame) if (log.readUInt32BE(at + 4) > 0) count++
  return count
}

describe('the first entries after a claim', () => {
  it('reset what counts against the run, without its row being read', async () => {
    const { lease, entries } = await claimedAndWatched()
    expect(await store.commit(lease, { entries })).toEqual({ status: 'done', refused: [] })
    expect(asked.filter(readsRuns)).toEqual([])
    await uncounted()
  })

  it('do so when mail has come meanwhile, without its row being read', async () => {
    const { lease, entries } = await claimedAndWatched()
    await store.write(W, { deliveries: [mail] })
    expect(await store.commit(lease, { entries })).toEqual({ status: 'done', refused: [] })
    expect(asked.filter(readsRuns)).toHaveLength(0)
    await uncounted()
    expect(await store.mail(lease, 0)).toHaveLength(1)
  })

  it('do so when another worker has changed the row meanwhile, and take the long way for it', async () => {
    const { lease, entries } = await claimedAndWatched()
    await elsewhere((other) => other.write(W, { deliveries: [mail] }))
    asked.length = 0
    expect(await store.commit(lease, { entries })).toEqual({ status: 'done', refused: [] })
    expect(asked.filter(readsRuns)).not.toHaveLength(0)
    await uncounted()
    expect(await store.mail(lease, 0)).toHaveLength(1)
  })

  it('are refused when another worker has taken the run meanwhile', async () => {
    const { lease, entries } = await claimedAndWatched()
    store.abandon()
    await elsewhere(async (other) => {
      expect((await other.claim(query('two'))).claimed).toHaveLength(1)
      expect(await store.commit(lease, { entries })).toEqual({ status: 'fenced' })
    })
  })

  it('are refused under a lease that is over', async () => {
    const { lease, entries } = await claimedAndWatched()
    await store.commit(lease, { next: { to: 'due', status: '', at: 0 } })
    await store.claim(query('one'))
    expect(await store.commit(lease, { entries })).toEqual({ status: 'fenced' })
  })

  /** A run that was claimed twice, and the statements that are asked from now on. */
  async function claimedAndWatched() {
    await store.write(W, { starts: [newRun('r')] })
    const first = (await store.claim(query('one'))).claimed[0]!
    await store.commit(first.lease, { next: { to: 'parked', wakeAt: 0, status: '', seenMail: 0 } })
    const { lease, row, entries } = (await store.claim(query('one'))).claimed[0]!
    expect(row.claims).toBe(2)
    asked.length = 0
    return { lease, entries: more('r', entries) }
  }

  const mail = { run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }

  async function uncounted(): Promise<void> {
    const [row] = await store.runs(W, { ids: ['r'], limit: 1 })
    expect(row).toMatchObject({ claims: 0, deaths: 0, worker: 'one' })
    expect(row?.corrupt).toBeUndefined()
  }
})

describe('what was written here', () => {
  it('is known until another worker writes', async () => {
    const { lease } = await leased(store, 'one')
    const [before] = await store.runs(W, { ids: [lease.run], limit: 1 })
    expect(before).toMatchObject({ state: 'due', worker: 'one' })
    asked.length = 0
    await store.runs(W, { ids: [lease.run], limit: 1 })
    expect(asked.filter(readsRuns)).toHaveLength(0)
    store.abandon()
    await elsewhere((other) => other.claim(query('two')))
    expect(await store.runs(W, { ids: [lease.run], limit: 1 })).toMatchObject([{ worker: null }])
    expect(await store.commit(lease, { next: { to: 'settled', status: '', at: 1 } })).toEqual({ status: 'fenced' })
  })

  it('numbers on behind what another worker wrote', async () => {
    await store.write(W, { entries: more('s', []) })
    await elsewhere((other) => other.write(W, { entries: more('t', []), starts: [newRun('theirs')] }))
    await store.write(W, { entries: more('u', []), starts: [newRun('ours')] })
    const streams = (await store.tail(W, 0, 10)).map(({ stream, position }) => [stream, position])
    expect(new Set(streams.map(([, position]) => position)).size).toBe(streams.length)
    const runs = await store.runs(W, { limit: 10 })
    expect(runs.map(({ id, order }) => [id, order])).toEqual([
      ['theirs', 1],
      ['ours', 2],
    ])
  })
})

/** What another worker does that has the file open meanwhile. */
async function elsewhere(does: (other: FileStore) => Promise<unknown>): Promise<void> {
  const other = await opened(fileStore(path(), { durability: 'disk' }), 'two')
  try {
    await does(other)
  } finally {
    await other.close()
  }
}

describe('a claim in the transaction that starts its runs', () => {
  const readsEntries = (sql: string): boolean => sql.startsWith('select') && sql.includes('from "entries"')
  const start = (id: string): Promise<unknown> => store.write(W, { starts: [newRun(id)] })

  it('answers their entries as the file holds them, without reading them back', async () => {
    asked.length = 0
    const [, , { claimed }] = await Promise.all([start('a'), start('b'), store.claim(query('one'))])
    expect(asked.filter(readsEntries).filter((sql) => !sql.includes('max('))).toEqual([])
    expect(claimed.map(({ row }) => row.id)).toEqual(['a', 'b'])
    for (const { row, entries } of claimed) expect(entries).toEqual(await store.entries(W, row.stream))
  })

  it('answers what was erased or grew behind them as that', async () => {
    const erase = { purge: { payloads: [{ stream: 'a', seq: 1 }] } }
    const grow = { entries: more('b', newRun('b').entries) }
    const writes = [start('a'), store.write(W, erase), start('b'), store.write(W, grow)]
    const [{ claimed }] = await Promise.all([store.claim(query('one')), ...writes])
    expect(claimed.map(({ entries }) => entries.map(({ payload }) => payload))).toEqual([[null], ['{}', '{"ok":"x"}']])
  })
})

describe('runs that are asked for in one go', () => {
  it('are compared once with what another worker has written, and again in the next', async () => {
    await leased(store, 'one')
    const compared = (): number => asked.splice(0).filter((sql) => sql.includes('data_version')).length
    const look = (): Promise<unknown> => store.runs(W, { ids: ['r'], limit: 1 })
    compared()
    await Promise.all([look(), look(), look()])
    expect(compared()).toBe(1)
    const other = await opened(fileStore(path(), { durability: 'disk' }), 'two')
    await other.write(W, { deliveries: [{ run: 'r', onceKey: 'k', kind: 'x', payload: '{}', at: 1 }] })
    await other.close()
    const mail = await store.mail({ workspace: W, run: 'r' }, 0)
    expect(mail).toHaveLength(1)
    expect(compared()).toBe(1)
  })
})

describe('units of one turn', () => {
  it('share one transaction, even with one that conflicts (S2)', async () => {
    handle.pragma('wal_checkpoint(TRUNCATE)')
    const units = Array.from({ length: 100 }, (_, n) =>
      store.write(W, {
        entries: more(`s${n}`, []).slice(n === 50 ? 1 : 0),
        ...(n === 50 ? { expect: [{ stream: 's50', seq: 7 }] } : {}),
      }),
    )
    const answers = await Promise.all(units)
    expect(answers.filter(({ status }) => status === 'done')).toHaveLength(99)
    expect(answers[50]).toEqual({ status: 'conflict', rows: [{ stream: 's50', seq: 0 }] })
    expect(commits()).toBe(1)
  })

  it('fail alone when one of them throws, and leave nothing of it (S2)', async () => {
    const rotten = 'update records set version = 9 where id = ?'
    await store.write(W, { records: [record('bad', 1)] })
    handle.prepare(rotten).run('bad')
    const bad = store.write(W, { entries: more('t', []), records: [record('bad', 2)] })
    const good = store.write(W, { entries: more('s', []) })
    await expect(bad).rejects.toMatchObject({ code: 'STORE_CORRUPT', data: { table: 'records', row: 'thing bad' } })
    expect(await good).toMatchObject({ status: 'done' })
    expect(await store.entries(W, 't')).toEqual([])
    expect(await store.entries(W, 's')).toHaveLength(1)
  })
})

describe('a commit under a lease', () => {
  it('writes the run only when it moves (P8)', async () => {
    const { lease, entries } = await leased(store, 'one')
    await store.commit(lease, { entries: more('r', entries) })
    const row = handle.prepare('select * from runs').get()
    const changes = (): number => handle.prepare('select total_changes()').pluck().get() as number
    const before = changes()
    const two = await store.entries(W, 'r')
    await store.commit(lease, { entries: more('r', two, 3) })
    expect(changes() - before).toBe(3)
    expect(handle.prepare('select * from runs').get()).toEqual(row)
  })

  it('is fenced in the statement that writes it (S3)', async () => {
    const { lease, entries } = await leased(store, 'one')
    const next = more('r', entries)
    await store.commit(lease, { entries: next })
    const late = more('r', next)
    expect(await store.commit({ ...lease, epoch: 2 }, { entries: late })).toEqual({ status: 'fenced' })
    expect(await store.commit({ ...lease, worker: 'two' }, { entries: late })).toEqual({ status: 'fenced' })
    expect(await store.entries(W, 'r')).toHaveLength(2)
  })

  it('leaves no gap in a stream', async () => {
    const { lease, entries } = await leased(store, 'one')
    const next = more('r', entries, 3)
    await store.commit(lease, { entries: next.slice(0, 1) })
    const answer = await store.commit(lease, { entries: next.slice(2) })
    expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 'r', seq: 2 }] })
    expect(await store.entries(W, 'r')).toHaveLength(2)
  })

  it('sees a stream that grew in another connection (S2)', async () => {
    const { lease, entries } = await leased(store, 'one')
    const second = more('r', entries)
    await store.commit(lease, { entries: second })
    const other = await opened(fileStore(path(), { durability: 'disk' }), 'two')
    await other.write(W, { entries: more('r', second) })
    await other.close()
    const answer = await store.commit(lease, { entries: more('r', second, 2, 'rival') })
    expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 'r', seq: 3 }] })
    assertChained(W, await store.entries(W, 'r'), EMPTY_HEAD)
  })
})

describe('a full disk', () => {
  it('fails what does not fit with STORE_FULL, keeps all else, and is forgotten when there is space (P12)', async () => {
    await store.write(W, { entries: more('s', [], 20) })
    const pages = handle.pragma('page_count', { simple: true }) as number
    handle.pragma(`max_page_count = ${pages + 8}`)
    const large = store.write(W, { entries: more('large', [], 10, 'y'.repeat(50_000)) })
    const small = store.write(W, { entries: more('small', []) })
    await expect(large).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await small).toMatchObject({ status: 'done' })
    expect(await store.entries(W, 'large')).toEqual([])
    expect(await store.entries(W, 's')).toHaveLength(20)
    handle.pragma('max_page_count = 1000000')
    expect(await store.write(W, { entries: more('large', [], 10, 'y'.repeat(50_000)) })).toMatchObject({
      status: 'done',
    })
    expect(handle.pragma('integrity_check', { simple: true })).toBe('ok')
  })
})

describe('a unit that is chained to one that failed', () => {
  it('fails with it, whatever was written on the way (S2)', async () => {
    const { lease, entries } = await leased(store, 'one')
    const second = more('r', entries)
    await store.commit(lease, { entries: second })
    const [third] = more('r', second, 1, 'y'.repeat(500_000))
    const fourth = more('r', [third!])
    handle.pragma(`max_page_count = ${(handle.pragma('page_count', { simple: true }) as number) + 8}`)
    const large = store.commit(lease, { entries: [third!] })
    const small = store.commit(lease, { entries: fourth })
    await expect(large).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await small).toEqual({ status: 'conflict', rows: [{ stream: 'r', seq: 2 }] })
    assertChained(W, await store.entries(W, 'r'), EMPTY_HEAD)
  })
})

describe('a commit of unknown outcome', () => {
  /** Makes the next COMMIT throw, before or after it has done its work. */
  async function failing(when: 'before' | 'after'): Promise<() => void> {
    await store.close()
    let armed = false
    store = await open((given) => {
      handle = given
      const prepare = given.prepare.bind(given)
      given.prepare = ((text: string) => {
        const statement = prepare(text)
        if (text !== 'commit') return statement
        const run = statement.run.bind(statement)
        statement.run = () => {
          const fails = armed
          armed = false
          if (!fails || when === 'after') run()
          if (fails) throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' })
          return { changes: 0, lastInsertRowid: 0 }
        }
        return statement
      }) as typeof given.prepare
    })
    return () => (armed = true)
  }

  const units = [{ entries: more('s', []) }, { records: [record('a', 1)] }, { starts: [newRun('q')] }]

  it.each(units)('is answered as done when it landed (S1): %j', async (unit) => {
    const arm = await failing('after')
    arm()
    expect(await store.write(W, unit)).toEqual({ status: 'done', refused: [] })
    expect(await store.tail(W, 0, 9)).toHaveLength(unit.records === undefined ? 1 : 0)
  })

  it.each(units)('is an error when it did not (S1): %j', async (unit) => {
    const arm = await failing('before')
    arm()
    await expect(store.write(W, unit)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await store.tail(W, 0, 9)).toEqual([])
    expect(await store.write(W, unit)).toEqual({ status: 'done', refused: [] })
  })

  it('leaves no gap for what comes after it (S2)', async () => {
    const arm = await failing('before')
    const { lease, entries } = await leased(store, 'one')
    const next = more('r', entries, 3)
    await store.commit(lease, { entries: next.slice(0, 1) })
    arm()
    await expect(store.commit(lease, { entries: next.slice(1, 2) })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    const answer = await store.commit(lease, { entries: next.slice(2) })
    expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 'r', seq: 2 }] })
  })

  it('is told to listeners when it landed', async () => {
    const arm = await failing('after')
    const heard = new Promise((resolve) => store.watch(resolve))
    arm()
    await store.write(W, { starts: [newRun('q')] })
    expect(await heard).toEqual({ workspace: W, runs: ['q'] })
  })

  it('of a park is answered by what the run says (S1)', async () => {
    const arm = await failing('after')
    const { lease } = await leased(store, 'one')
    arm()
    const next = { to: 'parked', wakeAt: null, status: '""', seenMail: 0 } as const
    expect(await store.commit(lease, { next })).toEqual({ status: 'done', refused: [] })
    expect((await store.claim(query('one'))).claimed).toEqual([])
  })

  it('of a park that did not land leaves the run as it was (S1)', async () => {
    const arm = await failing('before')
    const { lease, entries } = await leased(store, 'one')
    arm()
    const next = { to: 'parked', wakeAt: null, status: '""', seenMail: 0 } as const
    await expect(store.commit(lease, { next })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await store.runs(W, { ids: ['r'], limit: 1 })).toMatchObject([{ state: 'due', worker: 'one' }])
    expect(await store.commit(lease, { entries: more('r', entries) })).toMatchObject({ status: 'done' })
  })
})

describe('the log', () => {
  it('stays small under load and is gone after close', async () => {
    const sizes: number[] = []
    for (let n = 0; n < 60; n++) {
      const units = Array.from({ length: 20 }, (_, k) =>
        store.write(W, { entries: more(`s${n}-${k}`, [], 1, 'z'.repeat(4000)) }),
      )
      await Promise.all(units)
      sizes.push(readFileSync(`${path()}-wal`).length)
    }
    expect(Math.max(...sizes)).toBeLessThan(8 * 1024 * 1024)
    await store.close()
    expect(() => readFileSync(`${path()}-wal`)).toThrow('ENOENT')
    store = await open((given) => (handle = given))
  })
})

function record(id: string, version: number) {
  return { kind: 'thing', id, version, data: '{}', index: {}, sort: 0 }
}

describe('the file', () => {
  it('is flushed at each commit, also when it was in WAL mode already', async () => {
    await store.close()
    store = await open((given) => (handle = given))
    expect(handle.pragma('synchronous', { simple: true })).toBe(2)
    expect(handle.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(handle.pragma('foreign_keys', { simple: true })).toBe(1)
  })

  it('holds nothing of a text that was purged', async () => {
    const secret = 'the secret of one'
    await store.write(W, { entries: more('s', [], 3, secret) })
    const payloads = [1, 2, 3].map((seq) => ({ stream: 's', seq }))
    await store.write(W, { purge: { payloads } })
    expect(await store.entries(W, 's')).toMatchObject([
      { payload: null, salt: null },
      { payload: null },
      { payload: null },
    ])
    await store.close()
    expect(readFileSync(path()).includes(secret)).toBe(false)
    store = await open((given) => (handle = given))
  })
})
