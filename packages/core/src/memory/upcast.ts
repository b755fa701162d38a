/** Upcast: data of an older version of a schema, made into data of a newer one, step by step. */
import { KeelsonError } from '../base/errors.ts'
import { stored } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { AnyEntityType } from './entity.ts'

type Data = { readonly [field: string]: Json }

/** The versions from which no chain of upcasters leads to the present one. */
export function unreachable(type: AnyEntityType): number[] {
  const missing: number[] = []
  let gap = false
  for (let from = type.version - 1; from >= 1; from--) {
    gap ||= !type.upcast.has(from + 1)
    if (gap) missing.push(from)
  }
  return missing.reverse()
}

/** `data` of version `from` as data of version `to`. Throws `UPCASTER_MISSING`, `SCHEMA_NEWER`, `UPCAST_FAILED`. */
export function upcastTo(type: AnyEntityType, data: Data, from: number, to: number = type.version): Data {
  if (from > type.version) {
    throw new KeelsonError(
      'SCHEMA_NEWER',
      `a ${type.name} was stored by version ${from} of its schema; this code knows ${type.version}`,
      { hint: 'Newer code wrote it: deploy that code again, or a later one.', data: { entity: type.name } },
    )
  }
  let made = data
  for (let next = from + 1; next <= to; next++) made = step(type, made, next)
  return made
}

function step(type: AnyEntityType, data: Data, to: number): Data {
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

export function missing(type: AnyEntityType, from: number, more = ''): KeelsonError {
  return new KeelsonError(
    'UPCASTER_MISSING',
    `${type.name} has data of version ${from} and no way from there to version ${type.version}${more}`,
    { hint: `Add it to defineEntity: upcast: { ${from + 1}: (old) => ({ ...old }) }.`, data: { entity: type.name } },
  )
}
