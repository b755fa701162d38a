/** Changes: the change sets of a workspace: listed, shown, proposed, decided. */
import { KeelsonError } from '../../base/errors.ts'
import type { Json } from '../../base/value.ts'
import {
  assertProposable,
  CHANGE_SET_RECORD,
  type ChangeSetRecord,
  type EntityWritten,
} from '../../memory/change-set.ts'
import type { MemoryChanges, ChangeSet, Diff } from '../../memory/handle.ts'
import { historyOf } from '../../memory/history.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import { memoryOf } from '../../memory/unit.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { ItemRecord } from '../item.ts'
import type { Notifier } from '../notifier.ts'
import { handle } from '../runs.ts'
import { assertMayAnswer, refusal, type Decider } from './decider.ts'
import { askedDiff, askedSet, askedSets, itemOfSet } from './asked-sets.ts'
import { assertWithin, isWhole, mayRead, maySee, mayTouch } from './bounds.ts'
import { assertActor, benchOf, outOfScope, type Desk } from './desk.ts'
import { entityOf, entitySet, entitySets, type SetQuery } from './entity-sets.ts'
import { diffOf, proposalRunId, proposedDiff } from './proposal.ts'
import { draftProposal } from './write.ts'

export function changesOf(desk: Desk, notifier: Notifier, decider: Decider): MemoryChanges {
  return {
    list: (query) => list(desk, query),
    async get(id) {
      const { record } = await readSet(desk, id)
      const item = record.status === 'proposed' && record.item === undefined ? await openItem(desk, id) : undefined
      return changeSetOf(item === undefined ? record : { ...record, item: item.id })
    },
    diff: (id) => diff(desk, id),
    async propose(ops, { by, reason }) {
      assertActor(by)
      return { changeSet: await propose(desk, { ops, reason, by }) }
    },
    apply: (id, { by }) => decide(desk, notifier, decider, id, { by, decision: { approve: true } }),
    reject: (id, { by, reason }) =>
      decide(desk, notifier, decider, id, { by, decision: { reject: reason ?? 'it is not wanted' } }),
  }
}

/** Those that are stored, those of entities, and those that people are asked about by runs, newest first. */
async function list(desk: Desk, query: Parameters<MemoryChanges['list']>[0] = {}): Promise<ChangeSet[]> {
  const { status, run, actor, limit = 100 } = query
  const newest = newestOf(desk, limit)
  const sets: ChangeSetRecord[] = []
  for await (const some of storedSets(desk, { status, run, actor })) {
    sets.push(...some)
    if ((await newest(sets)).length === limit) break
  }
  if (status === undefined || status === 'proposed')
    sets.push(...(await askedSets(desk, 'open', { run, actor }, limit)))
  if (status === undefined || status === 'rejected')
    sets.push(...(await askedSets(desk, 'closed', { run, actor }, limit)))
  if (status === undefined || status === 'applied') sets.push(...(await unreverted(desk, { run, actor }, limit)))
  return (await newest(sets)).map(changeSetOf)
}

/** The newest of many that may be seen, `limit` at most. No set is looked at twice, and none that is older than those. */
function newestOf(desk: Desk, limit: number): (sets: readonly ChangeSetRecord[]) => Promise<ChangeSetRecord[]> {
  const known = new Map<ChangeSetRecord, boolean>()
  return async (sets) => {
    const found: ChangeSetRecord[] = []
    for (const set of sets.toSorted((a, b) => b.createdAt - a.createdAt)) {
      if (found.length === limit) break
      const may = known.get(set) ?? (await maySee(desk, set))
      known.set(set, may)
      if (may) found.push(set)
    }
    return found
  }
}

/** Of a page at least, more are looked at than are handed out: they stand in the order of their last change. */
const LOOKED_MIN = 1000

/** Those that have a record and match: of the first so many rows, then of each page behind them. */
async function* storedSets(
  { env, workspace }: Desk,
  { status, run, actor }: SetQuery & { status: ChangeSet['status'] | undefined },
): AsyncGenerator<ChangeSetRecord[]> {
  // By what leaves the fewest to look at: nearly all sets are applied, and one actor may have written most of them.
  const where =
    run !== undefined
      ? { field: 'run', value: run }
      : status !== undefined && (status !== 'applied' || actor === undefined)
        ? { field: 'status', value: status }
        : actor !== undefined
          ? { field: 'actor', value: actor }
          : { field: 'all', value: '1' }
  let sets: ChangeSetRecord[] = []
  let looked = 0
  for await (const row of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where, order: 'descending' })) {
    const set = JSON.parse(row.data) as ChangeSetRecord
    const isOfActor = actor === undefined || set.source.by.id === actor
    if (isOfActor && (status === undefined || set.status === status)) sets.push(set)
    if (++looked < LOOKED_MIN || looked % PAGE !== 0) continue
    yield sets
    sets = []
  }
  yield sets
}

const PAGE = 500

/** The newest sets of entities that were not taken back: those have a record. */
async function unreverted(desk: Desk, query: SetQuery, limit: number): Promise<ChangeSetRecord[]> {
  const { env, workspace } = desk
  const found: ChangeSetRecord[] = []
  for await (const set of entitySets(desk, query)) {
    const row = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [set.id], limit: 1 })
    if (row.length === 0) found.push(set)
    if (found.length === limit) break
  }
  return found
}

export async function propose(
  desk: Desk,
  given: Pick<ChangeSetRecord, 'reason'> & {
    ops: NonNullable<ChangeSetRecord['ops']>
    by: ChangeSetRecord['source']['by']
  },
): Promise<string> {
  const { env, workspace, scope } = desk
  const { ops, reason, by } = given
  await assertWithin(desk, ops)
  await diffOf(desk, ops)
  await assertProposable(benchOf(desk), ops)
  const id = `set_${env.ids.id()}`
  await env.company(workspace).edit(async () => {
    const set: ChangeSetRecord = {
      id,
      status: 'proposed',
      source: { by },
      reason,
      createdAt: env.clock.now(),
      scope,
      changes: [],
      ops,
    }
    const { puts, starts } = draftProposal(desk, set, by)
    return { drafts: [{ kind: 'memory.changed', data: { by, puts } }], unit: { starts } }
  })
  env.nudge()
  return id
}

/** Throws `MEMORY_NOT_FOUND`, also for one that may not be seen here. */
export async function readSet(desk: Desk, id: string): Promise<{ record: ChangeSetRecord; version: number }> {
  const { env, workspace } = desk
  const [row] = await env.store.records(workspace, { kind: CHANGE_SET_RECORD, ids: [id], limit: 1 })
  const record =
    row === undefined
      ? ((await entitySet({ env, workspace }, id)) ?? (await askedSet({ env, workspace }, id)))
      : (JSON.parse(row.data) as ChangeSetRecord)
  if (record !== undefined && (await maySee(desk, record))) return { record, version: row?.version ?? 0 }
  throw new KeelsonError('MEMORY_NOT_FOUND', `there is no change set "${id}"`, { data: { changeSet: id } })
}

export function changeSetOf(record: ChangeSetRecord): ChangeSet {
  const { ops: _, kept: _kept, asks: _asks, scope: _scope, learned: _learned, createdAt, decidedAt, ...rest } = record
  return {
    ...rest,
    createdAt: new Date(createdAt).toISOString(),
    ...(decidedAt === undefined ? {} : { decidedAt: new Date(decidedAt).toISOString() }),
  }
}

async function diff(desk: Desk, id: string): Promise<Diff[]> {
  const { record } = await readSet(desk, id)
  if (record.ops !== undefined) return readable(desk, await proposedDiff(desk, record))
  const asked = await itemOfSet(desk, id)
  if (asked !== undefined) return askedDiff(asked)
  const memories = await recordsOf(
    desk.env.store,
    desk.workspace,
    record.changes.flatMap((change) => (change.did === 'written' ? [] : [change.id])),
  )
  const diffs = record.changes.map(async (change): Promise<Diff> => {
    if (change.did === 'written') return entityDiff(desk, change)
    const memory = memories.get(change.id)
    if (change.did === 'added') return { op: 'add', after: memory?.text ?? '' }
    return { op: change.did, ...(memory === undefined ? {} : { before: memoryOf(memory, desk.env.clock.now()) }) }
  })
  return Promise.all(diffs)
}

/** What would be closed may be more sensitive than what closes it. */
function readable(desk: Desk, diffs: readonly Diff[]): Diff[] {
  if (isWhole(desk)) return [...diffs]
  return diffs.map(({ before, ...rest }) =>
    before === undefined || mayRead(desk, before) ? { ...rest, ...(before === undefined ? {} : { before }) } : rest,
  )
}

/** Field by field, as its history has it. */
async function entityDiff({ env, workspace }: Desk, { id: entity, version, what }: EntityWritten): Promise<Diff> {
  const { type, id } = entityOf(entity)
  const history = await historyOf(env.store, workspace, type, id)
  const data = (at: number) => history.find((one) => one.version === at)?.data ?? {}
  const [before, after] = [data(version - 1), data(version)]
  const changed = [...(history.find((one) => one.version === version)?.changes ?? [])].sort()
  const sides = changed.map((field): [string, { before?: Json; after?: Json }] => [
    field,
    {
      ...(before[field] === undefined ? {} : { before: before[field] }),
      ...(after[field] === undefined ? {} : { after: after[field] }),
    },
  ])
  return { op: 'write', entity, version, after: what, fields: Object.fromEntries(sides) }
}

/** Decides the proposal's item as a person in the inbox would, and waits until it is done. */
async function decide(
  desk: Desk,
  notifier: Notifier,
  decider: Decider,
  id: string,
  given: { by: ChangeSetRecord['source']['by']; decision: { approve: true } | { reject: string } },
): Promise<ChangeSet> {
  assertMayAnswer(given.by)
  const { env } = desk
  const { record } = await readSet(desk, id)
  if (!(await mayTouch(desk, record))) throw outOfScope(`change set "${id}"`, desk)
  if (record.status !== 'proposed') {
    throw new KeelsonError('MEMORY_STALE', `change set "${id}" is ${record.status}`, {
      hint: 'Only what is proposed can be decided.',
      data: { changeSet: id },
    })
  }
  const asked = await itemOfSet(desk, id)
  const item = asked ?? (await openItem(desk, id))
  if (item === undefined) throw notAsked(id)
  const said = await decider.decide(item.id, { hash: item.hash, by: given.by, ...given.decision })
  if (said.status === 'refused') throw refusal(id, said)
  env.nudge()
  // A run that asked goes its own way from here.
  if (asked === undefined) await untilDone(desk, notifier, id, item.id)
  return changeSetOf((await readSet(desk, id)).record)
}

/** Throws `DECISION_REFUSED` where the proposal asks anew instead of doing as it was told. */
async function untilDone({ env, workspace }: Desk, notifier: Notifier, set: string, item: string): Promise<void> {
  const run = proposalRunId(set)
  const watched = notifier.watch(workspace, run)
  const where = { field: 'openRun', value: run }
  try {
    for (;;) {
      const changed = watched.next()
      changed.catch(() => {}) // the looks may be what fails first
      const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
      if (row?.state === 'settled') break
      const [anew] = await env.store.records(workspace, { kind: 'inbox', where, limit: 1 })
      if (anew !== undefined && anew.id !== item) {
        const message = 'what it touches was changed since it was shown, and it asks anew'
        throw refusal(set, { status: 'refused', why: 'changed', message })
      }
      await changed
    }
  } finally {
    watched.end()
  }
  await handle(env, notifier, workspace, run).result()
}

/** The item that asks about a proposal, where it was opened. */
async function openItem({ env, workspace }: Desk, id: string): Promise<ItemRecord | undefined> {
  const where = { field: 'openRun', value: proposalRunId(id) }
  const [row] = await env.store.records(workspace, { kind: 'inbox', where, limit: 1 })
  return row === undefined ? undefined : (JSON.parse(row.data) as ItemRecord)
}

function notAsked(id: string): KeelsonError {
  return new KeelsonError('MEMORY_STALE', `nobody has been asked about change set "${id}" yet`, {
    hint: 'A conductor that works opens the item; try again when it runs.',
    data: { changeSet: id },
  })
}
