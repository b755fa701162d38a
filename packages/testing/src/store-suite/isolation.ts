/** Checks of S7: no method reads or writes beyond its workspace. And of values that a careless store would bend. */
import { createHash } from 'node:crypto'
import { describe, expect } from 'vitest'
import { assertChained, chain, EMPTY_HEAD, type MemoryStore } from '@keelson/core/ports'
import {
  deliver,
  delivery,
  done,
  entries,
  entryAt,
  fenced,
  newRun,
  put,
  recordOf,
  rowOf,
  settled,
  start,
} from './rows.ts'
import { take, takeOne, unplaced, W } from './rows.ts'
import { checks, type StoreSuite } from './subject.ts'

export function checkIsolation(suite: StoreSuite): void {
  describe('a workspace (S7)', () => {
    foreign(suite)
    verbs(suite)
    sideBySide(suite)
  })
  describe('a value', () => values(suite))
}

const OTHER = 'other'

/** Fills W with a run `r`, its mail, a record `a` and a stream `s`. */
async function fill(store: MemoryStore): Promise<void> {
  await start(store, 'r')
  await deliver(store, 'r', 'k')
  await store.write(W, { entries: entries('s', 2), records: [put('a', 1, { index: { by: 'x' } })] })
}

function foreign(suite: StoreSuite): void {
  const given = checks(suite)
  const questions: { readonly [title: string]: (store: MemoryStore) => Promise<unknown> } = {
    'finds no foreign run': (store) => store.runs(OTHER, { ids: ['r'], limit: 9 }),
    'lists no foreign runs': (store) => store.runs(OTHER, { limit: 9 }),
    'reads no foreign stream': (store) => store.entries(OTHER, 's'),
    'tails no foreign entries': (store) => store.tail(OTHER, 0, 9),
    'finds no foreign record': (store) => store.records(OTHER, { kind: 'thing', ids: ['a'], limit: 9 }),
    'looks nothing foreign up': (store) =>
      store.records(OTHER, { kind: 'thing', where: { field: 'by', value: 'x' }, limit: 9 }),
    'claims nothing foreign': (store) => take(store, { workspaces: [OTHER] }),
  }
  for (const [title, ask] of Object.entries(questions)) {
    given(title, async ({ store }) => {
      await fill(store)
      expect(await ask(store)).toEqual([])
      await start(store, 'own', {}, OTHER)
      expect(JSON.stringify(await ask(store))).not.toMatch(/"r"|"s"|"a"/)
    })
  }
}

function verbs(suite: StoreSuite): void {
  const given = checks(suite)
  given('delivers to no foreign run', async ({ store }) => {
    await fill(store)
    const answer = await store.write(OTHER, { deliveries: [delivery('r', 'new')] })
    expect(answer).toEqual({ status: 'done', refused: [{ delivery: 'new', why: 'unknown' }] })
    expect((await takeOne(store)).mail).toHaveLength(1)
  })
  given('touches no foreign run', async ({ store }) => {
    await fill(store)
    const answer = await store.write(OTHER, { touch: [{ run: 'r', version: 9 }] })
    expect(answer).toEqual({ status: 'conflict', rows: [{ run: 'r' }] })
    expect(await rowOf(store, 'r')).toMatchObject({ version: 1 })
  })
  given('purges no foreign payload', async ({ store }) => {
    await fill(store)
    await store.write(OTHER, { purge: { payloads: [{ stream: 's', seq: 1 }] } })
    expect((await store.entries(W, 's'))[0]!.payload).not.toBeNull()
  })
  given('expects nothing of foreign rows', async ({ store }) => {
    await fill(store)
    const absent = [
      { record: 'thing', id: 'a', version: 0 },
      { stream: 's', seq: 0 },
    ]
    expect(await store.write(OTHER, { expect: absent, records: [put('b', 1)] })).toEqual(done)
  })
  given('accepts no lease of a foreign run', async ({ store }) => {
    await fill(store)
    await start(store, 'r', { version: 2 }, OTHER)
    const { lease } = await takeOne(store)
    const there = { ...lease, workspace: OTHER }
    expect(await store.commit(there, { next: settled })).toEqual(fenced)
    expect(await store.mail(there, 0)).toEqual([])
    expect(await rowOf(store, 'r', OTHER)).toMatchObject({ state: 'due' })
  })
  checks(suite, suite.abilities.artifacts)('gets no foreign artifact', async ({ store }) => {
    const bytes = Uint8Array.from([1])
    const name = createHash('sha256').update(bytes).digest('hex')
    await store.write(W, { artifacts: [bytes] })
    expect(await store.getArtifact(OTHER, name)).toBeUndefined()
    await store.write(OTHER, { artifacts: [bytes] })
    expect((await store.getArtifact(OTHER, name))!.length).toBe(1)
  })
}

function sideBySide(suite: StoreSuite): void {
  const given = checks(suite)
  given('may use ids that another uses', async ({ store }) => {
    await fill(store)
    await start(store, 'r', { playbook: 'film' }, OTHER)
    await deliver(store, 'r', 'k', OTHER)
    const unit = { entries: entries('s', 1, EMPTY_HEAD, OTHER), records: [put('a', 1, { data: '"o"' })] }
    expect(await store.write(OTHER, unit)).toEqual(done)
    expect(await rowOf(store, 'r')).toMatchObject({ workspace: W, playbook: 'book' })
    expect(await rowOf(store, 'r', OTHER)).toMatchObject({ workspace: OTHER, playbook: 'film' })
    expect([(await recordOf(store, 'a'))!.data, (await recordOf(store, 'a', OTHER))!.data]).toEqual(['{"v":1}', '"o"'])
    expect(await store.entries(W, 's')).toHaveLength(2)
    expect(await store.entries(OTHER, 's')).toHaveLength(1)
    expect((await takeOne(store)).mail).toHaveLength(1)
  })
  given('ends its records and runs alone', async ({ store }) => {
    for (const workspace of [W, OTHER]) {
      await start(store, 'r', {}, workspace)
      await store.write(workspace, { records: [put('a', 1)] })
    }
    await store.write(OTHER, { records: [put('a', 2, { data: null })] })
    const { lease } = await takeOne(store, { workspaces: [OTHER] })
    await store.commit(lease, { next: settled })
    expect(await recordOf(store, 'a')).toBeDefined()
    expect(await rowOf(store, 'r')).toMatchObject({ state: 'due' })
  })
  given('is no prefix of another', async ({ store }) => {
    await store.write('a', { records: [put('b', 1)], entries: [entryAt('b/c', 1)] })
    expect(await store.entries('a/b', 'c')).toEqual([])
    expect(await store.records('A', { kind: 'thing', limit: 9 })).toEqual([])
    expect(await store.records('a%', { kind: 'thing', limit: 9 })).toEqual([])
  })
}

/** Names that break careless SQL, LIKE, paths and C strings. */
const NAMES = ["o'hara", 'say "hi"', '%', '_', '\\', '`$', "'; drop table runs; --", 'two\nlines', 'nul\0byte']
const MORE = ['nul\0other', '', ' ', 'é', 'e\u0301', '日本語', '😀', '../up', '__proto__', 'constructor', '1', '01']

function values(suite: StoreSuite): void {
  const given = checks(suite)
  given('comes back as it was as workspace, id, stream, kind, field and key', async ({ store }) => {
    for (const name of [...NAMES, ...MORE]) {
      const workspace = `w${name}`
      const record = put(name, 1, { kind: name, index: { [name]: name } })
      const run = newRun(name, { stream: name, playbook: name, root: name, lane: name }, workspace)
      const unit = { starts: [run], deliveries: [delivery(name, name, { kind: name })], records: [record] }
      expect(await store.write(workspace, unit)).toEqual(done)
      expect(await store.records(workspace, { kind: name, where: { field: name, value: name }, limit: 9 })).toEqual([
        record,
      ])
      const { row, mail, entries } = await takeOne(store, { can: [`${name}@1`], workspaces: [workspace] })
      expect([row.id, row.lane, mail[0]!.onceKey, mail[0]!.kind]).toEqual([name, name, name, name])
      expect(unplaced(entries)).toEqual(run.entries)
    }
    expect(new Set(await store.workspaces())).toEqual(new Set([...NAMES, ...MORE].map((name) => `w${name}`)))
  })
  given('is not mistaken for one that looks alike', async ({ store }) => {
    await store.write(W, { records: [...NAMES, ...MORE].map((id) => put(id, 1, { data: JSON.stringify(id) })) })
    for (const id of [...NAMES, ...MORE]) expect((await recordOf(store, id))?.data).toBe(JSON.stringify(id))
    expect(await store.records(W, { kind: 'thing', limit: 99 })).toHaveLength(NAMES.length + MORE.length)
  })
  given('of a payload may be a mebibyte, with everything in it', async ({ store }) => {
    const text = JSON.stringify('\0😀é\u2028"\\'.repeat(60_000)).slice(0, 1_000_000)
    const large = `"${text.replaceAll(/["\\]/g, 'x').toWellFormed()}"`
    const entry = { ...entryAt('s', 1), payload: large }
    expect(await store.write(W, { entries: [entry], records: [put('a', 1, { data: large })] })).toEqual(done)
    expect((await store.entries(W, 's'))[0]!.payload === large).toBe(true)
    expect((await recordOf(store, 'a'))!.data === large).toBe(true)
  })
  given('keeps a chain whole', async ({ store }) => {
    const drafts = [...NAMES, ...MORE].map((key) => ({ kind: 'checkpoint.completed' as const, key, data: { ok: key } }))
    const written = chain(W, 's', EMPTY_HEAD, drafts, 1000, () => '\0')
    await store.write(W, { entries: written })
    expect(assertChained(W, await store.entries(W, 's'), EMPTY_HEAD).hash).toBe(written.at(-1)!.hash)
  })
}
