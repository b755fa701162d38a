/**
 * Unit: one atomic write, judged whole before anything of it is written.
 *
 * U1. Every precondition is read before the first row is written, so a unit that conflicts leaves no trace (S1, S2).
 * U2. A unit under a lease reads the run's row in its own transaction and compares worker and epoch (S3).
 */
import type { Answer, Conflict, Entry, Instant, Lease, NewRun, PassUnit, Unit } from '@keelson/core/ports'
import { findWorkspace, makeWorkspace, type Context } from './context.ts'
import { append, begin, hasEntry, headSeq, seenHead } from './entries.ts'
import { deliver } from './deliver.ts'
import { purge } from './purge.ts'
import { dropMail, readMail, wasDelivered } from './mail.ts'
import { hasBytes, putBytes } from './artifacts.ts'
import { judgeRecords, putRecords, type Judged as JudgedRecords } from './put-records.ts'
import { hasRecord, versionOf } from './records.ts'
import { dueFrom, findRun, moved, placeInLane, saveRun, startRun } from './runs.ts'
import type { Work } from './statement.ts'
import type { RunsTable } from './tables.ts'

type Refused = Extract<Answer, { status: 'done' }>['refused'][number]

/** A unit that belongs to no lease. */
export function* writeUnit(context: Context, workspace: string, unit: Unit, now: Instant): Work<Answer> {
  const known = yield* findWorkspace(context, workspace)
  const judged = yield* judge(context, known, unit)
  if (judged.conflicts.length > 0) return { status: 'conflict', rows: judged.conflicts }
  const parts = [unit.entries, unit.records, unit.artifacts, judged.starts]
  const founds = parts.some((part) => part !== undefined && part.length > 0)
  const space = known ?? (founds ? yield* makeWorkspace(context, workspace) : NO_WORKSPACE)
  return { status: 'done', refused: yield* apply(context, space, unit, judged, now) }
}

/** A unit under a lease. */
export function* commitUnit(context: Context, lease: Lease, unit: PassUnit, now: Instant): Work<Answer> {
  const space = yield* findWorkspace(context, lease.workspace)
  const row = space === undefined ? undefined : yield* findRun(context, space, lease.run)
  if (space === undefined || row === undefined || !holds(row, lease)) return { status: 'fenced' }
  const judged = yield* judge(context, space, unit, row.stream)
  if (judged.conflicts.length > 0) return { status: 'conflict', rows: judged.conflicts }
  const refused = yield* apply(context, space, unit, judged, now)
  yield* advance(context, lease, unit, row, now)
  return { status: 'done', refused }
}

export function holds(row: RunsTable, lease: Lease): boolean {
  return row.worker === lease.worker && row.epoch === lease.epoch
}

/** True when the store holds what the unit says: asked after a commit whose outcome is unknown. */
export function* landed(context: Context, workspace: string, unit: PassUnit, lease?: Lease): Work<boolean> {
  const space = yield* findWorkspace(context, workspace)
  if (space === undefined) return false
  const entry = [...(unit.entries ?? []), ...(unit.next?.to === 'continued' ? unit.next.entries : [])].at(-1)
  if (entry !== undefined) return yield* hasEntry(context, space, entry)
  const record = unit.records?.at(-1)
  if (record !== undefined) return yield* hasRecord(context, space, record)
  const start = unit.starts?.at(-1)
  if (start !== undefined) return (yield* findRun(context, space, start.id))?.stream === start.stream
  const delivery = unit.deliveries?.at(-1)
  if (delivery !== undefined) return yield* wasDelivered(context, space, delivery)
  const bytes = unit.artifacts?.at(-1)
  if (bytes !== undefined) return yield* hasBytes(context, space, bytes)
  if (lease === undefined || unit.next === undefined) return false
  const row = yield* findRun(context, space, lease.run)
  return row?.epoch === lease.epoch && row.worker === null
}

interface Judged {
  readonly conflicts: readonly Conflict[]
  /** Starts whose run does not exist yet. */
  readonly starts: readonly NewRun[]
  readonly refused: readonly Refused[]
  /** The records that it writes, as they are before. */
  readonly records: JudgedRecords
}

/** `own`: the stream of the run under whose lease the unit is written. */
function* judge(context: Context, workspace: number | undefined, unit: PassUnit, own?: string): Work<Judged> {
  const space = workspace ?? NO_WORKSPACE
  const rows = new Map<string, Conflict>()
  const conflict = (row: Conflict): unknown => rows.set(JSON.stringify(row), row)
  const starts: NewRun[] = []
  const refused: Refused[] = []
  for (const start of unit.starts ?? []) {
    const row = yield* findRun(context, space, start.id)
    const replaces = unit.restoring === true && row?.worker === null
    if (starts.some(({ id }) => id === start.id) || (row !== undefined && !replaces))
      refused.push({ start: start.id, why: 'exists' })
    else starts.push(start)
  }
  for (const expect of unit.expect ?? []) {
    if ('seq' in expect) {
      const seq = yield* headSeq(context, space, expect.stream)
      if (seq !== expect.seq) conflict({ stream: expect.stream, seq })
    } else {
      const version = yield* versionOf(context, space, expect.record, expect.id)
      if (version !== expect.version) conflict({ record: expect.record, id: expect.id, version })
    }
  }
  const records = yield* judgeRecords(context, space, unit, conflict)
  yield* judgeEntries(context, space, { entries: entriesOf(unit, starts), own }, conflict)
  for (const { run } of unit.touch ?? []) {
    const row = yield* findRun(context, space, run)
    if (row === undefined || row.worker !== null) conflict({ run })
  }
  for (const run of unit.purge?.runs ?? []) {
    const row = yield* findRun(context, space, run)
    if (row !== undefined && row.state !== 'settled') conflict({ run })
  }
  return { conflicts: [...rows.values()], starts, refused, records }
}

/** Workspaces are numbered from 1. */
const NO_WORKSPACE = 0

function* judgeEntries(
  context: Context,
  space: number,
  { entries, own }: { entries: readonly Entry[]; own: string | undefined },
  conflict: (row: Conflict) => unknown,
): Work<void> {
  const heads = new Map<string, { stored: number; next: number }>()
  for (const { stream, seq } of entries) {
    let head = heads.get(stream)
    if (head === undefined) {
      // The stream of a leased run has one writer: where it was seen to end is where it ends.
      const seen = stream === own ? yield* seenHead(context, space, stream) : undefined
      const stored = seen === seq - 1 ? seen : yield* headSeq(context, space, stream)
      head = { stored, next: stored + 1 }
      heads.set(stream, head)
    }
    if (seq !== head.next) conflict({ stream, seq: head.stored })
    head.next = seq + 1
  }
}

function entriesOf(unit: PassUnit, starts: readonly NewRun[]): readonly Entry[] {
  const own = unit.entries ?? []
  if (starts.length === 0 && unit.next?.to !== 'continued') return own
  const continued = unit.next?.to === 'continued' ? unit.next.entries : []
  return [...own, ...starts.flatMap((start) => start.entries), ...continued]
}

function* apply(context: Context, space: number, unit: Unit, judged: Judged, now: Instant): Work<Refused[]> {
  const refused = [...judged.refused]
  if (unit.purge !== undefined) yield* purge(context, space, unit.purge)
  yield* append(context, space, unit.entries ?? [])
  const known = unit.purge === undefined ? judged.records : undefined
  yield* putRecords(context, space, unit.records ?? [], known)
  for (const bytes of unit.artifacts ?? []) yield* putBytes(context, space, bytes)
  for (const start of judged.starts) {
    yield* startRun(context, space, start, { now, restoring: unit.restoring === true })
    yield* begin(context, space, start)
  }
  for (const { run, state, version } of unit.touch ?? []) {
    const row = (yield* findRun(context, space, run))!
    const reopened = state === 'due' && row.state === 'settled'
    const place = reopened ? yield* placeInLane(context, row) : row.place
    const due = state === 'due' ? dueFrom(now, now) : {}
    yield* saveRun(context, { ...row, version: version ?? row.version, place, ...due }, row)
  }
  for (const delivery of unit.deliveries ?? []) {
    const why = yield* deliver(context, space, delivery)
    if (why !== undefined) refused.push({ delivery: delivery.onceKey, why })
  }
  return refused
}

/** The part of a pass's unit that concerns its own run, whose row it only writes when that changes. */
function* advance(context: Context, lease: Lease, unit: PassUnit, before: RunsTable, now: Instant): Work<void> {
  const { consumed, next } = unit
  const space = before.workspace
  if (consumed !== undefined) yield* readMail(context, space, lease.run, new Set(consumed))
  // Read again where the unit itself may have delivered to its own run.
  const mayHaveMail = (unit.deliveries?.length ?? 0) > 0
  const row = mayHaveMail ? (yield* findRun(context, space, lease.run))! : before
  const taken = unit.again === true ? 0 : (unit.entries?.length ?? 0) + (consumed?.length ?? 0)
  const progress = taken > 0 || next?.to === 'continued'
  const counted = progress && (row.deaths > 0 || row.claims > 0) ? { ...row, deaths: 0, claims: 0 } : row
  if (next === undefined) {
    if (counted !== row) yield* saveRun(context, counted, row)
    return
  }
  if (next.to === 'continued') yield* append(context, space, next.entries)
  if (next.to === 'settled' && row.mails > 0) yield* dropMail(context, space, lease.run)
  yield* saveRun(context, yield* moved(context, counted, next, now), row)
}
