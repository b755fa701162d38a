/** Seen: a unit that was made of many rows is judged by where they stand when it is written, whoever has written meanwhile. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Answer, RecordRow, RecordWrite } from '@keelson/core/ports'
import { fileStore, type FileStore } from '../src/file/store.ts'
import { opened, W } from './rows.ts'
import { temporary } from './subject.ts'

const COUNT = 130
const IDS = Array.from({ length: COUNT }, (_, n) => `m${String(n).padStart(3, '0')}`)

let folder: string
let remove: () => void
const open: FileStore[] = []

beforeEach(() => ({ folder, remove } = temporary()))
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
  remove()
})

async function make(worker: string): Promise<FileStore> {
  const store = await opened(fileStore(join(folder, 'seen.db'), { durability: 'process' }), worker)
  open.push(store)
  return store
}

const record = (id: string, version: number, state: string): RecordWrite => ({
  ...{ kind: 'thing', id, version, data: JSON.stringify({ state }), index: { state }, sort: version },
})
const put = (store: FileStore, ids: readonly string[], version: number, state: string): Promise<Answer> =>
  store.write(W, { records: ids.map((id) => record(id, version, state)) })
const read = (store: FileStore, ids = IDS): Promise<readonly RecordRow[]> =>
  store.records(W, { kind: 'thing', ids, limit: ids.length })
const under = async (store: FileStore, value: string): Promise<string[]> => {
  const rows = await store.records(W, { kind: 'thing', where: { field: 'state', value }, limit: 1000 })
  return rows.map(({ id }) => id)
}

describe('many records that were read and are then written', () => {
  it('are written, with their index rows moved', async () => {
    const store = await make('one')
    await read(store)
    expect(await put(store, IDS, 1, 'new')).toMatchObject({ status: 'done' })
    await read(store)
    expect(await put(store, IDS, 2, 'old')).toMatchObject({ status: 'done' })
    expect(await under(store, 'new')).toEqual([])
    expect(await under(store, 'old')).toEqual(IDS)
    expect(await read(store)).toMatchObject(IDS.map((id) => ({ id, version: 2, data: '{"state":"old"}' })))
  })

  it('conflict with what this connection wrote after the read', async () => {
    const store = await make('one')
    await put(store, IDS, 1, 'new')
    await read(store)
    await put(store, [IDS[7]!], 2, 'mine')
    expect(await put(store, IDS, 2, 'late')).toEqual({
      status: 'conflict',
      rows: [{ record: 'thing', id: IDS[7], version: 2 }],
    })
    expect(await under(store, 'late')).toEqual([])
  })

  it('conflict with what another connection wrote after the read', async () => {
    const [store, other] = [await make('one'), await make('two')]
    await put(store, IDS, 1, 'new')
    await read(store)
    await put(other, [IDS[7]!], 2, 'theirs')
    expect(await put(store, IDS, 2, 'late')).toEqual({
      status: 'conflict',
      rows: [{ record: 'thing', id: IDS[7], version: 2 }],
    })
    expect(await under(store, 'theirs')).toEqual([IDS[7]])
  })

  it('conflict with what came where nothing was', async () => {
    const [store, other] = [await make('one'), await make('two')]
    await put(store, ['founds'], 1, 'new')
    await read(store)
    await put(other, [IDS[9]!], 1, 'theirs')
    expect(await put(store, IDS, 1, 'late')).toMatchObject({ status: 'conflict' })
  })

  it('are judged one unit behind the other when both are of one turn', async () => {
    const store = await make('one')
    await put(store, IDS, 1, 'new')
    await read(store)
    const [first, second] = await Promise.all([put(store, IDS, 2, 'first'), put(store, IDS, 2, 'second')])
    expect([first.status, second.status]).toEqual(['done', 'conflict'])
    expect(await under(store, 'first')).toEqual(IDS)
  })

  it('that are gone since leave nothing behind', async () => {
    const store = await make('one')
    await put(store, IDS, 1, 'new')
    await read(store)
    await store.write(W, { purge: { allBut: 'none' } })
    expect(await put(store, IDS, 2, 'late')).toMatchObject({ status: 'conflict' })
    expect(await put(store, IDS, 1, 'anew')).toMatchObject({ status: 'done' })
    expect(await under(store, 'anew')).toEqual(IDS)
  })
})
