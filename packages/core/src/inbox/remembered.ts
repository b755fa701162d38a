/** Remembered: the memories that an item rests on, in their own words, read at the moment of looking. */
import { shown } from '../base/glyphs.ts'
import type { Environment } from '../conductor/environment.ts'
import type { Provenance } from '../conductor/item.ts'
import { recordsOf } from '../memory/recall/recall.ts'
import type { MemoryRecord } from '../memory/unit.ts'
import type { InboxItem } from './item.ts'

/** Characters of a text that are shown. */
const SHORT = 80
const PREFIX = 'memory:'

/**
 * The same items, with the text of each memory in place of its id, in short. One that was erased, or that is not open to all,
 * is named by its id.
 */
export async function inWords<I extends InboxItem>(
  env: Environment,
  workspace: string,
  items: readonly I[],
): Promise<I[]> {
  const ids = new Set(items.flatMap(memoriesOf))
  if (ids.size === 0) return [...items]
  const records = new Map<string, MemoryRecord>()
  const all = [...ids]
  for (let at = 0; at < all.length; at += 500)
    for (const [id, record] of await recordsOf(env.store, workspace, all.slice(at, at + 500))) records.set(id, record)
  const told = (one: Provenance): Provenance => inWordsOf(one, records.get(one.ref.slice(PREFIX.length)))
  return items.map((item) => {
    if (memoriesOf(item).length === 0) return item
    const why = item.why.map(told)
    if (item.kind !== 'plan') return { ...item, why }
    return { ...item, why, lines: item.lines.map((line) => ({ ...line, why: line.why.map(told) })) }
  })
}

function memoriesOf(item: InboxItem): string[] {
  const all = item.kind === 'plan' ? [item.why, ...item.lines.map((line) => line.why)].flat() : item.why
  return all.flatMap(({ ref }) => (ref.startsWith(PREFIX) ? [ref.slice(PREFIX.length)] : []))
}

function inWordsOf(one: Provenance, record: MemoryRecord | undefined): Provenance {
  if (!one.ref.startsWith(PREFIX) || record === undefined) return one
  if (record.erased !== undefined || record.sensitivity > 0) return one
  const { text } = shown(record.text.replace(/\s+/g, ' ').trim())
  const letters = [...text]
  const short = letters.length > SHORT ? `${letters.slice(0, SHORT - 1).join('')}…` : text
  return { ...one, label: one.label.replace(record.id, () => `"${short}"`) }
}
