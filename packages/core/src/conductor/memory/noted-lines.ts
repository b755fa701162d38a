/**
 * Noted lines: of memories that were noted of records, the lines that say so, and what others were noted with in the same words.
 *
 * L1. What goes from memory goes from its own line, however short it is, and whoever says the same.
 * L2. Notes are often the same few words ("Called"): what another was noted with is nobody's own, and is looked for nowhere else.
 */
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordRow } from '../../journal/store.ts'
import type { TimelineEvent } from '../../memory/change.ts'
import { partsOf } from '../../memory/entity.ts'
import { GONE } from '../../memory/gone.ts'
import type { Erased } from '../../memory/handle.ts'
import type { MemoryRecord } from '../../memory/unit.ts'
import type { Desk } from './desk.ts'
import { sortOf, UNSOUGHT } from './redact.ts'

type At = Pick<Desk, 'env' | 'workspace'>

/** The lines of these memories, those that still say something. */
export async function linesOfNotes({ env, workspace }: At, memories: readonly MemoryRecord[]): Promise<RecordRow[]> {
  const events = memories.filter(({ kind, erased }) => kind === 'event' && erased === undefined)
  const ids = new Set(events.map(({ id }) => id))
  const subjects = new Set(events.flatMap(({ subject = '' }) => (partsOf(subject) === undefined ? [] : [subject])))
  const found: RecordRow[] = []
  for (const value of subjects)
    for await (const row of pagesOf(env.store, workspace, { kind: 'timeline', where: { field: 'entity', value } })) {
      const { memory, what } = lineIn(row)
      if (memory !== undefined && ids.has(memory) && what !== GONE) found.push(row)
    }
  return found
}

/** L2. What these lines say, and notes that are not among them say as well: each with the ids of those. */
export async function commonWords(
  { env, workspace }: At,
  lines: readonly RecordRow[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const common = new Map<string, string[]>()
  if (lines.length === 0) return common
  const own = new Set(lines.map(({ id }) => id))
  const said = new Set(lines.map((row) => lineIn(row).what))
  for await (const row of pagesOf(env.store, workspace, { kind: 'timeline' })) {
    const { version, what } = lineIn(row)
    if (version !== undefined || !said.has(what) || own.has(row.id)) continue
    common.set(what, [...(common.get(what) ?? []), row.id])
  }
  return common
}

/** So many of them are named. */
const NAMED_MAX = 20

/** L2. Where that stays. */
export function commonLeft(common: ReadonlyMap<string, readonly string[]>): Erased['left'] {
  const others = [...common.values()].flat()
  const why = 'it is noted there in the same words: where the same is meant, erase that, too'
  const named = others.slice(0, NAMED_MAX).map((id) => ({ where: `timeline ${id}`, why }))
  const count = others.length === 1 ? 'another note says' : `${others.length} other notes say`
  const all = {
    where: UNSOUGHT.where,
    why: `${count} the same: it goes from its own record, and is not looked for there`,
  }
  return others.length === 0 ? [] : [...named, all]
}

/** L1. Those lines with a blank, on top of what is put of them already. */
export function blankedLines(lines: readonly RecordRow[], puts: ReadonlyMap<string, Put>): Put[] {
  return lines.map((row) => {
    const { kind, id, version, index, data } = row
    const before = puts.get(`${kind}/${id}`)?.data ?? (JSON.parse(data) as Json)
    return { kind, id, version: version + 1, data: { ...(before as object), what: GONE }, index, sort: sortOf(row) }
  })
}

function lineIn({ data }: RecordRow): TimelineEvent {
  return JSON.parse(data) as TimelineEvent
}
