/** A standing grant that two conductors use at once: its cap holds for both together, in each period. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy, type Conductor } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'

const by = { kind: 'person', id: 'ann' } as const
const log = { info: () => {}, warn: () => {}, error: () => {} }

describe('a grant that two conductors use at once', () => {
  it.each([
    ['a count', { count: 5, per: '1d' }, 5],
    ['an amount', { amount: { amount: 100, currency: 'EUR' }, per: '1d' }, 4],
  ] as const)('is never used beyond its cap: %s', async (_what, cap, most) => {
    const sent: string[] = []
    const pay = action({
      name: 'bank.pay',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string(), price: z.object({ amount: z.int(), currency: z.string() }) }),
      output: z.null(),
      run: async ({ to }) => (sent.push(to), { output: null }),
    })
    const pays = definePlaybook({
      name: 'pays',
      version: 1,
      input: z.object({ to: z.string() }),
      output: z.null(),
      run: (ctx, { to }) => ctx.act(pay, { to, price: { amount: 24, currency: 'EUR' } }),
    })
    const rules = policy([policy.rule('asks', { on: pay }, () => policy.ask({ grantable: true }))])
    const data = memoryStore()
    const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const open = async (name: string): Promise<Conductor> => {
      const options = { store: data.session(), clock, playbooks: [pays], actions: [pay], policy: rules, name, log }
      const conductor = await createConductor({ ...options, keepAlive: false })
      onTestFinished(() => conductor.stop({ withinMs: 100 }))
      return conductor
    }
    const both = [await open('one'), await open('two')]
    const { id } = await both[0]!.grants.create({ action: pay, where: {}, cap, until: '2027-01-01', by })
    const day = async (name: string): Promise<number> => {
      const before = sent.length
      await Promise.all(
        Array.from({ length: 12 }, (_, i) => both[i % 2]!.start(pays, { to: `${name}${i}` }, { id: `${name}${i}` })),
      )
      for (const one of [...both, ...both]) await one.quiet()
      return sent.length - before
    }
    expect(await day('a')).toBe(most)
    clock.to(clock.now() + 86_400_000)
    expect(await day('b')).toBe(most)
    expect(new Set(sent).size).toBe(2 * most)
    const { items } = await both[0]!.inbox.list({ limit: 100 })
    expect(items).toHaveLength(24 - 2 * most)
    expect((await both[1]!.grants.uses(id)).uses).toHaveLength(2 * most)
    expect(await both[0]!.grants.list()).toMatchObject([{ used: { count: 2 * most } }])
  })
})
