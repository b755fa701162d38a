/** Shown: the parts of an item that a person reads, with what is not as it seems written out and flagged. */
import { shown, type Flag } from '../base/glyphs.ts'
import type { Preview, PreviewFile, PreviewRow } from '../connector/preview.ts'
import type { Provenance } from './item.ts'

/** More than this, and nobody has seen it at a glance: a card shows the length and the difference first. */
const CHARACTERS_MAX = 20_000
const LINES_MAX = 500

interface Readable {
  readonly title: string
  readonly preview: Preview
  readonly why: readonly Provenance[]
  readonly hint?: string
  readonly changed?: readonly PreviewRow[]
}

/** The same parts as they are shown, and what is to be said of them. */
export function readable<T extends Readable>(item: T): T & { flags?: readonly Flag[] } {
  const flags: Flag[] = []
  const say = (text: string): string => {
    const one = shown(text)
    flags.push(...one.flags)
    return one.text
  }
  const made = {
    ...item,
    title: say(item.title),
    preview: previewShown(item.preview, say),
    why: item.why.map((one) => ({ ...one, label: say(one.label) })),
    ...(item.hint === undefined ? {} : { hint: say(item.hint) }),
    ...(item.changed === undefined ? {} : { changed: item.changed.map((row) => rowShown(row, say)) }),
  }
  // First: however many other flags there are, this one is not cut off.
  flags.unshift(...long(made.preview))
  const once = flags.filter((one, i) => flags.findIndex((other) => other.text === one.text) === i)
  return once.length === 0 ? made : { ...made, flags: once.slice(0, 20) }
}

function previewShown(preview: Preview, say: (text: string) => string): Preview {
  if (preview.kind === 'text') {
    const before = preview.before === undefined ? {} : { before: say(preview.before) }
    return { kind: 'text', ...before, after: say(preview.after) }
  }
  const { rows, file, table } = preview
  return {
    kind: 'fields',
    rows: rows.map((row) => rowShown(row, say)),
    ...(file === undefined ? {} : { file: fileShown(file, say) }),
    ...(table === undefined
      ? {}
      : { table: { columns: table.columns.map(say), rows: table.rows.map((row) => row.map(say)) } }),
  }
}

function fileShown({ name, mediaType, sha256, bytes }: PreviewFile, say: (text: string) => string): PreviewFile {
  const type = mediaType === undefined ? {} : { mediaType: say(mediaType) }
  return { name: say(name), ...type, bytes, ...(sha256 === undefined ? {} : { sha256: say(sha256) }) }
}

function rowShown({ label, before, after }: PreviewRow, say: (text: string) => string): PreviewRow {
  return { label: say(label), ...(before === undefined ? {} : { before: say(before) }), after: say(after) }
}

function long(preview: Preview): Flag[] {
  const texts = preview.kind === 'text' ? [preview.after] : preview.rows.map((row) => row.after)
  const characters = texts.reduce((sum, text) => sum + text.length, 0)
  const lines = texts.reduce((sum, text) => sum + text.split('\n').length, 0)
  if (characters <= CHARACTERS_MAX && lines <= LINES_MAX) return []
  return [{ code: 'long', text: `${characters} characters in ${lines} lines: read it before you decide` }]
}
