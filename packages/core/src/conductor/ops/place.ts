/** Place: where in a run operations are named: the run itself, or one branch of it. */
import type { ActMemory } from './sources.ts'
import type { Keys } from './keys.ts'

export interface Place {
  readonly keys: Keys
  readonly memory: ActMemory
  /** Set when the branch was given up. */
  ended: boolean
}

/** How a branch of a run names and performs an operation. */
export type Perform = <T>(name: string, start: (key: string) => Promise<T>) => Promise<T>
