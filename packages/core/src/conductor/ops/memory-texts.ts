/**
 * Memory texts: what a pass has read of memories, beside the journal, which holds their ids only.
 *
 * So a text stands in one place, from which it can be erased; a run that goes on after that reads '[erased]'.
 */
import { actorText } from '../../base/actor.ts'
import type { Json } from '../../base/value.ts'
import { joinLabels, NO_LABELS, type Labels } from '../../base/labels.ts'
import { deepFreeze, stored } from '../../base/json.ts'
import { recordsOf } from '../../memory/recall/recall.ts'
import { labelsOfMemory, type Memory, type MemoryKind } from '../../memory/unit.ts'
import type { ContextItem } from '../../memory/context.ts'
import { memoryCandidate } from '../memory/gather.ts'
import { lineOf } from '../../memory/context.ts'
import type { Pass } from '../pass.ts'
import { takenFor, type TrustedAs } from '../item.ts'
import { hashUnder } from './asked.ts'

interface Kept {
  readonly text: string
  readonly value?: Json
  /** Its line in a context. */
  readonly line: string
}

/** A memory that was handed out, as what is written from it may rest on it. Not its text, which stands elsewhere. */
export interface Handed {
  readonly memory: string
  readonly kind: MemoryKind
  readonly trust: TrustedAs
  /** Who said so, for people. */
  readonly by: string
  readonly labels: Labels
}

const kept = new WeakMap<Pass, Map<string, Kept>>()
const packs = new WeakMap<object, string>()
const handed = new WeakMap<Pass, WeakMap<object, Handed>>()

/** What this very object was handed out as, or the memory in it; undefined for whatever only looks like one. */
export function handedAs(pass: Pass, one: object): Handed | undefined {
  const own = handed.get(pass)
  const { memory } = one as { memory?: unknown }
  return own?.get(one) ?? (typeof memory === 'object' && memory !== null ? own?.get(memory) : undefined)
}

function hand(pass: Pass, memory: Memory): Memory {
  const own = handed.get(pass) ?? new WeakMap<object, Handed>()
  handed.set(pass, own)
  const { id, kind, authority, source } = memory
  const labels = labelsOfMemory(memory)
  const inside = authority === 'operator' ? 'operator' : 'connector'
  const trust = takenFor(labels, inside)
  own.set(memory, { memory: id, kind, trust, by: actorText(source.by), labels })
  return memory
}

function textsOf(pass: Pass): Map<string, Kept> {
  const own = kept.get(pass) ?? new Map<string, Kept>()
  kept.set(pass, own)
  return own
}

/** Reads the texts of all memories that the journal names, and the key under which is hashed what is asked for, before the code runs. */
export async function loadTexts(pass: Pass): Promise<void> {
  const { env, claimed } = pass.task
  hashUnder(pass, await env.company(claimed.row.workspace).secret())
  const ids = new Set<string>()
  for (const { outcome } of pass.history.outcomes)
    for (const read of (outcome as { reads?: readonly { memory?: string }[] }).reads ?? [])
      if (read.memory !== undefined) ids.add(read.memory)
  await learn(pass, [...ids])
}

async function learn(pass: Pass, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const texts = textsOf(pass)
  const missing = ids.filter((id) => !texts.has(id))
  const { env, claimed } = pass.task
  for (let at = 0; at < missing.length; at += 500) {
    for (const [id, record] of await recordsOf(env.store, claimed.row.workspace, missing.slice(at, at + 500))) {
      const erased = record.erased !== undefined
      const { text, value } = erased ? { text: '[erased]', value: undefined } : record
      texts.set(id, {
        text,
        ...(value === undefined ? {} : { value }),
        line: lineOf(memoryCandidate('recall', { ...record, text })),
      })
    }
  }
}

/** Keeps the texts of the memories in `seen`, and answers it without them, as it is journaled. */
export function keep(pass: Pass, seen: unknown): Json {
  const texts = textsOf(pass)
  return stored(
    mapMemories(seen, ({ text, value, ...memory }) => {
      const line = lineOf(memoryCandidate('recall', { ...memory, text } as never))
      texts.set(memory.id, { text, ...(value === undefined ? {} : { value: stored(value) }), line })
      return { ...memory, text: null }
    }),
  )
}

/** What was journaled, with its texts. */
export function whole(pass: Pass, seen: Json | undefined): unknown {
  const texts = textsOf(pass)
  const full = mapMemories(seen, (memory) => {
    const { text, value } = texts.get(memory.id) ?? { text: '[erased]', value: undefined }
    return hand(pass, { ...memory, text, ...(value === undefined ? {} : { value }) } as Memory)
  })
  const pack = full as { text?: unknown; items?: readonly ContextItem[] } | null
  if (!Array.isArray(pack?.text)) return deepFreeze(full as Json)
  const lines = (pack.text as (string | { memory: string })[]).map((line) =>
    typeof line === 'string' ? line : (texts.get(line.memory)?.line ?? '- [erased]'),
  )
  const text = lines.join('\n')
  const made = deepFreeze({ ...pack, text } as unknown as Json) as object
  packs.set(made, text)
  return made
}

/** The text of a context that memory has handed out; undefined for whatever only looks like one. */
export function contextIn(one: unknown): string | undefined {
  return typeof one === 'object' && one !== null ? packs.get(one) : undefined
}

/** The text of a context in lines; those of memories by their ids. */
export async function bare(pass: Pass, text: string, items: readonly ContextItem[]): Promise<Json> {
  const ids = items.flatMap(({ source }) => (source.startsWith('memory:') ? [source.slice(7)] : []))
  await learn(pass, ids)
  const texts = textsOf(pass)
  const byLine = new Map(ids.map((id) => [texts.get(id)?.line, id]))
  return text.split('\n').map((line) => {
    const memory = byLine.get(line)
    return memory === undefined ? line : { memory }
  })
}

/** The memories that a read saw, for whoever looks for what rests on them. */
export function refsIn(seen: Json): Json[] {
  const ids = new Set<string>()
  mapMemories(seen, (memory) => {
    ids.add(memory.id)
    return memory
  })
  for (const { source } of (seen as { items?: readonly ContextItem[] } | null)?.items ?? [])
    if (source.startsWith('memory:')) ids.add(source.slice(7))
  return [...ids].map((memory) => ({ memory }))
}

/** What all memories in an answer are to be taken for. */
export function labelsIn(seen: Json): Labels {
  let labels = NO_LABELS
  mapMemories(seen, (memory) => {
    labels = joinLabels(labels, labelsOfMemory(memory as never))
    return memory
  })
  return labels
}

interface MemoryLike {
  readonly id: string
  readonly text: string
  readonly value?: unknown
}

/** `value` with each memory in it (at its top, in a list, or under `memory`) replaced by what `each` makes of it. */
function mapMemories(value: unknown, each: (memory: MemoryLike) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => mapMemories(one, each))
  if (typeof value !== 'object' || value === null) return value
  if ('changeSet' in value && 'recordedAt' in value) return each(value as never)
  if ('memory' in value) return { ...value, memory: mapMemories(value.memory, each) }
  return value
}
