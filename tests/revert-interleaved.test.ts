/**
 * Property: runs and people write to one record in turns, and runs are taken back in any order: none of that touches what
 * somebody else has changed since, and nothing that a run wrote stays where it was the last to write.
 */
import { defineEntity, defineEvent, definePlaybook, type Actor } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'

const ann: Actor = { kind: 'person', id: 'ann' }
const Box = defineEntity({ name: 'box', version: 1, schema: z.object({ a: z.string(), b: z.string().optional() }) })
const Write = z.object({ who: z.string(), field: z.enum(['a', 'b']), value: z.string() })
const go = defineEvent({ name: 'go', schema: Write })
const writes = definePlaybook({
  name: 'writes',
  version: 1,
  input: z.object({ id: z.string(), who: z.string() }),
  output: z.null(),
  async run(ctx, { id, who }) {
    for (let i = 0; i < 20; i++) {
      const { field, value } = await ctx.waitFor(go, { match: { who } })
      await ctx.entities(Box).update(id, { [field]: value })
    }
    return null
  },
})

const run = fc.constantFrom('r1', 'r2', 'r3')
const field = fc.constantFrom('a' as const, 'a' as const, 'b' as const)
const anyDeed = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), who: run, field }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('write' as const), who: fc.constant('ann'), field }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revert' as const), who: run, field }) },
)

it('a record that many write to is put back only where the run was the last', { timeout: 120_000 }, async () => {
  let back = 0
  await fc.assert(
    fc.asyncProperty(fc.array(anyDeed, { minLength: 6, maxLength: 12 }), async (deeds) => {
      const t = await testConductor({ playbooks: [writes] })
      const people = t.keelson.entities(Box, { by: ann })
      const { id } = await people.create({ a: 'first' })
      for (const who of ['r1', 'r2', 'r3']) await t.start(writes, { id, who }, { id: who })
      const writer: Record<string, string> = { first: 'ann' }
      const last: Record<'a' | 'b', string> = { a: 'ann', b: 'ann' }
      const gone = new Set<string>()
      const now = async (): Promise<{ a: string; b?: string | undefined }> => (await people.get(id)).data
      for (const [n, { do: what, who, field }] of deeds.entries()) {
        const value = `${who} ${n}`
        if (what === 'revert') {
          const before = await now()
          const plan = await t.keelson.revert.plan({ run: who })
          await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
          gone.add(who)
          const after = await now()
          for (const one of ['a', 'b'] as const) {
            if (last[one] !== who) expect(after[one]).toBe(before[one])
            else if (Object.hasOwn(writer, before[one] ?? '')) {
              expect(writer[after[one] ?? 'first']).not.toBe(who)
              last[one] = writer[after[one] ?? 'first']!
              back++
            }
          }
          continue
        }
        if (gone.has(who)) continue
        writer[value] = who
        last[field] = who
        if (who === 'ann') await people.update(id, { [field]: value })
        else await t.host((keelson) => keelson.send(go, { who, field, value }, { id: `e${n}` }))
        expect((await now())[field]).toBe(value)
      }
      expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
      await t.stop()
    }),
    { numRuns: 150 },
  )
  expect(back).toBeGreaterThan(50)
})

/** Runs r and s that write as they are told, and what the field holds after each revert. */
async function twoRuns() {
  const t = await testConductor({ playbooks: [writes] })
  const people = t.keelson.entities(Box, { by: ann })
  const { id } = await people.create({ a: 'first' })
  let n = 0
  for (const who of ['r', 's']) await t.start(writes, { id, who }, { id: who })
  return {
    t,
    people,
    id,
    write: async (who: string, value = `${who} ${n}`) =>
      t.host((keelson) => keelson.send(go, { who, field: 'a', value }, { id: `e${n++}` })),
    revert: async (what: { run: string; to?: string }): Promise<string> => {
      const plan = await t.keelson.revert.plan(what)
      await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
      return (await people.get(id)).data.a
    },
  }
}

it('goes back behind all that was taken back before, also where it writes again and is taken back once more', async () => {
  const { t, write, revert } = await twoRuns()
  for (const who of ['r', 's', 'r']) await write(who)
  expect([await revert({ run: 'r' }), await revert({ run: 's' })]).toEqual(['s 1', 'first'])
  expect((await t.keelson.revert.plan({ run: 'r' })).lines.filter(({ can }) => can)).toEqual([])
  await write('r')
  expect(await revert({ run: 'r' })).toBe('first')
  expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  await t.stop()
})

it("goes back to what a person's word was, which was taken back and is said again", async () => {
  const { t, people, id, write, revert } = await twoRuns()
  await people.update(id, { a: 'of ann' })
  const { memory } = t.keelson
  const [set] = await memory.changes.list()
  const back = await memory.revert({ changeSet: set!.id }, { by: ann })
  expect((await people.get(id)).data.a).toBe('first')
  await memory.revert({ changeSet: back.changeSets[0]! }, { by: ann })
  await write('r')
  expect(await revert({ run: 'r' })).toBe('of ann')
  await t.stop()
})
