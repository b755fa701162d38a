/**
 * Trust: how often the ladder promotes what it should not, and how soon what it should: the table of the rules, simulated.
 *
 * `node trust.ts [--json] [--lives 20000]`. Exits 1 when 3 % or more of actions that are right in 88 of 100 cases are ever
 * proposed for a rung that wants 90. The chosen rule is the product's own function; the others are here for comparison.
 */
import { parseArgs } from 'node:util'
import { advance, BARS, standingAt, wilsonLower, type TrustRung } from '../packages/core/src/policy/trust.ts'

const DECISIONS = 1000
const { values } = parseArgs({ options: { json: { type: 'boolean' }, lives: { type: 'string', default: '20000' } } })
const LIVES = Number(values.lives)

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

const RULES: readonly (readonly [string, Rule])[] = [
  ['after each, last 200, one pass (naive)', rule(1, 1, 200, false)],
  ['every 10, last 200, two passes', rule(10, 2, 200, false)],
  ['every 25, all, two passes (the ladder)', ladder],
  ['every 20, all, two passes, each block too', rule(20, 2, Infinity, true)],
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

const rows = RULES.map(([name, one]) => ({
  rule: name,
  wrong: WRONG.map(([quality, to]) => ({ quality, bar: BARS[to], share: lives(one, quality, to).length / LIVES })),
  right: RIGHT.map(([quality, to]) => {
    const at = lives(one, quality, to)
    return { quality, bar: BARS[to], median: at[at.length >> 1], p90: at[Math.floor(at.length * 0.9)] }
  }),
}))
const found = rows[2]!.wrong[1]!.share
if (values.json === true)
  console.log(JSON.stringify({ lives: LIVES, decisions: DECISIONS, rows, wrongPromotion: found }))
else {
  for (const { rule: name, wrong, right } of rows) {
    const shares = wrong.map(({ quality, bar, share }) => `${quality}→${bar} ${(share * 100).toFixed(1)} %`)
    const speeds = right.map(({ quality, bar, median, p90 }) => `${quality}→${bar} ${median}/${p90}`)
    console.log(`${name}\n  wrongly promoted: ${shares.join('  ')}\n  decisions, median/p90: ${speeds.join('  ')}`)
  }
}
if (found >= 0.03) {
  console.error(`wrong promotion of an action of 0.88 past 0.90: ${(found * 100).toFixed(2)} %, which is not under 3 %`)
  process.exitCode = 1
}
