/**
 * Reliability 14: with anchors, whoever can write the whole file anew, checksums, hashes and records included, is found out.
 *
 * The attacker here knows everything but the signing key: after each tampering all streams are chained anew and all rows
 * sealed anew, so that the file fits itself; only the anchors, which are kept elsewhere, tell.
 */
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  createConductor,
  defineEntity,
  definePlaybook,
  signerFromPem,
  verifyExport,
  type Anchor,
  type Conductor,
} from '@keelson/core'
import { chain, headOf, sha256 } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { checksum } from '../../packages/memory-sqlite/src/sql/checksum.ts'

const pair = generateKeyPairSync('ed25519')
const privatePem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string
const signer = signerFromPem(privatePem)

const Account = defineEntity({
  name: 'account',
  version: 1,
  schema: z.object({ owner: z.string(), cents: z.number() }),
  index: ['owner'],
})
const deposit = definePlaybook({
  name: 'deposit',
  version: 1,
  input: z.object({ owner: z.string(), cents: z.number() }),
  output: z.string(),
  async run(ctx, input) {
    const { id } = await ctx.entities(Account).create({ owner: input.owner, cents: 0 })
    await ctx.entities(Account).update(id, { cents: input.cents })
    return id
  },
})

interface Company {
  readonly file: string
  readonly anchors: Anchor[]
  /** One that does not work writes nothing by itself, not even which rules it came with. */
  open(work?: boolean): Promise<Conductor>
  /** One more run, and an anchor over it. */
  work(owner: string): Promise<void>
}

function company(name = 'company'): Company {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-anchors-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, `${name}.db`)
  const anchors: Anchor[] = []
  const open = async (work = true): Promise<Conductor> =>
    createConductor({
      work,
      store: sqlite(file, { durability: 'process' }),
      playbooks: [deposit],
      anchors: { signer, sink: (anchor) => void anchors.push(anchor) },
      log: { info() {}, warn() {}, error() {} },
      keepAlive: false,
    })
  const work = async (owner: string): Promise<void> => {
    const keelson = await open()
    await (await keelson.start(deposit, { owner, cents: 4200 }, { id: owner })).result()
    await keelson.audit.anchor()
    await keelson.stop()
  }
  return { file, anchors, open, work }
}

async function verified({ open, anchors }: Company) {
  const keelson = await open()
  onTestFinished(() => keelson.stop())
  return keelson.audit.verify({ anchors, keys: [publicPem] })
}

/** What the anchors say; what the file's own chains and records say besides. */
async function found(of: Company): Promise<{ anchored: string[]; own: string[] }> {
  const { faults } = await verified(of)
  const isAnchors = (text: string): boolean => /anchor \d/.test(text)
  return { anchored: faults.filter(isAnchors), own: faults.filter((text) => !isAnchors(text)) }
}

type Row = Record<string, string | number | Uint8Array | null>

/** Works on the file while nobody has it open, then makes it fit itself again. */
function tamper({ file }: Company, work: (db: Database.Database) => void): void {
  const db = new Database(file)
  try {
    work(db)
    rechain(db)
    db.pragma('wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}

/** Numbers, hashes and seals every entry anew, as one would who wrote the journal from its first entry on. */
function rechain(db: Database.Database): void {
  const names = new Map(
    db
      .prepare<[], Row>('select id, name from streams')
      .all()
      .map((row) => [row['id'], row['name'] as string]),
  )
  const ends = new Map<unknown, { seq: number; hash: string }>()
  for (const row of db.prepare<[], Row>('select * from entries order by stream, seq').all()) {
    const before = ends.get(row['stream']) ?? { seq: 0, hash: '' }
    const seq = before.seq + 1
    const name = names.get(row['stream'])!
    const salt = row['salt'] as string
    const payloadHash = sha256(salt + (row['payload'] as string))
    const { kind, key, at } = row
    const hash = sha256(JSON.stringify([before.hash, 'default', name, seq, kind, key, at, payloadHash]))
    ends.set(row['stream'], { seq, hash })
    const { position, workspace, stream, payload } = row
    const sealed = [position, workspace, stream, seq, kind, key, at, payload, salt, payloadHash, hash]
    const crc = checksum('entries', sealed as (string | number | null)[])
    db.prepare('update entries set seq = ?, payload_hash = ?, hash = ?, crc = ? where position = ?').run(
      seq,
      payloadHash,
      hash,
      crc,
      position,
    )
  }
}

const stream = (owner: string): string => `(select id from streams where name = 'run:${owner}:0')`

describe('verify() with anchors', () => {
  it('holds for a company that came in a bundle, and for what it does there; not where it came in an old one', async () => {
    const acme = company()
    await acme.work('ada')
    const home = await acme.open(false)
    const old: string[] = []
    for await (const line of home.workspace('default').export()) old.push(line)
    await home.stop()
    await acme.work('bob')
    const again = await acme.open()
    await (await again.start(deposit, { owner: 'cyd', cents: 1 }, { id: 'cyd' })).result() // behind the last anchor
    const bundle: string[] = []
    for await (const line of again.workspace('default').export()) bundle.push(line)
    await again.stop()
    const by = { kind: 'person', id: 'ann' } as const
    const there = company('there')
    there.anchors.push(...acme.anchors)
    const moved = await there.open()
    await moved.import(bundle, { by, adopt: true })
    expect(await moved.audit.verify({ anchors: there.anchors, keys: [publicPem] })).toMatchObject({
      ok: true,
      faults: [],
      anchored: 2,
    })
    await moved.audit.anchor()
    await moved.stop()
    await there.work('dan')
    expect(there.anchors.map(({ number }) => number)).toEqual([1, 2, 3, 4])
    expect(await verified(there)).toMatchObject({ ok: true, faults: [], anchored: 4 })
    // What was done before the move, and not anchored there, is anchored here.
    tamper(there, (db) =>
      db.exec(
        `update entries set payload = replace(payload, '"owner":"cyd"', '"owner":"eve"') where stream = ${stream('cyd')}`,
      ),
    )
    expect((await found(there)).anchored).toHaveLength(1)
    const late = company('late')
    late.anchors.push(...acme.anchors)
    const back = await late.open()
    await back.import(old, { by, adopt: true })
    await back.stop()
    expect((await found(late)).anchored).toEqual([expect.stringContaining('anchor 2')])
  })

  it('finds nothing in a journal that nobody touched, and says how far the anchors vouch for it', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben', 'cleo']) await acme.work(owner)
    expect(await verified(acme)).toMatchObject({ ok: true, faults: [], anchored: 3 })
    expect(acme.anchors.map(({ number }) => number)).toEqual([1, 2, 3])
  })

  it('#14 detects an edited entry', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    tamper(acme, (db) => db.exec(`update entries set payload = replace(payload, '4200', '9900')`))
    expect((await found(acme)).anchored).toEqual([
      expect.stringMatching(/^1 of the 2 streams that anchor 1 of .+ signed are not what they were/),
      expect.stringMatching(/^1 of the 2 streams that anchor 2 of .+ signed are not what they were/),
    ])
  })

  it('#14 detects an entry deleted from the middle', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    tamper(acme, (db) => db.exec(`delete from entries where stream = ${stream('ada')} and seq = 2`))
    const { anchored } = await found(acme)
    expect(anchored).toEqual([expect.stringMatching(/^1 of the 2 streams that anchor 1 of/)])
  })

  it('#14 detects a tail that was cut off', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    tamper(acme, (db) => {
      db.exec(`delete from entries where stream = ${stream('ben')}`)
      db.exec(`delete from entries where position = (select max(position) from entries)`) // word of the anchor
      db.exec(`delete from runs where id = 'ben'`)
    })
    expect((await found(acme)).anchored).toEqual([expect.stringMatching(/^1 of the 2 streams that anchor 2 of/)])
  })

  it('#14 detects entries that were reordered', async () => {
    const acme = company()
    await acme.work('ada')
    tamper(acme, (db) => {
      const [a, b] = db
        .prepare<[], Row>(`select * from entries where stream = ${stream('ada')} and seq in (2, 3) order by seq`)
        .all() as [Row, Row]
      const put = db.prepare('update entries set kind = ?, key = ?, "at" = ?, payload = ?, salt = ? where position = ?')
      const said = ({ kind, key, at, payload, salt }: Row): Row[string][] => [kind!, key!, at!, payload!, salt!]
      put.run(...said(b), a['position'])
      put.run(...said(a), b['position'])
    })
    const { anchored, own } = await found(acme)
    expect(anchored).toEqual([expect.stringMatching(/^1 of the 2 streams that anchor 1 of/)])
    expect(own.join()).not.toContain('stream ') // the chains by themselves are whole again
  })

  it('#14 detects a journal that was written anew from its first entry', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    const other = company('other')
    for (const owner of ['ada', 'ben']) await other.work(owner) // its own history: the same runs, other salts and instants
    rmSync(`${acme.file}-wal`, { force: true })
    copyFileSync(other.file, acme.file)
    const { anchored, own } = await found(acme)
    expect(own).toEqual([])
    expect(anchored).toHaveLength(2)
  })

  it('#14 detects a backup that was put back, and one that went on from there', async () => {
    const acme = company()
    await acme.work('ada')
    const backup = `${acme.file}.backup`
    copyFileSync(acme.file, backup)
    await acme.work('ben')
    rmSync(`${acme.file}-wal`, { force: true })
    copyFileSync(backup, acme.file)
    expect(await found(acme)).toEqual({ anchored: [expect.stringMatching(/anchor 2 of .+ an old copy$/)], own: [] })
    const kept = [...acme.anchors]
    for (const owner of ['cleo', 'dora']) await acme.work(owner)
    const { faults } = await verified({ ...acme, anchors: kept })
    expect(faults).toEqual([expect.stringMatching(/anchor 2 of .+ signed are not what they were/)])
  })

  it('detects an anchor that was forged, left out, or signed under another key', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    const [first, second] = acme.anchors as [Anchor, Anchor]
    const told = async (anchors: Anchor[], keys = [publicPem]): Promise<string[]> => {
      const keelson = await acme.open()
      const { faults } = await keelson.audit.verify({ anchors, keys })
      await keelson.stop()
      return [...faults]
    }
    expect(await told([{ ...first, at: '2020-01-01T00:00:00.000Z' }, second])).toContain(
      'anchor 1 does not carry a signature of its key',
    )
    expect(await told([{ ...first, ends: second.ends }, second])).toContain(
      'anchor 1 lists other streams than it signed',
    )
    expect(await told([second])).toEqual(['anchor 2 does not follow any that was given'])
    const stranger = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
    expect((await told([first, second], [stranger]))[0]).toMatch(/signed under key .+, which was not given/)
  })
})

describe('an anchor', () => {
  it('still holds when streams that it signed were pruned, and an entry says so', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    const store = sqlite(acme.file)
    await store.open({ worker: 'pruner', now: () => 0 })
    const entries = await store.entries('default', 'run:ada:0')
    const own = await store.entries('default', 'workspace')
    const streams = [{ first: entries[0]!.hash, seq: entries.length }]
    const by = { kind: 'person', id: 'ann' } as const
    const prune = async (told: boolean) =>
      store.write('default', {
        purge: { streams: ['run:ada:0'] },
        ...(told
          ? {
              entries: chain(
                'default',
                'workspace',
                headOf(own),
                [{ kind: 'stream.pruned', data: { by, streams } }],
                1,
                () => 'c2FsdHNhbHRzYWx0c2FsdA',
              ),
            }
          : {}),
      })
    await prune(false)
    expect((await found(acme)).anchored).toHaveLength(1)
    await prune(true)
    await store.close()
    expect((await found(acme)).anchored).toEqual([])
  })

  it('is made of what came since the last one, and not at all when nothing did', async () => {
    const acme = company()
    await acme.work('ada')
    const keelson = await acme.open(false)
    onTestFinished(() => keelson.stop())
    expect(await keelson.audit.anchor()).toBeUndefined()
    expect(acme.anchors).toHaveLength(1)
  })

  it('is not recorded when its sink fails, and the next one covers its entries', async () => {
    const acme = company()
    let broken = true
    const keelson = await createConductor({
      store: sqlite(acme.file, { durability: 'process' }),
      playbooks: [deposit],
      keepAlive: false,
      log: { info() {}, warn() {}, error() {} },
      anchors: {
        signer,
        sink(anchor) {
          if (broken) throw new Error('the disk over there is full')
          acme.anchors.push(anchor)
        },
      },
    })
    onTestFinished(() => keelson.stop())
    await (await keelson.start(deposit, { owner: 'ada', cents: 1 }, { id: 'ada' })).result()
    await expect(keelson.audit.anchor()).rejects.toMatchObject({
      code: 'ANCHOR_FAILED',
      message: 'the sink did not take the anchor: the disk over there is full',
    })
    broken = false
    expect(await keelson.audit.anchor()).toMatchObject({ number: 1, previous: '' })
    expect(await keelson.audit.verify({ anchors: acme.anchors, keys: [publicPem] })).toMatchObject({ ok: true })
  })

  it('leaves no trace of the private key in the store', async () => {
    const acme = company()
    await acme.work('ada')
    const bytes = Database(acme.file, { readonly: true }).serialize().toString('latin1')
    const secret = pair.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32)
    expect(bytes).not.toContain(privatePem.split('\n')[1])
    expect(bytes).not.toContain(secret.toString('latin1'))
    expect(bytes).not.toContain(secret.toString('base64url'))
  })
})

describe('an export', () => {
  const lines = async (keelson: Conductor, options = {}): Promise<string[]> => {
    const all: string[] = []
    for await (const line of keelson.audit.export(options)) all.push(line)
    return all
  }

  it('is the same text each time, verifies without the store, with and without what was said, and against anchors', async () => {
    const acme = company()
    for (const owner of ['ada', 'ben']) await acme.work(owner)
    const keelson = await acme.open()
    onTestFinished(() => keelson.stop())
    const whole = await lines(keelson)
    expect(await lines(keelson)).toEqual(whole)
    const given = { anchors: acme.anchors, keys: [publicPem] }
    expect(await verifyExport(whole, given)).toMatchObject({ ok: true, entries: whole.length - 2 })
    const bare = await lines(keelson, { payloads: false })
    expect(bare.join('')).not.toContain('4200')
    expect(await verifyExport(bare, given)).toMatchObject({ ok: true, anchored: 2 })
  })

  it('shows what was changed in it, left out of it, or cut from its end', async () => {
    const acme = company()
    await acme.work('ada')
    const keelson = await acme.open()
    onTestFinished(() => keelson.stop())
    const whole = await lines(keelson)
    const faults = async (changed: string[]): Promise<string> => (await verifyExport(changed)).faults.join('\n')
    expect(await faults(whole.map((line) => line.replace('4200', '9900')))).toMatch(
      /the payload of entry \d was changed/,
    )
    expect(await faults(whole.toSpliced(3, 1))).toMatch(/is missing or out of place|does not say what it holds/)
    expect(await faults(whole.slice(0, -1))).toBe('its last line is missing: it was cut off')
    expect(await faults(['{"format":"other"}'])).toBe('it is not an export of an audit')
  })

  it('keeps the secret of the workspace to itself', async () => {
    const acme = company()
    await acme.work('ada')
    const keelson = await acme.open()
    onTestFinished(() => keelson.stop())
    const opened = (await lines(keelson)).filter((line) => line.includes('"workspace.opened"'))
    expect(opened.map((line) => (JSON.parse(line) as { payload: unknown }).payload)).toEqual([null])
  })
})
