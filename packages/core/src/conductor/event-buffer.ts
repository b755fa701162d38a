/**
 * Event buffer: events that were sent, as records under the tokens by which waits look for them.
 *
 * B1. What a run has had, in this journal or an earlier one, it does not get again.
 * B2. What was sent since a run began is told by the order in which runs were started, an event being a run, too: no clock
 *     counts for it. Instants count where a wait was given one: `since`, and its deadline.
 */
import { isUnlabelled, joinLabels, type Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { History } from '../journal/fold.ts'
import type { EntryData } from '../journal/kinds.ts'
import type { Put } from '../journal/put.ts'
import { POSITIONS_END, standsByInstant } from '../journal/records.ts'
import type { MemoryStore, RecordQuery, RecordRow } from '../journal/store.ts'
import { matched, matches, shapeOf, TOKENS_MAX } from '../playbook/event.ts'
import { hadOf } from './had.ts'
import { streamOf } from './start.ts'

/** An event as it was sent. Its id is that of the run that delivers it. */
export interface Heard {
  readonly id: string
  readonly event: string
  readonly payload: Json
  /** The version of the shape that the payload fits, if not 1. */
  readonly schema?: number
  /** What the run that emitted it had seen. */
  readonly labels?: Labels
  /** Fields of the payload of which an erasure took something. */
  readonly erased?: readonly string[]
}

/** A run that waits: who it is, and when it began. */
export interface Hearer {
  readonly store: MemoryStore
  readonly workspace: string
  readonly run: string
  /** Its number in the order of starting. */
  readonly order: number
  readonly createdAt: number
  /** By which the tokens of events are made. */
  readonly key: () => Promise<string>
}

type Wait = EntryData['wait.opened']
type Kept = Heard & { readonly sentAt: number; readonly sort: number }

/** Once under each token by which a wait looks for it. */
export function eventPuts(heard: Heard, tokens: readonly string[], sentAt: number): Put[] {
  const data = { ...heard, sentAt } as unknown as Json
  return tokens.map((token, i) => ({
    kind: 'event',
    id: `${heard.id}:${i}`,
    version: 1,
    data,
    index: { token },
    sort: 'position',
  }))
}

const PAGE = 200

/** The oldest that answers a wait, sent before its deadline, that the run has not had; `taken`: what it is about to have. */
export async function firstHeard(
  at: Hearer,
  wait: Wait,
  history: History,
  taken: ReadonlySet<string> = new Set(),
): Promise<Heard | undefined> {
  const value = wait.puts?.[0]?.index?.['token']
  if (value === undefined) return undefined
  const since = sinceOf(at, wait)
  for await (const kept of since === undefined ? sinceStart(at, value) : sinceInstant(at, value, since)) {
    const fitting: Kept[] = []
    for (const one of kept)
      if ((wait.until === undefined || one.sentAt <= wait.until) && (await fits(at, wait, one))) fitting.push(one)
    const ids = fitting.map(({ id }) => id)
    const had = await hadOf(at, history, ids)
    for (const one of fitting)
      if (!had.has(one.id) && !taken.has(one.id) && (await comesSince(at, wait, one))) return one
  }
  return undefined
}

async function fits(at: Hearer, wait: Wait, { id, event, payload, erased }: Kept): Promise<boolean> {
  if (event !== wait.event) return false
  const match = wait.match as Record<string, unknown>
  if (erased === undefined) return matches(match, payload)
  const ids = Array.from({ length: TOKENS_MAX }, (_, n) => `${id}:${n}`)
  const rows = await at.store.records(at.workspace, { kind: 'event', ids, limit: ids.length })
  const tokens = new Set(rows.flatMap(({ index }) => index['token'] ?? []))
  return matched(match, payload, { erased, tokens, key: await at.key(), event })
}

/** B2. Whether an event was sent since the run began, or since the instant that the wait was given. */
async function comesSince(at: Hearer, wait: Wait, { id, sentAt }: Kept): Promise<boolean> {
  const since = sinceOf(at, wait)
  if (since !== undefined) return sentAt >= since
  const [row] = await at.store.runs(at.workspace, { ids: [id], limit: 1 })
  // A bundle may have left its run behind, as one whose journal was pruned.
  return row === undefined ? sentAt >= at.createdAt : isSince(at, { order: row.order, sentAt })
}

/** What is begun at once may be recorded in either order: an event this soon behind a start is not lost to that. */
const AT_ONCE_MS = 1000
/** So many entries others may record meanwhile. */
const AT_ONCE_ENTRIES = 1000

/** B2. */
export function isSince(
  began: { readonly order: number; readonly createdAt: number },
  sent: { readonly order: number; readonly sentAt: number },
): boolean {
  const behindMs = sent.sentAt - began.createdAt
  return sent.order > began.order || (behindMs >= 0 && behindMs < AT_ONCE_MS)
}

/** The instant that a wait was given. An earlier version said there when its run began, where none was. */
export function sinceOf({ createdAt }: Pick<Hearer, 'createdAt'>, { since }: Wait): number | undefined {
  return since === createdAt ? undefined : since
}

/** Pages of what was recorded behind the run's first entry, the oldest first, and a little more. */
async function* sinceStart(at: Hearer, value: string): AsyncGenerator<Kept[]> {
  yield* byInstant(at, value, at.createdAt)
  const [began] = await at.store.entries(at.workspace, streamOf(at.run, 0), 0, 1)
  const from = (began?.position ?? 0) - AT_ONCE_ENTRIES
  for await (const rows of pages(at, value, { from })) {
    const own = rows.filter(({ sort }) => !standsByInstant(sort))
    yield keptIn(own)
    if (own.length < rows.length) return
  }
}

/** Events of an earlier version, which stand behind all others, by their instants: they are the older ones. */
async function* byInstant(at: Hearer, value: string, since: number): AsyncGenerator<Kept[]> {
  for await (const rows of pages(at, value, { from: Math.max(since, POSITIONS_END) })) yield keptIn(rows)
}

/** How far the clock may have gone back for an event to be looked for among those that were sent later. */
const BACK_MS = 86_400_000

/** What was sent from an instant on, in one page: the newest is read first, until all of a page is too old. */
async function* sinceInstant(at: Hearer, value: string, since: number): AsyncGenerator<Kept[]> {
  const found: Kept[] = []
  const newest = { order: 'descending', after: { sort: POSITIONS_END, id: '' } } as const
  for await (const rows of pages(at, value, newest)) {
    const kept = keptIn(rows)
    found.unshift(...kept.filter(({ sentAt }) => sentAt >= since))
    // One of which something was erased stands where it was erased, and tells nothing of when those before it were sent.
    if (kept.some(({ erased }) => erased === undefined) && kept.every(({ sentAt }) => sentAt < since - BACK_MS)) break
  }
  for await (const earlier of byInstant(at, value, since)) yield earlier
  yield inTurn(found)
}

async function* pages(
  { store, workspace }: Hearer,
  value: string,
  query: Pick<RecordQuery, 'from' | 'order' | 'after'>,
): AsyncGenerator<readonly RecordRow[]> {
  const page = { kind: 'event', where: { field: 'token', value }, limit: PAGE, ...query }
  for (let after = query.after; ;) {
    const rows = await store.records(workspace, { ...page, ...(after === undefined ? {} : { after }) })
    yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}

function keptIn(rows: readonly RecordRow[]): Kept[] {
  return inTurn(rows.map(({ sort, data }) => ({ sort, sentAt: sort, ...(JSON.parse(data) as Heard) })))
}

/** What was imported together stands at one place, and one of which something was erased at that of its erasure: instants tell there. */
function inTurn(all: readonly Kept[]): Kept[] {
  const [kept, erased] = [all.filter((one) => one.erased === undefined), all.filter((one) => one.erased !== undefined)]
  kept.sort((a, b) => a.sort - b.sort || a.sentAt - b.sentAt)
  for (const one of erased.sort((a, b) => a.sentAt - b.sentAt)) {
    const later = kept.findIndex(({ sentAt }) => sentAt > one.sentAt)
    kept.splice(later < 0 ? kept.length : later, 0, one)
  }
  return kept
}

/** What an event makes of a wait. */
export function answerOf(wait: Wait, heard: Heard): EntryData['wait.completed'] {
  const { id: event, payload: ok } = heard
  const labels = joinLabels(wait.labels, heard.labels)
  const of = isUnlabelled(labels) ? {} : { labels }
  return { ok, event, ...shapeOf(heard), ...of, puts: waitGone(wait) }
}

/** Removes the record under which events find a wait. */
export function waitGone(wait: Wait): Put[] {
  return (wait.puts ?? []).map((put) => ({ kind: put.kind, id: put.id, version: put.version + 1, data: null }))
}
