/** What is erased of one leaves what was said of others: names of a schema's parts and forms of files are nobody's words. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { artifactRef, defineEntity } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from '../support/open.ts'

const Person = defineEntity({
  name: 'person',
  version: 1,
  schema: z.object({
    name: z.string(),
    address: z.object({ street: z.string(), town: z.string() }),
    accounts: z.record(z.string(), z.number()).optional(),
    contract: artifactRef(z).optional(),
  }),
})
const others = 'Bob: which street, which town? What size, type and version of text/plain? From which template?'

it('an entity that is erased takes the names of its parts, and what its files are, from no text of others', async () => {
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Person] })
  const people = keelson.entities(Person, { by: me })
  await keelson.templates.put('which', 'Contract of {{name}}', { by: me })
  const made = await keelson.templates.fill('which', { name: 'Ada' })
  const plain = await keelson.artifacts.put('Contract of Ada Lovelace', { name: 'lovelace.txt' })
  const contracts = [await keelson.artifacts.put(made), plain]
  const home = { street: 'Elms Passage', town: 'Marylebone' }
  const { id } = await people.create({
    name: 'Ada Lovelace',
    address: home,
    accounts: { adalove: 1 },
    contract: contracts[0]!,
  })
  await people.update(id, { contract: plain })
  const bob = await keelson.memory.remember({ text: others }, { by: me })
  const own = await keelson.memory.remember(
    { text: `Elms Passage, Marylebone, adalove, lovelace.txt, ${plain.sha256}` },
    { by: me },
  )
  await people.erase(id, { reason: 'asked' })
  expect((await keelson.memory.get(bob.id)).text).toBe(others)
  expect((await keelson.memory.get(own.id)).text).toBe('[erased], [erased], [erased], [erased], [erased]')
  expect((await people.get(id)).data.address).toEqual({ street: '[erased]', town: '[erased]' })
})
