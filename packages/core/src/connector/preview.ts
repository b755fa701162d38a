/**
 * Preview: what an approval shows of an effect: text, fields, a file, a table; never markup, never prose of a model.
 *
 * V1. Every preview can be rendered by a card that knows text and rows alone; `file` and `table` tell a richer card more.
 */
import { withZod } from '../base/zod.ts'

export interface PreviewRow {
  readonly label: string
  readonly before?: string
  readonly after: string
}

export interface PreviewFile {
  readonly name: string
  readonly mediaType?: string
  readonly bytes: number
  /** Hex digest of its bytes. */
  readonly sha256?: string
}

export interface PreviewTable {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** What a person is shown. */
export type Preview =
  | {
      readonly kind: 'fields'
      readonly rows: readonly PreviewRow[]
      readonly file?: PreviewFile
      readonly table?: PreviewTable
    }
  | { readonly kind: 'text'; readonly before?: string; readonly after: string }

/** What an action's `preview` returns. */
export type PreviewSource =
  | { readonly kind: 'fields'; readonly rows: readonly PreviewRow[] }
  | { readonly kind: 'text'; readonly before?: string; readonly after: string }
  /** A file as it will be; `before` and `after` are its text, where it has one. */
  | ({ readonly kind: 'file'; readonly before?: string; readonly after?: string } & PreviewFile)
  | ({ readonly kind: 'table' } & PreviewTable)

const sourceSchema = withZod((z) => {
  const row = z.object({ label: z.string(), before: z.string().optional(), after: z.string() })
  const file = { name: z.string(), mediaType: z.string().optional(), bytes: z.number(), sha256: z.string().optional() }
  return z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('fields'), rows: z.array(row) }),
    z.object({ kind: z.literal('text'), before: z.string().optional(), after: z.string() }),
    z.object({ kind: z.literal('file'), before: z.string().optional(), after: z.string().optional(), ...file }),
    z.object({ kind: z.literal('table'), columns: z.array(z.string()), rows: z.array(z.array(z.string())) }),
  ])
})

/** What an action's code returned, in the one shape of all cards; undefined when it is no preview. */
export function previewFrom(made: unknown): Preview | undefined {
  const parsed = sourceSchema().safeParse(made)
  if (!parsed.success) return undefined
  const source = parsed.data as PreviewSource
  switch (source.kind) {
    case 'fields':
    case 'text':
      return source
    case 'file':
      return ofFile(source)
    case 'table':
      return ofTable(source)
    default:
      return source satisfies never
  }
}

function ofFile(source: PreviewSource & { kind: 'file' }): Preview {
  const { kind: _kind, before, after, ...file } = source
  const size = `${file.bytes} bytes${file.mediaType === undefined ? '' : `, ${file.mediaType}`}`
  // One that is emptied or goes has text before alone: what is lost is shown.
  const isText = before !== undefined || after !== undefined
  const text = isText ? [{ label: 'text', ...(before === undefined ? {} : { before }), after: after ?? '' }] : []
  const digest = file.sha256 === undefined ? [] : [{ label: 'sha-256', after: file.sha256 }]
  return {
    kind: 'fields',
    rows: [{ label: 'file', after: file.name }, { label: 'size', after: size }, ...digest, ...text],
    file,
  }
}

function ofTable({ columns, rows }: PreviewTable): Preview {
  const lines = rows.map((cells, i) => ({
    label: String(i + 1),
    after: cells.map((cell, at) => (columns[at] === undefined ? cell : `${columns[at]}: ${cell}`)).join(' · '),
  }))
  return { kind: 'fields', rows: lines, table: { columns, rows } }
}
