/** Checks of what takes whole streams away, and of what puts a workspace back as it was. */
import { describe, expect } from 'vitest'
import { assertChained, EMPTY_HEAD, headOf } from '@keelson/core/ports'
import { deliver, delivery, done, entries, newRun, put, recordOf, rowOf } from './rows.ts'
import { settled, start, take, takeOne, unplaced, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

const OTHER = 'other'

export function checkRestoring(suite: StoreSuite): void {
  describe('purging streams', () => purging(suite))
  describe('purging runs', () => purgingRuns(suite))
  describe('restoring', () => puttingBack(suite))
}

function purging(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes whole streams away and leaves the others', async ({ store }) => {
    await store.write(W, { entries: [...entries('a', 3), ...entries('b', 2)] })
    expect(await store.write(W, { purge: { streams: ['a', 'ghost'] } })).toEqual(done)
    expect(await store.entries(W, 'a')).toEqual([])
    expect((await store.tail(W, 0, 10)).map(({ stream }) => stream)).toEqual(['b', 'b'])
  })
  given('gives no position twice after the last stream is gone (S6)', async ({ store }) => {
    await store.write(W, { entries: entries('log', 1) })
    await store.write(W, { entries: entries('a', 3) })
    const last = (await store.tail(W, 0, 10)).at(-1)!.position
    const next = entries('log', 1, headOf(await store.entries(W, 'log')))
    expect(await store.write(W, { purge: { streams: ['a'] }, entries: next })).toEqual(done)
    const [entry] = await store.tail(W, last, 10)
    expect(entry).toMatchObject({ stream: 'log', seq: 2 })
  })
}

function purgingRuns(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes the mail of a settled run with its stream, and leaves its row', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    const { lease } = await takeOne(store)
    await store.commit(lease, { next: settled })
    const row = await rowOf(store, 'r')
    expect(await store.write(W, { purge: { streams: [row.stream], runs: ['r', 'ghost'] } })).toEqual(done)
    expect(await store.entries(W, row.stream)).toEqual([])
    expect(await rowOf(store, 'r')).toEqual(row)
    // Had its key been kept, this would be a duplicate.
    const late = { ...(await store.write(W, { deliveries: [delivery('r', 'k')] })) }
    expect(late).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'closed' }] })
    expect(await store.write(W, { starts: [newRun('r')] })).toMatchObject({ refused: [{ start: 'r', why: 'exists' }] })
  })
  given('takes nothing of a run that has not settled', async ({ store }) => {
    await start(store, 'r')
    const { stream } = await rowOf(store, 'r')
    const answer = await store.write(W, { purge: { streams: [stream], runs: ['r'] } })
    expect(answer).toEqual({ status: 'conflict', rows: [{ run: 'r' }] })
    expect(await store.entries(W, stream)).not.toEqual([])
  })
  given('says of a settled run what is given, and of no other', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    await store.commit(lease, { next: settled })
    await start(store, 'open')
    const [ended, open] = [await rowOf(store, 'r'), await rowOf(store, 'open')]
    const statuses = [ended.id, open.id, 'ghost'].map((run) => ({ run, status: '{"state":"erased"}' }))
    expect(await store.write(W, { purge: { statuses } })).toEqual(done)
    expect(await rowOf(store, ended.id)).toEqual({ ...ended, status: '{"state":"erased"}' })
    expect(await rowOf(store, open.id)).toEqual(open)
  })
  given('takes all of a workspace away but for the envelopes of one stream', async ({ store }) => {
    await store.write(W, { entries: [...entries('log', 2), ...entries('s', 2)], records: [put('a', 1)] })
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    await store.write(OTHER, { entries: entries('s', 1, EMPTY_HEAD, OTHER), records: [put('a', 1)] })
    const before = await store.entries(W, 'log')
    const last = entries('log', 1, headOf(before))
    expect(await store.write(W, { purge: { allBut: 'log' }, entries: last })).toEqual(done)
    const kept = await store.tail(W, 0, 10)
    expect(kept.map(({ stream, payload }) => [stream, payload === null])).toEqual([
      ['log', true],
      ['log', true],
      ['log', false],
    ])
    expect(assertChained(W, kept, EMPTY_HEAD).seq).toBe(3)
    expect(await store.runs(W, { limit: 9 })).toEqual([])
    expect(await recordOf(store, 'a')).toBeUndefined()
    expect(await store.mail({ workspace: W, run: 'r' }, 0)).toEqual([])
    expect(await store.entries(OTHER, 's')).toHaveLength(1)
    expect(await recordOf(store, 'a', OTHER)).toBeDefined()
  })
}

function puttingBack(suite: StoreSuite): void {
  const given = checks(suite)
  given('lets records jump forward to their version, and leaves them there when told again', async ({ store }) => {
    for (const version of [7, 7, 9]) {
      expect(await store.write(W, { records: [put('a', version)], restoring: true })).toEqual(done)
      expect(await recordOf(store, 'a')).toMatchObject({ version, data: `{"v":${version}}` })
    }
    expect(await store.write(W, { records: [put('a', 10)] })).toEqual(done)
  })
  given('takes no record back to an older version', async ({ store }) => {
    await store.write(W, { records: [put('a', 7)], restoring: true })
    const answer = await store.write(W, { records: [put('a', 5)], restoring: true })
    expect(answer).toEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'a', version: 7 }] })
  })
  given('puts a run in the place of one that nobody holds, with the mail that comes with it', async ({ store }) => {
    await start(store, 'r')
    await start(store, 'q')
    await deliver(store, 'r', 'k1')
    const { order } = await rowOf(store, 'r')
    const run = newRun('r', { stream: 'r/1', playbook: 'other' })
    const mail = { run: 'r', onceKey: 'k1', kind: 'event', payload: '{"new":true}', at: 5 }
    expect(await store.write(W, { starts: [run], deliveries: [mail], restoring: true })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ playbook: 'other', stream: 'r/1', order })
    expect(await store.mail({ workspace: W, run: 'r' }, 0)).toMatchObject([{ payload: '{"new":true}' }])
  })
  given('puts no run in the place of one that somebody holds', async ({ store }) => {
    await start(store, 'r')
    await take(store)
    const answer = await store.write(W, { starts: [newRun('r', { stream: 'r/1' })], restoring: true })
    expect(answer).toEqual({ status: 'done', refused: [{ start: 'r', why: 'exists' }] })
  })
  given('takes in a run that has ended, which nobody claims and no mail reaches', async ({ store }) => {
    const run = newRun('r', { settled: { status: '"completed"', at: 3000 } })
    expect(await store.write(W, { starts: [run] })).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'settled', settledAt: 3000, status: '"completed"' })
    expect(await take(store)).toEqual([])
    expect(unplaced(await store.entries(W, 'r/0'))).toEqual(run.entries)
    const answer = await store.write(W, {
      deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }],
    })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'closed' }] })
  })
  given('reads the unread mail of a run that nobody holds', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k1')
    await deliver(store, 'r', 'k2')
    const mail = await store.mail({ workspace: W, run: 'r' }, 0)
    expect(mail.map(({ onceKey }) => onceKey)).toEqual(['k1', 'k2'])
    expect(await store.mail({ workspace: W, run: 'r' }, mail[0]!.row)).toMatchObject([{ onceKey: 'k2' }])
    expect(await store.mail({ workspace: W, run: 'ghost' }, 0)).toEqual([])
  })
}
