import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { measuresOf, median } from './measures.ts'
import { emptyRollup, foldDay, plus, rollupPut, rollupsIn, upgraded, type Rollup } from './rollup.ts'
import type { Outcome } from './row.ts'
import { bucketOf, medianOf, PRECISION, timesOf } from './times.ts'

/** From nothing to weeks, small ones as often as large ones. */
const time = fc.oneof(
  fc.nat(1000),
  fc.double({ min: 0, max: 31, noNaN: true }).map((power) => Math.floor(2 ** power)),
)

const completed = (activeMs: number): Outcome => ({
  ...{ run: 'r', playbook: 'a', version: 1, status: 'completed', at: 0, tookMs: 0, effects: 0, edited: 0 },
  ...{ steps: 0, attempts: 0, firstTry: 0, exhausted: 0, causes: {}, missed: {}, troubled: {}, connectors: {} },
  ...{ touches: 0, takeovers: 0, activeMs, tokens: { input: 0, output: 0 }, cost: {}, reads: [], agents: [] },
})
const summed = (sums: readonly Rollup[]): Rollup => sums.reduce(plus, emptyRollup('a'))
const folded = (times: readonly number[]): Rollup => summed(foldDay(times.map(completed), []))

describe('the bucket of a time', () => {
  it('is within its precision of it, and its own bucket', () => {
    fc.assert(
      fc.property(time, (ms) => {
        expect(Math.abs(bucketOf(ms) - ms)).toBeLessThanOrEqual(ms * PRECISION)
        expect(bucketOf(bucketOf(ms))).toBe(bucketOf(ms))
      }),
    )
  })

  it('is one of few', () => {
    const hours = Array.from({ length: 36_000 }, (_, i) => i * 100)
    expect(Object.keys(timesOf(hours)).length).toBeLessThan(1_000)
  })

  it('of what is no length of time is that of none', () => {
    expect([bucketOf(-5), bucketOf(0)]).toEqual([0, 0])
  })
})

describe('the median of buckets', () => {
  it('is within their precision of the true one, however they were cut, and in whatever order put together', () => {
    const cut = fc.array(fc.array(time, { maxLength: 40 }), { maxLength: 12 })
    fc.assert(
      fc.property(cut, fc.infiniteStream(fc.nat()), (parts, places) => {
        const days = parts.map(folded)
        const turned = days
          .map((day) => [places.next().value as number, day] as const)
          .sort((a, b) => a[0] - b[0])
          .map(([, day]) => day)
        const truth = median(parts.flat())
        const merged = summed(turned)
        expect(Math.abs(medianOf(merged.times) - truth)).toBeLessThanOrEqual(truth * PRECISION)
        expect(merged.times).toEqual(summed(days).times)
        expect(merged.times).toEqual(folded(parts.flat()).times) // as one day, folded from its rows
      }),
    )
  })

  it('is of all runs, not of the first few hundred', () => {
    const slowFirst = [...Array<number>(700).fill(600_000), ...Array<number>(900).fill(60_000)]
    expect(measuresOf(folded(slowFirst)).minutesPerOutcome).toBeCloseTo(1, 1)
  })

  it('of none is nothing', () => {
    expect(medianOf({})).toBe(0)
  })
})

describe('a day that was summed up when the times of its runs were a list', () => {
  const before = (actives: readonly number[], completedRuns: number): object => {
    const { times: _times, ...kept } = emptyRollup('a')
    return { ...kept, completed: completedRuns, actives }
  }
  const read = (...sums: object[]): Rollup[] | undefined =>
    rollupsIn({ data: JSON.stringify(rollupPut('2026-01-01', sums as Rollup[], 1).data) })

  it('counts as it did', () => {
    const [sum] = read(before([60_000, 120_000, 180_000], 3))!
    expect(sum).toEqual({ ...emptyRollup('a'), completed: 3, times: timesOf([60_000, 120_000, 180_000]) })
    expect(upgraded(sum!)).toEqual(sum)
    expect(measuresOf(plus(sum!, folded([1_000]))).minutesPerOutcome).toBeCloseTo(1.5, 1)
  })

  it('is made anew where the list is shorter than the day', () => {
    expect(read(before([60_000], 1), before(Array<number>(500).fill(60_000), 501))).toBeUndefined()
  })
})
