/** End proposals: those that hold what is about to be erased, or would change it, before it is: their runs have it in their journals. */
import type { Actor } from '../../base/actor.ts'
import { canonical } from '../../base/json.ts'
import { CHANGE_SET_RECORD, changeSetPut, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Notifier } from '../notifier.ts'
import { handle } from '../runs.ts'
import type { Desk } from './desk.ts'
import { PROPOSAL_PLAYBOOK, proposalRunId, proposalSetOf } from './proposal.ts'

/** Proposals that hold the text, or would change the memories, are ended first: their runs, too, have it in their journals. */
export async function endProposals(
  desk: Desk,
  notifier: Notifier,
  texts: readonly string[],
  ids: readonly string[],
  { by, reason }: { readonly by: Actor; readonly reason: string },
): Promise<void> {
  const { env, workspace } = desk
  const rows = await env.store.records(workspace, {
    kind: CHANGE_SET_RECORD,
    where: { field: 'status', value: 'proposed' },
    limit: 1000,
  })
  const at = env.clock.now()
  const cancel = { kind: 'cancel', payload: canonical({ by, reason: 'what it proposes was erased' }), at }
  for (const row of rows) {
    if (![...ids, ...texts].some((text) => row.data.includes(JSON.stringify(text).slice(1, -1)))) continue
    await env.company(workspace).edit(async () => {
      const [now] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [row.id], limit: 1 })
      const record = JSON.parse(now!.data) as ChangeSetRecord
      if (record.status !== 'proposed') return undefined
      const { ops: _, kept: __, ...rest } = record
      const put = changeSetPut(
        { ...rest, status: 'rejected', decidedBy: by, decidedAt: env.clock.now(), why: `${ERASED}${reason}` },
        now!.version + 1,
      )
      const deliveries = [{ ...cancel, run: proposalRunId(row.id), onceKey: `erase:${row.id}` }]
      return { drafts: [{ kind: 'memory.changed', data: { by, puts: [put] } }], unit: { deliveries } }
    })
  }
  env.nudge()
  await untilEnded(desk, notifier)
}

/** Why a change set was rejected whose text was erased. */
const ERASED = 'erased: '

/** Proposals that were ended for an erasure: this one, or one that a crash cut short. */
async function untilEnded({ env, workspace }: Desk, notifier: Notifier): Promise<void> {
  const open = await env.store.runs(workspace, { state: 'open', playbook: PROPOSAL_PLAYBOOK, limit: 1000 })
  const sets = new Map(open.map(({ id }) => [proposalSetOf(id), id]))
  if (sets.size === 0) return
  const rows = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [...sets.keys()], limit: sets.size })
  for (const row of rows) {
    const { status, why } = JSON.parse(row.data) as ChangeSetRecord
    if (status !== 'rejected' || why?.startsWith(ERASED) !== true) continue
    await handle(env, notifier, workspace, sets.get(row.id)!)
      .result()
      .catch(() => undefined)
  }
}
