/** Gather: what may go into a context: rules that always load, records, timelines, what is recalled, notes of the run. */
import { KeelsonError } from '../../base/errors.ts'
import { canonical } from '../../base/json.ts'
import { joinLabels, labelled, NO_LABELS, type Labels } from '../../base/labels.ts'
import { assemble, type Candidate, type ContextPack, type ContextLeft, type Section } from '../../memory/context.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import type { EntityRecord } from '../../memory/entity.ts'
import { labelsIn } from '../../memory/entity-labels.ts'
import { present } from '../../memory/entity-read.ts'
import type { ContextQuery } from '../../memory/handle.ts'
import type { Subject } from '../../memory/input.ts'
import { recordsFor, recordsOf, search } from '../../memory/recall/recall.ts'
import { holdsAt, labelsOfMemory, type Memory, type MemoryRecord } from '../../memory/unit.ts'
import { askedOf, ruling, type Desk } from './desk.ts'
import { history, standingOf, told } from './reads.ts'
import { givingWay, groupsOf } from './subjects.ts'

/** More is not looked at: what stands behind it has hardly a chance. That there is more is told. */
const RECALLED_MAX = 150
const EVENTS_MAX = 10
const FACTS_MAX = 30
const COUNTED_MAX = 1000

/** The working memory of a run, and what all that the run has seen is to be taken for: notes do not say what they were made of. */
export interface Notes {
  readonly notes: readonly { readonly key: string; readonly text: string }[]
  readonly labels: Labels
}

/** The pack, and what all that was chosen for it is to be taken for. `working`: of the run that asks. */
export async function contextFor(
  desk: Desk,
  query: ContextQuery,
  working: Notes = { notes: [], labels: NO_LABELS },
): Promise<Omit<ContextPack, 'id'> & { labels: Labels }> {
  const budgetTokens = query.budgetTokens ?? 2000
  if (typeof query.task !== 'string' || !Number.isFinite(budgetTokens) || budgetTokens < 0)
    throw new KeelsonError('INPUT_INVALID', 'a context needs a task and a budget', {
      hint: 'Pass { task, budgetTokens }.',
    })
  const about = await subjectsIn(desk, query.about ?? [])
  const hidden: ContextLeft[] = []
  const candidates = [
    ...(await rules(desk, hidden)),
    ...(await records(desk, about)),
    ...(await timelines(desk, about, hidden)),
    ...(await lastWords(desk, query.thread, hidden)),
    ...known(about, hidden),
    ...(await recalled(desk, query.task, hidden)),
    ...working.notes.map(({ key, text }): Candidate => ({
      section: 'working',
      source: `working:${key}`,
      text: `${key}: ${text}`,
      outside: working.labels.untrusted !== undefined,
      labels: working.labels,
    })),
  ]
  const pack = assemble(candidates, {
    budgetTokens,
    ...(query.countTokens === undefined ? {} : { countTokens: counting(query.countTokens) }),
  })
  const shown = new Set(pack.items.map(({ source }) => source))
  const labels = joinLabels(...candidates.filter(({ source }) => shown.has(source)).map((one) => one.labels))
  return { ...pack, left: [...pack.left, ...hidden], labels }
}

/** One that is asked about: the names that it has had, what is known of it, and the last that was said about it. */
interface About {
  readonly group: readonly string[]
  readonly facts: readonly Memory[]
  readonly events: readonly Memory[]
}

async function subjectsIn(desk: Desk, about: readonly Subject[]): Promise<About[]> {
  const all: About[] = []
  for (const group of await groupsOf(desk, about))
    all.push({ group, ...(await told(desk, group[0]!, { facts: COUNTED_MAX, events: EVENTS_MAX + 1 })) })
  return all
}

/** A counter is somebody's code: what it throws, or a count that is none, is told to who gave it. */
function counting(countTokens: (text: string) => number): (text: string) => number {
  return (text) => {
    let count: unknown
    try {
      count = countTokens(text)
    } catch (thrown) {
      count = String(thrown)
    }
    if (typeof count === 'number' && count >= 0) return count
    throw new KeelsonError('INPUT_INVALID', `countTokens did not answer with a number: ${String(count)}`, {
      hint: 'Answer the number of tokens of the text, at once.',
    })
  }
}

/** Rules of the scopes that are read, those below them, and those above. */
async function rules(desk: Desk, hidden: ContextLeft[]): Promise<Candidate[]> {
  const { library, store, workspace, now, reader } = askedOf(desk)
  const over = ruling(desk)
  const segments = [...(await library.segments(reader.scopes)), ...(await library.exactly(over))]
  const ids: string[] = []
  for (const segment of new Set(segments))
    for (const { id, unit } of segment.always()) {
      if (unit.record.sensitivity > reader.maxSensitivity)
        hidden.push({ source: `memory:${id}`, section: 'rules', reason: 'sensitivity' })
      else if (holdsAt(unit.record, now, Infinity)) ids.push(id)
      else if ((unit.record.expiresAt ?? Infinity) <= now)
        hidden.push({ source: `memory:${id}`, section: 'rules', reason: 'expired' })
    }
  const held = [...(await recordsOf(store, workspace, ids)).values()]
  const at = { valid: now, known: Infinity }
  const gone = await givingWay(
    desk,
    held.map(({ functional, subject }) => (functional === true ? subject : undefined)),
    at,
  )
  const found = held.filter(({ id }) => !gone.has(id))
  found.sort((a, b) =>
    a.authority === b.authority
      ? a.recordedAt - b.recordedAt || (a.id < b.id ? -1 : 1)
      : a.authority === 'operator'
        ? -1
        : b.authority === 'operator'
          ? 1
          : a.authority === 'import'
            ? -1
            : 1,
  )
  return found.map((record) => memoryCandidate('rules', record))
}

async function records({ env, workspace }: Desk, about: readonly About[]): Promise<Candidate[]> {
  const ids = about.map(({ group }) => group[0]!)
  const rows = ids.length === 0 ? [] : await env.store.records(workspace, { kind: 'entity', ids, limit: ids.length })
  return rows.map((row) => {
    const record = JSON.parse(row.data) as EntityRecord
    const type = env.entities.named(record.type, record.schema)
    const secret = type.private.size > 0
    const labels = joinLabels(labelsIn(record), labelled(secret ? ['private'] : [], `entity ${record.type}`))
    const text = `${row.id}${record.archived === true ? ' (archived)' : ''}: ${canonical(present(type, record))}`
    return { section: 'entity', source: `entity:${row.id}`, text, outside: labels.untrusted !== undefined, labels }
  })
}

/** What happened to each, and what was said about it: the last of both together. */
async function timelines(desk: Desk, about: readonly About[], hidden: ContextLeft[]): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  for (const { group, events } of about) {
    const ids = new Set(events.map(({ id }) => id))
    const lines = [...(await linesOf(desk, group, ids)), ...events.toReversed().map(saidLine)]
    lines.sort((a, b) => b.at - a.at)
    if (lines.length > EVENTS_MAX)
      hidden.push({ source: `timeline:${group[0]!}`, section: 'timeline', reason: 'limit' })
    candidates.push(...lines.slice(0, EVENTS_MAX).map(({ candidate }) => candidate))
  }
  return candidates
}

/** A candidate, and when it happened. */
interface Dated {
  readonly at: number
  readonly candidate: Candidate
}

function saidLine(event: Memory): Dated {
  return { at: Date.parse(event.validFrom), candidate: memoryCandidate('timeline', event) }
}

/** The newest lines of an entity, and of those that were made one with it, the newest first; without notes that are `told` as memories. */
async function linesOf(
  { env, workspace }: Desk,
  group: readonly string[],
  told: ReadonlySet<string>,
): Promise<Dated[]> {
  const newest = { kind: 'timeline', order: 'descending', limit: EVENTS_MAX + 1 } as const
  const wheres = group.map((value) => ({ field: 'entity', value }))
  const found = await Promise.all(wheres.map((where) => env.store.records(workspace, { ...newest, where })))
  const rows = found.flat()
  if (found.length > 1) rows.sort((a, b) => b.sort - a.sort || (a.id < b.id ? 1 : -1))
  return rows.flatMap(({ id, sort, data }): Dated[] => {
    const event = JSON.parse(data) as TimelineEvent
    if (event.memory !== undefined && told.has(event.memory)) return []
    const labels = wordsOf(event)
    const text = `${event.at.slice(0, 10)} ${event.what}` // not its data
    const outside = labels.untrusted !== undefined
    return [{ at: sort, candidate: { section: 'timeline', source: `event:${id}`, text, outside, labels } }]
  })
}

/** A change is told in our words; a note in those of whoever noted it. */
function wordsOf({ version, labels }: TimelineEvent): Labels {
  return version === undefined ? joinLabels(...Object.values(labels ?? {})) : NO_LABELS
}

async function lastWords(desk: Desk, thread: string | undefined, hidden: ContextLeft[]): Promise<Candidate[]> {
  if (thread === undefined) return []
  const events = await history(desk, { thread, limit: COUNTED_MAX })
  const shown = newest(events, EVENTS_MAX, hidden, { source: `thread:${thread}`, section: 'timeline' })
  return shown.reverse().map((event) => memoryCandidate('timeline', event))
}

/** What is known of the subjects stands before what is searched for. */
function known(about: readonly About[], hidden: ContextLeft[]): Candidate[] {
  return about.flatMap(({ group, facts }) => {
    const own = facts.filter(({ load }) => load === 'search')
    const shown = newest(own, FACTS_MAX, hidden, { source: `facts:${group[0]!}`, section: 'recall' })
    return shown.map((fact) => memoryCandidate('recall', fact))
  })
}

/** The last of them; how many more there are is told. */
function newest(
  all: readonly Memory[],
  most: number,
  hidden: ContextLeft[],
  of: Pick<ContextLeft, 'source' | 'section'>,
): Memory[] {
  if (all.length > most) hidden.push({ ...of, reason: 'limit', count: all.length - most })
  return all.slice(-most)
}

async function recalled(desk: Desk, task: string, hidden: ContextLeft[]): Promise<Candidate[]> {
  const asked = askedOf(desk)
  // Looks at all that the scopes hold, to say what was held back; only what may be read goes further.
  const all = { ...asked, reader: { ...asked.reader, maxSensitivity: 3 } }
  const ranked = await standingOf(desk, { valid: asked.now, known: Infinity }, async (without) => {
    return (await search({ ...all, without }, { text: task }, RECALLED_MAX + 1)).ranked
  })
  if (ranked.length > RECALLED_MAX) hidden.push({ source: 'recall', section: 'recall', reason: 'limit' })
  const readable = ranked.slice(0, RECALLED_MAX).filter(({ unit }) => {
    const may = unit.record.sensitivity <= asked.reader.maxSensitivity
    if (!may) hidden.push({ source: `memory:${unit.id}`, section: 'recall', reason: 'sensitivity' })
    return may
  })
  const records = await recordsFor(asked, readable)
  return records.flatMap((record) => (record === undefined ? [] : [memoryCandidate('recall', record)]))
}

/** A line that can be told from the memory alone, so that a replay tells the same. */
export function memoryCandidate(section: Section, memory: MemoryRecord | Memory): Candidate {
  const day = new Date('from' in memory ? memory.from : Date.parse(memory.validFrom)).toISOString().slice(0, 10)
  const who = memory.speaker ?? memory.role
  const text = memory.kind === 'event' ? `${day} ${who === undefined ? '' : `${who}: `}${memory.text}` : memory.text
  const { outside = false } = memory
  return { section, source: `memory:${memory.id}`, text, outside, labels: labelsOfMemory(memory) }
}
