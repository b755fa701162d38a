/**
 * Known: refuses what no compiler has looked at: a name that there is not, a value of none of a closed list. What is left out
 * without a word is missing just where it matters: a rule that was meant to hold, a run that was meant to be a rehearsal.
 */
import { KeelsonError, type ErrorCode } from './errors.ts'
import { nearest } from './nearest.ts'

/** The names that a type has, all of them: a test of types, as it were, of each table. */
export function namesOf<T>(names: { readonly [K in keyof Required<T>]: true }): readonly string[] {
  return Object.keys(names)
}

/** Throws for options that are no object, or have a name that is not `known`. One that is `undefined` is not there. */
export function assertKnown(
  where: string,
  given: unknown,
  known: readonly string[],
  code: ErrorCode = 'DEFINITION_INVALID',
): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new KeelsonError(code, `${where} was given ${named(given)} in place of an object`, {
      hint: `It takes { ${known.join(', ')} }.`,
    })
  const stray = Object.keys(given).find(
    (name) => !known.includes(name) && (given as Record<string, unknown>)[name] !== undefined,
  )
  if (stray !== undefined)
    throw new KeelsonError(code, `${where} has no option "${stray}"`, { hint: meantBy(stray, known) })
}

/** Throws for a value that is none of `list`; `undefined` is not there, and `null` what should have been said. */
export function assertOneOf(
  where: string,
  value: unknown,
  list: readonly unknown[],
  code: ErrorCode = 'DEFINITION_INVALID',
): void {
  if (value === undefined || list.includes(value)) return
  const said = value === null ? 'is not said' : `is ${named(value)}`
  throw new KeelsonError(code, `${where} ${said}, and is one of ${list.map(quoted).join(', ')}`, {
    hint: meantBy(typeof value === 'string' ? value : '', list.map(String)),
  })
}

/** A number of things: a whole one from 1 on, or without end. Any other would be none of them, or no number at all. */
export function isCount(value: unknown): boolean {
  return value === Infinity || (Number.isInteger(value) && (value as number) >= 1)
}

export const COUNT = 'Give a whole number from 1 on.'

/** Throws for a number of things that is none; `undefined` is not there. */
export function assertCount(where: string, value: unknown, hint = COUNT): void {
  if (value === undefined || isCount(value)) return
  throw new KeelsonError('DEFINITION_INVALID', `${where} is ${named(value)}`, { hint })
}

/** Throws for what is no length of time in milliseconds; `undefined` is not there. `longest`: Infinity, where it may be without end. */
export function assertMs(where: string, value: unknown, longest = Number.MAX_VALUE): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= longest)) return
  throw new KeelsonError('DEFINITION_INVALID', `${where} is ${named(value)}`, {
    hint: 'Give a number of milliseconds.',
  })
}

const LISTS = ['because', 'about']

/** Throws `INPUT_INVALID` for one thing, under a name that takes a list of them. */
export function assertLists(where: string, options: object): void {
  const wrong = Object.entries(options).find(
    ([name, value]) => LISTS.includes(name) && value !== undefined && !Array.isArray(value),
  )
  if (wrong === undefined) return
  const [name, value] = wrong as [string, unknown]
  throw new KeelsonError('INPUT_INVALID', `${name} of ${where} was given ${named(value)} in place of a list`, {
    hint: `Write ${name}: [ \u2026 ].`,
  })
}

/** What was probably meant, or all that there is. */
export function meantBy(stray: string, known: readonly string[]): string {
  const meant = nearest(stray, known)
  return meant === undefined ? `It takes ${known.join(', ')}.` : `Did you mean "${meant}"?`
}

/** What was given, for a message: never all of it. */
export function named(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (typeof value === 'string') return `"${value.slice(0, 60).toWellFormed()}"`
  if (typeof value === 'function') return `a function${value.name === '' ? '' : ` (${value.name})`}`
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  if (isPromise(value)) return 'a promise'
  const { name } = value as { name?: unknown }
  return typeof name === 'string' ? `an object named "${name.slice(0, 60).toWellFormed()}"` : 'an object'
}

/** Or what can be awaited like one. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** The noun behind its article, by how it begins: an invoice, a user. */
export function aOr(noun: string): string {
  return /^(?:[aeio]|u(?![bcdfgkmnprst][aeiou]))/i.test(noun) ? `an ${noun}` : `a ${noun}`
}

/** What was passed is not what `maker` returns. Undefined are often those of a module that is still being loaded. */
export function noSuch(code: ErrorCode, value: unknown, what: string, maker: string): KeelsonError {
  const cycle =
    ' It is undefined while two modules import each other (an import cycle): move what both need into a third.'
  return new KeelsonError(code, `${named(value)} is not ${what}`, {
    hint: `Pass what ${maker} returned.${value === undefined ? cycle : ''}`,
  })
}

/** Throws for what is there under one of `names` and is no function: it would fail at its first use. */
export function assertCallable(where: string, given: object, names: readonly string[]): void {
  const wrong = names.find((name) => {
    const value = (given as Record<string, unknown>)[name]
    return value !== undefined && typeof value !== 'function'
  })
  if (wrong === undefined) return
  throw new KeelsonError('DEFINITION_INVALID', `"${wrong}" of ${where} is no function`, {
    hint: `Write ${wrong}: (…) => ….`,
  })
}
