/** Checks of open, close, workspaces, adopt and of what outlives a session. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { MemoryStore } from '@keelson/core/ports'
import {
  deliver,
  done,
  entries,
  fenced,
  idsTaken,
  put,
  query,
  recordOf,
  rowOf,
  start,
  take,
  takeOne,
  W,
} from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkOpen(suite: StoreSuite): void {
  describe('open and close', () => {
    refusals(suite)
    leases(suite)
    persistence(suite)
  })
  describe('workspaces', () => workspaces(suite))
  describe('adopt', () => adoption(suite))
}

/** Every operation, to be refused by a session that is not open. */
const CALLS: { readonly [name: string]: (store: MemoryStore) => unknown } = {
  workspaces: (store) => store.workspaces(),
  write: (store) => store.write(W, {}),
  claim: (store) => store.claim(query('one')),
  commit: (store) => store.commit({ workspace: W, run: 'r', worker: 'one', epoch: 1 }, {}),
  beat: (store) => store.beat('one'),
  mail: (store) => store.mail({ workspace: W, run: 'r', worker: 'one', epoch: 1 }, 0),
  runs: (store) => store.runs(W, { limit: 1 }),
  entries: (store) => store.entries(W, 's'),
  records: (store) => store.records(W, { kind: 'thing', limit: 1 }),
  tail: (store) => store.tail(W, 0, 1),
  getArtifact: (store) => store.getArtifact(W, 'none'),
  watch: (store) => store.watch(() => undefined),
  adopt: (store) => store.adopt(W),
}

function refusals(suite: StoreSuite): void {
  const given = checks(suite)
  it.each(Object.keys(CALLS))('refuses %s before open with STORE_CLOSED', async (name) => {
    const subject = await suite.open()
    onTestFinished(() => subject.close())
    await expect(async () => CALLS[name]!(subject.store)).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    await subject.store.open({ worker: 'one', now: () => 1000 })
  })
  for (const name of Object.keys(CALLS)) {
    given(`refuses ${name} after close with STORE_CLOSED`, async ({ store }) => {
      await store.close()
      await expect(async () => CALLS[name]!(store)).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    })
  }
  given('closes twice as if once', async ({ store }) => {
    await store.close()
    await expect(store.close()).resolves.toBeUndefined()
  })
  given('names its kind', async ({ store }) => {
    expect(store.kind).toMatch(/^[a-z]+$/)
  })
}

function leases(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  ofTwo('frees its leases at close without counting a death or the claim', async ({ store, another }) => {
    await start(store, 'r')
    await takeOne(store)
    const two = await another()
    await store.close()
    expect(await rowOf(two, 'r')).toMatchObject({ worker: null, state: 'due', deaths: 0, claims: 0 })
    expect((await takeOne(two, { worker: 'two' })).row).toMatchObject({ epoch: 2, deaths: 0, claims: 1 })
  })
  ofTwo('keeps the count of earlier claims at close', async ({ store, another, kill }) => {
    await start(store, 'r')
    await takeOne(await another(), { worker: 'two' })
    await kill('two')
    await takeOne(await another('three'), { worker: 'three' })
    expect(await rowOf(store, 'r')).toMatchObject({ claims: 2 })
    await kill('three')
    const four = await another('four')
    await takeOne(four, { worker: 'four' })
    await four.close()
    expect(await rowOf(store, 'r')).toMatchObject({ claims: 2, deaths: 2 })
  })
  ofTwo('leaves the leases of others alone at close', async ({ store, another }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const two = await another()
    await two.close()
    expect(await store.commit(lease, { entries: entries('s', 1) })).toEqual(done)
  })
}

function persistence(suite: StoreSuite): void {
  const given = checks(suite, suite.abilities.persistent)
  given('finds after reopening all that was acknowledged (S1)', async ({ store, reopen }) => {
    await start(store, 'r', { lane: 'l' })
    await store.write(W, { entries: entries('s', 3), records: [put('a', 1, { index: { by: 'x' }, sort: 7 })] })
    await deliver(store, 'r', 'k')
    const before = await everything(store)
    const again = await reopen()
    expect(await everything(again)).toEqual(before)
    expect(before.tail).toHaveLength(4)
  })
  given(
    'remembers after reopening which keys were delivered and which runs started (S5)',
    async ({ store, reopen }) => {
      await start(store, 'r')
      await deliver(store, 'r', 'k')
      const again = await reopen()
      const repeated = await again.write(W, {
        deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }],
      })
      expect(repeated).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'duplicate' }] })
      expect((await takeOne(again, { worker: 'again' })).mail.map(({ onceKey }) => onceKey)).toEqual(['k'])
    },
  )
  given('fences leases from before reopening (S3)', async ({ store, reopen }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const again = await reopen()
    expect(await again.commit(lease, { entries: entries('s', 1) })).toEqual(fenced)
    expect(await take(again, { worker: 'again' })).toMatchObject([{ lease: { epoch: 2 } }])
  })
  given('goes on numbering runs and entries after reopening (S6)', async ({ store, reopen }) => {
    await start(store, 'r')
    const [first] = await store.tail(W, 0, 10)
    const again = await reopen()
    await start(again, 'q')
    expect((await again.tail(W, first!.position, 10)).map(({ stream }) => stream)).toEqual(['q/0'])
    expect((await rowOf(again, 'q')).order).toBeGreaterThan((await rowOf(again, 'r')).order)
  })
}

async function everything(store: MemoryStore) {
  return {
    workspaces: await store.workspaces(),
    runs: await store.runs(W, { limit: 10 }),
    tail: await store.tail(W, 0, 100),
    stream: await store.entries(W, 's'),
    records: await store.records(W, { kind: 'thing', where: { field: 'by', value: 'x' }, limit: 10 }),
  }
}

function workspaces(suite: StoreSuite): void {
  const given = checks(suite)
  given('are none at first', async ({ store }) => {
    expect(await store.workspaces()).toEqual([])
  })
  given('appear with their first write, in order', async ({ store }) => {
    await start(store, 'r', {}, 'zeta')
    await store.write('alpha', { records: [put('a', 1)] })
    await store.write('mid', { entries: entries('s', 1, undefined, 'mid') })
    expect(await store.workspaces()).toEqual(['alpha', 'mid', 'zeta'])
  })
  given('do not appear by a question or a claim', async ({ store }) => {
    await store.runs('ghost', { limit: 1 })
    await store.tail('ghost', 0, 1)
    expect(await idsTaken(store, { workspaces: ['ghost'] })).toEqual([])
    expect(await store.workspaces()).toEqual([])
  })
  given('do not appear by a delivery that is refused', async ({ store }) => {
    await store.write('ghost', { deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }] })
    expect(await store.workspaces()).toEqual([])
  })
  given('do not appear by a unit that conflicts (S2)', async ({ store }) => {
    const answer = await store.write('ghost', { records: [put('a', 2)] })
    expect(answer).toMatchObject({ status: 'conflict' })
    expect(await store.workspaces()).toEqual([])
  })
}

function adoption(suite: StoreSuite): void {
  const given = checks(suite)
  given('changes nothing in a store that is no copy', async ({ store }) => {
    await store.write(W, { records: [put('a', 1)] })
    await store.adopt(W)
    expect(await recordOf(store, 'a')).toMatchObject({ version: 1 })
  })
  it('is not asked for by a new store', async () => {
    const subject = await suite.open()
    onTestFinished(() => subject.close())
    expect(await subject.store.open({ worker: 'one', now: () => 1000 })).toEqual({ frozen: [] })
  })
}
