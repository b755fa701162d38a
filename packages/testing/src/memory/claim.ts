/** Claim of the store in memory: which runs are due, and whose turn it is. */
import type { Instant, RunRow, ClaimAnswer, ClaimQuery, Claimed } from '@keelson/core/ports'
import { ofLane, type Data, type Run, type Space } from './data.ts'
import { entriesOf } from './read.ts'

export function claim(data: Data, query: ClaimQuery): ClaimAnswer {
  if (!data.alive.has(query.worker)) return { claimed: [], nextAt: null }
  const spaces = [...data.spaces.values()].filter(({ name }) => query.workspaces?.includes(name) ?? true)
  const { claimed, suspects } = query.only === undefined ? take(data, spaces, query) : takeOne(spaces, query)
  const wakes = spaces.flatMap((space) => executable(space, query)).flatMap(({ row }) => row.wakeAt ?? [])
  const nextAt = wakes.filter((at) => at > query.now).reduce((a, b) => Math.min(a, b), Infinity)
  return { claimed, nextAt: nextAt === Infinity ? null : nextAt, ...(suspects ? { suspects } : {}) }
}

function executable(space: Space, { can }: ClaimQuery): Run[] {
  return [...space.runs.values()].filter(
    ({ row }) => row.worker === null && row.state !== 'settled' && can.includes(`${row.playbook}@${row.version}`),
  )
}

/** Oldest first: by the instant since when they are due, then in the order of starting. */
function dueRuns(space: Space, query: ClaimQuery): Run[] {
  const due = executable(space, query).filter(({ row }) => isDue(row, query.now))
  return due.sort((a, b) => a.dueAt - b.dueAt || a.row.order - b.row.order)
}

function isDue({ state, wakeAt }: RunRow, now: Instant): boolean {
  return state === 'due' || (state === 'parked' && wakeAt !== null && wakeAt <= now)
}

type Taken = { claimed: Claimed[]; suspects: boolean }

/** The one run that is asked for. */
function takeOne(spaces: readonly Space[], { only, worker, now }: ClaimQuery): Taken {
  const space = spaces[0]
  const run = space?.runs.get(only!)
  const free = run !== undefined && run.row.worker === null && isDue(run.row, now)
  return { claimed: free ? [grab(space!, run, worker)] : [], suspects: false }
}

/** One run from each workspace in turn, beginning with the one that was served longest ago. */
function take(data: Data, spaces: readonly Space[], query: ClaimQuery): Taken {
  const claimed: Claimed[] = []
  let suspects = false
  const suspect = ({ row }: Run): boolean => row.deaths >= query.suspectAfter
  const ripe = spaces.map((space) => ({ space, due: dueRuns(space, query) })).filter(({ due }) => due.length > 0)
  ripe.sort((a, b) => a.space.served - b.space.served || a.due[0]!.dueAt - b.due[0]!.dueAt)
  for (let turn = 0; ripe.some(({ due }) => due.length > 0); turn++) {
    const { space, due } = ripe[turn % ripe.length]!
    // What is passed over stays so for this answer: a lane or a suspect only gets more blocked by what is taken.
    for (let run = due.shift(); run !== undefined; run = due.shift()) {
      if (claimed.length >= query.limit) return { claimed, suspects }
      if (laneTaken(space, run)) continue
      if (suspect(run) && (!query.alone || claimed.length > 0)) {
        suspects = true
        continue
      }
      if (isFull(run, claimed, query)) return { claimed, suspects }
      space.served = ++data.served
      claimed.push(grab(space, run, query.worker))
      if (suspect(run)) return { claimed, suspects: false }
      break
    }
  }
  return { claimed, suspects }
}

/** One more of its playbook would be too many. */
function isFull({ row }: Run, claimed: readonly Claimed[], { atMost }: ClaimQuery): boolean {
  const most = atMost?.get(row.playbook)
  return most !== undefined && claimed.filter((one) => one.row.playbook === row.playbook).length >= most
}

/** Another family holds the run's lane, or stands before it in the queue. */
function laneTaken(space: Space, run: Run): boolean {
  const others = ofLane(space, run.row.lane).filter(({ row }) => row.root !== run.row.root)
  return others.some(({ row, place }) => row.worker !== null || (!row.laneWhileRunning && place < run.place))
}

function grab(space: Space, run: Run, worker: string): Claimed {
  const { epoch, claims } = run.row
  run.row = Object.freeze({ ...run.row, state: 'due', wakeAt: null, worker, epoch: epoch + 1, claims: claims + 1 })
  run.shown = run.mail.at(-1)?.row ?? run.shown
  const lease = { workspace: space.name, run: run.row.id, worker, epoch: epoch + 1 }
  return { lease, row: run.row, entries: entriesOf(space, run.row.stream), mail: [...run.mail] }
}
