/** Divergence: how code and journal differ, in words that say what to do. */
import { storeError, type StoredError } from '../base/errors.ts'
import { schemaMark } from '../base/schema.ts'
import type { AnyPlaybook } from '../playbook/playbook.ts'
import type { Halt } from './replay.ts'

export interface Difference {
  /** The first key at which they differ. */
  readonly at: string
  readonly text: string
  readonly hint: string
  /** Canonical input of an effect as the code asks for it now, where it is that which differs. */
  readonly asks?: string
}

const REMEDY =
  'Bring back the old code as its own version, or declare changes: { renamed, removed, inserted } on this version; ' +
  'or move, restart or cancel the run.'

/** The code may be the same, and what it computes not. */
const CHANGING =
  'If the code is still the same, something in it changes from pass to pass (new Date(), Math.random(), what is read outside of ' +
  'ctx): take it from ctx.now(), ctx.random(), ctx.id() or a step. Else: '

/** The same key asks for something else than it did. */
export function differenceOf(
  key: string,
  recorded: { readonly kind: string; readonly hash: string | undefined },
  asked: { readonly kind: string; readonly what?: string; readonly input?: string | undefined },
): Difference {
  if (recorded.kind !== asked.kind) {
    const text = `"${key}" was recorded as ${article(recorded.kind)}; the code now asks for ${article(asked.kind)}`
    return { at: key, text, hint: REMEDY }
  }
  const text = `"${key}" was recorded with another ${asked.what ?? 'input'} than the code asks for now`
  return {
    at: key,
    text,
    hint: CHANGING + lowered(REMEDY),
    ...(asked.input === undefined ? {} : { asks: asked.input }),
  }
}

export function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** The code's result does not fit a schema that is another one than when the run began; undefined: the mistake is the code's. */
export function outputDifference(
  playbook: AnyPlaybook,
  start: { readonly outputMark?: string },
  error: StoredError | undefined,
): Difference | undefined {
  if (error?.code !== 'OUTPUT_INVALID' || start.outputMark === undefined) return undefined
  if (start.outputMark === schemaMark(playbook.output)) return undefined
  const text = `${error.message}; the schema has changed since the run began`
  return {
    at: 'output',
    text,
    hint: 'Make the output schema fit what such runs return, or add a version for new ones.',
  }
}

/** `thrown`: what the code failed with, where that is why it asks for no more. */
export function haltDifference(halt: Halt & { why: 'diverged' }, thrown?: { readonly thrown: unknown }): Difference {
  const lines = [
    `recorded, but not asked for: ${list(halt.unasked)}`,
    ...(halt.fresh.length > 0 ? [`asked for, but not recorded: ${list(halt.fresh)}`] : []),
    ...(halt.later.length > 0 ? [`asked for before its turn: ${list(halt.later)}`] : []),
    ...(halt.fresh.length + halt.later.length === 0 ? [endedBy(thrown)] : []),
  ]
  const at = halt.later[0] ?? halt.fresh[0] ?? halt.unasked[0] ?? ''
  const moving = differInNumbers(halt.unasked, halt.fresh)
  if (moving) lines.push('their names differ in a number')
  return { at, text: lines.join('; '), hint: moving ? CHANGING + lowered(REMEDY) : REMEDY }
}

function endedBy(failed: { readonly thrown: unknown } | undefined): string {
  return failed === undefined
    ? 'the code returned instead'
    : `the code failed instead: ${storeError(failed.thrown).message.slice(0, SAID_MAX).toWellFormed()}`
}

/** Longest part of what code failed with that is told. */
const SAID_MAX = 300

/** Such as a clock gives, or chance, in one of these and one of the others. Ordinals are none. */
function differInNumbers(some: readonly string[], others: readonly string[]): boolean {
  const byShape = new Map<string, Set<string>>()
  for (const name of some.map(bare)) {
    const alike = byShape.get(shapeOf(name)) ?? new Set()
    byShape.set(shapeOf(name), alike.add(name))
  }
  return others.map(bare).some((name) => {
    const alike = byShape.get(shapeOf(name))
    return alike !== undefined && (alike.size > 1 || !alike.has(name))
  })
}

function bare(key: string): string {
  return key.replace(/#\d+$/, '')
}

function shapeOf(name: string): string {
  return name.replace(UUID, '0').replace(/\d+(?:\.\d+)?(?:e-\d+)?/g, '0')
}

const UUID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi

function list(keys: readonly string[]): string {
  const shown = keys.slice(0, 5).map((key) => `"${key}"`)
  return shown.join(', ') + (keys.length > 5 ? ` and ${keys.length - 5} more` : '')
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`
}
