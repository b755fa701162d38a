import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ask, combine, deny, hold, ON_SILENCE, verdictOf, type Said, type Verdict } from './verdict.ts'

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constant<Verdict>({ verdict: 'allow' }),
  fc.constantFrom('0s', '5m', '1h').map(hold),
  fc.string().map(deny),
  fc
    .record({
      onSilence: maybe(fc.constantFrom(...ON_SILENCE)),
      reason: maybe(fc.string()),
      grantable: maybe(fc.boolean()),
      timeout: maybe(fc.constantFrom('1h', '2d')),
    })
    .map((options) => ask(options as Parameters<typeof ask>[0])),
)
const said: fc.Arbitrary<Said[]> = fc.array(fc.record({ rule: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), verdict }))
const one = (rule: string, given: Verdict): Said => ({ rule, verdict: given })

describe('verdicts of several rules', () => {
  it('are one judgement, whatever the order of the rules', () => {
    fc.assert(
      fc.property(said, fc.infiniteStream(fc.nat()), (all, places) => {
        const byRule = (list: readonly Said[]): Said[] => [...list].sort((a, b) => (a.rule < b.rule ? -1 : 1))
        const distinct = all.filter((each, i) => all.findIndex(({ rule }) => rule === each.rule) === i)
        const turned = distinct
          .map((each) => [places.next().value as number, each] as const)
          .sort((a, b) => a[0] - b[0])
          .map(([, each]) => each)
        expect(combine(turned, 'v', {})).toEqual(combine(byRule(distinct), 'v', {}))
      }),
    )
  })

  it('deny where one denies, else oblige to all that any obliges to', () => {
    fc.assert(
      fc.property(said, (all) => {
        const judged = combine(all, 'v', {})
        const of = (kind: Verdict['verdict']) => all.filter((each) => each.verdict.verdict === kind)
        expect(judged.denies).toHaveLength(of('deny').length)
        expect(judged.asks).toHaveLength(of('ask').length)
        expect(judged.holds).toEqual([...new Set(of('hold').map(({ rule }) => rule))].sort())
        expect(judged.holdMs).toBe(Math.max(0, ...of('hold').map((each) => each.verdict.holdMs!)))
        const held = judged.holdMs > 0
        const mild = of('ask').length > 0 ? (held ? 'ask-then-hold' : 'ask') : held ? 'hold' : 'allow'
        expect(judged.verdict).toBe(of('deny').length > 0 ? 'deny' : mild)
      }),
    )
  })

  it('say why, by the names of their rules', () => {
    const asked = one('big', ask({ reason: 'over 100', grantable: true, timeout: '1h' }))
    expect(combine([one('wait', hold('5m')), asked, one('ok', { verdict: 'allow' })], 'v', {})).toEqual({
      verdict: 'ask-then-hold',
      reason: 'big: over 100; wait',
      asks: [{ rule: 'big', reason: 'over 100', onSilence: 'wait', timeoutMs: 3_600_000, grantable: true }],
      holdMs: 300_000,
      holds: ['wait'],
      denies: [],
      policy: 'v',
      found: {},
    })
    expect(combine([asked, one('no', deny('never'))], 'v', {}).reason).toBe('no: never')
    expect(combine([], 'v', {}).reason).toBe('allowed by default')
    const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((rule) => one(rule, { verdict: 'allow' }))
    expect(combine(many, 'v', {}).reason).toBe('allowed by a, b, c, d, e and 2 more')
  })

  it('keep what a rule obliges to twice: it is told twice, and named once', () => {
    const twice = combine([one('slow', hold('5m')), one('slow', hold('1h'))], 'v', {})
    expect([twice.holds, twice.holdMs, twice.reason]).toEqual([['slow'], 3_600_000, 'slow; slow'])
  })
})

describe('a verdict', () => {
  it('has nothing in it but what a verdict holds, and half a character is none', () => {
    expect(verdictOf({ verdict: 'ask', reason: 'x\uD800', secret: 1, grantable: 'yes' })).toEqual({
      verdict: 'ask',
      reason: 'x\uFFFD',
      grantable: false,
    })
    expect(verdictOf({ verdict: 'deny', more: 1 })).toEqual({ verdict: 'deny' })
    for (const junk of [null, 'ask', [], { verdict: 'hold' }, { verdict: 'ask', timeoutMs: -1 }, { verdict: 'no' }])
      expect(verdictOf(junk)).toBeUndefined()
  })

  it('asks as it is told to, and leaves out what it was not told', () => {
    expect(ask()).toEqual({ verdict: 'ask' })
    const ladder = ask({ onSilence: 'reject', escalate: [{ after: '1h', to: 'boss' }] })
    expect(ladder).toEqual({
      verdict: 'ask',
      onSilence: 'escalate',
      ladder: [{ afterMs: 3_600_000, to: { kind: 'person', id: 'boss' } }],
    })
  })
})
