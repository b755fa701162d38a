/**
 * Crash: a process that is killed while all its runs are in flight, and the one that finds what it left.
 *
 * Each execution of a step is a line in a file, written before the step works: what the file system was given survives
 * the death of the process.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { OpenWorkflow } from 'openworkflow'
import { BackendSqlite } from 'openworkflow/sqlite'
import { z } from 'zod'
import { note } from '../measure/child.ts'
import { result } from '../measure/work.ts'
import { silent } from './keelson.ts'
import { openLangGraph } from './langgraph.ts'

export interface CrashTask {
  readonly folder: string
  readonly runs: number
  readonly steps: number
  readonly stepMs: number
}

export interface Executed {
  readonly run: string
  readonly step: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** When the store was open, and when the last run had ended; milliseconds since 1970. */
export interface Resumed {
  readonly openAt: number
  readonly doneAt: number
}

export function executions(folder: string): Executed[] {
  const file = join(folder, 'executions')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Executed)
}

function worker({ folder, stepMs }: CrashTask) {
  const file = join(folder, 'executions')
  return async (run: string, step: number): Promise<unknown> => {
    appendFileSync(file, `${JSON.stringify({ run, step, at: Date.now() } satisfies Executed)}\n`)
    await pause(stepMs)
    return result(run, step)
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `run-${at}`)

async function openKeelson(task: CrashTask) {
  const work = worker(task)
  const playbook = definePlaybook({
    name: 'slow',
    version: 1,
    input: z.object({ run: z.string() }),
    output: z.object({}),
    async run(ctx, { run }) {
      for (let at = 0; at < task.steps; at++) {
        await ctx.step(`step-${at}`, async () => JSON.stringify(await work(run, at)))
      }
      return {}
    },
  })
  const conductor = await createConductor({
    store: sqlite(join(task.folder, 'keelson.db')),
    playbooks: [playbook],
    log: silent,
  })
  return { conductor, playbook }
}

export async function keelson(task: CrashTask): Promise<void> {
  const { conductor, playbook } = await openKeelson(task)
  const runs = names(task.runs).map((run) => conductor.start(playbook, { run }, { id: run }))
  await Promise.all(runs)
  note('started')
  await pause(60_000)
}

export async function keelsonAgain(task: CrashTask): Promise<Resumed> {
  const { conductor } = await openKeelson(task)
  const openAt = Date.now()
  await Promise.all(names(task.runs).map((run) => conductor.runs.get(run).result()))
  const doneAt = Date.now()
  await conductor.stop()
  return { openAt, doneAt }
}

export async function langgraph(task: CrashTask): Promise<void> {
  const graph = openLangGraph(join(task.folder, 'langgraph.db'), task.steps, worker(task))
  note('started')
  await Promise.all(names(task.runs).map((run) => graph.start(run)))
  await pause(60_000)
}

/** LangGraph has no recovery of its own: this list of threads is what its user would have to keep. */
export async function langgraphAgain(task: CrashTask): Promise<Resumed> {
  const graph = openLangGraph(join(task.folder, 'langgraph.db'), task.steps, worker(task))
  const openAt = Date.now()
  await Promise.all(names(task.runs).map((run) => graph.resume(run)))
  return { openAt, doneAt: Date.now() }
}

function openOpenworkflow(task: CrashTask) {
  const work = worker(task)
  const ow = new OpenWorkflow({ backend: BackendSqlite.connect(join(task.folder, 'openworkflow.db')) })
  let ended = 0
  const done = Promise.withResolvers<number>()
  const workflow = ow.defineWorkflow<{ run: string }, object>(
    { name: 'slow', version: '1' },
    async ({ input, step }) => {
      for (let at = 0; at < task.steps; at++) {
        await step.run({ name: `step-${at}` }, async () => JSON.stringify(await work(input.run, at)))
      }
      if (++ended === task.runs) done.resolve(Date.now())
      return {}
    },
  )
  return { workflow, worker: ow.newWorker({ concurrency: task.runs }), done: done.promise }
}

export async function openworkflow(task: CrashTask): Promise<void> {
  const { workflow, worker } = openOpenworkflow(task)
  for (const run of names(task.runs)) await workflow.run({ run })
  await worker.start()
  note('started')
  await pause(120_000)
}

export async function openworkflowAgain(task: CrashTask): Promise<Resumed> {
  const { worker, done } = openOpenworkflow(task)
  const openAt = Date.now()
  await worker.start()
  return { openAt, doneAt: await done }
}
