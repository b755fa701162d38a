/** Freeze: one switch that stops all writes of a workspace to the outside; reads, decisions and reverts go on. */
import { assertActor, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Environment } from './environment.ts'
import { eventRun, THAWED } from './event-run.ts'
import { isToAdopt } from './waiting.ts'

export interface FreezeVerbs {
  /** Stops all writes to the outside. Reads, decisions and reverts go on. Adds nothing to what is frozen already, be it until `adopt`. */
  freeze(options: { by: Actor; reason: string }): Promise<void>
  /** Throws `ADOPTION_NEEDED` where no operator had frozen it: of a copy, or of what was imported, another store may still act. */
  thaw(options: { by: Actor }): Promise<void>
  /** Declares a store that was opened as a copy, or behind, or filled by an import, to be the one that goes on, and thaws it. */
  adopt(options: { by: Actor }): Promise<void>
}

export function freezeVerbs(env: Environment, workspace: string): FreezeVerbs {
  return {
    async freeze({ by, reason }) {
      assertActor(by, 'a freeze')
      await env.company(workspace).setFrozen(reason, by)
    },
    thaw: ({ by }) => thaw(env, workspace, by, false),
    async adopt({ by }) {
      assertActor(by, 'the end of a freeze')
      await env.store.adopt(workspace)
      await thaw(env, workspace, by, true)
    },
  }
}

/** Ends the freeze and, in the same unit, starts the event that wakes what waits for it, or for one that it was laid over. */
async function thaw(env: Environment, workspace: string, by: Actor, adopting: boolean): Promise<void> {
  assertActor(by, 'the end of a freeze')
  const company = env.company(workspace)
  await company.edit(async () => {
    const now = await company.freeze()
    if (!now.frozen) return undefined
    if (!adopting && isToAdopt(now.reason)) throw notAdopted(workspace, now.reason)
    const put = { kind: 'company', id: 'freeze', version: now.epoch + 1, data: { frozen: false, reason: '' } }
    const epochs = [now.epoch, ...(now.over === undefined ? [] : [now.over])]
    const starts = epochs.map((epoch) =>
      eventRun(env, workspace, { event: THAWED, id: String(epoch), payload: { epoch } }, by),
    )
    return { drafts: [{ kind: 'workspace.thawed', data: { by, puts: [put] } }], unit: { starts } }
  })
  env.nudge()
}

function notAdopted(workspace: string, reason: string): KeelsonError {
  return new KeelsonError('ADOPTION_NEEDED', `workspace ${workspace} stays frozen: ${reason}`, {
    hint: 'thaw() ends a freeze of an operator. adopt({ by }) says that this store goes on, and the other must not act any more.',
    data: { workspace },
  })
}
