/**
 * Property: a revert after any prefix of a run, whatever people did to the same things meanwhile, leaves the world
 * balanced, or lists exactly what is left.
 */
import { action, ActionError, defineEntity, definePlaybook, policy, type Actor, type RevertResult } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const ann: Actor = { kind: 'person', id: 'ann' }

const Op = z.union([
  z.object({ do: z.literal('put'), name: z.enum(['x', 'y']), value: z.string() }),
  z.object({ do: z.literal('send'), to: z.string() }),
  z.object({ do: z.literal('edit'), field: z.enum(['a', 'b']), value: z.string() }),
  z.object({ do: z.literal('make') }),
])
type Op = z.infer<typeof Op>
type Meddling = { kind: 'outside'; name: 'x' | 'y' } | { kind: 'entity'; field: 'a' | 'b' }

/** What is put with this value cannot be taken back. */
const STUCK = '3'
const letter = fc.constantFrom('1', '2', STUCK)
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ do: fc.constant('put' as const), name: fc.constantFrom('x' as const, 'y' as const), value: letter }),
  fc.record({ do: fc.constant('send' as const), to: letter }),
  fc.record({ do: fc.constant('edit' as const), field: fc.constantFrom('a' as const, 'b' as const), value: letter }),
  fc.record({ do: fc.constant('make' as const) }),
)
const anyMeddling: fc.Arbitrary<Meddling> = fc.oneof(
  fc.record({ kind: fc.constant('outside' as const), name: fc.constantFrom('x' as const, 'y' as const) }),
  fc.record({ kind: fc.constant('entity' as const), field: fc.constantFrom('a' as const, 'b' as const) }),
)

const Box = defineEntity({ name: 'box', version: 1, schema: z.object({ a: z.string(), b: z.string() }) })

/** Named values outside, each with the mark of its last writer; and letters, which stay sent. */
function world() {
  const values = new Map<string, string>()
  const sent: string[] = []
  let stamps = 0
  const put = action({
    name: 'world.put',
    effect: 'reversible',
    idempotency: { by: 'id' },
    input: z.object({ name: z.string(), value: z.string() }),
    output: z.null(),
    undo: z.object({ name: z.string(), before: z.string().nullable(), mark: z.string() }),
    run({ name, value }) {
      const mark = `${value}#${++stamps}`
      const undo = { name, before: values.get(name) ?? null, mark }
      values.set(name, mark)
      return { output: null, undo }
    },
    compensate({ name, before, mark }) {
      if (values.get(name) !== mark) throw new ActionError({ class: 'final' }, 'edited since')
      if (mark.startsWith(STUCK)) throw new ActionError({ class: 'final' }, 'stuck')
      if (before === null) values.delete(name)
      else values.set(name, before)
    },
  })
  const send = action({
    name: 'world.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.null(),
    run: ({ to }) => (sent.push(to), { output: null }),
  })
  return { values, sent, put, send }
}

async function tried(ops: readonly Op[], cut: number, meddling: readonly Meddling[]) {
  const { values, sent, put, send } = world()
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input: z.object({ box: z.string(), ops: z.array(Op), cut: z.number() }),
    output: z.null(),
    async run(ctx, input) {
      for (const [i, op] of input.ops.entries()) {
        if (i === input.cut) await ctx.sleep('30d')
        if (op.do === 'put') await ctx.act(put, { name: op.name, value: op.value })
        if (op.do === 'send') await ctx.act(send, { to: op.to })
        if (op.do === 'edit') await ctx.entities(Box).update(input.box, { [op.field]: op.value })
        if (op.do === 'make') await ctx.entities(Box).create({ a: 'new', b: 'new' })
      }
      return null
    },
  })
  const gate = policy([policy.rule('free', { on: [put, send] }, () => policy.allow())])
  const t = await testConductor({ playbooks: [work], actions: [put, send], policy: gate })
  const people = t.keelson.entities(Box, { by: ann })
  const box = await people.create({ a: '0', b: '0' })
  values.set('x', 'first')
  await t.start(work, { box: box.id, ops: [...ops], cut }, { id: 'w' })
  if (cut < ops.length) await t.host((keelson) => keelson.runs.cancel('w', { by: ann, reason: 'cut' }))
  for (const one of meddling) {
    if (one.kind === 'outside') values.set(one.name, 'by a person')
    else await people.update(box.id, { [one.field]: 'by a person' })
  }
  const plan = await t.keelson.revert.plan({ run: 'w' })
  const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
  const result = (await t.keelson.runs.get(id).result()) as RevertResult
  const data = (await people.get(box.id)).data
  expect(await t.keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
  return { values, sent, data, result, plan }
}

describe('a revert', () => {
  it('after any prefix of a run leaves the world balanced, or lists exactly what is left', async () => {
    const any = fc.record({
      ops: fc.array(anyOp, { maxLength: 7 }),
      cut: fc.nat(7),
      meddling: fc.array(anyMeddling, { maxLength: 2 }),
    })
    await fc.assert(
      fc.asyncProperty(any, async ({ ops, cut, meddling }) => {
        const done = ops.slice(0, cut)
        const { values, sent, data, result } = await tried(ops, cut, meddling)
        const edited = new Set(meddling.map((one) => (one.kind === 'outside' ? one.name : one.field)))
        const was: Record<string, string | undefined> = { x: 'first', y: undefined }
        for (const name of ['x', 'y'] as const) {
          const puts = done.flatMap((op) => (op.do === 'put' && op.name === name ? [op.value] : []))
          const left = result.failed.filter(({ what }) => what.includes(`name: ${name}`)).length
          const stuck = puts.lastIndexOf(STUCK) // what was put before it is under it
          if (edited.has(name)) expect(values.get(name)).toBe('by a person')
          else if (stuck >= 0) expect(values.get(name)).toMatch(/^3#/)
          else expect(values.get(name)).toBe(was[name])
          expect(left).toBe(edited.has(name) ? puts.length : stuck + 1)
        }
        for (const field of ['a', 'b'] as const) expect(data[field]).toBe(edited.has(field) ? 'by a person' : '0')
        const reasons = (why: string): number => result.left.filter((one) => one.why.includes(why)).length
        expect(sent).toEqual(done.flatMap((op) => (op.do === 'send' ? [op.to] : [])))
        expect(reasons('irreversible')).toBe(sent.length)
        expect(reasons('created it')).toBe(done.filter(({ do: what }) => what === 'make').length)
        expect(result.failed.every(({ why }) => why === 'edited since' || why === 'stuck')).toBe(true)
      }),
      { numRuns: Number(process.env['KEELSON_RUNS'] ?? 60) },
    )
  })
})
