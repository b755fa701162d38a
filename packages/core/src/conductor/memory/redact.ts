/** Redact: how a text is looked for, taken out of what memory itself made of it, and what must be put again beside it. */
import { canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import type { Placed } from '../../journal/entry.ts'
import type { Put } from '../../journal/put.ts'
import { lastPuts, sortToPut } from '../../journal/records.ts'
import type { RecordRow } from '../../journal/store.ts'
import { lineOf } from '../../memory/context.ts'
import { GONE, without } from '../../memory/gone.ts'
import type { Erased } from '../../memory/handle.ts'
import type { Desk } from './desk.ts'
import { idsIn, IN_USE, proposes } from './own.ts'
import type { Traces } from './traces.ts'

/** What is looked for everywhere: texts, and values that are texts of their own. Very short ones would be found in all. */
export function textsOf(said: readonly string[]): string[] {
  return [...new Set(said.flatMap(writtenAs))]
    .filter((text) => text.length >= SHORTEST && text !== GONE)
    .sort((a, b) => b.length - a.length)
}

/** As a text is handed on: as it is, as a line of a context, and each of these in JSON that is itself a text. */
export function writtenAs(text: string): string[] {
  const lines = [true, false].map((outside) => lineOf({ text, outside }).slice(2))
  const plain = [text, ...lines]
  return [...plain, ...plain.map((one) => JSON.stringify(one).slice(1, -1))]
}

export const SHORTEST = 4
export const UNSOUGHT = {
  where: 'what runs and people have copied',
  why: `a text of under ${SHORTEST} characters is not looked for there: it would be found in everything`,
}

export function leftOf(seen: Traces, files: readonly string[]): Erased['left'] {
  const others = seen.staying.map(({ row, why }) => ({ where: `${row.kind} ${row.id}`, why }))
  return [
    ...seen.open.map((stream) => ({ where: stream, why: IN_USE })),
    ...seen.mail.map((run) => ({ where: `mail of ${run}`, why: 'it has not been read yet' })),
    ...seen.artifacts
      .filter((sha256) => !files.includes(sha256))
      .map((sha256) => ({ where: `artifact ${sha256}`, why: seen.inUse.has(sha256) ? IN_USE : KEPT })),
    ...others,
  ]
}

/** Each once, though several ways have led to it. */
export function onceEach(left: Erased['left']): Erased['left'] {
  return left.filter((one, at) => left.findIndex(({ where, why }) => where === one.where && why === one.why) === at)
}

const KEPT = 'it is a file of its own, and is kept: erase({ files: [sha256] }) takes it'

/** Without the texts; undefined where only ids say them, by which an item leads to the run that waits for its answer. */
export function redacted(row: RecordRow, texts: readonly string[], sets: ReadonlySet<string>): Put | undefined {
  const found = JSON.parse(row.data) as Json
  const isItem = row.kind === 'inbox' && proposes(row.kind, row.id, found, sets)
  const shown = isItem ? { ...(found as object), preview: { kind: 'fields', rows: [] } } : found
  const data = { ...(without(shown, texts) as object), ...idsIn(row.kind, found as { [part: string]: Json }) } as Json
  if (canonicalAround(data) === canonicalAround(found)) return undefined
  return {
    kind: row.kind,
    id: row.id,
    version: row.version + 1,
    data,
    index: { ...(without(row.index, texts) as Put['index'] & {}), ...idsIn(row.kind, row.index) },
    sort: sortOf(row),
  }
}

/** Where it stands, as its put says it: a place in the order of commits is each store's own. */
export function sortOf({ kind, sort, data }: RecordRow): Put['sort'] & {} {
  const of = kind === 'overlay' ? (JSON.parse(data) as { kind: string }).kind : kind
  return sortToPut(of, sort)
}

export function redactedText(text: string, texts: readonly string[]): string {
  return canonicalAround(without(JSON.parse(text) as Json, texts))
}

/** Records whose newest put stands in an entry whose payload goes: they are put again, and those that it ended stay ended. */
export async function carried(desk: Desk, entries: readonly Placed[], done: ReadonlySet<string>): Promise<Put[]> {
  const puts: Put[] = []
  for (const [name, { put, whole }] of lastPuts(entries)) {
    if (done.has(name)) continue
    const { kind, id, version } = put
    const [row] = await desk.env.store.records(desk.workspace, { kind, ids: [id], limit: 1 })
    if (put.data === null && row === undefined && !whole) puts.push({ kind, id, version: 1, data: null })
    if (row === undefined || row.version !== version) continue
    puts.push({
      kind,
      id,
      version: version + 1,
      data: JSON.parse(row.data) as Json,
      index: row.index,
      sort: sortOf(row),
    })
  }
  return puts
}
