/**
 * Event buffer: events that were sent, as records under the tokens by which waits look for them.
 *
 * B1. What a run has had, in this journal or an earlier one, it does not get again.
 */
import { isUnlabelled, joinLabels, type Labels } from '../base/labels.ts'
import type { Json } from '../base/value.ts'
import type { History } from '../journal/fold.ts'
import type { EntryData } from '../journal/kinds.ts'
import type { Put } from '../journal/put.ts'
import type { MemoryStore } from '../journal/store.ts'
import { matches, shapeOf } from '../playbook/event.ts'
import { hadOf } from './had.ts'

/** An event as it was sent. Its id is that of the run that delivers it. */
export interface Heard {
  readonly id: string
  readonly event: string
  readonly payload: Json
  /** The version of the shape that the payload fits, if not 1. */
  readonly schema?: number
  /** What the run that emitted it had seen. */
  readonly labels?: Labels
}

type Wait = EntryData['wait.opened']

/** Once under each token by which a wait looks for it. */
export function eventPuts(heard: Heard, tokens: readonly string[], sentAt: number): Put[] {
  const data = { ...heard } as unknown as Json
  return tokens.map((token, i) => ({
    kind: 'event',
    id: `${heard.id}:${i}`,
    version: 1,
    data,
    index: { token },
    sort: sentAt,
  }))
}

const PAGE = 200

/** The oldest that answers a wait, sent before its deadline, that the run has not had; `taken`: what it is about to have. */
export async function firstHeard(
  at: { readonly store: MemoryStore; readonly workspace: string; readonly run: string },
  wait: Wait,
  history: History,
  taken: ReadonlySet<string> = new Set(),
): Promise<Heard | undefined> {
  const value = wait.puts?.[0]?.index?.['token']
  if (value === undefined) return undefined
  const where = { field: 'token', value }
  for (let after: { sort: number; id: string } | undefined; ;) {
    const page = { kind: 'event', where, from: wait.since, limit: PAGE }
    const rows = await at.store.records(at.workspace, { ...page, ...(after === undefined ? {} : { after }) })
    const fitting = rows
      .filter(({ sort }) => wait.until === undefined || sort <= wait.until)
      .map((row) => JSON.parse(row.data) as Heard)
      .filter(({ event, payload }) => event === wait.event && matches(wait.match as Record<string, unknown>, payload))
    const ids = fitting.map(({ id }) => id)
    const had = await hadOf(at, history, ids)
    const found = fitting.find(({ id }) => !had.has(id) && !taken.has(id))
    const last = rows.at(-1)
    if (found !== undefined || last === undefined || rows.length < PAGE) return found
    if (wait.until !== undefined && last.sort > wait.until) return undefined
    after = { sort: last.sort, id: last.id }
  }
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
