/** Strays: an action that a test neither fakes nor passes never runs, and the test hears of it. */
import { action, definePlaybook, policy, type Action } from '@keelson/core'
import { exploreCrashes, fake, simulate, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

let really = 0
const shop = (name: string, effect: 'read' | 'reversible' = 'reversible'): Action<{ item: string }, string> =>
  action({
    name,
    ...(effect === 'read' ? { effect } : { effect, idempotency: { by: 'key' } }),
    input: z.object({ item: z.string() }),
    output: z.string(),
    fresh: () => {
      really++
      return null
    },
    run: () => {
      really++
      return { output: 'really' }
    },
    reconcile: async () => {
      really++
      return { state: 'unknown' }
    },
  })
const order = shop('shop.order')
const look = shop('shop.look', 'read')
const gate = policy([policy.rule('free', { on: [order, look] }, () => policy.allow())])

/** Goes on whatever becomes of the action, as a playbook may. */
const buy = (name: string, what: Action<{ item: string }, string>, uses: readonly { readonly name: string }[] = []) =>
  definePlaybook({
    name,
    version: 1,
    input: z.object({}),
    output: z.string(),
    uses,
    run: (ctx) =>
      ctx.act(what, { item: 'tea' }).then(
        (got) => got,
        (thrown: unknown) => `went on without: ${(thrown as { code?: string }).code}`,
      ),
  })
const buys = buy('buys', order, [order])
const refused = { code: 'ACTION_NOT_FAKED', hint: expect.stringMatching(/fake\(it\).*actions: \[it\]/) as string }

describe('an action that a test neither fakes nor passes', () => {
  it.each([
    ['that uses names', buys],
    ['that only code names', buy('reaches', order)],
    ['that reads', buy('looks', look, [look])],
  ])('%s does not run, and the test throws whatever the playbook made of it', async (_, playbook) => {
    really = 0
    const t = await testConductor({ playbooks: [playbook], policy: gate })
    await expect(t.start(playbook, {})).rejects.toMatchObject(refused)
    await expect(t.settle()).rejects.toMatchObject(refused)
    expect(await t.keelson.runs.get('run-1').result()).toBe('went on without: ACTION_NOT_FAKED')
    expect(really).toBe(0)
    await t.stop()
  })

  it('does not run when a person has approved it, nor to see whether what it rests on has changed', async () => {
    really = 0
    const t = await testConductor({ playbooks: [buys] })
    await expect(t.start(buys, {}).then(() => t.approve(order))).rejects.toMatchObject(refused)
    expect(really).toBe(0)
    await t.stop()
  })

  it('is heard of when the harness stops, by a test that called past it', async () => {
    const t = await testConductor({ playbooks: [buys], policy: gate })
    await t.keelson.start(buys, {}, { id: 'past' })
    expect(await t.keelson.runs.get('past').result()).toBe('went on without: ACTION_NOT_FAKED')
    await expect(t.stop()).rejects.toMatchObject(refused)
  })

  it('is no world to look into, nor one to disturb', async () => {
    const t = await testConductor({ playbooks: [buys], actions: [order] })
    expect(() => t.world(order)).toThrow(expect.objectContaining(refused))
    expect(() => t.fault(order, 'refused')).toThrow(expect.objectContaining(refused))
    expect(() => t.latency(order, '1s')).toThrow(expect.objectContaining(refused))
    expect(() => t.fresh(order, 1)).toThrow(expect.objectContaining(refused))
    await t.stop()
  })

  it('is refused in a crash exploration and in a simulation too', async () => {
    really = 0
    const reaches = buy('reaches', order)
    const harness = () => ({ playbooks: [reaches], policy: gate })
    await expect(exploreCrashes((t) => t.start(reaches, {}), { harness })).rejects.toMatchObject(refused)
    const simulated = simulate({
      harness,
      commands: [async ({ keelson }) => void (await keelson.start(reaches, {}, { id: 'run' }))],
      check: () => {},
      seeds: 1,
    })
    await expect(simulated).rejects.toThrow(/shop\.order would really run/)
    expect(really).toBe(0)
  })
})

describe('what a test says of its actions', () => {
  it('runs one that it passes', async () => {
    really = 0
    const t = await testConductor({ playbooks: [buys], actions: [order], policy: gate })
    expect(await (await t.start(buys, {})).result()).toBe('really')
    expect(really).toBe(1)
    await t.stop()
  })

  it('fakes actions of no connector one by one, with what they answer', async () => {
    const both = definePlaybook({
      name: 'both',
      version: 1,
      input: z.object({}),
      output: z.array(z.string()),
      run: async (ctx) => [await ctx.act(look, { item: 'tea' }), await ctx.act(order, { item: 'tea' })],
    })
    const connectors = [fake(order), fake(look, { 'shop.look': () => 'there' })]
    const t = await testConductor({ playbooks: [both], connectors, policy: gate })
    expect(await (await t.start(both, {})).result()).toEqual(['there', ''])
    expect(t.world(order)).toMatchObject([{ input: { item: 'tea' }, times: 1 }])
    await t.stop()
  })

  it('may disturb, in an exploration, what only its playbook names', async () => {
    const { sometimes } = await exploreCrashes(async (t) => {
      t.fresh(order, 'in stock')
      const run = await t.start(buys, {})
      await t.approve(order)
      return [await run.result(), t.world(order).length]
    })
    expect(Object.keys(sometimes).length).toBeGreaterThan(3)
  })
})
