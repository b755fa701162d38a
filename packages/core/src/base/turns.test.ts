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

  it('are as many for each who asks, whoever else does: one at least, and not more than a few', async () => {
    let called = 0
    const granted = [1000, 0, 3, 1000].map((wanted) => turns(wanted, () => called++))
    expect(granted).toEqual([8, 1, 3, 8])
    await turn()
    expect(called).toBe(20)
  })
})
