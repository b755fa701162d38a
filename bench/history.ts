/** History: what a run costs while it grows long, how soon another process takes it up, and what it leaves on disk. */
import { tell, type Cell, type Target } from './measure/claim.ts'
import { inChild, startChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { bytesIn, newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import { result } from './measure/work.ts'
import type { Grown, LongTask, TakenUp } from './subjects/long.ts'

const options = optionsOf({
  rounds: '3',
  /** The first is what the longer ones are compared with. */
  steps: '5000,50000',
  peers: 'langgraph,openworkflow',
  /** openworkflow ends a run at 1,000 steps. */
  'peer-steps': '990',
  dir: '',
})

const PAYLOAD = JSON.stringify(result('long', 1000)).length
/** The same work in one commit takes this much more or less time from round to round. */
const LINEAR = 1.3
const RESUME_MS = 150
const BYTES_PER_STEP = 2 * PAYLOAD + 400
const WAL_MB = 16

interface Sample extends Grown {
  readonly openMs: number
  readonly resumeMs: number
  /** After the run has ended and the store is closed. */
  readonly diskBytes: number
}

const samples = new Map<string, Sample[]>()
const sizes = options.numbers('steps')
for (let round = 1; round <= options.number('rounds'); round++) {
  for (const steps of sizes) await add('keelson', steps, round)
  if (round > 1) continue
  for (const peer of options.list('peers')) await add(peer, options.number('peer-steps'), round)
}

tell(
  {
    claim: 'history',
    tables: [
      {
        title: `one run of many steps of ${PAYLOAD} bytes`,
        columns: [
          'engine',
          'steps',
          'run, ms per step',
          'open, ms',
          'resume, ms',
          'resume, µs per step',
          'disk, bytes per step',
          'log at most, MB',
        ],
        rows: [...samples.keys()].map(row),
      },
    ],
    targets: targets(),
    notes: [
      'killed with -9 in the step after the last; resume: from the open store to the first step that was not recorded',
      'disk: all files after the run has ended and the store is closed',
    ],
  },
  options,
)

async function add(engine: string, steps: number, round: number): Promise<void> {
  progress(`history: round ${round} of ${options.number('rounds')}, ${engine}, ${steps} steps`)
  const key = `${engine} ${steps}`
  samples.set(key, [...(samples.get(key) ?? []), await measure(engine, steps)])
}

async function measure(engine: string, steps: number): Promise<Sample> {
  const task: LongTask = { folder: newPlace(options.text('dir')), steps }
  const grown = await new Promise<Grown>((resolve, reject) => {
    const started = startChild('../subjects/long.ts', engine, task, [], (said) => {
      started.process.once('exit', () => resolve(said as Grown))
      started.process.kill('SIGKILL')
    })
    started.process.once('exit', (code) => code !== null && reject(new Error(`${engine} ended (${code})`)))
  })
  const none: TakenUp = { openMs: NaN, resumeMs: NaN }
  const taken = engine === 'openworkflow' ? none : await inChild<TakenUp>('../subjects/long.ts', `${engine}Again`, task)
  const sample = { ...grown, ...taken, diskBytes: bytesIn(task.folder) }
  removePlace(task.folder)
  return sample
}

function of(key: string, value: (sample: Sample) => number): number {
  return median((samples.get(key) ?? []).map(value))
}

function row(key: string): Cell[] {
  const [engine, text] = key.split(' ') as [string, string]
  const steps = Number(text)
  return [
    engine,
    steps,
    of(key, ({ ms }) => ms / steps),
    of(key, ({ openMs }) => openMs),
    of(key, ({ resumeMs }) => resumeMs),
    of(key, ({ resumeMs }) => (resumeMs / steps) * 1000),
    of(key, ({ diskBytes }) => diskBytes / steps),
    of(key, ({ walBytes }) => walBytes / 2 ** 20),
  ]
}

function targets(): Target[] {
  const [base] = sizes
  if (base === undefined) return []
  const short = `keelson ${base}`
  const growth = (steps: number, what: 'ms' | 'resumeMs'): number =>
    of(`keelson ${steps}`, (sample) => sample[what]) / of(short, (sample) => sample[what]) / (steps / base)
  return [
    { name: `resume of ${base} steps`, measured: of(short, ({ resumeMs }) => resumeMs), unit: 'ms', atMost: RESUME_MS },
    ...sizes.slice(1).flatMap((steps): Target[] => [
      { name: `run per step, ${steps} over ${base}`, measured: growth(steps, 'ms'), unit: '×', atMost: LINEAR },
      {
        name: `resume per step, ${steps} over ${base}`,
        measured: growth(steps, 'resumeMs'),
        unit: '×',
        atMost: LINEAR,
      },
    ]),
    ...sizes.flatMap((steps): Target[] => {
      const key = `keelson ${steps}`
      const perStep = of(key, ({ diskBytes }) => diskBytes / steps)
      const wal = of(key, ({ walBytes }) => walBytes / 2 ** 20)
      return [
        { name: `disk per step, ${steps} steps`, measured: perStep, unit: 'bytes', atMost: BYTES_PER_STEP },
        { name: `log, ${steps} steps`, measured: wal, unit: 'MB', atMost: WAL_MB },
      ]
    }),
  ]
}
