/** Reach: what people corrected, who has read it, and whether less had to be changed afterwards. Pure. */
import { editsOf, type Rate } from './measures.ts'
import type { Day, Shared } from './rollup.ts'

const REACH_MAX = 20
const NOBODY: Shared = { runs: 0, effects: 0, edited: 0 }

interface Reach {
  readonly what: string
  readonly corrections: number
  readonly runs: number
  readonly playbooks: number
  readonly edited: { readonly before: Rate; readonly after: Rate }
}

/** What was read most comes first. A day on which it was corrected is neither before nor after. */
export function reachOf(days: readonly Day[]): Reach[] {
  const corrections = new Map<string, { times: number; first: string; last: string }>()
  for (const { day, rollup } of days)
    for (const [what, times] of Object.entries(rollup.corrected)) {
      const before = corrections.get(what)
      corrections.set(what, { times: times + (before?.times ?? 0), first: before?.first ?? day, last: day })
    }
  return [...corrections]
    .map(([what, { times, first, last }]) => {
      const read = days.filter(({ rollup }) => rollup.reads[what] !== undefined)
      const sum = (some: readonly Day[]): Shared =>
        some.reduce((all, { rollup }) => plus(all, rollup.reads[what]!), NOBODY)
      return {
        what,
        corrections: times,
        runs: sum(read).runs,
        playbooks: new Set(read.map(({ rollup }) => rollup.playbook)).size,
        edited: {
          before: editsOf(sum(read.filter(({ day }) => day < first))),
          after: editsOf(sum(read.filter(({ day }) => day > last))),
        },
      }
    })
    .sort((a, b) => b.runs - a.runs || (a.what < b.what ? -1 : 1))
    .slice(0, REACH_MAX)
}

function plus(a: Shared, b: Shared): Shared {
  return { runs: a.runs + b.runs, effects: a.effects + b.effects, edited: a.edited + b.edited }
}
