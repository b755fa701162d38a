/** Facts of which there are more than a call may have arguments. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
import type { MemoryStore, RecordRow } from '@keelson/core/ports'
import type { MemoryStoreSession } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
const MANY = 200_000

/** A store that answers a look-up of memories about `subject` with one of them so many times more. */
function swollen(session: MemoryStore, subject: () => string): MemoryStore {
  let rows: RecordRow[] | undefined
  return new Proxy(session, {
    get(target, name) {
      if (name !== 'records') {
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      }
      return async (workspace: string, query: Parameters<MemoryStore['records']>[1]) => {
        if (query.kind !== 'memory' || query.where?.value !== subject()) return target.records(workspace, query)
        if (rows === undefined) {
          const real = await target.records(workspace, { ...query, limit: 10, after: { sort: -1, id: '' } })
          const note = real.find(({ data }) => data.includes('green tea'))!
          rows = [...real, ...Array.from({ length: MANY }, () => note)].map((row, sort) => ({ ...row, sort }))
        }
        const from = (query.after?.sort ?? -1) + 1
        return rows.slice(from, from + query.limit)
      }
    },
  })
}

it('are told all the same where one of them gives way to another', async () => {
  let subject = ''
  const kept = store()
  const session = () => swollen(kept.session(), () => subject)
  const { memory, entities } = await open({ session } as MemoryStoreSession, { playbooks: [], entities: [Customer] })
  const customers = entities(Customer, { by: me })
  const [one, other] = [await customers.create({ name: 'a' }), await customers.create({ name: 'b' })]
  const about = { type: 'customer', id: one.id }
  await memory.remember({ subject: about, text: 'They drink green tea.' }, { by: me })
  for (const [id, value] of [
    [one.id, 'DE1'],
    [other.id, 'DE2'],
  ] as const)
    await memory.remember({ subject: { type: 'customer', id }, predicate: 'vat', functional: true, value }, { by: me })
  await customers.merge(one.id, other.id)
  subject = `customer/${one.id}`
  const facts = await memory.facts({ about, limit: 1000 })
  expect(facts).toHaveLength(1000)
  expect(facts.some(({ value }) => value === 'DE1')).toBe(false)
}, 30_000)
