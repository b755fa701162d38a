/**
 * openworkflow on its SQLite backend: WAL and FULL, as it opens its file by itself.
 *
 * Its `result()` asks once a second and its worker sleeps when it finds nothing. To measure the engine and not the
 * sleeping, all runs are handed over before the clock starts, and a run has ended when its function has.
 */
import { join } from 'node:path'
import { OpenWorkflow } from 'openworkflow'
import { BackendSqlite } from 'openworkflow/sqlite'
import { loadOn, type Engine, type Load, type LoadTask } from '../measure/load.ts'
import { result } from '../measure/work.ts'

function open(task: LoadTask) {
  const backend = BackendSqlite.connect(join(task.folder, 'openworkflow.db'))
  const ow = new OpenWorkflow({ backend })
  const ended = new Map<string, () => void>()
  const workflow = ow.defineWorkflow<{ run: string }, { steps: number }>(
    { name: 'steps', version: '1' },
    async (given) => {
      const { run } = given.input
      for (let at = 0; at < task.steps; at++) {
        await given.step.run({ name: `step-${at}` }, async () => result(run, at))
      }
      ended.get(run)?.()
      return { steps: task.steps }
    },
  )
  const newWorker = () => ow.newWorker({ concurrency: task.inFlight })
  return { workflow, newWorker, ended, backend }
}

/** Throughput: all handed over first. */
export async function load(task: LoadTask): Promise<Load> {
  const { workflow, newWorker, ended, backend } = open(task)
  let worker = newWorker()
  let all: Promise<unknown> = Promise.resolve()
  const engine: Engine = {
    async run() {
      throw new Error('handed over all at once')
    },
    async enqueue(ids) {
      await worker.stop()
      worker = newWorker()
      const ends = ids.map((run) => new Promise<void>((resolve) => ended.set(run, resolve)))
      all = Promise.all(ends)
      for (const run of ids) await workflow.run({ run })
    },
    async work() {
      await worker.start()
      await all
    },
    async close() {
      await worker.stop()
      await backend.stop()
    },
  }
  return loadOn(engine, task)
}

/** Latency: as its caller sees it. */
export async function latency(task: LoadTask): Promise<Load> {
  const { workflow, newWorker, backend } = open(task)
  const worker = newWorker()
  await worker.start()
  const close = async (): Promise<void> => {
    await worker.stop()
    await backend.stop()
  }
  return loadOn({ run: async (run) => void (await (await workflow.run({ run })).result()), close }, task)
}
