/**
 * Markup: pages made of templates and values.
 *
 * H1. A value is text, whoever wrote it: whatever is put into a template is escaped, unless it is itself a template.
 * H2. No page runs a script, is framed, or loads anything from elsewhere.
 */
import { createHash } from 'node:crypto'
import type { InboxItem } from '@keelson/core'

const TEXT = Symbol('markup')

/** What a template makes. JSON cannot pass for it: it has no symbols. */
export interface Markup {
  readonly [TEXT]: string
}

export type Shown = Markup | string | number | false | undefined | readonly Shown[]

export function markup(parts: TemplateStringsArray, ...values: readonly Shown[]): Markup {
  return { [TEXT]: parts.map((part, at) => (at === 0 ? part : textOf(values[at - 1]) + part)).join('') }
}

/** Where there is something to say, what is said around it. */
export function maybe<T>(value: T | undefined, around: (value: T) => Markup): Markup | undefined {
  return value === undefined ? undefined : around(value)
}

/** Rows with what was there before, where that is known. */
export function table(rows: readonly { label: string; before?: string; after: string }[]): Markup {
  return markup`<table>${rows.map(
    ({ label, before, after }) =>
      markup`<tr><th>${label}<td>${maybe(before, (was) => markup`<del>${was}</del> `)}${after}`,
  )}</table>`
}

/** What tells an item from others of the same title. */
export function brief(preview: InboxItem['preview']): string {
  const text =
    preview.kind === 'text' ? preview.after : preview.rows.map((row) => `${row.label}: ${row.after}`).join(', ')
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 79).toWellFormed()}…` : line
}

export interface Page {
  readonly title: string
  readonly body: Markup
  readonly status?: number
  /** What stands above: who is logged in, and where to go. */
  readonly head?: Markup
  /** Seconds after which it is loaded again. */
  readonly again?: number
}

export function page({ title, body, head, again, status = 200 }: Page): Response {
  const text = markup`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
${maybe(again, (seconds) => markup`<meta http-equiv="refresh" content="${seconds}">`)}
<style>${{ [TEXT]: STYLE }}</style></head>
<body><header>${head}</header><main><h1>${title}</h1>${body}</main></body></html>`
  return new Response(text[TEXT], { status, headers: { 'content-type': 'text/html; charset=utf-8', ...HEADERS } })
}

/** Goes there by GET, whatever came before. */
export function goTo(path: string, cookie?: string): Response {
  const headers = { location: path, ...HEADERS, ...(cookie === undefined ? {} : { 'set-cookie': cookie }) }
  return new Response(null, { status: 303, headers })
}

function textOf(value: Shown): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value))
  return isList(value) ? value.map(textOf).join('') : value[TEXT]
}

function isList(value: Markup | readonly Shown[]): value is readonly Shown[] {
  return Array.isArray(value)
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (each) => ESCAPES[each] ?? each)
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:46rem;margin:0 auto;padding:1rem}header{display:flex;gap:1rem;align-items:center;flex-wrap:wrap}
article,form{border:1px solid #8886;border-radius:8px;padding:1rem;margin:1rem 0}header form{border:0;padding:0;margin:0}
td,th{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
label{display:block;margin-top:.5rem}textarea,input,select{font:inherit;width:100%;box-sizing:border-box}
textarea{field-sizing:content;min-height:2.2rem}
button{font:inherit;padding:.3rem 1rem;margin-top:.5rem}header button{margin:0}del{opacity:.6}[role=alert]{border-left:4px solid #c33;padding-left:1rem}`

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    'img-src data:',
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; '),
}
