/** Policy: verdicts per second of 50 rules without look-ups on one core, and what an effect through the gate costs beside a plain step. */
import { tell, type Cell } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import type { GateCost, GateTask, Oblige, Verdicts, VerdictTask } from './subjects/policy.ts'

const options = optionsOf({ rounds: '5', rules: '50', seconds: '1', effects: '400', dir: '' })

const AT_LEAST = 1_000_000
/** How many of the rules oblige, and to what: the rest allow. */
const OBLIGING: readonly (readonly [number, Oblige])[] = [
  [0, 'ask'],
  [1, 'ask'],
  [1, 'hold'],
  [1, 'deny'],
  [5, 'ask'],
  [6, 'each'],
]

const rounds = options.number('rounds')
const perSecond = OBLIGING.map((): number[] => [])
const STORES = ['memory', 'SQLite'] as const
const costs: Record<(typeof STORES)[number], GateCost[]> = { memory: [], SQLite: [] }
for (let round = 1; round <= rounds; round++) {
  progress(`policy: round ${round} of ${rounds}`)
  for (const [i, [obliging, to]] of OBLIGING.entries()) {
    const task: VerdictTask = { rules: options.number('rules'), obliging, to, seconds: options.number('seconds') }
    perSecond[i]!.push((await inChild<Verdicts>('../subjects/policy.ts', 'verdicts', task)).perSecond)
  }
  for (const store of STORES) costs[store].push(await gateOn(store))
}

/** SQLite as it is by default: on the disk before it is answered. */
async function gateOn(store: (typeof STORES)[number]): Promise<GateCost> {
  const effects = options.number('effects')
  const folder = store === 'memory' ? undefined : newPlace(options.text('dir'))
  const task: GateTask = folder === undefined ? { effects } : { effects, folder }
  const cost = await inChild<GateCost>('../subjects/policy.ts', 'gate', task)
  if (folder !== undefined) removePlace(folder)
  return cost
}

const rate = (i: number): number => median(perSecond[i]!)
function wordsOf(obliging: number, to: Oblige): string {
  if (obliging === 0) return ''
  return to === 'each' ? 'ask, hold and deny, in turn' : to
}
const micros = (store: (typeof STORES)[number], what: (cost: GateCost) => number): number =>
  median(costs[store].map(what))

tell(
  {
    claim: 'policy',
    tables: [
      {
        title: `verdicts per second, ${options.number('rules')} rules of one action, no look-ups`,
        columns: ['rules that oblige', 'to', 'verdicts/s', 'each, ns'],
        rows: OBLIGING.map(([obliging, to], i): Cell[] => [obliging, wordsOf(obliging, to), rate(i), 1e9 / rate(i)]),
      },
      {
        title: 'one effect of a run through the gate, beside a plain step that does the same',
        columns: [
          'store',
          'step, µs',
          'effect, 1 rule, µs',
          `effect, ${options.number('rules')} rules, µs`,
          'the gate adds, µs',
          'effect / step',
        ],
        rows: STORES.map((store): Cell[] => [
          store,
          micros(store, (cost) => cost.step),
          micros(store, (cost) => cost.oneRule),
          micros(store, (cost) => cost.manyRules),
          micros(store, (cost) => cost.oneRule - cost.step),
          micros(store, (cost) => cost.oneRule / cost.step),
        ]),
      },
    ],
    targets: [{ name: 'verdicts on one core', measured: rate(0), unit: '/s', atLeast: AT_LEAST }],
    notes: [
      'a step is one commit; an effect is two, its intent before it is sent and its outcome after, with a record and a line in the trail each',
    ],
  },
  options,
)
