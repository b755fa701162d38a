/** Maintenance: what keeps a workspace small and safe, at once or on a schedule that the operator owns. */
import { parse } from '../../base/schema.ts'
import type { Actor } from '../../base/actor.ts'
import type { RunRow } from '../../journal/store.ts'
import type { Environment } from '../environment.ts'
import type { Notifier } from '../notifier.ts'
import { start, type Run } from '../runs.ts'
import { planOf, schedulesOf } from '../schedule.ts'
import { iso, type Status } from '../waiting.ts'
import { MAINTENANCE_PLAYBOOK, maintenancePlan, maintenancePlaybook } from './playbook.ts'
import type { MaintenancePlan, MaintenanceReport } from './playbook.ts'
import { prune, type PruneOptions, type PruneReport } from './prune.ts'

export interface MaintenanceSchedule extends MaintenancePlan {
  /** Five fields, or six with seconds. */
  readonly cron: string
  /** IANA time zone. Default 'UTC'. */
  readonly timeZone?: string
  readonly by: Actor
}

export interface MaintenanceStatus {
  /** What is planned; undefined: nothing is. */
  readonly schedule?: Omit<MaintenanceSchedule, 'by'> & { readonly next: readonly string[] }
  /** Whether one is under way or waits for its turn. */
  readonly running: boolean
  /** The last one that has ended. Without a report it failed as a whole: `audit.story(run)` tells. */
  readonly last?: { readonly run: string; readonly endedAt: string; readonly report?: MaintenanceReport }
}

export interface Maintenance {
  /** Takes the journals of runs away that ended long ago. Their rows, effects and records stay. */
  prune(options: PruneOptions): Promise<PruneReport>
  /** Does the parts of a plan once, one after the other, as a run. `result()` is its report. */
  run(plan: MaintenancePlan & { readonly by: Actor; readonly id?: string }): Promise<Run<MaintenanceReport>>
  /** Does them at each planned instant, until `unschedule`; another plan replaces it. A missed instant is made up for once. */
  schedule(plan: MaintenanceSchedule): Promise<void>
  unschedule(options: { readonly by: Actor }): Promise<void>
  status(): Promise<MaintenanceStatus>
}

export function maintenanceOf(env: Environment, notifier: Notifier, workspace: string): Maintenance {
  const schedules = schedulesOf(env, workspace)
  return {
    prune: (options) => prune(env, workspace, options),
    async run({ by, id = `maintenance:${env.ids.id()}`, ...plan }) {
      return start(env, notifier, workspace, maintenancePlaybook(), checked(env, plan), { id, by })
    },
    async schedule({ cron, timeZone = 'UTC', by, ...plan }) {
      const options = { cron, timezone: timeZone, input: checked(env, plan), by }
      await schedules.set(MAINTENANCE_PLAYBOOK, maintenancePlaybook(), options)
    },
    unschedule: ({ by }) => schedules.remove(MAINTENANCE_PLAYBOOK, { by }),
    status: () => statusOf(env, workspace),
  }
}

/** Throws `INPUT_INVALID`. */
function checked({ trust }: Environment, plan: MaintenancePlan): MaintenancePlan {
  parse(maintenancePlan(), plan, 'INPUT_INVALID', 'a plan of maintenance')
  const all = trust.length === 0 ? plan : { digest: true, ...plan }
  return parse(maintenancePlan(), all, 'INPUT_INVALID', 'a plan of maintenance') as MaintenancePlan
}

async function statusOf(env: Environment, workspace: string): Promise<MaintenanceStatus> {
  const planned = await planOf(env, workspace, MAINTENANCE_PLAYBOOK)
  const mine = { playbook: MAINTENANCE_PLAYBOOK, order: 'descending', limit: 1 } as const
  const [open] = await env.store.runs(workspace, { ...mine, state: 'open' })
  const [row] = await env.store.runs(workspace, { ...mine, state: 'settled' })
  const next = planned === undefined ? [] : await schedulesOf(env, workspace).next(MAINTENANCE_PLAYBOOK, 3)
  return {
    ...(planned === undefined
      ? {}
      : { schedule: { ...(planned.input as MaintenancePlan), cron: planned.cron, timeZone: planned.timezone, next } }),
    running: open !== undefined,
    ...(row === undefined ? {} : { last: lastOf(row) }),
  }
}

function lastOf(row: RunRow): NonNullable<MaintenanceStatus['last']> {
  const status = JSON.parse(row.status) as Status
  const ended = { run: row.id, endedAt: iso(row.settledAt ?? row.createdAt) }
  if (status.state !== 'completed') return ended
  return { ...ended, report: status.output as unknown as MaintenanceReport }
}
