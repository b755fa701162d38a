/** Trust, at the edges: inputs that are no records, costs that nobody can tell. */
import { action, definePlaybook, defineTrust, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const

describe('what acts by itself, drawn to be checked', () => {
  it.each([
    ['nothing', z.null(), null, 'null'],
    ['a text', z.string(), 'good day', '"good day"'],
    ['a list', z.array(z.string()), ['a', 'b'], '0: "a"\n1: "b"'],
  ] as const)('is sent once and shown, where its input is %s', async (_what, input, given, shown) => {
    const sent: unknown[] = []
    const ping = action({
      name: 'crm.ping',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: input as z.ZodType<unknown>,
      output: z.null(),
      undo: z.null(),
      run: async (one) => (sent.push(one), { output: null, undo: null }),
      compensate: () => {},
    })
    const pings = definePlaybook({
      ...{ name: 'pings', version: 1, input: z.object({}), output: z.null() },
      run: (ctx) => ctx.act(ping, given),
    })
    const asks = policy([policy.rule('pings', { on: ping }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(ping, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [pings], actions: [ping], policy: asks, trust })
    await t.keelson.trust.set(ping, 'automatic', { by })
    const run = await t.start(pings, {})
    expect(await run.result()).toBe(null)
    expect(sent).toEqual([given])
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'TRUST_AUDIT', preview: { after: shown } }])
    await t.stop()
  })
})

describe('what acts by itself, and cannot say what it costs', () => {
  it.each([
    ['NaN', () => ({ amount: Number.NaN, currency: 'EUR' })],
    ['infinitely much', () => ({ amount: Infinity, currency: 'EUR' })],
    ['a promise', async () => ({ amount: 1, currency: 'EUR' })],
    ['a promise that fails', () => Promise.reject(new Error('no'))],
    ['a number', () => 1],
    ['nothing, as it throws', () => ([] as { net: string }[])[0]!.net],
  ])('asks a person: it costs %s', async (_what, cost) => {
    const sent: string[] = []
    const pay = action({
      name: 'bank.pay',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string() }),
      output: z.null(),
      undo: z.null(),
      cost: cost as never,
      run: async ({ to }) => (sent.push(to), { output: null, undo: null }),
      compensate: () => {},
    })
    const pays = definePlaybook({
      ...{ name: 'pays', version: 1, input: z.object({}), output: z.null() },
      run: (ctx) => ctx.act(pay, { to: 'ada' }),
    })
    const asks = policy([policy.rule('pays', { on: pay }, () => policy.ask({ grantable: true }))])
    const trust = [defineTrust(pay, { ceiling: 'automatic' })]
    const t = await testConductor({ playbooks: [pays], actions: [pay], policy: asks, trust })
    await t.keelson.trust.set(pay, 'automatic', { by })
    const run = await t.start(pays, {})
    expect(sent).toEqual([])
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', action: 'bank.pay' }])
    await t.approve(pay)
    expect(await run.result()).toBe(null)
    await t.stop()
  })
})
