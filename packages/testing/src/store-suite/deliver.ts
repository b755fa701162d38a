/** Checks of deliveries, of mail, and of the verbs touch and purge. */
import { describe, expect } from 'vitest'
import { assertChained, EMPTY_HEAD, type MemoryStore } from '@keelson/core/ports'
import {
  deliver,
  delivery,
  done,
  entries,
  entryAt,
  idsTaken,
  parked,
  put,
  query,
  recordOf,
  rowOf,
  settled,
  start,
} from './rows.ts'
import { startParked, startSettled, takeOne, W } from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkDeliveries(suite: StoreSuite): void {
  describe('a delivery', () => {
    waking(suite)
    refusing(suite)
    racing(suite)
  })
  describe('mail', () => mail(suite))
  describe('touch', () => touch(suite))
  describe('purge', () => purge(suite))
}

async function hold(store: MemoryStore, id: string): Promise<void> {
  await start(store, id)
  const { lease } = await takeOne(store)
  expect(await store.commit(lease, { next: { to: 'held', status: '"held"' } })).toEqual(done)
}

function waking(suite: StoreSuite): void {
  const given = checks(suite)
  given('makes a parked run due', async ({ store }) => {
    await startParked(store, 'r')
    await deliver(store, 'r', 'k')
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due', wakeAt: null, worker: null })
  })
  given('makes a run due that waits for an instant', async ({ store }) => {
    await startParked(store, 'r', 9000)
    await deliver(store, 'r', 'k')
    expect(await idsTaken(store)).toEqual(['r'])
  })
  given('makes a held run due', async ({ store }) => {
    await hold(store, 'r')
    await deliver(store, 'r', 'k')
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due' })
  })
  given('comes with the claim, in the order of delivering', async ({ store }) => {
    await start(store, 'r')
    const second = delivery('r', 'a', { kind: 'two', payload: '{"n":2}', at: 500 })
    await deliver(store, 'r', 'b')
    await store.write(W, { deliveries: [second, delivery('r', 'c')] })
    const { mail } = await takeOne(store)
    expect(mail.map(({ onceKey }) => onceKey)).toEqual(['b', 'a', 'c'])
    expect(mail[1]).toEqual({ ...second, row: mail[1]!.row })
    expect(mail[0]!.row < mail[1]!.row && mail[1]!.row < mail[2]!.row).toBe(true)
  })
  given('reaches a run that starts in the same unit', async ({ store }) => {
    const stream = entries('r/0', 1)
    const run = { id: 'r', stream: 'r/0', playbook: 'book', version: 1, lane: null, laneWhileRunning: false, root: 'r' }
    const starts = [{ ...run, dueAt: 1000, createdAt: 1000, entries: stream }]
    expect(await store.write(W, { starts, deliveries: [delivery('r', 'k')] })).toEqual(done)
    expect((await takeOne(store)).mail).toHaveLength(1)
  })
}

function refusing(suite: StoreSuite): void {
  const given = checks(suite)
  given('with a known key is refused as duplicate (S5)', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    const answer = await store.write(W, { deliveries: [delivery('r', 'k', { payload: '"other"' })] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'duplicate' }] })
    expect((await takeOne(store)).mail.map(({ payload }) => payload)).toEqual(['{}'])
  })
  given('stays known after it was consumed (S5)', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    const { lease, mail } = await takeOne(store)
    const unit = { consumed: [mail[0]!.row], entries: [entryAt('r/0', 2)], next: parked(null, mail[0]!.row) }
    expect(await store.commit(lease, unit)).toEqual(done)
    const answer = await store.write(W, { deliveries: [delivery('r', 'k')] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'duplicate' }] })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'parked' })
  })
  given('with one key reaches two runs', async ({ store }) => {
    await start(store, 'r')
    await start(store, 'q')
    expect(await store.write(W, { deliveries: [delivery('r', 'k'), delivery('q', 'k')] })).toEqual(done)
  })
  given('to a settled run is refused as closed', async ({ store }) => {
    await startSettled(store, 'r')
    const answer = await store.write(W, { deliveries: [delivery('r', 'k')] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'closed' }] })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'settled' })
  })
  given('to an unknown run is refused as unknown', async ({ store }) => {
    const answer = await store.write(W, { deliveries: [delivery('ghost', 'k')] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'unknown' }] })
  })
  given('that is refused leaves the rest of its unit', async ({ store }) => {
    await start(store, 'r')
    const unit = {
      deliveries: [delivery('ghost', 'a'), delivery('r', 'b'), delivery('r', 'b')],
      records: [put('x', 1)],
    }
    expect(await store.write(W, unit)).toMatchObject({
      refused: [
        { delivery: 'a', why: 'unknown' },
        { delivery: 'b', why: 'duplicate' },
      ],
    })
    expect(await recordOf(store, 'x')).toBeDefined()
    expect((await takeOne(store)).mail).toHaveLength(1)
  })
}

function racing(suite: StoreSuite): void {
  const given = checks(suite)
  given('leaves a lease alone', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await deliver(store, 'r', 'k')
    expect(await rowOf(store, 'r')).toMatchObject({ worker: 'one', epoch: lease.epoch })
    expect(await store.commit(lease, { entries: [entryAt('r/0', 2)] })).toEqual(done)
  })
  given('leaves a run due whose park has not seen it (S4)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await deliver(store, 'r', 'k')
    expect(await store.commit(lease, { next: parked(9000, 0) })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due', worker: null, wakeAt: null })
    expect((await takeOne(store)).mail.map(({ onceKey }) => onceKey)).toEqual(['k'])
  })
  given('lets a park stand that has seen it (S4)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await deliver(store, 'r', 'k')
    const [seen] = await store.mail(lease, 0)
    expect(await store.commit(lease, { next: parked(null, seen!.row) })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'parked' })
    await deliver(store, 'r', 'later')
    expect((await takeOne(store)).mail.map(({ onceKey }) => onceKey)).toEqual(['k', 'later'])
  })
  given('leaves a run due that is held without having seen it (S4)', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'seen')
    const first = await takeOne(store)
    await store.commit(first.lease, { next: { to: 'held', status: '"held"' } })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'held' })
    await store.write(W, { touch: [{ run: 'r', state: 'due' }] })
    const { lease } = await takeOne(store)
    await deliver(store, 'r', 'unseen')
    await store.commit(lease, { next: { to: 'held', status: '"held"' } })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due' })
  })
  given('goes with the run when it settles', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await deliver(store, 'r', 'k')
    expect(await store.commit(lease, { next: settled })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'settled' })
    expect(await idsTaken(store)).toEqual([])
  })
}

function mail(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  const given = checks(suite)
  given('of a lease is read behind a row, in order', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'a')
    const { lease, mail } = await takeOne(store)
    await deliver(store, 'r', 'b')
    await deliver(store, 'r', 'c')
    expect((await store.mail(lease, 0)).map(({ onceKey }) => onceKey)).toEqual(['a', 'b', 'c'])
    expect((await store.mail(lease, mail[0]!.row)).map(({ onceKey }) => onceKey)).toEqual(['b', 'c'])
  })
  given('that was consumed is gone', async ({ store }) => {
    await start(store, 'r')
    await store.write(W, { deliveries: ['a', 'b', 'c'].map((key) => delivery('r', key)) })
    const { lease, mail } = await takeOne(store)
    await store.commit(lease, { consumed: [mail[0]!.row, mail[2]!.row] })
    expect((await store.mail(lease, 0)).map(({ onceKey }) => onceKey)).toEqual(['b'])
  })
  given('of another run is not consumed', async ({ store }) => {
    await start(store, 'r')
    await start(store, 'q')
    await deliver(store, 'q', 'k')
    const [r, q] = (await store.claim(query('one'))).claimed
    await store.commit(r!.lease, { consumed: [q!.mail[0]!.row] })
    expect(await store.mail(q!.lease, 0)).toHaveLength(1)
  })
  ofTwo('of a lost lease is not told (S3)', async ({ store, another, kill }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    const two = await another()
    const { lease } = await takeOne(two, { worker: 'two' })
    await kill('two')
    const now = await takeOne(store)
    expect(await two.mail(lease, 0)).toEqual([])
    expect(await store.mail(now.lease, 0)).toHaveLength(1)
  })
}

function touch(suite: StoreSuite): void {
  const given = checks(suite)
  for (const [state, prepare] of [
    ['parked', startParked],
    ['held', hold],
    ['settled', startSettled],
  ] as const) {
    given(`makes a ${state} run due`, async ({ store }) => {
      await prepare(store, 'r')
      expect(await store.write(W, { touch: [{ run: 'r', state: 'due' }] })).toEqual(done)
      expect(await rowOf(store, 'r')).toMatchObject({ state: 'due', wakeAt: null, settledAt: null })
      expect(await idsTaken(store)).toEqual(['r'])
    })
  }
  given('reopens a settled run, which the deliveries of the unit then reach', async ({ store }) => {
    await startSettled(store, 'r')
    const unit = { touch: [{ run: 'r', state: 'due' as const }], deliveries: [delivery('r', 'k')] }
    expect(await store.write(W, unit)).toEqual(done)
    expect((await takeOne(store)).mail.map(({ onceKey }) => onceKey)).toEqual(['k'])
  })
  given('gives a run to another version and leaves its state', async ({ store }) => {
    await startParked(store, 'r', 9000)
    expect(await store.write(W, { touch: [{ run: 'r', version: 2 }] })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ version: 2, state: 'parked', wakeAt: 9000 })
  })
  given('conflicts on a run that somebody holds, and writes nothing (S3)', async ({ store }) => {
    await start(store, 'r')
    await takeOne(store)
    const answer = await store.write(W, { touch: [{ run: 'r', version: 2 }], records: [put('a', 1)] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ run: 'r' }] })
    expect(await rowOf(store, 'r')).toMatchObject({ version: 1, worker: 'one' })
    expect(await recordOf(store, 'a')).toBeUndefined()
  })
  given('conflicts on a run that does not exist', async ({ store }) => {
    const answer = await store.write(W, { touch: [{ run: 'ghost', state: 'due' }] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ run: 'ghost' }] })
  })
}

function purge(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes payload and salt away and leaves the chain whole', async ({ store }) => {
    const written = entries('s', 3)
    await store.write(W, { entries: written })
    expect(await store.write(W, { purge: { payloads: [{ stream: 's', seq: 2 }] } })).toEqual(done)
    const kept = await store.entries(W, 's')
    expect(kept.map(({ payload, salt }) => payload === null && salt === null)).toEqual([false, true, false])
    expect(await store.tail(W, 0, 10)).toEqual(kept)
    expect(assertChained(W, kept, EMPTY_HEAD).hash).toBe(written[2]!.hash)
  })
  given('of what does not exist changes nothing', async ({ store }) => {
    await store.write(W, { entries: entries('s', 1) })
    const payloads = [
      { stream: 's', seq: 2 },
      { stream: 'ghost', seq: 1 },
    ]
    expect(await store.write(W, { purge: { payloads } })).toEqual(done)
    expect((await store.tail(W, 0, 10)).map(({ payload }) => payload)).not.toContain(null)
  })
}
