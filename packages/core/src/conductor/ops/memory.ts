/**
 * Memory: reads and writes of memory as operations.
 *
 * M1. A read is an entry with the ids of what it saw: a replay sees the same memories, in the same order, with the same scores.
 *     Their texts, which never change, are read again from where they can be erased.
 * M2. A write and its entry are one unit: exactly once. What a run may not do by itself is proposed in the same unit.
 */
import { KeelsonError, storeError } from '../../base/errors.ts'
import { keyedHash, sha256 } from '../../base/hash.ts'
import { isUnlabelled, type Labels } from '../../base/labels.ts'
import { canonical, canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { assertProposable, type ChangeOp, type Remembered } from '../../memory/change-set.ts'
import { contextPut } from '../../memory/context.ts'
import type { ContextQuery, RunMemory } from '../../memory/handle.ts'
import type { NewEvent, NewMemory } from '../../memory/input.ts'
import { assertWithin } from '../memory/bounds.ts'
import { benchOf, narrowed, placeOf, type Desk } from '../memory/desk.ts'
import { contextFor } from '../memory/gather.ts'
import { diffOf } from '../memory/proposal.ts'
import { facts, get, history, recall } from '../memory/reads.ts'
import { draftProposal, draftWrite, isThere } from '../memory/write.ts'
import type { Pass } from '../pass.ts'
import type { Built } from '../writer.ts'
import { askedFor, secretOf, type Asked } from './asked.ts'
import { given as checked } from './options.ts'
import type { Perform } from './place.ts'
import { bare, keep, labelsIn, refsIn, whole } from './memory-texts.ts'
import { restsOn } from './rests.ts'
import { sourceOf, type ActMemory } from './sources.ts'
import { notesOf, working } from './working.ts'

export function memory(pass: Pass, perform: Perform, acts: ActMemory, desk: Desk): RunMemory {
  const read = <R>(verb: string, what: Json, look: () => Promise<unknown>): Promise<R> =>
    perform(`memory.${verb}:${sha256(canonicalAround([desk.scope, desk.reader.scopes, what])).slice(0, 8)}`, (key) =>
      readOp<R>(pass, key, [verb, desk.reader as unknown as Json, what], look),
    )
  const write = (verb: string, ops: readonly ChangeOp[], from: From = {}): Promise<readonly Remembered[]> =>
    perform(`memory.${verb}`, (key) =>
      writeOp(pass, desk, key, verb, { ops, labels: () => restsOn(pass, acts, from.because) }),
    )
  return {
    recall: (query) => read('recall', asJson(query), () => recall(desk, query)),
    facts: (query) => read('facts', asJson(query ?? null), () => facts(desk, query)),
    history: (query) => read('history', asJson(query ?? null), () => history(desk, query)),
    get: (id) => read('get', id, () => get(desk, id)),
    context: (query) => perform('memory.context', (key) => contextOp(pass, desk, key, query)),
    remember: ((given: NewMemory | readonly NewMemory[], from?: From) =>
      each(
        given,
        (one): ChangeOp => ({ op: 'add', memory: one }),
        (ops) => write('remember', ops, checked('memory.remember', from)),
      )) as RunMemory['remember'],
    append: ((given: NewEvent | readonly NewEvent[], from?: From) =>
      each(
        given,
        (event): ChangeOp => ({ op: 'event', event }),
        (ops) => write('append', ops, checked('memory.append', from)),
      )) as RunMemory['append'],
    propose: (ops, options) =>
      perform('memory.propose', (key) => {
        const { reason, because } = checked('memory.propose', options)
        return proposeOp(pass, desk, key, { ops, labels: () => restsOn(pass, acts, because) }, reason)
      }),
    working: (shape, options) => working(pass, perform, write, shape, checked('memory.working', options)),
    scope: (path, options) => memory(pass, perform, acts, narrowed(desk, path, checked('memory.scope', options))),
  }
}

/** What is written rests on. */
interface From {
  readonly because?: readonly unknown[]
}

/** What is written, and what it is to be taken for. */
interface Given {
  readonly ops: readonly ChangeOp[]
  readonly labels: () => Labels
}

async function each<T>(
  given: T | readonly T[],
  op: (one: T) => ChangeOp,
  write: (ops: readonly ChangeOp[]) => Promise<readonly Remembered[]>,
): Promise<unknown> {
  const list = Array.isArray(given) ? (given as readonly T[]) : [given as T]
  const results = await write(list.map(op))
  return Array.isArray(given) ? results : results[0]
}

function readOp<R>(pass: Pass, key: string, what: readonly Json[], look: () => Promise<unknown>): Promise<R> {
  const asked = askedFor(pass, canonicalAround(what))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const seen = keep(pass, await look())
      await pass.writer.append([
        { kind: 'memory.completed', key, data: { hash, ok: seen, ...labelled(labelsIn(seen)), reads: refsIn(seen) } },
      ])
    })
  }
  return pass.operation<R>({
    key,
    kind: 'memory',
    ...asked,
    live,
    value: ({ outcome }) => whole(pass, outcome.ok) as R,
  })
}

function contextOp(pass: Pass, desk: Desk, key: string, query: ContextQuery): Promise<never> {
  const { countTokens: _, ...said } = query
  const asked = askedFor(pass, canonicalAround(['context', desk.scope, asJson(said)]))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await pass.work.run(async () => {
      const { row } = pass.task.claimed
      const id = `context_${sha256(canonical([row.id, row.stream, key])).slice(0, 24)}`
      const { labels, ...made } = await contextFor(desk, query, {
        notes: notesOf(pass),
        labels: pass.history.labels,
      })
      const pack = { id, ...made }
      const { text, ...shown } = pack
      const at = new Date(pass.task.env.clock.now()).toISOString()
      const put = contextPut({ ...shown, at, run: row.id, step: key, ...placeOf(desk), task: query.task })
      const seen = keep(pass, { ...shown, text: await bare(pass, text, pack.items) })
      const there = await pass.task.env.store.records(row.workspace, { kind: put.kind, ids: [id], limit: 1 })
      const puts = there.length === 0 ? [put] : []
      const data = { hash, ok: seen, ...labelled(labels), reads: refsIn(seen), puts }
      await pass.writer.append([{ kind: 'memory.completed', key, data }])
    })
  }
  return pass.operation<never>({
    key,
    kind: 'memory',
    ...asked,
    live,
    value: ({ outcome }) => whole(pass, outcome.ok) as never,
  })
}

/** The same for the same ops only: behind a rewind, the code may write something else under this key. */
async function setId(pass: Pass, desk: Desk, key: string, { hash, older }: Asked): Promise<string> {
  const { row } = pass.task.claimed
  const before = `set_${sha256(canonical([row.id, row.stream, key, older()])).slice(0, 24)}`
  // What was written before a rewind is not written again under another id.
  if (pass.history.reopened && (await isThere(desk, before, `${before}-proposed`))) return before
  return `set_${keyedHash(secretOf(pass), canonical([row.id, row.stream, key, hash])).slice(0, 24)}`
}

function writeOp(
  pass: Pass,
  desk: Desk,
  key: string,
  verb: string,
  { ops, labels }: Given,
): Promise<readonly Remembered[]> {
  const asked = askedFor(pass, canonicalAround([verb, desk.scope, asJson(ops)]))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await pass.work.run(() =>
      pass.writer.submit(() =>
        orItsError(key, hash, async () => {
          const set = await setId(pass, desk, key, asked)
          const of = labels()
          const drafted = await draftWrite(desk, {
            ops,
            source: sourceOf(pass, key),
            reason: `${pass.task.playbook.name}: ${key}`,
            set,
            labels: of,
          })
          const ok = drafted.results as unknown as Json
          return {
            drafts: [{ kind: 'memory.completed', key, data: { hash, ok, ...labelled(of), puts: drafted.puts } }],
            starts: drafted.starts,
          }
        }),
      ),
    )
    pass.task.env.nudge()
  }
  return pass.operation<readonly Remembered[]>({ key, kind: 'memory', ...asked, live })
}

/** What cannot be written is the outcome of its operation; only a store that fails ends the pass. */
async function orItsError(key: string, hash: string, build: () => Promise<Built>): Promise<Built> {
  try {
    return await build()
  } catch (thrown) {
    if (!KeelsonError.is(thrown) || thrown.code.startsWith('STORE_')) throw thrown
    return { drafts: [{ kind: 'memory.completed', key, data: { hash, error: storeError(thrown) } }] }
  }
}

function proposeOp(
  pass: Pass,
  desk: Desk,
  key: string,
  { ops, labels }: Given,
  reason: string,
): Promise<{ changeSet: string }> {
  const asked = askedFor(pass, canonicalAround(['propose', desk.scope, asJson(ops), reason]))
  const { hash } = asked
  const live = async (): Promise<void> => {
    await diffOf(desk, ops)
    await pass.work.run(() =>
      pass.writer.submit(() =>
        orItsError(key, hash, async () => {
          const source = sourceOf(pass, key)
          const id = await setId(pass, desk, key, asked)
          const ok = { changeSet: id }
          if (await isThere(desk, id)) return { drafts: [{ kind: 'memory.completed', key, data: { hash, ok } }] }
          await assertWithin(desk, ops)
          await assertProposable(benchOf(desk), ops)
          const { puts, starts } = draftProposal(
            desk,
            {
              ...{ id, status: 'proposed', source, reason, createdAt: desk.env.clock.now() },
              ...{ scope: desk.scope, changes: [], ops, ...labelled(labels()) },
            },
            source.by,
          )
          return { drafts: [{ kind: 'memory.completed', key, data: { hash, ok, puts } }], starts }
        }),
      ),
    )
    pass.task.env.nudge()
  }
  return pass.operation<{ changeSet: string }>({ key, kind: 'memory', ...asked, live })
}

function labelled(labels: Labels): { labels?: Labels } {
  return isUnlabelled(labels) ? {} : { labels }
}

/** What was asked, as it is compared on replay: functions are no part of it. */
function asJson(value: unknown): Json {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'function' ? undefined : one)) ?? 'null',
  ) as Json
}
