/** Keep: what keeps a run from its code: suspicion, quarantine, a pause. */
import type { History } from '../journal/fold.ts'
import type { RunRow } from '../journal/store.ts'
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
