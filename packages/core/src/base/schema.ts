/**
 * Schema: zod at the boundaries, with Keelson's errors.
 *
 * C1. A value is parsed once, before it is stored; its codecs are stored encoded.
 * C2. What is stored parses to itself: schemas with a one-way transform are refused where their output is stored.
 * C3. No input loses a key `__proto__` on its way through a schema: it is refused, as it is where no schema looks. An output does: an
 *     outsider decides what that has, and it is no reason to doubt what was done.
 */
import type { z } from 'zod'
import { KeelsonError, type ErrorCode } from './errors.ts'
import { sha256 } from './hash.ts'
import { assertNoProto, AWAITED, canonical, canonicalAround, parseStored } from './json.ts'
import { isPromise } from './known.ts'
import { assertJson } from './storable.ts'
import { zod } from './zod.ts'

/** `value` through `schema`, or an error of `code` that says what does not fit, in one readable text. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, code: ErrorCode, what: string): z.output<S> {
  const result = tried(schema, value, code, what)
  if (result.success) return result.data
  throw new KeelsonError(code, `${what} does not fit its schema: ${readable(result.error)}`, {
    hint: promiseIn(value, result.error.issues) ?? compare(code),
    data: {
      issues: result.error.issues.slice(0, 20).map((issue) => `${path(issue.path)}: ${issue.message}`.toWellFormed()),
    },
  })
}

function compare(code: ErrorCode): string {
  return `Compare the value with the schema; ${code === 'OUTPUT_INVALID' ? 'what was done before it stays done' : 'nothing was stored or executed'}.`
}

/** Where something was to be, and a promise of it was given. */
function promiseIn(value: unknown, issues: readonly { readonly path: readonly PropertyKey[] }[]): string | undefined {
  for (const { path: steps } of issues) {
    let at = value
    for (let i = 0; i <= steps.length; i++) {
      if (isPromise(at)) return `${i === 0 ? 'It' : `"${path(steps.slice(0, i))}"`} is a promise. ${AWAITED}`
      if (i < steps.length) at = (at as Record<PropertyKey, unknown> | null | undefined)?.[steps[i]!]
    }
  }
  return undefined
}

/** A schema's own code may throw: that, too, says that the value does not fit. */
function tried<S extends z.ZodType>(schema: S, value: unknown, code: ErrorCode, what: string) {
  try {
    return schema.safeParse(value)
  } catch (cause) {
    throw new KeelsonError(code, `the schema of ${what} threw: ${String(cause)}`, { cause })
  }
}

/** The output in what code returned as `{ output }`. One that was returned bare misfits for a reason that its schema cannot know. */
export function outputOf(schema: z.ZodType, answer: { readonly output: unknown } | undefined, what: string): string {
  try {
    return toStored(schema, answer?.output, 'OUTPUT_INVALID', what)
  } catch (thrown) {
    if (!KeelsonError.is(thrown, 'OUTPUT_INVALID') || hasOutput(answer)) throw thrown
    throw new KeelsonError('OUTPUT_INVALID', `${what} has no output: it is to return { output: … }`, {
      hint: 'Wrap what it answers: return { output: … }.',
      data: thrown.data,
    })
  }
}

function hasOutput(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'output' in answer
}

/** The canonical text to store for `value`: parsed, defaults filled in, codecs encoded. */
export function toStored(
  schema: z.ZodType,
  value: unknown,
  code: ErrorCode,
  what: string,
  write: (value: unknown) => string = canonical,
): string {
  const parsed = parse(schema, value, code, what)
  if (code === 'INPUT_INVALID' && parsed !== value) assertNoProto(value) // C3
  return encoded(schema, parsed, write)
}

/** The canonical text of what code received: the way back of `fromStored`. */
export function encoded(schema: z.ZodType, value: unknown, write: (value: unknown) => string = canonical): string {
  return write(shapeOf(schema) === 'codec' ? schema.encode(value) : value)
}

/** A stored text as code receives it: frozen JSON, or decoded where the schema has codecs. */
export function fromStored(schema: z.ZodType, text: string): unknown {
  const value = parseStored(text)
  return shapeOf(schema) === 'codec' ? schema.decode(value) : value
}

/** What somebody gave, and is stored as it was given, as code receives it; or why it does not fit. */
export function fromGiven(schema: z.ZodType, given: unknown): { readonly value: unknown } | { readonly wrong: string } {
  try {
    const result = schema.safeParse(given)
    if (!result.success) return { wrong: readable(result.error) }
    return { value: shapeOf(schema) === 'plain' ? frozen(result.data) : result.data }
  } catch (thrown) {
    return { wrong: String(thrown) }
  }
}

/** As it would be stored; what is no JSON (a coerced date, a default that is one) is what its schema made of what is stored. */
function frozen(value: unknown): unknown {
  try {
    return parseStored(canonical(value))
  } catch {
    return value
  }
}

export function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value
}

/** Throws `DEFINITION_INVALID` for a schema whose output is no JSON, or would not parse to itself. */
export function assertStorable(schema: z.ZodType, what: string): void {
  assertJson(schema, what)
  if (shapeOf(schema) !== 'one-way') return
  throw new KeelsonError(
    'DEFINITION_INVALID',
    `${what} has a one-way transform, so what is stored would not parse again`,
    {
      hint: 'Transform in your code, or use z.codec(), which can be encoded for storage.',
    },
  )
}

/** Throws `DEFINITION_INVALID` for a schema that decodes: where values are handed out as they are stored. */
export function assertPlain(schema: z.ZodType, what: string): void {
  assertStorable(schema, what)
  if (shapeOf(schema) === 'plain') return
  throw new KeelsonError('DEFINITION_INVALID', `${what} has a codec, but is handed out as it is stored`, {
    hint: 'Use the stored form in the schema (an ISO text for a date), and decode it where you use it.',
  })
}

/** JSON Schema of what a person may enter, for forms; `{}` where the schema cannot be described. */
export function jsonSchema(schema: z.ZodType): unknown {
  const { toJSONSchema } = zod()
  try {
    return toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  } catch {
    return {}
  }
}

const marks = new WeakMap<z.ZodType, string>()

/** What a schema says in a word: another word, another schema. Refinements in code are not seen. */
export function schemaMark(schema: z.ZodType): string {
  let mark = marks.get(schema)
  if (mark === undefined) {
    mark = sha256(canonicalAround(jsonSchema(schema))).slice(0, 22)
    marks.set(schema, mark)
  }
  return mark
}

type Shape = 'plain' | 'codec' | 'one-way'
const shapes = new WeakMap<z.ZodType, Shape>()

function shapeOf(schema: z.ZodType): Shape {
  let shape = shapes.get(schema)
  if (shape === undefined) {
    shape = inspect(schema, new Set())
    shapes.set(schema, shape)
  }
  return shape
}

function inspect(node: unknown, seen: Set<unknown>): Shape {
  if (typeof node !== 'object' || node === null || seen.has(node)) return 'plain'
  seen.add(node)
  if (Array.isArray(node)) return worst(node, seen)
  const internals = (node as { _zod?: { def: Record<string, unknown> } })._zod
  if (internals === undefined) return 'plain'
  const def = internals.def
  if (def['type'] === 'transform') return 'one-way'
  if (def['type'] === 'lazy') return inspect((def['getter'] as () => unknown)(), seen)
  if (def['type'] === 'pipe' && typeof def['reverseTransform'] === 'function') {
    return worst([def['in'], def['out']], seen) === 'one-way' ? 'one-way' : 'codec'
  }
  const shape = def['type'] === 'object' ? Object.values(def['shape'] as object) : []
  return worst([...Object.values(def), ...(shape as unknown[])], seen)
}

function worst(nodes: readonly unknown[], seen: Set<unknown>): Shape {
  const found = nodes.map((node) => inspect(node, seen))
  return found.includes('one-way') ? 'one-way' : found.includes('codec') ? 'codec' : 'plain'
}

function readable(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map((issue) => `${path(issue.path)} ${issue.message}`)
  const more = error.issues.length > 3 ? ` (and ${error.issues.length - 3} more)` : ''
  return shown.join('; ') + more
}

function path(parts: readonly PropertyKey[]): string {
  return parts.length === 0 ? '(the whole value)' : parts.map(String).join('.')
}
