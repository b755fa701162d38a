/** A question means an entity by whatever it is called today. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
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
