/** Long: one run with a long history: made, killed at its end, and taken up again by another process. */
import { join } from 'node:path'
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { OpenWorkflow } from 'openworkflow'
import { BackendSqlite } from 'openworkflow/sqlite'
import { z } from 'zod'
import { note } from '../measure/child.ts'
import { bytesIn } from '../measure/place.ts'
import { result } from '../measure/work.ts'
import { silent } from './keelson.ts'
import { openLangGraph } from './langgraph.ts'

export interface LongTask {
  readonly folder: string
  readonly steps: number
}

export interface Grown {
  readonly ms: number
  /** The largest size of the write-ahead log. */
  readonly walBytes: number
}

export interface TakenUp {
  /** From nothing to an open store. */
  readonly openMs: number
  /** From the open store to the first step that had not been recorded. */
  readonly resumeMs: number
}

const LOOK_EVERY = 100
const RUN = 'long'

async function openKeelson(task: LongTask, atEnd: () => Promise<void> | void) {
  let wal = 0
  let began = 0
  const playbook = definePlaybook({
    name: 'long',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    async run(ctx) {
      for (let at = 0; at < task.steps; at++) {
        await ctx.step(`step-${at}`, () => {
          if (at === 0) began = performance.now()
          if (at % LOOK_EVERY === 0) wal = Math.max(wal, bytesIn(task.folder, '-wal'))
          return result(RUN, at)
        })
      }
      await ctx.step('end', async () => void (await atEnd()))
      return {}
    },
  })
  const conductor = await createConductor({
    store: sqlite(join(task.folder, 'keelson.db')),
    playbooks: [playbook],
    log: silent,
    limits: { entriesMax: 1_000_000, bytesMax: 2 ** 40 },
  })
  const grown = (): Grown => ({ ms: performance.now() - began, walBytes: wal })
  return { conductor, playbook, grown }
}

/** Notes `Grown` and hangs in its last step, to be killed there. */
export async function keelson(task: LongTask): Promise<void> {
  const never = new Promise<void>(() => {})
  const { conductor, playbook, grown } = await openKeelson(task, () => (note(grown()), never))
  await (await conductor.start(playbook, {}, { id: RUN })).result()
}

export async function keelsonAgain(task: LongTask): Promise<TakenUp> {
  const before = performance.now()
  const reached = Promise.withResolvers<number>()
  const { conductor } = await openKeelson(task, () => reached.resolve(performance.now()))
  const opened = performance.now()
  const resumeMs = (await reached.promise) - opened
  await conductor.runs.get(RUN).result()
  await conductor.stop()
  return { openMs: opened - before, resumeMs }
}

export async function langgraph(task: LongTask): Promise<void> {
  const began = performance.now()
  const never = new Promise<void>(() => {})
  const graph = openLangGraph(join(task.folder, 'langgraph.db'), task.steps + 1, async (run, at) => {
    if (at < task.steps) return result(run, at)
    note({ ms: performance.now() - began, walBytes: bytesIn(task.folder, '-wal') } satisfies Grown)
    return never
  })
  await graph.start(RUN)
}

export async function langgraphAgain(task: LongTask): Promise<TakenUp> {
  const before = performance.now()
  let reachedAt = 0
  const graph = openLangGraph(join(task.folder, 'langgraph.db'), task.steps + 1, (run, at) => {
    reachedAt = performance.now()
    return result(run, at)
  })
  const opened = performance.now()
  await graph.resume(RUN)
  return { openMs: opened - before, resumeMs: reachedAt - opened }
}

/** It is not taken up again here: that waits half a minute for a lease, whatever the history. */
export async function openworkflow(task: LongTask): Promise<void> {
  const ow = new OpenWorkflow({ backend: BackendSqlite.connect(join(task.folder, 'openworkflow.db')) })
  const never = new Promise<void>(() => {})
  const workflow = ow.defineWorkflow<object, object>({ name: 'long', version: '1' }, async ({ step }) => {
    const began = performance.now()
    for (let at = 0; at < task.steps; at++) await step.run({ name: `step-${at}` }, async () => result(RUN, at))
    note({ ms: performance.now() - began, walBytes: bytesIn(task.folder, '-wal') } satisfies Grown)
    await never
    return {}
  })
  await workflow.run({})
  await ow.newWorker({ concurrency: 1 }).start()
  await never
}
