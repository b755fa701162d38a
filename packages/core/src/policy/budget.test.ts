import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slotFor, type Slot } from '../base/rate.ts'
import { EMPTY_LEDGER, reserve, settle, shortOf, type Amount } from './budget.ts'
import { hoursOf, opensAt } from './hours.ts'

describe('a budget', () => {
  it('#32 is never overrun by more than what the calls in flight cost beyond what was reserved', () => {
    const call = fc.record({ money: fc.nat(200), over: fc.nat(50), ends: fc.constantFrom('spent', 'released', 'open') })
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.array(call, { maxLength: 40 }),
        fc.infiniteStream(fc.nat(3)),
        (amount, calls, turns) => {
          const limit = { money: { amount, currency: 'EUR' } }
          let ledger = EMPTY_LEDGER
          let over = 0
          const inFlight: (Amount & { over: number; ends: string })[] = []
          for (const { money, over: more, ends } of calls) {
            const wanted: Amount = { money, tokens: 0, calls: 1 }
            if (shortOf(ledger, limit, wanted) === undefined) {
              ledger = reserve(ledger, wanted)
              inFlight.push({ ...wanted, over: more, ends })
            }
            for (let n = turns.next().value; n > 0 && inFlight.length > 0; n--) {
              const one = inFlight.shift()!
              if (one.ends === 'open') continue // nobody knows: it stays reserved
              const spent = one.ends === 'spent' ? one.money + one.over : 0
              if (one.ends === 'spent') over += one.over
              ledger = settle(ledger, one, { money: spent, tokens: 0, calls: 1 })
            }
            expect(ledger.used.money + ledger.reserved.money).toBeLessThanOrEqual(amount + over)
            expect(Math.min(ledger.used.money, ledger.reserved.money)).toBeGreaterThanOrEqual(0)
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('a rate', () => {
  it('never gives more slots per time than it lets, nor out of order', () => {
    const rate = { count: 3, perMs: 1000, coolDownMs: 100 }
    fc.assert(
      fc.property(fc.array(fc.nat(400), { maxLength: 40 }), (gaps) => {
        let slots: readonly Slot[] = []
        let now = 0
        const given: number[] = []
        for (const [i, gap] of gaps.entries()) {
          now += gap
          const got = slotFor(slots, rate, String(i), now)
          expect(got.at).toBeGreaterThanOrEqual(now)
          slots = got.slots
          given.push(got.at)
        }
        expect(given).toEqual([...given].sort((a, b) => a - b))
        given.forEach((at, i) => {
          if (i >= 1) expect(at - given[i - 1]!).toBeGreaterThanOrEqual(100)
          if (i >= 3) expect(at - given[i - 3]!).toBeGreaterThanOrEqual(1000)
        })
      }),
      { numRuns: 300 },
    )
  })
})

describe('working hours', () => {
  it('begin where the wall says so, over a change of the clock and over midnight', () => {
    const day = hoursOf({ from: '09:00', to: '17:00' }, 'x')
    const at = (text: string): number => Date.parse(text)
    expect(opensAt(day, 'Europe/Berlin', at('2026-03-27T17:00:00Z'))).toBe(at('2026-03-30T07:00:00Z'))
    expect(opensAt(day, 'Europe/Berlin', at('2026-03-27T15:59:00Z'))).toBe(at('2026-03-27T15:59:00Z'))
    const night = hoursOf({ days: ['fri'], from: '22:00', to: '06:00' }, 'x')
    expect(opensAt(night, 'UTC', at('2026-01-10T05:00:00Z'))).toBe(at('2026-01-10T05:00:00Z'))
    expect(opensAt(night, 'UTC', at('2026-01-10T06:00:00Z'))).toBe(at('2026-01-16T22:00:00Z'))
  })
})
