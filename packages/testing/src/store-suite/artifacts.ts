/** Checks of artifacts: bytes that units bring, and `getArtifact`. */
import { createHash } from 'node:crypto'
import { describe, expect } from 'vitest'
import type { MemoryStore } from '@keelson/core/ports'
import { done, entryAt, fenced, put, start, takeOne, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

const BYTES = Uint8Array.from([0, 1, 255, 10, 13, 39])
const HASH = nameOf(BYTES)

export function checkArtifacts(suite: StoreSuite): void {
  describe('artifacts', () => {
    kept(suite)
    atomic(suite)
  })
}

function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function gotten(store: MemoryStore, name = HASH): Promise<number[] | undefined> {
  const bytes = await store.getArtifact(W, name)
  return bytes === undefined ? undefined : [...bytes]
}

function kept(suite: StoreSuite): void {
  const given = checks(suite, suite.abilities.artifacts)
  given('are kept under their sha-256, the same bytes once', async ({ store }) => {
    expect(await store.write(W, { artifacts: [BYTES, Uint8Array.from(BYTES)] })).toEqual(done)
    expect(await store.write(W, { artifacts: [Uint8Array.from(BYTES)] })).toEqual(done)
    expect(await gotten(store)).toEqual([...BYTES])
  })
  given('that are unknown are undefined', async ({ store }) => {
    for (const name of [HASH, '', "'; --"]) expect(await gotten(store, name)).toBeUndefined()
  })
  given('may be empty or large', async ({ store }) => {
    const large = Uint8Array.from({ length: 2_097_152 }, (_, n) => n % 251)
    const empty = new Uint8Array()
    await store.write(W, { artifacts: [empty, large] })
    expect(await gotten(store, nameOf(empty))).toEqual([])
    expect(Buffer.compare((await store.getArtifact(W, nameOf(large)))!, large)).toBe(0)
  })
  given('are not changed by who put or got them', async ({ store }) => {
    const own = Uint8Array.from(BYTES)
    await store.write(W, { artifacts: [own] })
    own[0] = 99
    const got = (await store.getArtifact(W, HASH))!
    got[1] = 99
    expect(await gotten(store)).toEqual([...BYTES])
  })
  given('go when they are purged, here and no others, and may come again', async ({ store }) => {
    const other = Uint8Array.from([7])
    await store.write(W, { artifacts: [BYTES, other] })
    await store.write('other', { artifacts: [BYTES] })
    expect(await store.write(W, { purge: { artifacts: [HASH, nameOf(Uint8Array.from([8]))] } })).toEqual(done)
    expect(await gotten(store)).toBeUndefined()
    expect(await gotten(store, nameOf(other))).toEqual([7])
    expect([...(await store.getArtifact('other', HASH))!]).toEqual([...BYTES])
    expect(await store.write(W, { purge: { artifacts: [nameOf(other)] }, artifacts: [BYTES] })).toEqual(done)
    expect(await gotten(store)).toEqual([...BYTES])
  })
  given('make a workspace, beside records', async ({ store }) => {
    await store.write(W, { artifacts: [BYTES] })
    expect(await store.workspaces()).toEqual([W])
    await store.write(W, { records: [put('a', 1)] })
    expect(await store.workspaces()).toEqual([W])
  })
  checks(suite, suite.abilities.artifacts && suite.abilities.persistent)(
    'are there when it is opened again',
    async ({ store, reopen }) => {
      await store.write(W, { artifacts: [BYTES] })
      expect(await gotten(await reopen())).toEqual([...BYTES])
    },
  )
}

function atomic(suite: StoreSuite): void {
  const given = checks(suite, suite.abilities.artifacts)
  given('of a unit that conflicts are not kept (S2)', async ({ store }) => {
    await store.write(W, { records: [put('a', 1)] })
    expect(await store.write(W, { records: [put('a', 1)], artifacts: [BYTES] })).toMatchObject({ status: 'conflict' })
    expect(await gotten(store)).toBeUndefined()
  })
  given('come with the entries of a pass, in one unit (S1)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const unit = { entries: [entryAt('r/0', 2)], artifacts: [BYTES] }
    expect(await store.commit(lease, unit)).toEqual(done)
    expect(await gotten(store)).toEqual([...BYTES])
    expect(await store.entries(W, 'r/0')).toHaveLength(2)
  })
  given('of a lease that is gone are not kept (S3)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const stale = { ...lease, epoch: lease.epoch - 1 }
    expect(await store.commit(stale, { artifacts: [BYTES] })).toEqual(fenced)
    expect(await gotten(store)).toBeUndefined()
  })
}
