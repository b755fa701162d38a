/**
 * Meant: what an erasure is to take: memories, and what would be one: proposed, or written by a run in shadow.
 *
 * M1. It is looked for in every scope. What the handle does not reach, or what is not its to take, is told by where it lies.
 */
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { RecordRow } from '../../journal/store.ts'
import { CHANGE_SET_RECORD, type ChangeSetRecord } from '../../memory/change-set.ts'
import { GONE } from '../../memory/gone.ts'
import type { Erased, WorkspaceMemory } from '../../memory/handle.ts'
import { newEvent, newMemory, subjectOf } from '../../memory/input.ts'
import { aboutHash, threadHash } from '../../memory/known-by.ts'
import { ERASED, MEMORY_RECORD, type MemoryRecord } from '../../memory/unit.ts'
import { assertWhole, isWhole, mayWrite } from './bounds.ts'
import type { Desk } from './desk.ts'
import { subjectsOf } from './subjects.ts'

type At = Pick<Desk, 'env' | 'workspace'>
type Which = Parameters<WorkspaceMemory['erase']>[0]
type Left = Erased['left']

export interface Meant {
  readonly memories: readonly MemoryRecord[]
  /** Under the set that proposes it, or none. */
  readonly would: readonly Would[]
  /** Of both, what this handle does not reach. */
  readonly beside: readonly MemoryRecord[]
}

interface Would {
  readonly record: MemoryRecord
  readonly proposal?: string
}

/** `everywhere`: in every scope. Throws `MEMORY_OUT_OF_SCOPE`. */
export async function meantBy(desk: Desk, which: Which, secret: string, everywhere: boolean): Promise<Meant> {
  if (everywhere || 'files' in which) assertWhole(desk)
  if ('files' in which) return { memories: [], would: [], beside: [] }
  const subjects = 'about' in which ? await subjectsOf(desk, subjectOf(which.about).subject) : undefined
  const memories =
    'ids' in which ? await memoriesOf(desk, which.ids) : await memoriesThat(desk, { secret, subjects, ...which })
  const would = 'ids' in which ? [] : await wouldBe(desk, (record) => says(record, { subjects, ...which }))
  // Of what is erased already it is only looked where it is still said.
  const isIn = (record: MemoryRecord): boolean =>
    mayWrite(desk, record) || (isWhole(desk) && (everywhere || record.erased !== undefined))
  return {
    memories: memories.filter(isIn),
    would: would.filter(({ record }) => isIn(record)),
    beside: [...memories, ...would.map(({ record }) => record)].filter((record) => !isIn(record)),
  }
}

/** A handle that is held to a scope is told that there are, and not where. */
export function besideLeft(desk: Desk, { beside }: Meant): Left {
  const standing = beside.filter(({ erased }) => erased === undefined)
  const places = Map.groupBy(standing, ({ scope }) => (isWhole(desk) ? scope : 'other scopes'))
  return [...places].map(([place, all]) => {
    const [lie, them] = all.length === 1 ? ['1 memory lies', 'it'] : [`${all.length} memories lie`, 'them']
    return {
      where: `memory in ${place}`,
      why: `${lie} beside this handle: workspace.memory.erase(…, { everywhere: true }) takes ${them}`,
    }
  })
}

/** What is remembered about these records is memory's, and stays when they alone are erased. */
export async function rememberedLeft(desk: At, subjects: readonly string[]): Promise<Left> {
  const scopes: string[] = []
  for (const value of subjects) for await (const { scope } of aboutSubject(desk, value)) scopes.push(scope)
  for (const { record } of await wouldBe(desk, (one) => says(one, { subjects }))) scopes.push(record.scope)
  return [...Map.groupBy(scopes, (scope) => scope)].map(([scope, { length }]) => {
    const [are, them] = length === 1 ? ['1 memory is', 'it'] : [`${length} memories are`, 'them']
    return {
      where: `memory in ${scope}`,
      why: `${are} about it: erase(id, { memory: true }) takes ${them}, in every scope`,
    }
  })
}

interface Asked {
  readonly subjects?: readonly string[] | undefined
  readonly thread?: string
}

function says(record: MemoryRecord, { subjects, thread }: Asked): boolean {
  if (record.text === GONE) return false
  return subjects === undefined ? record.thread === thread : subjects.includes(record.subject ?? '')
}

/** By ids, those that there are. */
export async function memoryRows({ env, workspace }: At, ids: readonly string[]): Promise<readonly RecordRow[]> {
  return ids.length === 0 ? [] : env.store.records(workspace, { kind: MEMORY_RECORD, ids, limit: ids.length })
}

async function memoriesOf(desk: At, ids: readonly string[]): Promise<MemoryRecord[]> {
  return (await memoryRows(desk, ids)).map((row) => JSON.parse(row.data) as MemoryRecord)
}

/** Also those that are erased, which are known by hashes. */
async function memoriesThat(
  desk: At,
  { secret, subjects, thread }: Asked & { readonly secret: string },
): Promise<MemoryRecord[]> {
  const all: MemoryRecord[] = []
  for (const subject of subjects ?? [])
    for (const value of [subject, `${ERASED}${aboutHash(secret, subject)}`])
      for await (const record of aboutSubject(desk, value)) all.push(record)
  if (subjects !== undefined || thread === undefined) return all
  const hash = threadHash(secret, thread)
  for await (const record of aboutSubject(desk))
    if (record.erased === undefined ? record.thread === thread : record.erased.thread === hash) all.push(record)
  return all
}

async function* aboutSubject({ env, workspace }: At, subject?: string): AsyncGenerator<MemoryRecord> {
  const where = subject === undefined ? {} : { where: { field: 'subject', value: subject } }
  for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, ...where }))
    yield JSON.parse(data) as MemoryRecord
}

async function wouldBe({ env, workspace }: At, isMeant: (record: MemoryRecord) => boolean): Promise<Would[]> {
  const found: Would[] = []
  const where = { field: 'status', value: 'proposed' }
  for await (const { data } of pagesOf(env.store, workspace, { kind: CHANGE_SET_RECORD, where })) {
    const set = JSON.parse(data) as ChangeSetRecord
    for (const record of proposedBy(set)) if (isMeant(record)) found.push({ record, proposal: set.id })
  }
  for await (const { data } of pagesOf(env.store, workspace, { kind: 'overlay' })) {
    const over = JSON.parse(data) as { kind: string; data: Json }
    if (over.kind !== MEMORY_RECORD || over.data === null) continue
    const record = over.data as unknown as MemoryRecord
    if (isMeant(record)) found.push({ record })
  }
  return found
}

/** What it would add. */
function proposedBy({ ops = [], source, scope, createdAt, id }: ChangeSetRecord): MemoryRecord[] {
  const writing = { source, scope, now: createdAt, set: id }
  return ops.flatMap((op, at) => {
    if (op.op === 'add') return [newMemory(op.memory, id, writing)]
    return op.op === 'event' ? [newEvent(op.event, id, at, writing)] : []
  })
}
