/** Status: where a run stands, for people: what it waits for, since when, and who can end it. */
import { KeelsonError, reviveError, type StoredError } from '../base/errors.ts'
import { fromStored } from '../base/schema.ts'
import { canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { RunRow } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import { itemsWhere } from './item.ts'
import { placeIn } from './located.ts'
import { iso, isToAdopt, type Status, type WaitInfo, type WaitKind } from './waiting.ts'
import { HOW_TO_ASK, inShadowText } from '../policy/trust.ts'
import { likenessOf, likenessText, lostOf } from './shadow/fidelity.ts'
import { allOf, type Would } from './shadow/would.ts'

export type RunStatus =
  | { readonly state: 'due' | 'running' | 'completed' | 'failed' | 'declined' | 'cancelled' }
  | { readonly state: 'waiting'; readonly for: readonly WaitInfo[] }

export async function rowOf(env: Environment, workspace: string, run: string): Promise<RunRow> {
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  if (row !== undefined) return row
  throw new KeelsonError('RUN_NOT_FOUND', `workspace ${workspace} has no run "${run}"`, {
    hint: 'runs.list() names those that there are.',
    data: { workspace, run },
  })
}

/** How far a status looks into the runs that its run has called: so many in all, and so deep. */
const CALLED_MAX = 100
const DEPTH_MAX = 8
/** So many open runs are looked through for the one that holds a lane. */
const LANE_LOOK_MAX = 2000

/** What statuses that are read together have looked at. */
export interface Looks {
  readonly shared: { called: number; open?: Promise<readonly RunRow[]> }
  readonly depth: number
}

export function newLooks(): Looks {
  return { shared: { called: 0 }, depth: 0 }
}

export async function statusOf(env: Environment, row: RunRow, looks: Looks = newLooks()): Promise<RunStatus> {
  if (row.corrupt !== undefined)
    return { state: 'waiting', for: [{ kind: 'operator', what: `STORE_CORRUPT: ${row.corrupt}` }] }
  const status = (row.status === '' ? { state: 'due' } : JSON.parse(row.status)) as Status
  if (row.worker !== null && row.state !== 'settled') return { state: 'running' }
  if (row.state === 'settled' && status.state !== 'waiting' && status.state !== 'due') return { state: status.state }
  if (row.state === 'due') return ofDue(env, row, looks)
  if (status.state !== 'waiting') return { state: 'due' }
  const found = await Promise.all(status.for.map((one) => through(env, row.workspace, one, looks)))
  const waits = found.flat()
  const ripe = row.wakeAt !== null && row.wakeAt <= env.clock.now()
  return ripe && env.catalog.get(row.playbook, row.version) === undefined
    ? ofRipe(env, row, looks, waits)
    : { state: 'waiting', for: waits }
}

/** One whose time has come, and whose code is not here: what is over is no wait any more, and what it lacks is one. */
async function ofRipe(env: Environment, row: RunRow, looks: Looks, waits: readonly WaitInfo[]): Promise<RunStatus> {
  const now = iso(env.clock.now())
  const left = waits.filter(({ kind, until }) => !TIMED.has(kind) || until === undefined || until > now)
  const due = await ofDue(env, row, looks)
  if (due.state === 'waiting') return { state: 'waiting', for: [...due.for, ...left] }
  return left.length === 0 ? due : { state: 'waiting', for: left }
}

/** What time alone ends. */
const TIMED: ReadonlySet<WaitKind> = new Set(['timer', 'retry', 'rate'])

/** One that could go on, but for its code, or for another run that is before it in its lane. */
async function ofDue(env: Environment, row: RunRow, looks: Looks): Promise<RunStatus> {
  if (env.expectsCode && env.catalog.get(row.playbook, row.version) === undefined) {
    const what = `${row.playbook}@${row.version} is not registered in this process`
    return { state: 'waiting', for: [{ kind: 'version', what }] }
  }
  if (row.lane === null) return { state: 'due' }
  looks.shared.open ??= openRuns(env, row.workspace)
  const holder = (await looks.shared.open).find((one) => holdsLane(one, row))
  if (holder === undefined) return { state: 'due' }
  const what = `lane "${row.lane}", which run ${holder.id} is in`
  return { state: 'waiting', for: [{ kind: 'lane', what, run: holder.id }] }
}

/** Who of those that are due goes first is not said: that one which was reopened has lost its place is known to the store alone. */
function holdsLane(one: RunRow, { lane, root }: RunRow): boolean {
  if (one.lane !== lane || one.root === root || one.corrupt !== undefined) return false
  return one.worker !== null || (!one.laneWhileRunning && one.state !== 'due')
}

async function openRuns(env: Environment, workspace: string): Promise<readonly RunRow[]> {
  return env.store.runs(workspace, { state: 'open', limit: LANE_LOOK_MAX })
}

/** A wait for another run is shown as what that waits for: an effect's own run, or one that was called. */
async function through(
  env: Environment,
  workspace: string,
  info: WaitInfo,
  looks: Looks,
): Promise<readonly WaitInfo[]> {
  const { kind, run } = info
  if ((kind !== 'effect' && kind !== 'budget' && kind !== 'child') || run === undefined) return [info]
  if (kind === 'child' && (looks.depth >= DEPTH_MAX || ++looks.shared.called > CALLED_MAX)) return [info]
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  if (row === undefined || row.state === 'settled') return [info]
  const found = await statusOf(env, row, { ...looks, depth: looks.depth + 1 })
  if (kind === 'budget') {
    const inbox = found.state === 'waiting' ? found.for[0]?.inbox : undefined
    return [inbox === undefined ? info : { ...info, inbox }]
  }
  if (found.state !== 'waiting') return [info]
  return found.for.map((one) => (kind === 'child' ? { run, within: run, ...one } : { ...one, run }))
}

/** How a wait is ended, in the words of whoever shows it; undefined: it ends by itself, or nobody knows. */
export type HowToEnd = (wait: WaitInfo) => string | undefined

/** The status as text: one line a wait, each saying who can end it and how. */
export async function whyOf(env: Environment, row: RunRow, how: HowToEnd = callOf): Promise<string> {
  const status = await statusOf(env, row)
  const head = `run ${row.id} (${row.playbook}@${row.version})`
  const line = (one: WaitInfo): string => {
    const end = how(one)
    const where = one.within === undefined ? '' : ` (in run ${one.within})`
    const since = one.since === undefined ? '' : `since ${one.since} `
    return `  - ${since}${sentence(one)}${where}${end === undefined ? '' : `; ${end}`}`
  }
  const notes = await simulatedIn(env, row)
  if (status.state === 'waiting') return [`${head} waits:`, ...status.for.map(line), ...notes].join('\n')
  if (status.state === 'due' || status.state === 'running')
    return `${head} is ${status.state}${goingOn(row, status.state)}`
  const about = { field: 'openRun', value: row.id }
  const open = (await itemsWhere(env.store, row.workspace, about)).map(({ id, title }): WaitInfo => ({
    kind: 'operator',
    what: `open in the inbox: ${title}`,
    inbox: id,
  }))
  return [`${head} is ${status.state}${failure(row)}`, ...open.map(line), ...notes].join('\n')
}

/** From where on it was simulated, and what of a real run for where its action stands, each action once. */
async function simulatedIn(env: Environment, row: RunRow): Promise<string[]> {
  const where = { field: 'run', value: row.id }
  const all = await allOf<Would>(env.store, row.workspace, { kind: 'would', where })
  const texts = all.flatMap(({ action, rung }) => (rung === undefined ? [] : [inShadowText(action, rung)]))
  const lost = await lostOf(env.store, row.workspace, 'run', row.id)
  const like = likenessText(likenessOf(all, lost, (action) => env.actions.find(action)))
  const notes = [...new Set(texts)].map((text) => `nothing left of what was simulated: ${text}; ${HOW_TO_ASK}`)
  return [...(like === undefined ? [] : [like]), ...notes].map((text) => `  - ${text}`)
}

/** Of one that nobody waits for: who takes it, and how it ended before it was taken up again. */
function goingOn(row: RunRow, state: 'due' | 'running'): string {
  const { state: was } = JSON.parse(row.status || '{}') as { state?: string }
  const before = failure(row)
  const again = before === '' ? '' : `\n  it goes on after it was ${was}${before}`
  if (state === 'running') return again
  const lane = row.lane === null ? '' : `, behind those that are before it in lane "${row.lane}"`
  return `: a process that works on this store takes it${lane}; where none does, nothing happens${again}`
}

function failure(row: RunRow): string {
  const { error } = JSON.parse(row.status || '{}') as { error?: StoredError }
  if (error === undefined) return ''
  const at = placeIn(error)
  return `: ${error.code}: ${error.message}${at === undefined ? '' : `\n  ${at}`}`
}

function sentence(info: WaitInfo): string {
  const at = info.next === undefined ? ', until' : `; ${info.next} at`
  const until = info.until === undefined ? '' : `${at} ${info.until}`
  switch (info.kind) {
    case 'timer':
      return `for time: ${info.what}`
    case 'event':
      return `for ${info.what}${until}`
    case 'approval':
      return `for an approval: ${info.what}${until}`
    case 'hold':
      return `for the end of a hold: ${info.what}${until}`
    case 'question':
      return `for an answer: ${info.what}${until}`
    case 'budget':
      return `for room in a budget: ${info.what}${until}`
    case 'lane':
      return `for its turn in ${info.what}`
    case 'rate':
      return `for its turn: ${info.what}${until}`
    case 'freeze':
    case 'suspended':
      return `because ${info.what}`
    case 'version':
      return `for its code: ${info.what}`
    case 'pause':
      return `because it is ${info.what}`
    case 'retry':
      return `${info.what}${info.until === undefined ? '' : `; next at ${info.until}`}`
    default:
      return `${info.what}${until}`
  }
}

/** The call that ends it. */
function callOf({ kind, inbox, what, remedy }: WaitInfo): string | undefined {
  if (remedy !== undefined) return remedy
  if (kind === 'hold') return `approve it to send now, reject it to cancel: inbox.decide('${inbox ?? ''}', …)`
  const verb = isToAdopt(what) ? 'adopt()' : 'thaw()'
  if (kind === 'freeze' && inbox !== undefined)
    return `${verb} lets it go, reject it to cancel: inbox.decide('${inbox}', …)`
  if (kind === 'freeze') return `${verb} ends it`
  if (inbox !== undefined) return `answer it: inbox.decide('${inbox}', …)`
  return CALLS[kind]
}

const CALLS: { readonly [K in WaitKind]?: string } = {
  event: 'send() ends it',
  version: 'register it, or move, restart or cancel the run',
  pause: 'resume() ends it',
  suspended: 'resume() of the workspace ends it',
}

/** The result of a settled run, or its error. */
export function resultOf(env: Environment, row: RunRow): unknown {
  const status = JSON.parse(row.status) as { state: string; output?: Json; error?: StoredError }
  if (status.state === 'completed') {
    if (status.output === undefined) return undefined
    const schema = env.catalog.get(row.playbook, row.version)?.output
    return schema === undefined ? status.output : fromStored(schema, canonicalAround(status.output))
  }
  throw reviveError(status.error ?? { code: 'RUN_FAILED', message: `run ${row.id} was ${status.state}` })
}
