/**
 * Fields: a form from a JSON Schema, and the value that comes back in it.
 *
 * F1. What was not touched comes back as it was, whatever a browser does to the ends of its lines.
 * F2. Nothing is judged here: `decide` says what does not fit, and why.
 */
import type { Json } from '@keelson/core'
import { markup, type Markup } from './markup.ts'

/** As much of JSON Schema as has a field of its own. The rest is entered as JSON. */
interface Schema {
  readonly type?: unknown
  readonly enum?: readonly Json[]
  readonly properties?: Readonly<Record<string, Json>>
  readonly required?: readonly string[]
}

/** A field, or the fields of an object, filled with `value`. What is optional and empty is folded away. */
export function fields(schema: Json, value: Json | undefined, name: string, label = 'Answer'): Markup {
  const { properties } = schema as Schema
  if (properties === undefined) return field(schema as Schema, value, name, label)
  const [shown, folded]: [Markup[], Markup[]] = [[], []]
  for (const [key, each] of Object.entries(properties)) {
    const inner = property(value, key)
    const list = inner !== undefined || isRequired(schema as Schema, key) ? shown : folded
    list.push(fields(each, inner, `${name}/${key}`, key))
  }
  return markup`${shown}${folded.length > 0 && markup`<details><summary>More</summary>${folded}</details>`}`
}

/** The value that a form holds for the fields of that name; null where nothing was entered. */
export function entered(schema: Json, form: URLSearchParams, name: string, before?: Json): Json {
  return valueIn(schema, form, name, before) ?? null
}

function valueIn(schema: Json, form: URLSearchParams, name: string, before: Json | undefined): Json | undefined {
  const { properties } = schema as Schema
  if (properties === undefined) return single(schema as Schema, form.get(name), before)
  const values = Object.entries(properties).flatMap(([key, each]) => {
    const [inner, path] = [property(before, key), `${name}/${key}`]
    const isOptional = !isRequired(schema as Schema, key)
    if (isOptional && inner === undefined && isBlank(form, path)) return []
    const value = valueIn(each, form, path, inner)
    const isCleared = isOptional && value === '' && inner !== ''
    return value === undefined || isCleared ? [] : [[key, value] as const]
  })
  const others = Object.entries(objectOf(before)).filter(([key]) => !Object.hasOwn(properties, key))
  return Object.fromEntries([...others, ...values])
}

function field(schema: Schema, value: Json | undefined, name: string, label: string): Markup {
  const text = textOf(schema, value)
  const choices = choicesOf(schema)
  // The line break behind <textarea> is none of its text.
  const input =
    choices === undefined
      ? markup`<textarea id="${name}" name="${name}">\n${text}</textarea>`
      : markup`<select id="${name}" name="${name}">${['', ...choices].map((each) => option(each, each === text))}</select>`
  const hint = choices === undefined && !isText(schema) && ' (JSON)'
  return markup`<label for="${name}">${label}${hint}</label>${input}`
}

function option(value: string, isChosen: boolean): Markup {
  return markup`<option${isChosen && markup` selected`}>${value}</option>`
}

function single(schema: Schema, posted: string | null, before: Json | undefined): Json | undefined {
  if (posted === null) return before
  const text = lines(posted)
  if (before !== undefined && text === lines(textOf(schema, before))) return before
  if (schema.type === 'string' && schema.enum === undefined) return text
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

function isBlank(form: URLSearchParams, path: string): boolean {
  return [...form].every(([name, text]) => text === '' || (name !== path && !name.startsWith(`${path}/`)))
}

function textOf(schema: Schema, value: Json | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'string' && isText(schema) ? value : JSON.stringify(value, null, choicesOf(schema) ? 0 : 2)
}

/** What there is to choose from, each as JSON. */
function choicesOf({ type, enum: values }: Schema): string[] | undefined {
  return (values ?? (type === 'boolean' ? [true, false] : undefined))?.map((each) => JSON.stringify(each))
}

function isText({ type, enum: values }: Schema): boolean {
  return values === undefined && (type === 'string' || type === 'number' || type === 'integer')
}

function isRequired({ required = [] }: Schema, key: string): boolean {
  return required.includes(key)
}

function property(value: Json | undefined, key: string): Json | undefined {
  return Object.hasOwn(objectOf(value), key) ? objectOf(value)[key] : undefined
}

function objectOf(value: Json | undefined): { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function lines(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n')
}
