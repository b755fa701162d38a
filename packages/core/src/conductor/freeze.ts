/** Freeze: one switch that stops all writes of a workspace to the outside; reads, decisions and reverts go on. */
import { assertActor, type Actor } from '../base/actor.ts'
import type { Environment } from './environment.ts'
import { eventRun, THAWED } from './event-run.ts'

export interface FreezeVerbs {
  /** Stops all writes to the outside. Reads, decisions and reverts go on. */
  freeze(options: { by: Actor; reason: string }): Promise<void>
  thaw(options: { by: Actor }): Promise<void>
  /** Declares a store that was opened as a copy, or behind, or filled by an import, to be the one that goes on, and thaws it. */
  adopt(options: { by: Actor }): Promise<void>
}

export function freezeVerbs(env: Environment, workspace: string): FreezeVerbs {
  return {
    async freeze({ by, reason }) {
      assertActor(by, 'a freeze')
      await env.company(workspace).setFrozen(true, reason, by)
    },
    thaw: ({ by }) => thaw(env, workspace, by),
    async adopt({ by }) {
      assertActor(by, 'the end of a freeze')
      await env.store.adopt(workspace)
      await thaw(env, workspace, by)
    },
  }
}

/** Ends the freeze and, in the same unit, starts the event that wakes what waits for it. */
async function thaw(env: Environment, workspace: string, by: Actor): Promise<void> {
  assertActor(by, 'the end of a freeze')
  const company = env.company(workspace)
  await company.edit(async () => {
    const now = await company.freeze()
    if (!now.frozen) return undefined
    const put = { kind: 'company', id: 'freeze', version: now.epoch + 1, data: { frozen: false, reason: '' } }
    const event = eventRun(env, workspace, { event: THAWED, id: String(now.epoch), payload: { epoch: now.epoch } }, by)
    return { drafts: [{ kind: 'workspace.thawed', data: { by, puts: [put] } }], unit: { starts: [event] } }
  })
  env.nudge()
}
