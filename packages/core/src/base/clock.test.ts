/** The system's clock: its timers, with setTimeout in the test's hand. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from './clock.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('a timer of the system clock', () => {
  it('fires once, at its instant and not before, however far it is', () => {
    for (const wait of [0, 1, 999, 1001, 3_599_999, 86_400_001, 40 * 86_400_000 + 7]) {
      const at = systemClock.now() + wait
      const fired: number[] = []
      systemClock.timer(at, () => fired.push(systemClock.now()))
      vi.advanceTimersByTime(Math.max(0, wait - 1))
      if (wait > 1) expect(fired).toEqual([])
      vi.advanceTimersByTime(100)
      expect(fired).toEqual([at])
    }
  })

  it('never fires once it is cancelled', () => {
    const fire = vi.fn()
    const cancel = systemClock.timer(systemClock.now() + 5000, fire)
    vi.advanceTimersByTime(4500)
    cancel()
    vi.advanceTimersByTime(5000)
    expect(fire).not.toHaveBeenCalled()
  })

  it('waits long in few lengths, for Node keeps something for each until its time is over', () => {
    const armed = vi.spyOn(globalThis, 'setTimeout')
    for (let ms = 0; ms < 500; ms++) systemClock.timer(systemClock.now() + 3_500_000 + ms * 13, () => {})()
    expect(new Set(armed.mock.calls.map(([, length]) => length)).size).toBeLessThan(3)
  })
})
