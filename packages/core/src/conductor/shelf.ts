/** Shelf: where the entities of a workspace are, as the conductor knows it. */
import type { Shelf } from '../memory/entity-read.ts'
import type { Environment } from './environment.ts'

export function shelfOf(env: Environment, workspace: string): Shelf {
  const company = env.company(workspace)
  return { store: env.store, workspace, newest: company.newest, key: () => company.key(), now: () => env.clock.now() }
}
