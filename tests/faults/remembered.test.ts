/** What is remembered in runs that are rewound or in shadow, imported in parts, merged more than once, or ends later. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
import { code, me, open, store } from '../support/open.ts'

const bot = { kind: 'agent', id: 'bot' } as const
const owner = { subject: 'acme', predicate: 'owner', functional: true } as const

describe('a run in shadow', () => {
  it('recalls what it would have remembered, and nothing real does', async () => {
    const work = code(async (ctx) => {
      await ctx.memory.remember({ text: 'The gate code of Acme is 4711.' })
      const found = await ctx.memory.recall('gate code of Acme')
      return [found.length, (await ctx.memory.facts()).length]
    })
    const keelson = await open(store(), { playbooks: [work] })
    const run = await keelson.start(work, {}, { id: 'r', shadow: true })
    expect(await run.result()).toEqual([1, 1])
    expect(await keelson.memory.recall('gate code')).toEqual([])
  })

  it('no longer recalls what it would have closed', async () => {
    const work = code(async (ctx) => {
      await ctx.memory.remember({ ...owner, value: 'Bob' })
      return (await ctx.memory.recall('who is owner of acme')).map((one) => one.memory.value)
    })
    const keelson = await open(store(), { playbooks: [work] })
    await keelson.memory.remember({ ...owner, value: 'Ann' }, { by: bot })
    const run = await keelson.start(work, {}, { id: 'r', shadow: true })
    expect(await run.result()).toEqual(['Bob'])
    expect((await keelson.memory.facts()).map((one) => one.value)).toEqual(['Ann'])
  })
})

describe('a run that is rewound', () => {
  it('remembers what its code says now, and proposes nothing twice', async () => {
    let round = 0
    const work = code(async (ctx) => {
      const { now } = await ctx.step('round', () => ({ now: ++round }))
      await ctx.memory.propose([{ op: 'add', memory: { kind: 'rule', text: 'Be kind.' } }], { reason: 'it helps' })
      await ctx.memory.remember({ kind: 'rule', text: 'Be brief.' })
      await ctx.memory.remember([{ text: 'The door is red.' }, { text: `It was round ${now}.` }])
      return now
    })
    const keelson = await open(store(), { playbooks: [work] })
    const run = await keelson.start(work, {}, { id: 'r' })
    expect(await run.result()).toBe(1)
    await keelson.runs.restart('r', { by: me, from: 'start' })
    expect(await run.result()).toBe(2)
    const texts = (await keelson.memory.facts()).map(({ text }) => text)
    expect(texts.sort()).toEqual(['It was round 1.', 'It was round 2.', 'The door is red.'])
    expect(await keelson.memory.changes.list({ status: 'proposed' })).toHaveLength(2)
  })
})

describe('an import', () => {
  it('under the id of one that held less goes on with what is new', async () => {
    const { memory } = await open(store(), { playbooks: [] })
    await memory.import([{ text: 'one' }, { text: 'two' }], { by: me, id: 'x' })
    const more = [{ text: 'one' }, { text: 'two' }, { text: 'three' }]
    expect(await memory.import(more, { by: me, id: 'x' })).toMatchObject({ imported: 1, known: 2 })
    expect(await memory.facts()).toHaveLength(3)
  })

  it('of what must be proposed proposes it once', async () => {
    const { memory } = await open(store(), { playbooks: [] })
    const by = { kind: 'system', id: 'crm' } as const
    const items = [{ text: 'one' }, { text: 'Never call.', kind: 'rule' as const }]
    await memory.import(items, { by, id: 'x' })
    expect(await memory.import(items, { by, id: 'x' })).toMatchObject({ imported: 0, known: 1, proposed: 1 })
    expect(await memory.changes.list({ status: 'proposed' })).toHaveLength(1)
  })
})

describe('a fact', () => {
  it('that another will replace later holds until then', async () => {
    const { memory } = await open(store(), { playbooks: [] })
    const price = { subject: 'acme', predicate: 'price', functional: true } as const
    await memory.remember({ ...price, value: '10' }, { by: me })
    await memory.remember({ ...price, value: '12', validFrom: '2999-01-01T00:00:00Z' }, { by: me })
    for (const query of [{ about: 'acme' }, { predicate: 'price' }, {}])
      expect((await memory.facts(query)).map(({ value }) => value)).toEqual(['10'])
    expect((await memory.recall('price of acme')).map((one) => one.memory.value)).toEqual(['10'])
    const later = { valid: '2999-02-01T00:00:00Z', known: '2999-02-01T00:00:00Z' }
    expect((await memory.facts({ asOf: later })).map(({ value }) => value)).toEqual(['12'])
  })
})

describe('an entity', () => {
  it('that was merged and restored can be merged again, with its identities outside', async () => {
    const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
    const keelson = await open(store(), { playbooks: [] })
    const customers = keelson.entities(Customer, { by: me })
    const a = await customers.create({ name: 'A' })
    const b = await customers.create({ name: 'B' }, { refs: { stripe: 'cus_b' } })
    for (const survivor of [a.id, b.id, a.id]) {
      if (survivor === a.id) await customers.merge(a.id, b.id)
      else await customers.restore(b.id)
      expect((await customers.byRef('stripe', 'cus_b'))!.id).toBe(survivor)
    }
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
