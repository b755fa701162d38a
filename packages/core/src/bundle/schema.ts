/** Schema lines: what the exporting host knew of shapes: playbooks with inputs, entities, events, settings, and the policy set that judged. */
import type { z } from 'zod'
import type { Environment } from '../conductor/environment.ts'
import type { Json } from '../base/value.ts'
import { zod } from '../base/zod.ts'
import { eventShape } from '../playbook/event.ts'
import type { LineOf, SchemaOf } from './line.ts'

export function schemaLines(env: Environment): LineOf<'schema'>[] {
  const { catalog, entities, events, policy, settings } = env
  const playbooks = catalog
    .all()
    .filter((one) => !one.internal)
    .sort(byName)
  const shapes = events.map((type) => ({ ...eventShape(type), name: type.name })).sort(byName)
  return [
    { type: 'schema', of: 'policy', name: 'policy', version: policy.version },
    ...(settings.schema === undefined
      ? []
      : [lineOf('settings', 'settings', settings.version, settings.schema, 'output')]),
    ...entities.declared.map(({ name, version, schema }) => lineOf('entity', name, version, schema, 'output')),
    ...shapes.map(({ name, version, schema }) => lineOf('event', name, version, schema, 'output')),
    ...playbooks.map(({ name, version, input }) => lineOf('playbook', name, version, input, 'input')),
  ]
}

type Named = { readonly name: string; readonly version: number }

function byName(a: Named, b: Named): number {
  return a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1
}

function lineOf(
  of: SchemaOf,
  name: string,
  version: number,
  shape: z.ZodType,
  io: 'input' | 'output',
): LineOf<'schema'> {
  const schema = jsonSchemaOf(shape, io)
  return { type: 'schema', of, name, version, ...(schema === undefined ? {} : { schema }) }
}

/** Undefined for a schema that JSON Schema cannot say (a transform, a custom check). */
function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Json | undefined {
  const { toJSONSchema } = zod()
  try {
    return JSON.parse(JSON.stringify(toJSONSchema(schema, { io }))) as Json
  } catch {
    return undefined
  }
}
