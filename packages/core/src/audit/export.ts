/**
 * Export: a workspace's whole journal as JSON lines that anybody can verify without the store, without Keelson even.
 *
 * The first line names format and workspace, one line for each entry in commit order follows, the last says how many.
 * The same journal is the same text. The secret under which a workspace hashes personal index values is left out, as
 * erased texts are: the entry stays, and its chain holds.
 */
import { canonical } from '../base/json.ts'
import { loadZod } from '../base/zod.ts'
import { EMPTY_HEAD, fault, type Entry, type Head, type Placed } from '../journal/entry.ts'
import type { MemoryStore } from '../journal/store.ts'
import { anchorCheck, type Anchored } from './anchor-check.ts'
import { merkleRoot } from './merkle.ts'
import type { Verification } from './verify.ts'

export interface AuditExportOptions {
  /** False: only envelopes and hashes; it proves order and completeness, and tells nothing. Default true. */
  readonly payloads?: boolean
}

const FORMAT = 'keelson.audit'
const PAGE = 1000

/** Lines, each ended by a line feed; read page by page, so any length fits in memory. */
export async function* exportLines(
  store: MemoryStore,
  workspace: string,
  { payloads = true }: AuditExportOptions = {},
): AsyncGenerator<string> {
  yield line({ format: FORMAT, v: 1, workspace })
  const heads = new Map<string, Head>()
  let entries = 0
  for (let after = 0; ;) {
    const page = await store.tail(workspace, after, PAGE)
    for (const entry of page) {
      entries++
      heads.set(entry.stream, { seq: entry.seq, hash: entry.hash })
      yield line(told(entry, payloads))
    }
    after = page.at(-1)?.position ?? after
    if (page.length < PAGE) break
  }
  yield line({ entries, streams: heads.size, root: rootOf(heads) })
}

/** Checks an export by itself, and against anchors if they are given. Needs no store. */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  given?: Anchored,
): Promise<Verification> {
  if (given !== undefined) await loadZod()
  const faults: string[] = []
  const heads = new Map<string, Head>()
  let entries = 0
  let at = 0
  let workspace: string | undefined
  let ended = false
  let follow = 0
  let check: ReturnType<typeof anchorCheck> | undefined
  for await (const text of lines) {
    at++
    if (text.trim() === '') continue
    const read = lineOf(text)
    if (workspace === undefined) {
      if (read?.format !== FORMAT || typeof read.workspace !== 'string')
        return broken('it is not an export of an audit')
      workspace = read.workspace
      check = given === undefined ? undefined : anchorCheck(workspace, given)
    } else if (ended) {
      if (follow++ === 0) faults.push(`something follows its last line, from line ${at} on`)
    } else if (read === undefined || (read.stream === undefined && read.root === undefined)) {
      faults.push(`line ${at} is no entry: it was changed`)
    } else if (read.stream === undefined) {
      ended = true
      const same = canonical(read) === canonical({ entries, streams: heads.size, root: rootOf(heads) })
      if (!same) faults.push('its last line does not say what it holds')
    } else {
      entries++
      const entry = read as Entry
      const wrong = fault(workspace, entry, heads.get(entry.stream) ?? EMPTY_HEAD)
      if (wrong !== undefined) faults.push(`stream ${entry.stream}: ${wrong}`)
      heads.set(entry.stream, { seq: entry.seq, hash: entry.hash })
      check?.see(entry)
    }
  }
  if (!ended) faults.push('its last line is missing: it was cut off')
  const { faults: more, anchored } = check?.end() ?? { faults: [], anchored: 0 }
  const all = [...faults, ...more]
  return { ok: all.length === 0, entries, streams: heads.size, records: 0, anchored, faults: all }
}

type Line = Partial<Entry> & { format?: string; workspace?: string; root?: string }

/** Undefined: it is no JSON, or none of an object. */
function lineOf(text: string): Line | undefined {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? read : undefined
  } catch {
    return undefined
  }
}

function told(entry: Placed, payloads: boolean): Entry {
  const { stream, seq, kind, key, at, payloadHash, hash } = entry
  const shown = payloads && kind !== 'workspace.opened'
  const { payload, salt } = shown ? entry : { payload: null, salt: null }
  return { stream, seq, kind, key, at, payload, salt, payloadHash, hash }
}

function rootOf(heads: ReadonlyMap<string, Head>): string {
  return merkleRoot([...heads].map(([stream, { seq, hash }]) => canonical([stream, seq, hash])))
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function broken(fault: string): Verification {
  return { ok: false, entries: 0, streams: 0, records: 0, anchored: 0, faults: [fault] }
}
