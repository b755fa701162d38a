/** Observe: what a test left behind, in a form in which a run with crashes equals one without. */
import type { Conductor, RunStatus } from '@keelson/core'
import { canonical, KeelsonError, stored } from '@keelson/core/ports'
import type { World } from '../fake/world.ts'
import { GENERATED } from '../ids.ts'

export interface Observed {
  /** What the test returned, or threw. */
  readonly result: string
  /** Runs of the user's playbooks: how they ended, or for what kinds of things they wait. */
  readonly runs: ReadonlyMap<string, string>
  /** Everything that is open: runs of any playbook, and what the inbox asks. */
  readonly open: readonly string[]
  /** What happened outside, and how often. */
  readonly world: readonly string[]
  /** What `audit.verify()` found wrong. */
  readonly faults: readonly string[]
}

/** What a test's end was: its value or its error. */
export type Ended = { readonly value: unknown } | { readonly thrown: unknown }

export async function observe(keelson: Conductor, world: World, ended: Ended): Promise<Observed> {
  const runs = new Map<string, string>()
  const open: string[] = []
  const faults: string[] = []
  for (const id of await keelson.workspaces.list()) {
    const workspace = keelson.workspace(id)
    const prefix = id === 'default' ? '' : `${id}/`
    for (let after = 0; ;) {
      const page = await workspace.runs.list({ after, limit: 500 })
      for (const run of page.runs) {
        const own = !run.playbook.startsWith('keelson.')
        const name = `${prefix}${run.id}`
        if (own) runs.set(name, await told(keelson, id, run.id, run.status))
        if (isOpen(run.status)) open.push(`run ${own ? name : run.playbook}`)
      }
      if (page.next === undefined) break
      after = page.next
    }
    const { items } = await workspace.inbox.list({ limit: 500 })
    open.push(...items.map((item) => `${item.kind} ${'action' in item ? item.action : item.title}`))
    faults.push(...(await workspace.audit.verify()).faults)
  }
  return { result: await resultOf(ended), runs, open: open.sort(), world: happened(world), faults }
}

function isOpen({ state }: RunStatus): boolean {
  return state === 'waiting' || state === 'due' || state === 'running'
}

async function told(keelson: Conductor, workspace: string, id: string, status: RunStatus): Promise<string> {
  if (status.state === 'waiting')
    return `waits for ${[...new Set(status.for.map(({ kind }) => kind))].sort().join(', ')}`
  if (isOpen(status)) return status.state
  try {
    return `${status.state} ${text(await keelson.workspace(workspace).runs.get(id).result())}`
  } catch (thrown) {
    return `${status.state} ${KeelsonError.is(thrown) ? thrown.code : String(thrown)}`
  }
}

/** A handle on a run counts as that run, whose end is compared with all others. */
async function resultOf(ended: Ended): Promise<string> {
  if ('thrown' in ended) return `threw ${ended.thrown instanceof Error ? ended.thrown.message : String(ended.thrown)}`
  const { value } = ended
  const isRun = typeof value === 'object' && value !== null && 'result' in value && typeof value.result === 'function'
  return isRun ? 'a run' : `returned ${text(value)}`
}

function happened(world: World): string[] {
  const all = world.names.flatMap((action) =>
    world.happened(action).map(({ input, times }) => `${action} ${text(input)} happened ${times} ×`),
  )
  return all.sort()
}

/** Canonical JSON in which ids that were made up are all the same. */
function text(value: unknown): string {
  if (value === undefined) return ''
  return canonical(stored(value)).replaceAll(GENERATED, 'id')
}

/** What is other than without a crash, in words. */
export function differences(without: Observed, now: Observed): string[] {
  const found: string[] = []
  if (now.result !== without.result) found.push(`the test ${now.result}; without a crash it ${without.result}`)
  for (const [id, end] of without.runs) {
    const other = now.runs.get(id) ?? 'was lost'
    if (other !== end) found.push(`run ${id} ${other}; without a crash it ${end}`)
  }
  for (const id of now.runs.keys())
    if (!without.runs.has(id)) found.push(`run ${id} exists; without a crash it does not`)
  found.push(...more(now.open, without.open).map((what) => `left open: ${what}`))
  found.push(...more(now.world, without.world).map((what) => `${what}, unlike without a crash`))
  found.push(...more(without.world, now.world).map((what) => `it is not so that ${what}, unlike without a crash`))
  found.push(...now.faults.map((fault) => `audit.verify(): ${fault}`))
  return found
}

/** What `these` hold beyond `those`, counting. */
export function more(these: readonly string[], those: readonly string[]): string[] {
  const left = [...those]
  return these.filter((one) => {
    const at = left.indexOf(one)
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}
