/** What opening a file says: that it is refused, frozen, or brought to this version. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Migration } from 'kysely/migration'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertNode } from '../src/file/failure.ts'
import { fileStore, type FileStore } from '../src/file/store.ts'
import { sqlite } from '../src/index.ts'
import { migrations } from '../src/sql/migrations.ts'
import { more, newRun, opened, query, W } from './rows.ts'
import { temporary } from './subject.ts'

let folder: string
let remove: () => void

beforeEach(() => ({ folder, remove } = temporary()))
afterEach(() => {
  chmodSync(folder, 0o700)
  remove()
})

const at = (name: string): string => join(folder, name)
const make = (name: string): FileStore => fileStore(at(name), { durability: 'disk' })
const open = (name: string, worker = 'one') => make(name).open({ worker, now: () => 1 })

/** A closed store with `count` entries. */
async function written(name: string, count: number): Promise<void> {
  const store = await opened(make(name))
  const before = await store.entries(W, 's')
  await store.write(W, { entries: more('s', before, count) })
  await store.close()
}

/** Opens, closes, and says what was frozen. */
async function frozen(name: string): Promise<unknown> {
  const store = make(name)
  const { frozen } = await store.open({ worker: 'one', now: () => 1 })
  await store.close()
  return frozen
}

describe('a file that is no store', () => {
  function foreign(): void {
    new Database(at('x')).exec('create table t (a)').close()
  }

  it.each([
    [
      'text',
      'STORE_CORRUPT',
      () => writeFileSync(at('x'), 'not a database, but long enough to look like one'.repeat(99)),
    ],
    ['another database', 'STORE_CORRUPT', foreign],
    ['a folder', 'STORE_FAILED', () => mkdirSync(at('x'))],
  ] as const)('is refused: %s', async (_, code, prepare) => {
    prepare()
    await expect(open('x')).rejects.toMatchObject({ code, message: expect.stringContaining(at('x')) })
  })
})

describe('a missing folder', () => {
  it('is made', async () => {
    await open('deep/down/store.db').then(() => expect(existsSync(at('deep/down/store.db'))).toBe(true))
  })
})

describe('a folder that cannot be written to', () => {
  it.each(['with a store in it', 'without one'])('is refused with STORE_READ_ONLY, %s', async (what) => {
    if (what === 'with a store in it') await written('store.db', 1)
    chmodSync(folder, 0o555)
    const unprivileged = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const child = fork(join(import.meta.dirname, 'fixtures/unprivileged.ts'), [at('store.db')], {
      execArgv: ['--conditions=@keelson/source'],
      ...unprivileged,
    })
    expect(await once(child, 'message')).toEqual(['STORE_READ_ONLY', undefined])
  })
})

describe('a version of Node that the driver would crash', () => {
  it.each(['18.20.0', '20.19.5', '22.17.1'])('is refused before the driver loads: %s', (version) => {
    expect(() => assertNode(version)).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }))
  })
  it.each(['22.18.0', '24.0.0', '26.1.0'])('is not mistaken for a good one: %s', (version) => {
    expect(() => assertNode(version)).not.toThrow()
  })
})

describe('a schema', () => {
  const next: Migration = { up: (db) => db.schema.createTable('added').addColumn('a', 'integer').execute() }
  const newer = { ...migrations('sqlite'), '9999-added': next }

  it('that is newer is refused with STORE_NEWER', async () => {
    await opened(fileStore(at('store.db'), { durability: 'disk', migrations: newer })).then((store) => store.close())
    await expect(open('store.db')).rejects.toMatchObject({ code: 'STORE_NEWER', data: { step: '9999-added' } })
  })

  it('that is older goes forward, with a copy of the file left beside it', async () => {
    await written('store.db', 3)
    const store = await opened(fileStore(at('store.db'), { durability: 'disk', migrations: newer }))
    expect(await store.entries(W, 's')).toHaveLength(3)
    await store.close()
    const copy = await opened(make('store.db-before-9999-added'))
    expect(await copy.entries(W, 's')).toHaveLength(3)
    await copy.close()
  })

  it('goes forward over whatever lies where the copy is to be, and counts no copy that is not whole', async () => {
    await written('store.db', 3)
    writeFileSync(at('store.db-before-9999-added'), 'not a database, but long enough to look like one'.repeat(99))
    const store = await opened(fileStore(at('store.db'), { durability: 'disk', migrations: newer }))
    expect(await store.entries(W, 's')).toHaveLength(3)
    await store.close()
    expect(readdirSync(folder).filter((name) => name.includes('unfinished'))).toEqual([])
    const copy = await opened(make('store.db-before-9999-added'))
    expect(await copy.entries(W, 's')).toHaveLength(3)
    await copy.close()
  })

  it('of a file whose pages or indexes are damaged does not go forward: its copy is not whole', async () => {
    await written('store.db', 3)
    const database = new Database(at('store.db'))
    database.exec(`insert into records values (1, 'k', 'i', 1, '{}', 0, '[["f","v"]]', 0)`).close()
    const store = fileStore(at('store.db'), { durability: 'disk', migrations: newer })
    await expect(store.open({ worker: 'one', now: () => 1 })).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(readdirSync(folder).filter((name) => name.includes('before'))).toEqual([])
  })

  it('goes forward with a row that was changed by somebody else, and keeps it in the copy as it is', async () => {
    await written('store.db', 3)
    const database = new Database(at('store.db'))
    database.exec(`update entries set payload = '{"other":1}' where seq = 2`).close()
    const store = await opened(fileStore(at('store.db'), { durability: 'disk', migrations: newer }))
    await expect(store.entries(W, 's')).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await store.close()
    expect(readdirSync(folder).filter((name) => name.includes('before'))).toEqual(['store.db-before-9999-added'])
  })

  it('goes forward once, whoever opens the file at the same time', async () => {
    await written('store.db', 3)
    const stores = [1, 2, 3].map(() => fileStore(at('store.db'), { durability: 'disk', migrations: newer }))
    await Promise.all(stores.map((store, i) => store.open({ worker: `w${i}`, now: () => 1 })))
    for (const store of stores) {
      expect(await store.entries(W, 's')).toHaveLength(3)
      await store.close()
    }
    const copy = await opened(make('store.db-before-9999-added')) // it would be refused with the new step in it
    expect(await copy.entries(W, 's')).toHaveLength(3)
    await copy.close()
    expect(readdirSync(folder).filter((name) => /unfinished|schema/.test(name))).toEqual([])
  })

  it.each(['while it is copied', 'half way', 'once it was written'])(
    'survives a kill %s: the file is as before or goes forward, and nothing of it is lost',
    async (moment) => {
      await written('store.db', 3)
      const child = fork(join(import.meta.dirname, 'fixtures/migrating.ts'), [at('store.db'), moment], {
        execArgv: ['--conditions=@keelson/source'],
      })
      const ended = once(child, 'exit')
      const early = ended.then(() => Promise.reject(new Error('it ended before it came there')))
      await Promise.race([once(child, 'message'), early])
      child.kill('SIGKILL')
      await ended
      await expect(early).rejects.toThrow()
      if (moment !== 'once it was written') {
        const before = await opened(make('store.db'))
        expect(await before.entries(W, 's')).toHaveLength(3)
        await before.close()
      }
      const store = await opened(fileStore(at('store.db'), { durability: 'disk', migrations: newer }))
      expect(await store.entries(W, 's')).toHaveLength(3)
      await store.close()
      expect(new Database(at('store.db')).pragma('integrity_check', { simple: true })).toBe('ok')
      const copy = await opened(make('store.db-before-9999-added'))
      expect(await copy.entries(W, 's')).toHaveLength(3)
      await copy.close()
    },
  )

  it('that found what is due by the clock goes forward, and what was due is', async () => {
    const { '0001-tables': first } = migrations('sqlite')
    const old = await opened(fileStore(at('store.db'), { durability: 'disk', migrations: { '0001-tables': first! } }))
    await old.write(W, { starts: [newRun('r')] })
    await old.close()
    const store = make('store.db')
    await store.open({ worker: 'one', now: () => -1 })
    expect((await store.claim(query('one', { now: -1 }))).claimed).toMatchObject([{ row: { id: 'r', state: 'due' } }])
    await store.close()
  })

  it('that fails to go forward stays what it was', async () => {
    await written('store.db', 3)
    const breaking: Migration = {
      async up(db) {
        await next.up(db)
        throw new Error('half way')
      },
    }
    const broken = { ...migrations('sqlite'), '9999-added': breaking }
    const store = fileStore(at('store.db'), { durability: 'disk', migrations: broken })
    await expect(store.open({ worker: 'one', now: () => 1 })).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await frozen('store.db')).toEqual([])
  })

  it('of a new file leaves no copy', async () => {
    await written('store.db', 1)
    expect(readdirSync(folder).filter((name) => name.includes('before'))).toEqual([])
  })
})

describe('a copy', () => {
  const copied = [{ workspace: W, why: 'copy' }]

  it('opens frozen, again and again, until it is adopted', async () => {
    await written('store.db', 3)
    copyFileSync(at('store.db'), at('copy.db'))
    expect(await frozen('copy.db')).toEqual(copied)
    expect(await frozen('copy.db')).toEqual(copied)
    const store = await opened(make('copy.db'))
    await store.adopt(W)
    await store.close()
    expect(await frozen('copy.db')).toEqual([])
    expect(await frozen('store.db')).toEqual([])
  })

  it('of the whole folder opens frozen', async () => {
    mkdirSync(at('here'))
    await written('here/store.db', 3)
    cpSync(at('here'), at('there'), { recursive: true })
    expect(await frozen('there/store.db')).toEqual(copied)
  })

  it('freezes only what was in it', async () => {
    await written('store.db', 3)
    copyFileSync(at('store.db'), at('copy.db'))
    const store = await opened(make('copy.db'))
    await store.write('later', {
      entries: [],
      records: [{ kind: 'a', id: 'a', version: 1, data: '{}', index: {}, sort: 0 }],
    })
    await store.close()
    expect(await frozen('copy.db')).toEqual(copied)
  })

  it('is not what a file is that was renamed or moved', async () => {
    mkdirSync(at('here'))
    await written('here/store.db', 3)
    renameSync(at('here'), at('there'))
    expect(await frozen('there/store.db')).toEqual([])
    renameSync(at('there/store.db'), at('there/other.db'))
    expect(await frozen('there/other.db')).toEqual([])
  })
})

describe('a backup', () => {
  it('holds what was written, and opens as a copy', async () => {
    const store = await opened(make('store.db'))
    await store.write(W, { entries: more('s', [], 50, 'x'.repeat(5000)) })
    const seen: number[] = []
    const writing = (async () => {
      for (let n = 0; n < 20; n++) await store.write(W, { entries: more(`during ${n}`, []) })
    })()
    await store.backup(at('backups/one.db'), ({ remaining }) => seen.push(remaining))
    await writing
    await store.close()
    expect(seen.length).toBeGreaterThan(0)
    expect(readdirSync(at('backups'))).toEqual(['one.db'])
    expect(await frozen('backups/one.db')).toEqual([{ workspace: W, why: 'copy' }])
    const copy = await opened(make('backups/one.db'))
    expect(await copy.entries(W, 's')).toHaveLength(50)
    await copy.close()
  })

  it('that was put back is behind what was seen', async () => {
    await written('store.db', 3)
    copyFileSync(at('store.db'), at('backup.db'))
    await written('store.db', 3)
    copyFileSync(at('backup.db'), at('store.db'))
    expect(await frozen('store.db')).toEqual([{ workspace: W, why: 'behind' }])
    expect(await frozen('store.db')).toEqual([{ workspace: W, why: 'behind' }])
  })

  it('that cannot be written says so', async () => {
    const store = await opened(make('store.db'))
    await expect(store.backup(at('store.db/inside.db'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await store.close()
  })

  it('of one workspace out of a shared file is refused', async () => {
    const store = sqlite(at('store.db'))
    await expect(store.backup(at('b.db'), { workspace: W })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })
})

describe('a file per workspace', () => {
  it.each([Number.NaN, 0, -1, 1.5, null])('is not one of %j that may be open at once', (openFiles) => {
    const make = (): unknown => sqlite((workspace) => at(`${workspace}.db`), { openFiles: openFiles as number })
    expect(make).toThrow(expect.objectContaining({ code: 'DEFINITION_INVALID' }) as Error)
  })

  it('lists workspaces it has not opened, and backs up one', async () => {
    const pathOf = (workspace: string): string => at(`${encodeURIComponent(workspace)}/store.db`)
    const first = sqlite(pathOf)
    await first.open({ worker: 'one', now: () => 1 })
    for (const workspace of ['a', 'b c']) await first.write(workspace, { entries: more('s', [], 1, 'x', workspace) })
    await first.close()
    const second = sqlite(pathOf, { openFiles: 1 })
    expect(await second.open({ worker: 'one', now: () => 1 })).toEqual({ frozen: [] })
    expect(await second.workspaces()).toEqual(['a', 'b c'])
    await second.backup(at('backup.db'), { workspace: 'a' })
    await expect(second.backup(at('backup.db'))).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await second.close()
    expect(await frozen('backup.db')).toEqual([{ workspace: 'a', why: 'copy' }])
  })

  it.each([
    ['one file for two', () => at('one.db'), /puts workspaces "a" and "b" into one file/],
    [
      'no path',
      (workspace: string) => (workspace === 'a' ? at('a.db') : undefined),
      /no path of a file, .* of workspace "b"/,
    ],
    ['nothing that is kept', (workspace: string) => (workspace === 'a' ? at('a.db') : ':memory:'), /of workspace "b"/],
  ])('is refused where its function says %s', async (_, pathOf, says) => {
    const store = sqlite(pathOf as (workspace: string) => string)
    await store.open({ worker: 'one', now: () => 1 })
    await store.write('a', { entries: more('s', [], 1, 'x', 'a') })
    const message = expect.stringMatching(says) as string
    await expect(store.write('b', { entries: more('s', [], 1, 'x', 'b') })).rejects.toMatchObject({
      code: 'DEFINITION_INVALID',
      message,
    })
    await store.write('a', { entries: more('s', await store.entries('a', 's'), 1, 'x', 'a') })
    await store.close()
  })

  it('is asked for work again when another process has written to it meanwhile', async () => {
    const pathOf = (workspace: string): string => at(`${workspace}.db`)
    const store = sqlite(pathOf, { openFiles: 1 })
    await store.open({ worker: 'one', now: () => 1 })
    for (const workspace of ['a', 'b', 'c']) await store.write(workspace, { entries: more('s', []) })
    for (let n = 0; n < 2; n++) expect((await store.claim(query('one'))).claimed).toEqual([])
    const other = sqlite(pathOf)
    await other.open({ worker: 'two', now: () => 1 })
    for (const workspace of ['a', 'b', 'c']) await other.write(workspace, { starts: [newRun('r')] })
    expect((await store.claim(query('one'))).claimed.map(({ lease }) => lease.workspace).sort()).toEqual([
      'a',
      'b',
      'c',
    ])
    await other.close()
    await store.close()
  })

  it('freezes the one that was copied', async () => {
    const pathOf = (workspace: string): string => at(`${workspace}.db`)
    const store = sqlite(pathOf)
    await store.open({ worker: 'one', now: () => 1 })
    for (const workspace of ['a', 'b']) await store.write(workspace, { entries: more('s', []) })
    await store.close()
    renameSync(at('b.db'), at('old'))
    copyFileSync(at('old'), at('b.db'))
    const again = sqlite(pathOf)
    expect(await again.open({ worker: 'one', now: () => 1 })).toEqual({ frozen: [{ workspace: 'b', why: 'copy' }] })
    await again.close()
  })
})
