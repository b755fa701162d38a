/** Parked: what ten thousand runs that wait cost the process, and what they cost its next start. */
import { tell } from './measure/claim.ts'
import { inChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { bytesIn, newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import type { Parked, ParkedTask, Restarted } from './subjects/parked.ts'

const options = optionsOf({ rounds: '3', runs: '10000', dir: '' })

type Sample = Parked & { readonly restarted: Restarted; readonly emptied: Restarted; readonly diskBytes: number }

const runs = options.number('runs')
const samples: Sample[] = []
for (let round = 1; round <= options.number('rounds'); round++) {
  progress(`parked: round ${round} of ${options.number('rounds')}, ${runs} runs`)
  samples.push(await measure())
}

const of = (value: (sample: Sample) => number): number => median(samples.map(value))
const perRun = of(({ bytes }) => bytes / runs)
const perRunAgain = of(({ restarted, emptied }) => (restarted.bytes - emptied.bytes) / runs)

tell(
  {
    claim: 'parked',
    tables: [
      {
        title: `${runs} parked runs`,
        columns: ['what', 'median'],
        rows: [
          ['in the process that parked them, bytes each', perRun],
          ['in a process that starts with them, bytes each', perRunAgain],
          ['on disk, bytes each', of(({ diskBytes }) => diskBytes / runs)],
          ['parked per second, from start to parked', of(({ parkMs }) => (runs / parkMs) * 1000)],
          ['restart: store open, ms', of(({ restarted }) => restarted.openMs)],
          ['restart: a new run has its result, ms', of(({ restarted }) => restarted.workingMs)],
          ['the same with nothing parked, ms', of(({ emptied }) => emptied.workingMs)],
          ['from an event to the result of the run that waited for it, ms', of(({ restarted }) => restarted.wakeMs)],
        ],
      },
    ],
    targets: [
      { name: 'each in the process', measured: perRun, unit: 'bytes', atMost: 1024 },
      {
        name: 'restart until a new run has its result',
        measured: of((one) => one.restarted.workingMs),
        unit: 'ms',
        atMost: 1000,
      },
    ],
    notes: ['bytes in the process: heap and buffers after a collection; each run waits for an event or for 30 days'],
  },
  options,
)

async function measure(): Promise<Sample> {
  const task: ParkedTask = { folder: newPlace(options.text('dir')), runs }
  const none: ParkedTask = { folder: newPlace(options.text('dir')), runs: 2 }
  const flags = ['--expose-gc']
  const parked = await inChild<Parked>('../subjects/parked.ts', 'park', task, flags)
  const diskBytes = bytesIn(task.folder)
  const restarted = await inChild<Restarted>('../subjects/parked.ts', 'restart', task, flags)
  await inChild<Parked>('../subjects/parked.ts', 'park', none, flags)
  const emptied = await inChild<Restarted>('../subjects/parked.ts', 'restart', none, flags)
  removePlace(task.folder)
  removePlace(none.folder)
  return { ...parked, restarted, emptied, diskBytes }
}
