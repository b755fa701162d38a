/**
 * Alerts: what should not go on like this: one per cause with a count, told once, and told again up a ladder until a person
 * acknowledges it.
 *
 * L1. A cause has one alert, however many runs it touches.
 * L2. Escalation is a run: it outlives crashes, and ends when the alert is acknowledged.
 * L3. Its ladder is the one of its start: what the host configures later changes what a rung does, never which rungs there are.
 */
import type { z } from 'zod'
import { SYSTEM, type Actor } from '../base/actor.ts'
import { durationMs } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { withZod } from '../base/zod.ts'
import type { Alert } from '../conductor/alert.ts'
import type { Environment } from '../conductor/environment.ts'
import type { Pass } from '../conductor/pass.ts'
import type { Counted } from '../conductor/projections.ts'
import { newRun } from '../conductor/start.ts'
import { iso } from '../conductor/waiting.ts'
import { definitionOf, handle } from '../connector/action.ts'
import type { Put } from '../journal/put.ts'
import type { NewRun } from '../journal/store.ts'
import type { Context } from '../playbook/context.ts'
import { builtIn } from '../playbook/playbook.ts'
import { hasDropped } from './drops.ts'
import type { Outcome } from './row.ts'

/** As its record keeps it. `opened` counts how often it was opened; `day` how many times in that day. */
interface AlertRecord extends Omit<Alert, 'firstAt' | 'lastAt'> {
  readonly firstAt: number
  readonly lastAt: number
  readonly opened: number
  /** Times in the last day, of a cause that counts only from so many on. */
  readonly times: readonly number[]
}

export const ALERT_PLAYBOOK = 'keelson.alert'
const DAY_MS = 86_400_000
const RUNS_MAX = 20
/** The same step out of tries so often in a day. */
const EXHAUSTED = 3

export interface Noticed {
  readonly id: string
  readonly title: string
  /** It counts only from so many times in a day on. */
  readonly least: number
}

/** What a settled run says that somebody should hear of. */
export async function alertsOf(env: Environment, workspace: string, outcome: Outcome): Promise<Counted> {
  const noticed = noticedIn(outcome)
  if (await isDrop(env, workspace, outcome)) noticed.push(dropOf(outcome))
  const puts: Put[] = []
  const starts: NewRun[] = []
  for (const one of noticed) {
    const { put, start } = await raised(env, workspace, one, outcome.of ?? outcome.run, outcome.at)
    puts.push(put)
    if (start !== undefined) starts.push(start)
  }
  return { puts, ...(starts.length === 0 ? {} : { starts }) }
}

function noticedIn(outcome: Outcome): Noticed[] {
  if (outcome.shadow === true) return []
  const { playbook, causes, troubled, refused = [] } = outcome
  // A connector is refused for all who use it; what refused a step of the host's own code is not known by name.
  const auth = (causes['auth'] ?? 0) > 0 && refused.length === 0 ? [playbook] : refused
  const steps = Object.entries(troubled).filter(([, one]) => one.exhausted > 0)
  return [
    ...auth.map((of) => ({ id: `auth:${of}`, title: `${of} was refused for its credentials`, least: 1 })),
    ...steps.map(([step]) => ({
      id: `exhausted:${playbook}:${step}`,
      title: `step "${step}" of ${playbook} failed for good ${EXHAUSTED} times in a day`,
      least: EXHAUSTED,
    })),
  ]
}

function dropOf({ playbook }: Outcome): Noticed {
  const title = `steps of ${playbook} succeed at the first try far less than they did in four weeks`
  return { id: `first-try:${playbook}`, title, least: 1 }
}

/** Who has such a drop in hand is not told again of the same day. */
async function isDrop(env: Environment, workspace: string, outcome: Outcome): Promise<boolean> {
  if (outcome.shadow === true || !(await hasDropped(env, workspace, outcome))) return false
  const before = (await read(env, workspace, dropOf(outcome).id))?.record
  return before?.state !== 'acknowledged' || outcome.at - before.lastAt >= DAY_MS
}

/** The alert with one more time on it, and the run that escalates it where it has just opened. */
export async function raised(
  env: Environment,
  workspace: string,
  { id, title, least }: Noticed,
  run: string,
  at: number,
): Promise<{ put: Put; start?: NewRun }> {
  const [row] = await env.store.records(workspace, { kind: 'alert', ids: [id], limit: 1 })
  const before = row === undefined ? undefined : (JSON.parse(row.data) as AlertRecord)
  const times = [...(before?.times ?? []).filter((one) => at - one < DAY_MS), at].slice(-Math.max(least, 1))
  const wasOpen = before !== undefined && before.state === 'open' && before.opened > 0
  const opens = !wasOpen && times.length >= least
  const record: AlertRecord = {
    id,
    title,
    count: opens ? times.length : (before?.count ?? 0) + (wasOpen ? 1 : 0),
    firstAt: opens ? times[0]! : (before?.firstAt ?? at),
    lastAt: at,
    runs: [...(before?.runs ?? []).filter((one) => one !== run), ...(run === '' ? [] : [run])].slice(-RUNS_MAX),
    state: opens || wasOpen ? 'open' : (before?.state ?? 'open'),
    opened: (before?.opened ?? 0) + (opens ? 1 : 0),
    times,
  }
  const put = alertPut(record, (row?.version ?? 0) + 1)
  return opens && env.alerts.length > 0 ? { put, start: escalation(env, workspace, record) } : { put }
}

function escalation(env: Environment, workspace: string, { id, opened }: AlertRecord): NewRun {
  return newRun(alertPlaybook(), {
    workspace,
    id: `alert:${id}:${opened}`,
    input: {
      id,
      opened,
      ladder: env.alerts.map((rung) => ({ after: rung.after, how: 'act' in rung ? 'act' : 'call' })),
    },
    by: SYSTEM,
    now: env.clock.now(),
    salt: () => env.ids.salt(),
  })
}

function alertPut(record: AlertRecord, version: number): Put {
  const open = record.opened > 0 && record.state === 'open'
  return {
    kind: 'alert',
    id: record.id,
    version,
    data: record as unknown as Json,
    index: { state: record.opened === 0 ? 'counting' : open ? 'open' : 'closed' },
    sort: record.lastAt,
  }
}

async function read(
  env: Environment,
  workspace: string,
  id: string,
): Promise<{ record: AlertRecord; version: number } | undefined> {
  const [row] = await env.store.records(workspace, { kind: 'alert', ids: [id], limit: 1 })
  return row === undefined ? undefined : { record: JSON.parse(row.data) as AlertRecord, version: row.version }
}

function shown({ times: _times, opened: _opened, ...alert }: AlertRecord): Alert {
  return { ...alert, firstAt: iso(alert.firstAt), lastAt: iso(alert.lastAt) }
}

/** What a climb begins with. */
const climbSchema = withZod((z) =>
  z.object({
    id: z.string(),
    opened: z.number(),
    ladder: z.array(z.object({ after: z.string(), how: z.enum(['call', 'act']) })),
  }),
)
type Climb = z.output<ReturnType<typeof climbSchema>>
type About = Alert & { readonly workspace: string }

export const alertPlaybook = builtIn((z) => ({
  name: ALERT_PLAYBOOK,
  version: 1,
  input: climbSchema(),
  output: z.object({ told: z.number() }),
  run: (ctx, input, pass) => escalate(ctx, input as Climb, pass as Pass),
}))

async function escalate(ctx: Context, { id, opened, ladder }: Climb, pass: Pass): Promise<{ told: number }> {
  const { env, claimed } = pass.task
  const { workspace, createdAt } = claimed.row
  let told = 0
  for (const [n, { after, how }] of ladder.entries()) {
    const due = createdAt + durationMs(after)
    if (due > createdAt) await ctx.sleep({ until: iso(due) })
    const alert = await ctx.step(`look ${n + 1}`, async () => {
      const found = await read(env, workspace, id)
      const open = found?.record.state === 'open' && found.record.opened === opened
      return open ? JSON.stringify(shown(found.record)) : ''
    })
    if (alert === '') return { told }
    const about = { ...(JSON.parse(alert) as Alert), workspace }
    if (how === 'act') await actOn(ctx, env, n, about)
    else await ctx.step(`tell ${n + 1}`, () => tell(env, n, about), { retry: { attempts: 6, first: '10s' } })
    told++
  }
  return { told }
}

async function tell(env: Environment, n: number, about: About): Promise<void> {
  const rung = env.alerts[n]
  if (rung !== undefined && 'call' in rung) await rung.call(about)
}

/** What is to be done is asked of the host once, and recorded: a later ladder does not change what was begun. */
async function actOn(ctx: Context, env: Environment, n: number, about: About): Promise<void> {
  const rung = env.alerts[n]
  const asked = rung !== undefined && 'act' in rung ? rung.act(about) : undefined
  if (asked !== undefined) env.actions.learn(definitionOf(asked[0]))
  const wanted = await ctx.step(`wanted ${n + 1}`, () => {
    if (asked === undefined) return ''
    const { name, account } = definitionOf(asked[0])
    return JSON.stringify({ name, account, input: stored(asked[1]) })
  })
  if (wanted === '') return
  const { name, account, input } = JSON.parse(wanted) as { name: string; account: string; input: Json }
  const known = env.actions.find(name)
  if (known === undefined) {
    throw new KeelsonError('ACTION_NOT_FOUND', `the action ${name} of an alert is not known to this process`, {
      hint: 'Pass its connector, or the action in `actions`, and retry the run.',
    })
  }
  await ctx.act(handle<unknown, unknown>({ ...known, account }), input, { key: `alert ${n + 1}` })
}

export interface Alerts {
  /** Open ones, the latest first. */
  list(): Promise<readonly Alert[]>
  /** Somebody has it in hand: escalation ends; it opens again when its cause comes again. */
  acknowledge(id: string, options: { by: Actor }): Promise<void>
}

export function alertVerbs(env: Environment, workspace: string): Alerts {
  return {
    async list() {
      const where = { field: 'state', value: 'open' }
      const rows = await env.store.records(workspace, { kind: 'alert', where, order: 'descending', limit: 500 })
      return rows.map((row) => shown(JSON.parse(row.data) as AlertRecord))
    },
    async acknowledge(id, { by }) {
      await env.company(workspace).edit(async () => {
        const found = await read(env, workspace, id)
        if (found === undefined || found.record.opened === 0)
          throw new KeelsonError('ITEM_NOT_FOUND', `there is no alert "${id}"`, { data: { item: id } })
        if (found.record.state === 'acknowledged') return undefined
        const put = alertPut({ ...found.record, state: 'acknowledged', by, times: [] }, found.version + 1)
        return { drafts: [{ kind: 'alert.changed', data: { by, puts: [put] } }] }
      })
      env.nudge()
    },
  }
}
