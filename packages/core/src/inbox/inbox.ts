/**
 * Inbox: what waits for a person: list, look, decide.
 *
 * I1. A decision is taken by id and hash, by a named actor, once: the item's version is expected by the unit that decides.
 * I2. What was decided is delivered in that same unit to the run that asked.
 * I3. Expiry never approves: an item past its time refuses.
 */
import { z } from 'zod'
import { actorJson, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { canonical, canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Environment } from '../conductor/environment.ts'
import { itemPut, readItem, type ItemRecord, type Verb } from '../conductor/item.ts'
import type { RecordRow } from '../journal/store.ts'
import { itemOf, type InboxItem } from './item.ts'

export type Decision =
  | { readonly approve: true }
  | { readonly edit: Json }
  | { readonly reject: string }
  | { readonly respond: string }
  | { readonly answer: Json }
  | { readonly outcome: 'happened' | 'did-not-happen' | 'look-again'; readonly output?: Json }
  | { readonly retry: true }
  | { readonly dismiss: true }

export type Decided =
  | { readonly status: 'done' }
  | {
      readonly status: 'refused'
      readonly why: 'settled' | 'changed' | 'expired' | 'forbidden' | 'invalid'
      /** What is wrong, for a person. */
      readonly message: string
      readonly item?: InboxItem
    }

export interface Inbox {
  /** Open items, oldest first; `after` is the `next` of the page before. */
  list(options?: { after?: string; limit?: number; run?: string }): Promise<{ items: InboxItem[]; next?: string }>
  /** Throws `ITEM_NOT_FOUND`. */
  get(id: string): Promise<InboxItem>
  /** Records that a person looked: the evidence that trust is built on. */
  opened(id: string, options: { by: Actor }): Promise<void>
  decide(id: string, decision: { hash: string; by: Actor } & Decision): Promise<Decided>
  /** Items as they open, beginning with those that are open. Ends when the signal is aborted or the conductor stops. */
  watch(options?: { signal?: AbortSignal }): AsyncIterable<InboxItem>
}

/** May this actor decide this item? The host's rule. */
export type MayDecide = (actor: Actor, item: InboxItem) => boolean | Promise<boolean>

export interface InboxOptions {
  readonly env: Environment
  readonly workspace: string
  readonly mayDecide: MayDecide | undefined
  /** Resolves when something in the workspace may have changed; rejects when the conductor has stopped. */
  readonly changed: () => { next(): Promise<unknown>; end(): void }
  /** Retries a run whose attention item was answered so. */
  readonly retry: (run: string, by: Actor) => Promise<void>
}

export function inboxOf(options: InboxOptions): Inbox {
  const { env, workspace } = options
  return {
    list: (query = {}) => list(env, workspace, query),
    async get(id) {
      const found = await readItem(env.store, workspace, id)
      if (found === undefined)
        throw new KeelsonError('ITEM_NOT_FOUND', `there is no item "${id}"`, { data: { item: id } })
      return itemOf(found.item)
    },
    opened: (id, { by }) => opened(env, workspace, id, by),
    decide: (id, decision) => decide(options, id, decision),
    watch: (query = {}) => watch(options, query.signal),
  }
}

async function list(
  env: Environment,
  workspace: string,
  query: { after?: string; limit?: number; run?: string },
): Promise<{ items: InboxItem[]; next?: string }> {
  const limit = Math.min(Math.max(query.limit ?? 50, 1), 500)
  const where = query.run === undefined ? { field: 'state', value: 'open' } : { field: 'openRun', value: query.run }
  const rows = await env.store.records(workspace, {
    kind: 'inbox',
    where,
    limit: limit + 1,
    ...(query.after === undefined ? {} : { after: cursor(query.after) }),
  })
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const items = page.map((row) => itemOf(JSON.parse(row.data) as ItemRecord))
  return rows.length > limit && last !== undefined ? { items, next: `${last.sort}:${last.id}` } : { items }
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
  await env.company(workspace).edit(async () => {
    const found = await readItem(env.store, workspace, id)
    if (found === undefined)
      throw new KeelsonError('ITEM_NOT_FOUND', `there is no item "${id}"`, { data: { item: id } })
    if (found.item.state !== 'open') return undefined
    const seen = [...(found.item.seen ?? []), { by, at: env.clock.now() }]
    const put = itemPut({ ...found.item, seen }, found.version + 1)
    return { drafts: [{ kind: 'item.seen', data: { by, item: id, puts: [put] } }] }
  })
}

async function decide(
  options: InboxOptions,
  id: string,
  given: { hash: string; by: Actor } & Decision,
): Promise<Decided> {
  const { env, workspace } = options
  const { hash, by, ...decision } = given
  let refusal: Decided | undefined
  let record: ItemRecord | undefined
  const written = await env.company(workspace).edit(async () => {
    refusal = undefined
    const found = await readItem(env.store, workspace, id)
    if (found === undefined)
      throw new KeelsonError('ITEM_NOT_FOUND', `there is no item "${id}"`, { data: { item: id } })
    record = found.item
    refusal = await refuse(options, found.item, hash, by, decision)
    if (refusal !== undefined) return undefined
    const now = env.clock.now()
    const json = JSON.parse(canonical(decision)) as Json
    const put = itemPut(
      { ...found.item, state: 'decided', decided: { by, at: now, decision: json } },
      found.version + 1,
    )
    const payload = canonicalAround({ key: found.item.key, item: id, hash, decision: json, by: actorJson(by) })
    const delivery = { run: found.item.run, onceKey: `decision:${id}`, kind: 'decision', payload, at: now }
    return {
      drafts: [{ kind: 'item.decided', data: { by, item: id, hash, decision: json, puts: [put] } }],
      unit: found.item.key === '' ? {} : { deliveries: [delivery] },
    }
  })
  if (written === undefined) return refusal ?? refused('settled', 'it has been decided', record!)
  if (record!.key === '' && 'retry' in decision) await options.retry(record!.run, by)
  env.nudge()
  return { status: 'done' }
}

async function refuse(
  options: InboxOptions,
  item: ItemRecord,
  hash: string,
  by: Actor,
  decision: Decision,
): Promise<Decided | undefined> {
  if (item.state !== 'open')
    return refused(item.state === 'expired' ? 'expired' : 'settled', `it is ${item.state}`, item)
  if (item.expiresAt !== undefined && options.env.clock.now() > item.expiresAt)
    return refused('expired', 'its time is over', item)
  if (item.hash !== hash) return refused('changed', 'it is not what you saw: look again', item)
  if (options.mayDecide !== undefined && !(await options.mayDecide(by, itemOf(item))))
    return refused('forbidden', `${by.name ?? by.id} may not decide this`, item)
  const verbs = Object.keys(decision).filter((key) => key !== 'output') as Verb[]
  const [verb] = verbs
  if (verb === undefined || verbs.length > 1 || !item.allows.includes(verb))
    return refused('invalid', `it allows one of ${item.allows.join(', ')}; not ${verbs.join(', ') || 'nothing'}`, item)
  if (!SAID[verb]((decision as Record<string, unknown>)[verb]))
    return refused('invalid', `what was said with "${verb}" is no decision`, item)
  const wrong = misfit(options.env, item, decision)
  return wrong === undefined ? undefined : refused('invalid', wrong, item)
}

/** What each verb must say: a decision may come as JSON from anywhere. */
const SAID: { readonly [V in Verb]: (said: unknown) => boolean } = {
  approve: (said) => said === true,
  retry: (said) => said === true,
  dismiss: (said) => said === true,
  reject: (said) => typeof said === 'string',
  respond: (said) => typeof said === 'string',
  edit: (said) => said !== undefined,
  answer: (said) => said !== undefined,
  outcome: (said) => said === 'happened' || said === 'did-not-happen' || said === 'look-again',
}

/** Checks what was entered against the action's own schema where it is known here, else against the item's JSON Schema. */
function misfit(env: Environment, item: ItemRecord, decision: Decision): string | undefined {
  const entered = 'edit' in decision ? decision.edit : 'answer' in decision ? decision.answer : undefined
  const action = item.action === undefined ? undefined : env.actions.find(item.action)
  if ('outcome' in decision && decision.outcome === 'happened') {
    const result = (action?.output ?? fromJson(item.editSchema)).safeParse(decision.output ?? null)
    return result.success ? undefined : `say with what output it happened: ${z.prettifyError(result.error)}`
  }
  if (entered === undefined) return undefined
  const schema = 'edit' in decision && action !== undefined ? action.input : fromJson(item.editSchema)
  const result = schema.safeParse(entered)
  return result.success ? undefined : z.prettifyError(result.error)
}

function fromJson(schema: Json): z.ZodType {
  try {
    return z.fromJSONSchema(schema as never)
  } catch {
    return z.unknown()
  }
}

function refused(why: (Decided & { status: 'refused' })['why'], message: string, item: ItemRecord): Decided {
  return { status: 'refused', why, message, item: itemOf(item) }
}

async function* watch(options: InboxOptions, signal: AbortSignal | undefined): AsyncGenerator<InboxItem> {
  const { env, workspace } = options
  const told = new Set<string>()
  const watched = options.changed()
  const aborted = new Promise<'aborted'>((resolve) =>
    signal?.addEventListener('abort', () => resolve('aborted'), { once: true }),
  )
  try {
    while (signal?.aborted !== true) {
      const changed = watched.next().then(
        () => 'changed' as const,
        () => 'aborted' as const,
      )
      for (const item of await openItems(env, workspace)) {
        if (told.has(item.id)) continue
        told.add(item.id)
        yield item
      }
      if ((await Promise.race([changed, aborted])) === 'aborted') return
    }
  } finally {
    watched.end()
  }
}

async function openItems(env: Environment, workspace: string): Promise<InboxItem[]> {
  const items: InboxItem[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows: readonly RecordRow[] = await env.store.records(workspace, {
      kind: 'inbox',
      where: { field: 'state', value: 'open' },
      limit: 500,
      ...(after === undefined ? {} : { after }),
    })
    items.push(...rows.map((row) => itemOf(JSON.parse(row.data) as ItemRecord)))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return items
    after = { sort: last.sort, id: last.id }
  }
}
