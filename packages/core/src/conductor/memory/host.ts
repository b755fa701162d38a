/** Host: `workspace.memory`: what people and the host do with memory, outside of any run. */
import type { Actor } from '../../base/actor.ts'
import { KeelsonError } from '../../base/errors.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Amendment, ChangeOp, Remembered } from '../../memory/change-set.ts'
import { CONTEXT_RECORD, contextPut, type ContextLog } from '../../memory/context.ts'
import { partsOf } from '../../memory/entity.ts'
import type { ScopeOptions, WorkspaceMemory } from '../../memory/handle.ts'
import type { NewEvent, NewMemory, Subject } from '../../memory/input.ts'
import { recordsOf, search } from '../../memory/recall/recall.ts'
import type { Memory, MemoryRecord } from '../../memory/unit.ts'
import { calibrated, weighed } from '../../memory/recall/vector.ts'
import type { Notifier } from '../notifier.ts'
import { changesOf } from './changes.ts'
import type { Decider } from './decider.ts'
import { mayShow, seesCompany } from './bounds.ts'
import { askedOf, assertActor, deskOf, narrowed, placeOf, type Desk } from './desk.ts'
import { erase } from './erase.ts'
import { contextFor } from './gather.ts'
import { importAll } from './import.ts'
import { learned } from './lessons.ts'
import { assertIds, warnOfIds } from './mistyped.ts'
import { facts, get, history, recall, recordFor } from './reads.ts'
import { consolidate, retentionOf } from './retention.ts'
import { revert } from './revert.ts'
import { weightPut } from './vectors.ts'
import { draftWrite } from './write.ts'
import type { Environment } from '../environment.ts'
import { NOTHING, type Counted, type Writing } from '../projections.ts'

export function memoryFor(env: Environment, notifier: Notifier, workspace: string, decider: Decider): WorkspaceMemory {
  return handleOn(deskOf(env, workspace), notifier, decider)
}

/** How many corrections of one memory are followed back to who noted it. */
const CORRECTIONS_MOST = 20

interface By {
  readonly by: Actor
  readonly reason?: string
}

function handleOn(desk: Desk, notifier: Notifier, decider: Decider): WorkspaceMemory {
  const amend = (id: string, set: Amendment, options: By, why: string): Promise<Remembered> =>
    one(desk, { op: 'amend', id, set }, options, why)
  return {
    ...readsOn(desk),
    scope: (path: string, options?: ScopeOptions) => handleOn(narrowed(desk, path, options), notifier, decider),
    remember: ((given: NewMemory | readonly NewMemory[], options: By) =>
      many(given, (memory) => ({ op: 'add', memory }), desk, options, 'remembered')) as WorkspaceMemory['remember'],
    append: ((given: NewEvent | readonly NewEvent[], options: By) =>
      many(given, (event) => ({ op: 'event', event }), desk, options, 'noted')) as WorkspaceMemory['append'],
    import: (items, options) => importAll(desk, items, options),
    async correct(id, change, options) {
      const op = await correction(desk, id, change)
      return (await write(desk, [op], options, 'corrected', op))[0]!
    },
    pin: (id, options) => amend(id, { pinned: true }, options, 'pinned'),
    unpin: (id, options) => amend(id, { pinned: false }, options, 'unpinned'),
    expire: (id, options) => amend(id, { expiresAt: options.at }, options, 'given a date'),
    forget: (id, options) =>
      one(
        desk,
        { op: 'forget', id, ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }) },
        options,
        'forgotten',
      ),
    restore: (id, options) => one(desk, { op: 'restore', id }, options, 'restored'),
    async erase(which, options) {
      assertActor(options.by)
      await assertIds(desk, which)
      return erase(desk, notifier, which, options)
    },
    revert: (what, options) => revert(desk, decider, what, options),
    changes: changesOf(desk, notifier, decider),
    retention: retentionOf(desk),
    consolidate: (consolidator, options) => consolidate(desk, consolidator, options),
    calibrate: (questions, options) => calibrate(desk, questions, options),
    contexts: (query) => contexts(desk, query),
    learned: async () => (seesCompany(desk) ? learned(desk) : []),
  }
}

function readsOn(desk: Desk): Pick<WorkspaceMemory, 'recall' | 'facts' | 'history' | 'get' | 'context'> {
  return {
    recall: (query) => recall(desk, query),
    facts: async (query) => warned(desk, 'facts', query, await facts(desk, query)),
    history: async (query) => warned(desk, 'history', query, await history(desk, query)),
    get: (id) => get(desk, id),
    async context(query) {
      const { env, workspace } = desk
      await warnOfIds(desk, 'memory.context', query.about ?? [])
      const { labels: _labels, ...made } = await contextFor(desk, query)
      const pack = { id: `context_${env.ids.id()}`, ...made }
      const { text: _, ...shown } = pack
      const log: ContextLog = {
        ...shown,
        at: new Date(env.clock.now()).toISOString(),
        ...placeOf(desk),
        task: query.task,
      }
      await env
        .company(workspace)
        .edit(async () => ({ drafts: [{ kind: 'memory.shown', data: { puts: [contextPut(log)] } }] }))
      return pack
    },
  }
}

async function warned(
  desk: Desk,
  verb: string,
  { about }: { about?: Subject } = {},
  found: readonly Memory[],
): Promise<readonly Memory[]> {
  if (found.length === 0 && about !== undefined) await warnOfIds(desk, `memory.${verb}`, [about])
  return found
}

async function many<T>(
  given: T | readonly T[],
  op: (one: T) => ChangeOp,
  desk: Desk,
  options: By,
  why: string,
): Promise<Remembered | readonly Remembered[]> {
  const list = Array.isArray(given) ? (given as readonly T[]) : [given as T]
  const results = await write(desk, list.map(op), options, why)
  return Array.isArray(given) ? results : results[0]!
}

async function one(desk: Desk, op: ChangeOp & { id: string }, options: By, why: string): Promise<Remembered> {
  await recordFor(desk, op.id)
  return (await write(desk, [op], options, why))[0]!
}

/** Writes one change set. All of it or none. `corrects`: its first one, where it says something anew. */
export async function write(
  desk: Desk,
  ops: readonly ChangeOp[],
  { by, reason }: By,
  why: string,
  corrects?: ChangeOp & { op: 'add' },
): Promise<readonly Remembered[]> {
  assertActor(by)
  const { env, workspace } = desk
  const set = `set_${env.ids.id()}`
  let results: readonly Remembered[] = []
  await env.company(workspace).edit(async () => {
    const drafted = await draftWrite(desk, { ops, source: { by }, reason: reason ?? why, set })
    results = drafted.results
    if (drafted.puts.length === 0) return undefined
    const [first] = results
    const anew = corrects !== undefined && first?.status === 'applied'
    const counted = anew ? await correctedBy(desk, by, first, corrects) : NOTHING
    const puts = [...drafted.puts, ...counted.puts]
    return { drafts: [{ kind: 'memory.changed', data: { by, puts } }], unit: { starts: drafted.starts } }
  })
  env.nudge()
  return results
}

/** The same kind of thing: what is said in one word of subjects of one type, or whatever is noted of no subject. */
function correctedBy(
  { env, workspace }: Desk,
  by: Actor,
  { id }: Remembered,
  { memory: { subject, predicate, kind }, replaces = [] }: ChangeOp & { op: 'add' },
): Promise<Counted> {
  const type = typeof subject === 'string' ? (partsOf(subject)?.type ?? subject) : subject?.type
  const field = [type, predicate ?? kind].filter((one) => one !== undefined).join(' ')
  const writers = (): AsyncIterable<Writing> => notersOf(env, workspace, replaces, [field])
  const at = env.clock.now()
  return env.projections.corrected(env, workspace, { type: 'memory', id, fields: [field], by, at, writers })
}

/** The runs that noted a memory, and what it corrected of before, the last first. */
async function* notersOf(
  env: Environment,
  workspace: string,
  ids: readonly string[],
  fields: readonly string[],
): AsyncGenerator<Writing> {
  let next = ids
  for (let most = CORRECTIONS_MOST; next.length > 0 && most > 0; most--) {
    const records = [...(await recordsOf(env.store, workspace, next)).values()]
    for (const { source } of records) if (source.run !== undefined) yield { run: source.run, fields }
    const before = records.flatMap(({ id, evidence }) =>
      evidence.flatMap((one) => (one.kind === 'memory' ? [{ id: one.id, by: id }] : [])),
    )
    const found = await recordsOf(
      env.store,
      workspace,
      before.map((one) => one.id),
    )
    next = before
      .filter(({ id, by }) => found.get(id)?.ends.some((end) => end.how === 'corrected' && end.by === by) === true)
      .map(({ id }) => id)
  }
}

/** The same said anew. */
async function correction(
  desk: Desk,
  id: string,
  change: Pick<NewMemory, 'text' | 'value' | 'validFrom' | 'confidence'>,
): Promise<ChangeOp & { op: 'add' }> {
  const old = await recordFor(desk, id)
  const { kind, scope, subject, names, predicate, functional, load, from, to, expiresAt, evidence } = old
  const { sensitivity, terms } = old
  if (kind === 'event') {
    throw new KeelsonError('INPUT_INVALID', 'what happened cannot be corrected', {
      hint: 'Remember a fact about it, or forget it.',
    })
  }
  const entity = subject === undefined ? undefined : partsOf(subject)
  const named = names === undefined ? {} : { name: names[0]! }
  const about = subject === undefined ? {} : { subject: entity === undefined ? subject : { ...entity, ...named } }
  const memory: NewMemory = {
    ...{ kind, scope, load, evidence: [...evidence, { kind: 'memory' as const, id }], sensitivity, ...about },
    ...(predicate === undefined ? {} : { predicate }),
    ...(functional === undefined ? {} : { functional }),
    ...(terms === undefined ? {} : { terms }),
    validFrom: new Date(from).toISOString(),
    ...(to === undefined ? {} : { validTo: new Date(to).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    ...(change.text === undefined && change.value === undefined ? saidBefore(old) : {}),
    ...change,
  }
  return { op: 'add', memory, replaces: [id] }
}

/** Its words, where they are not what is corrected: whose they are is kept with them. */
function saidBefore({ text, value, confidence, outside }: MemoryRecord): Omit<NewMemory, 'kind'> {
  return {
    text,
    ...(value === undefined ? {} : { value }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(outside === undefined ? {} : { outside }),
  }
}

async function calibrate(
  desk: Desk,
  questions: Parameters<WorkspaceMemory['calibrate']>[0],
  { by }: By,
): ReturnType<WorkspaceMemory['calibrate']> {
  const { env, workspace } = desk
  const { vectors } = env
  if (vectors === undefined) {
    throw new KeelsonError('MODEL_MISSING', 'there is no embedding model to calibrate', {
      hint: 'createConductor({ embeddings: embeddings(model) }).',
    })
  }
  const found = await calibrated(vectors.embedder.model, questions, async ({ text, scope }, weight) => {
    const asked = askedOf(scope === undefined ? desk : narrowed(desk, scope))
    const ranked =
      weight === 0
        ? (await search(asked, { text, limit: 10 })).ranked
        : await weighed(asked, { text, limit: 10 }, vectors.at(workspace, weight))
    return ranked.map(({ unit }) => unit.id)
  })
  await env.company(workspace).edit(async () => ({
    drafts: [{ kind: 'memory.changed', data: { by, puts: [await weightPut(env.store, workspace, found)] } }],
  }))
  return found
}

async function contexts(desk: Desk, { run, limit = 50 }: { run?: string; limit?: number } = {}): Promise<ContextLog[]> {
  const { env, workspace } = desk
  const where = run === undefined ? { field: 'all', value: '1' } : { field: 'run', value: run }
  const found: ContextLog[] = []
  if (limit <= 0) return found
  const query = { kind: CONTEXT_RECORD, where, order: 'descending' } as const
  for await (const { data } of pagesOf(env.store, workspace, query, limit)) {
    const log = JSON.parse(data) as ContextLog
    if (mayShow(desk, log) && found.push(log) === limit) break
  }
  return found
}
