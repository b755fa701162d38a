/**
 * Write: a change set as a unit: what it changes, its own record, and the run that asks about what must be proposed.
 *
 * W1. All of it is written together with the entry that says so, or not at all.
 */
import type { Actor } from '../../base/actor.ts'
import { stored } from '../../base/json.ts'
import { isUnlabelled, type Labels } from '../../base/labels.ts'
import type { Put } from '../../journal/put.ts'
import type { NewRun } from '../../journal/store.ts'
import {
  applyOps,
  type Applied,
  type Applying,
  CHANGE_SET_RECORD,
  changeSetPut,
  type ChangeOp,
  type ChangeSetRecord,
  type Remembered,
} from '../../memory/change-set.ts'
import { keptAsApproved } from '../../memory/kept.ts'
import type { Source } from '../../memory/unit.ts'
import { assertWithin } from './bounds.ts'
import { benchOf, memoryIds, type Desk } from './desk.ts'
import { proposalRun } from './proposal.ts'

export interface Write {
  readonly ops: readonly ChangeOp[]
  readonly source: Source
  readonly reason: string
  /** The set's id. One of that id which is there already held the same ops: its proposal is not made again. */
  readonly set: string
  /** What an earlier release called it, which may have made its proposal. */
  readonly formerly?: string
  /** What ids of memories are made of. Default: the set's id. */
  readonly ids?: string
  readonly group?: string
  /** What all of it is to be taken for. */
  readonly labels?: Labels
  /** What each op keeps of a memory that is taken over. */
  readonly kept?: Applying['kept']
}

export interface Drafted {
  readonly puts: readonly Put[]
  readonly starts: readonly NewRun[]
  readonly results: readonly Remembered[]
}

/** Made anew whenever the unit meets a conflict. */
export async function draftWrite(desk: Desk, write: Write): Promise<Drafted> {
  const { env, scope } = desk
  const { set, ids = set, ops, reason, group, kept } = write
  // It is written with each memory: once in the order in which it is stored.
  const source = stored(write.source) as unknown as Source
  const labels = write.labels === undefined || isUnlabelled(write.labels) ? {} : { labels: write.labels }
  await assertWithin(desk, ops)
  const now = env.clock.now()
  const bench = benchOf(desk)
  const decided = source.by.kind === 'person'
  const applying = { source, scope, now, set, decided, ...labels, newId: memoryIds(ids), kept }
  const applied = await applyOps(bench, ops, applying)
  const base = { source, reason, createdAt: now, scope, ...labels, ...(group === undefined ? {} : { group }) }
  const puts = bench.puts()
  if (applied.changes.length > 0)
    puts.push(changeSetPut({ ...base, id: set, status: 'applied', changes: applied.changes }, 1))
  const asked = applied.wider.length === 0 ? undefined : await askedBefore(desk, write)
  const proposed =
    applied.wider.length === 0 || asked !== undefined
      ? undefined
      : draftProposal(
          desk,
          { ...base, id: `${set}-proposed`, status: 'proposed', changes: [], ...proposing(applied, kept) },
          source.by,
        )
  const results = applied.results.map((result): Remembered => ({
    ...result,
    changeSet: result.status === 'proposed' ? (asked ?? `${set}-proposed`) : set,
  }))
  return { puts: [...puts, ...(proposed?.puts ?? [])], starts: proposed?.starts ?? [], results }
}

/** The proposal of this very set that is there already. */
async function askedBefore(desk: Desk, { set, formerly }: Write): Promise<string | undefined> {
  for (const one of formerly === undefined ? [set] : [set, formerly])
    if (await isThere(desk, `${one}-proposed`)) return `${one}-proposed`
  return undefined
}

/** What a person is asked about, with what each op keeps. */
function proposing({ results, wider }: Applied, kept: Write['kept']): Pick<ChangeSetRecord, 'ops' | 'kept'> {
  const all = results.flatMap(({ status }, at) => (status === 'proposed' ? [keptAsApproved(kept?.(at))] : []))
  return { ops: wider, ...(all.every((one) => Object.keys(one).length === 0) ? {} : { kept: all }) }
}

/** Is one of these sets? */
export async function isThere(
  { env, workspace }: Pick<Desk, 'env' | 'workspace'>,
  ...ids: readonly string[]
): Promise<boolean> {
  return (await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids, limit: ids.length })).length > 0
}

/** A set that waits for a person, and the run that asks. */
export function draftProposal(
  desk: Pick<Desk, 'env' | 'workspace'>,
  set: ChangeSetRecord,
  by: Actor,
): { puts: Put[]; starts: NewRun[] } {
  return { puts: [changeSetPut(set, 1)], starts: [proposalRun(desk, set.id, by)] }
}
