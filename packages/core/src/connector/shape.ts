/**
 * Shape: what people agree to when they agree to an action: its words, its input, what it does outside, what keeps it from
 * happening twice. Code that changes any of it offers another action under the same name.
 *
 * G1. Approvals, holds, lines of a plan, grants and trust are bound to a shape. None of them speaks for another one.
 * G2. It is made of what is declared: what `run` does, and refinements in code, are not seen.
 */
import type { z } from 'zod'
import { sha256 } from '../base/hash.ts'
import { canonical, stored } from '../base/json.ts'
import { jsonSchema } from '../base/schema.ts'
import type { Json } from '../base/value.ts'
import type { AnyAction } from './action.ts'
import type { PreviewRow } from './preview.ts'

export interface Shape {
  /** All of it in a word. */
  readonly mark: string
  /** By name, as short texts (`title`, `effect`, `input.amount`); undefined where only the word was kept. */
  readonly parts?: { readonly [part: string]: string }
}

const shapes = new WeakMap<AnyAction, Shape>()
const inputs = new WeakMap<z.ZodType, { readonly [part: string]: string }>()

export function shapeOf(action: AnyAction): Shape {
  const known = shapes.get(action)
  if (known !== undefined) return known
  const parts = {
    title: action.title,
    effect: action.effect,
    'kept from happening twice by': canonical(action.idempotency),
    'leaves the company': String(action.outgoing),
    'can be taken back': String(action.compensate !== undefined),
    ...inputOf(action.input),
  }
  const shape = Object.freeze({ mark: sha256(canonical(parts)).slice(0, 22), parts: Object.freeze(parts) })
  shapes.set(action, shape)
  return shape
}

/** `made` executes `action` in some way of its own: whoever agreed to that one has agreed to it. */
export function inShapeOf(action: AnyAction, made: AnyAction): AnyAction {
  shapes.set(made, shapeOf(action))
  return made
}

/** What differs, as rows. */
export function reshapedIn(before: Shape, after: Shape): PreviewRow[] {
  const [was, is] = [before.parts, after.parts]
  if (was === undefined || is === undefined)
    return [{ label: 'its definition', before: before.mark, after: after.mark }]
  const parts = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
  return parts
    .filter((part) => was[part] !== is[part])
    .map((part) => ({ label: part, before: was[part] ?? '(nothing)', after: is[part] ?? '(nothing)' }))
}

const LONGEST = 160

/** Each field with what its schema says of it, descriptions included. */
function inputOf(schema: z.ZodType): { readonly [part: string]: string } {
  const known = inputs.get(schema)
  if (known !== undefined) return known
  const { $schema: _dialect, properties, ...rest } = stored(jsonSchema(schema)) as { [key: string]: Json }
  const fields = Object.entries((properties ?? {}) as { [field: string]: Json })
  const parts = Object.fromEntries([
    ['input', brief(rest)],
    ...fields.map(([field, one]) => [`input.${field}`, brief(one)] as const),
  ])
  inputs.set(schema, parts)
  return parts
}

/** Canonical text; of a long one its beginning, and a digest of the whole. */
function brief(schema: Json): string {
  const text = canonical(schema)
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST / 2).toWellFormed()}… ${sha256(text).slice(0, 16)}`
}
