/** Simulations: three conductors on one store, in many orders. The same seed is the same simulation. */
import { action, defineConnector, defineEvent, definePlaybook, KeelsonError, policy } from '@keelson/core'
import { turn } from '@keelson/core/ports'
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

const asked = defineEvent({ name: 'asked', schema: z.object({ order: z.string() }) })
const refund = definePlaybook({
  name: 'refund',
  version: 1,
  input: z.object({ order: z.string() }),
  output: z.object({ how: z.string(), why: z.string() }),
  uses: [billing],
  async run(ctx, { order: id }) {
    await ctx.waitFor(asked, { match: { order: id } })
    const why = await ctx.ask(`Why ${id}?`, { answer: z.string() })
    const how = await ctx.act(charge, { order: id }).then(
      () => 'approved',
      (error: unknown) => (KeelsonError.is(error) ? error.code : String(error)),
    )
    await ctx.waitFor(asked, { match: { order: `${id} again` } })
    return { how, why }
  },
})

/** Done when it is seen, as a host or a person does it; asked again by another conductor, it may have been done. */
async function once(look: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 5000; turns++) {
    if (await look()) return
    await turn()
  }
  throw new Error('nothing of the kind was ever seen')
}

/** Sends when the run waits for it: nobody could say that it came too early. */
const sends =
  (id: string, what: string) =>
  ({ keelson, sometimes }: Simulated): Promise<void> =>
    once(async () => {
      const status = await keelson.runs
        .get(id)
        .status()
        .catch(() => undefined) // not started yet
      if (status?.state === 'completed') return true
      if (status?.state !== 'waiting' || !status.for.some((one) => one.what.includes(`{"order":"${what}"}`)))
        return false
      await keelson.send(asked, { order: what }, { id: `asked ${what}` })
      sometimes('event for who waits')
      return true
    })

/** What was decided in this simulation: what is decided is open no more, and not to be waited for. */
const given = new Set<string>()
const decides =
  (id: string, kind: 'approval' | 'question', decision: Decided) =>
  ({ keelson, sometimes }: Simulated): Promise<void> =>
    once(async () => {
      const { items } = await keelson.inbox.list()
      const item = items.find((one) => one.kind === kind && JSON.stringify(one).includes(id))
      if (item === undefined) return given.has(`${kind} ${id}`)
      given.add(`${kind} ${id}`)
      const { status } = await keelson.inbox.decide(item.id, { hash: item.hash, by: ann, ...decision })
      sometimes(`${kind}: ${status}`)
      return true
    })

type Decided = { approve: true } | { reject: string } | { answer: string }
const ann = { kind: 'person', id: 'ann' } as const
const refunds = ['o-a', 'o-b', 'o-c']
const decided: SimulateOptions = {
  harness: () => {
    given.clear()
    return { playbooks: [refund], connectors: [fake(billing)] }
  },
  commands: refunds.flatMap((id, n) => [
    async ({ keelson }: Simulated) => {
      await keelson.start(refund, { order: id }, { id })
    },
    sends(id, id),
    sends(id, `${id} again`),
    decides(id, 'question', { answer: `for ${id}` }),
    decides(id, 'approval', n === 2 ? { reject: 'no' } : { approve: true }),
  ]),
  async check({ keelson, world }) {
    for (const [n, id] of refunds.entries()) {
      const how = n === 2 ? 'ACTION_DECLINED' : 'approved'
      expect(await keelson.runs.get(id).result({ timeout: '1h' })).toEqual({ how, why: `for ${id}` })
      expect(world(charge).filter((one) => one.input.order === id)).toMatchObject(n === 2 ? [] : [{ times: 1 }])
    }
    expect((await keelson.inbox.list()).items).toEqual([])
  },
  sometimes: ['crash', 'slow clock', 'fast clock', 'event for who waits', 'question: done', 'approval: done'],
}

describe('a simulation', () => {
  it.each(['0s', '2s', '10m'])('#18 of people who decide ends right in every order, clocks %s off', async (skew) => {
    const seeds = process.env['KEELSON_CRASHES'] === 'all' ? 500 : 6
    const sometimes = decided.sometimes!.filter((name) => skew !== '0s' || !name.endsWith('clock'))
    await simulate({ ...decided, seeds, skew, sometimes })
  })

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
