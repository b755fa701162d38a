/** MayApply: who may apply a plan: people and systems may; an agent only where the host's rule lets it, as it must to decide an item. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import type { ItemRecord } from '../item.ts'
import type { Decider } from '../memory/decider.ts'
import type { RevertPlan } from './plan.ts'

/** The rule's part of the inbox, which stands above. */
export type Asking = Pick<Decider, 'mayDecide'>

/** Throws `DECISION_REFUSED`. */
export async function assertMayApply(asking: Asking, plan: RevertPlan, by: Actor, now: number): Promise<void> {
  if (by.kind !== 'agent' || (await asking.mayDecide(by, asItem(plan, now)))) return
  throw new KeelsonError(
    'DECISION_REFUSED',
    `${by.name ?? by.id} may not apply this plan: an agent takes nothing back`,
    {
      hint: 'Name the person who applies it: { by: { kind: "person", id } }. Or let mayDecide allow the agent: it is asked about an approval of keelson.revert.',
      data: { plan: plan.hash, why: 'forbidden' },
    },
  )
}

/** The plan as what would have to be approved. It stands in no inbox. */
function asItem({ target, lines, hash }: RevertPlan, now: number): ItemRecord {
  const rows = lines.map((line, i) => ({
    label: `${i + 1}. ${line.kind}`,
    after: line.can ? line.what : `${line.what}: stays: ${line.why}`,
  }))
  return {
    ...{ id: `revert:${hash.slice(0, 24)}`, kind: 'approval', state: 'open', hash, run: '', key: '' },
    ...{ title: 'Take back', openedAt: now, onSilence: 'wait', reminders: 0, allows: ['approve', 'reject'], why: [] },
    preview: { kind: 'fields', rows },
    editSchema: {},
    action: 'keelson.revert',
    account: 'default',
    input: parseStored(canonical(target)),
    risk: 'high',
    undo: true,
  }
}
