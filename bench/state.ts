/** State: what an entity was at any moment, over a long history: with snapshots, and by replay of all of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { createConductor, defineEntity } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { optionsOf } from './measure/options.ts'

const EVENTS = optionsOf({ events: '100000' }).number('events')
const ASKED = 1000
/** What an answer may take, in the median. */
const LIMIT_MS = 0.5
const START = Date.UTC(2026, 0, 1)

const Thing = defineEntity({
  name: 'thing',
  version: 1,
  schema: z.object({ a: z.number(), b: z.number(), c: z.string(), d: z.number() }),
})
const folder = mkdtempSync(join(tmpdir(), 'keelson-'))
let now = START
const clock = { now: () => now, monotonic: () => performance.now(), timer: () => () => {} }
const store = sqlite(join(folder, 'state.db'), { durability: 'process' })
const keelson = await createConductor({ store, playbooks: [], work: false, clock })
const things = keelson.entities(Thing)
const { id } = await things.create({ a: 0, b: 0, c: 'x', d: 0 })
for (let n = 1; n < EVENTS; n++) {
  now += 1000
  await things.update(id, n % 2 === 0 ? { a: n } : { b: n, c: `note ${n}` })
}

let state = 7
const moment = (): string => {
  state = (state * 48271) % 2147483647
  return new Date(START + Math.floor((state / 2147483647) * EVENTS) * 1000).toISOString()
}
const times: number[] = []
const samples: [moment: string, answer: string][] = []
for (let n = 0; n < ASKED; n++) {
  const known = moment()
  const before = performance.now()
  const answer = await things.asOf(id, { known })
  times.push(performance.now() - before)
  if (n < 5) samples.push([known, JSON.stringify(answer)])
}
times.sort((a, b) => a - b)
await things.snapshots.drop()
const replays: number[] = []
let equal = true
for (const [known, answer] of samples) {
  const before = performance.now()
  equal &&= JSON.stringify(await things.asOf(id, { known })) === answer
  replays.push(performance.now() - before)
}
await keelson.stop()
rmSync(folder, { recursive: true })
const p50Ms = times[ASKED / 2]!
const replayMs = replays.reduce((a, b) => a + b, 0) / replays.length
const held = equal && p50Ms <= LIMIT_MS
console.log(
  JSON.stringify({
    events: EVENTS,
    p50Ms,
    p99Ms: times[ASKED * 0.99]!,
    replayMs,
    equal,
    held,
  }),
)
process.exitCode = held ? 0 : 1
