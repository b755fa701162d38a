/**
 * Subjects: under which names what is known of an entity stands: its own, and those of the records that were made one with it.
 *
 * S1. Nothing is written when two become one: what is asked of either is answered of both, and two again they are as before.
 * S2. Of functional facts that then contradict one another the later one stands: that which began to hold last.
 */
import type { EntityRecord } from '../../memory/entity.ts'
import type { Contradicted } from '../../memory/entity-store.ts'
import { pagesOf } from '../../journal/pages.ts'
import { subjectOf, type Subject } from '../../memory/input.ts'
import { isSame } from '../../memory/supersede.ts'
import { holdsAt, MEMORY_RECORD, START, type MemoryRecord } from '../../memory/unit.ts'
import type { Desk } from './desk.ts'

type At = Pick<Desk, 'env' | 'workspace'>

const REDIRECTS_MAX = 100

/** The one that it is today first. A subject that is no entity is itself. */
export async function subjectsOf({ env, workspace }: At, subject: string): Promise<string[]> {
  if (!subject.includes('/')) return [subject]
  let at = subject
  for (let hops = 0; hops < REDIRECTS_MAX; hops++) {
    const [row] = await env.store.records(workspace, { kind: 'entity', ids: [at], limit: 1 })
    if (row === undefined) return [subject]
    const { type, merged = [], mergedInto } = JSON.parse(row.data) as EntityRecord
    if (mergedInto === undefined) return [...new Set([at, ...merged.map((id) => `${type}/${id}`), subject])]
    at = `${type}/${mergedInto}`
  }
  return [subject]
}

/** Of each that is asked about, all its names; each entity once. */
export async function groupsOf(desk: At, about: readonly Subject[]): Promise<string[][]> {
  const groups = new Map<string, string[]>()
  for (const one of about) {
    const group = await subjectsOf(desk, subjectOf(one).subject)
    groups.set(group[0]!, [...new Set([...(groups.get(group[0]!) ?? []), ...group])])
  }
  return [...groups.values()]
}

type Point = { readonly valid: number; readonly known: number }

/** Of memories about these subjects, those that give way to another of the same entity (S2). Subjects that are no entities cost nothing. */
export async function givingWay(
  { env, workspace }: At,
  subjects: Iterable<string | undefined>,
  at: Point,
): Promise<Set<string>> {
  const ids = [...new Set(subjects)].filter((one) => one?.includes('/') === true) as string[]
  const gone = new Set<string>()
  const done = new Set<string>()
  for (let from = 0; from < ids.length; from += PAGE) {
    const page = ids.slice(from, from + PAGE)
    for (const row of await env.store.records(workspace, { kind: 'entity', ids: page, limit: page.length })) {
      const { mergedInto, merged = [] } = JSON.parse(row.data) as EntityRecord
      if ((mergedInto === undefined && merged.length === 0) || done.has(row.id)) continue
      const group = await subjectsOf({ env, workspace }, row.id)
      for (const id of group) done.add(id)
      for (const { others } of rivals(await functionalOf({ env, workspace }, group, at)))
        for (const { id } of others) gone.add(id)
    }
  }
  return gone
}

const PAGE = 500

/** With its place in the order of commits. */
type Placed = MemoryRecord & { readonly sort: number }

async function functionalOf(
  { env, workspace }: At,
  group: readonly string[],
  { valid, known }: Point,
): Promise<Placed[]> {
  const found: Placed[] = []
  for (const value of group) {
    const where = { field: 'subject', value }
    for await (const { data, sort } of pagesOf(env.store, workspace, { kind: MEMORY_RECORD, where, after: START })) {
      const record = JSON.parse(data) as MemoryRecord
      if (record.functional === true && holdsAt(record, valid, known)) found.push({ ...record, sort })
    }
  }
  return found
}

/** Of each predicate in each scope of which more than one stands, the one that counts, and the others. */
function rivals(records: readonly Placed[]): { first: Placed; others: Placed[] }[] {
  const groups = Map.groupBy(records, ({ scope, predicate }) => JSON.stringify([scope, predicate]))
  return [...groups.values()].flatMap((group) => {
    const [first, ...others] = group.sort((a, b) => b.from - a.from || b.recordedAt - a.recordedAt || b.sort - a.sort)
    return others.length === 0 ? [] : [{ first: first!, others }]
  })
}

/** What is known of both, and cannot hold of one: it is what a merge of them leaves behind. */
export async function contradictedBy({ env, workspace }: At, one: string, other: string): Promise<Contradicted[]> {
  const desk = { env, workspace }
  const group = [...(await subjectsOf(desk, one)), ...(await subjectsOf(desk, other))]
  const now = env.clock.now()
  return rivals(await functionalOf(desk, [...new Set(group)], { valid: now, known: Infinity })).flatMap(
    ({ first, others }) =>
      others
        .filter(
          (rival) =>
            !isSame(rival, first) && JSON.stringify(rival.value ?? null) !== JSON.stringify(first.value ?? null),
        )
        .map(({ id, text, predicate = '', scope }) => ({
          ...{ predicate, scope },
          ...{ stands: { id: first.id, text: first.text }, givesWay: { id, text } },
        })),
  )
}
