/** The scope workspace lies beside the others, and not above them: what the guide of memory says of it. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
const by = { by: me }

it('a scope of a customer does not see what stands in the workspace, unless it is given that to read', async () => {
  const keelson = await open(store(), { playbooks: [], entities: [Customer] })
  const { id } = await keelson.entities(Customer, by).create({ name: 'Acme' })
  const [about, scope] = [{ type: 'customer', id }, `customer:${id}`]
  await keelson.memory.remember({ kind: 'rule', text: 'Sign with the first name.', load: 'always' }, by)
  await keelson.memory.remember({ subject: about, predicate: 'pays_within', value: '30 days' }, by)
  await keelson.memory.scope(scope).remember({ kind: 'rule', text: 'Write in German.', load: 'always' }, by)
  const query = { task: 'write a reminder', about: [about] }
  const shown = async (memory: typeof keelson.memory): Promise<string[]> => {
    const { text } = await memory.context(query)
    return ['first name', '30 days', 'German'].filter((part) => text.includes(part))
  }
  expect(await shown(keelson.memory.scope(scope))).toEqual(['German'])
  expect(await keelson.memory.scope(scope).facts({ about })).toEqual([])
  expect(await shown(keelson.memory.scope(scope, { read: ['workspace'] }))).toEqual(['first name', '30 days', 'German'])
  expect(await shown(keelson.memory)).toEqual(['first name', '30 days'])
  expect(await shown(keelson.memory.scope(`${scope}/project:site`))).toEqual(['German'])
  expect(await keelson.memory.scope(`${scope}/project:site`).recall('German')).toEqual([])
})
