/**
 * Query: pages of the audit trail by who, on what, with which action, in which time.
 *
 * U1. A page is read over one declared index, never by reading the journal: what narrows most leads, the rest is compared.
 * U2. A page looks at a bounded number of lines, so it may hold fewer than asked for; while there is `next`, there may be
 *     more.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { actorValue, entityField, TRAIL, type TrailRecord } from '../conductor/trail.ts'
import { iso } from '../conductor/waiting.ts'
import type { RecordQuery, RecordRow } from '../journal/store.ts'
import type { MemoryStore } from '../journal/store.ts'

/** One thing that somebody did. */
export interface AuditLine {
  readonly id: string
  readonly at: string
  readonly what: string
  readonly by: Actor
  readonly run?: string
  readonly step?: string
  readonly action?: string
  readonly effect?: string
  /** The effect that was taken back. */
  readonly undoes?: string
  readonly item?: string
  /** What was changed, or what it rests on: `type/id`. */
  readonly entities: readonly string[]
  /** The version that it made of the entity. */
  readonly version?: number
  /** Where the journal has it. */
  readonly entry: { readonly stream: string; readonly seq: number }
}

export interface AuditQuery {
  readonly actor?: Pick<Actor, 'kind' | 'id'>
  readonly entity?: { readonly type: string | { readonly name: string }; readonly id: string }
  readonly action?: string | { readonly name: string }
  readonly run?: string
  /** ISO text; at or after. */
  readonly from?: string
  /** ISO text; before. */
  readonly to?: string
  readonly order?: 'newest' | 'oldest'
  /** The `next` of the page before. */
  readonly after?: string
  /** At most 200. Default 50. */
  readonly limit?: number
}

export interface AuditPage {
  readonly lines: readonly AuditLine[]
  readonly next?: string
}

/** Lines that one page looks at, at most. */
const LOOKED_MAX = 500

/** Throws `INPUT_INVALID` for an instant or a place that is none. */
export async function queryTrail(store: MemoryStore, workspace: string, query: AuditQuery = {}): Promise<AuditPage> {
  const { lead, fits } = narrowing(query)
  const limit = Math.min(Math.max(query.limit ?? 50, 1), 200)
  const descending = query.order !== 'oldest'
  const from = query.from === undefined ? undefined : instant(query.from)
  const to = query.to === undefined ? undefined : instant(query.to)
  let after = query.after !== undefined ? cursor(query.after) : descending && to !== undefined ? before(to) : undefined
  const lines: AuditLine[] = []
  for (let looked = 0; looked < LOOKED_MAX;) {
    const page = Math.min(limit + 1, LOOKED_MAX - looked)
    const asked: RecordQuery = {
      kind: TRAIL,
      where: lead,
      order: descending ? 'descending' : 'ascending',
      limit: page,
      ...(from === undefined ? {} : { from }),
      ...(after === undefined ? {} : { after }),
    }
    const rows = await store.records(workspace, asked)
    for (const row of rows) {
      if (!descending && to !== undefined && row.sort >= to) return { lines }
      if (lines.length === limit) return { lines, next: place(after!) }
      after = { sort: row.sort, id: row.id }
      const record = JSON.parse(row.data) as TrailRecord
      if (fits(record)) lines.push(lineOf(row, record))
    }
    if (rows.length < page) return { lines }
    looked += rows.length
  }
  return { lines, next: place(after!) }
}

export function lineOf(row: Pick<RecordRow, 'id'>, record: TrailRecord): AuditLine {
  const { at, what, by, run, step, action, effect, undoes, item, entities, version, stream, seq } = record
  return {
    id: row.id,
    at: iso(at),
    what,
    by,
    ...(run === undefined ? {} : { run }),
    ...(step === undefined ? {} : { step }),
    ...(action === undefined ? {} : { action }),
    ...(effect === undefined ? {} : { effect }),
    ...(undoes === undefined ? {} : { undoes }),
    ...(item === undefined ? {} : { item }),
    entities,
    ...(version === undefined ? {} : { version }),
    entry: { stream, seq },
  }
}

type Field = NonNullable<RecordQuery['where']>

/** The index that leads, and what of the rest each line must fit. */
function narrowing(query: AuditQuery): { lead: Field; fits: (record: TrailRecord) => boolean } {
  const entity = query.entity === undefined ? undefined : `${nameOf(query.entity.type)}/${query.entity.id}`
  const action = query.action === undefined ? undefined : nameOf(query.action)
  const actor = query.actor === undefined ? undefined : actorValue(query.actor)
  const { run } = query
  const lead: Field =
    entity !== undefined
      ? { field: entityField(entity), value: '' }
      : run !== undefined
        ? { field: 'run', value: run }
        : actor !== undefined
          ? { field: 'actor', value: actor }
          : action !== undefined
            ? { field: 'action', value: action }
            : { field: 'all', value: '' }
  const fits = (record: TrailRecord): boolean =>
    (entity === undefined || record.entities.includes(entity)) &&
    (run === undefined || record.run === run) &&
    (actor === undefined || actorValue(record.by) === actor) &&
    (action === undefined || record.action === action)
  return { lead, fits }
}

function nameOf(named: string | { readonly name: string }): string {
  return typeof named === 'string' ? named : named.name
}

/** Throws `INPUT_INVALID`. */
export function instant(text: string): number {
  const at = Date.parse(text)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${text}" is not an instant`, { hint: 'Write ISO text with a zone.' })
}

/** A place that everything earlier than `at` comes behind, newest first. */
function before(at: number): { sort: number; id: string } {
  return { sort: at, id: '' }
}

function place({ sort, id }: { sort: number; id: string }): string {
  return `${sort}:${id}`
}

function cursor(text: string): { sort: number; id: string } {
  const colon = text.indexOf(':')
  const sort = Number(text.slice(0, colon))
  if (colon > 0 && Number.isFinite(sort)) return { sort, id: text.slice(colon + 1) }
  throw new KeelsonError('INPUT_INVALID', `"${text}" is not a place in the audit trail`, {
    hint: 'Pass the `next` of the page before.',
  })
}
