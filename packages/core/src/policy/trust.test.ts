import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  advance,
  auditShare,
  BARS,
  isAbove,
  nextRung,
  RUNGS,
  standingAt,
  wilsonLower,
  type RungChange,
  type Happening,
  type Limits,
  type TrustRung,
  type Standing,
} from './trust.ts'

const DAY = 86_400_000
const open: Limits = { ceiling: 'automatic', highRisk: false }

/** Feeds decisions, '1' good and '0' bad, a minute apart. */
function decide(
  standing: Standing,
  goods: string,
  limits: Limits = open,
  from = 0,
): { standing: Standing; changes: RungChange[] } {
  const changes: RungChange[] = []
  let at = from
  for (const one of goods) {
    const step = advance(standing, { what: 'seen', good: one === '1', at: (at += 60_000) }, limits)
    standing = step.standing
    if (step.change !== undefined) changes.push(step.change)
  }
  return { standing, changes }
}

const rung = fc.constantFrom<TrustRung>(...RUNGS)
const limits = fc.record({ ceiling: rung, highRisk: fc.boolean() })
const byItself = fc.record({ ceiling: rung, highRisk: fc.boolean(), autoPromote: rung })
const happening = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ what: fc.constant('seen' as const), good: fc.boolean().map((b) => b || true) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('seen' as const), good: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('executed' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('taken-back' as const), wrong: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('version' as const), version: fc.constantFrom('a', 'b') }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('time' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('declined' as const) }) },
)
const life = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 3 * DAY })), { maxLength: 300 })

/** A hundred good decisions, which earn a rung wherever one can be earned in a day. */
const CLEAN = Array.from({ length: 100 }, () => [{ what: 'seen', good: true }, 60_000] as const)

/** Lives a life, calling back after each step. */
function live(
  start: TrustRung,
  events: readonly (readonly [object, number])[],
  given: Limits,
  each: (before: Standing, after: Standing, change: RungChange | undefined, happening: Happening) => void,
): void {
  let standing = standingAt(start, 'a', 0)
  let at = 0
  for (const [event, later] of events) {
    at += later
    const one = { ...event, at } as Happening
    const step = advance(standing, one, given)
    each(standing, step.standing, step.change, one)
    standing = step.standing
  }
}

describe('wilsonLower', () => {
  it('gives the bounds by which the rungs were chosen', () => {
    const bounds = [
      [11, 11, 0.8],
      [19, 20, 0.8],
      [25, 25, 0.9],
      [41, 42, 0.9],
      [52, 52, 0.95],
      [86, 87, 0.95],
      [88, 88, 0.97],
      [146, 147, 0.97],
    ] as const
    for (const [good, seen, bar] of bounds) expect(wilsonLower(good, seen)).toBeGreaterThanOrEqual(bar)
    for (const [good, seen, bar] of bounds) expect(wilsonLower(good - 1, seen - 1)).toBeLessThan(bar)
  })

  it('lies in [0, 1], below the share, and grows with the good and with the seen', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), (seen, some) => {
        const good = Math.min(seen, some)
        const lower = wilsonLower(good, seen)
        expect(lower).toBeGreaterThanOrEqual(0)
        expect(lower).toBeLessThanOrEqual(good / seen)
        if (good < seen) expect(wilsonLower(good + 1, seen)).toBeGreaterThan(lower)
        if (good > 0) expect(wilsonLower(good * 2, seen * 2)).toBeGreaterThan(lower)
      }),
    )
    expect(wilsonLower(0, 0)).toBe(0)
    expect(wilsonLower(0, 186)).toBe(0)
  })
})

describe('the ladder', () => {
  it('wants at least 50, 50, 100 and 125 clean decisions for its four bars', () => {
    const wanted = { shadow: 50, approve: 50, batch: 100, veto: 125 } as const
    for (const [from, least] of Object.entries(wanted)) {
      const start = standingAt(from as TrustRung, 'a', -40 * DAY)
      expect(decide(start, '1'.repeat(least - 1)).changes).toEqual([])
      expect(decide(start, '1'.repeat(least)).changes).toMatchObject([{ kind: 'proposed' }])
    }
  })

  it('never changes a rung upwards by itself, and proposes nothing beyond its ceiling', () => {
    fc.assert(
      fc.property(rung, life, limits, (start, events, given) => {
        live(start, events, given, (before, after, change) => {
          expect(isAbove(after.rung, before.rung)).toBe(false)
          if (change?.kind === 'proposed') {
            expect(isAbove(change.to, given.ceiling)).toBe(false)
            expect(change.to).toBe(nextRung(before.rung, given.ceiling))
            expect(after.proposed).toBe(change.to)
          }
        })
      }),
    )
  })

  it('stands on nothing above its ceiling once time has passed, save asking each time, whatever happened before', () => {
    fc.assert(
      fc.property(rung, life, limits, limits, rung, (start, events, first, then, wanted) => {
        live(start, events, first, (_before, after) => {
          const later = advance(after, { what: 'time', at: after.since }, then).standing
          const top = isAbove(then.ceiling, 'approve') ? then.ceiling : 'approve'
          expect(isAbove(later.rung, top)).toBe(false)
          for (const what of ['set', 'accepted'] as const)
            expect(isAbove(advance(later, { what, rung: wanted, at: after.since }, then).standing.rung, top)).toBe(
              false,
            )
        })
      }),
    )
  })

  it('never climbs by itself beyond veto, its ceiling or what is set, and says so whenever it does', () => {
    let climbed = 0
    fc.assert(
      fc.property(rung, life, byItself, (start, events, given) => {
        live(start, [...CLEAN, ...events, ...CLEAN], given, (before, after, change) => {
          if (change?.kind === 'proposed')
            expect(isAbove(change.to, given.autoPromote) || change.to === 'automatic').toBe(true)
          if (change?.kind !== 'promoted') return expect(isAbove(after.rung, before.rung)).toBe(false)
          climbed++
          expect(change).toMatchObject({ from: before.rung, to: after.rung })
          expect(after.rung).toBe(nextRung(before.rung, given.ceiling))
          for (const highest of [given.autoPromote, given.ceiling, 'veto'] as const)
            expect(isAbove(after.rung, highest)).toBe(false)
          expect(change.lower).toBeGreaterThanOrEqual(BARS[after.rung])
        })
      }),
    )
    expect(climbed).toBeGreaterThan(0)
    const highest: Limits = { ...open, autoPromote: 'automatic' }
    expect(decide(standingAt('veto', 'a', -40 * DAY), '1'.repeat(125), highest).changes).toMatchObject([
      { kind: 'proposed', to: 'automatic' },
    ])
  })

  it('is asked for again once a person took back what it was given by itself, until one puts it on a rung', () => {
    const given: Limits = { ...open, autoPromote: 'veto' }
    const { standing, changes } = decide(standingAt('approve', 'a', 0), '1'.repeat(50), given)
    expect(changes).toMatchObject([{ kind: 'promoted', from: 'approve', to: 'batch', seen: 50, good: 50 }])
    const back = advance(standing, { what: 'returned', rung: 'approve', at: 9 }, given).standing
    expect(back).toMatchObject({ rung: 'approve', asksFirst: true, seen: 50 })
    const again = decide(back, '1'.repeat(50), given)
    expect(again.changes).toMatchObject([{ kind: 'proposed', to: 'batch' }])
    const wrong = advance(again.standing, { what: 'taken-back', wrong: true, at: 9 }, given).standing
    expect(decide(wrong, '1'.repeat(100), given).changes.at(-1)).toMatchObject({ kind: 'proposed' })
    const renewed = advance(again.standing, { what: 'reshaped', at: 9 }, given).standing
    expect(decide(renewed, '1'.repeat(50), given).changes).toMatchObject([{ kind: 'proposed' }])
    const accepted = advance(again.standing, { what: 'accepted', rung: 'batch', at: 9 }, given).standing
    expect(decide(accepted, '1'.repeat(50), given).changes).toMatchObject([{ kind: 'promoted', to: 'veto' }])
  })

  it('takes back no further than to where it was, and withdraws what was proposed meanwhile', () => {
    const given: Limits = { ...open, autoPromote: 'batch' }
    const { standing } = decide(standingAt('approve', 'a', 0), '1'.repeat(100), given)
    expect(standing).toMatchObject({ rung: 'batch', proposed: 'veto' })
    const { standing: back, change } = advance(standing, { what: 'returned', rung: 'approve', at: 9 }, given)
    expect(change).toEqual({ kind: 'withdrawn' })
    expect(back.proposed).toBeUndefined()
    expect(advance(back, { what: 'returned', rung: 'batch', at: 10 }, given).standing.rung).toBe('approve')
  })

  it('counts what is taken back as wrong: bad where it had counted as good, and as one more where nobody had looked', () => {
    const { standing } = decide(standingAt('automatic', 'a', 0), '1'.repeat(10))
    const back = (more: object, wrong = true) =>
      advance(standing, { what: 'taken-back', wrong, at: 9, ...more }, open).standing
    expect(back({ good: 1 })).toMatchObject({ rung: 'veto', seen: 10, good: 9 })
    expect(back({ unseen: 2 })).toMatchObject({ rung: 'veto', seen: 12, good: 10 })
    expect(back({ good: 11 })).toMatchObject({ good: 0 })
    expect(back({ good: 1, unseen: 1 }, false)).toEqual(standing)
  })

  it('takes a correction for one that has counted: as many were seen, and one more or less was good', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), fc.boolean(), (goods, good) => {
        const { standing } = decide(standingAt('shadow', 'a', 0), goods.map((one) => (one ? '1' : '0')).join(''))
        const after = advance(standing, { what: 'corrected', good, at: 9 }, open).standing
        expect(after.seen).toBe(standing.seen)
        expect(after.good).toBe(Math.min(standing.seen, Math.max(0, standing.good + (good ? 1 : -1))))
        expect(after.recent).toHaveLength(standing.recent.length)
        expect(after.rung).toBe('shadow')
      }),
    )
  })

  it('leaves shadow by two looks of 25 that bear 80 %, and takes nothing of them along', () => {
    const { standing, changes } = decide(standingAt('shadow', 'a', 0), '1'.repeat(50))
    expect(changes).toMatchObject([{ kind: 'proposed', to: 'approve', seen: 50 }])
    const asks = advance(standing, { what: 'accepted', rung: 'approve', at: 9 }, open).standing
    expect(asks).toMatchObject({ rung: 'approve', seen: 0, good: 0 })
    expect(decide(standingAt('shadow', 'a', 0), `${'1'.repeat(20)}00000`.repeat(2)).changes).toEqual([])
  })

  it('climbs by a proposal only while it stands', () => {
    const { standing } = decide(standingAt('approve', 'a', 0), '1'.repeat(50))
    const yes = { what: 'accepted', rung: 'batch', at: 9 } as const
    expect(advance(standing, yes, open).standing).toMatchObject({ rung: 'batch', seen: 50 })
    const lowered = advance(standing, { what: 'time', at: 8 }, { ...open, ceiling: 'approve' })
    expect(lowered.change).toEqual({ kind: 'withdrawn' })
    expect(advance(lowered.standing, yes, open).standing.rung).toBe('approve')
  })

  it('never demotes below asking each time, and says why whenever it demotes', () => {
    fc.assert(
      fc.property(rung, life, limits, (start, events, given) => {
        live(start, events, given, (before, after, change) => {
          if (before.rung === after.rung) return
          expect(isAbove('approve', after.rung)).toBe(false)
          expect(change).toMatchObject({ kind: 'demoted', from: before.rung, to: after.rung })
        })
      }),
    )
  })

  it('takes nothing but what a person looked at for evidence', () => {
    fc.assert(
      fc.property(rung, life, limits, (start, events, given) => {
        live(start, events, given, (before, after, _change, one) => {
          expect(after.good).toBeLessThanOrEqual(after.seen)
          if (one.what === 'seen') expect(after.seen === before.seen + 1 || after.seen === 0).toBe(true)
          else expect(after.seen === before.seen || after.seen === 0).toBe(true)
        })
      }),
    )
  })

  it('proposes only at every 25th decision, after two looks in a row that passed', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 400 }), (goods) => {
        let standing = standingAt('approve', 'a', 0)
        let before = 0
        let good = 0
        goods.forEach((one, i) => {
          const step = advance(standing, { what: 'seen', good: one, at: i }, { ceiling: 'batch', highRisk: false })
          standing = step.standing
          good += one ? 1 : 0
          const passes = (i + 1) % 25 === 0 && wilsonLower(good, i + 1) >= 0.9
          if (step.change?.kind === 'proposed') expect(passes && before === 1).toBe(true)
          if ((i + 1) % 25 === 0) before = passes ? Math.min(1, before + 1) : 0
        })
      }),
    )
  })

  it('withdraws a proposal that later evidence no longer bears', () => {
    const { standing } = decide(standingAt('approve', 'a', 0), '1'.repeat(50))
    expect(standing.proposed).toBe('batch')
    const later = decide(standing, '0'.repeat(10) + '1'.repeat(15))
    expect(later.changes).toEqual([{ kind: 'withdrawn' }])
    expect(later.standing.proposed).toBeUndefined()
  })

  it('keeps what was shown when a person promotes, save what shadow showed', () => {
    const { standing } = decide(standingAt('approve', 'a', 0), '1'.repeat(50))
    const up = advance(standing, { what: 'set', rung: 'batch', at: 9 }, open).standing
    expect(up).toMatchObject({ rung: 'batch', since: 9, seen: 50, passes: 0 })
    expect(decide(up, '1'.repeat(50)).changes).toMatchObject([{ kind: 'proposed', to: 'veto' }])
    const shadow = decide(standingAt('shadow', 'a', 0), '1'.repeat(50)).standing
    expect(advance(shadow, { what: 'set', rung: 'approve', at: 9 }, open).standing.seen).toBe(0)
  })

  it('comes down at once after something wrong, by one rung, or to asking each time where the risk is high', () => {
    const wrong = { what: 'taken-back', wrong: true, at: 1 } as const
    const at = (highRisk: boolean) =>
      advance(standingAt('automatic', 'a', 0), wrong, { ...open, highRisk }).standing.rung
    expect([at(false), at(true)]).toEqual(['veto', 'approve'])
    expect(advance(standingAt('veto', 'a', 0), { ...wrong, wrong: false }, open).change).toBeUndefined()
  })

  it('proposes no veto within 50 decisions of something wrong, and nothing automatic within 30 days', () => {
    const fallen = advance(standingAt('veto', 'a', 0), { what: 'taken-back', wrong: true, at: 0 }, open).standing
    expect(fallen.rung).toBe('batch')
    const first = decide(fallen, '1'.repeat(100))
    expect(first.changes).toMatchObject([{ kind: 'proposed', to: 'veto' }])
    const veto = advance(first.standing, { what: 'set', rung: 'veto', at: DAY }, open).standing
    expect(decide(veto, '1'.repeat(150), open, 2 * DAY).changes).toEqual([])
    expect(decide(veto, '1'.repeat(150), open, 40 * DAY).changes).toMatchObject([{ kind: 'proposed', to: 'automatic' }])
  })

  it('comes down when its last 40 are bad, and when nobody has looked for 60 days', () => {
    const good = decide(standingAt('veto', 'a', 0), '1'.repeat(60)).standing
    const bad = decide(good, '0'.repeat(10))
    expect(bad.changes[0]).toMatchObject({ kind: 'demoted', from: 'veto', to: 'batch' })
    expect(advance(good, { what: 'time', at: 59 * DAY }, open).change).toBeUndefined()
    expect(advance(good, { what: 'time', at: 61 * DAY }, open).change).toMatchObject({ kind: 'demoted', to: 'batch' })
  })

  it('comes down a rung for each sixty days, however late somebody sees that they have passed', () => {
    const still = decide(standingAt('automatic', 'a', 0), '1'.repeat(60)).standing
    const after = (days: number) => advance(still, { what: 'time', at: days * DAY }, open).standing.rung
    expect([59, 61, 121, 181, 900].map(after)).toEqual(['automatic', 'veto', 'batch', 'approve', 'approve'])
  })

  it('puts a new version on trial: half of it is looked at, and one bad one ends it', () => {
    const good = decide(standingAt('automatic', 'a', 0), '1'.repeat(60)).standing
    const renewed = advance(good, { what: 'version', version: 'b', at: 1 }, open).standing
    expect(renewed).toMatchObject({ seen: 0, version: 'b', probation: { left: 25 } })
    expect(auditShare(renewed, 1000)).toBe(0.5)
    expect(decide(renewed, '0').changes).toMatchObject([{ kind: 'demoted', to: 'veto' }])
    let standing = decide(renewed, '1'.repeat(12)).standing
    for (let i = 0; i < 26; i++) standing = advance(standing, { what: 'executed', at: i }, open).standing
    expect(standing).toMatchObject({ rung: 'automatic' })
    expect(standing.probation).toBeUndefined()
    standing = renewed
    for (let i = 0; i < 26; i++) standing = advance(standing, { what: 'executed', at: i }, open).standing
    expect(standing.rung).toBe('veto')
  })

  it('looks at one in twenty of what it does by itself, and at three a week at least', () => {
    const standing = standingAt('automatic', 'a', 0)
    expect([auditShare(standing, 1000), auditShare(standing, 30), auditShare(standing, 2)]).toEqual([0.05, 0.1, 1])
  })
})
