/**
 * Claim: takes due runs, oldest first and fair between workspaces, one family per lane, suspects alone.
 *
 * L1. A run's turn is the instant since when it is due, then its number. One that is due stays so when the clock goes back.
 * L2. Workspaces take turns, beginning with the one that was served longest ago.
 * L3. A lane is taken while another family runs in it, or stands before this one and keeps its place while waiting.
 * L4. A row that is not what was written is set aside, and told; the others go on. Its lane is taken: nobody knows by whom.
 */
import { KeelsonError, young, type ClaimAnswer, type ClaimQuery, type Claimed } from '@keelson/core/ports'
import { findWorkspace, runName, workspaceName, type Context } from './context.ts'
import { firstEntries } from './entries.ts'
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
  /** Not yet read to their ends. */
  queues: Queue[]
}

/** Runs of one state, each in its turn. */
interface Queue {
  readonly state: 'due' | 'parked'
  /** Of what is due, all; of what is parked, what time has made due. */
  readonly until: number
  /** What was read and not yet looked at. */
  readonly page: RunsTable[]
  /** The last run that was read; undefined: none yet. */
  last: RunsTable | undefined
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
  if (row === undefined || row.worker !== null || row.due_at === null) return
  if (row.state === 'due' || row.due_at <= query.now) found.rows.push(row)
}

/** Workspaces with runs that are due, or that time makes due: one seek each. */
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
    const oldest = yield* first(context.q.oldestDue, { workspace, now: query.now })
    const [due, parked] = [oldest?.due ?? null, oldest?.parked ?? null]
    const queues: Queue[] = []
    if (due !== null) queues.push({ state: 'due', until: Number.MAX_SAFE_INTEGER, page: [], last: undefined })
    if (parked !== null) queues.push({ state: 'parked', until: query.now, page: [], last: undefined })
    if (queues.length > 0) ripe.push({ workspace, dueAt: Math.min(due ?? Infinity, parked ?? Infinity), queues })
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
  for (let turn = 0; taken.length < query.limit && ripe.some(({ queues }) => queues.length > 0); turn++) {
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

/** The one whose turn it is (L1). */
function* nextOf(asked: Asked, ripe: Ripe, query: ClaimQuery): Work<RunsTable | undefined> {
  for (const queue of ripe.queues) if (queue.page.length === 0) yield* readOn(asked, ripe.workspace, queue, query)
  ripe.queues = ripe.queues.filter(({ page }) => page.length > 0)
  const [one, other] = ripe.queues
  return (other === undefined || isBefore(one!.page[0]!, other.page[0]!) ? one : other)?.page.shift()
}

function isBefore(one: RunsTable, other: RunsTable): boolean {
  return one.due_at! < other.due_at! || (one.due_at === other.due_at && one.num < other.num)
}

function* readOn(asked: Asked, workspace: number, queue: Queue, query: ClaimQuery): Work<void> {
  const { state, until, last } = queue
  const [at, num] = last === undefined ? [Number.MIN_SAFE_INTEGER, 0] : [last.due_at!, last.num]
  const limit = Math.min(query.limit, PAGE)
  queue.page.push(...(yield* all(asked.ripe, { workspace, state, until, at, num, limit })))
  queue.last = queue.page.at(-1)
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
    ripe: statement((a: { workspace: number; state: string; until: number; at: number; num: number; limit: number }) =>
      runs
        .selectAll()
        .where('workspace', '=', a.workspace)
        .where('state', '=', a.state)
        .where('due_at', '<=', a.until)
        .where((e) => e(e.refTuple('due_at', 'num'), '>', e.tuple(a.at, a.num)))
        .orderBy('due_at')
        .orderBy('num')
        .limit(a.limit),
    ),
    next: statement((a: { workspace: number; state: string; after: number }) =>
      runs
        .select('due_at')
        .where('workspace', '=', a.workspace)
        .where('state', '=', a.state)
        .where('due_at', '>', a.after)
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

/** What may be claimed first, of what is due and of what time makes due; null: nothing. */
export interface Soonest {
  readonly due: number | null
  readonly parked: number | null
}

export function* soonest(context: Context, db: Sql, can: readonly string[]): Work<Soonest> {
  if (can.length === 0) return { due: null, parked: null }
  const spaces = yield* spacesWithWork(context, {})
  const asked = compile(db, can)
  const after = Number.MIN_SAFE_INTEGER
  return {
    due: yield* nextAt(asked, spaces, after, 'due'),
    parked: yield* nextAt(asked, spaces, after, 'parked'),
  }
}

function* grab(context: Context, row: RunsTable, worker: string): Work<Claimed> {
  const epoch = row.epoch + 1
  const held = { ...row, state: 'due', worker, epoch, claims: row.claims + 1, shown: row.mails }
  yield* saveRun(context, held, row)
  const workspace = yield* workspaceName(context, row.workspace)
  return {
    ...young,
    lease: { ...young, workspace, run: row.id, worker, epoch },
    row: toRunRow(workspace, held),
    ...(yield* journalOf(context, row)),
  }
}

/** What a pass begins with; or that it cannot be believed, which is for whoever claimed the run to deal with. */
function* journalOf(context: Context, row: RunsTable): Work<Pick<Claimed, 'entries' | 'mail' | 'corrupt'>> {
  try {
    return {
      entries: yield* firstEntries(context, row.workspace, row.stream),
      mail: row.mails > 0 ? yield* unreadMail(context, row.workspace, row.id, 0) : [],
    }
  } catch (error) {
    if (!KeelsonError.is(error, 'STORE_CORRUPT')) throw error
    return { entries: [], mail: [], corrupt: error.message }
  }
}

function* nextAt(asked: Asked, spaces: readonly number[], after: number, state = 'parked'): Work<number | null> {
  let next: number | null = null
  for (const workspace of spaces) {
    const at = (yield* first(asked.next, { workspace, state, after }))?.due_at ?? null
    if (at !== null && (next === null || at < next)) next = at
  }
  return next
}
