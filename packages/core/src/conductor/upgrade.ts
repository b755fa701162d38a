/** Upgrade: which runs fit new code, told before it takes work; and moving those that fit. */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { nearest } from '../base/nearest.ts'
import type { RunRow } from '../journal/store.ts'
import { catalogId } from '../playbook/catalog.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import type { Environment } from './environment.ts'
import { rehearseRun, type RehearsalVerdict } from './rehearse.ts'
import { stillOpen, type RunVerbs } from './verbs.ts'

/** A run and what would become of it. */
export type Rehearsed = RehearsalVerdict & {
  readonly workspace: string
  readonly run: string
  readonly playbook: string
  /** The version that it began with or was moved to. */
  readonly version: number
  /** The version that it was replayed on. */
  readonly on: number
  readonly finished: boolean
}

export interface RehearseOptions {
  /** Only runs of this playbook. One that is not registered, and of which there is no run, is `PLAYBOOK_NOT_FOUND`. */
  readonly playbook?: string
  /** Replay them on this version instead of their own: what `upgrade` would do. Needs `playbook`. */
  readonly to?: number
  /** How many of the newest finished runs of each workspace to replay as well. Default 20; with `to`, none. */
  readonly finished?: number
  /** Told after each run. */
  readonly onProgress?: (done: { readonly runs: number; readonly last: Rehearsed }) => void
  readonly signal?: AbortSignal
}

export interface Rehearsal {
  /** True when every open run continues. */
  readonly ok: boolean
  readonly runs: readonly Rehearsed[]
  /** One line for each run that does not continue, and a last one that counts. */
  readonly report: string
}

export interface UpgradeOptions {
  readonly playbook: string
  readonly to: number
  readonly by: Actor
  /** Only runs of this version. Default: every other version. */
  readonly from?: number
  /** Only these runs. */
  readonly runs?: readonly string[]
  /** Says what would be moved, moves nothing. */
  readonly dryRun?: boolean
}

export interface Upgraded {
  readonly moved: readonly string[]
  /** Runs that stay with their version, and why. */
  readonly left: readonly Rehearsed[]
}

const PAGE = 200
const DAY = 86_400_000
/** Keelson's own playbooks come with the release; nobody edits them. */
const isOurs = (row: RunRow): boolean => row.playbook.startsWith('keelson.')

/** Replays every open run, and the newest finished ones, on the code of this process. Nothing is executed or written. */
export async function rehearse(
  env: Environment,
  workspaces: readonly string[],
  options: RehearseOptions = {},
): Promise<Rehearsal> {
  if (options.to !== undefined) assertVersion(env, options.playbook, options.to)
  const finished = options.finished ?? (options.to === undefined ? 20 : 0)
  const runs: Rehearsed[] = []
  for (const workspace of workspaces) {
    for await (const row of chosen(env, workspace, options.playbook, finished)) {
      options.signal?.throwIfAborted()
      const last = await rehearsed(env, row, options.to ?? row.version)
      runs.push(last)
      options.onProgress?.({ runs: runs.length, last })
    }
  }
  if (runs.length === 0 && options.playbook !== undefined) await assertPlaybook(env, workspaces, options.playbook)
  const ok = runs.every((one) => one.finished || one.verdict === 'continues')
  return { ok, runs, report: reportOf(runs) }
}

/** Moves the open runs that fit `to`, each at its next park; those that do not fit stay where they are. */
export async function upgrade(
  env: Environment,
  workspace: string,
  verbs: Pick<RunVerbs, 'move'>,
  options: UpgradeOptions,
): Promise<Upgraded> {
  const { playbook, to, by, from, runs, dryRun = false } = options
  assertVersion(env, playbook, to)
  const moved: string[] = []
  const left: Rehearsed[] = []
  for await (const row of chosen(env, workspace, playbook, 0)) {
    if (row.version === to || (from !== undefined && row.version !== from)) continue
    if (runs !== undefined && !runs.includes(row.id)) continue
    const one = await rehearsed(env, row, to)
    if (one.verdict !== 'continues') left.push(one)
    else {
      const refused = dryRun ? undefined : await refusal(() => verbs.move(row.id, { by, to }))
      if (refused === undefined) moved.push(row.id)
      else left.push({ ...one, ...leftFor(refused) })
    }
  }
  return { moved, left }
}

function leftFor({ code, message: text, hint = '', data }: KeelsonError): RehearsalVerdict {
  if (code !== 'EFFECT_OPEN') return { verdict: 'needs-migration', text, hint }
  return { verdict: 'waits', at: data['step'] as string, text, hint }
}

async function refusal(move: () => Promise<void>): Promise<KeelsonError | undefined> {
  try {
    await move()
    return undefined
  } catch (thrown) {
    if (KeelsonError.is(thrown) && !thrown.code.startsWith('STORE_')) return thrown
    throw thrown
  }
}

async function* chosen(
  env: Environment,
  workspace: string,
  playbook: string | undefined,
  finished: number,
): AsyncGenerator<RunRow> {
  const only = playbook === undefined ? {} : { playbook }
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { state: 'open', limit: PAGE, after, ...only })
    yield* rows.filter((row) => !isOurs(row))
    if (rows.length < PAGE) break
    after = rows.at(-1)!.order
  }
  let wanted = finished
  for (let after: number | undefined; wanted > 0;) {
    const page = { limit: PAGE, order: 'descending' as const, ...(after === undefined ? {} : { after }) }
    const rows = await env.store.runs(workspace, { state: 'settled', ...page, ...only })
    const own = rows.filter((row) => !isOurs(row)).slice(0, wanted)
    yield* own
    wanted -= own.length
    if (rows.length < PAGE) return
    after = rows.at(-1)!.order
  }
}

async function rehearsed(env: Environment, row: RunRow, version: number): Promise<Rehearsed> {
  const { workspace, id: run, playbook } = row
  const about = { workspace, run, playbook, version: row.version, on: version, finished: row.state === 'settled' }
  const code = env.catalog.get(playbook, version)
  return { ...about, ...(code === undefined ? unknown(playbook, version) : await replayed(env, row, code)) }
}

async function replayed(env: Environment, row: RunRow, code: AnyPlaybook): Promise<RehearsalVerdict> {
  // A replay waits in real time that keeps no process alive: until it has ended, this does.
  const alive = env.clock.timer(env.clock.now() + DAY, () => {})
  try {
    const entries = await env.store.entries(row.workspace, row.stream)
    if (entries.length > 0) {
      const found = await rehearseRun(env, row, entries, code)
      const stays = row.state === 'settled' || row.version === code.version || found.verdict !== 'continues'
      const open = stays ? undefined : stillOpen(row.id, entries)
      return open === undefined ? found : leftFor(open)
    }
    return { verdict: 'needs-migration', text: 'its journal was pruned', hint: 'It has ended: nothing is left to do.' }
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'STORE_CORRUPT')) throw thrown
    return { verdict: 'needs-migration', text: thrown.message, hint: thrown.hint ?? '' }
  } finally {
    alive()
  }
}

function unknown(playbook: string, version: number): RehearsalVerdict {
  return {
    verdict: 'needs-migration',
    text: `${catalogId(playbook, version)} is not registered`,
    hint: 'Keep a version until its last run has ended, or move its runs with runs.upgrade().',
  }
}

function assertVersion(env: Environment, playbook: string | undefined, to: number): void {
  if (playbook !== undefined && env.catalog.get(playbook, to) !== undefined) return
  throw new KeelsonError('PLAYBOOK_NOT_FOUND', `playbook ${catalogId(playbook ?? '?', to)} is not registered`, {
    hint: 'Name the playbook and a version that is passed in createConductor({ playbooks }).',
  })
}

/** One whose code is gone is none that was mistyped as long as there are runs of it. */
async function assertPlaybook(env: Environment, workspaces: readonly string[], name: string): Promise<void> {
  if (env.catalog.newest(name) !== undefined) return
  for (const workspace of workspaces)
    if ((await env.store.runs(workspace, { playbook: name, limit: 1 })).length > 0) return
  const meant = nearest(name, [...new Set(env.catalog.all().map((one) => one.name))])
  const slip = meant === undefined ? '' : `Did you mean "${meant}"? `
  throw new KeelsonError('PLAYBOOK_NOT_FOUND', `no playbook "${name}" is registered, and there is no run of one`, {
    hint: `${slip}Name a playbook that is passed in createConductor({ playbooks }).`,
  })
}

function reportOf(runs: readonly Rehearsed[]): string {
  const lines = runs
    .filter((one) => one.verdict !== 'continues')
    .map((one) => {
      const at = one.verdict === 'branches' ? `would take another branch at "${one.at}"` : one.verdict.replace('-', ' ')
      return `${one.workspace}/${one.run} (${one.playbook}@${one.version}${one.on === one.version ? '' : ` on ${one.on}`}): ${at}: ${one.text}`
    })
  const waiting = runs.filter((one) => one.verdict === 'waits').length
  const count = (verdict: RehearsalVerdict['verdict']): number => runs.filter((one) => one.verdict === verdict).length
  return [
    ...lines,
    `${runs.length} runs replayed: ${count('continues')} continue, ${count('needs-migration')} need migration, ${count('branches')} would branch, ${count('stalls')} stall${waiting === 0 ? '' : `, ${waiting} wait`}`,
  ].join('\n')
}
