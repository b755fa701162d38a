/** Runs that continue as new: what each journal asks for is its own, and an event is had once. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'

const Round = z.object({ round: z.number() })
const tick = defineEvent({ name: 'tick', schema: Round })

describe('a run that continues as new', () => {
  it('calls its child anew in each journal', async () => {
    const child = definePlaybook({ name: 'child', version: 1, input: Round, output: Round, run: async (_ctx, i) => i })
    const parent = definePlaybook({
      name: 'parent',
      version: 1,
      input: Round,
      output: Round,
      async run(ctx, { round }) {
        const answer = await ctx.call(child, { round })
        return round < 3 ? ctx.continueAsNew({ round: round + 1 }) : answer
      },
    })
    const t = await testConductor({ playbooks: [parent, child] })
    const run = await t.start(parent, { round: 1 })
    expect(await run.result()).toEqual({ round: 3 })
    await t.stop()
  })

  it('emits anew in each journal', async () => {
    const heard: number[] = []
    const listener = definePlaybook({
      name: 'listener',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (let i = 0; i < 3; i++) heard.push((await ctx.waitFor(tick)).round)
        return null
      },
    })
    const parent = definePlaybook({
      name: 'parent',
      version: 1,
      input: Round,
      output: z.null(),
      async run(ctx, { round }) {
        await ctx.emit(tick, { round })
        return round < 3 ? ctx.continueAsNew({ round: round + 1 }) : null
      },
    })
    const t = await testConductor({ playbooks: [parent, listener] })
    const run = await t.start(listener, {})
    await t.start(parent, { round: 1 })
    expect(await run.result()).toBeNull()
    expect([...new Set(heard)].sort()).toEqual([1, 2, 3])
    await t.stop()
  })

  it('asks anew in each journal', async () => {
    const asks = definePlaybook({
      name: 'asks',
      version: 1,
      input: Round,
      output: z.string(),
      async run(ctx, { round }) {
        const answer = await ctx.ask('and now?', { answer: z.string() })
        return round < 2 ? ctx.continueAsNew({ round: round + 1 }) : answer
      },
    })
    const t = await testConductor({ playbooks: [asks] })
    const run = await t.start(asks, { round: 1 })
    await t.answer('one')
    await t.answer('two')
    expect(await run.result()).toBe('two')
    await t.stop()
  })

  it('sees no event of a long buffer twice, however long ago it had it', async () => {
    const go = defineEvent({ name: 'go', schema: z.object({}) })
    const heard: number[] = []
    const rounds = [1003, 3, 2]
    const listener = definePlaybook({
      name: 'listener',
      version: 1,
      input: Round,
      output: z.null(),
      async run(ctx, { round }) {
        if (round === 0) await ctx.waitFor(go)
        for (let i = 0; i < rounds[round]!; i++) heard.push((await ctx.waitFor(tick)).round)
        return round < 2 ? ctx.continueAsNew({ round: round + 1 }) : null
      },
    })
    const all = rounds.reduce((sum, many) => sum + many)
    const t = await testConductor({ playbooks: [listener] })
    const run = await t.start(listener, { round: 0 })
    await t.host(async (keelson) => {
      for (let n = 0; n < all; n++) await keelson.send(tick, { round: n }, { id: `tick ${n}` })
    })
    await t.send(go, {})
    expect(await run.result()).toBeNull()
    expect(heard.length).toBe(all)
    expect(new Set(heard).size).toBe(all)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })
})
