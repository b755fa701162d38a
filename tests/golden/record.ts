/**
 * Records the golden histories of a release: `node --conditions=@keelson/source tests/golden/record.ts 0.1.0`.
 *
 * Run it once when a release is cut. The file is kept for ever: whatever comes later must go on with it.
 */
import { writeFileSync } from 'node:fs'
import { createConductor } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { golden, signed } from './playbooks.ts'

const release = process.argv[2]
if (release === undefined) throw new Error('name the release: record.ts 0.1.0')
const { onboard, count, options } = golden()
const clock = manualClock(Date.UTC(2026, 0, 1))
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const conductor = await createConductor({ ...options, store: memoryStore(), clock, log: quiet })
const by = { kind: 'person', id: 'ann' } as const
const acme = conductor.workspace('acme')
for (const name of ['ada', 'bob', 'cleo', 'dora', 'xeno']) await acme.start(onboard, { name }, { id: name })
await acme.start(count, { n: 1 }, { id: 'count' })
await conductor.quiet()
clock.to(clock.now() + 120_000)
await conductor.quiet()
for (const name of ['bob', 'cleo', 'dora']) await acme.send(signed, { who: name }, { id: `signed-${name}` })
await conductor.quiet()
for (const { id, hash, run, kind } of (await acme.inbox.list()).items) {
  if (kind === 'question' && run === 'cleo') await acme.inbox.decide(id, { hash, by, answer: 'signed' })
}
await conductor.quiet()
await acme.runs.cancel('dora', { by, reason: 'changed her mind' })
await conductor.quiet()
let text = ''
for await (const line of acme.export()) text += line
await conductor.stop()
writeFileSync(new URL(`./${release}.jsonl`, import.meta.url), text)
console.log(`${release}: ${text.split('\n').length - 1} lines`)
