/** Remembered: what items rest on in its own words, read at the moment of looking, from the one place where it can be erased. */
import { KeelsonError } from '../base/errors.ts'
import { shown } from '../base/glyphs.ts'
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { Environment } from '../conductor/environment.ts'
import type { ItemRecord, Sourced } from '../conductor/item.ts'
import { iso } from '../conductor/waiting.ts'
import type { Outcome } from '../journal/kinds.ts'
import { recordsOf } from '../memory/recall/recall.ts'
import type { MemoryRecord } from '../memory/unit.ts'
import { itemOf, type InboxItem } from './item.ts'

/** Characters of a text that are shown as a label, and of one that is quoted. */
const SHORT = 80
const QUOTED = 200
/** Of its beginning so much is looked at. */
const LOOKED = 800
const PREFIX = 'memory:'

/**
 * Items as they are handed out: each source quoted in short, and the text of each memory in place of its id. What was erased, or is not
 * open to all, is only named.
 */
export async function inWords(
  env: Environment,
  workspace: string,
  records: readonly ItemRecord[],
): Promise<InboxItem[]> {
  const all = records.flatMap(({ why, lines = [] }): Sourced[] => [...why, ...lines.flatMap((line) => line.why)])
  const [memories, quotes] = await Promise.all([memoriesOf(env, workspace, all), quotesOf(env, workspace, all)])
  const told = (one: Sourced): Sourced => {
    const quote = one.entry === undefined ? undefined : quotes.get(placeOf(one.entry))
    if (quote !== undefined) return { ...one, quote }
    return one.ref.startsWith(PREFIX) ? inWordsOf(one, memories.get(one.ref.slice(PREFIX.length))) : one
  }
  return records.map((record) =>
    itemOf({
      ...record,
      why: record.why.map(told),
      ...(record.lines === undefined
        ? {}
        : { lines: record.lines.map((line) => ({ ...line, why: line.why.map(told) })) }),
    }),
  )
}

async function memoriesOf(env: Environment, workspace: string, all: readonly Sourced[]) {
  const found = new Map<string, MemoryRecord>()
  const ids = new Set(all.flatMap(({ ref }) => (ref.startsWith(PREFIX) ? [ref.slice(PREFIX.length)] : [])))
  const each = [...ids]
  for (let at = 0; at < each.length; at += 500)
    for (const [id, record] of await recordsOf(env.store, workspace, each.slice(at, at + 500))) found.set(id, record)
  return found
}

function inWordsOf(one: Sourced, record: MemoryRecord | undefined): Sourced {
  if (record === undefined || record.erased !== undefined || record.sensitivity > 0) return one
  const label = one.label.replace(record.id, () => `"${inShort(record.text, SHORT)}"`)
  return { ...one, label, at: iso(record.recordedAt), quote: inShort(record.text, QUOTED) }
}

/** By their places in the journal. One that is damaged is not quoted: people can decide all the same, and its run says what is wrong. */
async function quotesOf({ store }: Environment, workspace: string, all: readonly Sourced[]) {
  const quotes = new Map<string, string>()
  const entries = new Map(all.flatMap(({ entry }) => (entry === undefined ? [] : [[placeOf(entry), entry]])))
  const read = async ([place, [stream, seq]]: [string, NonNullable<Sourced['entry']>]): Promise<void> => {
    const [entry] = await store.entries(workspace, stream, seq - 1, 1).catch((error: unknown) => {
      if (KeelsonError.is(error, 'STORE_CORRUPT')) return []
      throw error
    })
    const quote = entry?.seq === seq ? quoteIn(entry.payload) : undefined
    if (quote !== undefined) quotes.set(place, quote)
  }
  await Promise.all([...entries].map(read))
  return quotes
}

function placeOf([stream, seq]: NonNullable<Sourced['entry']>): string {
  return `${seq} ${stream}`
}

/** Of what an operation came to; nothing where that was erased, or is private. */
function quoteIn(payload: string | null): string | undefined {
  const { ok, labels } = JSON.parse(payload ?? '{}') as Outcome
  if (ok === undefined || ok === null || labels?.private !== undefined) return undefined
  const { data, version } = ok as { data?: Json; version?: Json }
  return inShort(fieldsOf(typeof version === 'number' && data !== undefined ? data : ok), QUOTED)
}

/** Field by field, as far as it is quoted. */
function fieldsOf(value: Json): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return textOf(value)
  let said = ''
  for (const [field, one] of Object.entries(value)) {
    said += `${said === '' ? '' : ', '}${field}: ${textOf(one)}`
    if (said.length > LOOKED) break
  }
  return said
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value.slice(0, LOOKED + 1) : canonical(value)
}

/** What is cut off is not looked at: it may be long. */
function inShort(text: string, most: number): string {
  const whole = text.trimStart()
  const begin = whole.slice(0, LOOKED).toWellFormed().replace(/\s+/g, ' ')
  const isAll = whole.length <= LOOKED
  const letters = [...shown(isAll ? begin.trimEnd() : begin).text.slice(0, 2 * most + 2)]
  return isAll && letters.length <= most ? letters.join('') : `${letters.slice(0, most - 1).join('')}…`
}
