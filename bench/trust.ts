/**
 * Trust: how often the ladder promotes what it should not, and how soon what it should: the table of the rules, simulated.
 *
 * The target is missed when 3 % or more of actions that are right in 88 of 100 cases are ever proposed for a rung that wants 90.
 * The chosen rule is the product's own function; the others are here for comparison.
 */
import { advance, BARS, standingAt, wilsonLower, type TrustRung } from '../packages/core/src/policy/trust.ts'
import { tell, type Cell } from './measure/claim.ts'
import { optionsOf } from './measure/options.ts'
import { progress } from './measure/progress.ts'

const DECISIONS = 1000
/** Per cent. */
const WRONG_BELOW = 3
const options = optionsOf({ lives: '20000' })
const LIVES = options.number('lives')

/** At which decision a life is promoted; undefined: never. */
type Rule = (good: () => boolean, to: TrustRung) => number | undefined

const BELOW: Partial<Record<TrustRung, TrustRung>> = { batch: 'approve', veto: 'batch', automatic: 'veto' }
const FAR = 400 * 86_400_000

/** The product's own rule. A life that is demoted earns its rung again; what is proposed on the way, a person allows. */
const ladder: Rule = (good, to) => {
  const limits = { ceiling: to, highRisk: false }
  let standing = standingAt(BELOW[to]!, 'v', 0)
  for (let n = 1; n <= DECISIONS; n++) {
    const step = advance(standing, { what: 'seen', good: good(), at: FAR }, limits)
    standing = step.standing
    if (step.change?.kind !== 'proposed') continue
    if (step.change.to === to) return n
    standing = advance(standing, { what: 'set', rung: step.change.to, at: 0 }, limits).standing
  }
  return undefined
}

function rule(every: number, passes: number, sliding: number, blocks: boolean): Rule {
  return (good, to) => {
    const bar = BARS[to]
    const all: boolean[] = []
    let sum = 0
    let inRow = 0
    for (let n = 1; n <= DECISIONS; n++) {
      const one = good()
      all.push(one)
      sum += one ? 1 : 0
      if (n > sliding && all[n - 1 - sliding]) sum--
      if (n % every !== 0) continue
      const lower = wilsonLower(sum, Math.min(n, sliding))
      const block = all.slice(-every).filter(Boolean).length / every
      inRow = lower >= bar && (!blocks || block >= bar) ? inRow + 1 : 0
      if (inRow >= passes) return n
    }
    return undefined
  }
}

/** What was expected of a rule before it was built: shares that are promoted wrongly, and decisions until it is right (median/p90). */
interface Expected {
  readonly wrong: readonly string[]
  readonly right: readonly string[]
}

const RULES: readonly (readonly [string, Rule, Expected])[] = [
  [
    'after each, last 200, one pass (naive)',
    rule(1, 1, 200, false),
    { wrong: ['3.4 %', '25.8 %', '7.3 %', '15.0 %'], right: ['25/58', '52/118', '88/199'] },
  ],
  [
    'every 10, last 200, two passes',
    rule(10, 2, 200, false),
    { wrong: ['0.5 %', '10.4 %', '3.0 %', '9.4 %'], right: ['60/90', '100/160', '100/210'] },
  ],
  [
    'every 25, all, two passes (the ladder)',
    ladder,
    { wrong: ['0.5 %', '2.5 %', '0.8 %', '0.8 %'], right: ['50/100', '125/175', '125/225'] },
  ],
  [
    'every 20, all, two passes, each block too',
    rule(20, 2, Infinity, true),
    { wrong: ['0.3 %', '1.9 %', '1.1 %', '0.7 %'], right: ['80/100', '120/180', '120/220'] },
  ],
]
const WRONG = [
  [0.85, 'batch'],
  [0.88, 'batch'],
  [0.93, 'veto'],
  [0.955, 'automatic'],
] as const
const RIGHT = [
  [0.98, 'batch'],
  [0.99, 'veto'],
  [0.995, 'automatic'],
] as const

/** mulberry32: the same numbers on every machine. */
function random(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function lives(one: Rule, quality: number, to: TrustRung): number[] {
  const next = random(Math.round(quality * 1000) * 31 + to.length)
  const promoted: number[] = []
  for (let life = 0; life < LIVES; life++) {
    const at = one(() => next() < quality, to)
    if (at !== undefined) promoted.push(at)
  }
  return promoted.sort((a, b) => a - b)
}

/** One cell for each quality, measured and, in brackets, expected; and the bare measure of each. */
const rows = RULES.map(([name, one, expected]) => {
  progress(`trust: ${name}`)
  const shares = WRONG.map(([quality, to]) => lives(one, quality, to).length / LIVES)
  const speeds = RIGHT.map(([quality, to]) => {
    const at = lives(one, quality, to)
    return `${at[at.length >> 1]}/${at[Math.floor(at.length * 0.9)]}`
  })
  const beside = (measured: readonly string[], known: readonly string[]): Cell[] =>
    measured.map((cell, i) => `${cell} (${known[i]})`)
  const wrong = beside(
    shares.map((share) => `${(share * 100).toFixed(1)} %`),
    expected.wrong,
  )
  return { shares, wrong: [name, ...wrong], right: [name, ...beside(speeds, expected.right)] }
})
const heads = (all: typeof WRONG | typeof RIGHT): string[] => all.map(([quality, to]) => `${quality}→${BARS[to]}`)

tell(
  {
    claim: 'trust',
    tables: [
      {
        title: `promoted though its true share is below the bar, of ${LIVES.toLocaleString('en-US')} lives of ${DECISIONS.toLocaleString('en-US')} decisions (expected)`,
        columns: ['rule', ...heads(WRONG)],
        rows: rows.map(({ wrong }) => wrong),
      },
      {
        title: 'decisions until what is above the bar is promoted, median/p90 (expected)',
        columns: ['rule', ...heads(RIGHT)],
        rows: rows.map(({ right }) => right),
      },
    ],
    targets: [
      { name: 'the ladder, 0.88 past 0.9', measured: rows[2]!.shares[1]! * 100, unit: '%', below: WRONG_BELOW },
    ],
    notes: [
      'expected: of 2,000 lives each, simulated before the ladder was built',
      'a rule that looks every 10 decisions promotes 0.99 past 0.95 at its seventh look if all 70 were right, which 49.5 % of lives are (0.99^70), and else not before its tenth: its median is 70 in one sample and 100 in the next',
    ],
  },
  options,
)
