/**
 * Entities: reads and writes of canonical records as operations.
 *
 * N1. A read is an entry with what it saw: a replay sees that version, never today's.
 * N2. A write and its entry are one unit: exactly once. A blind patch is put on top of what is there; with `expect`, another
 *     version is journaled as `ENTITY_CONFLICT`.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { sha256 } from '../../base/hash.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { toStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { Draft } from '../../journal/entry.ts'
import type { RecordRow } from '../../journal/store.ts'
import {
  entityPuts,
  entityTypeOf,
  indexValue,
  recordId,
  type AnyEntityType,
  type Entity,
  type EntityRecord,
  type EntityStore,
  type EntityType,
  type TimelineEvent,
} from '../../memory/entity.ts'
import type { Environment } from '../environment.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'

/** How a branch of a run names and performs an operation. */
export type Perform = <T>(name: string, start: (key: string) => Promise<T>) => Promise<T>

export function entities<T>(pass: Pass, perform: Perform, type: EntityType<T>): EntityStore<T> {
  const known = entityTypeOf(type)
  const { env, claimed } = pass.task
  const { workspace } = claimed.row
  const read = <R>(verb: string, what: Json, look: () => Promise<Json | undefined>): Promise<R> =>
    perform(`${known.name}.${verb}:${sha256(canonical(what)).slice(0, 8)}`, (key) =>
      readOp<R>(pass, key, known, [verb, what], look),
    )
  return {
    create: (data) =>
      perform(`${known.name}.create`, (key) => {
        const text = toStored(known.schema, data, 'INPUT_INVALID', `a new ${known.name}`)
        return write<T>(pass, key, known, ['create', parseStored(text)], (secret) =>
          created(pass, key, known, text, secret),
        )
      }),
    get: (id) => read('get', id, () => getEntity(env, workspace, known, id)),
    find: (where) =>
      read('find', where as Json, () => findEntity(env, workspace, known, where as Record<string, unknown>)),
    update: (id, patch, options) =>
      perform(`${known.name}.update`, (key) =>
        write<T>(pass, key, known, ['update', id, patch as Json, options?.expect ?? null], (secret) =>
          updated(pass, key, known, { id, patch: patch as Record<string, Json>, expect: options?.expect }, secret),
        ),
      ),
    timeline: (id) =>
      read('timeline', id, async () => (await timelineOf(env, workspace, known, id)) as unknown as Json),
  }
}

function readOp<R>(
  pass: Pass,
  key: string,
  type: AnyEntityType,
  what: readonly Json[],
  look: () => Promise<Json | undefined>,
): Promise<R> {
  const hash = sha256(canonical([type.name, ...what]))
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const draft = await outcome(look, hash)
      await pass.writer.append([draft(key)])
    })
  }
  return pass.operation<R>({ key, kind: 'read', hash, live })
}

async function outcome(look: () => Promise<Json | undefined>, hash: string): Promise<(key: string) => Draft> {
  try {
    const ok = await look()
    return (key) => ({
      kind: 'read.completed',
      key,
      data: { hash, ...(ok === undefined ? {} : { ok }), reads: refs(ok) },
    })
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'ENTITY_NOT_FOUND')) throw thrown
    return (key) => ({ kind: 'read.completed', key, data: { hash, error: storeError(thrown) } })
  }
}

function refs(ok: Json | undefined): Json[] {
  const one = ok as { type?: string; id?: string; version?: number } | undefined
  return one?.type === undefined ? [] : [{ entity: one.type, id: one.id!, version: one.version! }]
}

type Change = Built | { readonly error: KeelsonError }

function write<T>(
  pass: Pass,
  key: string,
  type: AnyEntityType,
  what: readonly Json[],
  build: (secret: string) => Promise<Change>,
): Promise<Entity<T>> {
  const hash = sha256(canonical([type.name, ...what]))
  const live = async (): Promise<void> => {
    const { env, claimed } = pass.task
    await pass.work.run(async () => {
      const secret = await env.company(claimed.row.workspace).key()
      await pass.writer.submit(async () => {
        const change = await build(secret)
        if (!('error' in change)) return change
        return { drafts: [{ kind: 'entity.completed', key, data: { hash, error: storeError(change.error) } }] }
      })
    })
  }
  return pass.operation<Entity<T>>({ key, kind: 'entity', hash, live })
}

async function created(pass: Pass, key: string, type: AnyEntityType, text: string, secret: string): Promise<Change> {
  const { row } = pass.task.claimed
  const id = `${type.name}_${sha256(canonical([row.id, row.stream, key])).slice(0, 20)}`
  const data = parseStored(text)
  const hash = sha256(canonical([type.name, 'create', data]))
  const there = await record(pass.task.env, row.workspace, type, id)
  if (there !== undefined) return { drafts: [completed(key, hash, entityJson(type, there))] } // made before a rewind
  const puts = entityPuts(type, {
    id,
    version: 1,
    data,
    changed: data,
    key: secret,
    event: { what: `${type.name} created`, run: row.id, step: key },
    at: pass.task.env.clock.now(),
  })
  return { drafts: [completed(key, hash, { type: type.name, id, version: 1, data }, puts)] }
}

async function updated(
  pass: Pass,
  key: string,
  type: AnyEntityType,
  change: { id: string; patch: Record<string, Json>; expect: number | undefined },
  secret: string,
): Promise<Change> {
  const { env, claimed } = pass.task
  const { row } = claimed
  const { id, patch, expect } = change
  const hash = sha256(canonical([type.name, 'update', id, patch, expect ?? null]))
  const found = await record(env, row.workspace, type, id)
  if (found === undefined) return { error: notFound(type, id) }
  if (expect !== undefined && found.version !== expect) return { error: conflict(type, id, expect, found.version) }
  const before = JSON.parse(found.data) as EntityRecord
  try {
    const text = toStored(
      type.schema,
      { ...(before.data as object), ...patch },
      'INPUT_INVALID',
      `the changed ${type.name}`,
    )
    const data = parseStored(text)
    const event = { what: `${type.name} updated`, run: row.id, step: key }
    const version = found.version + 1
    const changed = changedIn(patch, data)
    const puts = entityPuts(type, { id, version, data, changed, key: secret, event, at: env.clock.now() })
    return { drafts: [completed(key, hash, { type: type.name, id, version, data }, puts)] }
  } catch (thrown) {
    if (KeelsonError.is(thrown)) return { error: thrown }
    throw thrown
  }
}

/** What a patch made of its fields: the schema may have put them otherwise. */
export function changedIn(patch: object, data: Json): Json {
  const fields = Object.keys(patch).filter((field) => Object.hasOwn(data as object, field))
  return Object.fromEntries(fields.map((field) => [field, (data as Record<string, Json>)[field]!]))
}

function completed(key: string, hash: string, ok: Json, puts: ReturnType<typeof entityPuts> = []): Draft {
  return { kind: 'entity.completed', key, data: { hash, ok, puts } }
}

export async function getEntity(env: Environment, workspace: string, type: AnyEntityType, id: string): Promise<Json> {
  const found = await record(env, workspace, type, id)
  if (found === undefined) throw notFound(type, id)
  return entityJson(type, found)
}

/** The first by id whose indexed fields equal `where`. */
export async function findEntity(
  env: Environment,
  workspace: string,
  type: AnyEntityType,
  where: Record<string, unknown>,
): Promise<Json | undefined> {
  const wanted = Object.entries(where).filter(([, value]) => value !== undefined)
  const unindexed = wanted.find(([field]) => !type.index.includes(field))
  if (wanted.length === 0 || unindexed !== undefined) {
    throw new KeelsonError(
      'INPUT_INVALID',
      `${type.name} cannot be found by ${unindexed === undefined ? 'nothing' : `"${unindexed[0]}"`}`,
      {
        hint: `Name an indexed field (${type.index.join(', ') || 'none is declared'}); declare it in defineEntity({ index }).`,
      },
    )
  }
  const secret = await env.company(workspace).key()
  const [first, ...others] = wanted
  const value = indexValue(type, first![0], first![1], secret)
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await env.store.records(workspace, {
      kind: 'entity',
      where: { field: `${type.name}.${first![0]}`, value },
      limit: 200,
      ...(after === undefined ? {} : { after }),
    })
    for (const row of rows) {
      const data = (JSON.parse(row.data) as EntityRecord).data as Record<string, unknown>
      if (others.every(([field, want]) => canonical(data[field] ?? null) === canonical(want)))
        return entityJson(type, row)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < 200) return undefined
    after = { sort: last.sort, id: last.id }
  }
}

export async function timelineOf(
  env: Environment,
  workspace: string,
  type: AnyEntityType,
  id: string,
): Promise<TimelineEvent[]> {
  const value = recordId(type.name, id)
  const events: TimelineEvent[] = []
  let after: { sort: number; id: string } | undefined
  for (;;) {
    const rows = await env.store.records(workspace, {
      kind: 'timeline',
      where: { field: 'entity', value },
      limit: 500,
      ...(after === undefined ? {} : { after }),
    })
    events.push(...rows.map((row) => JSON.parse(row.data) as TimelineEvent))
    const last = rows.at(-1)
    if (last === undefined || rows.length < 500) return events
    after = { sort: last.sort, id: last.id }
  }
}

async function record(
  env: Environment,
  workspace: string,
  type: AnyEntityType,
  id: string,
): Promise<RecordRow | undefined> {
  return (await env.store.records(workspace, { kind: 'entity', ids: [recordId(type.name, id)], limit: 1 }))[0]
}

function entityJson(type: AnyEntityType, row: RecordRow): Json {
  const stored = JSON.parse(row.data) as EntityRecord
  return { type: type.name, id: stored.id, version: row.version, data: stored.data }
}

export function notFound(type: AnyEntityType, id: string): KeelsonError {
  return new KeelsonError('ENTITY_NOT_FOUND', `there is no ${type.name} "${id}"`, { data: { entity: type.name, id } })
}

export function conflict(type: AnyEntityType, id: string, expected: number, found: number): KeelsonError {
  return new KeelsonError('ENTITY_CONFLICT', `${type.name} "${id}" has version ${found}, not ${expected}`, {
    hint: 'Somebody changed it meanwhile: read it again and decide, or update without expect.',
    data: { entity: type.name, id, expected, found },
  })
}
