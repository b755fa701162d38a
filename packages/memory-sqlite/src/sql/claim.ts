/**
 * Claim: takes due runs, oldest first and fair between workspaces, one family per lane, suspects alone.
 *
 * L1. A run's turn is the instant since when it is due, then its number.
 * L2. Workspaces take turns, beginning with the one that was served longest ago.
 * L3. A lane is taken while another family runs in it, or stands before this one and keeps its place while waiting.
 * L4. A row that is not what was written is set aside, and told; the others go on. Its lane is taken: nobody knows by whom.
 */
import { KeelsonError, type ClaimAnswer, type ClaimQuery, type Claimed } from '@keelson/core/ports'
import { findWorkspace, runName, workspaceName, type Context } from './context.ts'
import { readEntries } from './entries.ts'
import { kysely } from './kysely.ts'
import { unreadMail } from './mail.ts'
import { findRun, saveRun, toRunRow, troubleOf } from './runs.ts'
import { all, first, run, statement, type Work } from './statement.ts'
import type { RunsTable, Sql } from './tables.ts'

/** Which workspace was served when, by this session. */
export interface Turns {
  count: number
  readonly served: Map<number, number>
  /** By what a worker can execute. */
  readonly asked: Map<string, Asked>
}

interface Ripe {
  readonly workspace: number
  readonly dueAt: number
  /** Due runs that were read and not yet looked at. */
  readonly page: RunsTable[]
  /** The last run that was read; undefined: none yet. */
  last: RunsTable | undefined
  done: boolean
}

export function* claimRuns(context: Context, db: Sql, turns: Turns, query: ClaimQuery): Work<ClaimAnswer> {
  if ((yield* first(context.q.worker, { name: query.worker })) === undefined) return { claimed: [], nextAt: null }
  if (query.can.length === 0) return { claimed: [], nextAt: null }
  const name = query.can.join('\n')
  const asked = turns.asked.get(name) ?? compile(db, query.can)
  turns.asked.set(name, asked)
  const spaces = yield* spacesWithWork(context, query)
  const found: Found = { rows: [], suspects: false, corrupt: [] }
  if (query.only !== undefined) yield* takeOnly(context, spaces[0], query, found)
  else yield* take(context, asked, turns, query, yield* ripeOf(context, spaces, query, turns), found)
  const claimed: Claimed[] = []
  for (const row of found.rows) claimed.push(yield* grab(context, row, query.worker))
  const corrupt: Corrupt[] = []
  for (const { row, why } of found.corrupt)
    corrupt.push({ workspace: yield* workspaceName(context, row.workspace), run: row.id, why })
  return {
    claimed,
    nextAt: yield* nextAt(asked, spaces, query.now),
    ...(found.suspects ? { suspects: true } : {}),
    ...(corrupt.length > 0 ? { corrupt } : {}),
  }
}

type Corrupt = NonNullable<ClaimAnswer['corrupt']>[number]

/** What one claim takes, and what it passes over. */
interface Found {
  rows: RunsTable[]
  suspects: boolean
  readonly corrupt: { row: RunsTable; why: string }[]
}

/** The one run that is asked for. */
function* takeOnly(context: Context, workspace: number | undefined, query: ClaimQuery, found: Found): Work<void> {
  const row = workspace === undefined ? undefined : yield* findRun(context, workspace, query.only!)
  if (row === undefined || row.worker !== null || row.due_at === null || row.due_at > query.now) return
  found.rows.push(row)
}

/** Workspaces with runs that time makes due: one seek each. */
function* spacesWithWork(context: Context, { workspaces }: Pick<ClaimQuery, 'workspaces'>): Work<number[]> {
  const found: number[] = []
  if (workspaces !== undefined) {
    for (const name of workspaces) {
      const id = yield* findWorkspace(context, name)
      if (id !== undefined) found.push(id)
    }
    return [...new Set(found)]
  }
  for (let after = 0; ;) {
    const next = (yield* first(context.q.nextWorkspace, { after }))?.workspace
    if (next === undefined || next === null) return found
    found.push(next)
    after = next
  }
}

function* ripeOf(context: Context, spaces: readonly number[], query: ClaimQuery, turns: Turns): Work<Ripe[]> {
  const ripe: Ripe[] = []
  for (const workspace of spaces) {
    const dueAt = (yield* first(context.q.oldestDue, { workspace, now: query.now }))?.due_at ?? undefined
    if (dueAt !== undefined) ripe.push({ workspace, dueAt, page: [], last: undefined, done: false })
  }
  const served = ({ workspace }: Ripe): number => turns.served.get(workspace) ?? 0
  return ripe.sort((a, b) => served(a) - served(b) || a.dueAt - b.dueAt)
}

function* take(
  context: Context,
  asked: Asked,
  turns: Turns,
  query: ClaimQuery,
  ripe: Ripe[],
  found: Found,
): Work<void> {
  const taken = found.rows
  const suspect = (row: RunsTable): boolean => row.deaths >= query.suspectAfter
  for (let turn = 0; taken.length < query.limit && ripe.some((each) => !each.done); turn++) {
    const each = ripe[turn % ripe.length]!
    // What is passed over stays so for this answer: a lane or a suspect only gets more blocked by what is taken.
    for (let row = yield* nextOf(asked, each, query); row !== undefined; row = yield* nextOf(asked, each, query)) {
      if (yield* setAside(context, row, found)) continue
      if (yield* laneTaken(context, row, taken)) continue
      if (suspect(row) && (!query.alone || taken.length > 0)) {
        found.suspects = true
        continue
      }
      if (isFull(row, taken, query)) return
      turns.served.set(each.workspace, ++turns.count)
      taken.push(row)
      if (suspect(row)) {
        found.suspects = false
        return
      }
      break
    }
  }
}

/** One more of its playbook would be too many. */
function isFull({ playbook }: RunsTable, taken: readonly RunsTable[], { atMost }: ClaimQuery): boolean {
  const most = atMost?.get(playbook)
  return most !== undefined && taken.filter((one) => one.playbook === playbook).length >= most
}

/** L4. True when it was not believed. */
function* setAside(context: Context, row: RunsTable, found: Found): Work<boolean> {
  const why = troubleOf(row)
  if (why === undefined) return false
  yield* run(context.q.setAside, { workspace: row.workspace, id: row.id })
  context.runs.delete(runName(row.workspace, row.id))
  found.corrupt.push({ row, why })
  return true
}

function* nextOf(asked: Asked, ripe: Ripe, query: ClaimQuery): Work<RunsTable | undefined> {
  if (ripe.done) return undefined
  if (ripe.page.length === 0) {
    const { workspace, last } = ripe
    const [at, num] = last === undefined ? [Number.MIN_SAFE_INTEGER, 0] : [last.due_at!, last.num]
    const limit = Math.min(query.limit, PAGE)
    const rows = yield* all(asked.due, { workspace, now: query.now, at, num, limit })
    ripe.page.push(...rows)
    ripe.last = rows.at(-1)
  }
  const row = ripe.page.shift()
  ripe.done = row === undefined
  return row
}

const PAGE = 32

type Asked = ReturnType<typeof compile>

/** What a worker can execute hardly ever changes, so its statements are compiled once. */
function compile(db: Sql, can: readonly string[]) {
  const runs = db
    .selectFrom('runs')
    .where('worker', 'is', null)
    .where('due_at', 'is not', null)
    .where((e) => e.or(splitNames(can).map(([playbook, version]) => e.and({ playbook, version }))))
  return {
    due: statement((a: { workspace: number; now: number; at: number; num: number; limit: number }) =>
      runs
        .selectAll()
        .where('workspace', '=', a.workspace)
        .where('due_at', '<=', a.now)
        .where((e) => e(e.refTuple('due_at', 'num'), '>', e.tuple(a.at, a.num)))
        .orderBy('due_at')
        .orderBy('num')
        .limit(a.limit),
    ),
    next: statement((a: { workspace: number; now: number }) =>
      runs
        .select('due_at')
        .where('workspace', '=', a.workspace)
        .where('due_at', '>', a.now)
        .orderBy('due_at')
        .limit(kysely().sql.lit(1)),
    ),
  }
}

/** 'name@version' in its parts; names may hold an @. */
function splitNames(can: readonly string[]): [string, number][] {
  return can.map((each) => {
    const at = each.lastIndexOf('@')
    return [each.slice(0, at), Number(each.slice(at + 1))]
  })
}

function* laneTaken(context: Context, row: RunsTable, taken: readonly RunsTable[]): Work<boolean> {
  const { workspace, lane, root, place } = row
  if (lane === null) return false
  const open = yield* all(context.q.runsOfLane, { workspace, lane })
  const running = (other: RunsTable): boolean =>
    other.worker !== null ||
    troubleOf(other) !== undefined ||
    taken.some((each) => each.workspace === workspace && each.id === other.id)
  return open.some(
    (other) => other.root !== root && (running(other) || (other.lane_running === 0 && other.place < place)),
  )
}

/** When the first of the runs that may be claimed is due; null: none is, by time. */
export function* dueAt(context: Context, db: Sql, can: readonly string[]): Work<number | null> {
  if (can.length === 0) return null
  const spaces = yield* spacesWithWork(context, {})
  return yield* nextAt(compile(db, can), spaces, Number.MIN_SAFE_INTEGER)
}

function* grab(context: Context, row: RunsTable, worker: string): Work<Claimed> {
  const epoch = row.epoch + 1
  const held = { ...row, state: 'due', worker, epoch, claims: row.claims + 1, shown: row.mails }
  yield* saveRun(context, held, row)
  const workspace = yield* workspaceName(context, row.workspace)
  return {
    lease: { workspace, run: row.id, worker, epoch },
    row: toRunRow(workspace, held),
    ...(yield* journalOf(context, row)),
  }
}

/** What a pass begins with; or that it cannot be believed, which is for whoever claimed the run to deal with. */
function* journalOf(context: Context, row: RunsTable): Work<Pick<Claimed, 'entries' | 'mail' | 'corrupt'>> {
  try {
    return {
      entries: yield* readEntries(context, row.workspace, row.stream, 0, ALL),
      mail: row.mails > 0 ? yield* unreadMail(context, row.workspace, row.id, 0) : [],
    }
  } catch (error) {
    if (!KeelsonError.is(error, 'STORE_CORRUPT')) throw error
    return { entries: [], mail: [], corrupt: error.message }
  }
}

/** More entries than a run may have. */
const ALL = 2_147_483_647

function* nextAt(asked: Asked, spaces: readonly number[], now: number): Work<number | null> {
  let soonest: number | null = null
  for (const workspace of spaces) {
    const at = (yield* first(asked.next, { workspace, now }))?.due_at ?? null
    if (at !== null && (soonest === null || at < soonest)) soonest = at
  }
  return soonest
}
