/** Two entities that become one: what is asked of either is answered of both, until they are two again. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const Customer = defineEntity({
  ...{ name: 'customer', version: 1, schema: z.object({ name: z.string() }), index: ['name'] },
})

const uniting = definePlaybook({
  ...{ name: 'uniting', version: 1, input: z.object({ a: z.string(), b: z.string() }), output: z.string() },
  run: async (ctx, { a, b }) => (await ctx.entities(Customer).merge(a, b)).id,
})

async function known() {
  const keelson = await open(store(), { playbooks: [uniting], entities: [Customer] })
  const { memory } = keelson
  const customers = keelson.entities(Customer, { by: me })
  const [a, b] = [await customers.create({ name: 'Acme' }), await customers.create({ name: 'ACME Inc' })]
  const [ofA, ofB] = [a, b].map(({ id }) => ({ type: 'customer', id, name: 'Acme' }))
  const plan = { predicate: 'plan', functional: true }
  await memory.remember({ subject: ofB!, text: 'Acme likes green tea.' }, { by: me })
  await memory.append({ about: ofB!, text: 'Acme rang about tea.' }, { by: me })
  await memory.remember({ ...plan, subject: ofB!, value: 'free', text: 'The plan of Acme is free.' }, { by: me })
  await memory.remember(
    { ...plan, subject: ofA!, value: 'pro', text: 'The plan of Acme is pro.', validFrom: '2100-01-01' },
    { by: me },
  )
  const later = { ...plan, subject: ofA!, value: 'gold', text: 'The plan of Acme is gold.' }
  await memory.remember(later, { by: me })
  await customers.note(b.id, { what: 'b moved house' })
  const look = async () =>
    JSON.stringify([
      await memory.recall('what is the plan of Acme'),
      await memory.recall({ text: 'tea plan', about: [ofA!] }),
      await memory.recall({ text: 'tea plan', about: [ofB!] }),
      await memory.facts(),
      await memory.facts({ about: ofA! }),
      await memory.facts({ about: ofB! }),
      await memory.history({ about: ofA! }),
    ])
  return { keelson, memory, customers, a, b, ofA: ofA!, ofB: ofB!, look }
}

describe('what is known of two records that become one', () => {
  it('is found of either, and of what only one can hold the later one', async () => {
    const { memory, customers, a, b, ofA, ofB } = await known()
    const { contradicts } = await customers.merge(a.id, b.id)
    expect(contradicts).toMatchObject([
      {
        predicate: 'plan',
        stands: { text: 'The plan of Acme is gold.' },
        givesWay: { text: 'The plan of Acme is free.' },
      },
    ])
    for (const about of [ofA, ofB]) {
      expect((await memory.facts({ about })).map(({ text }) => text).sort()).toEqual([
        'Acme likes green tea.',
        'The plan of Acme is gold.',
      ])
      expect((await memory.history({ about })).map(({ text }) => text)).toEqual([
        'Acme rang about tea.',
        'b moved house',
      ])
      const found = (await memory.recall({ text: 'tea and plan', about: [about] })).map((one) => one.memory.text)
      expect(found.sort()).toEqual(['Acme likes green tea.', 'Acme rang about tea.', 'The plan of Acme is gold.'])
    }
    expect((await memory.recall('plan free')).map((one) => one.memory.text)).not.toContain('The plan of Acme is free.')
    expect((await memory.facts({ about: ofA, history: true })).map(({ value }) => value)).toContain('free')
  })

  it('stands in a context once, under the one that it is, with the lines of both', async () => {
    const { memory, customers, a, b, ofA, ofB } = await known()
    await customers.merge(a.id, b.id)
    const { items, text } = await memory.context({ task: 'plan', about: [ofB, ofA] })
    const entities = items.filter(({ section }) => section === 'entity').map(({ source }) => source)
    expect(entities).toEqual([`entity:customer/${a.id}`])
    expect(text).toContain('b moved house')
    expect(text).toContain('gold')
    expect(text).not.toContain('is free')
    expect(text.match(/likes green tea/g)).toHaveLength(1)
  })

  it('is as it was, to the last bit, when they are two again', async () => {
    for (const undo of ['restore', 'revert'] as const) {
      const { memory, customers, a, b, look } = await known()
      const before = await look()
      await customers.merge(a.id, b.id)
      expect(await look()).not.toBe(before)
      const [set] = await memory.changes.list()
      if (undo === 'restore') await customers.restore(b.id)
      else await memory.revert({ changeSet: set!.id }, { by: me })
      expect(await look()).toBe(before)
    }
  })

  it('is told in the item by which a run asks to merge them', async () => {
    const { keelson, a, b } = await known()
    const run = await keelson.start(uniting, { a: a.id, b: b.id }, { id: 'one' })
    await keelson.quiet()
    const [item] = (await keelson.inbox.list()).items
    expect(item!.preview).toMatchObject({
      rows: expect.arrayContaining([
        { label: 'known of them: plan', before: 'The plan of Acme is free.', after: 'The plan of Acme is gold.' },
      ]) as unknown,
    })
    await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
    expect(await run.result()).toBe(a.id)
  })

  it('is erased of both', async () => {
    const { memory, customers, a, b, ofA } = await known()
    await customers.merge(a.id, b.id)
    expect((await memory.erase({ about: ofA }, { by: me, reason: 'asked' })).erased).toHaveLength(6)
    expect(await memory.facts({ about: ofA, history: true })).toEqual([])
  })
})
