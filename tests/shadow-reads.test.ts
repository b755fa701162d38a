/** What a run in shadow reads of its own writes is what it asks for, however much it has written. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook } from '@keelson/core'
import { intercept, memoryStore } from '@keelson/testing'
import { open } from './support/open.ts'

const Note = defineEntity({
  name: 'note',
  version: 1,
  schema: z.object({ n: z.number(), of: z.string() }),
  index: ['of'],
})

const makes = definePlaybook({
  name: 'makes',
  version: 1,
  input: z.object({ many: z.number() }),
  output: z.array(z.number()),
  async run(ctx, { many }) {
    const ids: string[] = []
    for (let n = 0; n < many; n++) ids.push((await ctx.entities(Note).create({ n, of: 'a' })).id)
    await ctx.entities(Note).update(ids[0]!, { of: 'b' })
    const found: number[] = []
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const at = after === undefined ? {} : { after }
      const page = await ctx.entities(Note).list({ where: { of: 'a' }, first: 'newest', limit: 2, ...at })
      found.push(...page.entities.map(({ data }) => data.n))
      after = found.length < 6 ? page.next : undefined
    }
    return found
  },
})

async function rowsRead(many: number): Promise<number> {
  let rows = 0
  const inner = memoryStore()
  const session = () =>
    intercept(inner.session(), {
      after(op, _detail, answer) {
        if (op === 'records')
          rows += (answer as readonly { kind: string }[]).filter((row) => row.kind === 'overlay').length
      },
    })
  const keelson = await open({ ...inner, session } as typeof inner, { playbooks: [makes], entities: [Note] })
  const run = await keelson.start(makes, { many }, { id: 'r', shadow: true })
  expect(await run.result()).toEqual([1, 2, 3, 4, 5, 6].map((back) => many - back))
  await keelson.stop()
  return rows
}

it('creates twice as many records with about twice as many reads', async () => {
  const [few, many] = [await rowsRead(40), await rowsRead(80)]
  expect(many).toBeLessThan(2.5 * few)
})
