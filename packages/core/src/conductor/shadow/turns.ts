/**
 * Turns: deeds, proposals and effects of one subject that come at once conflict, each with all before it: once they have, those of one
 * process go on one by one, and let others in between. What ends waits for no proposal: that may take as long as its preview.
 */
import { afterTurn } from '../../base/clock.ts'
import type { Company } from '../company.ts'
import type { Pass } from '../pass.ts'
import type { Job, Written } from '../writer.ts'

export interface Turn {
  /** Called before each try: from the second on it waits for those that have conflicted before. */
  readonly next: () => Promise<void>
  /** Must come, whatever became of it: the others wait for it. */
  readonly over: () => void
}

/** What waits for each other. */
export type Among = 'proposals' | 'ends'

const turns = { proposals: new WeakMap<Company, Promise<void>>(), ends: new WeakMap<Company, Promise<void>>() }

export function turnIn(company: Company, among: Among): Turn {
  let tries = 0
  let taken: Taken | undefined
  let isOver = false
  return {
    next: async () => {
      if (tries++ === 0 || isOver) return
      taken ??= take(company, turns[among])
      await taken.before
    },
    over: () => {
      isOver = true
      if (taken !== undefined) afterTurn(taken.end)
    },
  }
}

interface Taken {
  readonly before: Promise<void>
  readonly end: () => void
}

function take(company: Company, last: WeakMap<Company, Promise<void>>): Taken {
  const { promise, resolve: end } = Promise.withResolvers<void>()
  const before = last.get(company) ?? Promise.resolve()
  last.set(company, promise)
  return { before, end }
}

/** A unit of a pass whose tries take turns. */
export function submitInTurn(pass: Pass, among: Among, job: Job): Promise<Written | undefined> {
  const turn = turnIn(pass.task.env.company(pass.task.claimed.row.workspace), among)
  void pass.ended.then(turn.over) // what is asked of a writer that has ended is never answered
  return pass.writer.submit(() => turn.next().then(job)).finally(turn.over)
}
