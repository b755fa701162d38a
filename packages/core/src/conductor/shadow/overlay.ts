/**
 * Overlay: the records of a workspace as a family of runs in shadow sees them: what it would have written, above what is.
 *
 * O1. What such a run puts goes into records of the overlay, and nowhere else, unless it is asked of people or belongs to
 *     the machinery of runs (`SHARED`): a kind of record that nobody thought of stays in the overlay.
 * O2. An overlaid record hides the real one in look-ups, under the fields that it no longer has, too.
 * O3. Only runs of the family read its overlay. Real runs never do.
 */
import { sha256 } from '../../base/hash.ts'
import type { Json } from '../../base/value.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Put } from '../../journal/put.ts'
import type { Expect, MemoryStore, RecordQuery, RecordRow } from '../../journal/store.ts'

/** Kinds that a run in shadow writes for real: questions to people, its own waits, what it would have done, and what is counted of it. */
const SHARED: ReadonlySet<string> = new Set([
  'alert',
  'audit',
  'budget',
  'inbox',
  'meeting',
  'outcome',
  'reservation',
  'rollup',
  'touch',
  'trust',
  'unpaired',
  'unsimulated',
  'wait',
  'would',
])

const OVERLAY = 'overlay'
const PAGE = 500

/** An overlaid record, as its row in the overlay keeps it. `data: null`: the family has ended it. */
interface Overlaid {
  readonly kind: string
  readonly id: string
  readonly version: number
  readonly data: Json
  readonly index: { readonly [field: string]: string }
}

/** The family's mark in ids and look-ups: `root` may hold anything. */
function markOf(root: string): string {
  return sha256(root).slice(0, 24)
}

/** The store as runs of the family `root` read it. */
export function overlaidStore(store: MemoryStore, root: string): MemoryStore {
  const mark = markOf(root)
  const records = (workspace: string, query: RecordQuery): Promise<readonly RecordRow[]> =>
    SHARED.has(query.kind) ? store.records(workspace, query) : merged(store, workspace, mark, query)
  return new Proxy(store, {
    get(target, name) {
      if (name === 'records') return records
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** What a unit of the family really writes. 'conflict': another run of it has changed what the unit rests on. */
export async function redirected(
  store: MemoryStore,
  workspace: string,
  root: string,
  drafts: readonly Draft[],
): Promise<readonly Draft[] | 'conflict'> {
  const mark = markOf(root)
  const wanted = drafts.flatMap((draft) => putsIn(draft).filter((put) => !SHARED.has(put.kind)))
  if (wanted.length === 0) return drafts
  const ids = [...new Set(wanted.map((put) => rowId(mark, put.kind, put.id)))]
  const rows = await store.records(workspace, { kind: OVERLAY, ids, limit: ids.length })
  const now = new Map(rows.map((row) => [row.id, { own: row.version, logical: read(row).version }]))
  let conflict = false
  const moved = (put: Put): Put => {
    if (SHARED.has(put.kind)) return put
    const id = rowId(mark, put.kind, put.id)
    const before = now.get(id)
    if (before !== undefined && before.logical !== put.version - 1) conflict = true
    const own = (before?.own ?? 0) + 1
    now.set(id, { own, logical: put.data === null ? 0 : put.version })
    return overlayPut(mark, put, own)
  }
  const made = drafts.map((draft) => {
    const puts = putsIn(draft)
    return puts.length === 0 ? draft : ({ ...draft, data: { ...draft.data, puts: puts.map(moved) } } as Draft)
  })
  return conflict ? 'conflict' : made
}

/** Of what a unit expects, what is not about overlaid records: those are looked at by `redirected`. No run writes those of its company. */
export function expectedOf(expect: readonly Expect[] | undefined): readonly Expect[] | undefined {
  return expect?.filter((one) => !('record' in one) || SHARED.has(one.record) || one.record === 'company')
}

/** All records of a kind that the family would have written, ended ones left out. */
export async function overlayRows(
  store: MemoryStore,
  workspace: string,
  root: string,
  kind: string,
): Promise<readonly RecordRow[]> {
  const rows = await ownRows(store, workspace, `${markOf(root)}:${kind}`, '')
  return rows.filter(({ over }) => over.data !== null).map(rowOf)
}

function overlayPut(mark: string, put: Put, version: number): Put {
  const over: Overlaid = {
    kind: put.kind,
    id: put.id,
    version: put.data === null ? 0 : put.version,
    data: put.data,
    index: put.index ?? {},
  }
  const fields = put.data === null ? [] : Object.entries(put.index ?? {})
  const index = Object.fromEntries(fields.map(([field, value]) => [`${mark}:${put.kind}.${field}`, value]))
  return {
    kind: OVERLAY,
    id: rowId(mark, put.kind, put.id),
    version,
    data: over as unknown as Json,
    index: { ...index, [`${mark}:${put.kind}`]: '' },
    ...(put.sort === undefined ? {} : { sort: put.sort }),
  }
}

function rowId(mark: string, kind: string, id: string): string {
  return `${mark}:${kind}/${id}`
}

function putsIn(draft: Draft): readonly Put[] {
  return (draft.data as { puts?: readonly Put[] }).puts ?? []
}

function read(row: RecordRow): Overlaid {
  return JSON.parse(row.data) as Overlaid
}

/** An overlaid record as the row that it would be. */
function rowOf({ over, sort }: Own): RecordRow {
  const { kind, id, version, data, index } = over
  return { kind, id, version, data: JSON.stringify(data), index, sort }
}

interface Own {
  readonly over: Overlaid
  readonly sort: number
}

async function ownRows(store: MemoryStore, workspace: string, field: string, value: string): Promise<Own[]> {
  const found: Own[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const where = { field, value }
    const rows = await store.records(workspace, {
      kind: OVERLAY,
      where,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    found.push(...rows.map((row) => ({ over: read(row), sort: row.sort })))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return found
    after = { sort: last.sort, id: last.id }
  }
}

async function merged(
  store: MemoryStore,
  workspace: string,
  mark: string,
  query: RecordQuery,
): Promise<readonly RecordRow[]> {
  const { limit } = query
  const compare = orderOf(query)
  const own = (await ownOf(store, workspace, mark, query))
    .filter(({ over }) => over.data !== null)
    .map(rowOf)
    .filter((row) => isWithin(row, query, compare))
  const real: RecordRow[] = []
  let { after } = query
  for (;;) {
    const page = await store.records(workspace, { ...query, ...(after === undefined ? {} : { after }) })
    const hidden = await overlaid(store, workspace, mark, page)
    real.push(...page.filter((row) => !hidden.has(row.id)))
    const last = page.at(-1)
    if (last === undefined || page.length < limit || real.length >= limit) break
    after = { sort: last.sort, id: last.id }
  }
  return [...real, ...own].sort(compare).slice(0, limit)
}

/** What the family has written of what is asked for, and little more: a run may have written thousands. */
async function ownOf(store: MemoryStore, workspace: string, mark: string, query: RecordQuery): Promise<readonly Own[]> {
  const { kind, where, ids, after } = query
  if (ids === undefined && where === undefined) return ownRows(store, workspace, `${mark}:${kind}`, '')
  const named = (id: string): string => rowId(mark, kind, id)
  const rows = await store.records(workspace, {
    ...query,
    kind: OVERLAY,
    ...(ids === undefined ? {} : { ids: ids.map(named), limit: Math.max(query.limit, ids.length) }), // ended ones, too
    ...(where === undefined ? {} : { where: { ...where, field: `${mark}:${kind}.${where.field}` } }),
    ...(after === undefined ? {} : { after: { ...after, id: named(after.id) } }),
  })
  return rows.map((row) => ({ over: read(row), sort: row.sort }))
}

/** Which of the rows the family has written itself. */
async function overlaid(
  store: MemoryStore,
  workspace: string,
  mark: string,
  rows: readonly RecordRow[],
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set()
  const ids = rows.map((row) => rowId(mark, row.kind, row.id))
  const found = await store.records(workspace, { kind: OVERLAY, ids, limit: ids.length })
  return new Set(found.map((row) => read(row).id))
}

type Order = (a: { sort: number; id: string }, b: { sort: number; id: string }) => number

/** As stores order: under an index value by sort and id, else by id. */
function orderOf({ where, order }: RecordQuery): Order {
  const sign = order === 'descending' ? -1 : 1
  return (a, b) => sign * ((where === undefined ? 0 : a.sort - b.sort) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}

function isWithin(row: RecordRow, { from, after }: RecordQuery, compare: Order): boolean {
  return (from === undefined || row.sort >= from) && (after === undefined || compare(row, after) > 0)
}
