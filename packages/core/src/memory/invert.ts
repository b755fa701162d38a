/**
 * Invert: a change set taken back: what it added goes, what it ended stands again, what it amended is as before.
 *
 * I1. What somebody else has built on since is left alone and named.
 * I2. What was left alone because of a later set stands again when that one is taken back, too: in whatever order.
 * I3. What has ended otherwise, too, is said to stand again by whatever undoes its last end.
 */
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Bench } from './bench.ts'
import { CHANGE_SET_RECORD, type Change, type ChangeSetRecord, type EntityWritten } from './change-set.ts'
import type { Writing } from './input.ts'
import { amended, endOf, isLive, mayHold, undone, type MemoryRecord } from './unit.ts'

/** What could not be taken back, and why. */
export interface Blocked {
  readonly id: string
  readonly why: string
}

export interface Inverted {
  readonly changes: Change[]
  readonly blocked: Blocked[]
  /** Without the end that the set had made, and still ended (I3). */
  readonly still: string[]
}

/** Takes the changes of memories in a set back, the last one first, on the bench. */
export async function invert(
  bench: Bench,
  set: ChangeSetRecord,
  { now, set: by }: Pick<Writing, 'now' | 'set'>,
): Promise<Inverted> {
  const made: Inverted = { changes: [], blocked: [], still: [] }
  const { blocked } = made
  const own = set.changes.filter((change) => change.did !== 'written')
  await bench.load(own.map(({ id }) => id))
  for (const change of own.toReversed()) {
    const record = bench.memory(change.id)
    if (record === undefined || record.erased !== undefined) {
      blocked.push({ id: change.id, why: 'it was erased' })
      continue
    }
    const why = invertOne(bench, change, record, set.id, { now, by }, made)
    if (why !== undefined) blocked.push({ id: change.id, why })
    else if (change.did === 'ended') await behind(bench, change.id, now, made)
  }
  return made
}

/** What a memory that was taken back had ended, and that stayed so because of what has been taken back only now. */
async function behind(bench: Bench, id: string, now: number, made: Inverted): Promise<void> {
  const gone = bench.memory(id)!
  if (endOf(gone)?.how !== 'reverted') return
  const [row] = await bench.rows(CHANGE_SET_RECORD, [gone.set])
  const { changes } = JSON.parse(row?.data ?? '{"changes":[]}') as Pick<ChangeSetRecord, 'changes'>
  const ids = changes.filter(({ did }) => did === 'ended').map((change) => change.id)
  await bench.load(ids)
  for (const one of ids) {
    const record = bench.memory(one)
    if (record === undefined || record.erased !== undefined) continue
    const own = record.ends.findLast((end) => end.by === id && end.undoneAt === undefined)
    const why = own === undefined ? undefined : opened(bench, record, own.set, now, made)
    if (why !== undefined) made.blocked.push({ id: one, why })
    if (why === undefined) await behind(bench, one, now, made)
  }
}

/** Without the end that a set made. Answers why it stays. */
function opened(
  bench: Bench,
  record: MemoryRecord,
  set: string,
  now: number,
  { changes, still }: Inverted,
): string | undefined {
  const other = bench.standsFor(record)
  const meets = other !== undefined && (record.to ?? Infinity) > other.from
  if (meets && isLive(undone(record, set, now))) return `${other.id} has taken its place`
  bench.reopen(record, set, now)
  if (mayHold(bench.memory(record.id)!)) changes.push({ did: 'reopened', id: record.id })
  else still.push(record.id)
  return undefined
}

function invertOne(
  bench: Bench,
  change: Exclude<Change, EntityWritten>,
  record: MemoryRecord,
  set: string,
  { now, by }: { now: number; by: string },
  made: Inverted,
): string | undefined {
  const { changes } = made
  switch (change.did) {
    case 'added':
      bench.end(record, { how: 'reverted', at: now, set: by })
      changes.push({ did: 'ended', id: record.id })
      return undefined
    case 'ended': {
      if (!record.ends.some((one) => one.set === set && one.undoneAt === undefined)) return 'it was opened again since'
      return opened(bench, record, set, now, made)
    }
    case 'reopened': {
      const last = record.ends.findLast((one) => one.undoneAt !== undefined)
      if (last === undefined || !isLive(record)) return 'it has ended since'
      const { undoneAt: _, ...again } = last
      bench.end(record, { ...again, at: now, set: by })
      changes.push({ did: 'ended', id: record.id })
      return undefined
    }
    case 'amended':
      return amendedBack(bench, change, record, now, changes)
    default:
      return change satisfies never
  }
}

/** Fields go back to what they were, but for those that have been changed again. */
function amendedBack(
  bench: Bench,
  change: Extract<Change, { did: 'amended' }>,
  record: MemoryRecord,
  now: number,
  changes: Change[],
): string | undefined {
  const held = (field: string): Json => (record as unknown as Record<string, Json>)[field] ?? null
  const isAsMade = (field: string): boolean =>
    change.after === undefined || canonical(held(field)) === canonical(change.after[field] ?? null)
  const made = Object.keys(change.before).filter(
    (field) => canonical(change.before[field]!) !== canonical(change.after?.[field] ?? null),
  )
  const fields = made.filter(isAsMade)
  const later = made.filter((field) => !isAsMade(field))
  if (fields.length > 0) {
    const after = Object.fromEntries(fields.map((field) => [field, change.before[field]!]))
    const next = Object.fromEntries(fields.map((field) => [field, change.before[field] ?? undefined]))
    const back = amended(record, next, now)
    bench.amend(back)
    changes.push({ did: 'amended', id: record.id, before: back.amends!.at(-1)!.before, after })
  }
  return later.length === 0 ? undefined : `${later.join(', ')} was changed since`
}
