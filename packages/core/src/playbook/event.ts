/** Event: something that happened outside a run, typed; sent by the host or emitted by a run, awaited by runs. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { keyedHash } from '../base/hash.ts'
import { canonical, parseStored } from '../base/json.ts'
import { assertKnown, named, namesOf, noSuch } from '../base/known.ts'
import { labelled, type Label, type Labels } from '../base/labels.ts'
import { assertStorable, toStored } from '../base/schema.ts'
import { upcastersOf, upcastTo, type Upcast, type Versioned } from '../base/upcast.ts'
import type { Json } from '../base/value.ts'
import { GONE } from '../memory/gone.ts'

export interface EventType<T> {
  readonly name: string
  readonly '~t'?: T
}

/** The shape of an event's payload, of which older versions may be stored. */
export interface EventShape extends Versioned {
  readonly schema: z.ZodType
}

const shapes = new WeakMap<object, EventShape>()
const invalidating = new WeakMap<object, (payload: unknown) => readonly string[]>()
const labels = new WeakMap<object, readonly Label[]>()

/** Defines an event. A wait matches it by equality on top-level fields. */
export function defineEvent<S extends z.ZodType>(definition: {
  /** Waits and sends go by it. */
  readonly name: string
  /** The shape of its payload. */
  readonly schema: S
  /** Of the schema. Raise it when events of an older shape may still be read, and add an upcaster. Default 1. */
  readonly version?: number
  /** For each version from the second on: how a payload of the version before becomes its payload. */
  readonly upcast?: { readonly [version: number]: Upcast }
  /** Tags of cached reads that it makes count no more. */
  readonly invalidates?: readonly string[] | ((payload: z.output<S>) => readonly string[])
  /** What its payload is to be taken for: 'untrusted' where an outsider wrote it. */
  readonly labels?: readonly Label[]
}): EventType<z.output<S>> {
  assertKnown(`event ${named(definition?.name)}`, definition, EVENT)
  if (typeof definition.name !== 'string' || definition.name === '')
    throw new KeelsonError('DEFINITION_INVALID', 'an event has no name', { hint: 'Waits and sends go by it.' })
  assertStorable(definition.schema, `the schema of event ${definition.name}`)
  const made = Object.freeze({ name: definition.name })
  labels.set(made, definition.labels ?? [])
  const { name, schema, version = 1, upcast = {} } = definition
  const what = `event "${name}"`
  shapes.set(made, { name: what, version, schema, upcast: upcastersOf(what, { version, upcast }) })
  const { invalidates } = definition
  if (invalidates !== undefined)
    invalidating.set(
      made,
      typeof invalidates === 'function' ? (invalidates as (payload: unknown) => readonly string[]) : () => invalidates,
    )
  return made
}

const EVENT = namesOf<Parameters<typeof defineEvent>[0]>({
  ...{ name: true, schema: true, version: true, upcast: true, invalidates: true, labels: true },
})

/** The tags that an event makes count no more. */
export function eventTags(type: { readonly name: string }, payload: unknown): readonly string[] {
  try {
    return [...(invalidating.get(type)?.(payload) ?? [])].map(String)
  } catch (cause) {
    throw new KeelsonError('INPUT_INVALID', `invalidates() of event ${type.name} threw: ${String(cause)}`, {
      hint: 'The event was not sent. Mend invalidates(), then send it again.',
      cause,
    })
  }
}

export function eventLabels(type: { readonly name: string }): Labels {
  return labelled(labels.get(type) ?? [], `event ${type.name}`)
}

export function eventSchema(type: { readonly name: string }): z.ZodType {
  return eventShape(type).schema
}

/** The version of a payload's shape, said where it is not the first. */
export function shapeOf({ schema }: { readonly schema?: number }): { schema?: number } {
  return schema === undefined ? {} : { schema }
}

/**
 * A payload that was stored as of version `from`. Throws `UPCASTER_MISSING`, `SCHEMA_NEWER`, `UPCAST_FAILED`. Blanks that an erasure has left
 * there need not fit, as in a payload of today's version: who waits gets them.
 */
export function payloadFrom(type: { readonly name: string }, payload: Json, from: number): Json {
  const shape = eventShape(type)
  if (from === shape.version) return payload
  const lifted = upcastTo(shape, payload as { readonly [field: string]: Json }, from)
  try {
    return parseStored(toStored(shape.schema, lifted, 'UPCAST_FAILED', `${shape.name} of version ${from}`))
  } catch (thrown) {
    if (!JSON.stringify(lifted).includes(GONE)) throw thrown
    return parseStored(canonical(lifted))
  }
}

export function eventShape(type: { readonly name: string }): EventShape {
  const found = shapes.get(type)
  if (found !== undefined) return found
  throw noSuch('DEFINITION_INVALID', type, 'an event', 'defineEvent()')
}

/**
 * Under which a wait is found: the event's name and the first field that it matches on (in order of name), as a keyed
 * hash. A wait has one token; an event has one per top-level field, and one for waits that match anything.
 */
export function waitToken(key: string, event: string, match: Readonly<Record<string, unknown>>): string {
  const field = Object.keys(match)
    .filter((name) => match[name] !== undefined)
    .sort()[0]
  return field === undefined ? token(key, event, '', null) : token(key, event, field, match[field])
}

/** So many an event has at most. */
export const TOKENS_MAX = 65

export function eventTokens(key: string, event: string, payload: unknown): string[] {
  const fields =
    typeof payload === 'object' && payload !== null && !Array.isArray(payload) ? Object.entries(payload) : []
  return [
    token(key, event, '', null),
    ...fields.slice(0, TOKENS_MAX - 1).map(([field, value]) => token(key, event, field, value)),
  ]
}

/** True when every field of `match` equals the payload's. */
export function matches(match: Readonly<Record<string, unknown>>, payload: unknown): boolean {
  const fields = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>
  return Object.entries(match).every(
    ([field, value]) =>
      value === undefined || (Object.hasOwn(fields, field) && canonical(fields[field] ?? null) === canonical(value)),
  )
}

/** True when every field of `match` equals the payload's, or, of those that were `erased`, what it was found by: its tokens. */
export function matched(
  match: Readonly<Record<string, unknown>>,
  payload: unknown,
  {
    erased,
    tokens,
    key,
    event,
  }: { erased: readonly string[]; tokens: ReadonlySet<string>; key: string; event: string },
): boolean {
  const gone = Object.entries(match).filter(([field]) => erased.includes(field))
  const rest = Object.fromEntries(Object.entries(match).filter(([field]) => !erased.includes(field)))
  const isAs = ([field, value]: [string, unknown]): boolean =>
    value === undefined || tokens.has(token(key, event, field, value))
  return gone.every(isAs) && matches(rest, payload)
}

function token(key: string, event: string, field: string, value: unknown): string {
  return keyedHash(key, canonical([event, field, value ?? null]))
}
