/** Editor: entities written by a person or the host, outside of any run, through the stream of the workspace. */
import { SYSTEM, actorText, type Actor } from '../base/actor.ts'
import { KeelsonError } from '../base/errors.ts'
import { labelled } from '../base/labels.ts'
import { deepFreeze, stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { filesIn } from '../memory/artifact.ts'
import { entityTypeOf, recordId, type AnyEntityType, type Entity, type EntityType } from '../memory/entity.ts'
import {
  dropSnapshots,
  historyOf,
  rebuildSnapshots,
  stateAsOf,
  timelineOf,
  whyField,
  writersOf,
} from '../memory/entity-history.ts'
import {
  entitiesByAlias,
  entityByKey,
  entityByRef,
  findEntity,
  getEntity,
  listEntities,
  type Shelf,
} from '../memory/entity-read.ts'
import { assertPatch, checkingOptions } from '../memory/entity-options.ts'
import type { Contradicted, EntityErased, EntityStore, Note, WriteOptions } from '../memory/entity-store.ts'
import * as verbs from '../memory/entity-verbs.ts'
import type { Writing, Written } from '../memory/entity-write.ts'
import type { Environment } from './environment.ts'
import { eraseEntity } from './memory/erase-entity.ts'
import { deskOf } from './memory/desk.ts'
import { noted } from './memory/noted.ts'
import { assertKept } from './kept-files.ts'
import { contradictedBy } from './memory/subjects.ts'
import { migrate, type Migration } from './migrate.ts'
import type { Notifier } from './notifier.ts'
import { NOTHING, type Correcting } from './projections.ts'
import { shelfOf } from './shelf.ts'

/** The store of one type as the host has it: with what keeps it in order. */
export interface EntityDesk<T> extends EntityStore<T> {
  /** As that of a run, but at once. `contradicts`: facts about them of which only one can hold. */
  merge(
    ...args: Parameters<EntityStore<T>['merge']>
  ): Promise<Entity<T> & { readonly contradicts?: readonly Contradicted[] }>
  /** Stores records of older schemas as of today's, page by page; stopped, it goes on where it was. */
  migrate(options?: { onProgress?: (at: Migration) => void }): Promise<Migration>
  /**
   * Erases its values, or those of `fields`, for good: in the record, its history, names, the journal, and what was made of them. Blanks
   * stay, with who erased what and when; all of it erased, it is archived. By a person only. What could not be taken is in `left`.
   * `memory` takes what is remembered about it as well, in every scope; it does not go with `fields`. `keepEffects` and `files` as in
   * `memory.erase`. Cut short, or with something left, it is asked for again: what is gone stays gone.
   */
  erase(
    id: string,
    options?: {
      readonly fields?: readonly (keyof T & string)[]
      readonly reason?: string
      readonly memory?: boolean
      readonly keepEffects?: boolean
      readonly files?: boolean
    },
  ): Promise<EntityErased>
  readonly snapshots: {
    /** Forgets all snapshots of the workspace: they are folded again when they are needed. */
    drop(): Promise<number>
    /** Folds one entity again and keeps every hundredth state. */
    rebuild(id: string): Promise<number>
  }
}

/** The store of one type for the host. */
export function entityDesk<T>(
  at: { readonly env: Environment; readonly notifier: Notifier; readonly workspace: string },
  type: EntityType<T>,
  by: Actor = SYSTEM,
): EntityDesk<T> {
  const desk = editor(at.env, at.workspace, type, by)
  const known = entityTypeOf(type)
  return checkingOptions<EntityDesk<T>>(`entities(${known.name})`, {
    ...desk,
    erase: (one, options) => eraseEntity(at, known, by, one, options),
  })
}

export function editor<T>(
  env: Environment,
  workspace: string,
  type: EntityType<T>,
  by: Actor = SYSTEM,
): Omit<EntityDesk<T>, 'erase'> {
  const known = entityTypeOf(type)
  env.entities.learn(known)
  const shelf = shelfOf(env, workspace)
  const write = (options: WriteOptions | undefined, build: (writing: Writing) => Promise<Written>) =>
    edit(env, writingOf(shelf, known, by, options), by, build) as Promise<unknown> as Promise<Entity<T>>
  return {
    ...reads<T>(shelf, known),
    create: (data, options) => {
      const own = `${known.name}_${env.ids.id()}`
      return write(options, (w) =>
        keeping(
          env,
          w,
          verbs.create(w, data, options, () => own),
        ),
      )
    },
    upsert: (data, options) => write(options, (w) => keeping(env, w, verbs.upsert(w, data, options))),
    update: (one, patch, options) =>
      write(options, async (w) => (await assertPatch(w, one, patch), keeping(env, w, verbs.update(w, one, patch)))),
    archive: (one, options) => write(options, (w) => verbs.archive(w, one)),
    restore: (one, options) => write(options, (w) => verbs.restore(w, one)),
    merge: async (into, from, options) => {
      assertMayMerge(known, by)
      const [one, other] = [into, from].map((id) => recordId(known.name, id))
      const contradicts = await contradictedBy({ env, workspace }, one!, other!)
      const made = await write(options, (w) => verbs.merge(w, into, from, options?.take ?? []))
      return contradicts.length === 0 ? made : { ...made, contradicts }
    },
    identify: (one, names, options) => write(options, (w) => verbs.identify(w, one, names)),
    note: async (one, line) => {
      await assertNote(env, workspace, line)
      const set = `set_${env.ids.id()}`
      const noting = { source: { by }, set: () => Promise.resolve(set) }
      await write(undefined, (w) => noted(deskOf(env, workspace), w, one, line, noting))
    },
    migrate: (options) => migrate(env, workspace, known, by, options?.onProgress),
    snapshots: {
      drop: () => dropSnapshots(shelf),
      rebuild: (one) => rebuildSnapshots(shelf, known, one),
    },
  }
}

/** A write from outside. A person who edits has agreed to what they do. */
export function writingOf(shelf: Shelf, type: AnyEntityType, by: Actor, options: WriteOptions = {}): Writing {
  const { because, labels = [], ...rest } = options
  return {
    shelf,
    type,
    who: { by: actorText(by) },
    options: because === undefined ? rest : { ...rest, because: because.map((one) => stored(one)) },
    allowed: by.kind === 'person' ? 'any' : [],
    ...(labels.length === 0 ? {} : { labels: labelled(labels, actorText(by)) }),
  }
}

/** What is written, where it refers to no file that is not kept: but for those to which the record referred before. */
async function keeping(
  env: Environment,
  { shelf: { store, workspace } }: Writing,
  writing: Promise<Written>,
): Promise<Written> {
  const written = await writing
  for (const { kind, id, data } of written.puts) {
    if (kind !== 'entity') continue
    const files = filesIn(data)
    if (files.length === 0) continue
    const [row] = await store.records(workspace, { kind, ids: [id], limit: 1 })
    const before = new Set(row === undefined ? [] : filesIn(JSON.parse(row.data) as Json))
    await assertKept(
      env,
      workspace,
      files.filter((one) => !before.has(one)),
    )
  }
  return written
}

async function assertNote(env: Environment, workspace: string, line: Note): Promise<void> {
  const { what, artifacts = [] } = line
  if (typeof what !== 'string' || what.trim() === '')
    throw new KeelsonError('INPUT_INVALID', 'a note says nothing', {
      hint: 'Say what happened: note(id, { what: "…" }).',
    })
  await assertKept(
    env,
    workspace,
    artifacts.map(({ sha256 }) => sha256),
  )
}

/** That two records are one is no agent's to say. Host code that names nobody has its author's word. */
function assertMayMerge(type: AnyEntityType, by: Actor): void {
  if (by.kind !== 'agent') return
  throw new KeelsonError(
    'TRANSITION_NEEDS_APPROVAL',
    `an agent (${by.id}) cannot merge one ${type.name} into another`,
    {
      hint: 'In a run, ctx.entities(type).merge() asks a person; from outside, name the person who decides.',
      data: { entity: type.name },
    },
  )
}

/** One unit in the stream of the workspace, with what `build` puts. */
export async function edit(
  env: Environment,
  writing: Writing,
  by: Actor,
  build: (writing: Writing) => Promise<Written>,
): Promise<Json> {
  const { type, shelf } = writing
  if (type.owner === 'operator' && by.kind !== 'person') {
    throw new KeelsonError('TRANSITION_NEEDS_APPROVAL', `every ${type.name} is the operator's: name who edits it`, {
      hint: 'entities(type, { by: person }); a run that writes it asks first.',
      data: { entity: type.name },
    })
  }
  let ok: Json = null
  await env.company(shelf.workspace).edit(async () => {
    const written = await build(writing)
    ok = deepFreeze(written.ok)
    if (written.puts.length === 0) return undefined
    const corrected = correction(writing, by, env.clock.now(), written)
    const counted = corrected === undefined ? NOTHING : await env.projections.corrected(env, shelf.workspace, corrected)
    const puts = [...written.puts, ...counted.puts]
    return { drafts: [{ kind: 'entity.edited', data: { by, puts } }], cached: written.cached }
  })
  env.nudge()
  return ok
}

/** What was there and is put right; undefined for what is new. */
function correction({ shelf, type }: Writing, by: Actor, at: number, { puts, ok }: Written): Correcting | undefined {
  const { id, version } = (ok ?? {}) as { id?: string; version?: number }
  if (by.kind !== 'person' || id === undefined || version === undefined || version < 2) return undefined
  const changes = puts.filter((one) => one.kind === 'timeline').map((one) => one.data as { changed?: object } | null)
  const fields = [...new Set(changes.flatMap((one) => Object.keys(one?.changed ?? {})))].sort()
  return { type: type.name, id, fields, by, at, writers: () => writersOf(shelf, type.name, id) }
}

function reads<T>(
  shelf: Shelf,
  type: AnyEntityType,
): Pick<
  EntityStore<T>,
  'get' | 'find' | 'list' | 'byKey' | 'byRef' | 'byAlias' | 'asOf' | 'history' | 'why' | 'timeline'
> {
  const as = async <R>(value: Promise<unknown>): Promise<R> => deepFreeze((await value) as R)
  return {
    get: (id) => as(getEntity(shelf, type, id)),
    find: (where) => as(findEntity(shelf, type, where)),
    list: (options = {}) => as(listEntities(shelf, type, options as object)),
    byKey: (key) => as(entityByKey(shelf, type, key)),
    byRef: (system, ref) => as(entityByRef(shelf, type, system, ref)),
    byAlias: (name) => as(entitiesByAlias(shelf, type, name)),
    asOf: (id, at) => as(stateAsOf(shelf, type, id, at)),
    history: (id, options) => as(historyOf(shelf, type, id, options)),
    why: (id, field) => as(whyField(shelf, type, id, field)),
    timeline: (id, options) => as(timelineOf(shelf, type, id, options)),
  }
}
