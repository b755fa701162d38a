/** Simulations: three conductors on one store, in many orders. The same seed is the same simulation. */
import { action, defineConnector, defineEvent, definePlaybook, policy } from '@keelson/core'
import { fake, simulate, type Simulated, type SimulateOptions } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const charge = action({
  name: 'billing.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ order: z.string() }),
  output: z.object({ paid: z.boolean() }),
  intent: ({ order }) => [order],
  run: () => Promise.reject(new Error('real')),
})
const post = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ order: z.string() }),
  output: z.object({}),
  run: () => Promise.reject(new Error('real')),
})
const billing = defineConnector({ name: 'billing', actions: { charge } })
const letter = defineConnector({ name: 'letter', actions: { post } })
const paid = defineEvent({ name: 'paid', schema: z.object({ order: z.string() }) })
const order = definePlaybook({
  name: 'order',
  version: 1,
  input: z.object({ order: z.string() }),
  output: z.object({ by: z.string() }),
  uses: [billing, letter],
  async run(ctx, input) {
    await ctx.step('check', () => 1)
    const event = await ctx.waitFor(paid, { match: { order: input.order }, timeout: '2m' })
    if (!event) await ctx.act(charge, input)
    await ctx.act(post, input)
    await ctx.sleep('30s')
    return { by: event ? 'event' : 'charge' }
  },
})

const orders = ['a', 'b', 'c', 'd']
const options: SimulateOptions = {
  harness: () => ({
    playbooks: [order],
    connectors: [fake(billing), fake(letter)],
    policy: policy([policy.rule('free', { on: [charge, post] }, () => policy.allow())]),
  }),
  commands: orders.flatMap((id, n) => [
    async ({ keelson }) => void (await keelson.start(order, { order: id }, { id })),
    ...(n % 2 === 0 ? [({ keelson }: Simulated) => keelson.send(paid, { order: id }, { id: `paid ${id}` })] : []),
  ]),
  async check({ keelson, world, sometimes }) {
    for (const id of orders) {
      const { by } = (await keelson.runs.get(id).result()) as { by: string }
      sometimes(by)
      expect(world(post).filter((one) => one.input.order === id)).toMatchObject([{ times: 1 }])
      expect(world(charge).filter((one) => one.input.order === id)).toHaveLength(by === 'charge' ? 1 : 0)
    }
  },
  skew: '10s',
}

const keyedOrder = definePlaybook({
  name: 'keyed-order',
  version: 1,
  input: z.object({ order: z.string() }),
  output: z.object({ steps: z.number() }),
  uses: [billing],
  async run(ctx, { order: id }) {
    let steps = 0
    for (const part of ['1', '2', '3']) {
      steps += await ctx.step(`part ${part}`, () => 1)
      await ctx.act(charge, { order: `${id}${part}` })
    }
    return { steps }
  },
})
const keyedOnly: Pick<SimulateOptions, 'commands' | 'check'> = {
  commands: orders.map(
    (id) =>
      async ({ keelson }) =>
        void (await keelson.start(keyedOrder, { order: id }, { id })),
  ),
  async check({ keelson, world }) {
    for (const id of orders) expect(await keelson.runs.get(id).result()).toEqual({ steps: 3 })
    expect(world(charge).map(({ times }) => times)).toEqual(Array.from({ length: 12 }, () => 1))
  },
}

describe('a simulation', () => {
  it('ends right in every order', async () => {
    const seeds = process.env['KEELSON_CRASHES'] === 'all' ? 2000 : 40
    const { sometimes } = await simulate({ ...options, seeds, sometimes: ['crash', 'event', 'charge'] })
    expect(sometimes['crash']).toBeGreaterThan(0)
  })

  it('ends right although some go on after they lost their leases', async () => {
    const harness = options.harness
    const keyed = { ...options, harness: () => ({ ...harness(), playbooks: [keyedOrder] }), ...keyedOnly }
    await simulate({ ...keyed, seeds: 30, zombies: true, sometimes: ['zombie', 'crash'] })
  })

  it('is the same for the same seed, and another for another', async () => {
    const { traces } = await simulate({ ...options, seeds: [7, 7, 8] })
    expect(traces[0]).toBe(traces[1])
    expect(traces[0]).not.toBe(traces[2])
  })

  it('names the seed that breaks what must hold', async () => {
    const check = (): void => {
      throw new Error('never right')
    }
    await expect(simulate({ ...options, seeds: [3], check })).rejects.toThrow(/seed 3: never right/)
  })

  it('fails when a named state was never reached', async () => {
    await expect(simulate({ ...options, seeds: 1, sometimes: ['the moon'] })).rejects.toThrow(/the moon/)
  })
})
