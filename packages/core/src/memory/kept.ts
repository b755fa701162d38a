/** Kept: what a memory keeps of what it was elsewhere, when it is taken over. */
import type { Labels } from '../base/labels.ts'
import { without, type Authority, type MemoryRecord } from './unit.ts'

export interface Kept {
  /** Whose word it was; never the operator's here. Undefined: of who writes it. */
  readonly authority?: Exclude<Authority, 'operator'>
  readonly pinned?: boolean
  readonly labels?: Labels
}

/** What it keeps when somebody approves it: what is approved is that person's word. */
export function keptAsApproved({ pinned, labels }: Kept = {}): Kept {
  return { ...(pinned === true ? { pinned } : {}), ...(labels === undefined ? {} : { labels }) }
}

export function keeping(record: MemoryRecord, { authority, pinned, labels }: Kept): MemoryRecord {
  return without({
    ...record,
    authority: authority ?? record.authority,
    pinned: pinned === true ? true : undefined,
    labels: labels ?? record.labels,
  })
}
