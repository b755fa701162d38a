/**
 * Asked sets: writes of entities that a run has put to a person, as change sets that are proposed or were rejected.
 *
 * Q1. Nothing is stored for them: each is the inbox item by which it is decided. What came of a yes is a set of its own, made by
 *     the entry that wrote it.
 */
import { KeelsonError } from '../../base/errors.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { ChangeSetRecord } from '../../memory/change-set.ts'
import type { Diff } from '../../memory/handle.ts'
import { WORKSPACE_SCOPE } from '../../memory/scope.ts'
import { readItem, type ItemRecord } from '../item.ts'
import type { Desk } from './desk.ts'
import type { SetQuery } from './entity-sets.ts'

type At = Pick<Desk, 'env' | 'workspace'>

const PREFIX = 'item:'

/** Those that are open, or those that ended without a yes: the newest `limit`, newest first. */
export async function askedSets(
  desk: At,
  state: 'open' | 'closed',
  query: SetQuery,
  limit: number,
): Promise<ChangeSetRecord[]> {
  const { env, workspace } = desk
  const where = { field: 'proposes', value: state }
  const found: ChangeSetRecord[] = []
  if (limit <= 0) return found
  for await (const row of pagesOf(env.store, workspace, { kind: 'inbox', where, order: 'descending' }, limit)) {
    const item = JSON.parse(row.data) as ItemRecord
    if (query.run !== undefined && item.run !== query.run) continue
    const set = await setOf(desk, item)
    if (set.status === 'applied' || (query.actor !== undefined && set.source.by.id !== query.actor)) continue
    if (found.push(set) === limit) break
  }
  return found
}

/** The set of this id; undefined for one that nobody was asked about. */
export async function askedSet(desk: At, id: string): Promise<ChangeSetRecord | undefined> {
  const item = await itemOfSet(desk, id)
  return item === undefined ? undefined : setOf(desk, item)
}

/** The item by which the set of this id is decided. */
export async function itemOfSet({ env, workspace }: At, id: string): Promise<ItemRecord | undefined> {
  if (!id.startsWith(PREFIX)) return undefined
  const item = (await readItem(env.store, workspace, id.slice(PREFIX.length)))?.item
  return item?.proposes === undefined ? undefined : item
}

async function setOf({ env, workspace }: At, item: ItemRecord): Promise<ChangeSetRecord> {
  const { run, key, title, openedAt, decided, state } = item
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  const { reject } = (decided?.decision ?? {}) as { reject?: string }
  const status = state === 'open' ? 'proposed' : isYes(item) ? 'applied' : 'rejected'
  return {
    id: `${PREFIX}${item.id}`,
    status,
    source: { by: { kind: 'system', id: row?.playbook ?? '' }, run, step: key },
    reason: title,
    createdAt: openedAt,
    scope: WORKSPACE_SCOPE,
    changes: [],
    item: item.id,
    ...(decided === undefined ? {} : { decidedBy: decided.by, decidedAt: decided.at }),
    ...(status !== 'rejected'
      ? {}
      : { why: reject ?? (decided === undefined ? `it was ${state}` : 'it was not approved') }),
  }
}

function isYes({ decided }: ItemRecord): boolean {
  const { approve, answer } = (decided?.decision ?? {}) as { approve?: true; answer?: { approved?: boolean } }
  return approve === true || answer?.approved === true
}

/** What it would do, as the person is shown it. */
export function askedDiff({ proposes, preview, title }: ItemRecord): Diff[] {
  const rows = preview.kind === 'fields' ? preview.rows : []
  const fields = rows.map(({ label, before, after }) => [label, { ...(before === undefined ? {} : { before }), after }])
  const { op, entities } = proposes!
  return [
    { op, entity: entities.join(', '), after: title, fields: Object.fromEntries(fields) as Diff['fields'] & object },
  ]
}

/** What a yes led to is not this set's to take back. */
export function assertOwn({ id, item, source }: ChangeSetRecord): void {
  if (item === undefined || !id.startsWith(PREFIX)) return
  throw new KeelsonError(
    'MEMORY_STALE',
    `change set "${id}" is the question of run ${source.run ?? ''}, and wrote nothing`,
    {
      hint: 'What was written after a yes is a set of that run: find it with changes.list({ run }).',
      data: { changeSet: id },
    },
  )
}
