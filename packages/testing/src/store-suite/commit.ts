/** Checks of commit: the lease, the unit under it, and the run's next state. */
import { describe, expect } from 'vitest'
import type { Next } from '@keelson/core/ports'
import { deliver, delivery, done, entries, entryAt, fenced, idsTaken, newRun, parked, put, recordOf } from './rows.ts'
import { rowOf, settled, start, takeOne, W } from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkCommit(suite: StoreSuite): void {
  describe('commit', () => {
    units(suite)
    fences(suite)
    ofTwoSessions(suite)
    states(suite)
    givenBack(suite)
    continuation(suite)
  })
}

function units(suite: StoreSuite): void {
  const given = checks(suite)
  given('writes entries and records and keeps the lease', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const unit = { entries: [entryAt('r/0', 2)], records: [put('a', 1)], starts: [newRun('child')] }
    expect(await store.commit(lease, unit)).toEqual(done)
    expect(await store.commit(lease, { entries: [entryAt('r/0', 3)] })).toEqual(done)
    expect((await store.entries(W, 'r/0')).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(await recordOf(store, 'a')).toBeDefined()
    expect(await rowOf(store, 'r')).toMatchObject({ worker: 'one', state: 'due' })
  })
  given('that conflicts changes neither data nor mail nor the run (S2)', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    const { lease, mail } = await takeOne(store)
    const unit = {
      entries: [entryAt('r/0', 2)],
      consumed: [mail[0]!.row],
      expect: [{ stream: 'x', seq: 1 }],
      next: settled,
    }
    expect(await store.commit(lease, unit)).toEqual({ status: 'conflict', rows: [{ stream: 'x', seq: 0 }] })
    expect(await rowOf(store, 'r')).toMatchObject({ worker: 'one', state: 'due', claims: 1 })
    expect(await store.mail(lease, 0)).toEqual(mail)
    expect(await store.entries(W, 'r/0')).toHaveLength(1)
    expect(await store.commit(lease, { ...unit, expect: [] })).toEqual(done)
  })
  given('answers what it refuses', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const answer = await store.commit(lease, { starts: [newRun('r')], deliveries: [delivery('ghost', 'k')] })
    expect(answer.status === 'done' && new Set(answer.refused)).toEqual(
      new Set([
        { start: 'r', why: 'exists' },
        { delivery: 'k', why: 'unknown' },
      ]),
    )
  })
  given('delivers to its own run, which its park leaves due (S4)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    expect(await store.commit(lease, { deliveries: [delivery('r', 'k')], next: parked() })).toEqual(done)
    expect((await takeOne(store)).mail).toHaveLength(1)
  })
}

function fences(suite: StoreSuite): void {
  const given = checks(suite)
  for (const [what, next] of [
    ['parked', parked()],
    ['settled', settled],
    ['held', { to: 'held', status: '""' }],
  ] as const) {
    given(`is fenced once the run is ${what} (S3)`, async ({ store }) => {
      await start(store, 'r')
      const { lease } = await takeOne(store)
      await store.commit(lease, { next })
      const late = { entries: [entryAt('r/0', 2)], records: [put('a', 1)], next: { ...settled, status: '"late"' } }
      expect(await store.commit(lease, late)).toEqual(fenced)
      expect(await store.entries(W, 'r/0')).toHaveLength(1)
      expect(await recordOf(store, 'a')).toBeUndefined()
      expect((await rowOf(store, 'r')).status).not.toBe('"late"')
    })
  }
  given('is fenced with an older epoch of the same worker (S3)', async ({ store }) => {
    await start(store, 'r')
    const old = await takeOne(store)
    await store.commit(old.lease, { next: { to: 'due', status: '""', at: 1000 } })
    const now = await takeOne(store)
    expect(await store.commit(old.lease, { entries: [entryAt('r/0', 2)] })).toEqual(fenced)
    expect(await store.commit(now.lease, { entries: [entryAt('r/0', 2)] })).toEqual(done)
  })
  given('is fenced with a made-up lease (S3)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    for (const wrong of [{ epoch: 2 }, { epoch: 0 }, { worker: 'x' }, { run: 'ghost' }, { workspace: 'other' }]) {
      expect(await store.commit({ ...lease, ...wrong }, { records: [put('a', 1)] })).toEqual(fenced)
    }
    expect(await recordOf(store, 'a')).toBeUndefined()
    expect(await store.workspaces()).toEqual([W])
  })
  given('says fenced rather than conflict when both hold', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    expect(await store.commit({ ...lease, epoch: 9 }, { records: [put('a', 5)] })).toEqual(fenced)
  })
}

function ofTwoSessions(suite: StoreSuite): void {
  const ofTwo = checksOfTwo(suite)
  ofTwo('lets one of two writers of a record through, and tells the other what is there (S2)', async (desk) => {
    const { store, another } = desk
    const two = await another()
    await start(store, 'r')
    await start(store, 'q')
    const a = await takeOne(store, { limit: 1 })
    const b = await takeOne(two, { worker: 'two' })
    const answers = await Promise.all([
      store.commit(a.lease, { records: [put('x', 1, { data: '"one"' })] }),
      two.commit(b.lease, { records: [put('x', 1, { data: '"two"' })] }),
    ])
    const winner = answers[0].status === 'done' ? '"one"' : '"two"'
    expect(answers).toContainEqual(done)
    expect(answers).toContainEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'x', version: 1 }] })
    expect(await recordOf(two, 'x')).toMatchObject({ data: winner })
  })
  ofTwo('keeps one order of a stream that two sessions append to (S2)', async ({ store, another }) => {
    const two = await another()
    const answers = await Promise.all([store, two].map((each) => each.write(W, { entries: [entryAt('s', 1)] })))
    expect(answers).toContainEqual(done)
    expect(answers).toContainEqual({ status: 'conflict', rows: [{ stream: 's', seq: 1 }] })
    expect(await store.entries(W, 's')).toHaveLength(1)
  })
  ofTwo('starts and delivers once of two that ask at once (S5)', async ({ store, another }) => {
    const two = await another()
    await start(store, 'r')
    const unit = { starts: [newRun('q')], deliveries: [delivery('r', 'k')] }
    const answers = await Promise.all([store.write(W, unit), two.write(W, unit)])
    expect(answers.flatMap((each) => (each.status === 'done' ? each.refused : [])).length).toBe(2)
    expect((await takeOne(store, { limit: 1 })).mail).toHaveLength(1)
    expect(await store.entries(W, 'q/0')).toHaveLength(1)
  })
}

function states(suite: StoreSuite): void {
  const given = checks(suite)
  const expected: readonly (readonly [Next, object])[] = [
    [parked(9000), { state: 'parked', wakeAt: 9000, status: '"waiting"', settledAt: null }],
    [parked(null), { state: 'parked', wakeAt: null, status: '"waiting"' }],
    [
      { to: 'held', status: '"h"' },
      { state: 'held', wakeAt: null, status: '"h"' },
    ],
    [
      { to: 'due', status: '"d"', at: 1000 },
      { state: 'due', wakeAt: null, status: '"d"' },
    ],
    [settled, { state: 'settled', wakeAt: null, status: '"completed"', settledAt: 2000 }],
  ]
  for (const [next, row] of expected) {
    given(`leaves the run ${JSON.stringify(next)}`, async ({ store }) => {
      await start(store, 'r')
      const { lease } = await takeOne(store)
      expect(await store.commit(lease, { next })).toEqual(done)
      expect(await rowOf(store, 'r')).toMatchObject({ ...row, worker: null, epoch: 1, stream: 'r/0', version: 1 })
    })
  }
  given('leaves the run due for another version', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    expect(await store.commit(lease, { next: { to: 'due', status: '""', at: 1000, version: 2 } })).toEqual(done)
    expect(await idsTaken(store)).toEqual([])
    expect((await takeOne(store, { can: ['book@2'] })).row).toMatchObject({ version: 2, epoch: 2 })
  })
  given('counts claims without progress and forgets them with it', async ({ store }) => {
    await start(store, 'r')
    for (const claims of [1, 2]) {
      const { lease } = await takeOne(store)
      await store.commit(lease, { next: parked(1000) })
      expect(await rowOf(store, 'r')).toMatchObject({ claims })
    }
    const { lease } = await takeOne(store)
    await store.commit(lease, { entries: [entryAt('r/0', 2)], next: parked() })
    expect(await rowOf(store, 'r')).toMatchObject({ claims: 0 })
  })
}

function givenBack(suite: StoreSuite): void {
  const given = checks(suite)
  given('takes back the claim of a run that is given back', async ({ store }) => {
    await start(store, 'r')
    const first = await takeOne(store)
    await store.commit(first.lease, { next: parked(1000) })
    for (let n = 0; n < 12; n++) {
      const { lease, row } = await takeOne(store)
      expect(row).toMatchObject({ claims: 2 })
      await store.commit(lease, { next: { to: 'due', status: '""', at: 1000 } })
      expect(await rowOf(store, 'r')).toMatchObject({ claims: 1 })
    }
  })
}

function continuation(suite: StoreSuite): void {
  const given = checks(suite)
  const continued = (over: Partial<Next & { to: 'continued' }> = {}): Next => ({
    ...{ to: 'continued', stream: 'r/1', playbook: 'book', version: 2, entries: entries('r/1', 1), at: 1500 },
    ...over,
  })
  given('continues a run in a new stream, due, with its unread mail', async ({ store, clock }) => {
    clock.now = 2000
    await start(store, 'r')
    await store.write(W, { deliveries: [delivery('r', 'a'), delivery('r', 'b')] })
    const { lease, mail } = await takeOne(store)
    const unit = { entries: [entryAt('r/0', 2)], consumed: [mail[0]!.row], next: continued() }
    expect(await store.commit(lease, unit)).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due', stream: 'r/1', version: 2, worker: null, claims: 0 })
    expect(await idsTaken(store)).toEqual([])
    const next = await takeOne(store, { can: ['book@2'], now: 2000 })
    expect(next.entries.map(({ stream, seq }) => `${stream} ${seq}`)).toEqual(['r/1 1'])
    expect(next.mail.map(({ onceKey }) => onceKey)).toEqual(['b'])
    expect(await store.entries(W, 'r/0')).toHaveLength(2)
  })
  given('remembers the delivered keys of a continued run (S5)', async ({ store }) => {
    await start(store, 'r')
    await deliver(store, 'r', 'k')
    await store.commit((await takeOne(store)).lease, { next: continued({ at: 1000 }) })
    const answer = await store.write(W, { deliveries: [delivery('r', 'k')] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'duplicate' }] })
  })
  given('conflicts when the new stream is not new (S2)', async ({ store }) => {
    await start(store, 'r')
    await store.write(W, { entries: [entryAt('r/1', 1)] })
    const { lease } = await takeOne(store)
    const answer = await store.commit(lease, { entries: [entryAt('r/0', 2)], next: continued() })
    expect(answer).toEqual({ status: 'conflict', rows: [{ stream: 'r/1', seq: 1 }] })
    expect(await rowOf(store, 'r')).toMatchObject({ stream: 'r/0', worker: 'one' })
  })
}
