/** Throughput: steps per second with 1, 16, 100 and 1,000 runs in flight, as multiples of the bare commit rate and of the peers. */
import { tell, shown, type Cell, type Target } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import type { Load, LoadTask } from './measure/load.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { mean, median, spread, unrest } from './measure/stats.ts'
import { STEPS } from './measure/work.ts'
import type { Bare } from './subjects/bare.ts'

const options = optionsOf({
  rounds: '3',
  inflight: '1,16,100,1000',
  peers: 'openworkflow,langgraph',
  /** Runs of ours per run in flight, and the least. */
  'runs-per-flight': '5',
  'runs-least': '3000',
  /** The same for the peers. */
  'peer-runs-per-flight': '1',
  'peer-runs-least': '200',
  /** Passes at once of ours; 0: as many as it lets by default, however many runs are in flight. */
  concurrency: '0',
  /**
   * How long each engine works before the clock starts: what is measured is a service that has been up for a while. What happens once a
   * run is compiled for good after its ten thousandth, some eight seconds from the start with 16 in flight.
   */
  'warm-seconds': '10',
  'bare-seconds': '0.7',
  dir: '',
})

/** Multiples of the bare commit rate. */
const WANTED: Readonly<Record<number, number>> = { 1: 0.4, 16: 3, 100: 4, 1000: 4 }
const OVER_PEERS = 5
const OURS = ['keelson', 'keelson (worker)'] as const

interface Sample extends Load {
  /** Over the bare rate measured just before and after. */
  readonly ratio: number
}

const peers = options.list('peers')
const engines = [...OURS, ...peers]
const samples = new Map<string, Sample[]>()
const bare: number[] = []

for (let round = 1; round <= options.number('rounds'); round++) {
  for (const inFlight of options.numbers('inflight')) {
    let before = await bareRate()
    for (const engine of engines) {
      progress(`throughput: round ${round} of ${options.number('rounds')}, ${inFlight} in flight, ${engine}`)
      const load = await measure(engine, inFlight)
      const after = await bareRate()
      const key = `${engine} ${inFlight}`
      const ratio = load.stepsPerSecond / mean([before, after])
      samples.set(key, [...(samples.get(key) ?? []), { ...load, ratio, runMs: [] }])
      before = after
    }
  }
}

tell(
  {
    claim: 'throughput',
    tables: options.numbers('inflight').map((inFlight) => ({
      title: `${inFlight} in flight, runs of ${STEPS} steps`,
      columns: [
        'engine',
        'steps/s',
        '(least to most)',
        '× bare commits',
        'first runs, steps/s',
        'CPU µs per step',
        'loop delay p99, ms',
        'RSS, MB',
      ],
      rows: engines.map((engine) => row(engine, inFlight)),
    })),
    targets: options.numbers('inflight').flatMap(targetsOf),
    notes: [
      `bare: better-sqlite3, WAL, FULL, one insert of 200 bytes per commit: ${told(bare)} per second`,
      `each engine works for ${options.text('warm-seconds')} s before its clock starts; the first runs: 1,000 of ours, and of the peers as many as are in flight, 50 at least`,
      'openworkflow: WAL, FULL, all runs handed over before the clock starts; its figure leaves out start and result',
      'LangGraph: WAL, NORMAL (not safe from a power cut), checkpoints written while the next step runs',
      ...unrest('the bare rate', bare),
    ],
  },
  options,
)

async function bareRate(): Promise<number> {
  const folder = newPlace(options.text('dir'))
  const seconds = options.number('bare-seconds')
  const { commitsPerSecond } = await inChild<Bare>('../subjects/bare.ts', 'commits', { folder, seconds })
  removePlace(folder)
  bare.push(commitsPerSecond)
  return commitsPerSecond
}

async function measure(engine: string, inFlight: number): Promise<Load> {
  const ours = engine.startsWith('keelson')
  const [each, least] = ours
    ? (['runs-per-flight', 'runs-least'] as const)
    : (['peer-runs-per-flight', 'peer-runs-least'] as const)
  const runs = Math.max(options.number(least), inFlight * options.number(each))
  const folder = newPlace(options.text('dir'))
  const concurrency = options.number('concurrency')
  const task: LoadTask = {
    folder,
    runs,
    inFlight,
    steps: STEPS,
    warmUp: Math.min(ours ? 1000 : Math.max(50, inFlight), runs),
    warmMs: options.number('warm-seconds') * 1000,
    thread: engine.endsWith('(worker)') ? 'worker' : 'main',
    ...(concurrency === 0 ? {} : { concurrency }),
  }
  const load = await inChild<Load>(`../subjects/${engine.split(' ')[0]}.ts`, 'load', task)
  removePlace(folder)
  return load
}

function of(engine: string, inFlight: number, value: (sample: Sample) => number): number {
  return median((samples.get(`${engine} ${inFlight}`) ?? []).map(value))
}

function row(engine: string, inFlight: number): Cell[] {
  const rates = spread((samples.get(`${engine} ${inFlight}`) ?? []).map((sample) => sample.stepsPerSecond))
  return [
    engine,
    rates.median,
    `${shown(rates.min)} to ${shown(rates.max)}`,
    of(engine, inFlight, (sample) => sample.ratio),
    of(engine, inFlight, (sample) => sample.coldStepsPerSecond),
    of(engine, inFlight, (sample) => sample.cpuMicrosPerStep),
    of(engine, inFlight, (sample) => sample.delayP99Ms),
    of(engine, inFlight, (sample) => sample.rssMb),
  ]
}

function targetsOf(inFlight: number): Target[] {
  const ours = of(OURS[0], inFlight, (sample) => sample.stepsPerSecond)
  const best = Math.max(...peers.map((peer) => of(peer, inFlight, (sample) => sample.stepsPerSecond)))
  const atLeast = WANTED[inFlight]
  const ratio = of(OURS[0], inFlight, (sample) => sample.ratio)
  return [
    ...(atLeast === undefined
      ? []
      : [{ name: `${inFlight} in flight, over bare commits`, measured: ratio, unit: '×', atLeast }]),
    ...(peers.length === 0 || inFlight === 1
      ? []
      : [{ name: `${inFlight} in flight, over the best peer`, measured: ours / best, unit: '×', atLeast: OVER_PEERS }]),
  ]
}

function told(rates: readonly number[]): string {
  const { min, median: middle, max } = spread(rates)
  return `${shown(middle)} (${shown(min)} to ${shown(max)}, ${rates.length} times)`
}
