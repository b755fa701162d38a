/** One run with thousands of branches that wait: it arms a timer for the soonest, and ends as a small one does. */
import { defineEvent, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const COUNT = 600
const arrived = defineEvent({ name: 'parcel.arrived', schema: z.object({ n: z.int() }) })
const fleet = definePlaybook({
  name: 'fleet',
  version: 1,
  input: z.object({ count: z.int() }),
  output: z.object({ slept: z.int(), came: z.int(), missed: z.int() }),
  async run(ctx, { count }) {
    const numbers = Array.from({ length: count }, (_, n) => n)
    const ends = await ctx.all(
      numbers,
      (n) => `${n}`,
      async (own, n) => {
        if (n % 2 === 0) return own.sleep('1h').then(() => 'slept')
        return (await own.waitFor(arrived, { match: { n }, timeout: '2h' })) === undefined ? 'missed' : 'came'
      },
    )
    const of = (end: string): number => ends.filter((one) => one === end).length
    return { slept: of('slept'), came: of('came'), missed: of('missed') }
  },
})

describe('a run with thousands of branches that wait', () => {
  it('arms one timer for the soonest, not one for each', async () => {
    const t = await testConductor({ playbooks: [fleet], limits: { fanOutMax: COUNT } })
    const before = t.clock.moves
    const run = await t.start(fleet, { count: COUNT })
    expect(t.clock.moves - before).toBeLessThan(50)
    for (const n of [1, 3, 5]) await t.send(arrived, { n })
    await t.advance('2h')
    expect(await run.result()).toEqual({ slept: COUNT / 2, came: 3, missed: COUNT / 2 - 3 })
  })
})
