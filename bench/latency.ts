/** Latency: one run of ten steps at a time, from start to result, as a multiple of the commits that it cannot do without. */
import { tell, type Cell } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import type { Load, LoadTask } from './measure/load.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { mean, median, percentile, unrest } from './measure/stats.ts'
import { STEPS } from './measure/work.ts'
import type { Bare } from './subjects/bare.ts'

const options = optionsOf({ rounds: '3', runs: '300', 'peer-runs': '50', peers: 'openworkflow,langgraph', dir: '' })

/** Start, claim, each step, settle. */
const COMMITS = STEPS + 3
const AT_MOST = 2
/** openworkflow answers once a second. */
const POLLED_RUNS = 5

interface Sample {
  readonly p50: number
  readonly p99: number
  readonly ratio: number
}

const samples = new Map<string, Sample[]>()
const bare: number[] = []
const engines = ['keelson', 'keelson (worker)', ...options.list('peers')]
for (let round = 1; round <= options.number('rounds'); round++) {
  for (const engine of engines) {
    progress(`latency: round ${round} of ${options.number('rounds')}, ${engine}`)
    const before = await bareMs()
    const { runMs } = await measure(engine)
    const commitMs = mean([before, await bareMs()])
    const p50 = median(runMs)
    const sample = { p50, p99: percentile(runMs, 0.99), ratio: p50 / (COMMITS * commitMs) }
    samples.set(engine, [...(samples.get(engine) ?? []), sample])
  }
}

tell(
  {
    claim: 'latency',
    tables: [
      {
        title: `one run of ${STEPS} steps, from start to result`,
        columns: ['engine', 'p50, ms', 'p99, ms', `× ${COMMITS} bare commits`],
        rows: engines.map((engine): Cell[] => [engine, of(engine, 'p50'), of(engine, 'p99'), of(engine, 'ratio')]),
      },
    ],
    targets: [
      { name: `p50 over ${COMMITS} bare commits`, measured: of('keelson', 'ratio'), unit: '×', atMost: AT_MOST },
    ],
    notes: [
      'p50 and p99 are medians over the rounds; openworkflow asks for results once a second',
      ...unrest('the bare commit', bare),
    ],
  },
  options,
)

async function bareMs(): Promise<number> {
  const folder = newPlace(options.text('dir'))
  const { commitMs } = await inChild<Bare>('../subjects/bare.ts', 'commits', { folder, seconds: 0.7 })
  removePlace(folder)
  bare.push(commitMs)
  return commitMs
}

async function measure(engine: string): Promise<Load> {
  const folder = newPlace(options.text('dir'))
  const polled = engine === 'openworkflow'
  const ours = engine.startsWith('keelson')
  const task: LoadTask = {
    folder,
    runs: ours ? options.number('runs') : polled ? POLLED_RUNS : options.number('peer-runs'),
    inFlight: 1,
    steps: STEPS,
    warmUp: ours ? 100 : polled ? 1 : 20,
    thread: engine.endsWith('(worker)') ? 'worker' : 'main',
  }
  const load = await inChild<Load>(`../subjects/${engine.split(' ')[0]}.ts`, polled ? 'latency' : 'load', task)
  removePlace(folder)
  return load
}

function of(engine: string, what: keyof Sample): number {
  return median((samples.get(engine) ?? []).map((sample) => sample[what]))
}
