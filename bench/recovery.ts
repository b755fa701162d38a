/** Recovery: kill -9 with a hundred runs in flight: how soon the next process goes on, and what it does twice. */
import { setTimeout as pause } from 'node:timers/promises'
import { tell, type Cell } from './measure/claim.ts'
import { inChild, startChild } from './measure/child.ts'
import { optionsOf } from './measure/options.ts'
import { newPlace, removePlace } from './measure/place.ts'
import { progress } from './measure/progress.ts'
import { median } from './measure/stats.ts'
import { executions, type CrashTask, type Executed, type Resumed } from './subjects/crash.ts'

const options = optionsOf({
  rounds: '3',
  runs: '100',
  steps: '10',
  'step-ms': '50',
  /** Once each; openworkflow waits half a minute for its lease. */
  peers: 'langgraph,openworkflow',
  dir: '',
})

interface Crash {
  /** From the open store to the first step that executes. */
  readonly firstMs: number
  readonly doneMs: number
  /** The steps that the slowest run still had to do, in milliseconds. */
  readonly leftMs: number
  readonly twiceFinished: number
  /** Under way at the kill, so nobody had recorded them. */
  readonly twiceUnderWay: number
  readonly complete: number
}

const [runs, steps, stepMs] = [options.number('runs'), options.number('steps'), options.number('step-ms')]
const found = new Map<string, Crash[]>()
for (let round = 1; round <= options.number('rounds'); round++) {
  for (const engine of ['keelson', ...(round === 1 ? options.list('peers') : [])]) {
    progress(`recovery: round ${round} of ${options.number('rounds')}, ${engine}`)
    found.set(engine, [...(found.get(engine) ?? []), await crash(engine)])
  }
}

const ours = (what: keyof Crash): number => median(found.get('keelson')!.map((each) => each[what]))
const worst = (what: keyof Crash): number => Math.max(...found.get('keelson')!.map((each) => each[what]))
const late = median(found.get('keelson')!.map((each) => each.doneMs - each.leftMs))

tell(
  {
    claim: 'recovery',
    tables: [
      {
        title: `${runs} runs of ${steps} × ${stepMs} ms in flight, killed half-way, restarted at once`,
        columns: [
          'engine',
          'first step, ms',
          'all done, ms',
          'work left, ms',
          'finished steps run again',
          'steps under way run again',
          'complete',
        ],
        rows: [...found].map(([engine, crashes]): Cell[] => [engine, ...cells(crashes)]),
      },
    ],
    targets: [
      { name: 'first step after the store is open', measured: ours('firstMs'), unit: 'ms', atMost: 300 },
      { name: 'all done, beyond the work that was left', measured: late, unit: 'ms', atMost: 1000 },
      { name: 'finished steps executed again', measured: worst('twiceFinished'), unit: '', atMost: 0 },
      {
        name: 'complete runs',
        measured: Math.min(...found.get('keelson')!.map((each) => each.complete)),
        unit: '',
        atLeast: runs,
      },
    ],
    notes: [
      'a step is finished when its run has gone on to the next one; LangGraph is resumed by a loop that its user writes',
    ],
  },
  options,
)

async function crash(engine: string): Promise<Crash> {
  const task: CrashTask = { folder: newPlace(options.text('dir')), runs, steps, stepMs }
  const first = startChild('../subjects/crash.ts', engine, task)
  while (executions(task.folder).length < (runs * steps) / 2) await pause(5)
  first.process.kill('SIGKILL')
  await first.answer.catch(() => undefined)
  const before = executions(task.folder)
  const resumed = await inChild<Resumed>('../subjects/crash.ts', `${engine}Again`, task)
  const after = executions(task.folder).slice(before.length)
  removePlace(task.folder)
  return judged(before, after, resumed)
}

function judged(before: readonly Executed[], after: readonly Executed[], { openAt, doneAt }: Resumed): Crash {
  const last = new Map<string, number>()
  for (const { run, step } of before) last.set(run, Math.max(step, last.get(run) ?? 0))
  const left = last.size < runs ? steps : Math.max(...Array.from(last.values(), (step) => steps - step))
  let [twiceFinished, twiceUnderWay] = [0, 0]
  for (const { run, step } of after) {
    const reached = last.get(run) ?? -1
    if (step < reached) twiceFinished++
    if (step === reached) twiceUnderWay++
    last.set(run, Math.max(step, reached))
  }
  return {
    firstMs: Math.min(...after.map(({ at }) => at)) - openAt,
    doneMs: doneAt - openAt,
    leftMs: left * stepMs,
    twiceFinished,
    twiceUnderWay,
    complete: [...last.values()].filter((step) => step === steps - 1).length,
  }
}

function cells(crashes: readonly Crash[]): number[] {
  const of = (what: keyof Crash): number => median(crashes.map((each) => each[what]))
  return (['firstMs', 'doneMs', 'leftMs', 'twiceFinished', 'twiceUnderWay', 'complete'] as const).map(of)
}
