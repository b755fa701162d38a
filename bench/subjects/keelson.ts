/** Keelson: the packages of this repository as they are built, with the durability that they have by default (FULL). */
import { join } from 'node:path'
import { createConductor, definePlaybook, type Conductor, type Logger } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'
import { loadOn, type Load, type LoadTask } from '../measure/load.ts'
import { result } from '../measure/work.ts'

export const silent: Logger = { info() {}, warn() {}, error: (...said) => console.error(...said) }

export const stepsPlaybook = definePlaybook({
  name: 'steps',
  version: 1,
  input: z.object({ run: z.string(), steps: z.number() }),
  output: z.object({ steps: z.number() }),
  async run(ctx, { run, steps }) {
    for (let at = 0; at < steps; at++) await ctx.step(`step-${at}`, () => result(run, at))
    return { steps }
  },
})

export async function openKeelson(
  folder: string,
  options: { concurrency?: number | undefined; thread?: 'main' | 'worker' | undefined } = {},
): Promise<Conductor> {
  const { concurrency } = options
  const thread = options.thread === undefined ? {} : { thread: options.thread }
  return createConductor({
    store: sqlite(join(folder, 'keelson.db'), thread),
    playbooks: [stepsPlaybook],
    ...(concurrency === undefined ? {} : { concurrency }),
    log: silent,
  })
}

export async function load(task: LoadTask): Promise<Load> {
  const conductor = await openKeelson(task.folder, { concurrency: task.concurrency, thread: task.thread })
  return loadOn(
    {
      async run(id) {
        const run = await conductor.start(stepsPlaybook, { run: id, steps: task.steps }, { id })
        await run.result()
      },
      close: () => conductor.stop(),
    },
    task,
  )
}
