/** Migrate: what is stored in older shapes: what stops the start, and storing them anew while work goes on. */
import type { Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { actorText } from '../base/actor.ts'
import type { Json } from '../base/value.ts'
import { FORMAT, FORMAT_RECORD, formatIn } from '../journal/format.ts'
import { pagesOf } from '../journal/pages.ts'
import type { MemoryStore, RecordRow } from '../journal/store.ts'
import { entityTypeOf, type AnyEntityType, type EntityRecord, type EntityType } from '../memory/entity.ts'
import { headOf } from '../memory/entity-read.ts'
import { unchanged, upgradeEntity } from '../memory/entity-write.ts'
import { schemaIn, settingsFrom, type SettingsShape } from '../policy/settings.ts'
import type { EventType } from '../playbook/event.ts'
import type { Environment } from './environment.ts'
import { assertNone, entityGaps, eventGaps } from './gaps.ts'
import { shelfOf } from './shelf.ts'

/** How far a migration is. */
export interface Migration {
  /** Records stored anew so far. */
  readonly done: number
  /** Records of older schemas that are left. */
  readonly left: number
}

const PAGE = 200

/** What is stored in shapes of the host's. */
export interface Shapes {
  readonly entities?: readonly EntityType<any>[]
  readonly events?: readonly EventType<any>[]
  readonly settings: SettingsShape
}

/** Opens the store, known to hold nothing that this code could not read. */
export async function openChecked(
  store: MemoryStore,
  session: Parameters<MemoryStore['open']>[0],
  { entities = [], events = [], settings }: Shapes,
): ReturnType<MemoryStore['open']> {
  const opened = await store.open(session)
  const known = entities.map((type) => entityTypeOf(type))
  const checks = async (): Promise<void> => {
    await assertFormat(store)
    await assertSettings(store, settings)
    assertNone([...(await entityGaps(store, known)), ...(await eventGaps(store, events))])
  }
  await checks().catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  return opened
}

/** Throws `STORE_NEWER` when a company was written to by a later release, and names it. */
async function assertFormat(store: MemoryStore): Promise<void> {
  for (const workspace of await store.workspaces()) {
    const [row] = await store.records(workspace, FORMAT_RECORD)
    const format = formatIn(JSON.parse(row?.data ?? '{}'))
    if (format <= FORMAT) continue
    throw new KeelsonError(
      'STORE_NEWER',
      `workspace ${workspace} was written by a newer version (format ${format}; this one knows ${FORMAT})`,
      {
        hint: 'Deploy the newer version of @keelson/core again; what is stored only goes forward.',
        data: { workspace },
      },
    )
  }
}

/** Throws when the settings of a company are of another version and cannot be read as of today's, and names it. */
async function assertSettings(store: MemoryStore, shape: SettingsShape): Promise<void> {
  for (const workspace of await store.workspaces()) {
    const [row] = await store.records(workspace, { kind: 'company', ids: ['settings'], limit: 1 })
    const from = schemaIn(row?.index)
    if (row === undefined || from === shape.version) continue
    const of = { ...shape, name: `the settings of workspace ${workspace}` }
    settingsFrom(of, JSON.parse(row.data) as Json, from)
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

function ofSchema(store: MemoryStore, workspace: string, type: AnyEntityType, from: number): AsyncGenerator<RecordRow> {
  return pagesOf(store, workspace, { kind: 'entity', where: { field: 'schema', value: `${type.name}@${from}` } })
}
