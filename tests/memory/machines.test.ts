/** What a machine may take back by itself, and what of it a person is asked about; how it is told. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePersona, definePlaybook, type Actor } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const bot: Actor = { kind: 'agent', id: 'bot' }
const other: Actor = { kind: 'agent', id: 'other' }

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string() }),
  index: ['name'],
})

async function company() {
  const keelson = await open(store(), { playbooks: [] })
  const { memory, inbox } = keelson
  const decide = async (answer: { approve: true } | { reject: string }): Promise<void> => {
    await keelson.quiet()
    const [item] = (await inbox.list()).items
    expect(await inbox.decide(item!.id, { hash: item!.hash, by: me, ...answer })).toMatchObject({ status: 'done' })
    await keelson.quiet()
  }
  return { keelson, memory, inbox, decide }
}

describe('a machine that takes back', () => {
  it('ends what it has added, and lets stand what it had closed', async () => {
    const { memory, inbox, keelson } = await company()
    const plan = { subject: 'acme', predicate: 'plan', functional: true }
    await memory.remember({ ...plan, value: 'free' }, { by: bot })
    const { changeSet } = await memory.remember({ ...plan, value: 'pro' }, { by: bot })
    const done = await memory.revert({ changeSet: changeSet! }, { by: bot })
    expect(done).toMatchObject({ reverted: [changeSet], blocked: [] })
    expect(done.proposed).toBeUndefined()
    expect((await memory.facts({ about: 'acme' })).map(({ value }) => value)).toEqual(['free'])
    await keelson.quiet()
    expect((await inbox.list()).items).toEqual([])
  })

  it('asks about what a person wrote, with what would be done; a yes does it, and restores what was recalled', async () => {
    const { memory, decide, keelson, inbox } = await company()
    const before = JSON.stringify(await memory.recall('always greet by name'))
    const rule = await memory.remember({ kind: 'rule', text: 'Always greet by name.' }, { by: me })
    await memory.pin(rule.id, { by: me })
    const asked = await memory.revert({ actor: 'me', since: '2000-01-01' }, { by: bot })
    expect(asked).toMatchObject({ changeSets: [], reverted: [], blocked: [] })
    expect(asked.proposed).toHaveLength(2)
    expect(await memory.facts()).toMatchObject([{ text: 'Always greet by name.', pinned: true }])
    // Asked again, it is the same question.
    expect((await memory.revert({ changeSet: rule.changeSet! }, { by: bot })).proposed).toEqual([asked.proposed![1]])
    await keelson.quiet()
    expect((await inbox.list()).items.map(({ preview }) => JSON.stringify(preview))).toEqual(
      expect.arrayContaining([expect.stringContaining('Always greet by name.')]),
    )
    expect(await memory.changes.diff(asked.proposed![1]!)).toMatchObject([{ op: 'take back', before: { id: rule.id } }])
    const [first] = asked.proposed!
    expect(await memory.changes.reject(first!, { by: me })).toMatchObject({ status: 'rejected' })
    await decide({ approve: true })
    expect(await memory.facts()).toEqual([])
    expect(JSON.stringify(await memory.recall('always greet by name'))).toBe(before)
    expect(await memory.changes.get(rule.changeSet!)).toMatchObject({ status: 'reverted' })
    expect(await memory.changes.get(asked.proposed![1]!)).toMatchObject({
      ...{ status: 'applied', decidedBy: me, source: { by: bot }, reverts: [rule.changeSet] },
    })
  })

  it('asks about what another machine wrote, and about its own word that was pinned since', async () => {
    const { memory } = await company()
    const theirs = await memory.remember({ text: 'Acme likes tea.' }, { by: other })
    const own = await memory.remember({ text: 'Acme likes tarts.' }, { by: bot })
    await memory.pin(own.id, { by: me })
    for (const { changeSet } of [theirs, own])
      expect((await memory.revert({ changeSet: changeSet! }, { by: bot })).proposed).toHaveLength(1)
    expect(await memory.facts()).toHaveLength(2)
  })

  it('asks before two entities that a person made one are two again', async () => {
    const { keelson, memory, decide } = await company()
    const customers = keelson.entities(Customer, { by: me })
    const [a, b] = [await customers.create({ name: 'Acme' }), await customers.create({ name: 'ACME Inc' })]
    await customers.merge(a.id, b.id)
    const [merge] = await memory.changes.list()
    const { proposed } = await memory.revert({ changeSet: merge!.id }, { by: bot })
    expect(proposed).toHaveLength(1)
    expect((await customers.get(b.id)).id).toBe(a.id)
    await decide({ approve: true })
    expect((await customers.get(b.id)).id).toBe(b.id)
    expect((await keelson.audit.verify()).faults).toEqual([])
  })
})

it('sets no retention policy as a machine', async () => {
  const { memory } = await company()
  for (const by of [bot, { kind: 'system', id: 'cron' } as const]) {
    const refused = { code: 'INPUT_INVALID' }
    await expect(memory.retention.set({ name: 'all', keep: '1d' }, { by })).rejects.toMatchObject(refused)
    await expect(memory.retention.remove('all', { by })).rejects.toMatchObject(refused)
  }
  expect(await memory.retention.list()).toEqual([])
})

it('answers whether a change was applied or proposed, and by which set', async () => {
  const { memory, keelson } = await company()
  const { id } = await memory.remember({ text: 'Tea at four.' }, { by: me })
  const proposals = [
    await memory.forget(id, { by: bot }),
    await memory.pin(id, { by: bot }),
    await memory.unpin(id, { by: bot }),
    await memory.expire(id, { by: bot, at: '2030-01-01' }),
    await memory.restore(id, { by: bot }),
    await memory.correct(id, { text: 'Tea at five.' }, { by: bot }),
  ]
  await keelson.quiet()
  const items = (await keelson.inbox.list()).items.map((item) => item.id)
  for (const told of proposals) {
    expect(told).toMatchObject({ status: 'proposed', why: expect.stringContaining('decided by a person') as string })
    expect(items).toContain((await memory.changes.get(told.changeSet!)).item)
  }
  expect(await memory.forget(id, { by: me })).toMatchObject({ id, status: 'applied' })
  expect(await memory.restore(id, { by: me })).toMatchObject({ id, status: 'applied' })
  expect(await memory.pin(id, { by: me })).toMatchObject({ id, status: 'applied' })
})

describe('a persona that names scopes of memory', () => {
  const clerk = definePersona({ name: 'clerk', may: [], memory: ['customer:acme'] })
  const visitor = definePersona({ name: 'visitor', may: [], memory: ['customer'] })

  it('holds its runs to them: what they read, write and open', async () => {
    const working = definePlaybook({
      ...{ name: 'working', version: 1, input: z.object({}), output: z.json() },
      async run(ctx) {
        const seen = (await ctx.memory.facts()).map(({ text }) => text)
        const found = (await ctx.memory.recall('tea')).map(({ memory }) => memory.text)
        await ctx.memory.remember({ text: 'Acme drinks tea.' })
        const refusals: string[] = []
        const elsewhere = { scope: 'customer:beta', text: 'x' }
        const attempts: readonly (() => unknown)[] = [
          () => ctx.memory.scope('customer:beta'),
          () => ctx.memory.scope('customer:acme', { read: ['workspace'] }),
          () => ctx.memory.remember(elsewhere),
          () => ctx.memory.propose([{ op: 'add', memory: elsewhere }], { reason: 'x' }),
        ]
        for (const tried of attempts)
          await Promise.resolve()
            .then(tried)
            .catch((thrown: { code: string }) => refusals.push(thrown.code))
        const below = await ctx.memory.scope('customer:acme/site').facts()
        return { seen, found, refusals, below: below.length }
      },
    })
    const keelson = await open(store(), { playbooks: [working], personas: [clerk] })
    const { memory } = keelson
    for (const scope of ['workspace', 'customer:beta', 'customer:acme'])
      await memory.remember({ scope, text: `${scope} has tea` }, { by: me })
    const run = await keelson.start(working, {}, { id: 'one', persona: clerk })
    expect(await run.result()).toEqual({
      ...{ seen: ['customer:acme has tea'], found: ['customer:acme has tea'], below: 0 },
      refusals: Array(4).fill('MEMORY_OUT_OF_SCOPE'),
    })
    expect((await memory.scope('customer:acme').facts()).map(({ text }) => text)).toContain('Acme drinks tea.')
  })

  it('refuses a list that names no scopes', () => {
    expect(() => definePersona({ name: 'x', may: [], memory: ['a b'] })).toThrow(/no list of scopes/)
    expect(visitor.memory).toEqual(['customer'])
  })
})
