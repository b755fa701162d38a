/**
 * Gaps: data that are stored in shapes from which no upcasters lead to today's, in heads and in histories, told all at once.
 *
 * P1. A history is read, too: what was stored anew by `migrate()` still begins in the shape in which it was made.
 * P2. The shape of the first line tells: shapes only go forward. Companies of older releases have no index of first lines;
 *     there they are read, and only where a definition has a gap.
 */
import { KeelsonError } from '../base/errors.ts'
import { missing, unreachable, type Versioned } from '../base/upcast.ts'
import { pagesOf } from '../journal/pages.ts'
import type { MemoryStore } from '../journal/store.ts'
import { changeId, changeOf, firstOf } from '../memory/change.ts'
import { type AnyEntityType, type EntityRecord } from '../memory/entity.ts'
import { eventShape, type EventType } from '../playbook/event.ts'
import { hasFirsts } from './company.ts'
import type { MailData } from './mail.ts'

/** Data of one shape and version that cannot be read as of today. */
export interface Gap {
  readonly of: Versioned
  readonly workspace: string
  readonly from: number
  readonly ids: readonly string[]
}

const NAMED = 20
const PAGE = 200

/** Throws `UPCASTER_MISSING` that tells of all of them, with how many there are and which. */
export function assertNone(gaps: readonly Gap[]): void {
  const [first, ...others] = gaps
  if (first === undefined) return
  const one = missing(first.of, first.from, named(first))
  if (others.length === 0) throw withGaps(one, gaps)
  const all = gaps.map((gap) => missing(gap.of, gap.from, named(gap)))
  const hint = [...new Set(all.map((error) => error.hint))].join(' ')
  const more = new KeelsonError('UPCASTER_MISSING', all.map(({ message }) => message).join('; '), { hint })
  throw withGaps(more, gaps)
}

function withGaps({ message, hint }: KeelsonError, gaps: readonly Gap[]): KeelsonError {
  const data = gaps.map(({ of, workspace, from, ids }) => ({
    shape: of.name,
    ...{ workspace, from, count: ids.length, ids: ids.slice(0, NAMED) },
  }))
  const [{ of }] = gaps as [Gap]
  return new KeelsonError('UPCASTER_MISSING', message, {
    ...(hint === undefined ? {} : { hint }),
    data: { entity: of.name, gaps: data },
  })
}

function named({ workspace, ids }: Gap): string {
  const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : ''
  return `: ${ids.length} in workspace ${workspace} (${ids.slice(0, NAMED).join(', ')}${more})`
}

/** Of records whose history begins in such a shape. */
export async function entityGaps(store: MemoryStore, types: readonly AnyEntityType[]): Promise<Gap[]> {
  const open = types.map((type) => ({ type, from: unreachable(type) })).filter(({ from }) => from.length > 0)
  const gaps: Gap[] = []
  for (const workspace of open.length === 0 ? [] : await store.workspaces()) {
    const indexed = await hasFirsts(store, workspace)
    for (const { type, from } of open)
      gaps.push(
        ...(indexed ? await byFirst(store, workspace, type, from) : await byReading(store, workspace, type, from)),
      )
  }
  return gaps
}

async function byFirst(store: MemoryStore, workspace: string, type: AnyEntityType, froms: number[]): Promise<Gap[]> {
  const gaps: Gap[] = []
  for (const from of froms) {
    const ids: string[] = []
    const where = { field: 'first', value: firstOf(type.name, from) }
    for await (const { id } of pagesOf(store, workspace, { kind: 'timeline', where })) ids.push(entityIdOf(type, id))
    if (ids.length > 0) gaps.push({ of: type, workspace, from, ids })
  }
  return gaps
}

/** The id of the record whose first line this is. */
function entityIdOf({ name }: AnyEntityType, line: string): string {
  return line.slice(name.length + 1, line.lastIndexOf('/'))
}

async function byReading(store: MemoryStore, workspace: string, type: AnyEntityType, froms: number[]): Promise<Gap[]> {
  const found = new Map<number, string[]>(froms.map((from) => [from, []]))
  let page: EntityRecord[] = []
  const look = async (): Promise<void> => {
    const lines = page.map(({ id }) => changeId(type.name, id, 1))
    const rows = lines.length === 0 ? [] : await store.records(workspace, { kind: 'timeline', ids: lines, limit: PAGE })
    const schemas = new Map(rows.map((row) => [row.id, changeOf(row).schema ?? 1]))
    for (const { id, schema } of page) found.get(schemas.get(changeId(type.name, id, 1)) ?? schema)?.push(id)
    page = []
  }
  for (let schema = 1; schema <= type.version; schema++) {
    const where = { field: 'schema', value: `${type.name}@${schema}` }
    for await (const row of pagesOf(store, workspace, { kind: 'entity', where })) {
      page.push(JSON.parse(row.data) as EntityRecord)
      if (page.length === PAGE) await look()
    }
  }
  await look()
  return [...found].flatMap(([from, ids]) => (ids.length === 0 ? [] : [{ of: type, workspace, from, ids }]))
}

/** Of events that are kept for runs that may ask for them. */
export async function eventGaps(store: MemoryStore, types: readonly EventType<any>[]): Promise<Gap[]> {
  const open = types
    .map((type) => ({ name: type.name, shape: eventShape(type), from: unreachable(eventShape(type)) }))
    .filter(({ from }) => from.length > 0)
  const gaps: Gap[] = []
  for (const workspace of open.length === 0 ? [] : await store.workspaces()) {
    const found = new Gathered(workspace)
    for await (const row of pagesOf(store, workspace, { kind: 'event' })) {
      const { event, id, schema = 1 } = JSON.parse(row.data) as MailData['event']
      const gap = open.find(({ name }) => name === event)
      // An event is kept once under each of its tokens: the first is that of them all.
      if (row.id.endsWith(':0') && gap?.from.includes(schema) === true) found.add(gap.shape, schema, id)
    }
    gaps.push(...found.gaps())
  }
  return gaps
}

/** What is found one by one. */
export class Gathered {
  readonly #workspace: string
  readonly #found = new Map<string, { of: Versioned; from: number; ids: Set<string> }>()

  constructor(workspace: string) {
    this.#workspace = workspace
  }

  get any(): boolean {
    return this.#found.size > 0
  }

  add(of: Versioned, from: number, id: string): void {
    const key = `${of.name}@${from}`
    const one = this.#found.get(key) ?? { of, from, ids: new Set() }
    this.#found.set(key, one)
    one.ids.add(id)
  }

  gaps(): Gap[] {
    return [...this.#found.values()].map(({ of, from, ids }) => ({
      of,
      from,
      ids: [...ids],
      workspace: this.#workspace,
    }))
  }
}
