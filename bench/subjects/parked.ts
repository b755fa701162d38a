/** Parked: thousands of runs that wait, half for an event and half for a day next month. */
import { join } from 'node:path'
import { createConductor, defineEvent, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'
import { result } from '../measure/work.ts'
import { silent } from './keelson.ts'

export interface ParkedTask {
  readonly folder: string
  readonly runs: number
}

export interface Parked {
  readonly parkMs: number
  /** Heap and buffers after a collection, with the runs parked less without. */
  readonly bytes: number
}

export interface Restarted {
  readonly openMs: number
  /** From nothing to the result of a run that was started then. */
  readonly workingMs: number
  readonly bytes: number
  /** From the event to the result of the run that waited for it. */
  readonly wakeMs: number
}

/** Started in one turn. */
const AT_ONCE = 100

const answer = defineEvent({ name: 'answer', schema: z.object({ id: z.string() }) })

const waiting = definePlaybook({
  name: 'waiting',
  version: 1,
  input: z.object({ id: z.string(), event: z.boolean() }),
  output: z.object({}),
  async run(ctx, { id, event }) {
    await ctx.step('prepare', () => result(id, 0))
    if (event) await ctx.waitFor(answer, { match: { id } })
    else await ctx.sleep('30d')
    return {}
  },
})

const probe = definePlaybook({
  name: 'probe',
  version: 1,
  input: z.object({}),
  output: z.object({}),
  run: async (ctx) => (await ctx.step('work', () => result('probe', 0)), {}),
})

const open = ({ folder }: ParkedTask) =>
  createConductor({ store: sqlite(join(folder, 'keelson.db')), playbooks: [waiting, probe], log: silent })

/** Needs --expose-gc. */
function bytesNow(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export async function park(task: ParkedTask): Promise<Parked> {
  const conductor = await open(task)
  await (await conductor.start(probe, {}, { id: 'warm' })).result()
  await waitingRuns(conductor, 'warm', 500)
  const empty = bytesNow()
  const began = performance.now()
  await waitingRuns(conductor, 'run', task.runs)
  const parkMs = performance.now() - began
  await conductor.quiet()
  const bytes = bytesNow() - empty
  await conductor.stop()
  return { parkMs, bytes }
}

async function waitingRuns(conductor: Awaited<ReturnType<typeof open>>, name: string, count: number): Promise<void> {
  let parked = 0
  const all = Promise.withResolvers<void>()
  const end = conductor.on('run.parked', () => ++parked === count && all.resolve())
  const ids = Array.from({ length: count }, (_, at) => ({ id: `${name}-${at}`, event: at % 2 === 0 }))
  for (let at = 0; at < count; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    await Promise.all(some.map((input) => conductor.start(waiting, input, { id: input.id })))
  }
  await all.promise
  end()
}

export async function restart(task: ParkedTask): Promise<Restarted> {
  const empty = bytesNow()
  const began = performance.now()
  const conductor = await open(task)
  const openMs = performance.now() - began
  await (await conductor.start(probe, {}, { id: 'probe' })).result()
  const workingMs = performance.now() - began
  const bytes = bytesNow() - empty
  const id = `run-${(task.runs >> 1) & ~1}`
  const sent = performance.now()
  await conductor.send(answer, { id }, { id: 'answer' })
  await conductor.runs.get(id).result()
  const wakeMs = performance.now() - sent
  await conductor.stop()
  return { openMs, workingMs, bytes, wakeMs }
}
