/** Settings: values that differ per company. A host types them by declaration merging. */
import type { z } from 'zod'
import { parseStored, canonical } from '../base/json.ts'
import { assertKnown, namesOf } from '../base/known.ts'
import { toStored } from '../base/schema.ts'
import { upcastersOf, upcastTo, type Upcast, type Versioned } from '../base/upcast.ts'
import type { Json } from '../base/value.ts'

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- a host adds its fields by declaration merging
export interface Settings {}

/** The shape of settings of which older versions may be stored. */
export interface SettingsDefinition {
  /** Of the schema. Raise it with each change of the stored shape, and add an upcaster. */
  readonly version: number
  readonly schema: z.ZodType
  /** For each version from the second on: how settings of the version before become its settings. */
  readonly upcast?: { readonly [version: number]: Upcast }
}

export interface SettingsShape extends Versioned {
  readonly schema: z.ZodType | undefined
}

const SETTINGS = namesOf<SettingsDefinition>({ version: true, schema: true, upcast: true })

/** Throws `DEFINITION_INVALID`. */
export function settingsShape(given: z.ZodType | SettingsDefinition | undefined): SettingsShape {
  const name = 'the settings'
  if (given === undefined || '_zod' in given) return { name, version: 1, upcast: new Map(), schema: given }
  assertKnown('settings of createConductor', given, SETTINGS)
  const { version, schema } = given
  return { name, version, schema, upcast: upcastersOf(name, given) }
}

/** Settings that were stored as of version `from` of their shape. Throws `UPCASTER_MISSING`, `SCHEMA_NEWER`, `UPCAST_FAILED`. */
export function settingsFrom(shape: SettingsShape, value: Json, from: number): Settings {
  if (from === shape.version) return value as Settings
  const lifted = upcastTo(shape, value as { readonly [field: string]: Json }, from)
  const fitted =
    shape.schema === undefined
      ? canonical(lifted)
      : toStored(shape.schema, lifted, 'UPCAST_FAILED', `${shape.name}, brought from version ${from} of their shape,`)
  return parseStored(fitted) as Settings
}

/** The version of the shape in the index of a record, an entry or a put of settings: 1 where nothing is said. */
export function schemaIn(index: { readonly [field: string]: string } | undefined): number {
  return Number(index?.['schema'] ?? 1)
}
