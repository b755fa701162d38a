/**
 * Asked back: what a machine has asked to take back, as it could be taken back now.
 *
 * R1. It is tried, not guessed: what a person is shown, and what their yes is held to, is what taking it back would do.
 */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { CHANGE_SET_RECORD, changeSetPut, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Desk } from './desk.ts'
import { entitySet } from './entity-sets.ts'
import { undoing, type Undoing } from './take-back.ts'

/** `version`: of its record; 0 for a set of entities, which has none. */
interface Found {
  readonly record: ChangeSetRecord
  readonly version: number
}

export interface AskedBack extends Undoing {
  /** What it would take back; undefined where that is there no more. */
  readonly found: Found | undefined
}

/** Undefined: this proposal takes nothing back. `by`: who takes it back; whoever asked, where nobody has decided yet. */
export async function askedBack(
  desk: Desk,
  proposal: ChangeSetRecord,
  by: Actor = proposal.source.by,
): Promise<AskedBack | undefined> {
  const [id] = proposal.reverts ?? []
  if (id === undefined) return undefined
  const found = await setNamed(desk, id)
  const undone =
    found?.record.status === 'applied'
      ? await tried(desk, found.record, { by, reason: proposal.reason, set: proposal.id })
      : nothing(id, 'it is applied no more')
  const none = undone.changes.length + undone.blocked.length === 0
  return { found, ...(none ? nothing(id, 'it is as it was before') : undone) }
}

/** What a yes writes: what goes back, and that both sets say so. `settled`: the proposal as it is kept, once it was decided. */
export function takenBack(
  { puts, cached, changes, found }: AskedBack & { readonly found: Found },
  settled: ChangeSetRecord,
  version: number,
): Pick<Undoing, 'puts' | 'cached'> {
  const { record, version: before } = found
  const own = changeSetPut({ ...settled, status: 'applied', changes }, version + 1)
  const reverted = changeSetPut({ ...record, status: 'reverted', revertedBy: settled.id }, before + 1)
  return { puts: [...puts, own, reverted], cached }
}

/** What cannot be read, or written, as it is now is left as it is, and said. */
async function tried(desk: Desk, record: ChangeSetRecord, by: Parameters<typeof undoing>[2]): Promise<Undoing> {
  try {
    return await undoing(desk, record, by)
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return nothing(record.id, thrown.message)
  }
}

function nothing(id: string, why: string): Undoing {
  return { puts: [], cached: [], changes: [], blocked: [{ id, why }] }
}

/** A set by its id, whether memories or entities were written. */
export async function setNamed(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  id: string,
): Promise<Found | undefined> {
  const [row] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [id], limit: 1 })
  if (row !== undefined) return { record: JSON.parse(row.data) as ChangeSetRecord, version: row.version }
  const written = await entitySet({ env, workspace }, id)
  return written === undefined ? undefined : { record: written, version: 0 }
}
