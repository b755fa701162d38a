/** Points: the same schedule reaches the same ones, whatever else its process is busy with; where it does not, that is told. */
import { defineEvent } from '@keelson/core'
import { exploreCrashes, intercept, memoryStore, type CrashStore, type Harness, type Hooks } from '@keelson/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { matrix } from './crash-matrix.ts'
import { code, open, rest, store } from './support/open.ts'

/** A store in memory that does something more in every other run of a test. */
function everyOther(hooks: Hooks): CrashStore {
  let runs = 0
  return {
    name: 'every other',
    async open() {
      const kept = memoryStore()
      const now = ++runs % 2 === 0 ? hooks : {}
      return { session: () => intercept(kept.session(), now), kill: (worker) => kept.kill(worker) }
    },
  }
}

const go = defineEvent({ name: 'go', schema: z.object({}) })

/** A conductor beside those of the test, in the same process: at each call it replays a long run. */
async function neighbour(): Promise<() => void> {
  const long = code(async (ctx) => {
    for (let i = 0; i < 320; i++) await ctx.step(`step ${i}`, () => i)
    for (;;) await ctx.waitFor(go)
  })
  const keelson = await open(store(), { playbooks: [long], events: [go] })
  await keelson.start(long, {}, { id: 'run' })
  await rest(keelson)
  let sent = 0
  return () => void keelson.send(go, {}, { id: `go ${++sent}` })
}

describe('the points of a schedule', () => {
  it.each(['budget', 'children'])('are the same however long it takes (%s)', async (wanted) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true })
    onTestFinished(() => void vi.useRealTimers())
    const { harness, test } = matrix.find(({ name }) => name === wanted)!
    const stores = [everyOther({ after: (op) => void (op === 'commit' && vi.advanceTimersByTime(10_000)) })]
    const explored = await exploreCrashes(test, { harness, depth: 2, limit: 30, stores, atOnce: 1 })
    expect(explored.schedules).toBe(30)
  })

  it('are the same whatever other conductors replay', async () => {
    const short = code(
      async (ctx) => {
        for (let i = 0; i < 6; i++) await ctx.step(`short ${i}`, () => i)
      },
      { name: 'short' },
    )
    const long = code(async (ctx) => {
      for (let i = 0; i < 8; i++) await ctx.step(`before ${i}`, () => i)
      const called = ctx.call(short, {})
      for (let i = 0; i < 4; i++) await ctx.step(`beside ${i}`, () => i)
      await called
    })
    const harness = { playbooks: [long, short] }
    const stir = await neighbour()
    const stores = [everyOther({ before: (op) => void (op === 'claim' && stir()) })]
    const test = (t: Harness): Promise<unknown> => t.start(long, {}).then((run) => run.result())
    const explored = await exploreCrashes(test, { harness: () => harness, depth: 2, limit: 20, stores, atOnce: 1 })
    expect(explored.schedules).toBe(20)
  })

  it('are told to be others where the code asks for something else each time', async () => {
    let runs = 0
    const works = code(async (ctx) => {
      await ctx.step('first', () => 1)
      await ctx.step(`then ${runs}`, () => 2)
    })
    const test = async (t: Harness): Promise<void> => {
      runs++
      await t.start(works, {})
    }
    const explored = exploreCrashes(test, { harness: () => ({ playbooks: [works] }), depth: 2, atOnce: 1 })
    await expect(explored).rejects.toThrow(
      /it is not deterministic: point \d+ was ".*step\.completed "then 1".*" and is ".*"then \d+".*"/,
    )
  })
})
