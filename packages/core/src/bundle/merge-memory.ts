/** Memories of a bundle as what an import takes: those that hold, by terms that are known here; what is gone stays gone. */
import { canonical } from '../base/json.ts'
import { inUse, type Taxonomy } from '../base/taxonomy.ts'
import type { Environment } from '../conductor/environment.ts'
import type { Keeping } from '../conductor/memory/import.ts'
import { subjectsOf } from '../conductor/memory/subjects.ts'
import { pagesOf } from '../journal/pages.ts'
import { partsOf, recordId } from '../memory/entity.ts'
import type { ImportItem } from '../memory/handle.ts'
import type { Subject } from '../memory/input.ts'
import type { Kept } from '../memory/kept.ts'
import { rootOf, WORKSPACE_SCOPE } from '../memory/scope.ts'
import { MEMORY_RECORD, START, type MemoryRecord } from '../memory/unit.ts'

export type Remembering = MemoryRecord

/** A memory that is taken over. */
export interface Taking extends Keeping {
  /** What it is about, as the bundle and as this company calls that. */
  readonly about: readonly string[]
  /** Of an event: what it is told by beside what it is about, whatever its id. */
  readonly event?: string
}

export function itemsOf(
  records: readonly Remembering[],
  ids: ReadonlyMap<string, string>,
  taxonomy: Taxonomy,
): Taking[] {
  const open = records.filter(
    ({ ends, erased }) => erased === undefined && ends.every((end) => end.undoneAt !== undefined),
  )
  return open.map((record) => ({
    item: record.kind === 'event' ? eventOf(record, ids) : memoryOf(record, ids, taxonomy),
    kept: keptOf(record),
    about: record.subject === undefined ? [] : [record.subject, subjectHere(record.subject, ids)],
    ...(record.kind === 'event' ? { event: markOf(record) } : {}),
  }))
}

/** Without events that are, or were, here under another id: of this very company, or of one that had them from it. */
export async function besidesHere(
  { env, workspace }: { readonly env: Environment; readonly workspace: string },
  items: readonly Taking[],
): Promise<Taking[]> {
  const events = items.filter(({ event }) => event !== undefined)
  const here = new Map<string, Set<string | undefined>>()
  for (const root of new Set(events.map(({ item }) => rootOf(item.scope ?? WORKSPACE_SCOPE))))
    for (const state of ['live', 'past']) {
      const where = { field: 'in', value: `${state}:${root}` }
      for await (const { data } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, where, after: START })) {
        const record = JSON.parse(data) as MemoryRecord
        if (record.kind !== 'event' || record.erased !== undefined) continue
        const about = here.get(markOf(record)) ?? new Set()
        here.set(markOf(record), about.add(record.subject))
      }
    }
  const left: Taking[] = []
  for (const one of items) {
    const about = here.get(one.event ?? '')
    if (about === undefined || !(await isAmong(about, one, { env, workspace }))) left.push(one)
  }
  return left
}

/** What is said of many in the same words is another event of each. */
async function isAmong(
  subjects: ReadonlySet<string | undefined>,
  { about }: Taking,
  at: { readonly env: Environment; readonly workspace: string },
): Promise<boolean> {
  if (about.length === 0) return subjects.has(undefined)
  for (const one of about) if ((await subjectsOf(at, one)).some((name) => subjects.has(name))) return true
  return false
}

function markOf({ scope, text, from, thread, ord, speaker, role }: MemoryRecord): string {
  return canonical([scope, text, from, thread ?? null, ord ?? null, speaker ?? null, role ?? null])
}

/** Whose word it was there is nobody's here who counts for more than an import. */
function keptOf({ authority, pinned, labels }: MemoryRecord): Kept {
  return {
    authority: authority === 'agent' ? 'agent' : 'import',
    ...(pinned === undefined ? {} : { pinned }),
    ...(labels === undefined ? {} : { labels }),
  }
}

function iso(instant: number): string {
  return new Date(instant).toISOString()
}

function subjectHere(subject: string, ids: ReadonlyMap<string, string>): string {
  const here = ids.get(subject)
  return here === undefined ? subject : recordId(partsOf(subject)!.type, here)
}

/** The subject as the target knows it; entities are `type/id`, with the name by which they are asked for. */
function subjectOf({ subject, names }: MemoryRecord, ids: ReadonlyMap<string, string>): Subject | undefined {
  if (subject === undefined) return undefined
  const parts = partsOf(subject)
  if (parts === undefined) return subject
  const [name] = names ?? []
  return { ...parts, id: ids.get(subject) ?? parts.id, ...(name === undefined ? {} : { name }) }
}

function eventOf(record: MemoryRecord, ids: ReadonlyMap<string, string>): ImportItem {
  const { id, text, role, speaker, thread, ord, scope, sensitivity, from, outside, evidence } = record
  const about = subjectOf(record, ids)
  return {
    type: 'event',
    // Under an id made of its own: merged again, it is the same event.
    ...{ id, text, scope, sensitivity, evidence, outside: outside ?? false, at: iso(from) },
    ...(role === undefined ? {} : { role }),
    ...(speaker === undefined ? {} : { speaker }),
    ...(thread === undefined ? {} : { thread }),
    ...(ord === undefined ? {} : { ord }),
    ...(about === undefined ? {} : { about }),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
  }
}

function memoryOf(record: MemoryRecord, ids: ReadonlyMap<string, string>, taxonomy: Taxonomy): ImportItem {
  const { kind, text, predicate, value, functional, scope, load, confidence, sensitivity, outside, evidence } = record
  const subject = subjectOf(record, ids)
  const terms = inUse(taxonomy, record.terms ?? {})
  return {
    type: 'memory',
    ...{
      kind: kind as Exclude<typeof kind, 'event'>,
      text,
      scope,
      load,
      sensitivity,
      evidence,
      validFrom: iso(record.from),
    },
    ...(subject === undefined ? {} : { subject }),
    ...(predicate === undefined ? {} : { predicate }),
    ...(value === undefined ? {} : { value }),
    ...(functional === undefined ? {} : { functional }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(outside === undefined ? {} : { outside }),
    ...(terms === undefined ? {} : { terms }),
    ...(record.to === undefined ? {} : { validTo: iso(record.to) }),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
  }
}
