import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { sha256 } from '../../base/hash.ts'
import { canonicalAround } from '../../base/json.ts'
import { jsonSchema } from '../../base/schema.ts'
import { loadZod } from '../../base/zod.ts'
import type { TrustRule } from '../../policy/trust-rule.ts'
import { versionOf } from './version.ts'

/** A schema that counts how often it is described. */
function counted(schema: z.ZodType): { schema: z.ZodType; times: () => number } {
  let times = 0
  schema._zod.toJSONSchema = () => (times++, { type: 'object' })
  return { schema, times: () => times }
}

const rule = { action: 'crm.note', version: '1' } as TrustRule
const knowing = (input: z.ZodType, output: z.ZodType): Parameters<typeof versionOf>[0] =>
  ({ policy: { version: 'p' }, actions: { find: () => ({ input, output }) } }) as never

beforeAll(async () => void (await loadZod()))

describe('versionOf', () => {
  it('describes each schema once, however often it is asked', () => {
    const [input, output] = [counted(z.object({})), counted(z.object({}))]
    const env = knowing(input.schema, output.schema)
    const versions = Array.from({ length: 5 }, () => versionOf(env, rule, undefined))
    expect(new Set(versions).size).toBe(1)
    expect([input.times(), output.times()]).toEqual([1, 1])
  })

  it('is told by what the schemas say, as it was in earlier releases', () => {
    const [input, output] = [z.object({ text: z.string() }), z.null()]
    const parts = ['p', '1', [jsonSchema(input), jsonSchema(output)]]
    const version = sha256(canonicalAround(parts)).slice(0, 12)
    expect(versionOf(knowing(input, output), rule, undefined)).toBe(version)
    expect(versionOf(knowing(z.object({ text: z.string() }), z.null()), rule, undefined)).toBe(version)
    expect(versionOf(knowing(z.object({ text: z.int() }), output), rule, undefined)).not.toBe(version)
  })
})
