/** Looked: how long a person looked before deciding: evidence, where there was a look, and a measure of fatigue, where not. */
import type { Json } from '../base/value.ts'
import type { ItemRecord } from './item.ts'

export interface Looked {
  /** The one who decided had opened it. */
  readonly opened: boolean
  /** From opened to decided, at most ten minutes; 0 when it was not opened. */
  readonly lookedMs: number
  /** Sooner than it can be read. */
  readonly quick: boolean
  /** Approved so, or unopened. */
  readonly stamp: boolean
  readonly verb: string
}

const LONGEST_MS = 600_000
const LEAST_MS = 2000
const WORD_MS = 15

/** How a decided item was looked at; undefined where no person decided it. */
export function lookedAt(item: ItemRecord): Looked | undefined {
  const { decided } = item
  if (decided === undefined || decided.by.kind !== 'person') return undefined
  const seen = (item.seen ?? []).filter((one) => one.by.id === decided.by.id && one.at <= decided.at).at(-1)
  const lookedMs = seen === undefined ? 0 : Math.min(decided.at - seen.at, LONGEST_MS)
  const verb = Object.keys(decided.decision as Record<string, Json>).find((key) => key !== 'output') ?? ''
  const quick = lookedMs < leastMs(item)
  return { opened: seen !== undefined, lookedMs, quick, stamp: verb === 'approve' && quick, verb }
}

/** The shortest time in which it can be read: 2 s, or 15 ms a word. */
function leastMs({ preview, lines = [] }: ItemRecord): number {
  const texts = [preview, ...lines.map((line) => line.preview)].flatMap((one) =>
    one.kind === 'text' ? [one.after] : one.rows.map((row) => `${row.label} ${row.after}`),
  )
  const words = texts.reduce((sum, text) => sum + text.split(/\s+/).length, 0)
  return Math.max(LEAST_MS, WORD_MS * words)
}
