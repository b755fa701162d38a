/** What is mistyped is refused where the answer would else be that it was done, with nothing left. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity } from '@keelson/core'
import { code, me, open, store } from '../support/open.ts'

const Client = defineEntity({ name: 'client', version: 1, schema: z.object({ name: z.string() }) })
const by = { by: me, reason: 'asked' }

const idle = code(async () => 1)

async function company() {
  const keelson = await open(store(), { playbooks: [idle], entities: [Client] })
  return { keelson, memory: keelson.memory, clients: keelson.entities(Client, { by: me }) }
}

describe('an erasure', () => {
  it('refuses an id that no memory has or had, and takes nothing then', async () => {
    const { memory } = await company()
    const { id } = await memory.remember({ text: 'Ada likes tea.' }, by)
    await expect(memory.erase({ ids: [id, 'mem_x'] }, by)).rejects.toMatchObject({
      code: 'MEMORY_NOT_FOUND',
      data: { memory: 'mem_x' },
    })
    expect(await memory.get(id)).toMatchObject({ text: 'Ada likes tea.' })
  })

  it('is done again of what is erased, by its id and by what it was about', async () => {
    const { memory } = await company()
    const about = { type: 'supplier', id: 's1' }
    const { id } = await memory.remember({ subject: about, text: 'Bob drinks coffee.' }, by)
    expect(await memory.erase({ about }, by)).toMatchObject({ erased: [{ memory: id }] })
    for (const which of [{ about }, { ids: [id] }])
      expect(await memory.erase(which, by)).toMatchObject({ erased: [], left: [] })
  })

  it('refuses a type of entities that is not defined, and names the one that was meant', async () => {
    const { memory } = await company()
    await expect(memory.erase({ about: { type: 'clinet', id: 'c1' } }, by)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('no entity type "clinet"'),
      hint: expect.stringContaining('Did you mean "client"?'),
    })
    await expect(memory.erase({ about: { type: 'supplier', id: 's1' } }, by)).rejects.toMatchObject({
      hint: expect.stringContaining('about: "supplier/s1"'),
    })
  })

  it('takes a subject of which nothing is remembered: an entity, a text, any where no types are defined', async () => {
    const { memory, clients } = await company()
    const { id } = await clients.create({ name: 'Ada' })
    expect(await memory.erase({ about: { type: 'client', id } }, by)).toMatchObject({ erased: [] })
    expect(await memory.erase({ about: 'supplier/s1' }, by)).toMatchObject({ erased: [], left: [] })
    const none = await open(store(), { playbooks: [] })
    expect(await none.memory.erase({ about: { type: 'client', id: 'c1' } }, by)).toMatchObject({ left: [] })
  })
})

describe('taking back', () => {
  it('refuses a run that never was, and takes one that wrote nothing', async () => {
    const { keelson, memory } = await company()
    await expect(memory.revert({ run: 'nope' }, by)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
    const run = await keelson.start(idle, {}, { id: 'one' })
    await run.result()
    expect(await memory.revert({ run: 'one' }, by)).toMatchObject({ reverted: [], blocked: [] })
  })
})
