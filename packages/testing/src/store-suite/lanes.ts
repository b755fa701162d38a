/** Checks of claim: lanes, dead workers and suspects. */
import { describe, expect } from 'vitest'
import type { MemoryStore } from '@keelson/core/ports'
import {
  deliver,
  done,
  entryAt,
  fenced,
  idsTaken,
  parked,
  query,
  rowOf,
  settled,
  start,
  take,
  takeOne,
} from './rows.ts'
import { checks, checksOfTwo, type Desk, type StoreSuite } from './subject.ts'

export function checkLanes(suite: StoreSuite): void {
  describe('a lane', () => {
    lanes(suite)
    reopened(suite)
    families(suite)
    whileRunning(suite)
  })
  describe('a dead worker', () => deaths(suite))
  describe('a suspect', () => suspects(suite))
}

function lanes(suite: StoreSuite): void {
  const given = checks(suite)
  given('gives its runs out one at a time, oldest first', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, { lane: 'l' })
    const a = await takeOne(store)
    expect(a.row.id).toBe('a')
    expect(await idsTaken(store)).toEqual([])
    await store.commit(a.lease, { next: settled })
    expect(await idsTaken(store)).toEqual(['b'])
  })
  given('goes by the order of starting, not by what is due first', async ({ store }) => {
    await start(store, 'first', { lane: 'l', dueAt: 900 })
    await start(store, 'second', { lane: 'l', dueAt: 100 })
    expect(await idsTaken(store)).toEqual(['first'])
  })
  given('stays taken while its holder waits', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, { lane: 'l' })
    await store.commit((await takeOne(store)).lease, { next: parked() })
    expect(await idsTaken(store)).toEqual([])
    await deliver(store, 'a', 'k')
    expect(await idsTaken(store)).toEqual(['a'])
  })
  given('stays taken while its holder is held', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, { lane: 'l' })
    await store.commit((await takeOne(store)).lease, { next: { to: 'held', status: '""' } })
    expect(await idsTaken(store)).toEqual([])
  })
  given('concerns neither other lanes nor runs without one', async ({ store }) => {
    await start(store, 'a', { lane: 'l' })
    await start(store, 'b', { lane: 'm' })
    await start(store, 'c')
    await start(store, 'd')
    expect(await idsTaken(store)).toEqual(['a', 'b', 'c', 'd'])
  })
  given('of one workspace concerns no other (S7)', async ({ store }) => {
    await start(store, 'a', { lane: 'l' }, 'x')
    await start(store, 'b', { lane: 'l' }, 'y')
    expect((await idsTaken(store)).sort()).toEqual(['a', 'b'])
  })
  given('stays taken by an older run that this process cannot execute', async ({ store }) => {
    await start(store, 'a', { lane: 'l', version: 2 })
    await start(store, 'b', { lane: 'l' })
    expect(await idsTaken(store)).toEqual([])
  })
  given('is never held by two of one answer', async ({ store }) => {
    for (const id of ['a', 'b', 'c', 'd']) await start(store, id, { lane: id < 'c' ? 'l' : 'm' })
    expect(await idsTaken(store)).toEqual(['a', 'c'])
  })
}

function reopened(suite: StoreSuite): void {
  const given = checks(suite)
  given('has a reopened run stand behind whoever is in it now', async ({ store }) => {
    for (const id of ['a', 'b', 'c']) await start(store, id, { lane: 'l' })
    await store.commit((await takeOne(store)).lease, { next: settled })
    const b = await takeOne(store)
    expect(b.row.id).toBe('b')
    await store.write('acme', { touch: [{ run: 'a', state: 'due' }] })
    await store.commit(b.lease, { next: parked() })
    expect(await idsTaken(store)).toEqual([])
    await start(store, 'd', { lane: 'l' })
    await deliver(store, 'b', 'k')
    await store.commit((await takeOne(store)).lease, { next: settled })
    for (const id of ['c', 'a', 'd']) {
      const next = await takeOne(store)
      expect(next.row.id).toBe(id)
      await store.commit(next.lease, { next: settled })
    }
  })
  given('lets a reopened run back in with its family', async ({ store }) => {
    await start(store, 'parent', { lane: 'l' })
    await start(store, 'child', { lane: 'l', root: 'parent' })
    await start(store, 'stranger', { lane: 'l' })
    const [parent, child] = await take(store)
    await store.commit(child!.lease, { next: settled })
    await store.commit(parent!.lease, { next: parked() })
    await store.write('acme', { touch: [{ run: 'child', state: 'due' }] })
    expect(await idsTaken(store)).toEqual(['child'])
  })
  given('does not keep out a run that is asked for by its name', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, { lane: 'l', version: 7 })
    expect(await idsTaken(store, { only: 'b', workspaces: ['acme'] })).toEqual(['b'])
    expect(await idsTaken(store, { only: 'b', workspaces: ['acme'] })).toEqual([])
    await start(store, 'later', { dueAt: 5000 })
    expect(await idsTaken(store, { only: 'later', workspaces: ['acme'] })).toEqual([])
    expect(await idsTaken(store, { only: 'unknown', workspaces: ['acme'] })).toEqual([])
  })
}

function families(suite: StoreSuite): void {
  const given = checks(suite)
  given('lets the runs of one family in together', async ({ store }) => {
    await start(store, 'parent', { lane: 'l' })
    await start(store, 'child', { lane: 'l', root: 'parent' })
    expect(await idsTaken(store)).toEqual(['parent', 'child'])
  })
  given('lets a child go before whoever waits for its parent', async ({ store }) => {
    await start(store, 'parent', { lane: 'l' })
    const parent = await takeOne(store)
    await start(store, 'stranger', { lane: 'l' })
    await start(store, 'child', { lane: 'l', root: 'parent' })
    await store.commit(parent.lease, { next: parked() })
    expect(await idsTaken(store)).toEqual(['child'])
  })
  given('lets nobody past a family of which a run is still open', async ({ store }) => {
    await start(store, 'parent', { lane: 'l' })
    await start(store, 'stranger', { lane: 'l' })
    await start(store, 'child', { lane: 'l', root: 'parent' })
    const [parent, child] = await take(store)
    await store.commit(parent!.lease, { next: settled })
    expect(await idsTaken(store)).toEqual([])
    await store.commit(child!.lease, { next: settled })
    expect(await idsTaken(store)).toEqual(['stranger'])
  })
  given('lets a child queue for a lane that its parent does not hold', async ({ store }) => {
    await start(store, 'parent')
    await start(store, 'stranger', { lane: 'l' })
    const [, stranger] = await take(store)
    await store.commit(stranger!.lease, { next: parked() })
    await start(store, 'child', { lane: 'l', root: 'parent' })
    expect(await idsTaken(store)).toEqual([])
  })
}

function whileRunning(suite: StoreSuite): void {
  const given = checks(suite)
  const lane = { lane: 'l', laneWhileRunning: true }
  given('that is held while running is free when its holder waits', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, lane)
    const a = await takeOne(store)
    expect(await idsTaken(store)).toEqual([])
    await store.commit(a.lease, { next: parked() })
    expect(await idsTaken(store)).toEqual(['b'])
  })
  given('that is held while running keeps its waiting holder out again', async ({ store }) => {
    for (const id of ['a', 'b']) await start(store, id, lane)
    await store.commit((await takeOne(store)).lease, { next: parked() })
    const b = await takeOne(store)
    await deliver(store, 'a', 'k')
    expect(await idsTaken(store)).toEqual([])
    await store.commit(b.lease, { next: parked() })
    expect(await idsTaken(store)).toEqual(['a'])
  })
}

function deaths(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  ofTwo('frees its runs at once, with one more death', async ({ store, another, kill }) => {
    await start(store, 'r')
    await takeOne(await another(), { worker: 'two' })
    expect(await idsTaken(store)).toEqual([])
    await kill('two')
    expect((await takeOne(store)).row).toMatchObject({ deaths: 1, claims: 2, epoch: 2, worker: 'one' })
  })
  ofTwo('does not free the runs of others', async ({ store, another, kill }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await another()
    await kill('two')
    expect(await store.commit(lease, { entries: [entryAt('r/0', 2)] })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ deaths: 0, worker: 'one' })
  })
  ofTwo('records nothing more, claimed again or not (S3)', async ({ store, another, kill }) => {
    await start(store, 'r')
    const two = await another()
    const { lease } = await takeOne(two, { worker: 'two' })
    await kill('two')
    const late = { entries: [entryAt('r/0', 2)], next: settled }
    expect(await two.commit(lease, late)).toEqual(fenced)
    await takeOne(store)
    expect(await two.commit(lease, late)).toEqual(fenced)
    expect(await store.entries('acme', 'r/0')).toHaveLength(1)
  })
  ofTwo('is told so by beat, once, and lives again without what it held', async ({ store, another, kill }) => {
    const two = await another()
    expect([await store.beat('one'), await two.beat('two')]).toEqual([true, true])
    await kill('two')
    await start(store, 'r')
    expect(await idsTaken(two, { worker: 'two' })).toEqual([])
    expect([await store.beat('one'), await two.beat('two')]).toEqual([true, false])
    expect(await two.beat('two')).toBe(true)
    const { lease } = await takeOne(two, { worker: 'two' })
    expect(await two.commit(lease, { next: settled })).toEqual(done)
  })
  ofTwo('is forgotten by a run that makes progress', async ({ store, another, kill }) => {
    await start(store, 'r')
    await takeOne(await another(), { worker: 'two' })
    await kill('two')
    const { lease } = await takeOne(store)
    await store.commit(lease, { records: [] })
    expect(await rowOf(store, 'r')).toMatchObject({ deaths: 1, claims: 2 })
    await store.commit(lease, { entries: [entryAt('r/0', 2)] })
    expect(await rowOf(store, 'r')).toMatchObject({ deaths: 0, claims: 0 })
  })
  ofTwo('is not forgotten by a run that begins the same again', async ({ store, another, kill }) => {
    await start(store, 'r')
    await takeOne(await another(), { worker: 'two' })
    await kill('two')
    const { lease } = await takeOne(store)
    expect(await store.commit(lease, { entries: [entryAt('r/0', 2)], again: true })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ deaths: 1, claims: 2 })
    expect(await store.entries('acme', 'r/0')).toHaveLength(2)
  })
}

/** A run that took `deaths` workers with it, and then younger ones that took none. */
async function suspect({ store, another, kill }: Desk, deaths: number, ...others: string[]): Promise<MemoryStore> {
  await start(store, 'suspect', { dueAt: 1 })
  for (let n = 0; n < deaths; n++) {
    await takeOne(await another(`victim${n}`), { worker: `victim${n}`, suspectAfter: 99 })
    await kill(`victim${n}`)
  }
  for (const id of others) await start(store, id)
  return store
}

function suspects(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  ofTwo('is passed over by a worker that holds something', async (desk) => {
    const store = await suspect(desk, 2, 'a', 'b')
    expect(await idsTaken(store, { suspectAfter: 2 })).toEqual(['a', 'b'])
    const { claimed, suspects } = await store.claim(query('one', { suspectAfter: 2 }))
    expect({ claimed, suspects }).toEqual({ claimed: [], suspects: true })
  })
  ofTwo('is the whole answer to a worker that holds nothing', async (desk) => {
    const store = await suspect(desk, 2, 'a', 'b')
    expect(await idsTaken(store, { suspectAfter: 2, alone: true })).toEqual(['suspect'])
  })
  ofTwo('never comes together with another run', async (desk) => {
    const store = await suspect(desk, 2, 'a')
    await start(store, 'older', { dueAt: 0 })
    const first = await idsTaken(store, { suspectAfter: 2, alone: true })
    expect(first.includes('suspect') ? first.length : 1).toBe(1)
    const rest = await idsTaken(store, { suspectAfter: 2, alone: true })
    expect([...first, ...rest, ...(await idsTaken(store))].sort()).toEqual(['a', 'older', 'suspect'])
  })
  ofTwo('is none before the given number of deaths', async (desk) => {
    const store = await suspect(desk, 1, 'a')
    expect(await idsTaken(store, { suspectAfter: 2 })).toEqual(['suspect', 'a'])
  })
}
