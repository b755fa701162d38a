/** Records: what entries put, as a store writes it; the projection is this and no more. */
import { canonicalAround, verbatim } from '../base/json.ts'
import type { Draft, Entry, Placed } from './entry.ts'
import type { Put } from './put.ts'
import type { RecordWrite } from './store.ts'

/** Kinds of records whose `sort` is 'position': where they stand is each store's own, and no part of what they are. */
const IN_COMMIT_ORDER: ReadonlySet<string> = new Set(['change-set', 'event', 'memory'])

/** No store gives so high a position, and no instant since 1974 is so low. */
export const POSITIONS_END = 100_000_000_000

/** Events of an earlier version stand by the instant of their sending. */
export function standsByInstant(sort: number): boolean {
  return sort >= POSITIONS_END
}

/** The `sort` that a put says of a record of this kind that stands at `sort`. */
export function sortToPut(kind: string, sort: number): Put['sort'] & {} {
  return IN_COMMIT_ORDER.has(kind) && !(kind === 'event' && standsByInstant(sort)) ? 'position' : sort
}

/** The records that an entry puts, or puts again as they were. */
export function putsOf(entry: Entry): readonly Put[] {
  if (entry.payload === null) return []
  const field = entry.kind === 'record.kept' ? 'kept' : 'puts'
  if (!entry.payload.includes(`"${field}":`)) return []
  const data = JSON.parse(entry.payload) as { puts?: readonly Put[]; kept?: readonly Put[] }
  return data[field] ?? []
}

/** The puts of drafts as writes, and drafts that carry the texts of those: each is written once for both. */
export function inked(drafts: readonly Draft[]): { drafts: readonly Draft[]; records: readonly RecordWrite[] } {
  if (!drafts.some((draft) => 'puts' in draft.data)) return { drafts, records: [] }
  const records: RecordWrite[] = []
  const ink = (put: Put): Put => {
    const write = writeOf(put)
    records.push(write)
    return write.data === null ? put : { ...put, data: verbatim(write.data) }
  }
  const inkedDrafts: Draft[] = []
  for (const draft of drafts) {
    const { puts } = draft.data as { puts?: readonly Put[] }
    inkedDrafts.push(puts === undefined ? draft : ({ ...draft, data: { ...draft.data, puts: puts.map(ink) } } as Draft))
  }
  return { drafts: inkedDrafts, records }
}

/** A put as a store writes it. */
export function writeOf(put: Put): RecordWrite {
  return {
    kind: put.kind,
    id: put.id,
    version: put.version,
    data: put.data === null ? null : canonicalAround(put.data),
    index: put.data === null ? {} : (put.index ?? {}),
    sort: put.sort ?? 0,
  }
}

/** All record writes of `entries`, in order. */
export function writesOf(entries: readonly Entry[]): RecordWrite[] {
  return entries.flatMap((entry) => putsOf(entry).map(writeOf))
}

/** Kinds whose records begin once: their ids are of their beginning. */
const BEGIN_ONCE: ReadonlySet<string> = new Set(['wait'])

/** What entries that go have put last of a record. */
export interface LastPut {
  readonly put: Put
  /**
   * Every put of the record, from its first on, is among those that go: an end of it says nothing that anything else needs. Nobody can
   * tell so of what may have ended, and begun anew, in between; and an end that was put again is no beginning, whatever its version.
   */
  readonly whole: boolean
}

/** By `kind/id`. */
export function lastPuts(going: readonly Placed[]): Map<string, LastPut> {
  const entries = going.toSorted((a, b) => a.position - b.position)
  const last = new Map<string, LastPut>()
  for (const put of entries.flatMap(putsOf)) {
    const key = `${put.kind}/${put.id}`
    const before = last.get(key)
    const isWhole = before?.whole ?? (BEGIN_ONCE.has(put.kind) && put.data !== null)
    const whole = isWhole && put.version === (before?.put.version ?? 0) + 1
    last.set(key, { put, whole })
  }
  return last
}
