/** What is mistyped is refused where the answer would else be that it was done, with nothing left. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { artifactRef, defineEntity } from '@keelson/core'
import { code, me, open, store } from '../support/open.ts'

const Client = defineEntity({ name: 'client', version: 1, schema: z.object({ name: z.string() }) })
const Paper = defineEntity({
  ...{ name: 'paper', version: 1, key: ({ title }: { title: string }) => title },
  schema: z.object({ title: z.string(), files: z.array(artifactRef(z)), state: z.string().optional() }),
})
const NONE = { sha256: 'a'.repeat(64), size: 3, type: 'text/plain' }
const by = { by: me, reason: 'asked' }

const idle = code(async () => 1)

async function company() {
  const warned: unknown[] = []
  const log = { info: () => {}, warn: (...told: unknown[]) => void warned.push(told), error: () => {} }
  const keelson = await open(store(), { playbooks: [idle], entities: [Client], log })
  return { keelson, warned, memory: keelson.memory, clients: keelson.entities(Client, { by: me }) }
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

describe('the id of an entity in place of the entity', () => {
  it('is warned of where nothing is found, and what is meant is said', async () => {
    const { memory, clients, warned } = await company()
    const { id } = await clients.create({ name: 'Ada' })
    await memory.remember({ subject: { type: 'client', id }, text: 'Ada likes tea.' }, by)
    for (const ask of [
      () => memory.facts({ about: id }),
      () => memory.history({ about: id }),
      () => memory.context({ task: 'tea', about: [id] }),
    ]) {
      await ask()
      expect(JSON.stringify(warned.splice(0))).toContain(`{ type: \\"client\\", id: \\"${id}\\" }`)
    }
    await memory.facts({ about: { type: 'client', id } })
    await memory.facts({ about: 'nobody' })
    expect(warned).toEqual([])
  })

  it('is a subject as any other where something is remembered of it', async () => {
    const { memory, clients, warned } = await company()
    const { id } = await clients.create({ name: 'Ada' })
    await memory.remember({ subject: id, text: 'Ada likes tea.' }, by)
    expect(await memory.facts({ about: id })).toHaveLength(1)
    await memory.context({ task: 'tea', about: [id] })
    expect(warned).toEqual([])
    expect(await memory.erase({ about: id }, by)).toMatchObject({ erased: [{}], left: [] })
  })

  it('is named in what an erasure left', async () => {
    const { memory, clients } = await company()
    const { id } = await clients.create({ name: 'Ada' })
    await memory.remember({ subject: { type: 'client', id }, text: 'Ada likes tea.' }, by)
    expect(await memory.erase({ about: id }, by)).toMatchObject({
      erased: [],
      left: [{ where: `entity client/${id}`, why: expect.stringContaining('about: { type: "client", id') }],
    })
  })

  it('is refused in place of a list', async () => {
    const { memory } = await company()
    const about = 'client_1' as unknown as string[]
    for (const ask of [() => memory.context({ task: 'tea', about }), () => memory.recall({ text: 'tea', about })])
      await expect(ask()).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        hint: expect.stringContaining('about: [{ type, id }]'),
      })
  })
})

describe('a note', () => {
  it('says something, and names files that are kept', async () => {
    const { keelson, clients } = await company()
    const { id } = await clients.create({ name: 'Ada' })
    for (const what of ['', '  ', undefined as unknown as string])
      await expect(clients.note(id, { what })).rejects.toMatchObject({
        code: 'INPUT_INVALID',
        hint: expect.any(String),
      })
    await expect(clients.note(id, { what: 'rang', artifacts: [NONE] })).rejects.toMatchObject({
      code: 'ARTIFACT_NOT_FOUND',
      hint: expect.stringContaining('artifacts.put'),
    })
    expect(await clients.timeline(id)).toHaveLength(1)
    const photo = await keelson.artifacts.put('a photo', { by: me })
    await clients.note(id, { what: 'rang', artifacts: [photo] })
    expect(await clients.timeline(id)).toHaveLength(2)
  })
})

describe('a field that refers to a file', () => {
  it('refers to one that is kept, when it is written', async () => {
    const { keelson } = await company()
    const papers = keelson.entities(Paper, { by: me })
    const photo = await keelson.artifacts.put('a photo', { by: me })
    const { id } = await papers.create({ title: 'one', files: [photo] })
    for (const write of [
      () => papers.create({ title: 'two', files: [photo, NONE] }),
      () => papers.upsert({ title: 'one', files: [NONE] }),
      () => papers.update(id, { files: [photo, NONE] }),
    ])
      await expect(write()).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
    expect(await papers.list()).toMatchObject({ entities: [{ version: 1, data: { title: 'one' } }] })
    expect((await papers.list()).entities).toHaveLength(1)
  })

  it('may keep what it refers to when that was erased', async () => {
    const { keelson, memory } = await company()
    const papers = keelson.entities(Paper, { by: me })
    const photo = await keelson.artifacts.put('a photo', { by: me })
    const { id, data } = await papers.create({ title: 'one', files: [photo] })
    expect(await memory.erase({ files: [photo.sha256] }, by)).toMatchObject({ files: [photo.sha256] })
    expect(await papers.update(id, { ...data, state: 'old' })).toMatchObject({ version: 2, data: { files: [photo] } })
  })
})
