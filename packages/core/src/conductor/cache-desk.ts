/** Cache of connectors' reads, as a person or the host makes it forget. */
import type { Actor } from '../base/actor.ts'
import { definitionOf, type Action } from '../connector/action.ts'
import { actionTag, invalidations } from './effect/tags.ts'
import type { Environment } from './environment.ts'

export interface CacheDesk {
  /** What was read under these tags, or by this action, counts no more: in every process. Recorded. */
  invalidate(
    what: { readonly tags: readonly string[] } | { readonly action: Action<any, any> },
    options: { by: Actor },
  ): Promise<void>
}

export function cacheDeskOf(env: Environment, workspace: string): CacheDesk {
  return {
    async invalidate(what, { by }) {
      const tags = 'tags' in what ? what.tags : [actionTag(definitionOf(what.action).name)]
      await env.company(workspace).edit(async () => {
        const puts = await invalidations(env, workspace, tags, env.clock.now())
        return puts.length === 0 ? undefined : { drafts: [{ kind: 'cache.invalidated', data: { by, tags, puts } }] }
      })
    },
  }
}
