/** Workspace: one company's side of the conductor: every verb, scoped. */
import type { Actor } from './base/actor.ts'
import { KeelsonError } from './base/errors.ts'
import { stored } from './base/json.ts'
import { parse } from './base/schema.ts'
import type { Json } from './base/value.ts'
import type { RunRow } from './journal/store.ts'
import type { Environment } from './conductor/environment.ts'
import { ANY, type Notifier } from './conductor/notifier.ts'
import { checkingGiven } from './given.ts'
import { handle, send, start, type Run, type StartOptions } from './conductor/runs.ts'
import { newLooks, rowOf, statusOf, whyOf, type HowToEnd, type RunStatus } from './conductor/status.ts'
import { retryUnit, runVerbs, type RunVerbs } from './conductor/verbs.ts'
import { freezeVerbs, type FreezeVerbs } from './conductor/freeze.ts'
import { lifeVerbs, type LifeVerbs } from './conductor/life.ts'
import { announceIn } from './conductor/policy-change.ts'
import { rehearse, upgrade, type Rehearsal, type RehearseOptions } from './conductor/upgrade.ts'
import type { Upgraded, UpgradeOptions } from './conductor/upgrade.ts'
import { budgetsOf, type Budgets } from './conductor/budgets.ts'
import { policyOf, type PolicyVerbs } from './conductor/explain.ts'
import { grantsOf, type Grants } from './conductor/grants.ts'
import { trustVerbs, type Trust } from './conductor/trust/trust.ts'
import { shadowOf, type Shadow } from './conductor/shadow/shadow.ts'
import { cacheDeskOf, type CacheDesk } from './conductor/cache-desk.ts'
import { entityDesk, type EntityDesk } from './conductor/editor.ts'
import { artifactsOf, taxonomyDeskOf, templatesOf } from './conductor/library.ts'
import type { ArtifactDesk, TaxonomyDesk, TemplateDesk } from './conductor/library.ts'
import { revertOf, type Revert } from './conductor/revert/revert.ts'
import { schedulesOf, type Schedules } from './conductor/schedule.ts'
import { maintenanceOf, type Maintenance } from './conductor/upkeep/maintenance.ts'
import type { Anchoring } from './audit/anchor.ts'
import { memoryFor } from './conductor/memory/host.ts'
import type { WorkspaceMemory } from './memory/handle.ts'
import { auditOf, type Audit } from './audit/audit.ts'
import { exportLines, type ExportOptions } from './bundle/export.ts'
import { importBundle, type ImportOptions, type ImportReport } from './bundle/import.ts'
import { mergeBundle, type MergeOptions, type MergeReport } from './bundle/merge.ts'
import type { BundleSource } from './bundle/read.ts'
import { attempts } from './inbox/attempts.ts'
import { decide, deciderOf, type Deciding, type MayDecide } from './inbox/decide.ts'
import { holdsOf, type Holds } from './inbox/holds.ts'
import { inboxOf, type Inbox, type InboxOptions } from './inbox/inbox.ts'
import type { EntityType } from './memory/entity.ts'
import { metricsOf, type Metrics } from './metrics/metrics.ts'
import type { Playbook } from './playbook/context.ts'
import type { EventType } from './playbook/event.ts'
import type { Settings } from './policy/settings.ts'

/** A run in a list. */
export interface RunSummary {
  readonly id: string
  readonly playbook: string
  readonly version: number
  readonly status: RunStatus
  readonly createdAt: string
  readonly settledAt?: string
}

export interface Runs extends RunVerbs {
  /** A handle on a run by its id; throws nothing until it is used. */
  get(run: string): Run<unknown>
  /** Runs in the order of starting; `after` is the `next` of the page before. Built-in playbooks (`keelson.…`) are left out unless asked for. */
  list(options?: {
    state?: 'open' | 'settled' | 'held'
    playbook?: string
    builtIn?: boolean
    after?: number
    /** At most 500. Default 50. */
    limit?: number
  }): Promise<{ runs: RunSummary[]; next?: number }>
  /** Moves the open runs that fit another version, each at its next park. Those that do not fit are left, and named. */
  upgrade(options: UpgradeOptions): Promise<Upgraded>
}

export interface Workspace extends FreezeVerbs, LifeVerbs {
  readonly id: string
  /** Starts a run. It is durable when this returns, and begins at once. */
  start<In, Out>(playbook: Playbook<In, Out>, input: NoInfer<In>, options: StartOptions): Promise<Run<Out>>
  /** Sends an event; the same id is the same event. */
  send<T>(event: EventType<T>, payload: NoInfer<T>, options: { id: string; by?: Actor }): Promise<void>
  readonly runs: Runs
  readonly inbox: Inbox
  /** The outbox: what goes out by itself, and when. */
  readonly holds: Holds
  readonly audit: Audit
  readonly revert: Revert
  readonly schedules: Schedules
  readonly grants: Grants
  readonly budgets: Budgets
  readonly policy: PolicyVerbs
  readonly shadow: Shadow
  /** What connectors' reads have answered. */
  readonly cache: CacheDesk
  /** Bytes and texts, kept under their hash. */
  readonly artifacts: ArtifactDesk
  /** Texts with names to fill in, versioned. */
  readonly templates: TemplateDesk
  /** Segments, categories and tags. */
  readonly taxonomy: TaxonomyDesk
  readonly metrics: Metrics
  /** What is remembered: search it, correct it, take it back, erase it. */
  readonly memory: WorkspaceMemory
  readonly trust: Trust
  /** What keeps the workspace small and safe. */
  readonly maintenance: Maintenance
  /** Canonical records, edited by a person or the host; in a playbook use `ctx.entities`. */
  entities<T>(type: EntityType<T>, options?: { by?: Actor }): EntityDesk<T>
  /** Changes this company's settings. Recorded; runs see them at their next pass. Throws `SETTINGS_INVALID`: nothing has changed then. */
  configure(settings: Settings, options: { by: Actor }): Promise<void>
  settings(): Promise<Settings>
  /** Replays open runs, and the newest finished ones, on the code of this process. Nothing is executed or written. */
  rehearse(options?: RehearseOptions): Promise<Rehearsal>
  /** All that the company has accumulated, as the lines of a bundle: write them to a file one after the other. */
  export(options?: ExportOptions): AsyncIterable<string>
  /** Takes a bundle in, or a whole one and its increments in order. What was imported is frozen until `adopt()`. */
  import(bundle: BundleSource | readonly BundleSource[], options: ImportOptions): Promise<ImportReport>
  /** Takes the entities and memories of a bundle, of any workspace, into what is here. */
  merge(bundle: BundleSource, options: MergeOptions): Promise<MergeReport>
  /** What a run waits for, since when, and who can end it. `how` says how each wait is ended; left out: by which call. */
  why(run: string, options?: { how?: HowToEnd }): Promise<string>
}

export interface WorkspaceParts {
  readonly env: Environment
  readonly notifier: Notifier
  readonly mayDecide: MayDecide | undefined
  readonly anchors: Anchoring | undefined
}

export function workspaceOf(parts: WorkspaceParts, id: string): Workspace {
  assertWorkspace(id)
  const { env, notifier } = parts
  const company = env.company(id)
  const verbs: RunVerbs = runVerbs(env, id, (item, said) => decide(deciding, item, said))
  const life = lifeVerbs(env, id)
  const deciding = decidingOf(parts, id)
  return checkingGiven({
    id,
    start: (playbook, input, options) => start(env, notifier, id, playbook, input, options),
    send: (event, payload, options) => send(env, id, event, payload, options),
    runs: {
      ...verbs,
      get: (run) => handle(env, notifier, id, run),
      list: (options) => listRuns(env, id, options),
      upgrade: (options) => upgrade(env, id, verbs, options),
    },
    inbox: inboxOf({ ...deciding, ...hearing(notifier, id) }),
    holds: holdsOf(deciding),
    audit: auditOf(env, id, parts.anchors),
    revert: revertOf(env, notifier, id, deciderOf(deciding)),
    schedules: schedulesOf(env, id),
    grants: grantsOf(env, id),
    budgets: budgetsOf(env, id),
    policy: policyOf(env, id),
    shadow: shadowOf(env, id),
    cache: cacheDeskOf(env, id),
    artifacts: artifactsOf(env, id),
    templates: templatesOf(env, id),
    taxonomy: taxonomyDeskOf(env, id),
    metrics: metricsOf(env, id),
    memory: memoryFor(env, notifier, id, deciderOf(deciding)),
    ...{ trust: trustVerbs(env, id), maintenance: maintenanceOf(env, notifier, id) },
    entities: (type, options) => entityDesk({ env, notifier, workspace: id }, type, options?.by),
    configure: async (settings, { by }) => company.configure(checked(parts, id, settings), by),
    settings: async () => (await company.settings()).value,
    ...freezeVerbs(env, id),
    ...life,
    async resume(options) {
      await life.resume(options)
      await announceIn(env, id)
      env.nudge()
    },
    export: (options) => exportLines(env, id, options),
    rehearse: (options) => rehearse(env, [id], options),
    merge: (bundle, options) => mergeBundle(env, id, bundle, options),
    async import(bundle, options) {
      const report = await importBundle(env, id, bundle, options)
      env.library(id).clear()
      return report
    },
    why: async (run, options) => whyOf(env, await rowOf(env, id, run), options?.how),
  })
}

function checked({ env }: WorkspaceParts, id: string, given: Settings): Json {
  const { schema } = env.settings
  const what = `the settings of workspace ${id}`
  const value = schema === undefined ? given : parse(schema, given, 'SETTINGS_INVALID', what)
  const json = stored(value)
  env.assertZone(json as Settings)
  return json
}

/** Rows read at once. */
const LIST_PAGE = 501

async function listRuns(
  env: Environment,
  workspace: string,
  options: Parameters<Runs['list']>[0] = {},
): Promise<{ runs: RunSummary[]; next?: number }> {
  const limit = Math.min(Math.max(options.limit ?? 50, 1), 500)
  const rows: RunRow[] = []
  for (let { after } = options; ;) {
    const found = await env.store.runs(workspace, {
      limit: LIST_PAGE,
      ...(options.state === undefined ? {} : { state: options.state }),
      ...(options.playbook === undefined ? {} : { playbook: options.playbook }),
      ...(after === undefined ? {} : { after }),
    })
    const asked = options.builtIn === true || options.playbook !== undefined
    rows.push(...found.filter((row) => asked || !row.playbook.startsWith('keelson.')))
    after = found.at(-1)?.order
    if (rows.length > limit || found.length < LIST_PAGE) break
  }
  const page = rows.slice(0, limit)
  const looks = newLooks()
  const runs = await Promise.all(
    page.map(async (row) => ({
      id: row.id,
      playbook: row.playbook,
      version: row.version,
      status: await statusOf(env, row, looks),
      createdAt: new Date(row.createdAt).toISOString(),
      ...(row.settledAt === null ? {} : { settledAt: new Date(row.settledAt).toISOString() }),
    })),
  )
  const last = page.at(-1)
  return rows.length > limit && last !== undefined ? { runs, next: last.order } : { runs }
}

export function assertWorkspace(id: string): void {
  if (typeof id === 'string' && /^[\w][\w.@:-]{0,127}$/.test(id) && !id.includes('..')) return
  throw new KeelsonError(
    'WORKSPACE_INVALID',
    `"${String(id).slice(0, 40).toWellFormed()}" is not a name for a workspace`,
    {
      hint: 'Use 1 to 128 letters, digits, "_", "-", ".", "@" or ":", beginning with a letter or digit.',
    },
  )
}

/** How the inbox learns of what changes in its workspace. */
function hearing(notifier: Notifier, workspace: string): Pick<InboxOptions, 'changed' | 'touched'> {
  return {
    changed: () => notifier.watch(workspace, ANY),
    touched: () => notifier.tell({ workspace, runs: [ANY] }),
  }
}

function decidingOf({ env, mayDecide }: WorkspaceParts, workspace: string): Deciding {
  const retry: Deciding['retry'] = (run, by) => retryUnit(env, workspace, run, by)
  return { env, workspace, mayDecide, retry, noteAttempt: attempts(env, workspace) }
}
