/**
 * Report: days summed up. A day that is over is rolled up once, by an entry, and read from there ever after.
 *
 * W1. A report reads one record for each day that is over, the rows of days that are not, and how long each playbook takes by hand.
 * W2. A rollup is what its rows fold to; rows come late only while their day is not over by an hour. When one goes to another day,
 *     as a run that had ended went on, the rollup of its day goes in the same unit.
 */
import { KeelsonError } from '../base/errors.ts'
import { TAXONOMIES, type TaxonomyName } from '../base/taxonomy.ts'
import type { Environment } from '../conductor/environment.ts'
import { allOf } from '../conductor/shadow/would.ts'
import { investments, type Investment } from './invest.ts'
import { measured } from './by-hand.ts'
import {
  compoundingOf,
  editsOf,
  measuresOf,
  paidBack,
  weekOf,
  type Compounding,
  type Measures,
  type Rate,
} from './measures.ts'
import { reachOf } from './reach.ts'
import {
  emptyRollup,
  foldDay,
  grouped,
  rollupPut,
  rollupsIn,
  total,
  type Day,
  type Rollup,
  type Shared,
} from './rollup.ts'
import { dayOf, type Outcome, type Touch } from './row.ts'

export interface MetricsQuery {
  /** Days in UTC, ISO text; the last one counts. Default: the last 30 days. */
  readonly from?: string
  readonly to?: string
  /**
   * How to group. Default 'playbook'. By a list of the taxonomy: a run of several terms is in the group of each, one of none under
   * ''; so groups may sum up to more than the total.
   */
  readonly by?: 'playbook' | 'day' | 'week' | TaxonomyName
}

export interface MetricsReport {
  readonly from: string
  readonly to: string
  readonly total: Measures
  readonly groups: readonly ({ readonly key: string } & Measures)[]
  readonly compounding: Compounding
  /** Each version of a playbook or an agent: in how many runs it served, and how often a person changed what they proposed. */
  readonly versions: readonly {
    readonly playbook?: string
    readonly agent?: string
    readonly version: number
    readonly runs: number
    readonly edited: Rate
  }[]
  /** What people corrected, how many runs of how many playbooks have read it in these days, and what was edited of theirs. */
  readonly reach: readonly {
    readonly what: string
    readonly corrections: number
    readonly runs: number
    readonly playbooks: number
    /** Of runs on the days before the first correction, and after the last. */
    readonly edited: { readonly before: Rate; readonly after: Rate }
  }[]
  /** Where to invest next, the best first, and why. */
  readonly next: readonly Investment[]
}

const DAY_MS = 86_400_000
const LATE_MS = 3_600_000
const SPAN_MAX = 800

export async function reportOf(env: Environment, workspace: string, query: MetricsQuery = {}): Promise<MetricsReport> {
  const { from, to } = span(env, query)
  const days = await measured(env, workspace, await daysOf(env, workspace, from, to))
  const by = query.by ?? 'playbook'
  const own = grouped(days, ({ rollup }) => [rollup.playbook])
  const groups = by === 'playbook' ? own : grouped(days, ({ day, rollup }) => keysOf(by, day, rollup))
  return {
    from,
    to,
    total: measuresOf(total([emptyRollup(''), ...own.values()])),
    groups: [...groups].sort(byKey).map(([key, sum]) => ({ key, ...measuresOf(sum) })),
    compounding: compounded(days),
    versions: versionsOf([...own.values()]),
    reach: reachOf(days),
    next: investments([...own.values()].sort((a, b) => (a.playbook < b.playbook ? -1 : 1))),
  }
}

function keysOf(
  by: Exclude<MetricsQuery['by'], undefined | 'playbook'>,
  day: string,
  { terms }: Rollup,
): readonly string[] {
  switch (by) {
    case 'day':
      return [day]
    case 'week':
      return [weekOf(day)]
    case 'segments':
    case 'categories':
    case 'tags':
      return terms?.[by] ?? ['']
    default:
      throw new KeelsonError('INPUT_INVALID', `metrics are not grouped by ${JSON.stringify(by satisfies never)}`, {
        hint: `Group by playbook, day, week, ${TAXONOMIES.join(', ')}.`,
      })
  }
}

function span(env: Environment, query: MetricsQuery): { from: string; to: string } {
  const to = query.to ?? dayOf(env.clock.now())
  const end = Date.parse(to.slice(0, 10))
  const from = query.from ?? dayOf(end - 29 * DAY_MS)
  const days = (end - Date.parse(from.slice(0, 10))) / DAY_MS + 1
  if (Number.isFinite(days) && days >= 1 && days <= SPAN_MAX) return { from: from.slice(0, 10), to: to.slice(0, 10) }
  throw new KeelsonError('INPUT_INVALID', `"${from}" to "${to}" is no span of days`, {
    hint: `Write ISO days, the earlier first, at most ${SPAN_MAX} days: { from: '2027-01-01', to: '2027-01-31' }.`,
  })
}

/** All days of a span by playbook, those that are over rolled up. */
export async function daysOf(env: Environment, workspace: string, from: string, to: string): Promise<Day[]> {
  const rolled = await rolledIn(env, workspace, from, to)
  const found: Day[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) {
    const day = dayOf(at)
    const there = rolled.get(day)
    const rollups = there ?? (await fresh(env, workspace, day))
    found.push(...rollups.map((rollup) => ({ day, rollup })))
    if (there === undefined && env.clock.now() > at + DAY_MS + LATE_MS) await keep(env, workspace, day)
  }
  return found
}

/** One record holds a day: all its playbooks. */
export async function rolledIn(
  env: Environment,
  workspace: string,
  from: string,
  to: string,
): Promise<Map<string, Rollup[]>> {
  const days = new Map<string, Rollup[]>()
  const ids: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) ids.push(dayOf(at))
  for (const row of await env.store.records(workspace, { kind: 'rollup', ids, limit: ids.length })) {
    const rollups = rollupsIn(row)
    if (rollups !== undefined) days.set(row.id, rollups)
  }
  return days
}

/** The sums of one day, without keeping them. */
export async function fresh(env: Environment, workspace: string, day: string): Promise<Rollup[]> {
  const where = { field: 'day', value: day }
  const outcomes = await allOf<Outcome>(env.store, workspace, { kind: 'outcome', where })
  const touches = await allOf<Touch>(env.store, workspace, { kind: 'touch', where })
  return foldDay(outcomes, touches)
}

/** Sums as of a moment after their record was read: a run that leaves the day meanwhile writes that record, and they are made again. */
async function keep(env: Environment, workspace: string, day: string): Promise<void> {
  await env.company(workspace).edit(async () => {
    const [there] = await env.store.records(workspace, { kind: 'rollup', ids: [day], limit: 1 })
    if (there !== undefined && rollupsIn(there) !== undefined) return undefined
    const put = rollupPut(day, await fresh(env, workspace, day), (there?.version ?? 0) + 1)
    return { drafts: [{ kind: 'metrics.rolled', data: { puts: [put] } }] }
  })
}

function compounded(days: readonly Day[]): Compounding {
  const weeks = weeksOf(days)
  const paidBackIn = paidBack(weeks)
  const enough = weeks.map(({ week, outcomes, minutes }) => ({ week, outcomes, minutes }))
  return { ...compoundingOf(enough), ...(paidBackIn === undefined ? {} : { paidBackIn }) }
}

function weeksOf(days: readonly Day[]): (Compounding['weeks'][number] & { net: number })[] {
  const weeks = grouped(days, ({ day }) => [weekOf(day)])
  return [...weeks].sort(byKey).map(([week, sum]) => {
    const { outcomes, minutesPerOutcome, saved } = measuresOf(sum)
    return { week, outcomes, minutes: minutesPerOutcome, net: saved.low }
  })
}

function versionsOf(sums: readonly Rollup[]): MetricsReport['versions'] {
  const agents = total([emptyRollup(''), ...sums]).agents
  return [
    ...sums.flatMap(({ playbook, versions }) =>
      Object.entries(versions).map(([version, one]) => ({ playbook, version: Number(version), ...servedIn(one) })),
    ),
    ...Object.entries(agents).map(([name, one]) => {
      const at = name.lastIndexOf('@')
      return { agent: name.slice(0, at), version: Number(name.slice(at + 1)), ...servedIn(one) }
    }),
  ]
}

function servedIn(one: Shared): { runs: number; edited: Rate } {
  return { runs: one.runs, edited: editsOf(one) }
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}
