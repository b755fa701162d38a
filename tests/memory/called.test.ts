/** A question means an entity by whatever it is called today. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type Conductor } from '@keelson/core'
import { chain } from '@keelson/core/ports'
import { intercept, type MemoryStoreSession } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

async function drinkers() {
  const { memory, entities } = await open(store(), { playbooks: [], entities: [Customer] })
  const customers = entities(Customer, { by: me })
  const [one, other] = [await customers.create({ name: 'Northwind' }), await customers.create({ name: 'Contoso' })]
  for (const { id } of [one, other])
    for (const text of ['They drink green tea.', 'They pay late.', 'The office has a garden.'])
      await memory.remember({ subject: { type: 'customer', id }, text: `${text}` }, { by: me })
  const asked = async (text: string) =>
    (await memory.recall(text)).map((found) => ({ of: found.memory.subject, name: found.why.name }))
  return { memory, customers, one, other, asked }
}

it('knows its name, its aliases, and what it was renamed to', async () => {
  const { customers, one, other, asked } = await drinkers()
  const first = (id: string) => ({ of: `customer/${id}`, name: 1.35 })
  expect((await asked('what does Northwind drink?'))[0]).toEqual(first(one.id))
  expect((await asked('what does Contoso drink?'))[0]).toEqual(first(other.id))
  await customers.identify(one.id, { aliases: ['the Wind'] })
  expect((await asked('what does the wind drink?'))[0]).toEqual(first(one.id))
  await customers.update(other.id, { name: 'Fabrikam Ltd' })
  expect((await asked('what does Fabrikam Ltd drink?'))[0]).toEqual(first(other.id))
  expect((await asked('what does Contoso drink?')).map(({ name }) => name)).toEqual([1, 1])
  expect((await asked('what does Nobody drink?')).map(({ name }) => name)).toEqual([1, 1])
})

it('goes by the names of those that it was made one with, and by none that was erased', async () => {
  const { customers, one, other, asked } = await drinkers()
  await customers.merge(one.id, other.id)
  expect((await asked('what does Contoso drink?')).map(({ name }) => name)).toEqual([1.35, 1.35])
  await customers.restore(other.id)
  expect((await asked('what does Contoso drink?')).map(({ name }) => name)).toEqual([1.35, 1])
  await customers.erase(other.id)
  expect((await asked('what does erased drink?')).map(({ name }) => name)).toEqual([1, 1])
})

it('goes by the names of all along a line of merges, and of none that left it', async () => {
  const { customers, one, other, asked } = await drinkers()
  const last = await customers.create({ name: 'Fabrikam' })
  const factors = async (name: string) => {
    const found = await asked(`what does ${name} drink?`)
    return [one, other].map(({ id }) => found.find(({ of }) => of === `customer/${id}`)!.name)
  }
  expect(await factors('Fabrikam')).toEqual([1, 1])
  await customers.merge(other.id, one.id)
  await customers.merge(last.id, other.id)
  for (const name of ['Fabrikam', 'Contoso', 'Northwind']) expect(await factors(name)).toEqual([1.35, 1.35])
  await customers.update(last.id, { name: 'Tailspin' })
  expect(await factors('Tailspin')).toEqual([1.35, 1.35])
  expect(await factors('Fabrikam')).toEqual([1, 1])
  await customers.restore(other.id)
  expect(await factors('Tailspin')).toEqual([1, 1])
  expect(await factors('Contoso')).toEqual([1.35, 1.35])
  // Round the other way.
  await customers.restore(one.id)
  await customers.merge(one.id, other.id)
  await customers.merge(last.id, one.id)
  for (const name of ['Tailspin', 'Contoso', 'Northwind']) expect(await factors(name)).toEqual([1.35, 1.35])
})

/** A store of which somebody hears which entities are read. */
function overheard(session: MemoryStoreSession): { store: MemoryStoreSession; read: () => string[] } {
  let ids: string[] = []
  const before = (op: string, detail: readonly unknown[]): void => {
    const query = detail[1] as { kind?: string; ids?: readonly string[] }
    if (op === 'records' && query.kind === 'entity') ids.push(...(query.ids ?? ['all of them']))
  }
  const store = { session: () => intercept(session.session(), { before }) } as MemoryStoreSession
  const read = (): string[] => {
    const found = ids
    ids = []
    return found
  }
  return { store, read }
}

async function many(count: number) {
  const kept = store()
  const { store: heard, read } = overheard(kept)
  const keelson = await open(heard, { playbooks: [], entities: [Customer] })
  const customers = keelson.entities(Customer, { by: me })
  const ids: string[] = []
  for (let at = 0; at < count; at++) ids.push((await customers.create({ name: `Firm number${at}` })).id)
  await keelson.memory.import(
    ids.flatMap((id) =>
      ['They drink green tea.', 'They pay late.'].map((text) => ({ subject: { type: 'customer', id }, text })),
    ),
    { by: me },
  )
  const first = async (of: Conductor, text: string) => {
    const [found] = await of.memory.recall({ text, limit: 3 })
    return { of: found!.memory.subject, name: found!.why.name }
  }
  read() // what was read to create them
  return { kept, keelson, customers, ids, read, first }
}

it('knows them however many there are', async () => {
  const { keelson, customers, ids, first } = await many(510)
  const named = { of: `customer/${ids[7]}`, name: 1.35 }
  expect(await first(keelson, 'what does Firm Number7 drink?')).toEqual(named)
  await customers.update(ids[7]!, { name: 'Fabrikam' })
  expect(await first(keelson, 'what does Fabrikam drink?')).toEqual(named)
}, 30_000)

it('reads no entities again that were not written, and those that were, by whomever', async () => {
  const { kept, keelson, ids, read, first } = await many(30)
  await first(keelson, 'what does Firm Number7 drink?')
  expect(new Set(read()).size).toBe(30)
  await first(keelson, 'what does Firm Number7 drink?')
  // Of those that are found it is looked up whether they were made one with another.
  expect(read().length).toBeLessThanOrEqual(3)

  const elsewhere = await open(kept, { playbooks: [], entities: [Customer] })
  const others = elsewhere.entities(Customer, { by: me })
  await others.update(ids[7]!, { name: 'Fabrikam' })
  expect(await first(keelson, 'what does Fabrikam drink?')).toEqual({ of: `customer/${ids[7]}`, name: 1.35 })
  expect(read().length).toBeLessThanOrEqual(4)
  await others.merge(ids[8]!, ids[7]!)
  const both = async (text: string) =>
    (await keelson.memory.recall({ text, limit: 2 })).map((one) => [one.memory.subject, one.why.name])
  const merged = [
    [`customer/${ids[7]}`, 1.35],
    [`customer/${ids[8]}`, 1.35],
  ]
  for (const name of ['Fabrikam', 'Firm Number8'])
    expect((await both(`what does ${name} drink green tea?`)).sort()).toEqual(merged.sort())
  await others.restore(ids[7]!)
  expect(await first(keelson, 'what does Fabrikam drink?')).toEqual({ of: `customer/${ids[7]}`, name: 1.35 })
  expect((await both('what does Firm Number8 drink?')).map(([, name]) => name)).toEqual([1.35, 1])
  await others.erase(ids[7]!, { fields: ['name'] })
  expect((await both('what does Fabrikam drink?')).map(([, name]) => name)).toEqual([1, 1])
})

it('reads them anew where very much was written since, and sees what was', async () => {
  const { kept, keelson, ids, read, first } = await many(3)
  await first(keelson, 'what does Firm Number1 drink?')
  const elsewhere = await open(kept, { playbooks: [], entities: [Customer] })
  await elsewhere.entities(Customer, { by: me }).update(ids[1]!, { name: 'Fabrikam' })
  const drafts = Array.from({ length: 10_500 }, () => ({ kind: 'memory.shown' as const, data: {} }))
  const entries = chain('default', 'noise', { seq: 0, hash: '' }, drafts, 0, () => '')
  const session = kept.session()
  await session.open({ worker: 'another', now: () => 0 })
  await session.write('default', { entries })
  read()
  expect(await first(keelson, 'what does Fabrikam drink?')).toEqual({ of: `customer/${ids[1]}`, name: 1.35 })
  expect(new Set(read())).toEqual(new Set(ids.map((id) => `customer/${id}`)))
})
