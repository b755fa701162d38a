/** Upcast: data of an older version of a schema, made into data of a newer one, step by step. */
import { KeelsonError } from './errors.ts'
import { aOr } from './known.ts'
import { stored } from './json.ts'
import type { Json } from './value.ts'

/** Makes data of version `n - 1` into data of version `n`. */
export type Upcast = (data: { readonly [field: string]: Json }) => { readonly [field: string]: Json }

/** A shape of which older versions are stored. */
export interface Versioned {
  readonly name: string
  readonly version: number
  readonly upcast: ReadonlyMap<number, Upcast>
}

type Data = { readonly [field: string]: Json }

/** The upcasters of a definition by the version that they lead to. Throws `DEFINITION_INVALID`. */
export function upcastersOf(
  what: string,
  { version, upcast = {} }: { readonly version: number; readonly upcast?: { readonly [version: number]: Upcast } },
): ReadonlyMap<number, Upcast> {
  const invalid = (wrong: string, hint: string): KeelsonError =>
    new KeelsonError('DEFINITION_INVALID', `${what} ${wrong}`, { hint })
  if (!Number.isInteger(version) || version < 1) throw invalid(`has version ${version}`, 'Versions are 1, 2, 3 …')
  const found = new Map(Object.entries(upcast).map(([to, one]) => [Number(to), one]))
  for (const to of found.keys()) {
    if (Number.isInteger(to) && to >= 2 && to <= version) continue
    throw invalid(`has an upcaster to version ${to}`, `Name versions 2 to ${version}: { ${version}: (old) => … }.`)
  }
  return found
}

/** The versions from which no chain of upcasters leads to the present one. */
export function unreachable(type: Versioned): number[] {
  const missing: number[] = []
  let gap = false
  for (let from = type.version - 1; from >= 1; from--) {
    gap ||= !type.upcast.has(from + 1)
    if (gap) missing.push(from)
  }
  return missing.reverse()
}

/** `data` of version `from` as data of version `to`. Throws `UPCASTER_MISSING`, `SCHEMA_NEWER`, `UPCAST_FAILED`. */
export function upcastTo(type: Versioned, data: Data, from: number, to: number = type.version): Data {
  if (from > type.version) {
    throw new KeelsonError(
      'SCHEMA_NEWER',
      `${aOr(type.name)} was stored by version ${from} of its schema; this code knows ${type.version}`,
      { hint: 'Newer code wrote it: deploy that code again, or a later one.', data: { entity: type.name } },
    )
  }
  let made = data
  for (let next = from + 1; next <= to; next++) made = step(type, made, next)
  return made
}

/** Data in which blanks stand for what was erased: where no upcaster can go on from them, they are what they are. */
export function upcastBlank(type: Versioned, data: Data, from: number, to: number = type.version): Data {
  try {
    return upcastTo(type, data, from, to)
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'UPCAST_FAILED')) return data
    throw thrown
  }
}

function step(type: Versioned, data: Data, to: number): Data {
  const upcast = type.upcast.get(to)
  if (upcast === undefined) throw missing(type, to - 1)
  try {
    return stored(upcast(data)) as Data
  } catch (cause) {
    throw new KeelsonError('UPCAST_FAILED', `the upcaster of ${type.name} to version ${to} failed: ${String(cause)}`, {
      hint: 'Mend the upcaster; nothing was changed.',
      cause,
    })
  }
}

export function missing(type: Versioned, from: number, more = ''): KeelsonError {
  return new KeelsonError(
    'UPCASTER_MISSING',
    `${type.name} has data of version ${from} and no way from there to version ${type.version}${more}`,
    {
      hint: `Add it to the definition of ${type.name}: upcast: { ${from + 1}: (old) => ({ ...old }) }.`,
      data: { entity: type.name },
    },
  )
}
