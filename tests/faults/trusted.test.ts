/** Trust, at the edges: costs that nobody can tell. */
import { action, definePlaybook, defineTrust, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const

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
