/** Zod is loaded when it is needed: what a host defines before needs none of it, and each way in loads it by itself. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import '../index.ts' // so that what takes time, its translation, is no part of a test

/** Core as a process has it that has just imported it. */
async function fresh() {
  vi.resetModules()
  const { zod } = await import('./zod.ts')
  return { ...(await import('../index.ts')), isLoaded: () => isDone(zod) }
}

function isDone(work: () => unknown): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}

const when = z.codec(z.string(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

describe('definitions', () => {
  it('are made, refused and tried with the schemas of whoever hands them in, before zod is loaded', async () => {
    const core = await fresh()
    const { action, artifactRef, definePlaybook, defineEntity, defineEvent, defineAgent, definePersona, policy } = core
    const pay = action({
      ...{ name: 'bank.pay', input: z.object({ at: when }), output: z.object({ id: z.string() }) },
      ...{ effect: 'reversible', idempotency: { by: 'key', forMs: 1000 } },
      run: () => Promise.resolve({ output: { id: 'p1' } }),
    })
    definePlaybook({
      ...{ name: 'pay', version: 1, input: z.object({}), output: z.object({ at: when }), uses: [pay] },
      run: () => Promise.resolve({ at: '2001-05-05T00:00:00.000Z' }),
    })
    defineEntity({ name: 'paper', version: 1, schema: z.object({ file: artifactRef(z) }), index: ['file'] })
    defineEvent({ name: 'paid', schema: z.object({ at: when }) })
    defineAgent({ name: 'clerk', version: 1, input: z.object({}), output: z.object({}), instructions: 'Count.' })
    definePersona({ name: 'bookkeeper', may: ['bank.*'] })
    expect(() => defineEntity({ name: 'day', version: 1, schema: z.object({ at: when }) })).toThrow(/codec/)
    expect(() => defineEvent({ name: 'x', schema: z.string().transform(Number) })).toThrow(/one-way/)
    const old = policy.rule('not before 2000', { on: pay }, ({ input }) =>
      new Date(input.at).getFullYear() < 2000 ? policy.deny('too old') : policy.allow(),
    )
    const rows = [
      { action: pay, input: { at: '1999-05-05T00:00:00.000Z' }, expect: 'deny' },
      { action: pay, input: { at: '2001-05-05T00:00:00.000Z' }, expect: 'allow' },
    ] as const
    expect(policy.test(policy([old]), rows)).toEqual({ rows: 2 })
    expect(core.isLoaded()).toBe(false)
  })
})

describe('what parses without a conductor', () => {
  it('loads zod to read bundles', async () => {
    const core = await fresh()
    await expect(core.diffBundles(['{"type":"nothing"}\n'], [])).rejects.toMatchObject({ code: 'BUNDLE_INVALID' })
    expect(core.isLoaded()).toBe(true)
  })

  it('loads zod to check an export against anchors', async () => {
    const core = await fresh()
    const head = '{"format":"keelson.audit","v":1,"workspace":"w"}\n'
    const keys = [generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string]
    const checking = core.verifyExport([head], { anchors: [{} as never], keys })
    await expect(checking).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    expect(core.isLoaded()).toBe(true)
  })
})
