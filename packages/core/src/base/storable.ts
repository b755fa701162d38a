/**
 * Storable: what in a schema could never be stored, found when it is defined and named by its path.
 *
 * A codec is looked at on its stored side only. What a schema does in code (a custom check, a refinement) is not seen.
 */
import type { z } from 'zod'
import { KeelsonError } from './errors.ts'

/** Whether what was parsed is stored, or what was given. */
export type Kept = 'parsed' | 'given'

const WHOLE = 'Only JSON is stored.'
const HINTS: Readonly<Record<string, string>> = {
  date: 'Use z.iso.datetime() and keep the text, or z.codec(z.iso.datetime(), z.date(), …), which is stored as one.',
  bigint: 'Use z.int(), z.string() for what is larger, or z.codec(), which is stored as its first schema.',
  map: 'Use z.record(z.string(), …).',
  set: 'Use z.array(…).',
  nan: 'Use z.number().nullable().',
  file: 'Keep the bytes as an artifact, and its reference in the value.',
  function: `${WHOLE} Keep what the function needs, and make it where it is used.`,
  promise: `${WHOLE} Await it first.`,
  symbol: `${WHOLE} Use z.string() or z.enum().`,
  undefined: 'Nothing is stored as null: use z.null() and null, or z.object({}).',
}

interface Def {
  readonly type: string
  readonly [part: string]: unknown
}

interface Found {
  readonly type: string
  /** From where it was looked for, each step with its sign. */
  readonly path: string
}

/** Throws `DEFINITION_INVALID` for a schema of which some value could never be stored, naming where. */
export function assertJson(schema: z.ZodType, what: string, kept: Kept = 'parsed'): void {
  if (defOf(schema) === undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `${what} is not given by a schema`, {
      hint: 'Pass a schema of zod 4, z.object({ … }).',
    })
  }
  const found = search(schema, { alone: true, kept, seen: [new Map(), new Map()] })
  if (found === undefined) return
  const { type } = found
  const path = found.path.replace(/^\./, '')
  const where = path === '' ? 'it' : `its "${path}"`
  throw new KeelsonError('DEFINITION_INVALID', `${what} cannot be stored: ${where} is of type ${type}`, {
    hint: HINTS[type]!,
    data: { path, type },
  })
}

interface At {
  /** A place that is always written: undefined cannot be left out there, as a field of an object is. */
  readonly alone: boolean
  readonly kept: Kept
  /** What was found in what was looked at, as a place that may be left out, and as one that is always written. */
  readonly seen: readonly [Seen, Seen]
}

type Seen = Map<unknown, Found | undefined>

function search(node: unknown, at: At): Found | undefined {
  const def = defOf(node)
  const seen = at.seen[at.alone ? 1 : 0]
  if (def === undefined || seen.has(node)) return seen.get(node)
  seen.set(node, undefined)
  const type = refused(def, at)
  const found = type === undefined ? searchIn(def, at) : { type, path: '' }
  seen.set(node, found)
  return found
}

function searchIn(def: Def, at: At): Found | undefined {
  const isChoice = def.type === 'union' && at.kept === 'given' // one that can be stored is enough: it can be given
  let found: Found | undefined
  for (const [inner, step, alone] of storedParts(def, at)) {
    const there = search(inner, { ...at, alone })
    found = there && { ...there, path: step + there.path }
    if ((found === undefined) === isChoice) break
  }
  return found
}

/** The type that makes it one that cannot be stored. */
function refused(def: Def, { alone, kept }: At): string | undefined {
  const values = def.type === 'literal' ? (def['values'] as readonly unknown[]) : []
  const type = def.type === 'void' || (values.length === 1 && values[0] === undefined) ? 'undefined' : def.type
  if (type === 'undefined') return alone ? type : undefined
  if (values.some((value) => typeof value === 'bigint')) return 'bigint'
  if (kept === 'given' && def['coerce'] === true) return undefined
  return Object.hasOwn(HINTS, type) ? type : undefined
}

type Part = readonly [schema: unknown, step: string, alone: boolean]

/** Of what decodes, only the side that is stored. */
function storedParts(def: Def, { alone, kept }: At): readonly Part[] {
  const all = parts(def, alone)
  return def.type === 'pipe' && (kept === 'given' || isCodec(def) || decodes(def['in'])) ? all.slice(0, 1) : all
}

function parts(def: Def, alone: boolean): readonly Part[] {
  switch (def.type) {
    case 'object':
      return [...fieldsOf(def), [def['catchall'], '.*', false]]
    case 'array':
      return [[def['element'], '[]', true]]
    case 'tuple':
      return [...(def['items'] as unknown[]).map((item, i): Part => [item, `[${i}]`, true]), [def['rest'], '[]', true]]
    case 'record':
      return [[def['valueType'], '.*', false]]
    case 'union':
      return (def['options'] as unknown[]).map((option): Part => [option, '', false])
    case 'intersection':
      return [def['left'], def['right']].map((side): Part => [side, '', alone])
    case 'lazy':
      return [[made(def['getter'] as () => unknown), '', alone]]
    case 'pipe':
      return [def['in'], def['out']].map((side): Part => [side, '', alone])
    default:
      return [[def['innerType'], '', alone && def.type !== 'optional']]
  }
}

function isCodec(def: Def): boolean {
  return def.type === 'pipe' && typeof def['reverseTransform'] === 'function'
}

/** Holds a codec, however deep: a pipe behind it is encoded through it for storage. */
function decodes(node: unknown, seen = new Set<unknown>()): boolean {
  const def = defOf(node)
  if (def === undefined || seen.has(node)) return false
  seen.add(node)
  return isCodec(def) || parts(def, true).some(([inner]) => decodes(inner, seen))
}

function defOf(node: unknown): Def | undefined {
  return (node as { _zod?: { def: Def } } | null | undefined)?._zod?.def
}

function fieldsOf(def: Def): Part[] {
  const shape = made(() => def['shape'] as object) ?? {}
  return Object.keys(shape).map((name) => [made(() => (shape as Record<string, unknown>)[name]), `.${name}`, false])
}

/** A schema that is put off until everything is defined says nothing before. */
function made<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
