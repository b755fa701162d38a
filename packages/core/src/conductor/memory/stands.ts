/**
 * Stands: where a text that was erased is still said, so that it is known again, and taken, when it is erased again.
 *
 * W1. Each place is a record of its own, found by what was erased: what is left of that stays as small as it is, and of an entity no
 *     version is counted, for nothing of it has changed.
 */
import { keyedHash, sha256 } from '../../base/hash.ts'
import { canonicalAround } from '../../base/json.ts'
import type { Json } from '../../base/value.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { Put } from '../../journal/put.ts'
import type { RecordRow } from '../../journal/store.ts'
import { STANDS_RECORD, type Place } from '../../memory/unit.ts'
import type { Desk } from './desk.ts'
import { markOf, partIn } from './needle.ts'
import { writtenAs } from './redact.ts'
import type { Traces } from './traces.ts'

/** Of what was said, where it stays: noted anew by each erasure, for what holds it may have changed since the one before. */
export function standing(secret: string, said: readonly string[], { finds }: Traces): Place[] {
  const forms = [...new Set(said.flatMap(writtenAs))]
  return forms.flatMap((text) =>
    (finds.get(text) ?? []).map((find) => ({
      ...find,
      ...(find.stream === undefined ? { hash: hashOf(secret, text) } : {}),
      ...(find.from === undefined ? { mark: markOf(secret, inJson(text)) } : {}),
    })),
  )
}

/** The places that were noted of one that was erased: a memory by its id, an entity as `type/id`. */
export async function notedOf({ env, workspace }: Desk, owner: string): Promise<RecordRow[]> {
  const rows: RecordRow[] = []
  const where = { field: 'of', value: owner }
  for await (const row of pagesOf(env.store, workspace, { kind: STANDS_RECORD, where })) rows.push(row)
  return rows
}

export function placesIn(rows: readonly RecordRow[]): Place[] {
  return rows.map(({ data }) => JSON.parse(data) as Place)
}

/** What is other than was noted `before`; none where these are the same places. */
export function notedPuts(owner: string, before: readonly RecordRow[], places: readonly Place[]): Put[] {
  const now = new Map(places.map((place) => [noteId(owner, place), place]))
  const puts: Put[] = []
  for (const { id, version } of before)
    if (!now.delete(id)) puts.push({ kind: STANDS_RECORD, id, version: version + 1, data: null })
  for (const [id, place] of now)
    puts.push({ kind: STANDS_RECORD, id, version: 1, data: place as unknown as Json, index: { of: owner } })
  return puts
}

/** A place says no text: its plain hash tells nothing. */
function noteId(owner: string, place: Place): string {
  return `${owner}/${sha256(canonicalAround(place)).slice(0, 22)}`
}

/** Tells what still stands at places, and looks at each of them once, however often it is asked. */
export function stillSaid(desk: Desk, secret: string): (places: readonly Place[]) => Promise<string[]> {
  const seen = new Map<string, Promise<string | undefined>>()
  const said = (place: Place): Promise<string | undefined> => {
    const key = canonicalAround(place)
    const text = seen.get(key) ?? saidAt(desk, secret, place)
    seen.set(key, text)
    return text
  }
  return async (places) => {
    const texts = await Promise.all(places.map(said))
    return [...new Set(texts.filter((text) => text !== undefined))]
  }
}

function hashOf(secret: string, text: string): string {
  return keyedHash(secret, `stands: ${text}`)
}

async function saidAt(desk: Desk, secret: string, place: Place): Promise<string | undefined> {
  const { env, workspace } = desk
  const { stream, seq, record, run, file, from = 0, length, hash } = place
  if (stream !== undefined && seq !== undefined) {
    const [entry] = await env.store.entries(workspace, stream, seq - 1, 1)
    return entry?.seq === seq && entry.payload !== null ? plain(entry.payload.slice(from, from + length)) : undefined
  }
  if (hash === undefined) return undefined
  const isIt = (text: string | undefined): boolean => text !== undefined && hashOf(secret, text) === hash
  if (file !== undefined) {
    const bytes = await env.store.getArtifact(workspace, file)
    const text = bytes && Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString()
    return isIt(text) ? text : undefined
  }
  const within = (json: string): string | undefined => {
    const part = partIn(json, place, secret, (one) => isIt(plain(one)))
    return part === undefined ? undefined : plain(part)
  }
  if (record !== undefined) {
    const [row] = await env.store.records(workspace, { kind: record.kind, ids: [record.id], limit: 1 })
    return row === undefined ? undefined : within(row.data)
  }
  for await (const payload of sentTo(desk, run ?? '')) {
    const text = within(payload)
    if (text !== undefined) return text
  }
  return undefined
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** Cut at any place, it may be no JSON. */
function plain(part: string): string | undefined {
  if (!/["\\]/.test(part)) return part
  try {
    return JSON.parse(`"${part}"`) as string
  } catch {
    return undefined
  }
}

/** What a run has not read yet, and what it has read. */
async function* sentTo({ env, workspace }: Desk, run: string): AsyncGenerator<string> {
  for (const { payload } of await env.store.mail({ workspace, run }, 0)) yield payload
  const [row] = await env.store.runs(workspace, { ids: [run], limit: 1 })
  if (row === undefined) return
  for (let seq = 0; ;) {
    const page = await env.store.entries(workspace, row.stream, seq, 500)
    for (const { payload } of page) if (payload !== null) yield payload
    if (page.length < 500) return
    seq = page.at(-1)!.seq
  }
}
