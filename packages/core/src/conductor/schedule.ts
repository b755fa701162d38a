/**
 * Schedule: recurring starts. A schedule is itself a run of a built-in playbook that sleeps until the next planned instant.
 *
 * H1. The id of a started run is (schedule, planned instant): however often an instant is handled, it starts once.
 * H2. Instants that passed while nobody worked are skipped, handled once, or all handled, as the schedule says.
 * H3. One instant that cannot be started ends no schedule: without its playbook it waits for that; what its playbook refuses
 *     is put before a person, and the next instant comes.
 */
import { Cron } from 'croner'
import type { z } from 'zod'
import type { Actor } from '../base/actor.ts'
import { KeelsonError, storeError, type StoredError } from '../base/errors.ts'
import { stored } from '../base/json.ts'
import { parse } from '../base/schema.ts'
import { withZod } from '../base/zod.ts'
import type { Draft } from '../journal/entry.ts'
import type { NewRun, RunRow } from '../journal/store.ts'
import type { Playbook } from '../playbook/context.ts'
import { builtIn, playbookOf, type AnyPlaybook } from '../playbook/playbook.ts'
import type { Environment } from './environment.ts'
import { continueAsNew } from './ops/continue.ts'
import { sleep } from './ops/waits.ts'
import type { Internals, Pass } from './pass.ts'
import { raise } from './raise.ts'
import { rootOf } from './shadow/mode.ts'
import { assertOwnId, newRun } from './start.ts'
import { runVerbs } from './verbs.ts'
import { iso } from './waiting.ts'

export const SCHEDULE_PLAYBOOK = 'keelson.schedule'

export interface ScheduleOptions<In> {
  /** Five fields; six with seconds before them; seven with years behind those. Or '@hourly', '@daily', '@weekly', '@monthly', '@yearly'. */
  readonly cron: string
  /** IANA time zone. Default 'UTC'. */
  readonly timezone?: string
  readonly input: In
  /** Planned instants that passed while nobody worked. Default 'once'. */
  readonly missed?: 'skip' | 'once' | 'all'
  readonly by?: Actor
}

export interface Schedules {
  /**
   * Starts a run at each planned instant. The same name again replaces what was there, if anything differs. Throws
   * `PLAYBOOK_NOT_FOUND` for a playbook that is not registered here, as `start` does.
   */
  set<In, Out>(name: string, playbook: Playbook<In, Out>, options: ScheduleOptions<NoInfer<In>>): Promise<void>
  /** Ends a schedule; runs that it started go on. */
  remove(name: string, options: { by: Actor }): Promise<void>
  /** The next planned instants, as ISO text. */
  next(name: string, count?: number): Promise<string[]>
}

/** A missed instant is one that is handled this much late, in milliseconds: a minute is no worker's fault. */
const LATE_MS = 60_000
/** Of instants missed under 'all', so many are started in one go. */
const CATCH_UP_MAX = 1000

const planSchema = withZod((z) =>
  z.object({
    name: z.string(),
    playbook: z.string(),
    cron: z.string(),
    timezone: z.string(),
    input: z.json(),
    missed: z.enum(['skip', 'once', 'all']),
    /** The last instant that was handled. */
    from: z.number(),
  }),
)
type Plan = z.output<ReturnType<typeof planSchema>>

export const schedulePlaybook = builtIn((z) => ({
  name: SCHEDULE_PLAYBOOK,
  version: 1,
  input: planSchema(),
  output: z.object({}),
  run: async (_ctx, input, pass) => tick(pass as Pass, input as Plan),
}))

/** A schedule without its playbook waits for it. */
export const scheduleInternals: Internals = {
  holdFor({ task, history }, thrown) {
    if (!KeelsonError.is(thrown, 'PLAYBOOK_NOT_FOUND')) return undefined
    const { playbook } = history.start.input as unknown as Plan
    return { what: thrown.message, wake: [], isThere: () => task.env.catalog.newest(playbook) !== undefined }
  },
}

export function schedulesOf(env: Environment, workspace: string): Schedules {
  return {
    set: (name, playbook, options) => setSchedule(env, workspace, name, playbook, options),
    async remove(name, { by }) {
      const row = openOf(await newest(env, workspace, name))
      if (row !== undefined) await end(env, workspace, row, { by, reason: 'the schedule was removed' })
    },
    async next(name, count = 5) {
      const plan = await planOf(env, workspace, name)
      if (plan === undefined) return []
      return cronOf(plan)
        .nextRuns(count, new Date(env.clock.now()))
        .map((at) => at.toISOString())
    },
  }
}

async function setSchedule<In, Out>(
  env: Environment,
  workspace: string,
  name: string,
  playbook: Playbook<In, Out>,
  options: ScheduleOptions<In>,
): Promise<void> {
  const known = playbookOf(playbook)
  env.catalog.assertHas(known, 'Schedule')
  assertName(name)
  assertInput(name, options.input)
  const plan: Plan = {
    name,
    playbook: known.name,
    cron: options.cron,
    timezone: options.timezone ?? 'UTC',
    input: stored(options.input) as Plan['input'],
    missed: options.missed ?? 'once',
    from: env.clock.now(),
  }
  assertComes(plan) // an expression that does not parse is refused here, and so is an input that the playbook would refuse
  parse(known.input, plan.input, 'INPUT_INVALID', `the input of schedule "${name}" for ${known.name}`)
  while (!(await placed(env, workspace, plan, options.by))) continue // somebody else has just set it
}

/** False: it was set, or removed, by somebody else since it was looked at. */
async function placed(env: Environment, workspace: string, wanted: Plan, by: Actor | undefined): Promise<boolean> {
  const last = await newest(env, workspace, wanted.name)
  const row = openOf(last)
  let plan = wanted
  if (row !== undefined) {
    const before = await planIn(env, workspace, row)
    if (JSON.stringify({ ...before, from: 0 }) === JSON.stringify({ ...(stored(plan) as object), from: 0 })) return true
    const cancel = { by: by ?? { kind: 'system', id: 'schedule' }, reason: 'the schedule was replaced' } as const
    if (!(await end(env, workspace, row, cancel))) return false
    if (before.cron === plan.cron && before.timezone === plan.timezone) plan = { ...plan, from: before.from }
  }
  const run = newRun(schedulePlaybook(), {
    workspace,
    id: idOf(plan.name, last.number + 1),
    input: plan,
    ...(by === undefined ? {} : { by }),
    now: env.clock.now(),
    salt: () => env.ids.salt(),
  })
  const answer = await env.store.write(workspace, { starts: [run] })
  env.nudge()
  return answer.status !== 'done' || answer.refused.length === 0
}

/** False: it had ended before. */
async function end(
  env: Environment,
  workspace: string,
  row: RunRow,
  said: { by: Actor; reason: string },
): Promise<boolean> {
  try {
    await runVerbs(env, workspace).cancel(row.id, said)
    return true
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'RUN_CLOSED')) return false
    throw thrown
  }
}

async function planIn(env: Environment, workspace: string, { stream }: RunRow): Promise<Plan> {
  const [first] = await env.store.entries(workspace, stream, 0, 1)
  return (JSON.parse(first?.payload ?? '{}') as { input: Plan }).input
}

/** What a schedule is set to; undefined when there is none. */
export async function planOf(env: Environment, workspace: string, name: string): Promise<Plan | undefined> {
  const row = openOf(await newest(env, workspace, name))
  return row === undefined ? undefined : planIn(env, workspace, row)
}

interface Newest {
  /** 0: the schedule has never been set. */
  readonly number: number
  readonly row: RunRow | undefined
}

/** The last run of a schedule. They are numbered from 1, without a gap. */
async function newest(env: Environment, workspace: string, name: string): Promise<Newest> {
  for (let number = 0, row: RunRow | undefined; ;) {
    const ids = Array.from({ length: NUMBERS_PAGE }, (_, at) => idOf(name, number + 1 + at))
    const rows = new Map((await env.store.runs(workspace, { ids, limit: ids.length })).map((one) => [one.id, one]))
    const found = ids.findIndex((id) => !rows.has(id))
    const count = found < 0 ? ids.length : found
    row = count === 0 ? row : rows.get(ids[count - 1]!)
    number += count
    if (count < ids.length) return { number, row }
  }
}

const NUMBERS_PAGE = 50

function idOf(name: string, number: number): string {
  return `schedule:${name}#${number}`
}

function openOf({ row }: Newest): RunRow | undefined {
  return row === undefined || row.state === 'settled' ? undefined : row
}

function cronOf(plan: Pick<Plan, 'name' | 'cron' | 'timezone'>): Cron {
  try {
    const cron = new Cron(plan.cron, { timezone: plan.timezone, paused: true })
    cron.nextRun() // croner checks the zone only now
    return cron
  } catch (cause) {
    throw new KeelsonError('DEFINITION_INVALID', `schedule "${plan.name}": ${wrongIn(plan, cause as Error)}`, {
      hint: HOW_TO_PLAN,
    })
  }
}

const HOW_TO_PLAN =
  "Write minute, hour, day, month and weekday, and an IANA zone: { cron: '0 9 * * 1-5', timezone: 'Europe/Berlin' }."

/** In words of its own where the message would speak of more than a schedule takes. */
function wrongIn({ cron, timezone }: Pick<Plan, 'cron' | 'timezone'>, { message }: Error): string {
  const count = cron.trim().split(/\s+/).length
  if (count < 5) return `"${cron}" is no cron expression: it has ${count === 1 ? 'no fields' : `${count} fields`}`
  if (count > 7) return `"${cron}" is no cron expression: it has ${count} fields`
  if (message.startsWith('CronDate')) return `"${timezone}" is no time zone`
  return `"${cron}" is no cron expression: ${message.replace(/^\w+: /, '')}`
}

/** Throws `DEFINITION_INVALID` also for one that has no instant at all, be it in years or long ago. */
function assertComes(plan: Pick<Plan, 'name' | 'cron' | 'timezone'>): void {
  if (cronOf(plan).nextRun(new Date(0)) !== null) return
  throw new KeelsonError('DEFINITION_INVALID', `schedule "${plan.name}": "${plan.cron}" never comes`, {
    hint: `No day is in all of its fields. ${HOW_TO_PLAN}`,
  })
}

/** Longest name with which the ids of its runs, which end in an instant, are none that is too long. */
const NAME_MAX = 480

/** The runs of a schedule are named after it. */
function assertName(name: unknown): void {
  if (typeof name !== 'string' || name.trim() === '' || name.length > NAME_MAX)
    throw new KeelsonError('INPUT_INVALID', `the name of a schedule is a text of 1 to ${NAME_MAX} characters`, {
      hint: 'Name it after what it starts: "weekly-report".',
    })
  assertOwnId(name)
}

function assertInput(name: string, input: unknown): void {
  if (input !== undefined) return
  throw new KeelsonError('INPUT_INVALID', `schedule "${name}" says no input`, {
    hint: 'Say what each of its runs begins with: { cron, input: {} }.',
  })
}

async function tick(pass: Pass, plan: Plan): Promise<Record<string, never>> {
  const next = cronOf(plan).nextRun(new Date(plan.from))
  if (next === null) return {} // no instant is left: it ends
  await sleep(pass, 'next', { until: iso(next.getTime()) })
  const playbook = pass.task.env.catalog.newest(plan.playbook)
  if (playbook === undefined && pass.history.ops.get('start')?.outcome === undefined)
    throw new KeelsonError('PLAYBOOK_NOT_FOUND', `${plan.playbook} is not registered in this process`)
  const from = await pass.operation<number>({
    key: 'start',
    kind: 'step',
    live: () => startDue(pass, plan, playbook!, next.getTime()),
  })
  return continueAsNew(pass, { ...plan, from })
}

/** Starts what is planned up to now, as far as the schedule wants what was missed. */
async function startDue(pass: Pass, plan: Plan, playbook: AnyPlaybook, first: number): Promise<void> {
  const { env } = pass.task
  await pass.work.run(async () => {
    const now = env.clock.now()
    const planned = plan.missed === 'all' ? instants(plan, first, now) : latest(plan, first, now)
    const last = planned.at(-1)!
    const wanted = planned.filter(
      (at) => plan.missed === 'all' || now - at < LATE_MS || (plan.missed === 'once' && at === last),
    )
    const tried = await Promise.all(wanted.map((at) => begun(pass, plan, playbook, at, now)))
    const starts = tried.flatMap(({ run }) => run ?? [])
    const refused = tried.flatMap(({ at, error }) => (error === undefined ? [] : [{ at, error }]))
    await pass.writer.submit(async () => ({
      drafts: [...(await noted(pass, plan, refused)), { kind: 'step.completed', key: 'start', data: { ok: last } }],
      starts,
    }))
  })
  env.nudge()
}

interface Refused {
  readonly at: number
  readonly error: StoredError
}

/** The run of one instant, or why there is none: what it is made with is code, and may have changed since it was set. */
async function begun(
  pass: Pass,
  plan: Plan,
  playbook: AnyPlaybook,
  at: number,
  now: number,
): Promise<{ at: number; run?: NewRun; error?: StoredError }> {
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const id = `${plan.name}@${iso(at)}`
  const mode = await rootOf(env, workspace, playbook, id)
  const personas = playbook.persona === undefined ? [] : [playbook.persona]
  const { by } = pass.history.start
  try {
    const salt = (): string => env.ids.salt()
    return { at, run: newRun(playbook, { ...mode, workspace, id, input: plan.input, by, personas, now, salt }) }
  } catch (thrown) {
    return { at, error: storeError(thrown) }
  }
}

/** Instants that were not started, before a person: they count as handled. */
async function noted(pass: Pass, plan: Plan, refused: readonly Refused[]): Promise<Draft[]> {
  const last = refused.at(-1)
  if (last === undefined) return []
  const { code, message } = last.error
  const before = refused.length === 1 ? '' : ` and ${refused.length - 1} before it`
  const title = `schedule "${plan.name}" did not start ${plan.playbook} at ${iso(last.at)}${before}: ${message}`
  const hint =
    'The schedule goes on. Set it anew with what its playbook takes, or mend the playbook; start what was missed.'
  const puts = await raise(pass, { code, title, hint, allows: ['dismiss'] })
  return [{ kind: 'run.noted', data: { code, text: title, puts } }]
}

/** Of all instants up to now, however many they are: those that are not late, and the last. */
function latest(plan: Plan, first: number, now: number): number[] {
  const cron = cronOf(plan)
  const [before] = cron.previousRuns(1, new Date(now + 1))
  const last = Math.max(first, before?.getTime() ?? first)
  const inTime = cron.nextRun(new Date(now - LATE_MS))?.getTime() ?? last
  return inTime < last ? instants(plan, Math.max(first, inTime), now) : [last]
}

function instants(plan: Plan, first: number, now: number): number[] {
  const cron = cronOf(plan)
  const found = [first]
  while (found.length < CATCH_UP_MAX) {
    const next = cron.nextRun(new Date(found.at(-1)!))
    if (next === null || next.getTime() > now) break
    found.push(next.getTime())
  }
  return found
}
