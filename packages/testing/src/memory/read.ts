/** Reads of the store in memory: runs and records by page, streams and the tail. */
import type { Placed, RecordQuery, RecordRow, RunQuery, RunRow } from '@keelson/core/ports'
import { byCodePoint, type Space } from './data.ts'

export function findRuns(space: Space, { ids, state, playbook, after, order, limit }: RunQuery): RunRow[] {
  const rows = named(space.runs, ids).map((run) => run.row)
  if (ids !== undefined) rows.sort((a, b) => a.order - b.order)
  const ordered = order === 'descending' ? rows.reverse() : rows
  return ordered
    .filter((row) => (state === 'open' ? row.state !== 'settled' : row.state === (state ?? row.state)))
    .filter((row) => row.playbook === (playbook ?? row.playbook))
    .filter((row) => after === undefined || (order === 'descending' ? row.order < after : row.order > after))
    .slice(0, limit)
}

export function findRecords(space: Space, { kind, ids, where, after, from, order, limit }: RecordQuery): RecordRow[] {
  const sign = order === 'descending' ? -1 : 1
  const compare = (a: { sort: number; id: string }, b: { sort: number; id: string }): number =>
    sign * ((where === undefined ? 0 : a.sort - b.sort) || byCodePoint(a.id, b.id))
  return named(space.records.get(kind) ?? new Map<string, RecordRow>(), ids)
    .filter(({ index }) => !where || (Object.hasOwn(index, where.field) && index[where.field] === where.value))
    .filter((row) => from === undefined || row.sort >= from)
    .filter((row) => after === undefined || compare(row, after) > 0)
    .sort(compare)
    .slice(0, limit)
}

/** Those of these ids, or all. */
function named<T>(all: ReadonlyMap<string, T>, ids: readonly string[] | undefined): T[] {
  return ids === undefined ? [...all.values()] : [...new Set(ids)].flatMap((id) => all.get(id) ?? [])
}

export function readOn(space: Space, after: number, limit: number): Placed[] {
  const found: Placed[] = []
  for (let at = after; at < space.log.length && found.length < limit; at++) {
    const entry = space.log[at]
    if (entry !== undefined) found.push(entry)
  }
  return found
}

export function entriesOf(space: Space, stream: string): Placed[] {
  return (space.streams.get(stream) ?? []).map((position) => space.log[position - 1]!)
}
