/** Durations in the inputs of playbooks, and in answers of people. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { definePlaybook, duration } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me } from './support/open.ts'

it('go where a verb takes one: as an input, by default, and as an answer', async () => {
  const waits = definePlaybook({
    ...{ name: 'waits', version: 1, output: z.array(z.string()) },
    input: z.object({ pause: duration(z), again: duration(z).default('2h') }),
    async run(ctx, { pause, again }) {
      await ctx.sleep(pause)
      await ctx.sleep(again)
      const last = await ctx.ask('How long still?', { answer: duration(z), timeout: pause })
      await ctx.sleep(last)
      return [pause, again, last]
    },
  })
  const t = await testConductor({ playbooks: [waits] })
  await expect(t.start(waits, { pause: '3 days' as never })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining("'90s'"),
  })
  const run = await t.start(waits, { pause: '3d' })
  await t.advance('3d')
  await t.advance('2h')
  const [item] = (await t.inbox.list()).items
  const answer = (given: string) =>
    t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, answer: given }))
  expect(await answer('soon')).toMatchObject({ status: 'refused', why: 'invalid' })
  expect(await answer('1m')).toMatchObject({ status: 'done' })
  await t.advance('1m')
  expect(await run.result()).toEqual(['3d', '2h', '1m'])
  await t.stop()
})
