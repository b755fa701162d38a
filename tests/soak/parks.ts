/**
 * Parks: one process that parks and wakes runs again and again, and says what its heap holds after each round.
 *
 * Run with --expose-gc. The store keeps everything on disk, so that what grows is what the conductor keeps.
 */
import { z } from 'zod'
import { createConductor, defineEvent, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'

const [, , file = '', rounds = '5', perRound = '400', parksOfRun = '40'] = process.argv
/** Parks of one run: by a timer, all but the last; that is by an event. */
const PARKS = Number(parksOfRun)

const wake = defineEvent({ name: 'wake', schema: z.object({ run: z.string() }) })
const parks = definePlaybook({
  name: 'parks',
  version: 1,
  input: z.object({ run: z.string() }),
  output: z.number(),
  async run(ctx, { run }) {
    for (let n = 1; n < PARKS; n++) {
      // What is abandoned with a pass must go with it: a race that is lost, a wait that nobody awaits.
      await Promise.race([ctx.step('do', ({ signal }) => signal.aborted), ctx.sleep(`${n}h`)])
      await ctx.sleep('0.002s')
    }
    await ctx.waitFor(wake, { match: { run } })
    return PARKS
  },
})

const log = { info() {}, warn() {}, error() {} }
const store = sqlite(file, { durability: 'process' })
const keelson = await createConductor({ store, playbooks: [parks], log })
let parked = 0
keelson.on('run.parked', ({ run, waiting }) => {
  parked++
  if (waiting.some(({ kind }) => kind === 'event')) void keelson.send(wake, { run }, { id: run })
})

async function one(run: string): Promise<void> {
  const started = await keelson.start(parks, { run }, { id: run })
  await started.result()
}

/** Bytes that are in use once everything that can be collected is. */
async function used(): Promise<number> {
  await keelson.quiet()
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}

const heaps: number[] = []
for (let round = 0; round < Number(rounds); round++) {
  const before = parked
  for (let n = 0; parked - before < Number(perRound); n += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, i) => one(`${round} ${n + i}`)))
  }
  heaps.push(await used())
  if (process.env['KEELSON_FULL'] === '1') console.error(`heap: round ${round + 1} of ${rounds}, ${heaps.at(-1)} bytes`)
}
await keelson.stop()
process.send!({ heaps, parked })
process.disconnect()
