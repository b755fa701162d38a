/** Reads: what is looked up in memory: facts, history, one by its id. Searching is in memory/recall. */
import { KeelsonError } from '../../base/errors.ts'
import { assertLists, carries } from '../../base/taxonomy.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { FactsQuery, HistoryQuery } from '../../memory/handle.ts'
import { subjectOf } from '../../memory/input.ts'
import {
  allOf,
  asOfOf,
  instantOf,
  recordsOf,
  search,
  withTexts,
  type Recalled,
  type RecallQuery,
  type RecallWhy,
} from '../../memory/recall/recall.ts'
import type { Unit } from '../../memory/recall/library.ts'
import type { Ranked } from '../../memory/recall/rank.ts'
import { weighed } from '../../memory/recall/vector.ts'
import {
  asKnown,
  holdsAt,
  MEMORY_KINDS,
  MEMORY_RECORD,
  memoryOf,
  START,
  type Memory,
  type MemoryRecord,
} from '../../memory/unit.ts'
import { mayRead, noMemory } from './bounds.ts'
import { askedOf, type Desk } from './desk.ts'
import { givingWay, groupsOf, subjectsOf } from './subjects.ts'

export async function recall(desk: Desk, given: RecallQuery | string): Promise<Recalled[]> {
  const query = typeof given === 'string' ? { text: given } : given
  const asked = askedOf(desk)
  const at = asOfOf(query.asOf, asked.now)
  const known = query.asOf === undefined ? undefined : at.known
  const about = query.about === undefined ? {} : { about: (await groupsOf(desk, query.about)).flat() }
  const vectors = await desk.env.vectors?.ready(desk.workspace)
  const found = (without: ReadonlySet<string>): Promise<readonly (Ranked<Unit> & { why?: RecallWhy })[]> => {
    const own = { ...asked, without }
    const wanted = { ...query, ...about }
    return vectors === undefined ? search(own, wanted).then(({ ranked }) => ranked) : weighed(own, wanted, vectors)
  }
  return withTexts(asked, await standingOf(desk, at, found), known)
}

/** Asks anew without what gives way to what is known of the same entity under another name. */
export async function standingOf<T extends Ranked<Unit>>(
  desk: Desk,
  at: { valid: number; known: number },
  ask: (without: ReadonlySet<string>) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const without = new Set<string>()
  for (;;) {
    const ranked = await ask(without)
    const gone = await givingWay(
      desk,
      ranked.map(({ unit }) => (unit.record.kind === 'event' ? undefined : unit.record.subject)),
      at,
    )
    const more = ranked.filter(({ unit }) => gone.has(unit.id))
    if (more.length === 0) return ranked
    for (const id of gone) without.add(id)
  }
}

export async function facts(desk: Desk, query: FactsQuery = {}): Promise<Memory[]> {
  const { now } = askedOf(desk)
  const { known } = asOfOf(query.asOf, now)
  const found = await recordsFor(desk, query)
  return last(found, limitOf(query.limit, 200)).map((record) => memoryOf(record, now, known))
}

/** What is known of a subject, and the last that was said about it, each the oldest first: of one look. */
export async function told(
  desk: Desk,
  about: string,
  most: { readonly facts: number; readonly events: number },
): Promise<{ facts: Memory[]; events: Memory[] }> {
  const { now } = askedOf(desk)
  const { event = [], fact = [] } = Object.groupBy(
    await recordsFor(desk, { about, kinds: MEMORY_KINDS }),
    ({ kind }) => (kind === 'event' ? 'event' : 'fact'),
  )
  const of = (records: readonly MemoryRecord[], limit: number): Memory[] =>
    last(records, limit).map((record) => memoryOf(record, now))
  return { facts: of(fact, most.facts), events: of(event.sort(asSaid), most.events) }
}

/** What a query asks for, oldest first. */
async function recordsFor(desk: Desk, query: FactsQuery): Promise<MemoryRecord[]> {
  const at = asOfOf(query.asOf, askedOf(desk).now)
  const kinds = new Set(query.kinds ?? ['fact', 'preference', 'rule', 'note', 'summary', 'decision'])
  if (query.terms !== undefined) assertLists(query.terms)
  const matches = (record: MemoryRecord): boolean =>
    mayRead(desk, record) &&
    kinds.has(record.kind) &&
    (query.predicate === undefined || record.predicate === query.predicate) &&
    (query.terms === undefined || carries(record.terms, query.terms)) &&
    (query.history === true
      ? record.erased === undefined && record.recordedAt <= at.known
      : holdsAt(record, at.valid, at.known))
  let found: MemoryRecord[] = []
  for await (const record of recordsAbout(desk, query)) {
    // Who may not read it now may not read it as it was, either.
    if (!mayRead(desk, record)) continue
    const then = asKnown(record, at.known)
    if (matches(then)) found.push(then)
  }
  if (query.history !== true) {
    const gone = await givingWay(
      desk,
      found.map(({ functional, subject }) => (functional === true ? subject : undefined)),
      at,
    )
    if (gone.size > 0) found = found.filter(({ id }) => !gone.has(id))
  }
  return found.sort((a, b) => a.from - b.from || a.recordedAt - b.recordedAt || (a.id < b.id ? -1 : 1))
}

function last<T>(all: readonly T[], limit: number): readonly T[] {
  return limit === 0 ? [] : all.slice(-limit)
}

function asSaid(a: MemoryRecord, b: MemoryRecord): number {
  return a.from - b.from || (a.ord ?? 0) - (b.ord ?? 0) || (a.id < b.id ? -1 : 1)
}

export async function history(desk: Desk, query: HistoryQuery = {}): Promise<Memory[]> {
  const { now } = askedOf(desk)
  const [from, to] = [instantOf(query.from) ?? -Infinity, instantOf(query.to) ?? Infinity]
  const found: MemoryRecord[] = []
  for await (const record of recordsAbout(desk, { ...query, history: false }))
    if (
      mayRead(desk, record) &&
      record.kind === 'event' &&
      (query.thread === undefined || record.thread === query.thread) &&
      record.from >= from &&
      record.from < to &&
      holdsAt(record, now, Infinity)
    )
      found.push(record)
  return last(found.sort(asSaid), limitOf(query.limit, 50)).map((record) => memoryOf(record, now))
}

export async function get(desk: Desk, id: string): Promise<Memory> {
  return memoryOf(await recordFor(desk, id), desk.env.clock.now())
}

/** Throws `MEMORY_NOT_FOUND`, also for one that may not be read here. */
export async function recordFor(desk: Desk, id: string): Promise<MemoryRecord> {
  const record = (await recordsOf(desk.env.store, desk.workspace, [id])).get(id)
  if (record !== undefined && mayRead(desk, record)) return record
  throw noMemory(desk, id)
}

/** Records that a query may mean: by their subject, of what stands now, or all there ever were. */
async function* recordsAbout(
  desk: Desk,
  query: Pick<FactsQuery, 'about' | 'asOf' | 'history'> & Pick<HistoryQuery, 'thread'>,
): AsyncGenerator<MemoryRecord> {
  const asked = askedOf(desk)
  if (query.about !== undefined)
    for (const subject of await subjectsOf(desk, subjectOf(query.about).subject)) yield* ofSubject(desk, subject)
  else if (query.asOf !== undefined || query.history === true) yield* allOf(asked)
  else {
    const ids: string[] = []
    for (const segment of await asked.library.segments(asked.reader.scopes))
      for (const { id, unit } of segment.docs())
        if (query.thread === undefined || unit.record.thread === query.thread) ids.push(id)
    for (let at = 0; at < ids.length; at += 500)
      yield* (await recordsOf(asked.store, asked.workspace, ids.slice(at, at + 500))).values()
  }
}

async function* ofSubject({ env, workspace }: Desk, subject: string): AsyncGenerator<MemoryRecord> {
  const where = { field: 'subject', value: subject }
  for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, where, after: START }))
    yield JSON.parse(data) as MemoryRecord
}

function limitOf(limit: number | undefined, otherwise: number): number {
  if (limit === undefined) return otherwise
  if (Number.isSafeInteger(limit) && limit >= 0) return Math.min(limit, 1000)
  throw new KeelsonError('INPUT_INVALID', `${String(limit)} is no limit`, { hint: 'Use a whole number up to 1,000.' })
}
