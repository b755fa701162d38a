/** What becomes of a file in which a bit has changed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeelsonError, seeded, type MemoryStore } from '@keelson/core/ports'
import { fileStore } from '../src/file/store.ts'
import { leased, more, newRun, opened, query, W } from './rows.ts'
import { temporary } from './subject.ts'

let folder: string
let remove: () => void

beforeEach(() => ({ folder, remove } = temporary()))
afterEach(() => remove())

const path = (): string => join(folder, 'store.db')
const session = () => fileStore(path(), { durability: 'process' })

/** A store with something in every table, closed. */
async function furnished(): Promise<void> {
  const store = await opened(session())
  for (let n = 0; n < 12; n++) {
    const { lease, entries } = await leased(store, 'one', `run ${n}`)
    const records = Array.from({ length: 4 }, (_, k) => ({
      ...{ kind: 'thing', id: `${n} ${k}`, version: 1, data: JSON.stringify({ n, k }) },
      ...{ index: { parity: k % 2 === 0 ? 'even' : 'odd' }, sort: n * 10 + k },
    }))
    const deliveries = [{ run: `run ${n}`, onceKey: 'k', kind: 'event', payload: '{"a":1}', at: 1500 }]
    const next = { to: 'parked', wakeAt: 9000 + n, status: '"waits"', seenMail: 1 } as const
    await store.commit(lease, { entries: more(`run ${n}`, entries, 4, 'text '.repeat(20)), records, deliveries, next })
  }
  await store.write(W, { starts: [newRun('last')] })
  await store.write(W, { artifacts: [new Uint8Array(300).fill(7)] })
  await store.close()
}

const ARTIFACT = 'd677143e1431e8bb62b612cc7bb2c06a5eabe3d673f93a47113f2621aabaf421'

/** All that can be read of it, through each way of reading. */
async function everything(store: MemoryStore): Promise<unknown> {
  const runs = await store.runs(W, { limit: 99 })
  const claim = await store.claim(query('judge', { now: 99_999 }))
  for (const { corrupt } of [...runs, ...claim.claimed]) if (corrupt !== undefined) throw named(corrupt)
  for (const { why } of claim.corrupt ?? []) throw named(why)
  return [
    runs,
    ...(await Promise.all(runs.map(({ stream }) => store.entries(W, stream)))),
    await store.workspaces(),
    await store.runs(W, { state: 'open', limit: 99 }),
    await store.runs(W, { playbook: 'book', order: 'descending', limit: 99 }),
    await store.records(W, { kind: 'thing', limit: 99 }),
    await store.records(W, { kind: 'thing', where: { field: 'parity', value: 'odd' }, limit: 99 }),
    await store.records(W, { kind: 'thing', where: { field: 'parity', value: 'even' }, limit: 99 }),
    await store.tail(W, 0, 999),
    await store.getArtifact(W, ARTIFACT),
    claim,
  ]
}

/** What a run that was set aside says of itself. */
function named(why: string): KeelsonError {
  const [, row, table] = /^row (.+) of table (.+) is not/.exec(why) ?? []
  return new KeelsonError('STORE_CORRUPT', why, { data: { table: table!, row: row! } })
}

describe('a bit that changed', () => {
  it('#13 is an error or makes no difference, in 2,000 of 2,000 files (P12)', { timeout: 240_000 }, async () => {
    await furnished()
    const file = readFileSync(path())
    const before = JSON.stringify(await look())
    const random = seeded('flips')
    // Most of a small file is empty pages, where a bit says nothing.
    const used = [...file.keys()].filter((at) => file[at] !== 0)
    const outcomes = { refused: 0, harmless: 0, silent: [] as number[] }
    for (let round = 0; round < 2000; round++) {
      const bit = used[Math.floor(random() * used.length)]! * 8 + Math.floor(random() * 8)
      const flipped = Buffer.from(file)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      restore(flipped)
      const after = await look().catch((error: unknown) => {
        expect(error).toMatchObject({ name: 'KeelsonError' })
        return undefined
      })
      if (after === undefined) outcomes.refused++
      else if (JSON.stringify(after) === before) outcomes.harmless++
      else outcomes.silent.push(bit)
    }
    expect(outcomes.silent).toEqual([])
    expect(outcomes.refused).toBeGreaterThan(500)
  })

  /** The file as it is, opened and read whole. */
  async function look(): Promise<unknown> {
    const store = session()
    try {
      await store.open({ worker: 'judge', now: () => 2000 })
      return await everything(store)
    } finally {
      await store.close().catch(() => undefined)
    }
  }

  function restore(bytes: Uint8Array): void {
    for (const suffix of ['-wal', '-shm', '-anchor']) rmSync(path() + suffix, { force: true })
    writeFileSync(path(), bytes)
  }
})

describe('a run that is not what was written', () => {
  it.each([
    ['its row', `update runs set epoch = 7 where id = 'run 3'`],
    ['its mail', `update mail set payload = '{"a":2}' where run = 'run 3'`],
    ['its entries', `update entries set at = at + 1 where stream = (select id from streams where name = 'run 3')`],
  ])('in %s is set aside and named, and the others are claimed (P12)', async (_what, change) => {
    await furnished()
    const raw = new Database(path())
    expect(raw.prepare(change).run().changes).toBeGreaterThan(0)
    raw.close()
    const store = session()
    await store.open({ worker: 'judge', now: () => 2000 })
    const claim = await store.claim(query('judge', { now: 99_999 }))
    const sound = claim.claimed.filter(({ corrupt }) => corrupt === undefined)
    expect(sound).toHaveLength(12)
    const told = [...(claim.corrupt ?? []), ...claim.claimed.map(({ row, corrupt }) => ({ run: row.id, why: corrupt }))]
    expect(told.filter(({ why }) => why !== undefined)).toMatchObject([
      { run: 'run 3', why: expect.stringMatching(/row run 3 .*is not what was written/) },
    ])
    expect((await store.claim(query('judge', { now: 99_999 }))).corrupt).toBeUndefined()
    await store.close()
  })

  it('is freed of a worker that died, and set aside then', async () => {
    const first = await opened(session())
    await leased(first, 'one', 'held')
    await leased(first, 'one', 'other')
    first.abandon()
    await first.close().catch(() => undefined)
    const raw = new Database(path())
    raw.exec(`update runs set epoch = 7, worker = 'one' where id = 'held'`)
    raw.close()
    const store = session()
    await store.open({ worker: 'judge', now: () => 2000 })
    const { claimed, corrupt } = await store.claim(query('judge', { now: 99_999 }))
    expect(claimed.map(({ row }) => row.id)).toEqual(['other'])
    expect(corrupt).toMatchObject([{ run: 'held' }])
    await store.close()
  })
})

describe('a row that was changed', () => {
  it.each([
    ['runs', `update runs set epoch = 7`],
    ['mail', `update mail set payload = '{"a":2}'`],
    ['records', `update records set data = '{}'`],
    ['record_index', `update record_index set value = 'odx' where value = 'odd' and sort = 1`],
    ['record_index', `update record_index set id = '9 9' where value = 'odd' and sort = 1`],
    ['record_index', `update record_index set sort = 2 where value = 'odd' and sort = 1`],
    ['record_index', `insert into record_index values (1, 'thing', 'parity', 'odd', 5, '0 2')`],
    ['entries', `update entries set kind = 'step.failed'`],
    ['entries', `update entries set payload = null, salt = null`],
    ['entries', `update entries set position = position + 1000`],
    ['streams', `update streams set name = name || 'x'`],
    ['workspaces', `update workspaces set name = name || 'x'`],
  ])('is refused by table and row: %s: %s', async (table, change) => {
    await furnished()
    const raw = new Database(path())
    raw.exec(change)
    raw.close()
    const store = session()
    const reading = store.open({ worker: 'judge', now: () => 2000 }).then(() => everything(store))
    const outcome = await reading.catch((error: unknown) => error)
    expect(outcome).toMatchObject({ code: 'STORE_CORRUPT', data: { table, row: expect.any(String) } })
    await store.close().catch(() => undefined)
  })
})
