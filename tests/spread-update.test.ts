/** A record that was read and is written whole, by code that does not know all of its fields: of another release, or of before a field went. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
import { code, me, open, store } from './support/open.ts'

const shape = z.object({ n: z.string() })
const Quote = defineEntity({ name: 'quote', version: 1, schema: shape })
const Wider = defineEntity({ name: 'quote', version: 1, schema: shape.extend({ note: z.string().optional() }) })

async function quoted() {
  const shared = store()
  const newer = await open(shared, { playbooks: [], entities: [Wider] })
  const { id } = await newer.entities(Wider, { by: me }).create({ n: 'Q1', note: 'hurry' })
  return { shared, id }
}

it('is written by the host, and by a run', async () => {
  const { shared, id } = await quoted()
  const work = code(async (ctx) => {
    const quote = await ctx.entities(Quote).get(id)
    return (await ctx.entities(Quote).update(id, { ...quote.data, n: 'Q2' })).data.n
  })
  const older = await open(shared, { playbooks: [work], entities: [Quote] })
  expect(await (await older.start(work, {}, { id: 'r' })).result()).toBe('Q2')
  const quotes = older.entities(Quote, { by: me })
  const { data } = await quotes.get(id)
  expect((await quotes.update(id, { ...data, n: 'Q3' })).data.n).toBe('Q3')
})

it.each([{ note: 'no hurry' }, { nmae: 'Q2' }])('is refused a field that it does not have: %j', async (patch) => {
  const { shared, id } = await quoted()
  const older = await open(shared, { playbooks: [], entities: [Quote] })
  const update = older.entities(Quote, { by: me }).update(id, patch as object)
  await expect(update).rejects.toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('no field') })
})
