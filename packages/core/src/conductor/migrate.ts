/** Migrate: records of older schemas: what stops the start, and storing them anew while work goes on. */
import type { Actor } from '../base/actor.ts'
import { actorText } from '../base/actor.ts'
import type { MemoryStore, RecordRow } from '../journal/store.ts'
import { entityTypeOf, type AnyEntityType, type EntityRecord, type EntityType } from '../memory/entity.ts'
import { headOf } from '../memory/entity-read.ts'
import { unchanged, upgradeEntity } from '../memory/entity-write.ts'
import { missing, unreachable } from '../memory/upcast.ts'
import type { Environment } from './environment.ts'
import { shelfOf } from './shelf.ts'

/** How far a migration is. */
export interface Migration {
  /** Records stored anew so far. */
  readonly done: number
  /** Records of older schemas that are left. */
  readonly left: number
}

const PAGE = 200
const NAMED = 20

/** Opens the store, known to hold nothing that this code could not read. */
export async function openChecked(
  store: MemoryStore,
  session: Parameters<MemoryStore['open']>[0],
  types: readonly EntityType<any>[] = [],
): ReturnType<MemoryStore['open']> {
  const opened = await store.open(session)
  const known = types.map((type) => entityTypeOf(type))
  await assertReachable(store, known).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  return opened
}

/** Throws `UPCASTER_MISSING` when records are stored from which no upcasters lead to today's schema, and names them. */
async function assertReachable(store: MemoryStore, types: readonly AnyEntityType[]): Promise<void> {
  const gaps = types.flatMap((type) => unreachable(type).map((from) => ({ type, from })))
  if (gaps.length === 0) return
  for (const workspace of await store.workspaces()) {
    for (const { type, from } of gaps) {
      const ids: string[] = []
      let count = 0
      for await (const row of ofSchema(store, workspace, type, from)) {
        count++
        if (ids.length < NAMED) ids.push((JSON.parse(row.data) as EntityRecord).id)
      }
      if (count === 0) continue
      const more = count > ids.length ? ` and ${count - ids.length} more` : ''
      throw missing(type, from, `: ${count} in workspace ${workspace} (${ids.join(', ')}${more})`)
    }
  }
}

/** Stores records of older schemas anew, each as a change of its own. */
export async function migrate(
  env: Environment,
  workspace: string,
  type: AnyEntityType,
  by: Actor,
  onProgress: (at: Migration) => void = () => {},
): Promise<Migration> {
  const shelf = shelfOf(env, workspace)
  let left = 0
  for (let from = 1; from < type.version; from++) left += await countOf(env.store, workspace, type, from)
  let done = 0
  for (let from = 1; from < type.version; from++) {
    for await (const row of ofSchema(env.store, workspace, type, from)) {
      const { id } = JSON.parse(row.data) as EntityRecord
      await env.company(workspace).edit(async () => {
        const head = await headOf(shelf, type, id)
        const writing = { shelf, type, who: { by: actorText(by) }, options: {}, allowed: [] }
        const old = head !== undefined && head.record.schema < type.version
        const { puts, cached } = old ? await upgradeEntity(writing, head) : unchangedOf({ shelf, type }, head)
        return puts.length === 0 ? undefined : { drafts: [{ kind: 'entity.edited', data: { by, puts } }], cached }
      })
      done++
      left = Math.max(left - 1, 0)
      if (done % PAGE === 0) onProgress({ done, left })
    }
  }
  onProgress({ done, left })
  return { done, left }
}

function unchangedOf(writing: Parameters<typeof unchanged>[0], head: Parameters<typeof unchanged>[1] | undefined) {
  return head === undefined ? { puts: [], cached: [] } : unchanged(writing, head)
}

async function countOf(store: MemoryStore, workspace: string, type: AnyEntityType, from: number): Promise<number> {
  let count = 0
  for await (const row of ofSchema(store, workspace, type, from)) count += row.version > 0 ? 1 : 0
  return count
}

async function* ofSchema(
  store: MemoryStore,
  workspace: string,
  type: AnyEntityType,
  from: number,
): AsyncGenerator<RecordRow> {
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await store.records(workspace, {
      kind: 'entity',
      where: { field: 'schema', value: `${type.name}@${from}` },
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { sort: last.sort, id: last.id }
  }
}
