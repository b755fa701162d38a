/**
 * History of an entity: its state at any point of two clocks, its changes, and what each field has its value from.
 *
 * H3. With or without snapshots the answer is the same; they only shorten what is read.
 */
import { KeelsonError } from '../base/errors.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { pagesOf } from '../journal/pages.ts'
import type { RecordQuery, RecordRow } from '../journal/store.ts'
import {
  changeId,
  changeOf,
  foldChange,
  foldChanges,
  NOTHING,
  SNAPSHOT_EVERY,
  snapshotRow,
  versionMark,
} from './change.ts'
import type { EntityChange, Folded, TimelineEvent } from './change.ts'
import { notFound, recordId, type AnyEntityType } from './entity.ts'
import { allOf, labelsIn } from './entity-labels.ts'
import { headOf, survivorOf, type Shelf } from './entity-read.ts'
import type { AsOf, Changed, TimelineOptions, When, Why } from './entity-store.ts'
import { upcastBlank, upcastTo } from '../base/upcast.ts'

const PAGE = 500

/** What is read of a shelf where nothing is keyed or dated. */
type Rows = Pick<Shelf, 'store' | 'workspace'>

/** Milliseconds of an instant. Throws `INPUT_INVALID`. */
export function instant(when: When): number {
  const at = typeof when === 'number' ? when : Date.parse(when)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${String(when).slice(0, 40).toWellFormed()}" is not an instant`, {
    hint: 'Use ISO text with a zone (2026-11-22T09:00:00Z) or milliseconds.',
  })
}

/**
 * The state at `valid` as it was known at `known`, over merges; undefined before it was created. Of two that were each merged
 * into the other, one since before that was undone, the one that stands today is answered.
 */
export async function stateAsOf(
  shelf: Shelf,
  type: AnyEntityType,
  id: string,
  at: AsOf,
  seen: ReadonlySet<string> = new Set(),
): Promise<Json | undefined> {
  const now = shelf.now()
  const known = at.known === undefined ? now : instant(at.known)
  const valid = at.valid === undefined ? now : instant(at.valid)
  const state = await foldedAt(shelf, type, id, { known, valid })
  if (state === undefined) {
    if ((await headOf(shelf, type, id)) === undefined) throw notFound(type, id)
    return undefined
  }
  if (state.into !== undefined && !seen.has(id)) {
    const next = seen.has(state.into) ? (await survivorOf(shelf, type, id)).record.id : state.into
    return stateAsOf(shelf, type, next, at, new Set([...seen, id]))
  }
  shelf.saw?.(labelsIn({ type: type.name, id, ...(state.labels === undefined ? {} : { labels: state.labels }) }))
  const data = presentIn(type, state)
  return { type: type.name, id, version: state.version, data, ...(state.archived ? { archived: true } : {}) }
}

function presentIn(type: AnyEntityType, { data, schema, erased }: Folded, to?: number): Folded['data'] {
  return erased === true ? upcastBlank(type, data, schema, to) : upcastTo(type, data, schema, to)
}

interface Point {
  readonly known: number
  readonly valid: number
}

/** The fold of all changes recorded until `known` that took effect until `valid`. */
async function foldedAt(shelf: Shelf, type: AnyEntityType, id: string, at: Point): Promise<Folded | undefined> {
  const cut = Math.min(at.known, at.valid)
  const last = await lastChange(shelf, type, id, cut)
  let state = last === undefined ? NOTHING : await foldedTo(shelf, type, id, last.version)
  // What took effect until then and was recorded later.
  if (at.valid < at.known) {
    for (const change of await lateChanges(shelf, type, id, cut, at.known)) {
      if (Date.parse(change.validAt!) <= at.valid) state = foldChange(type, state, change)
    }
  }
  return state.version === 0 ? undefined : state
}

async function lastChange(
  shelf: Shelf,
  type: AnyEntityType,
  id: string,
  at: number,
): Promise<EntityChange | undefined> {
  const value = recordId(type.name, id)
  const [row] = await records(shelf, {
    kind: 'timeline',
    where: { field: 'change', value },
    order: 'descending',
    after: { sort: at + 1, id: '' },
    limit: 1,
  })
  return row === undefined ? undefined : changeOf(row)
}

async function lateChanges(
  shelf: Shelf,
  type: AnyEntityType,
  id: string,
  after: number,
  until: number,
): Promise<EntityChange[]> {
  const where = { field: 'late', value: recordId(type.name, id) }
  const found: EntityChange[] = []
  for await (const row of pagesOf(shelf.store, shelf.workspace, { kind: 'timeline', where, from: after + 1 })) {
    if (row.sort > until) break
    found.push(changeOf(row))
  }
  return found
}

/** The fold of versions 1 to `version`, from the nearest snapshot. */
export async function foldedTo(shelf: Rows, type: AnyEntityType, id: string, version: number): Promise<Folded> {
  let state = await snapshotBefore(shelf, type, id, version)
  for (let from = state.version; from < version; from += PAGE) {
    const rows = await versionsOf(shelf, recordId(type.name, id), from, Math.min(version, from + PAGE))
    state = foldChanges(type, state, rows.map(changeOf))
  }
  return state
}

/** The lines of the versions behind `from`, up to `to`: neighbours by their ids, and read in one go unless one is missing. */
async function versionsOf(shelf: Rows, entity: string, from: number, to: number): Promise<readonly RecordRow[]> {
  const idAt = (version: number): string => `${entity}/${versionMark(version)}`
  const behind = { sort: -1, id: idAt(from) }
  const rows = await records(shelf, { kind: 'timeline', after: behind, limit: to - from })
  if (rows.length === to - from && rows.at(-1)!.id === idAt(to)) return rows
  const ids = Array.from({ length: to - from }, (_, at) => idAt(from + at + 1))
  return records(shelf, { kind: 'timeline', ids, limit: ids.length })
}

/** The next `limit` changes behind a state. */
async function changesAfter(
  shelf: Rows,
  type: AnyEntityType,
  id: string,
  state: { readonly version: number; readonly at: number },
  limit: number,
): Promise<EntityChange[]> {
  const value = recordId(type.name, id)
  const behind = state.version === 0 ? {} : { after: { sort: state.at, id: changeId(type.name, id, state.version) } }
  const rows = await records(shelf, { kind: 'timeline', where: { field: 'change', value }, limit, ...behind })
  return rows.map(changeOf)
}

/** All changes of an entity, oldest first. */
export async function* changesOf(shelf: Rows, type: string, id: string): AsyncGenerator<EntityChange> {
  const where = { field: 'change', value: recordId(type, id) }
  for await (const row of pagesOf(shelf.store, shelf.workspace, { kind: 'timeline', where })) yield changeOf(row)
}

async function snapshotBefore(shelf: Rows, type: AnyEntityType, id: string, version: number): Promise<Folded> {
  const nearest = version - (version % SNAPSHOT_EVERY)
  if (nearest === 0) return NOTHING
  const [exact] = await records(shelf, { kind: 'snapshot', ids: [changeId(type.name, id, nearest)], limit: 1 })
  if (exact !== undefined) return JSON.parse(exact.data) as Folded
  const where = { field: 'entity', value: recordId(type.name, id) }
  for await (const row of pagesOf(shelf.store, shelf.workspace, { kind: 'snapshot', where, order: 'descending' })) {
    const state = JSON.parse(row.data) as Folded
    if (state.version <= version) return state
  }
  return NOTHING
}

/** Forgets what was folded. Nothing is lost: the same is folded again. Answers how many there were. */
export async function dropSnapshots(shelf: Shelf): Promise<number> {
  let dropped = 0
  for (;;) {
    const rows = await records(shelf, { kind: 'snapshot', limit: PAGE })
    if (rows.length === 0) return dropped
    const ends = rows.map((row) => ({ ...row, version: row.version + 1, data: null, index: {} }))
    const { status } = await shelf.store.write(shelf.workspace, { records: ends })
    if (status === 'done') dropped += rows.length
  }
}

/** Folds an entity's changes again and keeps the fold of every hundred. Answers how many were kept anew. */
export async function rebuildSnapshots(shelf: Shelf, type: AnyEntityType, id: string): Promise<number> {
  let made = 0
  let state = NOTHING
  for (;;) {
    const changes = await changesAfter(shelf, type, id, state, SNAPSHOT_EVERY - (state.version % SNAPSHOT_EVERY))
    if (changes.length === 0) return made
    state = foldChanges(type, state, changes)
    if (state.version % SNAPSHOT_EVERY !== 0) return made
    const answer = await shelf.store.write(shelf.workspace, { records: [snapshotRow(type.name, id, state)] })
    if (answer.status === 'done') made++
  }
}

/** The changes of an entity, field by field. */
export async function historyOf(
  shelf: Shelf,
  type: AnyEntityType,
  id: string,
  options: { after?: number; limit?: number } = {},
): Promise<Changed[]> {
  if ((await headOf(shelf, type, id)) === undefined) throw notFound(type, id)
  const limit = Math.max(Math.trunc(options.limit ?? PAGE), 1)
  let state = await foldedTo(shelf, type, id, Math.max(options.after ?? 0, 0))
  const found: Changed[] = []
  while (found.length < limit) {
    const changes = await changesAfter(shelf, type, id, state, Math.min(PAGE, limit - found.length))
    if (changes.length === 0) break
    for (const change of changes) {
      shelf.saw?.(labelsIn({ type: type.name, id, labels: { ...state.labels, ...change.labels } }))
      found.push(changedBy(type, state, change))
      state = foldChange(type, state, change)
    }
  }
  return found
}

/** The change that a field has its value from. */
export async function whyField(shelf: Shelf, type: AnyEntityType, id: string, field: string): Promise<Why | undefined> {
  const head = await survivorOf(shelf, type, id)
  const made = await madeField(shelf, type, head.record.id, field, head.version)
  if (made === undefined) return undefined
  const { change, before, since, state } = made
  const value = presentIn(type, state)[field]
  const labels = { before: allOf(before.labels), now: allOf(state.labels) }
  shelf.saw?.(labelsIn({ type: type.name, id, labels }))
  return { field, value, since: new Date(since).toISOString(), change: changedBy(type, before, change) }
}

/** Where a field has its value from, as of a version. A write that repeated the value gave it none. */
export async function madeField(
  shelf: Rows,
  type: AnyEntityType,
  id: string,
  field: string,
  version: number,
): Promise<
  { change: EntityChange; before: Folded; state: Folded; since: number; value: Json | undefined } | undefined
> {
  const state = await foldedTo(shelf, type, id, version)
  let from = state.since[field]
  while (from !== undefined) {
    const before = await foldedTo(shelf, type, id, from[1] - 1)
    const [change] = await changesAfter(shelf, type, id, before, 1)
    const repeated = before.since[field]
    const [was, is] = [before.data, foldChange(type, before, change!).data]
    const isBlank = change!.erased?.includes(field) === true
    if (isBlank || repeated === undefined || canonical(was[field] ?? null) !== canonical(is[field] ?? null))
      return { change: change!, before, state, since: from[0], value: state.data[field] }
    from = repeated
  }
  return undefined
}

/** How many of the last changes are looked at for who wrote what. */
const WRITES_MOST = 1000

/** What runs wrote of it, change by change, the last first, over what people wrote and what was taken back. */
export async function* writersOf(
  shelf: Rows,
  type: string,
  id: string,
): AsyncGenerator<{ readonly run: string; readonly fields: readonly string[] }> {
  const where = { field: 'change', value: recordId(type, id) }
  const undone = new Set<number>()
  let looked = 0
  for await (const row of pagesOf(shelf.store, shelf.workspace, { kind: 'timeline', where, order: 'descending' }, 50)) {
    if (looked++ === WRITES_MOST) return
    const { run, version, changed, dropped = [], undoes = [] } = changeOf(row)
    if (undone.has(version)) continue
    for (const one of undoes) undone.add(one)
    if (run !== undefined) yield { run, fields: [...Object.keys((changed ?? {}) as object), ...dropped] }
  }
}

function changedBy(type: AnyEntityType, before: Folded, change: EntityChange): Changed {
  const after = foldChange(type, before, change)
  const was = before.version === 0 ? {} : presentIn(type, before, after.schema)
  const named = [...Object.keys((change.changed ?? {}) as object), ...(change.dropped ?? [])]
  const fields = named
    .filter(
      (field) =>
        change.erased?.includes(field) === true ||
        canonical(was[field] ?? null) !== canonical(after.data[field] ?? null),
    )
    .map((field) => [
      field,
      {
        ...(Object.hasOwn(was, field) ? { before: was[field]! } : {}),
        ...(Object.hasOwn(after.data, field) ? { after: after.data[field]! } : {}),
      },
    ])
  const { version, at, what, by, run, step, reason, because, validAt = at } = change
  const given = Object.entries({ by, run, step, reason, because }).filter(([, value]) => value !== undefined)
  const base = { version, at, validAt, what, fields: Object.fromEntries(fields) as Changed['fields'] }
  return Object.freeze({ ...base, ...Object.fromEntries(given) })
}

/** What happened to an entity and to those that were merged into it. */
export async function timelineOf(
  shelf: Shelf,
  type: AnyEntityType,
  id: string,
  options: TimelineOptions = {},
): Promise<TimelineEvent[]> {
  const head = await headOf(shelf, type, id)
  const ids = [id, ...(head?.record.merged ?? [])]
  const order = options.first === 'newest' ? ('descending' as const) : ('ascending' as const)
  const [from, to] = [options.from, options.to].map((when) => (when === undefined ? undefined : instant(when)))
  const limit = options.limit ?? Infinity
  const lists = await Promise.all(
    ids.map((one) => linesOf(shelf, recordId(type.name, one), { order, from, to, limit })),
  )
  const rows = lists.flat()
  const sign = order === 'ascending' ? 1 : -1
  if (lists.length > 1) rows.sort((a, b) => sign * (a.sort - b.sort))
  const events = rows.slice(0, limit).map((row) => JSON.parse(row.data) as TimelineEvent)
  for (const { labels } of events) if (labels !== undefined) shelf.saw?.(labelsIn({ type: type.name, id, labels }))
  return events
}

async function linesOf(
  shelf: Shelf,
  value: string,
  within: { order: 'ascending' | 'descending'; from: number | undefined; to: number | undefined; limit: number },
): Promise<RecordRow[]> {
  const { order, from, to, limit } = within
  const found: RecordRow[] = []
  const start = order === 'descending' && to !== undefined ? { after: { sort: to + 1, id: '' } } : {}
  const query = { kind: 'timeline', where: { field: 'entity', value }, order, ...start }
  for await (const row of pagesOf(shelf.store, shelf.workspace, {
    ...query,
    ...(from === undefined ? {} : { from }),
  })) {
    if (to !== undefined && row.sort > to) break
    found.push(row)
    if (found.length >= limit) break
  }
  return found
}

function records(shelf: Rows, query: RecordQuery): Promise<readonly RecordRow[]> {
  return shelf.store.records(shelf.workspace, query)
}
