/** A client that is erased in one call: what the record holds, and what is remembered about it in every scope. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, defineEvent, definePlaybook, type Conductor } from '@keelson/core'
import { exploreCrashes } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const NAME = 'Ada Augusta Lovelace'
const LIKES = 'chartreuse lettering'
const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })
const Called = defineEvent({ name: 'called', version: 1, schema: z.object({ id: z.string() }) })

const learn = definePlaybook({
  name: 'learn',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.null(),
  async run(ctx, { id }) {
    const about = { type: 'customer', id }
    const { data } = await ctx.entities(Customer).get(id)
    const memory = ctx.memory.scope(`customer:${id}`)
    await memory.remember({ subject: about, predicate: 'prefers', value: LIKES, functional: true })
    await memory.append({ text: `${data.name} called about the ${LIKES}`, role: 'external', thread: 'calls', about })
    await ctx.memory.remember({ subject: about, predicate: 'met_at', value: 'the chartreuse fair' })
    return null
  },
})

/** Copies the record and what is remembered of it, and files both; then it waits. */
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.null(),
  async run(ctx, { id }) {
    const { data } = await ctx.entities(Customer).get(id)
    await ctx.step('copy', () => `${data.name} likes ${LIKES}`)
    await ctx.artifacts.put(`Dear ${data.name}`, { name: 'letter.txt', type: 'text/plain' })
    await ctx.artifacts.put(`To paint: ${LIKES}`, { name: 'order.txt', type: 'text/plain' })
    await ctx.waitFor(Called, { match: { id } })
    return null
  },
})

const customersOf = (keelson: Conductor) => keelson.entities(Customer, { by: me })

async function company(): Promise<{ keelson: Conductor; id: string; customers: ReturnType<typeof customersOf> }> {
  const keelson = await open(store(), { playbooks: [learn, write], entities: [Customer] })
  const customers = customersOf(keelson)
  const { id } = await customers.create({ name: NAME }, { aliases: [LIKES] })
  await customers.note(id, { what: 'She rang about the chartreuse' })
  await (await keelson.start(learn, { id }, { id: 'learned' })).result()
  return { keelson, id, customers }
}

async function saidIn(keelson: Conductor): Promise<string[]> {
  let all = ''
  for await (const line of keelson.workspace('default').export()) all += line
  return ['chartreuse', 'Augusta'].filter((text) => all.includes(text))
}

describe('a client that is erased with what is remembered', () => {
  it('is gone from the record and from memory in every scope, in one call', async () => {
    const { keelson, id, customers } = await company()
    expect(await saidIn(keelson)).toEqual(['chartreuse', 'Augusta'])
    const { erased, left } = await customers.erase(id, { reason: 'she asked us to', memory: true })
    expect({ erased, left }).toMatchObject({ erased: [{ entity: `customer/${id}`, fields: ['name'] }], left: [] })
    expect(await saidIn(keelson)).toEqual([])
    expect(await customers.erase(id, { memory: true })).toEqual({ erased: [], left: [] })
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('says in left what open runs hold of either, once, and is whole when it is asked for again', async () => {
    const { keelson, id, customers } = await company()
    const run = await keelson.start(write, { id }, { id: 'writing' })
    await keelson.quiet()
    const { left } = await customers.erase(id, { memory: true, files: true })
    expect(left.map(({ where }) => where.replace(/ .*/, '')).sort()).toEqual(['artifact', 'artifact', 'run:writing:0'])
    expect(await saidIn(keelson)).toEqual(['chartreuse', 'Augusta'])
    await keelson.send(Called, { id }, { id: 'called' })
    await run.result()
    expect((await customers.erase(id, { memory: true })).left).toMatchObject([
      { where: expect.stringMatching(/^artifact /) },
      { where: expect.stringMatching(/^artifact /) },
    ])
    expect((await customers.erase(id, { memory: true, files: true })).left).toEqual([])
    expect(await saidIn(keelson)).toEqual([])
  })

  it('takes what is known of a file, and the file where its bytes say it, too', async () => {
    const { keelson, id, customers } = await company()
    const letter = await keelson.artifacts.put(`Dear ${NAME}`, { name: `${NAME}.txt`, by: me })
    const scan = await keelson.artifacts.put('a scan', { name: `of ${NAME}.txt`, origin: { from: NAME }, by: me })
    for (const memory of [true, false]) expect((await customers.erase(id, { memory, files: true })).left).toEqual([])
    await expect(keelson.artifacts.get(letter)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
    expect(await keelson.artifacts.text(scan)).toBe('a scan')
    expect(await saidIn(keelson)).toEqual([])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('takes what is remembered of the record that was made one with it', async () => {
    const { keelson, id, customers } = await company()
    const twin = await customers.create({ name: 'A. Lovelace' })
    await customers.merge(twin.id, id)
    expect((await customers.erase(id, { memory: true })).left).toEqual([])
    expect(await saidIn(keelson)).toEqual([])
  })

  it('names what was remembered meanwhile, and how it goes', async () => {
    const { id, customers } = await company()
    expect((await customers.erase(id)).left).toEqual([
      {
        where: `memory in customer:${id}`,
        why: '2 memories are about it: erase(id, { memory: true }) takes them, in every scope',
      },
      {
        where: 'memory in workspace',
        why: '1 memory is about it: erase(id, { memory: true }) takes it, in every scope',
      },
    ])
    expect((await customers.erase(id, { memory: true })).left).toEqual([])
  })

  it('is refused for some of its fields, and for what is neither yes nor no', async () => {
    const { id, customers } = await company()
    await expect(customers.erase(id, { fields: ['name'], memory: true })).rejects.toMatchObject({
      ...{ code: 'INPUT_INVALID', message: expect.stringContaining('memory') },
      hint: expect.stringContaining('fields'),
    })
    for (const name of ['memory', 'files', 'keepEffects'])
      await expect(customers.erase(id, { [name]: 'yes' })).rejects.toMatchObject({
        ...{ code: 'INPUT_INVALID', message: expect.stringContaining(name) },
      })
    expect((await customers.get(id)).data.name).toBe(NAME)
    expect((await customers.erase(id, { fields: ['name'], memory: false })).erased).toHaveLength(1)
  })
})

it('is whole after a crash at any point, once it is asked for again', async () => {
  const { schedules } = await exploreCrashes(
    async (t) => {
      const id = await t.host(async (keelson) => {
        const found = await customersOf(keelson).list()
        return found.entities[0]?.id ?? (await customersOf(keelson).create({ name: NAME })).id
      })
      await (await t.start(learn, { id })).result()
      await t.host((keelson) => customersOf(keelson).erase(id, { memory: true }))
      return t.host(async (keelson) => {
        const { left } = await customersOf(keelson).erase(id, { memory: true })
        return [left, await saidIn(keelson), (await keelson.audit.verify()).faults]
      })
    },
    { harness: () => ({ playbooks: [learn], entities: [Customer] }), invariant: async () => undefined },
  )
  expect(schedules).toBeGreaterThan(10)
})
