/** Load: many runs through one engine, so many in flight at a time, and what that took. */
import { watchLoop } from './loop.ts'

/** An engine that is open and working. */
export interface Engine {
  /** One run of `STEPS` steps, from its start until its caller has the result. */
  run(id: string): Promise<void>
  /** For an engine that cannot be asked run by run: hands all over, before the clock starts. */
  enqueue?(ids: readonly string[]): Promise<void>
  /** Works off what was handed over. */
  work?(): Promise<void>
  close(): Promise<void>
}

export interface LoadTask {
  readonly folder: string
  readonly runs: number
  readonly inFlight: number
  readonly steps: number
  /** Runs before the clock starts. */
  readonly warmUp: number
  /** More of them, as many at a time, until so much time has gone by. */
  readonly warmMs?: number
  /** Where the subject has a choice. */
  readonly thread?: 'main' | 'worker'
  /** Of those in flight, how many are at work at once; by default as the engine comes. */
  readonly concurrency?: number
}

export interface Load {
  /** Of the first `warmUp` runs, by code that the engine has hardly compiled. */
  readonly coldStepsPerSecond: number
  readonly stepsPerSecond: number
  /** User and system time of the process, its threads included. */
  readonly cpuMicrosPerStep: number
  /** How much later than asked for the host's event loop came round. */
  readonly delayP99Ms: number
  readonly delayMaxMs: number
  readonly rssMb: number
  /** Each run from start to result. */
  readonly runMs: readonly number[]
}

export async function loadOn(engine: Engine, task: LoadTask): Promise<Load> {
  const coldStepsPerSecond = await warmUp(engine, task)
  const measured = ids(task.runs, 'run')
  await engine.enqueue?.(measured)
  const watched = watchLoop()
  const cpu = process.cpuUsage()
  const began = performance.now()
  const runMs = await everyRun(engine, measured, task.inFlight, engine.work !== undefined)
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  const delay = watched.end()
  const rssMb = process.memoryUsage.rss() / 2 ** 20
  await engine.close()
  const steps = task.runs * task.steps
  return {
    coldStepsPerSecond,
    stepsPerSecond: (steps / ms) * 1000,
    cpuMicrosPerStep: (user + system) / steps,
    delayP99Ms: delay.p99Ms,
    delayMaxMs: delay.maxMs,
    rssMb,
    runMs,
  }
}

function ids(count: number, name: string): string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at}`)
}

/** Answers the rate of its first runs. */
async function warmUp(engine: Engine, { warmUp: count, warmMs = 0, inFlight, steps }: LoadTask): Promise<number> {
  if (count === 0) return 0
  const began = performance.now()
  let rate = 0
  for (let batch = 0; batch === 0 || performance.now() - began < warmMs; batch++) {
    const runs = ids(count, `warm-${batch}`)
    await engine.enqueue?.(runs)
    const from = performance.now()
    await everyRun(engine, runs, inFlight, engine.work !== undefined)
    if (batch === 0) rate = ((count * steps) / (performance.now() - from)) * 1000
  }
  return rate
}

async function everyRun(
  engine: Engine,
  ids: readonly string[],
  inFlight: number,
  handedOver = false,
): Promise<number[]> {
  if (handedOver) {
    await engine.work!()
    return []
  }
  const took: number[] = []
  let next = 0
  const one = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) {
      const began = performance.now()
      await engine.run(id)
      took.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return took
}
