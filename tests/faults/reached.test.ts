/** What reaches a run: mail while a step runs, and each event once over all its journals. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, defineEvent, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const tick = defineEvent({ name: 'tick', schema: z.object({ n: z.number() }) })

describe('mail', () => {
  it('that cancels reaches a step that runs', async () => {
    const begun = Promise.withResolvers<void>()
    const slow = code(async (ctx) =>
      ctx.step('slow', async ({ signal }) => {
        begun.resolve()
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        return null
      }),
    )
    const conductor = await open(store(), { playbooks: [slow] })
    const run = await conductor.start(slow, {}, { id: 'r' })
    await begun.promise
    await conductor.runs.cancel('r', { by: me, reason: 'enough' })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_CANCELLED' })
  })
})

describe('a run that continues as new', () => {
  it('has an event once, over all its journals', async () => {
    const counts = definePlaybook({
      name: 'counts',
      version: 1,
      input: z.object({ round: z.number() }),
      output: z.number(),
      async run(ctx, { round }) {
        await ctx.waitFor(tick)
        return round < 3 ? ctx.continueAsNew({ round: round + 1 }) : round
      },
    })
    const t = await testConductor({ playbooks: [counts] })
    const run = await t.start(counts, { round: 1 })
    await t.send(tick, { n: 0 })
    await expect(run.result()).rejects.toMatchObject({ code: 'RUN_WAITING' })
    await t.send(tick, { n: 0 })
    await t.send(tick, { n: 0 })
    expect(await run.result()).toBe(3)
    await t.stop()
  })
})

describe('an entity', () => {
  it('with a codec is refused: it is handed out as it is stored', () => {
    const at = z.codec(z.string(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
    expect(() => defineEntity({ name: 'due', version: 1, schema: z.object({ at }) })).toThrow(
      expect.objectContaining({ code: 'DEFINITION_INVALID' }) as Error,
    )
  })
})
