/** Keep: what keeps a run from its code: suspicion, quarantine, a pause; and who came near that. */
import type { History } from '../journal/fold.ts'
import type { Claimed, RunRow } from '../journal/store.ts'
import type { Logger } from '../base/log.ts'
import { waitsFor } from './held.ts'
import { iso, type WaitInfo } from './waiting.ts'

/** Deaths of its workers, alone, after which a run is quarantined: the first two may have been anyone's. */
export const SUSPECT_AFTER = 2
export const DEATHS_MAX = SUSPECT_AFTER + 3
/** Passes without progress after which a run is quarantined. */
const CLAIMS_MAX = 10

/** Deaths, or claims without progress. One that waits for its code, or its workspace, was looked at and put back, which is neither. */
export function isSuspicious(row: RunRow): boolean {
  return row.deaths >= DEATHS_MAX || (row.claims > CLAIMS_MAX && !waitsFor(row, ['version', 'suspended']))
}

/** Why a person keeps the run from its code. */
export function keptBack({ paused, quarantined, asideAt }: History): WaitInfo | undefined {
  const since = asideAt === undefined ? {} : { since: iso(asideAt) }
  if (quarantined !== undefined) return { kind: 'operator', what: `RUN_QUARANTINED: ${quarantined}`, ...since }
  if (paused === undefined) return undefined
  return { kind: 'pause', what: `paused by ${paused.by.name ?? paused.by.id}: ${paused.reason}`, ...since }
}

/** So many runs are told by name. */
const NAMED_MAX = 5
const LOOPS =
  'They go on. Where that process hung and was killed, look at the code that comes next: what never awaits is interrupted by no timeout.'

/** So many runs are remembered of whose deaths was told. */
const TOLD_MAX = 1_000

/**
 * Says which runs were at work as their process died, and how far they had come: one of them may be what killed it, or what it hung in. A death
 * is nothing to be warned of before it comes twice, and told of once: it stays counted until its run has recorded something.
 */
export class Deaths {
  readonly #told = new Map<string, string>()

  tell(log: Logger, claimed: readonly Claimed[]): void {
    const dead = claimed.filter((one) => this.#isNews(one))
    if (dead.length === 0) return
    const workspaces = [...new Set(dead.map(({ row }) => row.workspace))]
    const named = dead
      .slice(0, NAMED_MAX)
      .map(
        ({ row, entries }) =>
          `${row.id}${workspaces.length > 1 ? ` of ${row.workspace}` : ''} (${row.playbook}@${row.version}, ${lastOf(entries)})`,
      )
    const more = dead.length > NAMED_MAX ? ` and ${dead.length - NAMED_MAX} more` : ''
    const were = dead.length === 1 ? 'run was at work when its' : 'runs were at work when their'
    const runs = dead.map(({ row }) => row.id)
    const level = dead.some(({ row }) => row.deaths >= SUSPECT_AFTER) ? 'warn' : 'info'
    log[level](
      { hint: LOOPS, runs, workspaces },
      `${dead.length} ${were} process ended without stop(): ${named.join(', ')}${more}`,
    )
  }

  #isNews({ row: { workspace, stream, deaths }, entries }: Claimed): boolean {
    if (deaths === 0) return false
    const id = `${workspace}/${stream}`
    const death = `${deaths} behind ${entries.at(-1)?.seq}`
    if (this.#told.get(id) === death) return false
    this.#told.delete(id)
    this.#told.set(id, death)
    const [oldest] = this.#told.keys()
    if (this.#told.size > TOLD_MAX && oldest !== undefined) this.#told.delete(oldest)
    return true
  }
}

/** Of a journal that cannot be read, there are no entries. */
function lastOf(entries: Claimed['entries']): string {
  const last = entries.at(-1)
  if (last === undefined) return 'its journal cannot be read'
  return `last recorded: ${last.kind}${last.key === '' ? '' : ` "${last.key}"`}`
}
