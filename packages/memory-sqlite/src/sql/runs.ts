/** Runs: a run's row and how it changes; every change rewrites the row with its checksum. */
import type { Instant, NewRun, Next, RunRow } from '@keelson/core/ports'
import { sealOf } from './checksum.ts'
import { changed, keepRun, runName, workspaceName, type Context } from './context.ts'
import { unreadMail } from './mail.ts'
import { RUN_COLUMNS } from './queries.ts'
import { all, first, run, type Work } from './statement.ts'
import type { RunsTable } from './tables.ts'

const sealed = sealOf<RunsTable>(
  'runs',
  RUN_COLUMNS.filter((column) => column !== 'crc'),
  (row) => row.id,
)

export const openRun = sealed.open
export const troubleOf = sealed.trouble

export function* findRun(context: Context, workspace: number, id: string): Work<RunsTable | undefined> {
  const known = context.runs.get(runName(workspace, id))
  if (known !== undefined) return known // as it was sealed here
  const row = yield* first(context.q.run, { workspace, id })
  return row === undefined ? undefined : openRun(row)
}

/** The same of a row that may not be what was written. */
export function* seenRun(context: Context, workspace: number, id: string): Work<RunsTable | undefined> {
  return context.runs.get(runName(workspace, id)) ?? (yield* first(context.q.run, { workspace, id }))
}

/** Writes a run's row, which was `before`, and remembers whom to tell. Answers it as it is stored. */
export function* saveRun(context: Context, row: RunsTable, before: RunsTable): Work<RunsTable> {
  const { setLease, setState, setCode } = context.q
  const stored = sealed.seal(row)
  yield* run(!sameCode(row, before) ? setCode : !sameState(row, before) ? setState : setLease, stored)
  keepRun(context, stored)
  if (row.worker === null) {
    const workspace = yield* workspaceName(context, row.workspace)
    changed(context, workspace, row.id, row.state === 'settled' ? toRunRow(workspace, row) : undefined)
  }
  return stored
}

function sameCode(a: RunsTable, b: RunsTable): boolean {
  return a.stream === b.stream && a.playbook === b.playbook && a.version === b.version
}

function sameState(a: RunsTable, b: RunsTable): boolean {
  return (
    a.state === b.state &&
    a.due_at === b.due_at &&
    a.status === b.status &&
    a.place === b.place &&
    a.settled_at === b.settled_at
  )
}

/** The row of a run that has made progress: nothing counts against it any more. */
export function progressed(row: RunsTable): RunsTable {
  return sealed.seal({ ...row, deaths: 0, claims: 0 })
}

export function* startRun(
  context: Context,
  workspace: number,
  start: NewRun,
  { now, restoring }: { now: Instant; restoring: boolean },
): Work<void> {
  const before = restoring ? yield* findRun(context, workspace, start.id) : undefined
  if (before !== undefined) {
    yield* run(context.q.removeMailOfRun, { workspace, run: start.id })
    yield* run(context.q.removeRun, { workspace, id: start.id })
    context.runs.delete(runName(workspace, start.id))
  }
  const num = before?.num ?? (yield* nextNumber(context, workspace))
  const { id, stream, playbook, version, lane, root } = start
  const row: Omit<RunsTable, 'crc'> = {
    ...dueFrom(start.dueAt, now),
    ...{
      workspace,
      id,
      stream,
      playbook,
      version,
      status: '',
      lane,
      root,
      lane_running: start.laneWhileRunning ? 1 : 0,
    },
    ...{ epoch: 0, worker: null, deaths: 0, claims: 0, created_at: start.createdAt, num, mails: 0, shown: 0 },
    place: lane === null ? num : yield* placeInLane(context, { workspace, lane, root, num }),
  }
  const stored = sealed.seal(start.settled === undefined ? row : { ...row, ...endOf(start.settled) })
  yield* run(context.q.addRun, stored)
  keepRun(context, stored)
  changed(context, yield* workspaceName(context, workspace), row.id)
}

/** Asked for once in a transaction: nobody else starts runs meanwhile. */
function* nextNumber(context: Context, workspace: number): Work<number> {
  const last = context.lastRuns.get(workspace) ?? (yield* first(context.q.lastRun, { workspace }))?.num ?? 0
  context.lastRuns.set(workspace, last + 1)
  return last + 1
}

/** A run that is restored may have ended already. */
function endOf({ status, at }: NewRun['settled'] & {}): Partial<RunsTable> {
  return { state: 'settled', due_at: null, status, settled_at: at }
}

/**
 * Behind all that are open in the lane, or with its own family: a child never queues behind whoever waits for its parent.
 * Asked before the run itself is open.
 */
export function* placeInLane(
  context: Context,
  { workspace, lane, root, num }: Pick<RunsTable, 'workspace' | 'lane' | 'root' | 'num'>,
): Work<number> {
  if (lane === null) return num
  const open = yield* all(context.q.runsOfLane, { workspace, lane })
  const family = open.filter((row) => row.root === root).map((row) => row.place)
  if (family.length > 0) return Math.min(...family)
  return Math.max(num, ...open.map((row) => row.place + 1))
}

/** Due since `at`; parked until then when that is still to come. */
export function dueFrom(at: Instant, now: Instant): Pick<RunsTable, 'state' | 'due_at' | 'settled_at'> {
  return { state: at > now ? 'parked' : 'due', due_at: at, settled_at: null }
}

/** The row after its pass: nobody holds it any more. */
export function* moved(context: Context, row: RunsTable, next: Next, now: Instant): Work<RunsTable> {
  const free = { ...row, worker: null }
  if (next.to === 'continued') {
    const { stream, playbook, version } = next
    return { ...free, stream, playbook, version, ...dueFrom(next.at, now) }
  }
  const told = { ...free, status: next.status }
  if (next.to === 'due') {
    const claims = Math.max(0, row.claims - 1)
    return { ...told, claims, version: next.version ?? row.version, ...dueFrom(next.at, now) }
  }
  if (next.to === 'settled') return { ...told, state: 'settled', due_at: null, settled_at: next.at }
  // S4: mail that the pass has not seen leaves the run due. A pass that holds has seen what its claim brought.
  const seen = next.to === 'parked' ? next.seenMail : row.shown
  const unseen = row.mails > seen ? (yield* unreadMail(context, row.workspace, row.id, seen))[0] : undefined
  if (unseen !== undefined) return { ...told, ...dueFrom(unseen.at, unseen.at) }
  return { ...told, state: next.to, due_at: next.to === 'parked' ? next.wakeAt : null }
}

export function toRunRow(workspace: string, row: RunsTable): RunRow {
  const { id, stream, playbook, version, status, lane, root, epoch, worker, deaths, claims } = row
  const state = row.state as RunRow['state']
  return {
    ...{ workspace, id, stream, playbook, version, state, status, lane, root, epoch, worker, deaths, claims },
    wakeAt: state === 'parked' ? row.due_at : null,
    laneWhileRunning: row.lane_running === 1,
    createdAt: row.created_at,
    settledAt: row.settled_at,
    order: row.num,
  }
}

/** As `toRunRow`, of a row that may not be what was written: then it is held by nobody and says what is wrong. */
export function shownRow({ runs }: Context, workspace: string, row: RunsTable): RunRow {
  const isOurs = runs.get(runName(row.workspace, row.id)) === row
  const corrupt = isOurs ? undefined : troubleOf(row)
  const shown = toRunRow(workspace, row)
  return corrupt === undefined ? shown : { ...shown, state: 'held', worker: null, wakeAt: null, corrupt }
}
