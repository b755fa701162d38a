/** Shown: the parts of an item that a person reads, with what is not as it seems written out and flagged. */
import { shown, type Flag } from '../base/glyphs.ts'
import type { Preview, PreviewRow } from '../connector/preview.ts'
import type { Provenance } from './item.ts'

/** More than this, and a card should show the length and the difference first. */
const LONG = 20_000

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
  const length = lengthOf(made.preview)
  if (length > LONG) flags.push({ code: 'long', text: `${length} characters: read it before you decide` })
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
    ...(file === undefined ? {} : { file: { ...file, name: say(file.name) } }),
    ...(table === undefined
      ? {}
      : { table: { columns: table.columns.map(say), rows: table.rows.map((row) => row.map(say)) } }),
  }
}

function rowShown({ label, before, after }: PreviewRow, say: (text: string) => string): PreviewRow {
  return { label: say(label), ...(before === undefined ? {} : { before: say(before) }), after: say(after) }
}

function lengthOf(preview: Preview): number {
  return preview.kind === 'text' ? preview.after.length : preview.rows.reduce((sum, row) => sum + row.after.length, 0)
}
