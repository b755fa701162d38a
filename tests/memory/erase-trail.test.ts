/** What an erasure leaves in the audit trail: that something was erased, by whom; not once more what others did. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from '../support/open.ts'

const Customer = defineEntity({
  ...{ name: 'customer', version: 1 },
  schema: z.object({ name: z.string(), town: z.string() }),
})
const send = action({
  ...{ name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' } },
  input: z.object({ text: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => ({ output: { id: '1' } }),
})
const hello = definePlaybook({
  ...{ name: 'hello', version: 1, input: z.object({ id: z.string() }), output: z.null(), uses: [send] },
  async run(ctx, { id }) {
    const customer = await ctx.entities(Customer).get(id)
    await ctx.memory.remember({ text: `${customer.data.name} was written to` })
    await ctx.act(send, { text: `${customer.data.name} was written to` }, { because: [customer] })
    return null
  },
})

async function written() {
  const gate = policy([policy.rule('asks', { on: send }, () => policy.ask())])
  const keelson = await open(memoryStore(), { playbooks: [hello], entities: [Customer], policy: gate })
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: 'Ada Lovelace', town: 'Marylebone' })
  const run = await keelson.start(hello, { id }, { id: 'hello:1' })
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  await keelson.inbox.decide(item!.id, { hash: item!.hash, by: { kind: 'person', id: 'bob' }, approve: true })
  await run.result()
  const trail = async () =>
    (await keelson.audit.query({ limit: 200 })).lines.map((line) => `${line.by.id}: ${line.what}`)
  return { keelson, customers, id, trail }
}

/** The lines of `now` that were not there before, sorted. */
function since(before: readonly string[], now: readonly string[]): string[] {
  const left = [...before]
  return now.filter((line) => left.indexOf(line) < 0 || left.splice(left.indexOf(line), 1).length === 0).sort()
}

it('of an entity it is one line, whatever was put again, and one each time that something was taken', async () => {
  const { customers, id, trail } = await written()
  const before = await trail()
  await customers.erase(id, { fields: ['town'], reason: 'asked' })
  const once = await trail()
  expect(since(before, once)).toEqual([`${me.id}: customer erased`])
  await customers.erase(id, { reason: 'asked' })
  expect(since(once, await trail())).toEqual([`${me.id}: customer erased`])
})

it('of memories it is one line', async () => {
  const { keelson, trail } = await written()
  const [fact] = await keelson.memory.facts({})
  const before = await trail()
  await keelson.memory.erase({ ids: [fact!.id] }, { by: me, reason: 'asked' })
  expect(since(before, await trail())).toEqual([`${me.id}: memory erased`])
})
