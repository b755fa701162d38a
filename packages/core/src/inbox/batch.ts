/**
 * Batch: many like items in one go.
 *
 * T1. Exactly the items that were reviewed, each with its hash; what came in meanwhile is not among them.
 * T2. Only items of one batch key: high risk and what cannot be taken back are decided alone. Each is answered for itself.
 * T3. A batch makes no grant, and its decisions say that they were taken in one.
 */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { itemsWhere, readItem, type ItemRecord } from '../conductor/item.ts'
import { decide, itemNotFound, type Decided, type Deciding } from './decide.ts'

/** The most that one batch may hold: more than that nobody has reviewed. */
const BATCH_MAX = 50

export interface Reviewed {
  readonly id: string
  readonly hash: string
}

export type BatchDecision = { readonly by: Actor } & ({ readonly approve: true } | { readonly reject: string })

export interface BatchResult {
  readonly batch: string
  readonly items: readonly ({ readonly id: string } & Decided)[]
}

/** Like items that wait, counted as one. */
export interface ItemGroup {
  readonly action: string
  readonly title: string
  readonly count: number
  /** They may be decided by one `inbox.batch`; without it, one by one. */
  readonly batchKey?: string
  readonly items: readonly Reviewed[]
  readonly oldestAt: string
}

export async function decideBatch(
  options: Deciding,
  reviewed: readonly Reviewed[],
  { by, ...decision }: BatchDecision,
): Promise<BatchResult> {
  const { env, workspace } = options
  assertBatch(reviewed, decision)
  const found: ItemRecord[] = []
  for (const { id } of reviewed) {
    const one = await readItem(env.store, workspace, id)
    if (one === undefined) throw itemNotFound(id)
    found.push(one.item)
  }
  const key = found.find(({ batchKey }) => batchKey !== undefined)?.batchKey ?? ''
  const batch = { id: env.ids.id(), key }
  const items: ({ id: string } & Decided)[] = []
  for (const { id, hash } of reviewed)
    items.push({ id, ...(await decide(options, id, { hash, by, ...decision }, batch)) })
  return { batch: batch.id, items }
}

function assertBatch(reviewed: readonly Reviewed[], decision: object): void {
  const verbs = Object.keys(decision)
  const wrong =
    reviewed.length === 0
      ? 'it is empty'
      : reviewed.length > BATCH_MAX
        ? `it holds ${reviewed.length} items; at most ${BATCH_MAX} count as reviewed`
        : new Set(reviewed.map((one) => one.id)).size < reviewed.length
          ? 'an item is in it twice'
          : verbs.length !== 1 || !['approve', 'reject'].includes(verbs[0]!)
            ? 'it can only be approved or rejected'
            : undefined
  if (wrong === undefined) return
  throw new KeelsonError('INPUT_INVALID', `this batch cannot be decided: ${wrong}`, {
    hint: 'Pass the ids and hashes of one group of inbox.groups(). Nothing was decided.',
  })
}

/** Open approvals by likeness, the largest groups first. */
export async function groupsOf(options: Deciding): Promise<ItemGroup[]> {
  const { env, workspace } = options
  const open = await itemsWhere(env.store, workspace, { field: 'state', value: 'open' })
  const groups = new Map<string, ItemRecord[]>()
  for (const item of open) {
    if (item.kind !== 'approval' || item.dueAt !== undefined || item.shadow === true) continue
    if (item.snoozedUntil !== undefined && item.snoozedUntil > env.clock.now()) continue
    const key = likeness(item)
    groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return [...groups.values()]
    .map((items) => ({
      action: items[0]!.action ?? '',
      title: titleOf(env, items),
      count: items.length,
      ...(items[0]!.batchKey === undefined ? {} : { batchKey: items[0]!.batchKey }),
      items: items.map(({ id, hash }) => ({ id, hash })),
      oldestAt: new Date(items[0]!.openedAt).toISOString(),
    }))
    .sort((a, b) => b.count - a.count)
}

/** What they say of themselves, where all say the same; else what they are. */
function titleOf({ actions }: Deciding['env'], items: readonly ItemRecord[]): string {
  const [{ title, action = '' }] = items as [ItemRecord]
  if (items.length === 1) return title
  const alike = items.every((one) => one.title === title)
  return `${items.length} × ${alike ? title : (actions.find(action)?.title ?? action)}`
}

/** What counts as one interruption: the same action under the same account, of one batch key where it has one. */
export function likeness(item: ItemRecord): string {
  const undo = item.undo === true ? 'undo' : ''
  return `${item.kind} ${item.action ?? item.run} ${item.account ?? ''} ${item.batchKey ?? ''} ${undo}`
}
