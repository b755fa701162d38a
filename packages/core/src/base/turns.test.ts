/** Turns of the event loop that are asked for ahead. */
import { describe, expect, it } from 'vitest'
import { turn, turns } from './clock.ts'

describe('turns that are asked for ahead', () => {
  it('come one by one, with all that one sets off done before the next', async () => {
    const seen: string[] = []
    const work = async (name: string): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        await Promise.resolve()
        await new Promise<void>((resolve) => process.nextTick(resolve))
      }
      seen.push(`${name} done`)
    }
    let at = 0
    const granted = turns(3, () => {
      seen.push(`turn ${++at}`)
      void work(`turn ${at}`)
    })
    expect(granted).toBe(3)
    while (at < 3) await turn()
    await turn()
    expect(seen).toEqual(['turn 1', 'turn 1 done', 'turn 2', 'turn 2 done', 'turn 3', 'turn 3 done'])
  })

  it('are at least one for each who asks, and few for all who ask at once', async () => {
    let called = 0
    const granted = Array.from({ length: 100 }, () => turns(1000, () => called++))
    const all = granted.reduce((sum, one) => sum + one, 0)
    expect(Math.min(...granted)).toBe(1)
    expect(all).toBeLessThan(130)
    await turn()
    expect(called).toBe(all)
    expect(turns(1000, () => {})).toBeGreaterThan(1)
    await turn()
  })
})
