/** How far a run in shadow is like a real one: up to where it is one, and what its answers come from. */
import { action, defineConnector, definePlaybook } from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))

const charge = action({
  name: 'bank.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ invoice: z.string() }),
  output: z.object({ status: z.string() }),
  intent: ({ invoice }) => [invoice],
  simulate: () => ({ status: 'paid' }),
  run: real,
})
const put = action({
  name: 'page.put',
  effect: 'reversible',
  input: z.object({ path: z.string() }),
  output: z.object({ path: z.string() }),
  preview: ({ path }) => ({ kind: 'fields', rows: [{ label: 'path', after: path }] }),
  run: real,
})
const tell = action({
  name: 'page.tell',
  effect: 'reversible',
  input: z.object({ path: z.string() }),
  output: z.null(),
  run: real,
})
const post = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string() }),
  output: z.object({ number: z.string() }),
  run: real,
})
const acts = { charge, put, tell, post } as const

const work = definePlaybook({
  name: 'work',
  version: 1,
  input: z.object({ steps: z.int(), acts: z.array(z.enum(['charge', 'put', 'tell', 'post'])) }),
  output: z.int(),
  async run(ctx, { steps, acts: names }) {
    for (let n = 1; n <= steps; n++) await ctx.step(`look ${n}`, () => n)
    for (const name of names) {
      if (name === 'charge') await ctx.act(charge, { invoice: `i${steps}` })
      else if (name === 'post') await ctx.act(post, { to: 'x' })
      else await ctx.act(acts[name], { path: `/${steps}` })
    }
    return names.length
  },
})
const calls = definePlaybook({
  name: 'calls',
  version: 1,
  input: z.object({}),
  output: z.int(),
  async run(ctx) {
    await ctx.step('look', () => 1)
    await ctx.act(charge, { invoice: 'own' })
    return ctx.call(work, { steps: 0, acts: ['charge'] })
  },
})

const pauses = definePlaybook({
  name: 'pauses',
  version: 1,
  input: z.object({}),
  output: z.null(),
  async run(ctx) {
    await ctx.act(put, { path: '/first' })
    await ctx.sleep('1h')
    await ctx.step('look', () => 1)
    await ctx.act(charge, { invoice: 'last' })
    return null
  },
})

const options = {
  playbooks: [work, calls, pauses],
  connectors: [
    fake(defineConnector({ name: 'bank', actions: { charge } })),
    fake(defineConnector({ name: 'page', actions: { put, tell } })),
    fake(defineConnector({ name: 'letter', actions: { post } })),
  ],
}
const shadowed = async (t: Harness, steps: number, ...names: (keyof typeof acts)[]): Promise<string> =>
  (await t.start(work, { steps, acts: names }, { shadow: true })).id

describe('a run in shadow', () => {
  it('is as a real one up to its first simulated step; of several runs the earliest counts', async () => {
    const t = await testConductor(options)
    const late = await shadowed(t, 2, 'charge', 'charge')
    expect(await t.keelson.shadow.report(work)).toMatchObject({ firstSimulatedStep: 3, fidelity: 'high' })
    const soon = await shadowed(t, 1, 'charge')
    expect((await t.keelson.shadow.report(work)).firstSimulatedStep).toBe(2)
    expect((await t.keelson.shadow.diff(late)).firstSimulatedStep).toBe(3)
    expect(await t.keelson.shadow.diff(soon)).toMatchObject({
      firstSimulatedStep: 2,
      fidelity: 'high',
      unsimulated: [],
    })
  })

  it('has no such step where nothing was simulated', async () => {
    const t = await testConductor(options)
    const run = await shadowed(t, 2)
    for (const told of [await t.keelson.shadow.report(work), await t.keelson.shadow.diff(run)]) {
      expect(told).not.toHaveProperty('firstSimulatedStep')
      expect(told.fidelity).toBe('high')
    }
  })

  it('counts from the effect that its family proposed first, in the run that did', async () => {
    const t = await testConductor(options)
    const run = await t.start(calls, {}, { shadow: true })
    expect(await run.result()).toBe(1)
    expect(await t.keelson.shadow.diff(run.id)).toMatchObject({ firstSimulatedStep: 2, pairs: [{}, {}] })
  })

  it('is less like one where an answer was guessed from what a preview shows', async () => {
    const t = await testConductor(options)
    const run = await shadowed(t, 1, 'charge', 'put')
    const { fidelity, pairs } = await t.keelson.shadow.report(work)
    expect([fidelity, pairs.map((one) => one.guessed ?? false)]).toEqual(['medium', [false, true]])
    expect((await t.keelson.shadow.diff(run)).fidelity).toBe('medium')
  })

  it('guesses nothing of an action that answers nothing', async () => {
    const t = await testConductor(options)
    await shadowed(t, 0, 'tell')
    expect(await t.keelson.shadow.report(work)).toMatchObject({ effects: 1, fidelity: 'high', firstSimulatedStep: 1 })
  })

  it('is not like one from where an action could not be simulated', async () => {
    const t = await testConductor(options)
    const since = new Date(t.clock.now()).toISOString()
    const run = await shadowed(t, 1, 'charge', 'post', 'charge')
    const lost = [{ run, step: 'letter.post', action: 'letter.post', at: since }]
    const reported = await t.keelson.shadow.report(work)
    expect(reported).toMatchObject({ effects: 1, fidelity: 'low', firstSimulatedStep: 2, unsimulated: lost })
    expect(await t.keelson.shadow.diff(run)).toMatchObject({ fidelity: 'low', unsimulated: lost })
    await t.advance('1h')
    const later = new Date(t.clock.now()).toISOString()
    expect(await t.keelson.shadow.report(work, { since: later })).toMatchObject({ fidelity: 'high', unsimulated: [] })
    expect((await t.keelson.audit.verify()).faults).toEqual([])
  })

  it('is simulated from its first effect on, whether or not that is reported on', async () => {
    const t = await testConductor(options)
    await t.start(pauses, {}, { shadow: true })
    const since = new Date(t.clock.now() + 1).toISOString()
    await t.advance('1h')
    const told = { effects: 1, firstSimulatedStep: 1, fidelity: 'medium' }
    expect(await t.keelson.shadow.report(pauses, { since })).toMatchObject(told)
  })

  it('says so when it is asked why', async () => {
    const t = await testConductor(options)
    const why = async (run: string): Promise<string> =>
      (await t.keelson.why(run))
        .split('\n')
        .filter((line) => line.startsWith('  - simulated'))
        .join('\n')
    expect(await why(await shadowed(t, 1, 'charge'))).toBe(
      '  - simulated from its step 2 on, fidelity high: what it was answered is what its actions say',
    )
    expect(await why(await shadowed(t, 2, 'put'))).toContain('step 3 on, fidelity medium: some of what it was answered')
    expect(await why(await shadowed(t, 0, 'post'))).toContain('simulated, fidelity low: letter.post could not be')
    expect(await why((await t.start(work, { steps: 1, acts: [] })).id)).toBe('')
  })

  it('is told the same, wherever a process dies', async () => {
    await exploreCrashes(
      async (t) => {
        await shadowed(t, 1, 'put', 'post')
        const { firstSimulatedStep, fidelity, unsimulated } = await t.host((keelson) => keelson.shadow.report(work))
        return [firstSimulatedStep, fidelity, unsimulated.map((one) => one.step)]
      },
      { harness: () => options },
    )
  })
})
