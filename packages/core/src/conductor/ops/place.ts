/** Place: where in a run operations are named: the run itself, or one branch of it. */
import type { ActMemory } from './act.ts'
import type { Keys } from './keys.ts'

export interface Place {
  readonly keys: Keys
  readonly memory: ActMemory
  /** Set when the branch was given up. */
  ended: boolean
}
