/** Edits: what a decider may say besides yes: another input, other lines of a plan, what became of an effect, words. */
import { isDeepStrictEqual } from 'node:util'
import type { Decision, Edit, InboxItem, Json } from '@keelson/core'
import { entered, fields } from './fields.ts'
import { markup, type Markup } from './markup.ts'

/** Fields filled with what would execute, or with a draft of it that did not fit. */
export function editFields(item: InboxItem, draft?: Json): Markup | readonly Markup[] {
  if (item.kind === 'plan') return item.lines.map((line) => lineFields(line, draft as Partial<LineEdits> | undefined))
  return fields(item.editSchema, draft ?? inputOf(item), 'edit')
}

/** What `edit` of a decision says. */
export function edited(item: InboxItem, form: URLSearchParams): Edit {
  if (item.kind === 'plan') return editedLines(item.lines, form)
  return exactly(inputOf(item), entered(item.editSchema, form, 'edit', inputOf(item)))
}

/** What was taken out of the form goes: an edit keeps what it leaves out. */
function exactly(before: Json | undefined, after: Json): Edit {
  if (typeof before !== 'object' || typeof after !== 'object' || after === null || Array.isArray(after)) return after
  return { ...Object.fromEntries(Object.keys(before ?? {}).map((field) => [field, undefined])), ...after }
}

const OUTCOMES = ['look-again', 'happened', 'did-not-happen'] as const

export function outcomeFields({ editSchema }: InboxItem): readonly Markup[] {
  const options = OUTCOMES.map((each) => markup`<option>${each}</option>`)
  return [markup`<select name="outcome">${options}</select>`, fields(editSchema, undefined, 'output')]
}

/** What became of an effect; with its output, when it happened. */
export function outcomeOf(form: URLSearchParams, { editSchema }: InboxItem): Decision {
  const outcome = OUTCOMES.find((each) => each === form.get('outcome')) ?? 'look-again'
  return outcome === 'happened' ? { outcome, output: entered(editSchema, form, 'output') } : { outcome }
}

/** Words of the decider's own; hints are offered. */
export function words(name: string, label: string, hints: readonly string[] = []): Markup {
  const options = hints.map((hint) => markup`<option value="${hint}">`)
  return markup`<label for="${name}">${label}</label><input id="${name}" name="${name}" list="${name}s" required>
<datalist id="${name}s">${options}</datalist>`
}

type Line = (InboxItem & { kind: 'plan' })['lines'][number]

interface LineEdits {
  readonly skip: readonly string[]
  readonly inputs: { readonly [line: string]: Json }
}

const SKIP = { enum: ['yes'] }

function lineFields({ id, title, input, editSchema }: Line, draft: Partial<LineEdits> | undefined): Markup {
  const skip = fields(SKIP, draft?.skip?.includes(id) ? 'yes' : undefined, `skip/${id}`, 'leave it out')
  const line = fields(editSchema, draft?.inputs?.[id] ?? input, `line/${id}`)
  return markup`<fieldset><legend>${id}. ${title}</legend>${skip}${line}</fieldset>`
}

/** Lines that nobody touched are not in it: they execute as they were shown. */
function editedLines(lines: readonly Line[], form: URLSearchParams): Edit {
  const skip = lines.flatMap(({ id }) => (entered(SKIP, form, `skip/${id}`) === 'yes' ? [id] : []))
  const inputs = lines.flatMap(({ id, editSchema, input }) => {
    const value = entered(editSchema, form, `line/${id}`, input)
    return skip.includes(id) || isDeepStrictEqual(value, input) ? [] : [[id, exactly(input, value)] as const]
  })
  return { skip, inputs: Object.fromEntries(inputs) }
}

function inputOf(item: InboxItem): Json | undefined {
  return item.kind === 'approval' ? item.input : undefined
}
