/**
 * Turns: deeds and proposals of one subject that come at once conflict, each with all before it: once they have, those of one process go on
 * one by one, and let others in between.
 */
import { afterTurn } from '../../base/clock.ts'
import type { Company } from '../company.ts'

export interface Turn {
  /** Called before each try: from the second on it waits for those that have conflicted before. */
  readonly next: () => Promise<void>
  /** Must come, whatever became of it: the others wait for it. */
  readonly over: () => void
}

const turns = new WeakMap<Company, Promise<void>>()

export function turnIn(company: Company): Turn {
  const own = Promise.withResolvers<void>()
  let tries = 0
  let before: Promise<void> | undefined
  return {
    next: async () => {
      if (tries++ === 0) return
      if (before === undefined) {
        before = turns.get(company) ?? Promise.resolve()
        turns.set(company, own.promise)
      }
      await before
    },
    over: () => afterTurn(own.resolve),
  }
}
