/** Inbox: what waits for a person: list, look, decide, put off, hand on. */
import { assertActor, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import type { Environment } from '../conductor/environment.ts'
import { itemPut, itemsWhere, readItem, type ItemRecord } from '../conductor/item.ts'
import type { RecordRow } from '../journal/store.ts'
import { decideBatch, groupsOf, type BatchDecision, type BatchResult, type ItemGroup, type Reviewed } from './batch.ts'
import { decide, itemNotFound, type Decided, type Deciding, type Decision } from './decide.ts'
import { fatigueOf, type Fatigue } from './fatigue.ts'
import { delegate, snooze } from './hand.ts'
import type { InboxItem } from './item.ts'
import { inWords } from './remembered.ts'

export interface InboxQuery {
  /** The `next` of the page before. */
  readonly after?: string
  /** At most 500. Default 50. */
  readonly limit?: number
  readonly run?: string
  /** Items that rest on this entity. */
  readonly entity?: string
  /** Items that were handed to this person, by id. */
  readonly assignee?: string
  /** With those that were put off and have not come back. Default false. */
  readonly snoozed?: boolean
}

export interface Inbox {
  /** Open items, oldest first. */
  list(options?: InboxQuery): Promise<{ items: InboxItem[]; next?: string }>
  /** Throws `ITEM_NOT_FOUND`. */
  get(id: string): Promise<InboxItem>
  /** Records that a person looked: the evidence that trust is built on. */
  opened(id: string, options: { by: Actor }): Promise<void>
  decide(id: string, decision: { hash: string; by: Actor } & Decision): Promise<Decided>
  /** Like items that wait, counted as one. */
  groups(): Promise<ItemGroup[]>
  /** Decides exactly these items of one batch key, each with the hash that was reviewed; at most fifty. */
  batch(items: readonly Reviewed[], decision: BatchDecision): Promise<BatchResult>
  /** Hides an item until then (ISO text, or a duration from now). */
  snooze(id: string, options: { by: Actor; until: string }): Promise<Decided>
  /** Puts an item into somebody else's hands. */
  delegate(id: string, options: { by: Actor; to: Actor; note?: string }): Promise<Decided>
  /** What the asking costs, and whether anybody still looks: since an instant, or for so long back ('7d'). */
  fatigue(options: { since: string }): Promise<Fatigue>
  /** Items as they open, come back from being put off, or are other than they were, beginning with those that are open. Ends when the signal is aborted or the conductor stops. */
  watch(options?: { signal?: AbortSignal }): AsyncIterable<InboxItem>
}

export interface InboxOptions extends Deciding {
  /** Resolves when something in the workspace may have changed; rejects when the conductor has stopped. */
  readonly changed: () => { next(): Promise<unknown>; end(): void }
  /** Tells those who wait for `changed` of a change that concerns no run. */
  readonly touched: () => void
}

export function inboxOf(options: InboxOptions): Inbox {
  const { env, workspace } = options
  return {
    list: (query = {}) => list(env, workspace, query),
    async get(id) {
      const found = await readItem(env.store, workspace, id)
      if (found === undefined) throw itemNotFound(id)
      const [item] = await inWords(env, workspace, [found.item])
      return item!
    },
    opened: (id, { by }) => opened(env, workspace, id, by),
    decide: (id, decision) => decide(options, id, decision),
    groups: () => groupsOf(options),
    batch: (items, decision) => decideBatch(options, items, decision),
    async snooze(id, given) {
      const said = await snooze(options, id, given)
      options.touched()
      return said
    },
    delegate: (id, given) => delegate(options, id, given),
    fatigue: ({ since }) => fatigueOf(env, workspace, since),
    watch: (query = {}) => watch(options, query.signal),
  }
}

async function list(
  env: Environment,
  workspace: string,
  query: InboxQuery,
): Promise<{ items: InboxItem[]; next?: string }> {
  const limit = Math.min(Math.max(query.limit ?? 50, 1), 500)
  const items: ItemRecord[] = []
  let after = query.after === undefined ? undefined : cursor(query.after)
  for (;;) {
    const rows: readonly RecordRow[] = await env.store.records(workspace, {
      kind: 'inbox',
      where: whereOf(query),
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    })
    for (const row of rows) {
      const item = JSON.parse(row.data) as ItemRecord
      if (!wanted(item, query, env.clock.now())) continue
      if (items.length === limit)
        return { items: await inWords(env, workspace, items), next: `${after!.sort}:${after!.id}` }
      items.push(item)
      after = { sort: row.sort, id: row.id }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length <= limit) return { items: await inWords(env, workspace, items) }
    after = { sort: last.sort, id: last.id }
  }
}

function whereOf({ run, assignee }: InboxQuery): { field: string; value: string } {
  if (run !== undefined) return { field: 'openRun', value: run }
  return assignee === undefined ? { field: 'state', value: 'open' } : { field: 'assignee', value: assignee }
}

function wanted(item: ItemRecord, { assignee, entity, snoozed }: InboxQuery, now: number): boolean {
  if (assignee !== undefined && item.assignee?.id !== assignee) return false
  if (entity !== undefined && !item.why.some(({ ref }) => ref.startsWith('entity:') && ref.includes(`/${entity}@`)))
    return false
  return snoozed === true || item.snoozedUntil === undefined || item.snoozedUntil <= now
}

function cursor(text: string): { sort: number; id: string } {
  const colon = text.indexOf(':')
  const sort = Number(text.slice(0, colon))
  if (colon < 0 || !Number.isFinite(sort)) {
    throw new KeelsonError('INPUT_INVALID', `"${text}" is not a place in the inbox`, {
      hint: 'Pass the `next` of the page before.',
    })
  }
  return { sort, id: text.slice(colon + 1) }
}

async function opened(env: Environment, workspace: string, id: string, by: Actor): Promise<void> {
  assertActor(by, 'a look')
  await env.company(workspace).edit(async () => {
    const found = await readItem(env.store, workspace, id)
    if (found === undefined) throw itemNotFound(id)
    if (found.item.state !== 'open') return undefined
    const seen = [...(found.item.seen ?? []), { by, at: env.clock.now() }].slice(-50)
    const put = itemPut({ ...found.item, seen }, found.version + 1)
    return { drafts: [{ kind: 'item.seen', data: { by, item: id, puts: [put] } }] }
  })
}

async function* watch(options: InboxOptions, signal: AbortSignal | undefined): AsyncGenerator<InboxItem> {
  const { env, workspace } = options
  const told = new Map<string, Told>()
  const watched = options.changed()
  const aborted = new Promise<'aborted'>((resolve) =>
    signal?.addEventListener('abort', () => resolve('aborted'), { once: true }),
  )
  let changed: Promise<'changed' | 'aborted'> | undefined
  try {
    while (signal?.aborted !== true) {
      changed ??= watched.next().then(
        () => 'changed' as const,
        () => 'aborted' as const,
      )
      let backAt = Infinity
      for (const item of await itemsWhere(env.store, workspace, { field: 'state', value: 'open' })) {
        if (!wanted(item, {}, env.clock.now())) {
          told.delete(item.id)
          backAt = Math.min(backAt, item.snoozedUntil ?? Infinity)
        } else if (isNews(item, told.get(item.id))) {
          told.set(item.id, { hash: item.hash, until: item.snoozedUntil ?? 0 })
          yield* await inWords(env, workspace, [item])
        }
      }
      const { promise: back, resolve } = Promise.withResolvers<'back'>()
      const disarm =
        backAt === Infinity ? undefined : env.clock.timer(backAt, () => resolve('back'), { keepAlive: false })
      const woken = await Promise.race([changed, aborted, back])
      disarm?.()
      if (woken === 'aborted') return
      if (woken === 'changed') changed = undefined
    }
  } finally {
    watched.end()
  }
}

/** As an item was when it was told of. */
interface Told {
  readonly hash: string
  /** Until when it had been put off by then. */
  readonly until: number
}

function isNews({ hash, snoozedUntil = 0 }: ItemRecord, told: Told | undefined): boolean {
  return told?.hash !== hash || told.until < snoozedUntil
}
