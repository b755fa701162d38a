/** What is amended of a memory is known from then on: what was known before is read as it was. */
import { expect, it } from 'vitest'
import type { WorkspaceMemory } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const by = me

/** All that can be asked as of an instant, by both clocks. */
async function seen(memory: WorkspaceMemory, at: number): Promise<string> {
  const [valid, terms] = [new Date(at).toISOString(), { tags: ['drinks'] }]
  const asOf = { valid, known: valid }
  const found = [
    await memory.recall({ text: 'what does ada drink', asOf }),
    await memory.recall({ text: 'what does ada drink', terms, asOf }),
    await memory.facts({ asOf }),
    await memory.facts({ terms, asOf }),
  ]
  return JSON.stringify(found)
}

it('answers for each instant what was known by then, whatever was amended, dated and taken back since', async () => {
  const t = await testConductor({ playbooks: [] })
  const { memory, taxonomy } = t.keelson
  await taxonomy.set({ tags: ['drinks', 'habits'] }, { by })
  const tea = { subject: 'ada', predicate: 'drinks', value: 'tea', terms: { tags: ['drinks'] }, confidence: 0.4 }
  const { id } = await memory.remember(tea, { by })
  const before = JSON.stringify(await memory.facts())
  let last = ''
  const amend = async (set: object): Promise<void> => {
    const { changeSet } = await memory.changes.propose([{ op: 'amend', id, set }], { by, reason: 'as it is' })
    await t.settle()
    await memory.changes.apply((last = changeSet), { by })
  }
  const until = (ms: number): string => new Date(t.clock.now() + ms).toISOString()
  const steps: (() => Promise<unknown>)[] = [
    async () => undefined,
    () => memory.pin(id, { by }),
    () => amend({ confidence: 0.9, terms: { tags: ['habits'] }, sensitivity: 1 }),
    () => memory.revert({ changeSet: last }, { by }),
    () => amend({ load: 'never' }),
    () => amend({ load: 'search', terms: null }),
    () => memory.unpin(id, { by }),
    () => memory.expire(id, { by, at: until(1) }),
  ]
  const found: { at: number; was: string }[] = []
  for (const step of steps) {
    await step()
    found.push({ at: t.clock.now(), was: await seen(memory, t.clock.now()) })
    await t.advance('1h')
  }
  expect(new Set(found.map(({ was }) => was)).size).toBe(steps.length - 1)
  for (const { at, was } of found) expect(await seen(memory, at)).toBe(was)
  // Dated since, it held nevertheless as far as was known then.
  const [{ at } = { at: 0 }] = found
  const now = until(0)
  expect(await memory.facts({ asOf: { valid: now, known: now } })).toEqual([])
  expect(JSON.stringify(await memory.facts({ asOf: { valid: now, known: new Date(at).toISOString() } }))).toBe(before)
  await t.stop()
})

it('shows nobody what is held back from them now, though it was open then', async () => {
  const t = await testConductor({ playbooks: [] })
  const { memory } = t.keelson
  const { id } = await memory.remember({ subject: 'ada', predicate: 'drinks', value: 'tea' }, { by })
  const asOf = { known: new Date(t.clock.now()).toISOString() }
  await t.advance('1h')
  const ops = [{ op: 'amend' as const, id, set: { sensitivity: 3 } }]
  const { changeSet } = await memory.changes.propose(ops, { by, reason: 'not for all' })
  await t.settle()
  await memory.changes.apply(changeSet, { by })
  const clerk = memory.scope('workspace', { maxSensitivity: 1 })
  expect(await clerk.facts({ asOf })).toEqual([])
  expect(await clerk.recall({ text: 'what does ada drink', asOf })).toEqual([])
  expect(await memory.facts({ asOf })).toMatchObject([{ id, sensitivity: 0 }])
  await t.stop()
})

it('keeps nothing of an erased memory in what was amended of it', async () => {
  const keelson = await open(store(), { playbooks: [] })
  const { memory, taxonomy } = keelson
  await taxonomy.set({ tags: ['drinks'] }, { by })
  const { id } = await memory.remember({ text: 'Ada drinks tea.', terms: { tags: ['drinks'] } }, { by })
  await memory.pin(id, { by })
  const stored = async (): Promise<string[]> => {
    const lines: { type: string; kind?: string; data?: object }[] = []
    for await (const line of keelson.export()) lines.push(JSON.parse(line) as (typeof lines)[number])
    const record = lines.find((line) => line.type === 'record' && line.kind === 'memory')!
    return Object.keys(record.data!)
  }
  expect(await stored()).toEqual(expect.arrayContaining(['amends', 'terms']))
  await memory.erase({ ids: [id] }, { by, reason: 'asked to' })
  for (const field of ['amends', 'terms']) expect(await stored()).not.toContain(field)
})
