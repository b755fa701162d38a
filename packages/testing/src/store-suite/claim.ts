/** Checks of claim: what is due, for whom, in which order, how many. */
import { describe, expect } from 'vitest'
import { delivery, done, entryAt, idsTaken, parked, query, rowOf, settled, start, startParked, take } from './rows.ts'
import { newRun, takeOne, unplaced, W } from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkClaim(suite: StoreSuite): void {
  describe('claim', () => {
    what(suite)
    howMany(suite)
    when(suite)
    whenNowGoesBack(suite)
    ofDead(suite)
    order(suite)
    fairness(suite)
    wakeUps(suite)
    ofTwoSessions(suite)
  })
}

function what(suite: StoreSuite): void {
  const given = checks(suite)
  given('answers lease, row, entries and mail', async ({ store }) => {
    const run = newRun('r')
    await store.write(W, { starts: [run], deliveries: [delivery('r', 'k')] })
    const claimed = await takeOne(store)
    expect(claimed.lease).toEqual({ workspace: W, run: 'r', worker: 'one', epoch: 1 })
    expect(claimed.row).toEqual(await rowOf(store, 'r'))
    expect(claimed.row).toMatchObject({ state: 'due', worker: 'one', epoch: 1, claims: 1, deaths: 0 })
    expect(unplaced(claimed.entries)).toEqual(run.entries)
    expect(claimed.entries).toEqual(await store.entries(W, 'r/0'))
    expect(claimed.mail).toMatchObject([{ onceKey: 'k' }])
  })
  given('counts epoch and claims up with each claim (S3)', async ({ store }) => {
    await start(store, 'r')
    for (const epoch of [1, 2, 3]) {
      const { lease, row } = await takeOne(store)
      expect({ epoch: lease.epoch, claims: row.claims }).toEqual({ epoch, claims: epoch })
      await store.commit(lease, { next: parked(1000) })
    }
  })
  given('takes no run twice', async ({ store }) => {
    await start(store, 'r')
    expect(await idsTaken(store)).toEqual(['r'])
    expect(await idsTaken(store)).toEqual([])
  })
  given('takes only what the process can execute, version by version', async ({ store }) => {
    await start(store, 'a', { playbook: 'book', version: 1 })
    await start(store, 'b', { playbook: 'book', version: 2 })
    await start(store, 'c', { playbook: 'book@1', version: 1 })
    await start(store, 'd', { playbook: 'film', version: 1 })
    expect(await idsTaken(store, { can: [] })).toEqual([])
    expect(await idsTaken(store, { can: ['book@2', 'film@1', 'film@10'] })).toEqual(['b', 'd'])
    expect(await idsTaken(store, { can: ['book@1'] })).toEqual(['a'])
  })
  given('takes only from the workspaces that are named (S7)', async ({ store }) => {
    await start(store, 'r', {}, 'x')
    await start(store, 'r', {}, 'y')
    expect(await idsTaken(store, { workspaces: [] })).toEqual([])
    expect((await take(store, { workspaces: ['y'] })).map(({ lease }) => lease.workspace)).toEqual(['y'])
    expect((await take(store)).map(({ lease }) => lease.workspace)).toEqual(['x'])
  })
}

function howMany(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes no more than the limit', async ({ store }) => {
    for (const id of ['a', 'b', 'c']) await start(store, id)
    expect(await idsTaken(store, { limit: 0 })).toEqual([])
    expect(await idsTaken(store, { limit: 2 })).toEqual(['a', 'b'])
    expect(await idsTaken(store, { limit: 2 })).toEqual(['c'])
  })
  given('ends before one that is one too many of its playbook', async ({ store }) => {
    for (const id of ['a', 'b', 'c']) await start(store, id, { playbook: 'book' })
    await start(store, 'd', { playbook: 'film' })
    await start(store, 'e', { playbook: 'book', version: 2 })
    const can = ['book@1', 'book@2', 'film@1']
    expect(await idsTaken(store, { can, atMost: new Map([['book', 2]]) })).toEqual(['a', 'b'])
    expect(await idsTaken(store, { can: ['film@1'], atMost: new Map([['book', 0]]) })).toEqual(['d'])
    expect(await idsTaken(store, { can, atMost: new Map([['book', 2]]) })).toEqual(['c', 'e'])
  })
  given('counts what is one too many over all workspaces', async ({ store }) => {
    for (const space of ['x', 'y']) for (const id of ['a', 'b']) await start(store, id, {}, space)
    const atMost = new Map([['book', 3]])
    expect(await take(store, { atMost })).toHaveLength(3)
    expect(await take(store)).toHaveLength(1)
  })
}

function when(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes a parked run when its instant has come, not before', async ({ store }) => {
    await startParked(store, 'r', 5000)
    expect(await idsTaken(store, { now: 4999 })).toEqual([])
    expect(await idsTaken(store, { now: 5000 })).toEqual(['r'])
  })
  given('takes a run first when it is due, not before', async ({ store }) => {
    await start(store, 'r', { dueAt: 5000 })
    expect(await idsTaken(store, { now: 4999 })).toEqual([])
    expect(await idsTaken(store, { now: 5000 })).toEqual(['r'])
  })
  given('leaves parked without an instant, held and settled runs alone', async ({ store }) => {
    await startParked(store, 'p')
    for (const [id, next] of [
      ['h', { to: 'held', status: '""' }],
      ['s', settled],
    ] as const) {
      await start(store, id)
      await store.commit((await takeOne(store)).lease, { next })
    }
    expect(await idsTaken(store, { now: Number.MAX_SAFE_INTEGER })).toEqual([])
  })
  given('makes the woken run due and forgets its instant', async ({ store }) => {
    await startParked(store, 'r', 5000)
    expect((await takeOne(store, { now: 6000 })).row).toMatchObject({ state: 'due', wakeAt: null })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due', wakeAt: null, worker: 'one' })
  })
  given('takes a run that its pass left due until later only then', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await store.commit(lease, { next: { to: 'due', status: '"later"', at: 5000 } })
    expect(await idsTaken(store, { now: 4999 })).toEqual([])
    expect(await idsTaken(store, { now: 5000 })).toEqual(['r'])
  })
}

/** The clock of whoever claims was behind, or has gone back, since the run became due. */
function whenNowGoesBack(suite: StoreSuite): void {
  const given = checks(suite)
  given('leaves due what is due when now goes back: started, given back, delivered to', async ({ store, clock }) => {
    await startParked(store, 'mailed')
    await start(store, 'given back')
    const { lease } = await takeOne(store)
    await store.commit(lease, { next: { to: 'due', status: '""', at: 1000 } })
    await start(store, 'started')
    await store.write(W, { deliveries: [delivery('mailed', 'k', { at: 1000 })] })
    clock.now = 999
    expect(await idsTaken(store, { now: 999, limit: 1 })).toEqual(['mailed'])
    clock.now = -5
    expect(await idsTaken(store, { now: -5 })).toEqual(['given back', 'started'])
  })
  given('takes one by its name when now goes back', async ({ store, clock }) => {
    await start(store, 'r')
    clock.now = 0
    expect(await idsTaken(store, { now: 0, workspaces: [W], only: 'r' })).toEqual(['r'])
  })
  given('has not parked runs wake when now goes back', async ({ store, clock }) => {
    await startParked(store, 'p', 5000)
    await start(store, 'r')
    clock.now = 0
    expect(await store.claim(query('one', { now: 0 }))).toMatchObject({ claimed: [{ row: { id: 'r' } }], nextAt: 5000 })
  })
  given('takes what was due before what is due by time since, and the other way round', async ({ store }) => {
    await startParked(store, 'a', 1100)
    await startParked(store, 'c', 1300)
    await startParked(store, 'e')
    await start(store, 'd', { dueAt: 900 })
    await store.write(W, { deliveries: [delivery('e', 'k', { at: 1200 })] })
    expect(await idsTaken(store, { now: 1300 })).toEqual(['d', 'a', 'e', 'c'])
  })
}

function ofDead(suite: StoreSuite): void {
  const given = checksOfTwo(suite)
  given('takes what a dead worker held when now goes back', async ({ store, clock, another, kill }) => {
    await start(store, 'r')
    await takeOne(store)
    const two = await another('two')
    await kill('one')
    clock.now = 0
    expect(await idsTaken(two, { worker: 'two', now: 0 })).toEqual(['r'])
  })
}

function order(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes the oldest due first, whatever the order of starting', async ({ store }) => {
    await start(store, 'late', { dueAt: 900 })
    await start(store, 'early', { dueAt: 100 })
    await start(store, 'mid', { dueAt: 500 })
    expect(await idsTaken(store, { limit: 1 })).toEqual(['early'])
    expect(await idsTaken(store)).toEqual(['mid', 'late'])
  })
  given('takes runs due at one instant in the order of starting', async ({ store }) => {
    for (const id of ['b', 'c', 'a']) await start(store, id)
    expect(await idsTaken(store)).toEqual(['b', 'c', 'a'])
  })
  given('ranks a woken run by its instant and a delivered one by its delivery', async ({ store }) => {
    await startParked(store, 'mailed')
    await startParked(store, 'woken', 300)
    await start(store, 'fresh', { dueAt: 250 })
    await store.write(W, { deliveries: [delivery('mailed', 'k', { at: 200 })] })
    expect(await idsTaken(store)).toEqual(['mailed', 'fresh', 'woken'])
  })
}

function fairness(suite: StoreSuite): void {
  const given = checks(suite)
  given('serves every workspace in one answer before any a second time', async ({ store }) => {
    for (let n = 0; n < 5; n++) await start(store, `big${n}`, { dueAt: n }, 'big')
    await start(store, 'x', { dueAt: 900 }, 'small')
    await start(store, 'y', { dueAt: 950 }, 'tiny')
    const taken = await take(store, { limit: 3 })
    expect(taken.map(({ lease }) => lease.workspace).sort()).toEqual(['big', 'small', 'tiny'])
    expect((await take(store)).map(({ row }) => row.id)).toEqual(['big1', 'big2', 'big3', 'big4'])
  })
  given('serves another workspace next when it takes one at a time', async ({ store }) => {
    for (let n = 0; n < 5; n++) await start(store, `big${n}`, { dueAt: n }, 'big')
    await start(store, 'x', { dueAt: 900 }, 'small')
    const served = [...(await take(store, { limit: 1 })), ...(await take(store, { limit: 1 }))]
    expect(served.map(({ lease }) => lease.workspace).sort()).toEqual(['big', 'small'])
  })
}

function wakeUps(suite: StoreSuite): void {
  const given = checks(suite)
  given('answers when something is next due by time', async ({ store }) => {
    await startParked(store, 'a', 7000)
    await startParked(store, 'b', 5000)
    await start(store, 'c', { dueAt: 6000 })
    expect(await store.claim(query('one'))).toEqual({ claimed: [], nextAt: 5000 })
    expect(await store.claim(query('one', { now: 5500 }))).toMatchObject({
      claimed: [{ row: { id: 'b' } }],
      nextAt: 6000,
    })
  })
  given('answers null when nothing is', async ({ store }) => {
    await startParked(store, 'a')
    await start(store, 'r')
    expect(await store.claim(query('one'))).toMatchObject({ nextAt: null })
  })
  given('does not speak of what it may not execute', async ({ store }) => {
    await startParked(store, 'a', 5000)
    expect(await store.claim(query('one', { can: ['film@1'] }))).toEqual({ claimed: [], nextAt: null })
    expect(await store.claim(query('one', { workspaces: ['other'] }))).toEqual({ claimed: [], nextAt: null })
  })
}

function ofTwoSessions(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  ofTwo('gives each run to one of two workers that ask at once (S3)', async ({ store, another }) => {
    const two = await another()
    const starts = Array.from({ length: 20 }, (_, n) => newRun(`r${n}`))
    await store.write(W, { starts })
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        n % 2 === 0 ? idsTaken(store, { limit: 3 }) : idsTaken(two, { limit: 3, worker: 'two' }),
      ),
    )
    expect(answers.flat().sort()).toEqual(starts.map(({ id }) => id).sort())
  })
  ofTwo('sees what another session wrote', async ({ store, another }) => {
    const two = await another()
    await start(store, 'r')
    const { lease } = await takeOne(two, { worker: 'two' })
    expect(await two.commit(lease, { entries: [entryAt('r/0', 2)], next: parked() })).toEqual(done)
    expect(await store.entries(W, 'r/0')).toHaveLength(2)
    await store.write(W, { deliveries: [delivery('r', 'k')] })
    expect((await takeOne(two, { worker: 'two' })).mail).toHaveLength(1)
  })
}
