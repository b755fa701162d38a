/** Schema lines: what the exporting host knew of shapes: playbooks with their inputs, and the policy set that judged. */
import type { z } from 'zod'
import type { Environment } from '../conductor/environment.ts'
import type { Json } from '../base/value.ts'
import { zod } from '../base/zod.ts'
import type { LineOf } from './line.ts'

export function schemaLines(env: Environment): LineOf<'schema'>[] {
  const playbooks = env.catalog
    .all()
    .filter((one) => !one.internal)
    .sort((a, b) => (a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1))
  return [
    { type: 'schema', of: 'policy', name: 'policy', version: env.policy.version },
    ...playbooks.map(({ name, version, input }): LineOf<'schema'> => {
      const schema = jsonSchemaOf(input)
      return { type: 'schema', of: 'playbook', name, version, ...(schema === undefined ? {} : { schema }) }
    }),
  ]
}

/** Undefined for a schema that JSON Schema cannot say (a transform, a custom check). */
function jsonSchemaOf(schema: z.ZodType): Json | undefined {
  const { toJSONSchema } = zod()
  try {
    return JSON.parse(JSON.stringify(toJSONSchema(schema, { io: 'input' }))) as Json
  } catch {
    return undefined
  }
}
