/** Maintenance: what keeps a workspace small and safe. */
import type { Environment } from '../environment.ts'
import { prune, type PruneOptions, type PruneReport } from './prune.ts'

export interface Maintenance {
  /** Takes the journals of runs away that ended long ago. Their rows, effects and records stay. */
  prune(options: PruneOptions): Promise<PruneReport>
}

export function maintenanceOf(env: Environment, workspace: string): Maintenance {
  return {
    prune: (options) => prune(env, workspace, options),
  }
}
