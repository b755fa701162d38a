/**
 * Entities: reads and writes of canonical records as operations.
 *
 * N1. A read is an entry with what it saw: a replay sees that version, never today's.
 * N2. A write and its entry are one unit: exactly once. A blind patch is put on top of what is there; with `expect`, another
 *     version is journaled as `ENTITY_CONFLICT`.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonical } from '../../base/json.ts'
import { isUnlabelled, joinLabels, labelled, NO_LABELS, type Labels } from '../../base/labels.ts'
import type { Json } from '../../base/value.ts'
import { dataOf, type Draft, type Entry } from '../../journal/entry.ts'
import { entityTypeOf, type AnyEntityType, type Entity, type EntityType } from '../../memory/entity.ts'
import { historyOf, stateAsOf, timelineOf, whyField } from '../../memory/entity-history.ts'
import {
  entitiesByAlias,
  entityByKey,
  entityByRef,
  findEntity,
  getEntity,
  listEntities,
  type Shelf,
} from '../../memory/entity-read.ts'
import { assertPatch, checkingOptions } from '../../memory/entity-options.ts'
import type { EntityStore, RunEntityStore, WriteOptions } from '../../memory/entity-store.ts'
import * as verbs from '../../memory/entity-verbs.ts'
import type { Writing, Written } from '../../memory/entity-write.ts'
import { located } from '../located.ts'
import type { Desk } from '../memory/desk.ts'
import { noted } from '../memory/noted.ts'
import type { Pass } from '../pass.ts'
import { shelfOf } from '../shelf.ts'
import { agreement, type Agreed } from './agree.ts'
import { drift, takeTheirs, type DriftParts } from './drift.ts'
import { merge } from './merge.ts'
import { askedFor } from './asked.ts'
import type { Perform } from './place.ts'
import { restsOn } from './rests.ts'
import { sourceOf, sourcesIn, type ActMemory } from './sources.ts'

/** `desk`: where what is noted is remembered. */
export function entities<T>(
  pass: Pass,
  perform: Perform,
  memory: ActMemory,
  desk: () => Desk,
  type: EntityType<T>,
): RunEntityStore<T> {
  const known = entityTypeOf(type)
  const { shelf, read, write, ask, agreedOn } = toolsOf<T>(pass, perform, memory, known)
  const parts = { pass, perform, shelf, type: known, read }
  const store: EntityStore<T> = {
    ...reads<T>(known, read),
    create: async (data, options) => {
      const json = data as Json
      const agreed = known.owner === 'operator' ? await ask('', json as object) : {}
      const own = (key: string): string => ownId(pass, known, key)
      return write('create', given([json], options), options, (w) => verbs.create(w, data, options, own), agreed)
    },
    upsert: async (data, options) => {
      const agreed = known.owner === 'operator' ? await ask('', data as object) : {}
      return write('upsert', given([data as Json], options), options, (w) => verbs.upsert(w, data, options), agreed)
    },
    update: async (id, patch, options) => {
      const what = [id, patch as Json, options?.expect ?? null]
      return write(
        'update',
        given(what, options),
        options,
        async (w) => (await assertPatch(w, id, patch), verbs.update(w, id, patch)),
        await agreedOn(id, patch),
      )
    },
    archive: (id, options) => write('archive', given([id], options), options, (w) => verbs.archive(w, id)),
    restore: (id, options) => write('restore', given([id], options), options, (w) => verbs.restore(w, id)),
    merge: (into, from, options) =>
      merge(
        { ...parts, write: (build) => write('merge', given([into, from], options), options, build) },
        { into, from, take: options?.take ?? [], reason: options?.reason },
      ),
    identify: (id, names, options) =>
      write('identify', given([id, names], options), options, (w) => verbs.identify(w, id, names)),
    note: async (id, note) => {
      const build = (w: Writing): Promise<Written> => noted(desk(), w, id, note, notingIn(pass, w))
      await write('note', [id, note as unknown as Json], undefined, build)
    },
  }
  const plainly: DriftParts['write'] = (verb, what, build) => write(verb, what, undefined, build)
  const take: DriftParts['take'] = async (id, patch, reason, isStill) =>
    write(
      'update',
      given([id, patch, null], { reason }),
      { reason },
      takingTheirs(id, patch, isStill),
      await agreedOn(id, patch),
    )
  return checked(pass, known, store, { ...parts, write: plainly, take })
}

/** How verbs read and write: each an operation of its own. */
function toolsOf<T>(pass: Pass, perform: Perform, memory: ActMemory, known: AnyEntityType) {
  const { env, claimed } = pass.task
  env.entities.learn(known)
  const shelf = shelfOf(env, claimed.row.workspace)
  const read = <R>(verb: string, what: Json, look: (shelf: Shelf) => Promise<Json | undefined>): Promise<R> =>
    perform(`${known.name}.${verb}:${sha256(canonical(what)).slice(0, 8)}`, (key) =>
      readOp<R>(pass, key, known, [verb, what], (saw) => look({ ...shelf, saw })),
    )
  const write = (
    verb: string,
    what: readonly Json[],
    options: WriteOptions | undefined,
    build: (writing: Writing) => Promise<Written>,
    agreed: Agreed = {},
  ): Promise<Entity<T>> =>
    perform(`${known.name}.${verb}`, (key) => {
      const about = writingIn(pass, memory, known, key, { ...options, ...agreed.options })
      return writeOp<T>(pass, key, known, [verb, ...what], (saw) =>
        build({ ...about(), shelf: { ...shelf, saw }, allowed: agreed.allowed ?? [] }),
      )
    })
  const ask = (id: string, patch: object): Promise<Agreed> =>
    agreement(pass, perform, known, (name) => read(name, id, (seen) => getEntity(seen, known, id)), { id, patch })
  const agreedOn = async (id: string, patch: object): Promise<Agreed> =>
    needsAgreement(known, patch) ? ask(id, patch) : {}
  return { shelf, read, write, ask, agreedOn }
}

function takingTheirs(
  id: string,
  patch: Parameters<DriftParts['take']>[1],
  isStill: Parameters<DriftParts['take']>[3],
) {
  return (w: Writing): Promise<Written> => takeTheirs(w, id, isStill, () => verbs.update(w, id, patch))
}

/** With drift, and with options that are looked at where types are not. */
function checked<T>(pass: Pass, known: AnyEntityType, store: EntityStore<T>, parts: DriftParts): RunEntityStore<T> {
  const all: RunEntityStore<T> = { ...store, drift: (id, outside) => drift(parts, store, id, outside) }
  const place = (thrown: unknown, verb: string): Error =>
    located(pass.task.playbook, thrown, `${known.name}.${verb}`, new Error()) as Error
  return checkingOptions(`ctx.entities(${known.name})`, all, place)
}

/** The set of a line that is noted: of that line alone, as the operation may note another behind a rewind. */
function notingIn(pass: Pass, { who: { step = '' }, shelf }: Writing): Parameters<typeof noted>[4] {
  const { row } = pass.task.claimed
  const set = async (line: string): Promise<string> =>
    `set_${keyedHash(await shelf.key(), canonical([row.id, row.stream, step, line])).slice(0, 24)}`
  return { source: sourceOf(pass, step), set }
}

/** Who writes, on what, and what that is to be taken for as of now. */
function writingIn(
  pass: Pass,
  memory: ActMemory,
  type: AnyEntityType,
  step: string,
  { because, labels: said = [], ...rest }: WriteOptions,
): () => Pick<Writing, 'type' | 'who' | 'isAgain' | 'options' | 'labels'> {
  const { id: run, playbook, workspace, stream } = pass.task.claimed.row
  const options = because === undefined ? rest : { ...rest, because: sourcesIn(pass, memory, because) }
  const labels = (): Labels => joinLabels(restsOn(pass, memory, because), labelled(said, playbook))
  const isAgain = async (): Promise<boolean> => {
    const entries = await pass.task.env.store.entries(workspace, stream)
    return entries.some((entry) => entry.kind === 'entity.completed' && entry.key === step && isDone(entry))
  }
  return () => ({ type, who: { run, step }, isAgain, options, labels: labels() })
}

/** What it came to may have been erased; what was refused is the journal's to say. */
function isDone(entry: Entry): boolean {
  return entry.payload === null || dataOf(entry as Entry & { kind: 'entity.completed' }).error === undefined
}

/** What an operation asked for, as it is compared in a replay: options count where they are given. */
function given(what: readonly Json[], options: object | undefined): Json[] {
  const { because: _, expect: __, ...rest } = (options ?? {}) as WriteOptions
  return Object.keys(rest).length === 0 ? [...what] : [...what, rest]
}

type Read = <R>(verb: string, what: Json, look: (shelf: Shelf) => Promise<Json | undefined>) => Promise<R>

function reads<T>(
  type: AnyEntityType,
  read: Read,
): Pick<
  EntityStore<T>,
  'get' | 'find' | 'list' | 'byKey' | 'byRef' | 'byAlias' | 'asOf' | 'history' | 'why' | 'timeline'
> {
  return {
    get: (id) => read('get', id, (shelf) => getEntity(shelf, type, id)),
    find: (where) => read('find', where as Json, (shelf) => findEntity(shelf, type, where)),
    list: (options = {}) =>
      read('list', options as Json, (shelf) => plain(listEntities(shelf, type, options as object))),
    byKey: (key) => read('byKey', key as Json, (shelf) => entityByKey(shelf, type, key)),
    byRef: (system, ref) => read('byRef', [system, ref], (shelf) => entityByRef(shelf, type, system, ref)),
    byAlias: (name) => read('byAlias', name, (shelf) => plain(entitiesByAlias(shelf, type, name))),
    asOf: (id, at) => read('asOf', [id, at as Json], (shelf) => stateAsOf(shelf, type, id, at)),
    history: (id, options = {}) =>
      read('history', [id, options], (shelf) => plain(historyOf(shelf, type, id, options))),
    why: (id, field) => read('why', [id, field], (shelf) => plain(whyField(shelf, type, id, field))),
    timeline: (id, options) =>
      read('timeline', options === undefined ? id : [id, options as Json], (shelf) =>
        plain(timelineOf(shelf, type, id, options)),
      ),
  }
}

/** What is JSON though its type does not say so. */
async function plain(value: Promise<unknown>): Promise<Json | undefined> {
  return (await value) as Json | undefined
}

function needsAgreement(type: AnyEntityType, patch: object): boolean {
  if (type.owner === 'operator') return true
  return Object.entries(type.lifecycles).some(
    ([field, flow]) => Object.hasOwn(patch, field) && flow.transitions.some(({ approval }) => approval),
  )
}

export function readOp<R>(
  pass: Pass,
  key: string,
  type: { readonly name: string; readonly private?: ReadonlySet<string> },
  what: readonly Json[],
  look: (saw: Saw) => Promise<Json | undefined>,
): Promise<R> {
  const asked = askedFor(pass, canonical([type.name, ...what]))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const draft = await outcome(look, hash, labelsOf(type))
      await pass.writer.append([draft(key)])
    })
  }
  return pass.operation<R>({ key, kind: 'read', ...asked, live })
}

/** What holds private fields is private. */
function labelsOf(type: { readonly name: string; readonly private?: ReadonlySet<string> }): Labels {
  return (type.private?.size ?? 0) === 0 ? NO_LABELS : labelled(['private'], `entity ${type.name}`)
}

/** Hears what is handed out is to be taken for. */
type Saw = (labels: Labels) => void

async function outcome(
  look: (saw: Saw) => Promise<Json | undefined>,
  hash: string,
  own: Labels,
): Promise<(key: string) => Draft> {
  try {
    let labels = own
    const ok = await look((more) => (labels = joinLabels(labels, more)))
    const of = isUnlabelled(labels) ? {} : { labels }
    return (key) => ({
      kind: 'read.completed',
      key,
      data: { hash, ...(ok === undefined ? {} : { ok, ...of }), reads: refs(ok) },
    })
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return (key) => ({ kind: 'read.completed', key, data: { hash, error: storeError(thrown) } })
  }
}

/** The entities that an answer holds, by id and version. */
function refs(ok: Json | undefined): Json[] {
  if (Array.isArray(ok)) return ok.flatMap((one: Json) => refs(one))
  const one = ok as { type?: string; id?: string; version?: number; entities?: Json } | null | undefined
  if (Array.isArray(one?.entities)) return refs(one.entities)
  return typeof one?.type !== 'string' || typeof one.id !== 'string' || one.version === undefined
    ? []
    : [{ entity: one.type, id: one.id, version: one.version }]
}

function writeOp<T>(
  pass: Pass,
  key: string,
  type: AnyEntityType,
  what: readonly Json[],
  build: (saw: Saw) => Promise<Written>,
): Promise<Entity<T>> {
  const asked = askedFor(pass, canonical([type.name, ...what]))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await pass.work.run(() =>
      pass.writer.submit(async () => {
        try {
          let labels = labelsOf(type)
          const { ok, puts, cached, expect } = await build((more) => (labels = joinLabels(labels, more)))
          const of = isUnlabelled(labels) ? {} : { labels }
          const drafts: Draft[] = [{ kind: 'entity.completed', key, data: { hash, ok, ...of, puts } }]
          return { drafts, cached, ...(expect === undefined ? {} : { expect }) }
        } catch (thrown) {
          if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
          return { drafts: [{ kind: 'entity.completed', key, data: { hash, error: storeError(thrown) } }] }
        }
      }),
    )
  }
  return pass.operation<Entity<T>>({ key, kind: 'entity', ...asked, live })
}

/** The id of what this operation creates: the same whenever it is performed. */
function ownId(pass: Pass, type: AnyEntityType, key: string): string {
  const { row } = pass.task.claimed
  return `${type.name}_${sha256(canonical([row.id, row.stream, key])).slice(0, 20)}`
}
