/**
 * Holds: the outbox: what goes out by itself, and when; stopped, sent now or put to another time until then.
 *
 * O1. A hold that is stopped is never sent; one that was not is sent once. Whichever was stored first counts.
 */
import type { Actor } from '../base/actor.ts'
import { canonical } from '../base/json.ts'
import { itemPut, itemsWhere, readItem, type ItemRecord } from '../conductor/item.ts'
import { iso } from '../conductor/waiting.ts'
import { decide, itemNotFound, refused, untouchable, type Decided, type Deciding } from './decide.ts'
import { instantOf } from './hand.ts'
import type { InboxItem } from './item.ts'
import { inWords } from './remembered.ts'

/** An effect that goes out at `dueAt` unless somebody stops it. */
export type Held = InboxItem & { readonly kind: 'approval'; readonly dueAt: string }

export interface Holds {
  /** What goes out, the next first; `after` is the `next` of the page before; `limit` is at most 500, by default 50. */
  list(options?: { action?: string; after?: string; limit?: number }): Promise<{ holds: Held[]; next?: string }>
  /** Stops it for good. The playbook that asked gets `ACTION_DECLINED`. */
  cancel(id: string, options: { by: Actor; reason: string }): Promise<Decided>
  /** Sends it now. Policy is asked again before it leaves. */
  sendNow(id: string, options: { by: Actor; hash: string }): Promise<Decided>
  /** Sends it at another time: ISO text, or a duration from now. */
  reschedule(id: string, options: { by: Actor; to: string }): Promise<Decided>
}

export function holdsOf(options: Deciding): Holds {
  return {
    list: (query = {}) => list(options, query),
    cancel: (id, { by, reason }) => stop(options, id, by, reason),
    sendNow: (id, { by, hash }) => decide(options, id, { hash, by, approve: true }),
    reschedule: (id, { by, to }) => reschedule(options, id, by, to),
  }
}

async function list(
  { env, workspace }: Deciding,
  query: { action?: string; after?: string; limit?: number },
): Promise<{ holds: Held[]; next?: string }> {
  const limit = Math.min(Math.max(query.limit ?? 50, 1), 500)
  const open = await itemsWhere(env.store, workspace, { field: 'outbox', value: 'open' })
  const place = (one: ItemRecord): string => `${iso(one.dueAt!)}:${one.id}`
  const all = open
    .filter((item) => query.action === undefined || item.action === query.action)
    .sort((a, b) => (place(a) < place(b) ? -1 : 1))
    .filter((one) => query.after === undefined || place(one) > query.after)
  const holds = (await inWords(env, workspace, all.slice(0, limit))) as Held[]
  const last = all.slice(0, limit).at(-1)
  return all.length > limit && last !== undefined ? { holds, next: place(last) } : { holds }
}

/** What is stopped needs no hash: nothing of it will execute. */
async function stop(options: Deciding, id: string, by: Actor, reason: string): Promise<Decided> {
  const found = await readItem(options.env.store, options.workspace, id)
  if (found === undefined) throw itemNotFound(id)
  if (found.item.dueAt === undefined) return refused('invalid', 'it is not held', found.item)
  return decide(options, id, { hash: found.item.hash, by, reject: reason })
}

async function reschedule(options: Deciding, id: string, by: Actor, to: string): Promise<Decided> {
  const { env, workspace } = options
  const until = instantOf(to, env.clock.now())
  let answer: Decided = { status: 'done' }
  const written = await env.company(workspace).edit(async () => {
    answer = { status: 'done' }
    const found = await readItem(env.store, workspace, id)
    if (found === undefined) throw itemNotFound(id)
    const { item } = found
    const now = env.clock.now()
    const wrong =
      item.dueAt === undefined
        ? refused('invalid', 'it is not held', item)
        : until <= now
          ? refused('invalid', 'that time has passed: send it now, or name a later one', item)
          : await untouchable(options, item, by)
    if (wrong !== undefined) {
      answer = wrong
      return undefined
    }
    const { frozen: _due, ...waiting } = item
    const puts = [itemPut({ ...waiting, dueAt: until, expiresAt: until }, found.version + 1)]
    const payload = canonical({ key: item.key, item: id, until, by })
    const onceKey = `reschedule:${id}:${found.version}`
    return {
      drafts: [{ kind: 'item.rescheduled', data: { by, item: id, until, puts } }],
      unit: { deliveries: [{ run: item.run, onceKey, kind: 'reschedule', payload, at: now }] },
    }
  })
  if (written !== undefined) env.nudge()
  return answer
}
