/** A budget under several conductors on one store, whatever order they work in. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineBudget, definePlaybook, policy } from '@keelson/core'
import { open, store } from './support/open.ts'

describe('a budget', () => {
  it('#32 is never overrun, by however many conductors at once, and never left unused', async () => {
    const step = fc.record({ cents: fc.integer({ min: 1, max: 60 }), turns: fc.integer({ min: 0, max: 4 }) })
    let reached = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 10 }),
        fc.integer({ min: 2, max: 4 }),
        async (steps, workers) => {
          let [flying, spent, most] = [0, 0, 0]
          const pay = action({
            name: 'bank.pay',
            effect: 'irreversible',
            idempotency: { by: 'key' },
            input: z.object({ n: z.int(), amount: z.object({ amount: z.int(), currency: z.string() }) }),
            output: z.object({}),
            async run({ n, amount }) {
              flying++
              spent += amount.amount
              most = Math.max(most, spent)
              for (let i = 0; i < steps[n]!.turns; i++) await new Promise((done) => setImmediate(done))
              flying--
              return { output: {} }
            },
          })
          const work = definePlaybook({
            name: 'work',
            version: 1,
            input: z.object({ n: z.int(), cents: z.int() }),
            output: z.object({}),
            run: (ctx, { n, cents }) => ctx.act(pay, { n, amount: { amount: cents, currency: 'EUR' } }),
          })
          const data = store()
          const options = {
            playbooks: [work],
            actions: [pay],
            policy: policy([policy.rule('free', { on: pay }, () => policy.allow())]),
            budgets: [defineBudget({ name: 'all', limit: { money: { amount: 100, currency: 'EUR' } } })],
          }
          const all = await Promise.all(
            Array.from({ length: workers }, (_, i) => open(data, { ...options, name: `w${i}` })),
          )
          await Promise.all(steps.map(({ cents }, n) => all[n % workers]!.start(work, { n, cents }, { id: `r${n}` })))
          for (let i = 0; i < 3; i++) await Promise.all(all.map((one) => one.quiet()))
          const asked = (await all[0]!.inbox.list()).items.length
          expect(most).toBeLessThanOrEqual(100)
          expect(flying).toBe(0)
          const total = steps.reduce((sum, { cents }) => sum + cents, 0)
          const { used, reserved } = (await all[0]!.budgets.list())[0]!
          expect([used.money, reserved.money]).toEqual([spent, 0])
          if (total <= 100) expect([spent, asked]).toEqual([total, 0])
          else expect(asked).toBe(1)
          reached += total > 100 ? 1 : 0
          for (const one of all) await one.stop({ withinMs: 100 })
          return true
        },
      ),
      { numRuns: 25 },
    )
    expect(reached).toBeGreaterThan(3)
  })
})
