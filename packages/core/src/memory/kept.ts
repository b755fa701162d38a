/** Kept: what a memory keeps of what it was elsewhere, when it is taken over. */
import type { Labels } from '../base/labels.ts'
import { without, type Authority, type MemoryRecord } from './unit.ts'

export interface Kept {
  /** Whose word it was; never the operator's here. */
  readonly authority: Exclude<Authority, 'operator'>
  readonly pinned?: boolean
  readonly labels?: Labels
}

export function keeping(record: MemoryRecord, { authority, pinned, labels }: Kept): MemoryRecord {
  return without({ ...record, authority, pinned: pinned === true ? true : undefined, labels: labels ?? record.labels })
}
