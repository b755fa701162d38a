/**
 * Revert: what a run, a change set, or an actor has written to memory and to entities, taken back as change sets of its own.
 *
 * V1. Newest first, one unit for each set: stopped half way, it goes on where it was when it is asked again.
 * V2. What a machine may not take back by itself is proposed, set by set: as what its inverse would do. Once the set is taken back
 *     by another, nobody is asked about it any more.
 */
import { pagesOf } from '../../journal/pages.ts'
import { KeelsonError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { changeSetPut, CHANGE_SET_RECORD, writtenIn, type ChangeSetRecord } from '../../memory/change-set.ts'
import type { Reverted, WorkspaceMemory } from '../../memory/handle.ts'
import type { Blocked } from '../../memory/invert.ts'
import { instantOf } from '../../memory/recall/recall.ts'
import { assertOwn } from './asked-sets.ts'
import { mayTouch } from './bounds.ts'
import { assertActor, outOfScope, type Desk } from './desk.ts'
import { readSet } from './changes.ts'
import { assertMayTakeBack, type Decider } from './decider.ts'
import { askingFor, endAsking } from './end-proposals.ts'
import { assertRun } from './mistyped.ts'
import { entitySets, type SetQuery } from './entity-sets.ts'
import { mayAlone, undoing } from './take-back.ts'
import { draftProposal } from './write.ts'

type What = Parameters<WorkspaceMemory['revert']>[0]
type By = Parameters<WorkspaceMemory['revert']>[1]

/** Nothing is taken back where one of the sets was decided by a person and may not be taken back by this one. */
export async function revert(desk: Desk, decider: Decider, what: What, options: By): Promise<Reverted> {
  assertActor(options.by)
  const blocked: Blocked[] = []
  const changeSets: string[] = []
  const reverted: string[] = []
  const proposed: string[] = []
  const sets = await setsOf(desk, what)
  for (const { id } of sets) await assertMayTakeBack(desk, decider, id, options.by)
  for (const set of sets) {
    const { id } = set
    if (!(await mayAlone(desk, set, options.by))) {
      proposed.push(await propose(desk, set, options))
      continue
    }
    const made = await revertSet(desk, id, options, blocked)
    if (made === undefined) continue
    reverted.push(id)
    changeSets.push(made)
  }
  desk.env.nudge()
  return { changeSets, reverted, blocked, ...(proposed.length === 0 ? {} : { proposed }) }
}

/** V2. One that waits already is not made again. */
async function propose(desk: Desk, record: ChangeSetRecord, { by, reason }: By): Promise<string> {
  const { env, workspace, scope } = desk
  const { id } = record
  const asks = [...new Set(writtenIn(record).map((one) => one.id))]
  let asking: string | undefined
  await env.company(workspace).edit(async () => {
    const { open, next } = await askingFor(desk, id)
    asking = open?.id ?? next
    if (open !== undefined) return undefined
    const set: ChangeSetRecord = {
      id: next,
      status: 'proposed',
      ...{ source: { by }, reason: reason ?? `take back ${id}`, createdAt: env.clock.now(), scope },
      ...{ changes: [], ops: [], reverts: [id], ...(asks.length === 0 ? {} : { asks }) },
    }
    const { puts, starts } = draftProposal(desk, set, by)
    return { drafts: [{ kind: 'memory.changed', data: { by, puts } }], unit: { starts } }
  })
  return asking!
}

/** The applied sets that are meant, newest first; those of entities behind those of memories, which they do not touch. */
async function setsOf(desk: Desk, what: What): Promise<ChangeSetRecord[]> {
  const since = 'since' in what ? instantOf(what.since)! : -Infinity
  const sets =
    'run' in what
      ? await setsUnder(desk, 'run', what.run)
      : 'actor' in what
        ? await setsUnder(desk, 'actor', what.actor)
        : [...(await setsUnder(desk, 'group', what.changeSet)), ...(await one(desk, what.changeSet))]
  const stored = sets
    .filter((set) => set.status === 'applied' && (set.decidedAt ?? set.createdAt) >= since)
    .sort((a, b) => b.order - a.order)
  const all = 'changeSet' in what ? stored : [...stored, ...(await ofEntities(desk, { ...what, since }))]
  if (sets.length + all.length === 0) await assertRun(desk, what)
  const own: ChangeSetRecord[] = []
  for (const set of all)
    if (await mayTouch(desk, set)) own.push(set)
    else if ('changeSet' in what && set.id === what.changeSet) throw outOfScope(`change set "${set.id}"`, desk)
  return own
}

async function ofEntities(desk: Desk, query: SetQuery): Promise<ChangeSetRecord[]> {
  const sets: ChangeSetRecord[] = []
  for await (const set of entitySets(desk, query)) sets.push(set)
  const newest = (set: ChangeSetRecord): number => Math.max(...writtenIn(set).map(({ version }) => version))
  return sets.sort((a, b) => b.createdAt - a.createdAt || newest(b) - newest(a))
}

/** With its place in the order of commits. */
type Ordered = ChangeSetRecord & { readonly order: number }

async function one(desk: Desk, id: string): Promise<Ordered[]> {
  try {
    const { record } = await readSet(desk, id)
    assertOwn(record)
    return [{ ...record, order: 0 }]
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'MEMORY_NOT_FOUND') && (await setsUnder(desk, 'group', id)).length > 0) return []
    throw thrown
  }
}

async function setsUnder({ env, workspace }: Desk, field: string, value: string): Promise<Ordered[]> {
  const sets: Ordered[] = []
  for await (const { data } of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where: { field, value } }))
    sets.push({ ...(JSON.parse(data) as ChangeSetRecord), order: sets.length })
  return sets
}

/** One set in one unit. Answers the set that took it back; undefined when it was taken back already. */
async function revertSet(desk: Desk, id: string, { by, reason }: By, blocked: Blocked[]): Promise<string | undefined> {
  const { env, workspace, scope } = desk
  let own: readonly Blocked[] = []
  const set = `revert_${sha256(id).slice(0, 12)}_${env.ids.id()}`
  const written = await env.company(workspace).edit(async () => {
    const { record, version } = await readSet(desk, id)
    if (record.status !== 'applied') return undefined
    const {
      puts: undone,
      cached,
      changes,
      blocked: left,
    } = await undoing(desk, record, {
      ...{ set, by },
      ...(reason === undefined ? {} : { reason }),
    })
    own = left
    // Nothing of it could be taken back: it stands, and can be tried again.
    if (undone.length === 0 && own.length > 0) return undefined
    const made: ChangeSetRecord = {
      id: set,
      status: 'applied',
      source: { by },
      reason: reason ?? `${id} is taken back`,
      createdAt: env.clock.now(),
      scope,
      changes,
      reverts: [id],
    }
    const { puts: over, deliveries } = await endAsking(desk, id, by)
    const reverted = changeSetPut({ ...record, status: 'reverted', revertedBy: set }, version + 1)
    const puts = [...undone, changeSetPut(made, 1), reverted, ...over]
    return { drafts: [{ kind: 'memory.changed', data: { by, puts } }], cached, unit: { deliveries } }
  })
  blocked.push(...own)
  return written === undefined ? undefined : set
}
