/**
 * Invert: a change set taken back: what it added goes, what it ended stands again, what it amended is as before.
 *
 * I1. What somebody else has built on since is left alone and named.
 */
import type { Json } from '../base/value.ts'
import type { Bench } from './bench.ts'
import { reopen, type Change, type ChangeSetRecord, type EntityWritten } from './change-set.ts'
import type { Writing } from './input.ts'
import { isLive, without, type MemoryRecord } from './unit.ts'

/** What could not be taken back, and why. */
export interface Blocked {
  readonly id: string
  readonly why: string
}

/** Takes the changes of memories in a set back, the last one first, on the bench. */
export async function invert(
  bench: Bench,
  set: ChangeSetRecord,
  { now, set: by }: Pick<Writing, 'now' | 'set'>,
): Promise<{ changes: Change[]; blocked: Blocked[] }> {
  const changes: Change[] = []
  const blocked: Blocked[] = []
  const own = set.changes.filter((change) => change.did !== 'written')
  await bench.load(own.map(({ id }) => id))
  for (const change of own.toReversed()) {
    const record = bench.memory(change.id)
    if (record === undefined || record.erased !== undefined) {
      blocked.push({ id: change.id, why: 'it was erased' })
      continue
    }
    const why = invertOne(bench, change, record, set.id, { now, by }, changes)
    if (why !== undefined) blocked.push({ id: change.id, why })
  }
  return { changes, blocked }
}

function invertOne(
  bench: Bench,
  change: Exclude<Change, EntityWritten>,
  record: MemoryRecord,
  set: string,
  { now, by }: { now: number; by: string },
  changes: Change[],
): string | undefined {
  switch (change.did) {
    case 'added':
      bench.end(record, { how: 'reverted', at: now, set: by })
      changes.push({ did: 'ended', id: record.id })
      return undefined
    case 'ended': {
      if (!record.ends.some((one) => one.set === set && one.undoneAt === undefined)) return 'it was opened again since'
      const other = record.kind === 'event' ? undefined : bench.open(record)
      if (other !== undefined && other.id !== record.id && isLive(other)) return `${other.id} has taken its place`
      reopen(bench, record, set, now)
      changes.push({ did: 'reopened', id: record.id })
      return undefined
    }
    case 'reopened': {
      const last = record.ends.findLast((one) => one.undoneAt !== undefined)
      if (last === undefined || !isLive(record)) return 'it has ended since'
      const { undoneAt: _, ...again } = last
      bench.end(record, { ...again, at: now, set: by })
      changes.push({ did: 'ended', id: record.id })
      return undefined
    }
    case 'amended': {
      const before = Object.fromEntries(
        Object.entries(change.before).map(([field, value]) => [field, value ?? undefined]),
      )
      const now = Object.fromEntries(
        Object.keys(change.before).map((field) => [field, (record as unknown as Record<string, Json>)[field] ?? null]),
      )
      bench.set(without({ ...record, ...before }), isLive(record))
      changes.push({ did: 'amended', id: record.id, before: now })
      return undefined
    }
    default:
      return change satisfies never
  }
}
