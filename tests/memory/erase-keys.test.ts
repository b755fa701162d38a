/** Of a text that was erased, not even a hash is left by which somebody could tell that a guess was right. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open } from '../support/open.ts'

const NAME = 'Ada Augusta Lovelace'
const SAID = `${NAME} is to be greeted`
const by = { by: me, reason: 'asked' }

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

/** Under which a note of the company stands. */
function keyOf(text: string): string {
  const said = JSON.stringify(['same', 'workspace', 'note', '', '', text, null])
  return createHash('sha256').update(said).digest('base64url').slice(0, 32)
}

const greeter = definePlaybook({
  ...{ name: 'greeter', version: 1, input: z.object({ wait: z.boolean() }), output: z.null() },
  async run(ctx, { wait }) {
    await ctx.memory.remember({ text: SAID })
    if (wait) await ctx.ask('Go on?', { answer: z.boolean() })
    return null
  },
})

async function company() {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  const keelson = await open({ session: () => sqlite(join(folder, 'company.db')) } as never, {
    ...{ playbooks: [greeter], entities: [Customer] },
  })
  const isThere = (text: string): boolean =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .some((file) => readFileSync(join(file.parentPath, file.name)).includes(text))
  return { keelson, memory: keelson.memory, isThere, customers: keelson.entities(Customer, { by: me }) }
}

it('is left of a memory that was erased, forgotten before or not', async () => {
  const { keelson, memory, isThere } = await company()
  const { id } = await memory.remember({ text: SAID }, { by: me })
  const other = await memory.remember({ text: NAME }, { by: me })
  await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
  await memory.forget(other.id, { by: me })
  for (const text of [SAID, NAME]) expect(isThere(keyOf(text))).toBe(true)
  await memory.erase({ ids: [id, other.id] }, by)
  for (const text of [SAID, NAME]) expect(isThere(keyOf(text))).toBe(false)
  expect(await memory.remember({ text: 'The office is in Berlin.' }, { by: me })).toMatchObject({ status: 'known' })
  const again = await memory.remember({ text: SAID }, { by: me })
  expect(again.status).toBe('applied')
  expect(again.id).not.toBe(id)
  expect(await memory.remember({ text: SAID }, { by: me })).toMatchObject({ status: 'known', id: again.id })
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('is left of one of which a part was erased, which is forgotten, restored and told from others as any is', async () => {
  const { keelson, memory, isThere, customers } = await company()
  const { id } = await customers.create({ name: NAME })
  const said = await memory.remember({ text: SAID }, { by: me })
  const asleep = await memory.remember({ text: `${NAME} sleeps` }, { by: me })
  const alike = await memory.remember({ text: `${SAID}!` }, { by: me })
  await memory.forget(asleep.id, { by: me })
  expect(isThere(keyOf(SAID))).toBe(true)
  await customers.erase(id)
  for (const text of [SAID, `${NAME} sleeps`, `${SAID}!`]) expect(isThere(keyOf(text))).toBe(false)
  expect((await keelson.audit.verify()).faults).toEqual([])

  // The same said again is news, and takes nothing's place.
  const again = await memory.remember({ text: SAID }, { by: me })
  expect(again).toMatchObject({ status: 'applied' })
  expect(again.superseded).toBeUndefined()
  expect(await memory.remember({ text: SAID }, { by: me })).toMatchObject({ status: 'known', id: again.id })
  expect(await memory.get(said.id)).toMatchObject({ status: 'open', text: '[erased] is to be greeted' })
  await memory.forget(said.id, { by: me })
  expect(await memory.get(again.id)).toMatchObject({ status: 'open' })
  await memory.restore(said.id, { by: me })
  await memory.restore(asleep.id, { by: me })
  for (const one of [said, asleep, alike, again]) expect(await memory.get(one.id)).toMatchObject({ status: 'open' })
  await memory.forget(again.id, { by: me })
  await memory.restore(again.id, { by: me })
  expect(await memory.remember({ text: SAID }, { by: me })).toMatchObject({ status: 'known', id: again.id })
  // Erased once more, it goes with the others.
  await memory.erase({ ids: [again.id, said.id] }, by)
  expect(isThere(keyOf(SAID))).toBe(false)
  expect(isThere('Augusta')).toBe(false)
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('is left of what a run remembered, once it has ended, in shadow or not', async () => {
  const { keelson, memory, isThere } = await company()
  await (await keelson.start(greeter, { wait: false }, { id: 'two', shadow: true })).result()
  expect(await memory.facts()).toEqual([])
  expect(isThere(keyOf(SAID))).toBe(true)
  const run = await keelson.start(greeter, { wait: true }, { id: 'one' })
  await keelson.quiet()
  const [fact] = await memory.facts()
  const { left } = await memory.erase({ ids: [fact!.id] }, by)
  expect(left.map(({ where }) => where)).toEqual(['run:one:0'])
  expect((await keelson.audit.verify()).faults).toEqual([])
  // What is left of the key leads to nothing.
  expect(await memory.remember({ text: SAID }, { by: me })).toMatchObject({ status: 'applied' })
  const ids = [fact!.id, (await memory.facts())[0]!.id]
  const [item] = (await keelson.inbox.list()).items
  await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, answer: true })
  await run.result()
  expect((await memory.erase({ ids }, by)).left).toEqual([])
  await keelson.stop()
  expect(isThere(keyOf(SAID))).toBe(false)
  expect(isThere('Augusta')).toBe(false)
})

it('is left of what an earlier release erased a part of, from the next erasure on', async () => {
  const kept = memoryStore()
  const keelson = await open(kept, { playbooks: [], entities: [Customer] })
  const { memory } = keelson
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: NAME })
  const said = await memory.remember({ text: SAID }, { by: me })
  await customers.erase(id)
  // As it was left then.
  const session = kept.session()
  await session.open({ worker: 'earlier', now: () => 0 })
  const data = JSON.stringify({ open: said.id })
  await session.write('default', {
    records: [{ kind: 'memory-key', id: keyOf(SAID), version: 1, data, index: {}, sort: 0 }],
  })
  const again = await memory.remember({ text: SAID }, { by: me })
  expect(again).toMatchObject({ status: 'applied' })
  expect(await memory.get(said.id)).toMatchObject({ status: 'open' })
  await memory.erase({ ids: [again.id] }, by)
  expect(await session.records('default', { kind: 'memory-key', ids: [keyOf(SAID)], limit: 1 })).toEqual([])

  const other = await customers.create({ name: 'Charles Babbage' })
  await session.write('default', {
    records: [{ kind: 'memory-key', id: keyOf(SAID), version: 1, data, index: {}, sort: 0 }],
  })
  await customers.erase(other.id)
  expect(await session.records('default', { kind: 'memory-key', ids: [keyOf(SAID)], limit: 1 })).toEqual([])
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('is left of what was imported, in the name of its change set', async () => {
  const { memory, isThere } = await company()
  const { changeSet } = await memory.import([{ text: SAID }], { by: me, id: 'one' })
  const hash = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 20)
  const ops = JSON.stringify([`set_${hash(`${changeSet}/1`)}`, [{ memory: { text: SAID }, op: 'add' }]])
  const [fact] = await memory.facts()
  await memory.erase({ ids: [fact!.id] }, by)
  expect(isThere(changeSet)).toBe(true)
  expect(isThere(`set_${hash(ops)}`)).toBe(false)
})
