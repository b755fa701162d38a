/** Replay in turns: recorded outcomes come one at a time, and many of them for one look of the event loop outside. */
import { defineEvent, type Context } from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, open, rest, store } from './support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })
const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))

/** Counts rounds of the event loop until it is stopped: an immediate made by an immediate comes in the next round. */
function rounds(): () => number {
  let seen = 0
  let stopped = false
  const next = (): void => {
    seen++
    if (!stopped) setImmediate(next)
  }
  setImmediate(next)
  return () => {
    stopped = true
    return seen
  }
}

describe('a long replay', () => {
  it('takes few rounds of the event loop, and leaves it often enough', async () => {
    const shared = store()
    let replayed = 0
    let count = (): number => 0
    const playbook = code(async (ctx) => {
      count = rounds()
      for (let i = 0; i < 320; i++) await ctx.step(`step ${i}`, () => i)
      replayed = count()
      await ctx.waitFor(go)
    })
    const before = await open(shared, { playbooks: [playbook], events: [go] })
    await before.start(playbook, {}, { id: 'run' })
    await rest(before)
    await before.stop()
    const after = await open(shared, { playbooks: [playbook], events: [go] })
    await after.send(go, {}, { id: 'go' })
    await after.runs.get('run').result()
    expect(replayed).toBeGreaterThanOrEqual(320 / 8)
    expect(replayed).toBeLessThan(320 / 4)
  })

  it('ends what one outcome sets off before the next one comes, in as many branches as there are', async () => {
    const shared = store()
    let order: string[] = []
    const branch = async (ctx: Context, name: string, ticks: number): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        await ctx.step(`${name} ${i}`, () => i)
        for (let at = 0; at < (ticks * i) % 5; at++) await tick()
        order.push(`${name} ${i}`)
      }
    }
    const playbook = code(async (ctx) => {
      order = []
      await Promise.all([branch(ctx, 'a', 1), branch(ctx, 'b', 3), branch(ctx, 'c', 0)])
      await ctx.waitFor(go)
    })
    const before = await open(shared, { playbooks: [playbook], events: [go] })
    await before.start(playbook, {}, { id: 'run' })
    await rest(before)
    await before.stop()
    const live = order
    const after = await open(shared, { playbooks: [playbook], events: [go] })
    await after.send(go, {}, { id: 'go' })
    await after.runs.get('run').result()
    expect(live).toHaveLength(90)
    expect(order).toEqual(live)
    expect(order).not.toBe(live)
  })
})
