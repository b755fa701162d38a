/** Data of the store in memory: what its sessions share, a workspace, a run. */
import type { StoreChange, Instant, Mail, Placed, RecordRow, RunRow } from '@keelson/core/ports'

export interface Run {
  row: RunRow
  /** Since when it is due: its turn among the due. */
  dueAt: Instant
  place: number
  mail: Mail[]
  readonly onceKeys: Set<string>
  /** The highest mail row when it was last claimed. */
  shown: number
}

export type Data = ReturnType<typeof emptyData>
export type Space = ReturnType<typeof emptySpace>

export const emptyData = () => ({
  spaces: new Map<string, Space>(),
  alive: new Set<string>(),
  /** With the worker of the session that listens. */
  listeners: new Map<(change: StoreChange) => void, string>(),
  /** Counts claims, to serve next whoever was served longest ago. */
  served: 0,
})

export const emptySpace = (name: string) => ({
  name,
  runs: new Map<string, Run>(),
  /** Every entry in commit order; position n is at n - 1; undefined where its stream was purged. */
  log: [] as (Placed | undefined)[],
  /** Positions of each stream's entries; seq n is at n - 1. */
  streams: new Map<string, number[]>(),
  records: new Map<string, Map<string, RecordRow>>(),
  artifacts: new Map<string, Uint8Array>(),
  mailRow: 0,
  served: 0,
})

/** The runs of a lane that have not ended. */
export function ofLane(space: Space, lane: string | null): Run[] {
  return [...space.runs.values()].filter(({ row }) => lane !== null && row.lane === lane && row.state !== 'settled')
}

/** The order of databases (UTF-8 bytes), which is not that of `<` beyond U+FFFF. */
export function byCodePoint(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
const SURROGATE = /[\ud800-\udfff]/
