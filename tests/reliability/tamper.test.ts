/**
 * Reliability 14: who edits the file behind Keelson's back is found out, row checksums fixed or not.
 *
 * A journal whose tail was cut off, or that was written anew from its first entry, still fits itself: that takes anchors.
 */
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  action,
  createConductor,
  defineEntity,
  defineEvent,
  definePlaybook,
  policy,
  type Conductor,
} from '@keelson/core'
import { sha256 } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { checksum } from '../../packages/memory-sqlite/src/sql/checksum.ts'
import { RUN_COLUMNS } from '../../packages/memory-sqlite/src/sql/queries.ts'
import { me } from '../support/open.ts'

type Row = Record<string, string | number | Uint8Array | null>

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), stage: z.string() }),
  index: ['name'],
})
const paid = defineEvent({ name: 'paid', schema: z.object({ by: z.string() }) })
const sent: string[] = []
const mail = action({
  name: 'post.mail',
  input: z.object({ to: z.string() }),
  output: z.object({ ref: z.string() }),
  effect: 'reversible',
  idempotency: { by: 'key' },
  undo: z.object({ to: z.string() }),
  intent: ({ to }) => [to],
  run: ({ to }) => (sent.push(to), { output: { ref: `mail to ${to}` }, undo: { to } }),
  compensate: () => {},
})
const welcome = definePlaybook({
  name: 'welcome',
  version: 1,
  input: z.object({ name: z.string() }),
  output: z.object({ ref: z.string(), yes: z.boolean() }),
  async run(ctx, { name }) {
    const { id } = await ctx.entities(Customer).create({ name, stage: 'new' })
    const { ref } = await ctx.act(mail, { to: name }, { because: [{ entity: 'customer', id }] })
    await ctx.entities(Customer).update(id, { stage: 'welcomed' })
    const yes = await ctx.approve(`Keep ${name}?`)
    return { ref, yes }
  },
})
const waiter = definePlaybook({
  name: 'waiter',
  version: 1,
  input: z.object({}),
  output: z.string(),
  run: async (ctx) => (await ctx.waitFor(paid)).by,
})

let folder: string
let file: string
let bytes: Uint8Array

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keelson-tamper-'))
  file = join(folder, 'company.db')
  const keelson = await open()
  await keelson.start(waiter, {}, { id: 'waits' })
  for (const name of ['ada', 'ben', 'cleo']) await keelson.start(welcome, { name }, { id: name })
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
  await keelson.runs.get(item!.run!).result()
  await keelson.stop()
  bytes = readFileSync(file)
})
beforeEach(() => writeFileSync(file, bytes))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function open(work = true): Promise<Conductor> {
  return createConductor({
    store: sqlite(file, { durability: 'process' }),
    playbooks: [welcome, waiter],
    actions: [mail],
    policy: policy([policy.rule('mail', { on: mail }, () => policy.allow())]),
    log: { info() {}, warn() {}, error() {} },
    keepAlive: false,
    work,
  })
}

/** Works on the file while nobody has it open. */
function tamper(work: (db: Database.Database) => void): void {
  const db = new Database(file)
  try {
    work(db)
    db.pragma('wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}

/** What the audit says of the file; a refusal that names table and row is an answer, too. */
async function found(): Promise<string> {
  const keelson = await open(false)
  onTestFinished(() => keelson.stop())
  const { ok, faults } = await keelson.audit.verify()
  expect(ok).toBe(faults.length === 0)
  return faults.join('\n')
}

/** Gives every row the checksum of what it says now. */
function reseal(db: Database.Database, table: 'entries' | 'records' | 'runs'): void {
  for (const row of db.prepare<[], Row>(`select rowid as "own rowid", * from ${table}`).all()) {
    const columns: string[] = table === 'runs' ? RUN_COLUMNS : Object.keys(row)
    const values = columns
      .filter((name) => name !== 'crc' && name !== 'own rowid')
      .map((name) => row[name] as string | number | null)
    db.prepare(`update ${table} set crc = ? where rowid = ?`).run(checksum(table, values), row['own rowid'])
  }
}

/** The entry that put a customer's first version; it stands in the middle of its stream. */
const MIDDLE = `position = (select min(position) from entries where kind = 'entity.completed')`
const NEXT = `(stream, seq) = (select stream, seq + 1 from entries where ${MIDDLE})`
const RECORD = `rowid = (select min(rowid) from records where kind = 'entity')`

type Edit = [what: string, named: RegExp, edit: (db: Database.Database) => void]

const swap = (db: Database.Database): void => {
  const rows = db.prepare<[], Row>(`select * from entries where ${MIDDLE} or ${NEXT} order by position`).all()
  const [a, b] = rows as [Row, Row]
  expect(a['stream']).toBe(b['stream'])
  const columns = ['kind', 'key', 'at', 'payload', 'salt', 'payload_hash', 'hash', 'crc']
  const set = db.prepare(`update entries set ${columns.map((name) => `"${name}" = ?`).join()} where position = ?`)
  set.run(...columns.map((name) => b[name]), a['position'])
  set.run(...columns.map((name) => a[name]), b['position'])
}

const forge = (db: Database.Database): void => {
  db.exec(`insert into records select workspace, kind, 'customer/forged', version, data, sort, '[]', crc
    from records where ${RECORD}`)
}

/** Not only the text, also the hash of it. */
const rewrite = (db: Database.Database): void => {
  const row = db.prepare<[], Row>(`select payload, salt from entries where ${MIDDLE}`).get()!
  const payload = (row['payload'] as string).replace('ada', 'eve')
  const hash = sha256((row['salt'] as string) + payload)
  db.prepare(`update entries set payload = ?, payload_hash = ? where ${MIDDLE}`).run(payload, hash)
}

const EDITS: Edit[] = [
  [
    'an entry whose payload was edited',
    /the payload of entry \d+ was changed/,
    (db) => {
      db.exec(`update entries set payload = replace(payload, 'ada', 'eve') where ${MIDDLE}`)
    },
  ],
  ['an entry whose payload and its hash were edited', /entry \d+ was changed or replaced/, rewrite],
  [
    'an entry whose hash was edited',
    /entry \d+ was changed or replaced/,
    (db) => {
      db.exec(`update entries set hash = (select hash from entries where ${NEXT}) where ${MIDDLE}`)
    },
  ],
  [
    'an entry that was moved in time',
    /entry \d+ was changed or replaced/,
    (db) => {
      db.exec(`update entries set "at" = "at" - 86400000 where ${MIDDLE}`)
    },
  ],
  [
    'an entry deleted from the middle',
    /entry \d+ is missing or out of place/,
    (db) => {
      db.exec(`delete from entries where ${MIDDLE}`)
    },
  ],
  ['two entries that were swapped', /entry \d+ was changed or replaced/, swap],
  [
    'a record that was edited',
    /record entity\/customer\/\S+ is not what its entries put/,
    (db) => {
      db.exec(`update records set data = replace(data, 'ada', 'eve') where ${RECORD}`)
    },
  ],
  [
    'a record that was deleted',
    /record entity\/customer\/\S+ is missing/,
    (db) => {
      db.exec(`delete from record_index where id = (select id from records where ${RECORD})`)
      db.exec(`delete from records where ${RECORD}`)
    },
  ],
  [
    'the result of a run that was edited',
    /run ada has another end than its entries say/,
    (db) => {
      db.exec(`update runs set status = replace(status, 'completed', 'declined') where id = 'ada'`)
    },
  ],
  ['a record that was forged', /record entity\/customer\/forged was put by no entry/, forge],
]

describe('verify() on a file that was edited (a cut tail and a full rewrite need anchors)', () => {
  it('finds nothing in one that was not', async () => {
    expect(await found()).toBe('')
  })

  it.each(EDITS)('names %s by someone who knows of row checksums', async (_, named, edit) => {
    tamper((db) => {
      edit(db)
      reseal(db, 'entries')
      reseal(db, 'records')
      reseal(db, 'runs')
    })
    expect(await found()).toMatch(named)
  })

  it.each(EDITS)('#14 is never silent about %s by someone who does not', async (_, named, edit) => {
    tamper(edit)
    expect(await found()).toMatch(new RegExp(`${named.source}|row .+ of table (entries|records|runs)`))
  })
})

describe('verify() on a file with rows that no longer fit their checksums', () => {
  const spoil = (table: string, which: string, column: string): unknown =>
    tamper((db) => db.exec(`update ${table} set ${column} = ${column} || ' ' where rowid in (${which})`))

  it('names each entry, and goes on behind it', async () => {
    spoil('entries', `select position from entries where (stream, seq % 2) = (select stream, 0 from entries where ${MIDDLE})`, 'payload') // prettier-ignore
    spoil('entries', `select max(position) from entries where stream = (select id from streams where name like 'run:waits%')`, 'payload') // prettier-ignore
    const lines = (await found()).split('\n').filter((line) => line.startsWith('row '))
    expect(lines.filter((line) => /^row run:\S+ #\d+ of table entries is not what was written$/.test(line))).toEqual(lines) // prettier-ignore
    expect(lines.map((line) => /#(\d+)/.exec(line)![1]).sort()).toEqual(['2', '2', '4', '6', '8'])
  })

  it('names each record, and nothing else', async () => {
    spoil('records', `select rowid from records where kind in ('entity', 'effect')`, 'data')
    const lines = (await found()).split('\n')
    expect(lines.sort()).toEqual([
      ...Array.from({ length: 3 }, () => expect.stringMatching(/^row effect \S+ of table records is not/) as string),
      ...Array.from({ length: 3 }, () => expect.stringMatching(/^row entity customer\/\S+ of table records is not/) as string), // prettier-ignore
    ])
  })

  it('is not mended from such a file', async () => {
    spoil('entries', `select position from entries where ${MIDDLE}`, 'payload')
    const keelson = await open(false)
    onTestFinished(() => keelson.stop())
    await expect(keelson.audit.rebuild()).rejects.toMatchObject({ code: 'STORE_CORRUPT', data: { table: 'entries' } })
  })
})

/** Everything that is read from records. */
async function view(keelson: Conductor) {
  const customers = keelson.entities(Customer)
  const found = await Promise.all(['ada', 'ben', 'cleo'].map((name) => customers.find({ name })))
  return {
    inbox: (await keelson.inbox.list()).items,
    customers: found,
    timelines: await Promise.all(found.map((one) => customers.timeline(one!.id))),
    effects: await Promise.all(['ada', 'ben', 'cleo'].map((run) => keelson.revert.plan({ run }))),
    settings: await keelson.settings(),
  }
}

describe('a file that lost all its records', () => {
  it('gets them back from the entries: inbox, entities, timelines and effects answer as before', async () => {
    const before = await open(false)
    const was = await view(before)
    await before.stop()
    expect(was.inbox).toHaveLength(2)
    expect(was.effects.flatMap(({ lines }) => lines.filter(({ can }) => can))).toHaveLength(3)
    tamper((db) => db.exec('delete from records; delete from record_index'))
    const keelson = await open(false)
    expect((await keelson.inbox.list()).items).toEqual([])
    expect((await keelson.audit.verify()).faults.length).toBeGreaterThan(5)
    const { repaired } = await keelson.audit.rebuild()
    expect(repaired).toBeGreaterThan(5)
    expect(await keelson.audit.verify()).toMatchObject({ ok: true, faults: [], records: repaired })
    expect(await view(keelson)).toEqual(was)
    expect(await keelson.audit.rebuild()).toEqual({ repaired: 0 })
    await keelson.stop()
  })

  it('goes on after that: what was asked is decided, what waits hears, what was sent is not sent again', async () => {
    tamper((db) => db.exec('delete from records; delete from record_index'))
    const mender = await open(false)
    await mender.audit.rebuild()
    await mender.stop()
    const keelson = await open()
    onTestFinished(() => keelson.stop())
    for (const item of (await keelson.inbox.list()).items) {
      const answer = { hash: item.hash, by: me, reject: 'no' }
      expect(await keelson.inbox.decide(item.id, answer)).toEqual({ status: 'done' })
      expect(await keelson.runs.get(item.run!).result()).toMatchObject({ yes: false })
    }
    await keelson.send(paid, { by: 'ada' }, { id: 'late' })
    expect(await keelson.runs.get('waits').result()).toBe('ada')
    const again = await keelson.start(welcome, { name: 'ada' }, { id: 'ada again' })
    await keelson.quiet()
    expect(await keelson.why(again.id)).toContain('Keep ada?')
    expect(sent).toEqual(['ada', 'ben', 'cleo'])
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
