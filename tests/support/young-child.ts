/** A process that works off runs: tells by how many bytes its heap has grown for each of them when only small collections have come by. */
import { createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'

const STEPS = 10
const MANY = 32
/** Runs between two small collections. */
const APART = 64

const work = definePlaybook({
  name: 'work',
  version: 1,
  input: z.object({ run: z.string() }),
  output: z.object({ steps: z.number() }),
  async run(ctx, { run }) {
    for (let at = 0; at < STEPS; at++) await ctx.step(`step-${at}`, () => ({ run, at }))
    return { steps: STEPS }
  },
})

const log = { info: () => {}, warn: () => {}, error: () => {} }
const keelson = await createConductor({ store: sqlite(process.argv[2]!), playbooks: [work], log })
const small = (): unknown => globalThis.gc!({ type: 'minor' })
const heap = (): number => process.memoryUsage().heapUsed
let next = 0

async function one(run: string): Promise<void> {
  await (await keelson.start(work, { run }, { id: run })).result()
}

/** So many at once, each time until all of them have ended: what a collection meets then has ended, too. */
async function workOff(runs: number, inFlight: number): Promise<void> {
  for (let done = 0; done < runs; done += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => one(`run-${next++}`)))
    if (done % APART === 0) small()
  }
  await keelson.quiet()
  // What lives through two of them has grown old.
  small()
  small()
}

/** Bytes that are kept of a run. `warmUp`: runs in which the engine compiles what is called often, and places what lives long. */
async function keptOf(warmUp: number, runs: number, inFlight: number): Promise<number> {
  await workOff(warmUp, inFlight)
  globalThis.gc!()
  const before = heap()
  await workOff(runs, inFlight)
  return Math.round((heap() - before) / runs)
}

const many = await keptOf(384, 512, MANY)
process.send!({ many, one: await keptOf(64, 256, 1) })
await keelson.stop()
process.disconnect()
