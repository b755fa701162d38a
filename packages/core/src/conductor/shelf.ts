/** Shelf: where the entities of a workspace are, as the conductor knows it. */
import type { Shelf } from '../memory/entity-read.ts'
import type { Company } from './company.ts'
import type { Environment } from './environment.ts'

/** Of each company of this process, by type of entity: where the last one stands that was created here. */
const newest = new WeakMap<Company, Map<string, number>>()

export function shelfOf(env: Environment, workspace: string): Shelf {
  const company = env.company(workspace)
  const own = newest.get(company) ?? new Map<string, number>()
  newest.set(company, own)
  return { store: env.store, workspace, newest: own, key: () => company.key(), now: () => env.clock.now() }
}
