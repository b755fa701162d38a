/**
 * Attempts: tries to decide an open item that somebody should know of: with a hash that it never had, or has no longer, or
 * by one who may not decide.
 *
 * A1. Each is counted by item, actor and reason; what is journaled is the first, the second, the fourth, the eighth and so on,
 *     with how many there were. Whoever tries for ever adds a handful of entries.
 * A2. So many actors of an item are told apart; what others try is counted together.
 * A3. Of what was given only the hash is kept, and only where it looks like one: the rest may hold anything.
 */
import { actorJson, isActor, type Actor } from '../base/actor.ts'
import type { Environment } from '../conductor/environment.ts'
import { itemPut, itemsWhere, readItem, type Attempt, type ItemRecord } from '../conductor/item.ts'

/** Counts one try, and journals it where it is due. */
export type NoteAttempt = (item: string, given: string, by: Actor, verb: string) => Promise<void>

/** A2. */
const ACTORS_MAX = 20
const OTHERS: Actor = { kind: 'system', id: 'others' }
const TEXT_MAX = 200
/** Tries that wait to be journaled are forgotten when there are so many of them. */
const WAITING_MAX = 10_000

export function attempts(env: Environment, workspace: string): NoteAttempt {
  /** How many tries came since the last that was journaled. */
  const waiting = new Map<string, number>()
  return async (id, given, by, verb) => {
    if (!isActor(by)) return
    const who = briefly(by)
    await env.company(workspace).edit(async () => {
      const found = await readItem(env.store, workspace, id)
      if (found?.item.state !== 'open') return undefined
      const { item } = found
      const why = await reasonOf(env, workspace, item, given)
      const place = placeOf(item.attempts ?? [], who, why)
      const key = `${id} ${place}`
      const had = item.attempts?.[place]
      const count = (had?.count ?? 0) + (waiting.get(key) ?? 0) + 1
      if (!Number.isInteger(Math.log2(count))) {
        if (waiting.size >= WAITING_MAX) waiting.clear()
        waiting.set(key, (waiting.get(key) ?? 0) + 1)
        return undefined
      }
      waiting.delete(key)
      const shown = hashOf(given)
      const made: Attempt = {
        by: place === ACTORS_MAX ? OTHERS : who,
        why,
        given: shown,
        verb,
        at: env.clock.now(),
        count,
      }
      const all = item.attempts ?? []
      const puts = [itemPut({ ...item, attempts: all.toSpliced(place, 1, made) }, found.version + 1)]
      const kind = why === 'forged' ? 'approval.forged' : 'decision.refused'
      const data = { by: who, item: id, why, given: shown, expected: item.hash, verb, count }
      return { drafts: [{ kind, data: { ...data, by: actorJson(who) as unknown as Actor, puts } }] }
    })
  }
}

/** Whose hash is right, and was refused all the same, may not decide. */
async function reasonOf(env: Environment, workspace: string, item: ItemRecord, given: string): Promise<Attempt['why']> {
  if (given === item.hash) return 'forbidden'
  return (await earlier(env, workspace, item)).has(given) ? 'stale' : 'forged'
}

/** Hashes of what it was before: its own, those of the rounds before of one effect, and that of the item that it revises. */
async function earlier(env: Environment, workspace: string, item: ItemRecord): Promise<ReadonlySet<string>> {
  const { onBehalfOf, run, revises } = item
  const rounds = onBehalfOf === undefined ? [] : await itemsWhere(env.store, workspace, { field: 'run', value: run })
  const revised = revises === undefined ? undefined : await readItem(env.store, workspace, revises)
  const hashes = [...rounds, ...(revised === undefined ? [] : [revised.item])].map((one) => one.hash)
  return new Set([...hashes, ...(item.was ?? [])])
}

/** Where it is counted: with those of the same actor and reason, or, when there are too many, behind them all. */
function placeOf(all: readonly Attempt[], by: Actor, why: Attempt['why']): number {
  const same = all.findIndex((one) => one.by.kind === by.kind && one.by.id === by.id && one.why === why)
  return same >= 0 ? same : Math.min(all.length, ACTORS_MAX)
}

/** A3. */
function hashOf(given: unknown): string {
  if (typeof given === 'string' && /^[\w-]{43}$/.test(given)) return given
  return typeof given === 'string' ? `no hash (${given.length} characters)` : 'no hash'
}

function briefly({ kind, id, name }: Actor): Actor {
  const text = (one: string): string => one.slice(0, TEXT_MAX).toWellFormed()
  return { kind, id: text(id), ...(typeof name === 'string' ? { name: text(name) } : {}) }
}
