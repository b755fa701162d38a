/** Policy: verdicts per second of 50 rules without look-ups on one core, and what the gate adds to one effect. */
import { tell, type Cell } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import type { GateCost, Verdicts, VerdictTask } from './subjects/policy.ts'

const options = optionsOf({ rounds: '5', rules: '50', seconds: '1', effects: '400' })

const AT_LEAST = 1_000_000
/** How many of the rules oblige: the rest allow. */
const OBLIGING = [0, 1, 5]

const rounds = options.number('rounds')
const perSecond = new Map<number, number[]>()
const costs: GateCost[] = []
for (let round = 1; round <= rounds; round++) {
  progress(`policy: round ${round} of ${rounds}`)
  for (const obliging of OBLIGING) {
    const task: VerdictTask = { rules: options.number('rules'), obliging, seconds: options.number('seconds') }
    const { perSecond: measured } = await inChild<Verdicts>('../subjects/policy.ts', 'verdicts', task)
    perSecond.set(obliging, [...(perSecond.get(obliging) ?? []), measured])
  }
  costs.push(await inChild<GateCost>('../subjects/policy.ts', 'gate', { effects: options.number('effects') }))
}

const rate = (obliging: number): number => median(perSecond.get(obliging) ?? [])
const micros = (what: keyof GateCost): number => median(costs.map((cost) => cost[what]))

tell(
  {
    claim: 'policy',
    tables: [
      {
        title: `verdicts per second, ${options.number('rules')} rules of one action, no look-ups`,
        columns: ['rules that oblige', 'verdicts/s', 'each, ns'],
        rows: OBLIGING.map((obliging): Cell[] => [obliging, rate(obliging), 1e9 / rate(obliging)]),
      },
      {
        title: 'one effect of a run, in a store in memory',
        columns: ['rules', 'µs per effect'],
        rows: [
          ['1 rule that allows', micros('oneRule')],
          [`${options.number('rules')} rules that allow`, micros('manyRules')],
          ['the other rules add', micros('manyRules') - micros('oneRule')],
        ],
      },
    ],
    targets: [{ name: 'verdicts on one core', measured: rate(0), unit: '/s', atLeast: AT_LEAST }],
    notes: ['the store in memory has no disk: on SQLite the two commits of an effect are by far the larger part'],
  },
  options,
)
