/**
 * Import: a bundle into a workspace: as it was, or its entities into what is there.
 *
 * I1. What was restored starts frozen: the workspace that it came from may still act, and two must not send the same.
 * I2. Nothing is given up for a bundle that was not found whole before.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Environment } from '../conductor/environment.ts'
import { retryShut } from '../conductor/held.ts'
import { busyRuns } from '../conductor/life.ts'
import { toAdopt } from '../conductor/waiting.ts'
import { chain, headOf, type Draft } from '../journal/entry.ts'
import type { BundleSource } from './read.ts'
import { REPLACED_STREAM, restore, type Counts } from './restore.ts'

export interface ImportOptions {
  readonly by: Actor
  /**
   * 'restore' (default): into an empty workspace of the same name, entry by entry. 'replace': the same, after what is
   * there was given up. For that it is read twice: what a function opens, or an array; a stream is kept in memory meanwhile.
   */
  readonly mode?: 'restore' | 'replace'
  /** True: this store goes on from here and may act; the one that was exported must not. Default: frozen until `adopt()`. */
  readonly adopt?: boolean
  /** Reads and checks everything, writes nothing. */
  readonly dryRun?: boolean
  readonly onProgress?: (done: Readonly<Counts>) => void
  readonly signal?: AbortSignal
}

export interface ImportReport {
  /** Written, or with `dryRun` what would be. What was there already is not counted. */
  readonly entries: number
  readonly records: number
  readonly runs: number
  readonly artifacts: number
  /** Hashes of artifacts that came by reference and that this store does not hold. */
  readonly missing: readonly string[]
  readonly frozen: boolean
  /** Open runs of playbooks that this conductor does not know: they wait for their version. */
  readonly unknown: readonly { readonly playbook: string; readonly version: number; readonly runs: number }[]
}

/**
 * Writes a whole bundle, or one and its increments in order. Called again after it was cut off, it goes on.
 *
 * Throws `BUNDLE_INVALID`, `BUNDLE_NEWER`, `BUNDLE_GAP`, `WORKSPACE_NOT_EMPTY`; what was written by then is whole entries
 * of the bundle, and no run of it has begun.
 */
export async function importBundle(
  env: Environment,
  workspace: string,
  sources: BundleSource | readonly BundleSource[],
  options: ImportOptions,
): Promise<ImportReport> {
  const { by, mode = 'restore', adopt = false, dryRun = false, signal, onProgress } = options
  const given = isList(sources) ? sources : [sources]
  const read = mode === 'replace' && !dryRun ? await Promise.all(given.map(again)) : given
  if (mode === 'replace' && !dryRun) {
    await restore({ env, workspace, dryRun: true, anew: true, signal, onProgress: undefined }, read)
    await giveUp(env, workspace, by)
  }
  const last = async (): Promise<void> => {
    env.company(workspace).forget()
    if (!adopt) await env.company(workspace).setFrozen(toAdopt('it was imported'), by)
  }
  const freezes = !adopt && !dryRun
  const parts = { env, workspace, dryRun, anew: dryRun && mode === 'replace', last, freezes, signal, onProgress }
  const { counts, missing, runs } = await restore(parts, read)
  if (!dryRun) {
    // A conductor that saw them under the mark has held them.
    await retryShut(env, workspace)
    env.nudge()
  }
  return { ...counts, missing, frozen: !adopt, unknown: unknownTo(env, [...runs.values()]) }
}

function isList(sources: BundleSource | readonly BundleSource[]): sources is readonly BundleSource[] {
  const [first] = Array.isArray(sources) ? (sources as readonly unknown[]) : []
  if (typeof first === 'function') return true
  return typeof first === 'object' && first !== null && !(first instanceof Uint8Array)
}

/** What can be read a second time. */
async function again(source: BundleSource): Promise<BundleSource> {
  if (typeof source === 'function' || Array.isArray(source)) return source
  const pieces: (string | Uint8Array)[] = []
  for await (const piece of source) pieces.push(piece)
  return pieces
}

/** Everything that the workspace holds; that it was given up stays, in a stream of its own. */
async function giveUp(env: Environment, workspace: string, by: Actor): Promise<void> {
  if ((await busyRuns(env, workspace)).length > 0) {
    throw new KeelsonError('STORE_BUSY', `runs of workspace ${workspace} are being worked on`, {
      hint: 'Stop its conductors, or import through one with work: false.',
    })
  }
  const head = headOf(await env.store.entries(workspace, REPLACED_STREAM))
  const drafts: Draft[] = [{ kind: 'workspace.replaced', data: { by } }]
  const entries = chain(workspace, REPLACED_STREAM, head, drafts, env.clock.now(), () => env.ids.salt())
  await env.store.write(workspace, { purge: { allBut: REPLACED_STREAM }, entries })
  env.company(workspace).forget()
}

function unknownTo(
  env: Environment,
  runs: readonly { playbook: string; version: number; settled?: unknown }[],
): ImportReport['unknown'] {
  const found = new Map<string, { playbook: string; version: number; runs: number }>()
  for (const { playbook, version, settled } of runs) {
    if (settled !== undefined || env.catalog.get(playbook, version) !== undefined) continue
    const one = found.get(`${playbook}@${version}`) ?? { playbook, version, runs: 0 }
    found.set(`${playbook}@${version}`, { ...one, runs: one.runs + 1 })
  }
  return [...found.values()]
}
