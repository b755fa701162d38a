/** Decider: who may decide on a proposal, and how that is recorded: handed in by the inbox, which stands above. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { Desk } from './desk.ts'
import { assertActor } from './desk.ts'
import type { ItemRecord } from '../item.ts'
import { proposalRunId } from './proposal.ts'

type Answer = { readonly approve: true } | { readonly reject: string }
type Refused = { readonly status: 'refused'; readonly why: string; readonly message: string }

export interface Decider {
  /** As a person in the inbox would. */
  decide(
    item: string,
    given: { readonly hash: string; readonly by: Actor } & Answer,
  ): Promise<{ status: 'done' } | Refused>
  /** The host's rule, asked of an item whether or not it is open. */
  mayDecide(by: Actor, item: ItemRecord): Promise<boolean>
}

/** Throws `INPUT_INVALID` for an agent: what is proposed to the operator is not its to decide. */
export function assertMayAnswer(by: Actor): void {
  assertActor(by)
  if (by.kind !== 'agent') return
  throw new KeelsonError('INPUT_INVALID', `an agent (${by.id}) cannot decide what is proposed to the operator`, {
    hint: 'Name the person who decides: { by: { kind: "person", id } }.',
  })
}

/** What a person decided, only those take back who might have decided it. Throws `DECISION_REFUSED`. */
export async function assertMayTakeBack(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  decider: Decider,
  set: string,
  by: Actor,
): Promise<void> {
  const where = { field: 'run', value: proposalRunId(set) }
  const rows = await env.store.records(workspace, { kind: 'inbox', where, order: 'descending', limit: 20 })
  const item = rows.map((row) => JSON.parse(row.data) as ItemRecord).find((one) => one.state === 'decided')
  if (item === undefined) return
  assertMayAnswer(by)
  if (await decider.mayDecide(by, item)) return
  const message = `${by.name ?? by.id} may not decide this`
  throw refusal(set, { status: 'refused', why: 'forbidden', message })
}

export function refusal(set: string, { why, message }: Refused): KeelsonError {
  return new KeelsonError('DECISION_REFUSED', `change set "${set}" was not decided: ${why}: ${message}`, {
    hint: 'Who may decide what is the rule of mayDecide; what has changed is to be looked at again.',
    data: { changeSet: set, why },
  })
}
