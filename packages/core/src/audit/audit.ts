/** Audit: what happened, in sentences; and proof that nobody changed it. */
import type { Environment } from '../conductor/environment.ts'
import { rebuild, verify, type Verification } from './verify.ts'
import { storyOf } from './story.ts'

export interface Audit {
  /** A run as plain sentences, one per thing that happened. */
  story(run: string): Promise<string[]>
  /** Reads everything: finds an edited, removed or reordered entry, and a record that is not what its entries say. */
  verify(): Promise<Verification>
  /** Puts every record that differs from its entries right. */
  rebuild(): Promise<{ readonly repaired: number }>
}

export function auditOf(env: Environment, workspace: string): Audit {
  return {
    story: (run) => storyOf(env, workspace, run),
    verify: () => verify(env, workspace),
    rebuild: () => rebuild(env, workspace),
  }
}
