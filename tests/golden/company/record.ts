/**
 * Records the golden company of a release: `node --conditions=@keelson/source tests/golden/company/record.ts 0.1.0`.
 *
 * Run it once when a release is cut. Both files are kept for ever: the bundle, and what was seen of the company by then.
 */
import { writeFileSync } from 'node:fs'
import { createConductor, Template } from '@keelson/core'
import { manualClock, memoryStore } from '@keelson/testing'
import { by, one, options, plan, robot, seen, send, Site } from './company.ts'

const release = process.argv[2]
if (release === undefined) throw new Error('name the release: record.ts 0.1.0')
const clock = manualClock(Date.UTC(2026, 0, 1))
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const conductor = await createConductor({ ...options, store: memoryStore(), clock, log: quiet })
const w = conductor.workspace('acme')
const sites = w.entities(Site, { by })
const { memory } = w

async function later(): Promise<void> {
  await conductor.quiet()
  clock.to(clock.now() + 60_000)
  await conductor.quiet()
}

async function decide(kind: string, said: object): Promise<void> {
  await later()
  const item = (await w.inbox.list()).items.find((found) => found.kind === kind)
  if (item === undefined) throw new Error(`nothing of ${kind} is asked`)
  await w.inbox.decide(item.id, { hash: item.hash, by, ...said } as never)
  await later()
}

await w.taxonomy.set({ tags: ['drinks', 'habits'] }, { by })
await w.entities(Template, { by }).create({ name: 'letter', artifact: await w.artifacts.put('Dear {{name}}', { by }) })
const tea = { subject: 'ada', predicate: 'drinks', functional: true }
const first = await memory.remember({ ...tea, value: 'tea', terms: { tags: ['drinks'] } }, { by: robot })
await later()
await memory.remember({ ...tea, value: 'coffee' }, { by: robot })
await memory.append({ text: 'Ada is in Berlin.', speaker: 'Ada', thread: 'one' }, { by: robot })
const office = await memory.remember({ text: 'The office is in Berlin.' }, { by })
await memory.pin(office.id, { by })
await memory.correct(office.id, { text: 'The office is in Bonn.' }, { by })
const gone = await memory.remember({ text: 'The safe is behind the picture.' }, { by })
await memory.erase({ ids: [gone.id] }, { by, reason: 'asked to' })
const binned = await memory.remember({ text: 'A thing of no worth.' }, { by })
await memory.forget(binned.id, { by, graceMs: 86_400_000 * 3650 })
const { changeSet } = await memory.changes.propose([{ op: 'forget', id: first.id }], { by: robot, reason: 'old' })
await later()
await memory.changes.reject(changeSet, { by, reason: 'it may be of use' }).catch(() => undefined)
const [a, b] = [await sites.create({ name: 'Acme' }), await sites.create({ name: 'ACME' }, { aliases: ['the shop'] })]
await later()
await sites.merge(a.id, b.id)
await sites.update(a.id, { logo: await w.artifacts.put('a picture', { by }) })
await w.start(plan, { to: ['bob', 'cleo'] }, { id: 'plan' })
await decide('plan', { edit: { skip: [], inputs: {} } })
await w.start(plan, { to: ['dora'] }, { id: 'open-plan' })
await w.start(one, { to: 'eve' }, { id: 'eve' })
await later()
await decide('approval', { reject: 'not before May' })
await w.grants.create({ action: send, where: { to: 'fred' }, cap: { count: 3 }, until: '2036-01-01', by })
await w.start(one, { to: 'fred' }, { id: 'fred' })
await later()
await w.start(one, { to: 'held' }, { id: 'held' })
await later()
await memory.revert({ run: 'fred' }, { by })
await later()
let text = ''
for await (const line of w.export()) text += line
writeFileSync(new URL(`./${release}.jsonl`, import.meta.url), text)
writeFileSync(new URL(`./${release}.json`, import.meta.url), `${JSON.stringify(await seen(w), null, 2)}\n`)
await conductor.stop()
console.log(`${release}: ${text.split('\n').length - 1} lines`)
