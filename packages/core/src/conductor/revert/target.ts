/** Target: what a revert is about, and the runs and parts of runs that this comes to. */
import { KeelsonError } from '../../base/errors.ts'
import { dataOf, type Entry, type Placed } from '../../journal/entry.ts'
import type { RecordQuery, RunRow } from '../../journal/store.ts'
import type { Environment } from '../environment.ts'
import { streamOf } from '../start.ts'
import { rowOf } from '../status.ts'
import { actorValue, TRAIL, type TrailRecord } from '../trail.ts'
import { assertJournal } from '../upkeep/journal.ts'

export type RevertTarget =
  /** A run with all that it called; with `to`, only what came behind that checkpoint. */
  | { readonly run: string; readonly to?: string }
  | { readonly effect: string }
  /** All that runs did in a time: at or after `from`, before `to` (ISO text; without it, until now). */
  | { readonly from: string; readonly to?: string }
  /** All that runs did under one version of a playbook. */
  | { readonly playbook: string; readonly version: number }
  /** All that runs did once this version of an agent had answered them. */
  | { readonly agent: string; readonly version: number }

/** A run of the target, and which of its entries count. */
export interface Part {
  readonly row: RunRow
  /** Of all its journals, in order. */
  readonly entries: readonly Placed[]
  readonly counts: (entry: Placed) => boolean
  /** Under which version it did something was erased: that does not count. */
  readonly unclear?: boolean
}

/** Throws `RUN_NOT_FOUND`, `RUN_PRUNED`, `STEP_NOT_FOUND`, `INPUT_INVALID`. */
export async function partsOf(
  env: Environment,
  workspace: string,
  target: Exclude<RevertTarget, { effect: string }>,
): Promise<Part[]> {
  if ('run' in target) return [await runPart(env, workspace, target.run, target.to)]
  if ('playbook' in target) return versionParts(env, workspace, target.playbook, target.version)
  if ('agent' in target) return agentParts(env, workspace, target.agent, target.version)
  if (typeof target.from === 'string') return spanParts(env, workspace, target.from, target.to)
  throw new KeelsonError('INPUT_INVALID', 'this is nothing that a revert could be about', {
    hint: 'Pass { run }, { run, to }, { effect }, { from, to }, { playbook, version } or { agent, version }.',
  })
}

export async function partOf(env: Environment, row: RunRow, counts: Part['counts'] = () => true): Promise<Part> {
  return { row, entries: await journalOf(env, row), counts }
}

/** The entries of a run over all its continuations. */
async function journalOf(env: Environment, row: RunRow): Promise<Placed[]> {
  const entries: Placed[] = []
  for (let continuation = 0; ; continuation++) {
    const more = await env.store.entries(row.workspace, streamOf(row.id, continuation))
    entries.push(...more)
    if (more.at(-1)?.kind !== 'run.continued') return entries
  }
}

async function runPart(env: Environment, workspace: string, run: string, to: string | undefined): Promise<Part> {
  const row = await rowOf(env, workspace, run)
  await assertJournal(env, row)
  const part = await partOf(env, row)
  if (to === undefined) return part
  const reached = part.entries.findLast(
    (entry) => entry.kind === 'checkpoint.completed' && entry.payload !== null && okOf(entry) === to,
  )
  if (reached === undefined) {
    throw new KeelsonError('STEP_NOT_FOUND', `run ${run} has not reached checkpoint "${to}"`, {
      data: { run, checkpoint: to },
    })
  }
  return { ...part, counts: (entry) => entry.position > reached.position }
}

function okOf(entry: Placed): unknown {
  return dataOf(entry as Entry & { kind: 'checkpoint.completed' }).ok
}

async function versionParts(env: Environment, workspace: string, playbook: string, version: number): Promise<Part[]> {
  const parts: Part[] = []
  for (let after = 0; ;) {
    const rows = await env.store.runs(workspace, { playbook, after, limit: 200 })
    for (const row of rows) {
      const { entries } = await partOf(env, row)
      const { under, unclear } = entriesUnder(row, entries, version)
      if (under.size > 0 || unclear || (entries.length === 0 && row.version === version))
        parts.push({ row, entries, counts: ({ position }) => under.has(position), unclear })
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < 200) return parts
    after = last.order
  }
}

/**
 * Positions of what was recorded while the run was of this version: it may have been moved, or have continued as another. Where the
 * entry that says so was erased, the run's row still does, if no other came since.
 */
function entriesUnder(
  row: RunRow,
  entries: readonly Placed[],
  version: number,
): { readonly under: ReadonlySet<number>; readonly unclear: boolean } {
  const under = new Set<number>()
  const last = entries.findLastIndex(saysVersion)
  let unclear = false
  let now: number | undefined
  for (const [at, entry] of entries.entries()) {
    if (saysVersion(entry)) {
      const said = entry.payload === null ? undefined : (JSON.parse(entry.payload) as { version: number }).version
      now = said ?? (at === last ? row.version : undefined)
    }
    if (now === version) under.add(entry.position)
    unclear ||= now === undefined
  }
  return { under, unclear }
}

function saysVersion({ kind }: Placed): boolean {
  return kind === 'run.started' || kind === 'run.moved'
}

async function agentParts(env: Environment, workspace: string, agent: string, version: number): Promise<Part[]> {
  const where = { field: 'actor', value: actorValue({ kind: 'agent', id: agent }) }
  const lines = (await trail(env, workspace, { where })).filter((line) => line.version === version)
  return partsBy(env, workspace, lines, (own) => {
    const [first] = own.toSorted((a, b) => a.at - b.at)
    return (entry, entries) => {
      const answered = entries.find((one) => one.stream === first!.stream && one.seq === first!.seq)
      return answered !== undefined && entry.position > answered.position
    }
  })
}

async function spanParts(env: Environment, workspace: string, from: string, to: string | undefined): Promise<Part[]> {
  const since = instant(from)
  const until = to === undefined ? Infinity : instant(to)
  const lines = await trail(env, workspace, { where: { field: 'all', value: '' }, from: since }, until)
  return partsBy(
    env,
    workspace,
    lines,
    () =>
      ({ at }) =>
        at >= since && at < until,
  )
}

type Counts = (entry: Placed, entries: readonly Placed[]) => boolean

/** One part for each run that the lines name; what reverts did is no part of any. */
async function partsBy(
  env: Environment,
  workspace: string,
  lines: readonly TrailRecord[],
  counts: (own: readonly TrailRecord[]) => Counts,
): Promise<Part[]> {
  const byRun = Map.groupBy(
    lines.filter((line) => line.run !== undefined),
    (line) => line.run!,
  )
  const parts: Part[] = []
  for (const [run, own] of byRun) {
    const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
    if (row === undefined || row.playbook.startsWith('keelson.')) continue
    const part = await partOf(env, row)
    const within = counts(own)
    parts.push({ ...part, counts: (entry) => within(entry, part.entries) })
  }
  return parts
}

async function trail(
  env: Environment,
  workspace: string,
  query: Pick<RecordQuery, 'where' | 'from'>,
  until = Infinity,
): Promise<TrailRecord[]> {
  const lines: TrailRecord[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const paged = after === undefined ? {} : { after }
    const rows = await env.store.records(workspace, { kind: TRAIL, ...query, limit: 500, ...paged })
    lines.push(...rows.filter((row) => row.sort < until).map((row) => JSON.parse(row.data) as TrailRecord))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500 || last.sort >= until) return lines
    after = { sort: last.sort, id: last.id }
  }
}

function instant(text: string): number {
  const at = Date.parse(text)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${text}" is not an instant`, { hint: 'Write ISO text with a zone.' })
}
