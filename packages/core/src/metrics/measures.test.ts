import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { investments } from './invest.ts'
import { compoundingOf, measuresOf, median, paidBack, weekOf } from './measures.ts'
import { emptyRollup, foldDay, grouped, plus, total, upgraded, type Rollup } from './rollup.ts'
import { TOUCHES, type Outcome, type Touch } from './row.ts'

const count = fc.nat(20)
const outcome: fc.Arbitrary<Outcome> = fc.record({
  run: fc.uuid(),
  playbook: fc.constantFrom('a', 'b'),
  version: fc.integer({ min: 1, max: 2 }),
  status: fc.constantFrom('completed', 'failed', 'declined', 'cancelled'),
  at: count,
  tookMs: count,
  steps: fc.constant(10),
  attempts: fc.integer({ min: 10, max: 30 }),
  firstTry: fc.nat(10),
  exhausted: fc.nat(3),
  causes: fc.dictionary(fc.constantFrom('auth', 'transient'), count),
  missed: fc.dictionary(fc.constantFrom('auth', 'transient'), count),
  troubled: fc.constant({ x: { steps: 1, attempts: 3, exhausted: 1 } }),
  connectors: fc.dictionary(
    fc.constantFrom('email', 'bank'),
    fc.record({ steps: count, attempts: count, firstTry: count, exhausted: count }),
  ),
  effects: count,
  edited: count,
  terms: fc.constantFrom({ tags: ['x'] }, { tags: ['x', 'y'] }, { segments: ['x'] }),
  touches: fc.nat(2),
  takeovers: fc.nat(2),
  baseline: fc.record({ lowMs: count, highMs: count }),
  activeMs: count,
  tokens: fc.record({ input: count, output: count }),
  cost: fc.dictionary(fc.constantFrom('EUR', 'USD'), count),
  reads: fc.uniqueArray(fc.constantFrom('c/1', 'c/2')),
  agents: fc.uniqueArray(fc.constantFrom('writer@1', 'writer@2')),
})
const touch: fc.Arbitrary<Touch> = fc.record({
  kind: fc.constantFrom(...TOUCHES),
  at: count,
  by: fc.constant('ann'),
  activeMs: count,
  playbook: fc.constantFrom('a', 'b'),
  action: fc.constantFrom('x.y', 'x.z'),
  verdict: fc.constantFrom('approve', 'edit', 'reject'),
})

const whole = (rollups: readonly Rollup[]): Rollup => rollups.reduce(plus, emptyRollup(''))
const plain = ({ playbook: _name, ...rest }: Rollup) => rest

describe('a rollup', () => {
  it('of a span is the sum of its days, however the span is cut', () => {
    fc.assert(
      fc.property(fc.array(outcome), fc.array(touch), fc.nat(), (outcomes, touches, cut) => {
        const at = outcomes.length === 0 ? 0 : cut % outcomes.length
        const days = [...foldDay(outcomes.slice(0, at), touches), ...foldDay(outcomes.slice(at), [])]
        expect(plain(whole(days))).toEqual(plain(whole(foldDay(outcomes, touches))))
      }),
    )
  })

  it('of many at once is what they are one by one', () => {
    const days = fc.array(fc.tuple(fc.array(outcome), fc.array(touch)), { minLength: 1 })
    fc.assert(
      fc.property(days, (all) => {
        const sums = all.flatMap(([outcomes, touches]) => foldDay(outcomes, touches))
        const one = emptyRollup('')
        expect(total([one, ...sums])).toEqual(sums.reduce(plus, one))
        const own = grouped(
          sums.map((rollup) => ({ rollup })),
          ({ rollup: { playbook } }) => [playbook, 'all'],
        )
        expect(own.get('all') ?? one).toEqual({ ...sums.reduce(plus, one), playbook: sums.length === 0 ? '' : 'all' })
        for (const name of ['a', 'b']) {
          const its = sums.filter(({ playbook }) => playbook === name)
          expect(own.get(name)).toEqual(its.length === 0 ? undefined : its.reduce(plus, emptyRollup(name)))
        }
      }),
    )
  })

  it('gives shares between 0 and 1, and at least one attempt for each step', () => {
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1 }), (outcomes) => {
        const { retries, interventions } = measuresOf(whole(foldDay(outcomes, [])))
        for (const share of [retries.firstTry, retries.exhausted, interventions.touchless]) {
          expect(share).toBeGreaterThanOrEqual(0)
          expect(share).toBeLessThanOrEqual(1)
        }
        expect(retries.amplification).toBeGreaterThanOrEqual(1)
      }),
    )
  })

  it('counts as approvals what was let pass, and of those what was looked at too shortly or taken back later', () => {
    const gate = (verdict: string, rubber: boolean): Touch => ({
      kind: 'gate',
      at: 0,
      by: 'a',
      activeMs: 1,
      action: 'x.y',
      verdict,
      rubber,
    })
    const back: Touch = { kind: 'revert', at: 0, by: 'a', activeMs: 0, cause: 'wrong', caught: ['e:1'] }
    const touches = [
      gate('approve', true),
      gate('edit', false),
      gate('approve', false),
      gate('approve', false),
      gate('reject', true),
      back,
    ]
    const { rubberStamps, caughtLater, byKind } = measuresOf(whole(foldDay([], touches))).interventions
    expect([rubberStamps, caughtLater, byKind.gate]).toEqual([0.25, 0.25, 5])
  })

  it('takes in a day that was summed up before something was counted', () => {
    const {
      caught: _caught,
      passed: _passed,
      missed: _missed,
      connectors: _none,
      agents: _agents,
      lowMs: _low,
      ...kept
    } = emptyRollup('a')
    const before = {
      ...kept,
      completed: 2,
      approvals: 4,
      baselineMs: 1_200_000,
      revertedMs: 600_000,
      reads: { 'c/1': 3 },
    }
    const sum = upgraded(before as unknown as Rollup)
    const { interventions, saved, retries } = measuresOf(plus(sum, emptyRollup('')))
    expect([interventions.caughtLater, saved.low, saved.high, retries.byConnector]).toEqual([0, 5, 15, {}])
    expect([sum.passed, sum.reads]).toEqual([4, { 'c/1': { runs: 3, effects: 0, edited: 0 } }])
    expect(upgraded(sum)).toEqual(sum)
  })

  it('of nothing measures nothing', () => {
    expect(measuresOf(emptyRollup(''))).toMatchObject({ outcomes: 0, saved: { low: 0, high: 0 }, minutesPerOutcome: 0 })
    expect(investments([emptyRollup('')])).toEqual([])
  })
})

describe('compounding', () => {
  const weeks = (minutes: readonly number[]) =>
    minutes.map((one, i) => ({
      week: weekOf(new Date(i * 7 * 86_400_000).toISOString().slice(0, 10)),
      outcomes: 5,
      minutes: one,
    }))

  it('finds how soon a person needs half the time, whatever one odd week does', () => {
    expect(compoundingOf(weeks([16, 8, 4, 2, 1, 0.5])).halvesEveryWeeks).toBe(1)
    expect(compoundingOf(weeks([16, 8, 400, 2, 1, 0.5, 0.25, 0.125])).halvesEveryWeeks).toBeCloseTo(1, 1)
  })

  it('says nothing of less than six weeks, of few outcomes, or of what does not fall', () => {
    expect(compoundingOf(weeks([16, 8, 4, 2, 1])).halvesEveryWeeks).toBeUndefined()
    expect(compoundingOf(weeks([1, 2, 4, 8, 16, 32])).halvesEveryWeeks).toBeUndefined()
    expect(compoundingOf(weeks([4, 3, 2, 1, 1, 1]).map((one) => ({ ...one, outcomes: 4 }))).weeks).toEqual([])
  })

  it('says in which week it has paid back what was spent, if in any', () => {
    const nets = (...net: number[]) => net.map((one, i) => ({ week: `w${i}`, net: one }))
    expect([paidBack(nets(-60, 30, 29, 2)), paidBack(nets(-60, 10)), paidBack(nets(1, -9)), paidBack([])]).toEqual([
      'w3',
      undefined,
      'w0',
      undefined,
    ])
  })

  it('begins weeks on Mondays', () => {
    expect([weekOf('2026-01-05'), weekOf('2026-01-11'), weekOf('2026-01-12')]).toEqual([
      '2026-01-05',
      '2026-01-05',
      '2026-01-12',
    ])
  })
})

describe('median', () => {
  it('is the middle, or the mean of the two middles', () => {
    expect([median([]), median([3]), median([3, 1]), median([9, 1, 2])]).toEqual([0, 3, 2, 2])
  })
})
