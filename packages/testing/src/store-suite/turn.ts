/** Checks of units that are handed in within one turn, where a store may put them into one transaction (S2). */
import { describe, expect } from 'vitest'
import { assertChained, EMPTY_HEAD, type Lease } from '@keelson/core/ports'
import {
  delivery,
  done,
  entries,
  entryAt,
  fenced,
  newRun,
  parked,
  put,
  recordOf,
  rowOf,
  settled,
  start,
} from './rows.ts'
import { take, takeOne, W } from './rows.ts'
import { checks, checksOfTwo, type StoreSuite } from './subject.ts'

export function checkTurn(suite: StoreSuite): void {
  describe('units of one turn', () => {
    independent(suite)
    dependent(suite)
    leases(suite)
    sessions(suite)
  })
}

function independent(suite: StoreSuite): void {
  const given = checks(suite)
  given('all succeed but the one that conflicts (S2)', async ({ store }) => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        store.write(W, { entries: entries(`s${n}`, 2), records: [put(`a${n}`, n === 30 ? 7 : 1)] }),
      ),
    )
    expect(answers.map(({ status }) => status).filter((status) => status !== 'done')).toEqual(['conflict'])
    expect(answers[30]).toEqual({ status: 'conflict', rows: [{ record: 'thing', id: 'a30', version: 0 }] })
    expect(await store.entries(W, 's30')).toEqual([])
    expect(await store.tail(W, 0, 1000)).toHaveLength(118)
    expect(await store.records(W, { kind: 'thing', limit: 100 })).toHaveLength(59)
  })
  given('succeed when the first or the last conflicts (S2)', async ({ store }) => {
    for (const bad of [0, 9]) {
      const units = Array.from({ length: 10 }, (_, n) => ({ records: [put(`${bad}-${n}`, n === bad ? 2 : 1)] }))
      const answers = await Promise.all(units.map((unit) => store.write(W, unit)))
      expect(answers.map(({ status }, n) => status === (n === bad ? 'conflict' : 'done'))).not.toContain(false)
    }
  })
  given('let the first of two rivals win (S2)', async ({ store }) => {
    const rivals = ['"first"', '"second"', '"third"'].map((data) =>
      store.write(W, { records: [put('a', 1, { data })] }),
    )
    const conflict = { status: 'conflict', rows: [{ record: 'thing', id: 'a', version: 1 }] }
    expect(await Promise.all(rivals)).toEqual([done, conflict, conflict])
    expect(await recordOf(store, 'a')).toMatchObject({ data: '"first"' })
  })
  given('refuse a start and a key to all but the first (S5)', async ({ store }) => {
    await start(store, 'r')
    const unit = { starts: [newRun('q')], deliveries: [delivery('r', 'k')] }
    const answers = await Promise.all([1, 2, 3].map(() => store.write(W, unit)))
    expect(answers.map((each) => each.status === 'done' && each.refused.length)).toEqual([0, 2, 2])
    expect(await store.entries(W, 'q/0')).toHaveLength(1)
  })
  given('do not wait for each other across workspaces (S7)', async ({ store }) => {
    const answers = await Promise.all(
      ['x', 'y', 'z'].map((workspace) => store.write(workspace, { records: [put('a', workspace === 'y' ? 2 : 1)] })),
    )
    expect(answers.map(({ status }) => status)).toEqual(['done', 'conflict', 'done'])
  })
}

function dependent(suite: StoreSuite): void {
  const given = checks(suite)
  given('see what the ones before them wrote', async ({ store }) => {
    const stream = entries('s', 20)
    const answers = await Promise.all(
      stream.map((entry, n) => store.write(W, { entries: [entry], records: [put('a', n + 1)] })),
    )
    expect(answers).toEqual(stream.map(() => done))
    expect(assertChained(W, await store.entries(W, 's'), EMPTY_HEAD).seq).toBe(20)
    expect(await recordOf(store, 'a')).toMatchObject({ version: 20 })
  })
  given('fail with the one that they build on, and no others (S2)', async ({ store }) => {
    const answers = await Promise.all([
      store.write(W, { entries: [entryAt('s', 1)] }),
      store.write(W, { entries: [entryAt('s', 2)], records: [put('a', 9)] }),
      store.write(W, { entries: [entryAt('s', 3)] }),
      store.write(W, { entries: [entryAt('t', 1)] }),
      store.write(W, { expect: [{ stream: 's', seq: 1 }], records: [put('b', 1)] }),
    ])
    expect(answers.map(({ status }) => status)).toEqual(['done', 'conflict', 'conflict', 'done', 'done'])
    expect(answers[2]).toEqual({ status: 'conflict', rows: [{ stream: 's', seq: 1 }] })
  })
  given('may start a run, deliver to it and touch it', async ({ store }) => {
    const answers = await Promise.all([
      store.write(W, { starts: [newRun('r', { dueAt: 9000 })] }),
      store.write(W, { deliveries: [delivery('r', 'k')] }),
      store.write(W, { touch: [{ run: 'r', version: 2 }] }),
    ])
    expect(answers).toEqual([done, done, done])
    expect((await takeOne(store, { can: ['book@2'] })).mail).toHaveLength(1)
  })
}

function leases(suite: StoreSuite): void {
  const given = checks(suite)
  given('under one lease are fenced behind the one that gives it up (S3)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const answers = await Promise.all([
      store.commit(lease, { entries: [entryAt('r/0', 2)] }),
      store.commit(lease, { entries: [entryAt('r/0', 3)], next: parked() }),
      store.commit(lease, { entries: [entryAt('r/0', 4)], next: settled }),
    ])
    expect(answers).toEqual([done, done, fenced])
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'parked' })
  })
  given('leave a run due whichever of delivery and park comes first (S4)', async ({ store }) => {
    for (const id of ['before', 'after']) await start(store, id)
    const [before, after] = await take(store)
    const mail = (run: string) => store.write(W, { deliveries: [delivery(run, 'k')] })
    const park = (lease: Lease) => store.commit(lease, { next: parked() })
    await Promise.all([mail('before'), park(before!.lease), park(after!.lease), mail('after')])
    expect((await take(store)).map(({ mail }) => mail.length)).toEqual([1, 1])
  })
  given('never settle a run and deliver to it (S5)', async ({ store }) => {
    await start(store, 'r')
    const { lease } = await takeOne(store)
    const [, answer] = await Promise.all([
      store.commit(lease, { next: settled }),
      store.write(W, { deliveries: [delivery('r', 'k')] }),
    ])
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'k', why: 'closed' }] })
  })
}

function sessions(suite: StoreSuite): void {
  checksOfTwo(suite)('of two sessions count a record up without a gap (S2)', async ({ store, another }) => {
    const two = await another()
    const count = async (session: typeof store): Promise<void> => {
      for (let left = 10, tries = 0; left > 0;) {
        expect(++tries).toBeLessThan(1000)
        const version = ((await recordOf(session, 'n'))?.version ?? 0) + 1
        if ((await session.write(W, { records: [put('n', version)] })).status === 'done') left--
      }
    }
    await Promise.all([count(store), count(two), count(store)])
    expect(await recordOf(store, 'n')).toMatchObject({ version: 30 })
  })
}
