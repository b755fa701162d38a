/** Checks of write: entries, records and expectations in one unit. */
import { describe, expect } from 'vitest'
import { done, entries, entryAt, newRun, put, recordOf, rowOf, start, unplaced, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

export function checkWrite(suite: StoreSuite): void {
  describe('write', () => {
    streams(suite)
    records(suite)
    expectations(suite)
    atomicity(suite)
    starts(suite)
  })
}

function streams(suite: StoreSuite): void {
  const given = checks(suite)
  given('appends entries as they were given', async ({ store }) => {
    const written = entries('s', 3)
    expect(await store.write(W, { entries: written })).toEqual(done)
    expect(unplaced(await store.entries(W, 's'))).toEqual(written)
  })
  given('continues a stream where it ends', async ({ store }) => {
    await store.write(W, { entries: [entryAt('s', 1)] })
    expect(await store.write(W, { entries: [entryAt('s', 2), entryAt('s', 3)] })).toEqual(done)
    expect((await store.entries(W, 's')).map(({ seq }) => seq)).toEqual([1, 2, 3])
  })
  given('appends to several streams at once', async ({ store }) => {
    const unit = { entries: [entryAt('a', 1), entryAt('b', 1), entryAt('a', 2)] }
    expect(await store.write(W, unit)).toEqual(done)
    expect((await store.tail(W, 0, 10)).map(({ stream, seq }) => `${stream}${seq}`)).toEqual(['a1', 'b1', 'a2'])
  })
  for (const [what, seq] of [
    ['skips one', 4],
    ['repeats one', 2],
    ['starts again', 1],
  ] as const) {
    given(`answers the stream's head to an entry that ${what}`, async ({ store }) => {
      await store.write(W, { entries: entries('s', 2) })
      const answer = await store.write(W, { entries: [entryAt('s', seq)] })
      expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 's', seq: 2 }] })
      expect(await store.entries(W, 's')).toHaveLength(2)
    })
  }
  given('answers head 0 for a stream without entries', async ({ store }) => {
    const answer = await store.write(W, { entries: [entryAt('s', 2)] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 's', seq: 0 }] })
  })
  given('takes an empty unit', async ({ store }) => {
    expect(await store.write(W, {})).toEqual(done)
  })
}

function records(suite: StoreSuite): void {
  const given = checks(suite)
  given('keeps a record as it was given', async ({ store }) => {
    const record = put('a', 1, { data: '{"n":1}', index: { by: 'x', of: 'y' }, sort: 12.5 })
    expect(await store.write(W, { records: [record] })).toEqual(done)
    expect(await recordOf(store, 'a')).toEqual(record)
  })
  given('replaces a record, its index and its place', async ({ store }) => {
    await store.write(W, { records: [put('a', 1, { index: { by: 'x', gone: 'g' }, sort: 1 })] })
    const next = put('a', 2, { index: { by: 'y' }, sort: 2 })
    expect(await store.write(W, { records: [next] })).toEqual(done)
    expect(await recordOf(store, 'a')).toEqual(next)
    for (const [field, value] of [
      ['by', 'x'],
      ['gone', 'g'],
    ] as const) {
      expect(await store.records(W, { kind: 'thing', where: { field, value }, limit: 9 })).toEqual([])
    }
  })
  for (const [what, version] of [
    ['the same version', 2],
    ['an older version', 1],
    ['a version too far', 4],
  ] as const) {
    given(`answers the current version to a write of ${what}`, async ({ store }) => {
      await store.write(W, { records: [put('a', 1)] })
      await store.write(W, { records: [put('a', 2)] })
      const answer = await store.write(W, { records: [put('a', version, { data: '"lost"' })] })
      expect(answer).toEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'a', version: 2 }] })
      expect(await recordOf(store, 'a')).toMatchObject({ version: 2, data: '{"v":2}' })
    })
  }
  given('answers version 0 for a record that does not exist', async ({ store }) => {
    const answer = await store.write(W, { records: [put('a', 2)] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'a', version: 0 }] })
  })
  given('ends a record, which then begins again at version 1', async ({ store }) => {
    await store.write(W, { records: [put('a', 1, { index: { by: 'x' } })] })
    expect(await store.write(W, { records: [put('a', 2, { data: null })] })).toEqual(done)
    expect(await recordOf(store, 'a')).toBeUndefined()
    expect(await store.records(W, { kind: 'thing', where: { field: 'by', value: 'x' }, limit: 9 })).toEqual([])
    expect(await store.write(W, { records: [put('a', 3)] })).toMatchObject({ status: 'conflict' })
    expect(await store.write(W, { records: [put('a', 1)] })).toEqual(done)
  })
  given('keeps records of two kinds with one id apart', async ({ store }) => {
    await store.write(W, { records: [put('a', 1), put('a', 1, { kind: 'other', data: '"o"' })] })
    await store.write(W, { records: [put('a', 2, { data: null })] })
    expect(await store.records(W, { kind: 'other', limit: 9 })).toMatchObject([{ id: 'a', data: '"o"' }])
  })
}

function expectations(suite: StoreSuite): void {
  const given = checks(suite)
  given('writes when all that is expected holds', async ({ store }) => {
    await store.write(W, { entries: entries('s', 2), records: [put('a', 1)] })
    const expect_ = [
      { record: 'thing', id: 'a', version: 1 },
      { record: 'thing', id: 'none', version: 0 },
      { stream: 's', seq: 2 },
      { stream: 'none', seq: 0 },
    ]
    expect(await store.write(W, { expect: expect_, records: [put('b', 1)] })).toEqual(done)
  })
  given('lists every row that is not as expected, as it is (S2)', async ({ store }) => {
    await store.write(W, { entries: entries('s', 2), records: [put('a', 1), put('c', 1)] })
    const answer = await store.write(W, {
      expect: [
        { record: 'thing', id: 'a', version: 0 },
        { record: 'thing', id: 'none', version: 3 },
        { record: 'thing', id: 'c', version: 1 },
        { stream: 's', seq: 1 },
      ],
      records: [put('b', 1)],
    })
    expect(answer.status === 'conflict' && new Set(answer.rows)).toEqual(
      new Set([
        { record: 'thing', id: 'a', version: 1 },
        { record: 'thing', id: 'none', version: 0 },
        { stream: 's', seq: 2 },
      ]),
    )
    expect(await recordOf(store, 'b')).toBeUndefined()
  })
  given('lists a row once, however many preconditions it fails', async ({ store }) => {
    await store.write(W, { records: [put('a', 1)] })
    const answer = await store.write(W, { expect: [{ record: 'thing', id: 'a', version: 5 }], records: [put('a', 6)] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'a', version: 1 }] })
  })
  given('judges expectations by what was there before the unit', async ({ store }) => {
    const unit = { expect: [{ stream: 's', seq: 0 }], entries: entries('s', 2) }
    expect(await store.write(W, unit)).toEqual(done)
    expect(await store.write(W, unit)).toEqual({ status: 'conflict', rows: [{ stream: 's', seq: 2 }] })
  })
}

function atomicity(suite: StoreSuite): void {
  const given = checks(suite)
  const parts = {
    'an entry': { entries: [entryAt('s', 9)] },
    'a record': { records: [put('a', 9)] },
    'an expectation': { expect: [{ stream: 'x', seq: 9 }] },
    "a start's entries": { starts: [newRun('bad', { entries: [entryAt('bad/0', 9)] })] },
  }
  for (const [what, bad] of Object.entries(parts)) {
    given(`writes nothing of a unit in which ${what} conflicts (S1, S2)`, async ({ store }) => {
      await start(store, 'r')
      const answer = await store.write(W, {
        ...{ entries: entries('log', 2), records: [put('good', 1)], starts: [newRun('q')] },
        ...bad,
        deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }],
      })
      expect(answer).toMatchObject({ status: 'conflict' })
      expect((await store.tail(W, 0, 10)).map(({ stream }) => stream)).toEqual(['r/0'])
      expect(await store.records(W, { kind: 'thing', limit: 9 })).toEqual([])
      expect((await store.runs(W, { limit: 9 })).map(({ id }) => id)).toEqual(['r'])
      const again = await store.write(W, {
        deliveries: [{ run: 'r', onceKey: 'k', kind: 'event', payload: '{}', at: 1 }],
      })
      expect(again).toEqual(done)
    })
  }
}

function starts(suite: StoreSuite): void {
  const given = checks(suite)
  given('starts a run with its first entries', async ({ store }) => {
    const run = newRun('r', { lane: 'l', laneWhileRunning: true, root: 'top', version: 7, createdAt: 900 })
    expect(await store.write(W, { starts: [run] })).toEqual(done)
    const row = await rowOf(store, 'r')
    expect(row).toEqual({
      ...{ workspace: W, id: 'r', stream: 'r/0', playbook: 'book', version: 7, state: 'due', wakeAt: null },
      ...{ lane: 'l', root: 'top', laneWhileRunning: true, epoch: 0, worker: null, deaths: 0, claims: 0 },
      ...{ createdAt: 900, settledAt: null, status: row.status, order: row.order },
    })
    expect(unplaced(await store.entries(W, 'r/0'))).toEqual(run.entries)
  })
  given('starts a run id once and leaves its second entries out (S5)', async ({ store }) => {
    await start(store, 'r')
    const again = newRun('r', { stream: 'r/9', playbook: 'other' })
    const answer = await store.write(W, { starts: [again, newRun('q')], records: [put('a', 1)] })
    expect(answer).toEqual({ status: 'done', refused: [{ start: 'r', why: 'exists' }] })
    expect(await rowOf(store, 'r')).toMatchObject({ playbook: 'book', stream: 'r/0' })
    expect(await store.entries(W, 'r/9')).toEqual([])
    expect(await rowOf(store, 'q')).toMatchObject({ state: 'due' })
    expect(await recordOf(store, 'a')).toBeDefined()
  })
  given('refuses an id that exists even when its entries could not follow (S5)', async ({ store }) => {
    await start(store, 'r')
    expect(await store.write(W, { starts: [newRun('r')] })).toEqual({
      ...{ status: 'done', refused: [{ start: 'r', why: 'exists' }] },
    })
    expect(await store.entries(W, 'r/0')).toHaveLength(1)
  })
  given('starts an id once within a unit (S5)', async ({ store }) => {
    const answer = await store.write(W, { starts: [newRun('r'), newRun('r', { stream: 'r/9' })] })
    expect(answer).toEqual({ status: 'done', refused: [{ start: 'r', why: 'exists' }] })
    expect(await store.entries(W, 'r/9')).toEqual([])
  })
  given('numbers runs in the order of starting', async ({ store }) => {
    await store.write(W, { starts: [newRun('c'), newRun('a')] })
    await start(store, 'b')
    expect((await store.runs(W, { limit: 9 })).map(({ id }) => id)).toEqual(['c', 'a', 'b'])
  })
  given('parks a run that is first due later', async ({ store }) => {
    await start(store, 'r', { dueAt: 5000 })
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'parked', wakeAt: 5000 })
  })
}
