/** An erasure by what memories are about says of those in other scopes where they lie, and takes them when it is told to. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, type Conductor } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
const by = { by: me, reason: 'she asked us to' }

/** As the guide of contexts has it: a scope for each customer. */
const learn = definePlaybook({
  name: 'learn',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.null(),
  async run(ctx, { id }) {
    const about = { type: 'customer', id }
    const memory = ctx.memory.scope(`customer:${id}`)
    await memory.remember({ subject: about, predicate: 'prefers', value: 'chartreuse lettering', functional: true })
    await memory.append({ text: 'she called about the chartreuse', role: 'external', thread: 'calls', about })
    await ctx.memory.remember({ subject: about, predicate: 'met_at', value: 'the chartreuse fair' })
    return null
  },
})

async function company(): Promise<{ keelson: Conductor; ada: { type: string; id: string }; scope: string }> {
  const keelson = await open(store(), { playbooks: [learn], entities: [Customer] })
  const { id } = await keelson.entities(Customer, { by: me }).create({ name: 'Ada' })
  await (await keelson.start(learn, { id }, { id: 'learned' })).result()
  return { keelson, ada: { type: 'customer', id }, scope: `customer:${id}` }
}

async function saidIn(keelson: Conductor): Promise<number> {
  let all = ''
  for await (const line of keelson.workspace('default').export()) all += line
  return all.split('chartreuse').length - 1
}

describe('an erasure by the memory of the workspace', () => {
  it('names the scopes beside its own, each with how many it leaves there', async () => {
    const { keelson, ada, scope } = await company()
    const { erased, left } = await keelson.memory.erase({ about: ada }, by)
    expect(erased).toHaveLength(1)
    expect(left).toContainEqual({
      where: `memory in ${scope}`,
      why: '2 memories lie beside this handle: workspace.memory.erase(…, { everywhere: true }) takes them',
    })
  })

  it('takes them in every scope when it is told to, until nothing says it', async () => {
    const { keelson, ada } = await company()
    const { erased, left } = await keelson.memory.erase({ about: ada }, { ...by, everywhere: true })
    expect(erased).toHaveLength(3)
    expect(left.map(({ where }) => where)).toEqual([`entity customer/${ada.id}`])
    expect(await saidIn(keelson)).toBe(0)
    const again = await keelson.memory.erase({ about: ada }, by)
    expect(again.left.map(({ where }) => where)).toEqual([`entity customer/${ada.id}`])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it.each(['thread', 'ids'] as const)('does the same of %s', async (how) => {
    const { keelson, scope } = await company()
    const [event] = await keelson.memory.scope(scope).history({ thread: 'calls' })
    const which = how === 'ids' ? { ids: [event!.id] } : { thread: 'calls' }
    const kept = await keelson.memory.erase(which, by)
    expect(kept).toMatchObject({ erased: [], left: [{ where: `memory in ${scope}` }] })
    const taken = await keelson.memory.erase(which, { ...by, everywhere: true })
    expect(taken).toMatchObject({ erased: [{ memory: event!.id }], left: [] })
  })
})

describe('an erasure by a handle that is held to a scope', () => {
  it('says that there is more beside it, and not where', async () => {
    const { keelson, ada, scope } = await company()
    const { erased, left } = await keelson.memory.scope(scope).erase({ about: ada }, by)
    expect(erased).toHaveLength(2)
    expect(left).toContainEqual({
      where: 'memory in other scopes',
      why: '1 memory lies beside this handle: workspace.memory.erase(…, { everywhere: true }) takes it',
    })
  })

  it('does not reach every scope', async () => {
    const { keelson, ada, scope } = await company()
    const all = keelson.memory.scope(scope).erase({ about: ada }, { ...by, everywhere: true })
    await expect(all).rejects.toMatchObject({ code: 'MEMORY_OUT_OF_SCOPE' })
  })
})

it('an erasure of an entity names what is remembered about it, in every scope', async () => {
  const { keelson, ada, scope } = await company()
  const customers = keelson.entities(Customer, { by: me })
  const { left } = await customers.erase(ada.id, { reason: 'she asked us to' })
  const why = (many: string, them: string): string =>
    `${many} about it: erase(id, { memory: true }) takes ${them}, in every scope`
  expect(left).toContainEqual({ where: `memory in ${scope}`, why: why('2 memories are', 'them') })
  expect(left).toContainEqual({ where: 'memory in workspace', why: why('1 memory is', 'it') })
  await keelson.memory.erase({ about: ada }, { ...by, everywhere: true })
  expect((await customers.erase(ada.id, { reason: 'again' })).left.filter(({ where }) => /memory/.test(where))).toEqual(
    [],
  )
})

it('an erasure takes what a machine would remember about it, proposed or in shadow', async () => {
  const rule = definePlaybook({
    name: 'rule',
    version: 1,
    input: z.object({ id: z.string() }),
    output: z.null(),
    async run(ctx, { id }) {
      const subject = { type: 'customer', id }
      await ctx.memory.scope(`customer:${id}`).remember({ kind: 'rule', subject, text: 'use chartreuse lettering' })
      return null
    },
  })
  const keelson = await open(store(), { playbooks: [learn, rule], entities: [Customer] })
  const { id } = await keelson.entities(Customer, { by: me }).create({ name: 'Ada' })
  await (await keelson.start(rule, { id }, { id: 'ruled' })).result()
  await (await keelson.start(learn, { id }, { id: 'rehearsed', shadow: true })).result()
  await keelson.quiet()
  const about = { type: 'customer', id }
  const partly = await keelson.memory.erase({ about }, by)
  expect(partly.left).toMatchObject([{ where: `memory in customer:${id}` }, { where: `entity customer/${id}` }])
  const { left } = await keelson.memory.erase({ about }, { ...by, everywhere: true })
  expect(left.map(({ where }) => where)).toEqual([`entity customer/${id}`])
  expect(await saidIn(keelson)).toBe(0)
  expect((await keelson.inbox.list()).items).toEqual([])
  expect((await keelson.audit.verify()).faults).toEqual([])
})
