/** Companies: a file of one has no index by company, which each entry would pay for; one of several does, from the second on. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keptPlan, kyselyOn, type Handle } from '../src/file/connection.ts'
import { fileStore, type FileStore } from '../src/file/store.ts'
import { migrations } from '../src/sql/migrations.ts'
import { queries } from '../src/sql/queries.ts'
import { more, opened, W } from './rows.ts'
import { temporary } from './subject.ts'

const OTHER = 'globex'

let folder: string
let remove: () => void

beforeEach(() => ({ folder, remove } = temporary()))
afterEach(() => remove())

const path = (): string => join(folder, 'store.db')
const make = (steps = migrations('sqlite'), tamper?: (handle: Handle) => void): FileStore =>
  fileStore(path(), { durability: 'disk', migrations: steps, tamper })

/** As the file is now, seen from beside the store. */
function seen<T>(look: (database: Database.Database) => T): T {
  const database = new Database(path(), { readonly: true })
  try {
    return look(database)
  } finally {
    database.close()
  }
}

const isIndexed = (): boolean =>
  seen((database) => database.prepare(`select 1 from sqlite_schema where name = 'entries_tail'`).get() !== undefined)

/** Of the statement that the store itself prepares. */
function planOf(): string {
  return seen((database) => {
    const sql = keptPlan(queries(kyselyOn(database)).tail.sql)
    const [way] = database.prepare(`explain query plan ${sql}`).all(1, 5, 900, 10) as { detail: string }[]
    return way!.detail
  })
}

/** Entries of both, the one's between the other's; the tail of each. */
async function write(store: FileStore, ...companies: string[]): Promise<void> {
  for (let turn = 0; turn < 3; turn++)
    for (const company of companies) {
      const before = await store.entries(company, 's')
      await store.write(company, { entries: more('s', before, 2, `${company} ${turn}`, company) })
    }
}

async function expectTails(store: FileStore, count: number, ...companies: string[]): Promise<void> {
  for (const company of companies) {
    const whole = await store.tail(company, 0, 100)
    expect(whole.map(({ payload }) => payload?.includes(company))).toEqual(Array<boolean>(count).fill(true))
    const [, second] = whole
    expect(await store.tail(company, second!.position, 2)).toEqual(whole.slice(2, 4))
  }
}

/** The steps of the version before. */
function before(): ReturnType<typeof migrations> {
  const { '0001-tables': first, '0002-due-by-state': second } = migrations('sqlite')
  return { '0001-tables': first!, '0002-due-by-state': second! }
}

describe('a file of one company', () => {
  it('has no index by company, and reads its tail by position', async () => {
    const store = await opened(make())
    await write(store, W)
    await expectTails(store, 6, W)
    expect(isIndexed()).toBe(false)
    expect(planOf()).toContain('INTEGER PRIMARY KEY (rowid>? AND rowid<?)')
    await store.close()
  })

  it('loses the index that an earlier version made, in the step forward', async () => {
    const old = await opened(make(before()))
    await write(old, W)
    expect(isIndexed()).toBe(true)
    await old.close()
    const store = await opened(make())
    await expectTails(store, 6, W)
    expect(isIndexed()).toBe(false)
    await store.close()
  })
})

describe('a file of several', () => {
  it('gets the index with the second, and opens again', async () => {
    const store = await opened(make())
    await write(store, W)
    await write(store, W, OTHER)
    expect(isIndexed()).toBe(true)
    expect(planOf()).toContain('entries_tail (workspace=? AND rowid>? AND rowid<?)')
    await expectTails(store, 12, W)
    await expectTails(store, 6, OTHER)
    await store.close()
    const again = await opened(make())
    await write(again, W, OTHER, 'initech')
    await expectTails(again, 18, W)
    await again.close()
  })

  it('keeps the index that an earlier version made', async () => {
    const old = await opened(make(before()))
    await write(old, W, OTHER)
    await old.close()
    const store = await opened(make())
    expect(isIndexed()).toBe(true)
    await expectTails(store, 6, W, OTHER)
    await store.close()
  })

  it('gets the index back with the next one, where a version that knows nothing of it has added the second', async () => {
    const store = await opened(make())
    await write(store, W, OTHER)
    const without = new Database(path())
    without.exec('drop index entries_tail').close()
    await write(store, W)
    await expectTails(store, 12, W)
    await write(store, 'initech')
    expect(isIndexed()).toBe(true)
    await expectTails(store, 6, 'initech')
    await store.close()
  })

  it('reads on in another session that was open as the second came', async () => {
    const one = await opened(make())
    const two = await opened(make(), 'two')
    await write(one, W)
    await expectTails(two, 6, W)
    await write(one, OTHER)
    await expectTails(two, 6, W, OTHER)
    await write(two, OTHER, W)
    await expectTails(one, 12, W, OTHER)
    await one.close()
    await two.close()
  })

  it('has neither the index nor the company when the commit that brings them fails, and both when it is tried again', async () => {
    const store = await opened(make())
    await write(store, W)
    const damage = new Database(path())
    damage.exec(`create trigger full before insert on workspaces begin select raise(abort, 'full'); end`)
    const failing = store.write(OTHER, { entries: more('s', [], 2, OTHER, OTHER) })
    const beside = store.write(W, { entries: more('s', await store.entries(W, 's'), 2, W) })
    await expect(failing).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await beside).toMatchObject({ status: 'done' })
    expect(isIndexed()).toBe(false)
    await expectTails(store, 8, W)
    damage.exec('drop trigger full').close()
    await write(store, OTHER)
    expect(isIndexed()).toBe(true)
    await expectTails(store, 6, OTHER)
    await store.close()
  })

  it('is brought there in memory, because there may be no folder for temporary files, and compacted in a file', async () => {
    const old = await opened(make(before()))
    await write(old, W)
    await old.write(W, { entries: more('large', [], 100, 'x'.repeat(4000)) })
    await old.close()
    const seen: [string | undefined, unknown][] = []
    const store = make(undefined, (handle) => {
      for (const name of ['exec', 'prepare'] as const) {
        const call = handle[name].bind(handle) as (text: string) => never
        handle[name] = (text: string) => {
          // SQLite looks where to put what it may undo as the transaction begins.
          const [what] = /^(begin|drop index if exists "entries_tail|create index|vacuum)/.exec(text) ?? []
          if (what !== undefined) seen.push([what, handle.pragma('temp_store', { simple: true })])
          return call(text)
        }
      }
    })
    await opened(store)
    await write(store, OTHER)
    await store.write(W, { purge: { streams: ['large'] } })
    await store.compact()
    const [file, memory] = [1, 2]
    expect(seen).toContainEqual(['drop index if exists "entries_tail', memory])
    expect(seen).toContainEqual(['create index', memory])
    expect(seen).toContainEqual(['vacuum', file])
    expect(seen.filter(([what, where]) => (what === 'vacuum') === (where === memory))).toEqual([])
    await store.close()
  })
})
