/** Points: the same schedule reaches the same ones, whatever else its process is busy with; where it does not, that is told. */
import { exploreCrashes, intercept, memoryStore, type CrashStore, type Harness, type Operation } from '@keelson/testing'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { matrix } from './crash-matrix.ts'
import type { Program } from './crash-programs.ts'
import { code } from './support/open.ts'

function program(wanted: string): Program {
  return matrix.find(({ name }) => name === wanted)!
}

/** A store in memory on which, in every other run of a test, ten seconds of real time pass at each commit. */
function slowNowAndThen(): CrashStore {
  let runs = 0
  const pass = (op: Operation): void => void (op === 'commit' && vi.advanceTimersByTime(10_000))
  return {
    name: 'slow now and then',
    async open() {
      const store = memoryStore()
      const after = ++runs % 2 === 0 ? pass : () => {}
      return { session: () => intercept(store.session(), { after }), kill: (worker) => store.kill(worker) }
    },
  }
}

describe('the points of a schedule', () => {
  it.each(['budget', 'children'])('are the same however long it takes (%s)', async (name) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true })
    onTestFinished(() => void vi.useRealTimers())
    const { harness, test } = program(name)
    const stores = [slowNowAndThen()]
    const explored = await exploreCrashes(test, { harness, depth: 2, limit: 30, stores, atOnce: 1 })
    expect(explored.schedules).toBe(30)
  })

  it('are the same beside few others and beside many', async () => {
    const { harness, test } = program('rates')
    const explored = await exploreCrashes(test, { harness, depth: 2, limit: 120, atOnce: 64 })
    expect(explored.schedules).toBe(120)
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
