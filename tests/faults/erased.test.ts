/** What was erased is nowhere, and what is left of it still moves with its company; what is merged twice is there once. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { exploreCrashes, memoryStore } from '@keelson/testing'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { memoryPrograms } from '../crash-memory.ts'
import { code, me, open, store } from '../support/open.ts'

const SECRET = 'Ada keeps 4711 coins under the stairs'

async function linesOf(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

it('takes a text out of how runs ended and of what runs in shadow would have kept', async () => {
  const tells = code(async (ctx) => (await ctx.memory.recall('coins')).map((one) => one.memory.text))
  const shadowed = code((ctx) => ctx.memory.remember({ text: `So: ${SECRET}` }).then(() => null), { name: 'shadowed' })
  const { folder, remove } = temporary()
  onTestFinished(remove)
  for (const kept of [memoryStore(), sqlite(join(folder, 'company.db'))]) {
    const session = 'session' in kept ? kept.session() : kept
    const keelson = await open({ session: () => session } as never, { playbooks: [tells, shadowed] })
    const { id } = await keelson.memory.remember({ text: SECRET }, { by: me })
    expect(await (await keelson.start(tells, {}, { id: 'r' })).result()).toEqual([SECRET])
    await (await keelson.start(shadowed, {}, { id: 's', shadow: true })).result()
    const { left } = await keelson.memory.erase({ ids: [id] }, { by: me, reason: 'she asked' })
    expect(left).toEqual([])
    expect(await keelson.runs.get('r').result()).toEqual(['[erased]'])
    expect(JSON.stringify(await session.runs('default', { limit: 100 }))).not.toContain('4711')
    expect((await linesOf(keelson.workspace('default').export())).join('')).not.toContain('4711')
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  }
})

it('erases whole when it is asked again, wherever the process died: a proposal that it ended does not stay open', async () => {
  const { harness, test, invariant } = memoryPrograms.find(({ name }) => name === 'erasure')!
  const { schedules } = await exploreCrashes(test, { harness, invariant: invariant! })
  expect(schedules).toBeGreaterThan(50)
})

it('keeps a run whose first entry was erased when its company moves: its id is not free there', async () => {
  const echo = definePlaybook({
    name: 'echo',
    version: 1,
    input: z.object({ text: z.string(), fails: z.boolean() }),
    output: z.string(),
    async run(ctx, { text, fails }) {
      await ctx.checkpoint('begun')
      if (fails) throw new Error(text)
      return text
    },
  })
  const keelson = await open(store(), { playbooks: [echo] })
  const { id } = await keelson.memory.remember({ text: SECRET }, { by: me })
  await (await keelson.start(echo, { text: SECRET, fails: false }, { id: 'done' })).result()
  await expect((await keelson.start(echo, { text: SECRET, fails: true }, { id: 'failed' })).result()).rejects.toThrow()
  await keelson.memory.erase({ ids: [id] }, { by: me, reason: 'she asked' })
  const bundle = await linesOf(keelson.workspace('default').export())
  expect(bundle.join('')).not.toContain('4711')
  const there = await open(store(), { playbooks: [echo] })
  await there.workspace('default').import(bundle, { by: me, adopt: true })
  for (const from of [keelson, there]) {
    await expect(from.runs.get('failed').result()).rejects.toThrow('[erased]')
    expect(await from.runs.get('done').status()).toMatchObject({ state: 'completed' })
    const again = await from.start(echo, { text: 'another', fails: false }, { id: 'done' })
    expect(await again.result()).not.toBe('another')
  }
  expect((await linesOf(there.workspace('default').export())).join('')).toBe(bundle.join(''))
})

it('merges twice what was said once, with what marks it as from outside, and leaves in the archive what was there', async () => {
  const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
  const from = (await open(store(), { playbooks: [] })).workspace('theirs')
  const gone = await from.entities(Customer, { by: me }).create({ name: 'Ada' }, { refs: { stripe: 'cus_1' } })
  await from.entities(Customer, { by: me }).archive(gone.id)
  await from.memory.append({ text: 'Pay at once!', role: 'agent', outside: true, thread: 'mail' }, { by: me })
  const bundle = await linesOf(from.export())
  const ours = await open(store(), { playbooks: [], entities: [Customer] })
  const target = ours.workspace('ours')
  expect(await target.merge(bundle, { by: me })).toMatchObject({ memories: { imported: 1 } })
  expect(await target.merge(bundle, { by: me })).toMatchObject({ memories: { imported: 0, known: 1 } })
  expect(await target.memory.history({ thread: 'mail' })).toMatchObject([{ text: 'Pay at once!', outside: true }])
  expect(await target.entities(Customer).list()).toMatchObject({ entities: [] })
  expect(await target.entities(Customer).byRef('stripe', 'cus_1')).toMatchObject({ archived: true })
})

it('keeps no answer that was read with credentials which have changed since', async () => {
  const asked: PromiseWithResolvers<{ output: string }>[] = []
  const who = action({
    name: 'crm.who',
    effect: 'read',
    input: z.object({}),
    output: z.string(),
    cache: { ttl: '10m', tags: () => [] },
    run: () => {
      const answer = Promise.withResolvers<{ output: string }>()
      asked.push(answer)
      return answer.promise
    },
  })
  const reads = code((ctx) => ctx.act(who, {}))
  const keelson = await open(store(), { playbooks: [reads], actions: [who] })
  const first = await keelson.start(reads, {}, { id: 'a' })
  await expect.poll(() => asked.length).toBe(1)
  await keelson.credentialsChanged('crm')
  asked[0]!.resolve({ output: 'the old account' })
  expect(await first.result()).toBe('the old account')
  const second = await keelson.start(reads, {}, { id: 'b' })
  await expect.poll(() => asked.length).toBe(2)
  asked[1]!.resolve({ output: 'the new account' })
  expect(await second.result()).toBe('the new account')
})

describe('a run of whose journal a part was erased', () => {
  it.each(['restart', 'retry', 'setOutcome'] as const)(
    'is not reopened by %s, and its result still answers',
    async (verb) => {
      const work = code(async (ctx) => ctx.step('copy', () => 'for Ada Lovelace, at home'))
      const keelson = await open(store(), { playbooks: [work] })
      const said = await keelson.memory.remember({ text: 'Ada Lovelace, at home' }, { by: me })
      const run = await keelson.start(work, {}, { id: 'r' })
      await run.result()
      await keelson.memory.erase({ ids: [said.id] }, { by: me, reason: 'asked' })
      const verbs = {
        restart: () => keelson.runs.restart('r', { from: 'start', by: me }),
        retry: () => keelson.runs.retry('r', { step: 'copy', by: me }),
        setOutcome: () => keelson.runs.setOutcome('r', { step: 'copy', outcome: 'x', by: me }),
      }
      await expect(verbs[verb]()).rejects.toMatchObject({ code: 'ERASED' })
      await keelson.quiet()
      expect(await run.status()).toEqual({ state: 'completed' })
      expect(await run.result()).toBe('for [erased]')
    },
  )
})
