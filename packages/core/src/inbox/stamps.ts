/** Stamps: approvals in a row of one person who does not look, counted over restarts and over processes. */
import type { Actor } from '../base/actor.ts'
import type { Environment } from '../conductor/environment.ts'
import type { ItemRecord } from '../conductor/item.ts'
import { lookedAt } from '../conductor/looked.ts'
import type { Put } from '../journal/put.ts'

/** So many in a row, and somebody is told. */
const STRAIGHT = 50

/** One person's rubber stamps since they last looked, as a record keeps them. */
interface Straight {
  readonly count: number
}

/**
 * Counts the stamps of a person in a row, over all processes: the count is a record, put by the unit of the decision. `tell` says so at every
 * fifty, once that is written.
 */
export async function stampsInARow(
  env: Environment,
  workspace: string,
  item: ItemRecord,
): Promise<{ puts: readonly Put[]; tell: () => void }> {
  const looked = lookedAt(item)
  const by: Actor | undefined = item.decided?.by
  if (looked === undefined || by === undefined) return { puts: [], tell: () => {} }
  const [row] = await env.store.records(workspace, { kind: 'stamps', ids: [by.id], limit: 1 })
  const before = row === undefined ? 0 : (JSON.parse(row.data) as Straight).count
  const count = looked.stamp ? before + 1 : 0
  if (count === before) return { puts: [], tell: () => {} }
  const straight = { workspace, by: by.name ?? by.id, straight: count }
  return {
    puts: [{ kind: 'stamps', id: by.id, version: (row?.version ?? 0) + 1, data: { count } }],
    tell: () => (count > 0 && count % STRAIGHT === 0 ? env.emit('inbox.fatigued', straight) : undefined),
  }
}
