/** Read: the lines of a bundle from any source, checked one by one as they come. */
import { createHash } from 'node:crypto'
import { KeelsonError } from '../base/errors.ts'
import { loadZod } from '../base/zod.ts'
import { EMPTY_HEAD, fault, type Entry, type Head } from '../journal/entry.ts'
import { FORMAT, formatOf } from '../journal/format.ts'
import type { EntryKind } from '../journal/kinds.ts'
import { putsOf } from '../journal/records.ts'
import { BUNDLE_FORMAT, invalid, parseLine, type BundleHead, type BundleLine, type LineOf } from './line.ts'

/**
 * Text in pieces of any size: a file's stream, an export of another conductor, an array of lines; or a function that opens it,
 * for what is to be read more than once.
 */
export type BundleSource = Pieces | (() => Pieces)
type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** The order in which lines come (B2). */
const ORDER: readonly BundleLine['type'][] = [
  ...(['keelson.bundle', 'schema', 'entry', 'artifact', 'record', 'run', 'mail', 'end'] as const),
]

/**
 * The lines, each checked: its shape, its place, the chain of its stream; at the end the hash over all bytes.
 *
 * Throws `BUNDLE_INVALID` at the first line that does not hold, `BUNDLE_NEWER` for a format of a later release.
 */
export async function* readLines(source: BundleSource): AsyncGenerator<BundleLine> {
  await loadZod()
  const hash = createHash('sha256')
  const heads = new Map<string, Head>()
  let head: BundleHead | undefined
  let ended = false
  let number = 0
  let place = 0
  for await (const text of linesOf(source)) {
    number++
    if (ended) throw invalid(number, 'it stands behind the end')
    const line = parseLine(text, number)
    if (head === undefined) head = assertHead(line, number)
    else if (line.type === 'keelson.bundle') throw invalid(number, 'it begins anew')
    // A run and its mail alternate; everything else has its place.
    const at = line.type === 'mail' ? ORDER.indexOf('run') : ORDER.indexOf(line.type)
    if (at < place) throw invalid(number, `a line of "${line.type}" stands behind one of "${ORDER[place]}"`)
    place = at
    if (line.type === 'entry') assertEntry(head, line, heads, number)
    if (line.type === 'entry') assertFormat(line)
    if (line.type === 'end') assertEnd(line, number, hash.digest('hex'))
    else hash.update(`${text}\n`)
    ended = line.type === 'end'
    yield line
  }
  if (!ended) throw invalid(number, 'it is the last, and the bundle has no end')
}

function assertHead(line: BundleLine, number: number): BundleHead {
  if (line.type !== 'keelson.bundle') throw invalid(number, 'a bundle begins with its head')
  if (line.format > BUNDLE_FORMAT) throw newer('the bundle has', line.format, BUNDLE_FORMAT)
  return line
}

/** What the company says of its entries and records, before any of them is taken in. */
function assertFormat(line: LineOf<'entry'>): void {
  if (line.payload?.includes('"format"') !== true) return
  for (const put of putsOf(entryOf(line))) {
    const format = formatOf(put) ?? FORMAT
    if (format > FORMAT) throw newer('what the bundle holds has', format, FORMAT)
  }
}

function newer(what: string, format: number, known: number): KeelsonError {
  return new KeelsonError('BUNDLE_NEWER', `${what} format ${format}; this release reads up to ${known}`, {
    hint: 'Update @keelson/core to at least the release that wrote it.',
    data: { format },
  })
}

/** The first entry of a stream in an increment is checked when it meets the stream that it continues. */
function assertEntry(head: BundleHead, line: LineOf<'entry'>, heads: Map<string, Head>, number: number): void {
  const before = heads.get(line.stream)
  if (before === undefined && head.from > 0 && line.seq > 1) {
    heads.set(line.stream, { seq: line.seq, hash: line.hash })
    return
  }
  const wrong = fault(head.workspace, entryOf(line), before ?? EMPTY_HEAD)
  if (wrong !== undefined) throw invalid(number, `stream ${line.stream}: ${wrong}`)
  heads.set(line.stream, { seq: line.seq, hash: line.hash })
}

function assertEnd(line: LineOf<'end'>, number: number, sha256: string): void {
  if (line.lines !== number - 1) throw invalid(number, `there should be ${line.lines} lines before it`)
  if (line.sha256 !== sha256) throw invalid(number, 'the bytes before it are not those that were written')
}

export function entryOf(line: LineOf<'entry'>): Entry {
  const { type: _, kind, ...rest } = line
  return { ...rest, kind: kind as EntryKind }
}

/** Lines without their newlines; a last one without a newline counts, an empty one does not. */
async function* linesOf(source: BundleSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let number = 1
  const decoded = (piece?: Uint8Array): string => {
    try {
      return decoder.decode(piece, { stream: piece !== undefined })
    } catch {
      throw invalid(number, 'its bytes are no UTF-8')
    }
  }
  for await (const piece of typeof source === 'function' ? source() : source) {
    rest += typeof piece === 'string' ? piece : decoded(piece)
    let from = 0
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n', from)) {
      if (end > from) {
        yield rest.slice(from, end)
        number++
      }
      from = end + 1
    }
    rest = rest.slice(from)
  }
  rest += decoded()
  if (rest !== '') yield rest
}
