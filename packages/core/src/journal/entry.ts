/**
 * Entry: one thing that happened, as it is kept for ever.
 *
 * An entry is an envelope (stream, seq, kind, key, instant, hash of its payload) chained to the one before it, and a
 * payload (canonical text and salt) beside it.
 *
 * E1. `hash` covers the whole envelope and the previous entry's hash: an edited, removed or reordered entry shows.
 * E2. The envelope holds the payload's salted hash, not the payload: erasing text and salt leaves the chain whole and
 *     nothing to guess from.
 * E3. A record that an entry changes travels in the entry's payload (`puts`), so records are rebuilt by reading.
 */
import { sha256, sha256Of } from '../base/hash.ts'
import { canonicalAround, parseStored } from '../base/json.ts'
import { KeelsonError } from '../base/errors.ts'
import { list } from '../base/young.ts'
import type { Instant } from '../base/clock.ts'
import type { EntryData, EntryKind } from './kinds.ts'

export interface Entry {
  readonly stream: string
  /** 1, 2, 3 … within the stream. */
  readonly seq: number
  readonly kind: EntryKind
  /** The operation that it belongs to; '' where it belongs to none. */
  readonly key: string
  readonly at: Instant
  /** Canonical JSON; null once erased. */
  readonly payload: string | null
  readonly salt: string | null
  readonly payloadHash: string
  readonly hash: string
}

/** An entry that a store has numbered: `position` grows in commit order over all streams of a workspace. */
export interface Placed extends Entry {
  readonly position: number
}

/** Where a stream ends: the next entry continues from here. */
export interface Head {
  readonly seq: number
  readonly hash: string
}

export const EMPTY_HEAD: Head = { seq: 0, hash: '' }

/** What is about to be appended: not yet numbered, salted or chained. */
export type Draft = { [K in EntryKind]: { kind: K; key?: string; data: EntryData[K] } }[EntryKind]

/** `drafts` chained behind `head`, ready for a store. */
export function chain(
  workspace: string,
  stream: string,
  head: Head,
  drafts: readonly Draft[],
  at: Instant,
  salt: () => string,
): Entry[] {
  let { seq, hash } = head
  // No `map`: once the engine has optimised that, its list is of another shape, and all that was optimised for the first one is lost.
  const entries = list<Entry>()
  for (const draft of drafts) {
    const payload = canonicalAround(draft.data)
    const salted = salt()
    const payloadHash = sha256Of(salted, payload)
    seq += 1
    const entry = new Chained(stream, seq, draft, at)
    entry.payload = payload
    entry.salt = salted
    entry.payloadHash = payloadHash
    hash = envelopeHash(workspace, entry, hash)
    entry.hash = hash
    entries.push(entry)
  }
  return entries
}

/** A class, as all that lives for a turn or a run: see base/young.ts. */
class Chained implements Entry {
  readonly stream: string
  readonly seq: number
  readonly kind: EntryKind
  readonly key: string
  readonly at: Instant
  payload = ''
  salt = ''
  payloadHash = ''
  hash = ''

  constructor(stream: string, seq: number, draft: Draft, at: Instant) {
    this.stream = stream
    this.seq = seq
    this.kind = draft.kind
    this.key = draft.key ?? ''
    this.at = at
  }
}

export function headOf(entries: readonly Entry[], before: Head = EMPTY_HEAD): Head {
  const last = entries.at(-1)
  return last === undefined ? before : { seq: last.seq, hash: last.hash }
}

/** The entry's data, frozen. Throws `ERASED` when its payload is gone. */
export function dataOf<K extends EntryKind>(entry: Entry & { kind: K }): EntryData[K] {
  if (entry.payload === null) {
    throw new KeelsonError('ERASED', `entry ${entry.seq} of ${entry.stream} has been erased`)
  }
  return parseStored(entry.payload) as unknown as EntryData[K]
}

/** The runs of which an entry says that their journals were taken away. */
export function prunedIn(entry: Entry): readonly string[] {
  if (entry.kind !== 'stream.pruned' || entry.payload === null) return []
  return dataOf(entry as Entry & { kind: 'stream.pruned' }).runs ?? []
}

/** What is wrong with `entry` behind `head`, or undefined. */
export function fault(workspace: string, entry: Entry, head: Head): string | undefined {
  if (entry.seq !== head.seq + 1) return `entry ${head.seq + 1} is missing or out of place (found ${entry.seq})`
  if (entry.payload !== null && sha256Of(entry.salt ?? '', entry.payload) !== entry.payloadHash) {
    return `the payload of entry ${entry.seq} was changed`
  }
  if (envelopeHash(workspace, entry, head.hash) !== entry.hash) return `entry ${entry.seq} was changed or replaced`
  return undefined
}

/** Throws `STORE_CORRUPT`, naming stream and entry, unless `entries` continue `head` unbroken. Returns the new head. */
export function assertChained(workspace: string, entries: readonly Entry[], head: Head): Head {
  let at = head
  for (const entry of entries) {
    const wrong = fault(workspace, entry, at)
    if (wrong !== undefined) {
      throw new KeelsonError('STORE_CORRUPT', `stream ${entry.stream} of workspace ${workspace}: ${wrong}`, {
        hint: 'Restore a backup; verify() lists all that does not hold.',
        data: { workspace, stream: entry.stream, seq: entry.seq },
      })
    }
    at = { seq: entry.seq, hash: entry.hash }
  }
  return at
}

function envelopeHash(
  workspace: string,
  entry: Pick<Entry, 'stream' | 'seq' | 'kind' | 'key' | 'at' | 'payloadHash'>,
  before: string,
): string {
  const { stream, seq, kind, key, at, payloadHash } = entry
  return sha256(JSON.stringify([before, workspace, stream, seq, kind, key, at, payloadHash]))
}
