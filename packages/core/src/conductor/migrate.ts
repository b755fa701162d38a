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
import { missing, unreachable } from '../base/upcast.ts'
import { schemaIn, settingsFrom, type SettingsShape } from '../policy/settings.ts'
import { eventShape, type EventType } from '../playbook/event.ts'
import type { Environment } from './environment.ts'
import type { MailData } from './mail.ts'
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
    await assertReachable(store, known)
    await assertSettings(store, settings)
    await assertEvents(store, events)
  }
  await checks().catch(async (error: unknown) => {
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
      throw missing(type, from, named(workspace, count, ids))
    }
  }
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

/** Throws `UPCASTER_MISSING` when events are kept from which no upcasters lead to today's shape, and names them. */
async function assertEvents(store: MemoryStore, types: readonly EventType<any>[]): Promise<void> {
  const gaps = types
    .map((type) => ({ type, from: unreachable(eventShape(type)) }))
    .filter(({ from }) => from.length > 0)
  if (gaps.length === 0) return
  for (const workspace of await store.workspaces()) {
    const found = new Map(gaps.map(({ type }): [string, MailData['event'][]] => [type.name, []]))
    for await (const row of pagesOf(store, workspace, { kind: 'event' })) {
      const event = JSON.parse(row.data) as MailData['event']
      const gap = gaps.find(({ type }) => type.name === event.event)
      // An event is kept once under each of its tokens: the first is that of them all.
      if (row.id.endsWith(':0') && gap?.from.includes(event.schema ?? 1) === true) found.get(event.event)!.push(event)
    }
    for (const { type } of gaps) {
      const events = found.get(type.name)!
      if (events.length === 0) continue
      const [{ schema = 1 }] = events as [MailData['event']]
      throw missing(
        eventShape(type),
        schema,
        named(
          workspace,
          events.length,
          events.slice(0, NAMED).map(({ id }) => id),
        ),
      )
    }
  }
}

function named(workspace: string, count: number, ids: readonly string[]): string {
  const more = count > ids.length ? ` and ${count - ids.length} more` : ''
  return `: ${count} in workspace ${workspace} (${ids.join(', ')}${more})`
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
