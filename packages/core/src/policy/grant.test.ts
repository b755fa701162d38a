/** However a grant is passed on, it answers nothing that those above it do not. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../base/value.ts'
import { answering, below, beyond, withUse, type Grant } from './grant.ts'

const by = { kind: 'person', id: 'ann' } as const
const base = { action: 'a', by, revoked: false, uses: [], used: { count: 0 } }

const cents = fc.record(
  { max: fc.integer({ min: 3, max: 9 }), min: fc.integer({ min: -3, max: 2 }) },
  { requiredKeys: ['max'] },
)
const domain = fc.constantFrom<Json>('ann@x.org', { endsWith: '@x.org' }, { endsWith: 'x.org' }, [
  'ann@x.org',
  'bo@y.org',
])
const where = fc.record({ cents, to: domain }, { requiredKeys: [] }) as fc.Arbitrary<Record<string, Json>>
const cap = fc.record(
  { count: fc.integer({ min: 1, max: 4 }), perMs: fc.integer({ min: 1, max: 20 }) },
  { requiredKeys: ['count'] },
)
const terms = fc.record({ where, cap, until: fc.integer({ min: 20, max: 90 }), up: fc.nat() })
const use = fc.record({
  cents: fc.integer({ min: -3, max: 9 }),
  to: fc.constantFrom('ann@x.org', 'cy@x.org', 'bo@y.org', 'me@evilx.org'),
  wait: fc.integer({ min: 0, max: 5 }),
  revoke: fc.option(fc.nat(), { freq: 8 }),
})

describe('a grant that was passed on', () => {
  it('answers nothing that the first one would not have answered in its place', () => {
    let answered = 0
    fc.assert(
      fc.property(terms, fc.array(terms, { maxLength: 5 }), fc.array(use, { maxLength: 25 }), (first, more, uses) => {
        // All of them by themselves, as if nobody had said that they are narrower: the line alone must bound them.
        const all: Grant[] = [{ ...base, ...first, id: '0' }]
        for (const [i, { up, ...one }] of more.entries())
          all.push({ ...base, ...one, id: `${i + 1}`, parent: all[up % all.length]!.id, holder: { persona: 'junior' } })
        let twin: Grant = all[0]!
        let now = 0
        for (const [i, { wait, revoke, ...input }] of uses.entries()) {
          now += wait
          if (revoke !== null) {
            const id = `${revoke % all.length}`
            const gone = new Set([id, ...below(all, id).map((one) => one.id)])
            all.forEach((one, at) => (all[at] = { ...one, revoked: one.revoked || gone.has(one.id) }))
            if (id === '0') twin = { ...twin, revoked: true }
          }
          const asked = {
            action: 'a',
            account: 'default',
            input,
            effect: `e${i}`,
            holder: { persona: 'junior' },
            shape: 's',
          }
          const line = answering(all.slice(1), asked, now) ?? answering(all, asked, now)
          if (line === undefined) continue
          answered++
          expect(answering([twin], asked, now)).toBeDefined()
          twin = withUse(twin, asked, now, '0')
          for (const one of line) all[Number(one.id)] = withUse(one, asked, now, line[0]!.id)
        }
      }),
      { numRuns: 2000 },
    )
    expect(answered).toBeGreaterThan(500)
  })

  it('is within the other, wherever `beyond` finds nothing: each input that it covers, the other covers', () => {
    let within = 0
    fc.assert(
      fc.property(terms, terms, use, (child, parent, { cents: sum, to }) => {
        const merged = { ...child, where: { ...parent.where, ...child.where } }
        if (beyond(merged, parent) !== undefined) return
        within++
        const asked = {
          action: 'a',
          account: 'default',
          input: { cents: sum, to },
          effect: 'e',
          holder: {},
          shape: 's',
        }
        if (answering([{ ...base, ...merged, id: '1' }], asked, 0) === undefined) return
        expect(answering([{ ...base, ...parent, id: '0' }], asked, 0)).toBeDefined()
      }),
      { numRuns: 2000 },
    )
    expect(within).toBeGreaterThan(100)
  })

  it.each<[string, Json, Json]>([
    ['a larger bound', { max: 11 }, { max: 10 }],
    ['a bound without a floor', { max: 5 }, { max: 10, min: 1 }],
    ['a floor below nothing', { min: -1, max: 5 }, { max: 10 }],
    ['another currency', { max: { amount: 1, currency: 'USD' } }, { max: { amount: 1, currency: 'EUR' } }],
    ['a value more', ['a', 'b'], ['a']],
    ['a looser ending', { endsWith: '.org' }, { endsWith: '@x.org' }],
    ['anything that is no condition', { maximum: 1 }, { max: 10 }],
  ])('is more with %s', (_what, child, parent) => {
    const rest = { cap: { count: 1 }, until: 1 }
    expect(beyond({ where: { f: child }, ...rest }, { where: { f: parent }, ...rest })).toContain('"f"')
  })
})

describe('a bound of a number', () => {
  it.each([
    [{ max: 100 }, 0, true],
    [{ max: 100 }, -1, false],
    [{ max: 100, min: -5 }, -5, true],
    [{ max: 100, min: -5 }, -6, false],
    [{ min: 1 }, 1000, true],
    [{ max: -2 }, -3, true],
    [{ max: -2 }, -1, false],
  ])('%j lets %i through: %s', (bound, cents, does) => {
    const grant: Grant = { ...base, id: 'g', where: { cents: bound }, cap: { count: 1 }, until: 9 }
    const asked = { action: 'a', account: 'default', input: { cents }, effect: 'e', holder: {}, shape: 's' }
    expect(answering([grant], asked, 0) !== undefined).toBe(does)
  })
})

describe('a cap of money', () => {
  const eur = (amount: number) => ({ amount, currency: 'EUR' })
  const grant: Grant = { ...base, id: 'g', where: {}, cap: { amount: eur(100) }, until: 9 }
  const asked = (input: Json) => ({ action: 'a', account: 'default', input, effect: 'e', holder: {}, shape: 's' })

  it.each([
    ['more than there is room for, of all its money together', { fee: eur(1), total: eur(100) }, false],
    ['what there is room for, together', { fee: eur(1), total: eur(99) }, true],
    ['money of several currencies', { fee: { amount: 1, currency: 'USD' }, total: eur(1) }, false],
    ['what is negative in part', { fee: eur(-50), total: eur(120) }, false],
    ['what names no money', { n: 1 }, false],
  ])('is held against %s', (_what, input, fits) => {
    expect(answering([grant], asked(input), 1) !== undefined).toBe(fits)
  })

  it('is used up by what was let through', () => {
    const used = withUse(grant, asked({ fee: eur(1), total: eur(60) }), 1, 'g')
    expect(used.uses).toMatchObject([{ amount: eur(61) }])
    expect(answering([used], asked({ total: eur(40) }), 1)).toBeUndefined()
    expect(answering([used], asked({ total: eur(39) }), 1)).toBeDefined()
  })
})
