/** An entity that is erased: no byte of its values in any file; what is left of it says who, and everything else goes on. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, type Conductor, type Playbook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { exploreCrashes, type MemoryStoreSession } from '@keelson/testing'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open, store } from '../support/open.ts'

const NAME = 'Ada Augusta Lovelace'
const HOME = 'Nine Elms Passage 47'
const TRACES = ['Augusta', 'Lovelace', 'Elms Passage', 'ada@example.org', 'countess of numbers', '8847123']

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({
    name: z.string(),
    email: z.email().optional(),
    home: z.object({ street: z.string(), floor: z.number() }).optional(),
    stage: z.enum(['lead', 'signed']),
    debts: z.number().optional(),
    town: z.string().optional(),
  }),
  index: ['name', 'stage'],
  private: ['email'],
})

type Ada = Parameters<ReturnType<typeof customersOf>['create']>[0]

const ada: Ada = {
  ...{ name: NAME, email: 'ada@example.org', home: { street: HOME, floor: 3 }, stage: 'lead', debts: 8847123 },
  town: 'Marylebone',
}

function customersOf(keelson: Conductor) {
  return keelson.entities(Customer, { by: me })
}

/** Writes, reads and copies what it is given. */
const clerk = definePlaybook({
  name: 'clerk',
  version: 1,
  input: z.object({ id: z.string() }),
  output: z.string(),
  async run(ctx, { id }) {
    const customers = ctx.entities(Customer)
    const { data } = await customers.get(id)
    await customers.update(id, { name: `${data.name} King`, stage: 'signed' })
    await customers.history(id)
    const { text } = await ctx.memory.context({ task: 'greet', about: [{ type: 'customer', id }] })
    await ctx.memory.remember({ text: `${data.name} is to be greeted` })
    await ctx.step('copy', () => text)
    return data.name
  },
})

function bytesOf(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => readFileSync(join(file.parentPath, file.name)).toString('latin1'))
    .join('')
}

async function linesOf(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

async function onFile(playbooks: readonly Playbook<any, any>[] = []) {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  const keelson = await open({ session: () => sqlite(join(folder, 'company.db')) } as never, {
    ...{ playbooks, entities: [Customer] },
  })
  return { keelson, folder, customers: customersOf(keelson) }
}

async function lived(keelson: Conductor): Promise<string> {
  const customers = customersOf(keelson)
  const { id } = await customers.create(ada, { aliases: ['countess of numbers'], refs: { stripe: 'cus_1' } })
  await customers.create({ name: 'Charles', stage: 'lead', town: 'Marylebone' })
  await customers.note(id, { what: `${NAME} rang`, data: { from: HOME } })
  await customers.update(id, { home: { street: `${HOME}, garden`, floor: 0 } }, { reason: `${NAME} moved` })
  return id
}

describe('an entity that is erased', () => {
  it('takes what was noted of it from what runs have read, too; of notes of earlier releases it says that it does not', async () => {
    const reader = definePlaybook({
      ...{ name: 'reader', version: 1, input: z.object({ id: z.string() }), output: z.null() },
      async run(ctx, { id }) {
        await ctx.entities(Customer).timeline(id, { to: '2026-01-02' })
        return null
      },
    })
    for (const isEarlier of [false, true]) {
      const rows = store()
      const keelson = await open(rows, { playbooks: [reader], entities: [Customer] })
      const customers = customersOf(keelson)
      const { id } = await customers.create({ name: NAME, stage: 'lead' })
      await customers.note(id, { what: 'She rang about the coins', at: '2026-01-01' })
      if (isEarlier) await asEarlier(rows)
      await (await keelson.start(reader, { id }, { id: 'one' })).result()
      const { left } = await customers.erase(id)
      const all = (await linesOf(keelson.workspace('default').export())).join()
      const isSaid = left.some(({ why }) => why.startsWith('what was noted of it is taken from its timeline'))
      expect([all.includes('about the coins'), isSaid]).toEqual([isEarlier, isEarlier])
    }
  })

  it('leaves no byte of what it held in any file, and a record that says who erased what', async () => {
    const { keelson, folder, customers } = await onFile([clerk])
    const id = await lived(keelson)
    expect(await (await keelson.start(clerk, { id }, { id: 'one' })).result()).toBe(NAME)
    await (await keelson.start(clerk, { id }, { id: 'two', shadow: true })).result()
    for (const trace of TRACES.slice(0, 3)) expect(bytesOf(folder), trace).toContain(trace)
    const { erased, left } = await customers.erase(id, { reason: 'she asked for it' })
    expect(erased).toMatchObject([
      { entity: `customer/${id}`, fields: ['debts', 'email', 'home', 'name', 'stage', 'town'] },
    ])
    expect(left.every(({ where }) => where === 'what runs and people have copied')).toBe(true)
    const bytes = bytesOf(folder)
    for (const trace of TRACES) expect(bytes.includes(trace), trace).toBe(false)
    const gone = await customers.get(id)
    expect(gone).toMatchObject({ archived: true, erased: [{ by: 'me', fields: erased[0]!.fields }] })
    expect(gone.data).toEqual({
      ...{ name: '[erased]', email: 'erased@erased.invalid', home: { street: '[erased]', floor: 0 } },
      ...{ stage: '[erased]', debts: 0, town: '[erased]' },
    })
    expect(await customers.byAlias('countess of numbers')).toEqual([])
    expect(await customers.byRef('stripe', 'cus_1')).toBeUndefined()
    expect((await keelson.audit.verify()).faults).toEqual([])
    // Again, nothing is left to do.
    expect((await customers.erase(id)).erased).toEqual([])
    await keelson.stop()
    for (const trace of TRACES) expect(bytesOf(folder).includes(trace), trace).toBe(false)
  })

  it('answers every question with blanks, whenever it is asked about, from snapshots or without', async () => {
    const { keelson, customers } = await onFile()
    const id = await lived(keelson)
    for (let i = 0; i < 200; i++) await customers.update(id, { name: `${NAME} ${i}` })
    const before = await customers.history(id, { limit: 500 })
    await customers.erase(id, { fields: ['name'] })
    const { data, version, erased } = await customers.get(id)
    expect(data).toEqual({ ...ada, name: '[erased]', home: { street: `${HOME}, garden`, floor: 0 } })
    expect(version).toBe(before.length + 1)
    expect(erased).toMatchObject([{ fields: ['name'] }])
    const after = await customers.history(id, { limit: 500 })
    expect(after.slice(0, -1).map(({ at, fields }) => [at, Object.keys(fields)])).toEqual(
      before.map(({ at, fields }) => [at, Object.keys(fields)]),
    )
    const told = async () =>
      JSON.stringify([
        await customers.timeline(id),
        await customers.why(id, 'name'),
        await customers.asOf(id, { known: before[150]!.at }),
        await customers.asOf(id, { valid: before[0]!.at }),
        await customers.find({ stage: 'lead' }),
      ])
    const first = await told()
    expect(first).not.toContain('Augusta')
    expect(await customers.find({ name: NAME })).toBeUndefined()
    await customers.snapshots.drop()
    expect(await customers.snapshots.rebuild(id)).toBe(2)
    expect(await told()).toBe(first)
    // What was not erased goes on.
    await customers.update(id, { debts: 1 })
    expect(await customers.update(id, { name: 'A.' })).toMatchObject({ data: { name: 'A.', debts: 1 } })
  })

  it('is brought back by no revert, and the plan says why', async () => {
    const keelson = await open(store(), { playbooks: [clerk], entities: [Customer] })
    const customers = customersOf(keelson)
    const id = await lived(keelson)
    await (await keelson.start(clerk, { id }, { id: 'one' })).result()
    await customers.erase(id, { fields: ['name'] })
    const { lines } = await keelson.revert.plan({ run: 'one' })
    const line = lines.find(({ kind }) => kind === 'entity')
    expect(line).toMatchObject({ can: true, restore: { stage: 'lead' }, kept: ['name'] })
    expect((line as unknown as { since: object[] }).since).toMatchObject([{ field: 'name', by: 'me', erased: true }])
    const { blocked } = await keelson.memory.revert({ run: 'one' }, { by: me })
    expect(blocked).toContainEqual({ id: `customer/${id}`, why: 'erased since: name' })
    expect((await customers.get(id)).data).toMatchObject({ name: '[erased]', stage: 'lead' })
    expect(JSON.stringify(await customers.timeline(id))).not.toContain('Augusta')
  })

  it('goes with the records that it was made one with, and not with others that say the same', async () => {
    const { keelson, customers, folder } = await onFile()
    const { id: a } = await customers.create({ ...ada, name: 'Countess of numbers' })
    const { id: b } = await customers.create({ ...ada, email: 'other@example.org' })
    const { id: other } = await customers.create({ name: 'Charles', stage: 'lead', town: 'Marylebone' })
    await customers.merge(a, b)
    const { erased, left } = await customers.erase(b)
    expect(erased.map(({ entity }) => entity)).toEqual([`customer/${a}`, `customer/${b}`])
    expect(left.map(({ why }) => why).join()).toContain('another record says the same (town)')
    for (const trace of ['Augusta', 'Elms Passage', 'other@example.org', 'ountess of'])
      expect(bytesOf(folder)).not.toContain(trace)
    expect((await customers.get(other)).data.town).toBe('Marylebone')
    await customers.restore(b)
    expect((await customers.get(b)).data.name).toBe('[erased]')
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is brought up to newer schemas, also by an upcaster that blanks make stumble', async () => {
    const kept = store()
    const first = await open(kept, { playbooks: [], entities: [Customer] })
    const id = await lived(first)
    await customersOf(first).erase(id, { fields: ['name', 'town'] })
    await first.stop()
    const schema = z.object({ first: z.string().max(5), initial: z.string() })
    const upcast = {
      2: ({ name }: { name?: unknown }) => ({
        first: String(name).slice(0, 5),
        initial: [...String(name)][99]!.toUpperCase(),
      }),
    }
    const Newer = defineEntity({ name: 'customer', version: 2, schema, upcast: upcast })
    const second = await open(kept, { playbooks: [], entities: [Newer] })
    const newer = second.entities(Newer, { by: me })
    expect((await newer.get(id)).data).toMatchObject({ name: '[erased]' })
    expect(await newer.history(id)).toHaveLength(3)
    expect(await newer.asOf(id, {})).toMatchObject({ data: { name: '[erased]' } })
    await newer.update(id, { first: 'A', initial: 'A' })
    expect((await newer.get(id)).data).toEqual({ first: 'A', initial: 'A' })
  })

  it('moves as it is, and is not filled again from an older bundle', async () => {
    const lines = async (keelson: Conductor): Promise<string[]> => linesOf(keelson.workspace('default').export())
    const keelson = await open(store(), { playbooks: [clerk], entities: [Customer] })
    const customers = customersOf(keelson)
    const id = await lived(keelson)
    await (await keelson.start(clerk, { id }, { id: 'one' })).result()
    const old = await lines(keelson)
    await customers.erase(id, { fields: ['name', 'home'] })
    const bundle = await lines(keelson)
    expect(bundle.join('')).not.toContain('Augusta')
    const other = await open(store(), { playbooks: [clerk], entities: [Customer] })
    await other.workspace('default').import(bundle, { by: me, adopt: true })
    expect(await customersOf(other).get(id)).toEqual(await customers.get(id))
    expect(await customersOf(other).timeline(id)).toEqual(await customers.timeline(id))
    expect((await other.audit.verify()).faults).toEqual([])
    await keelson.workspace('default').merge(old, { by: me, onConflict: 'take' })
    expect((await customers.get(id)).data.name).toBe('[erased]')
  })

  it('names what an open run holds, and takes it when it is erased again after its end', async () => {
    const asking = definePlaybook({
      ...{ name: 'asking', version: 1, input: z.object({ id: z.string() }), output: z.null() },
      async run(ctx, { id }) {
        const { data } = await ctx.entities(Customer).get(id)
        await ctx.step('copy', () => ({ said: `it is ${data.name}` }))
        await ctx.ask('Go on?', { answer: z.boolean() })
        return null
      },
    })
    const { keelson, folder, customers } = await onFile([asking])
    const id = await lived(keelson)
    const run = await keelson.start(asking, { id }, { id: 'one' })
    await keelson.quiet()
    const open = { where: 'run:one:0', why: 'its run is open: erase again when it has ended' }
    expect((await customers.erase(id, { fields: ['name'] })).left).toEqual([open])
    expect((await customers.erase(id, { fields: ['name'] })).left).toEqual([open])
    const [item] = (await keelson.inbox.list()).items
    await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, answer: true })
    await run.result()
    expect((await customers.erase(id, { fields: ['name'] })).left).toEqual([])
    expect(bytesOf(folder)).not.toContain('Augusta')
  })

  it('is erased again of what was written since', async () => {
    const { keelson, customers, folder } = await onFile()
    const id = await lived(keelson)
    await customers.erase(id, { fields: ['name'] })
    await customers.update(id, { name: 'Enchantress of engines' })
    expect(bytesOf(folder)).toContain('Enchantress')
    expect((await customers.erase(id, { fields: ['name'] })).erased).toMatchObject([{ fields: ['name'] }])
    expect(bytesOf(folder)).not.toContain('Enchantress')
    expect((await customers.get(id)).erased).toHaveLength(2)
  })

  it('takes its key back, and no other, when it is restored', async () => {
    const Keyed = defineEntity({
      ...{ name: 'keyed', version: 1, schema: z.object({ email: z.email(), note: z.string() }) },
      key: ({ email }) => email,
    })
    const keelson = await open(store(), { playbooks: [], entities: [Keyed] })
    const keyed = keelson.entities(Keyed, { by: me })
    const { id } = await keyed.create({ email: 'ada@example.org', note: 'tall' })
    await keyed.erase(id)
    await keyed.restore(id)
    await expect(keyed.update(id, { email: 'bob@example.org' })).rejects.toThrow(/keeps its key/)
    expect((await keyed.update(id, { email: 'ada@example.org' })).data).toEqual({
      email: 'ada@example.org',
      note: '[erased]',
    })
  })

  it('is erased by persons only, by fields that there are', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const id = await lived(keelson)
    for (const by of [
      { kind: 'agent', id: 'bot' },
      { kind: 'system', id: 'cron' },
    ] as const)
      await expect(keelson.entities(Customer, { by }).erase(id)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const customers = customersOf(keelson)
    await expect(customers.erase(id, { fields: ['nickname' as never] })).rejects.toThrow(/no field "nickname"/)
    await expect(customers.erase('customer_none')).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' })
    expect((await customers.get(id)).data.name).toBe(NAME)
  })
})

it('is whole after a crash at any point, once it is asked for again', async () => {
  const { schedules } = await exploreCrashes(
    async (t) => {
      const id = await t.host(async (keelson) => {
        const found = await customersOf(keelson).list()
        return found.entities[0]?.id ?? (await customersOf(keelson).create(ada)).id
      })
      await (await t.start(clerk, { id })).result()
      await t.host((keelson) => customersOf(keelson).erase(id))
      return t.host(async (keelson) => {
        const said = JSON.stringify([await customersOf(keelson).timeline(id), await customersOf(keelson).get(id)])
        return [said.includes('Augusta'), (await keelson.audit.verify()).faults]
      })
    },
    { harness: () => ({ playbooks: [clerk], entities: [Customer] }), invariant: async () => undefined },
  )
  expect(schedules).toBeGreaterThan(10)
})

describe('what is left of a text', () => {
  it('is named again by a second erasure: in records, files, and an entity that says it', async () => {
    const keeping = definePlaybook({
      ...{ name: 'keeping', version: 1, input: z.object({}), output: z.string() },
      run: async (ctx) =>
        (await ctx.artifacts.put(`All of it: ${NAME}`, { name: 'letter.txt', type: 'text/plain' })).sha256,
    })
    const keelson = await open(store(), { playbooks: [keeping], entities: [Customer] })
    const { memory } = keelson
    const customers = customersOf(keelson)
    const { id } = await customers.create({ name: NAME, stage: 'lead' })
    const about = { type: 'customer', id }
    await memory.remember({ text: NAME, subject: about }, { by: me })
    await memory.append({ text: NAME, thread: 'mail' }, { by: me })
    const sha256 = await (await keelson.start(keeping, {}, { id: 'one' })).result()
    const first = await memory.erase({ about }, { by: me, reason: 'asked' })
    const places = first.left.map(({ where }) => where)
    expect(places).toEqual(expect.arrayContaining([`entity customer/${id}`, `artifact ${sha256}`]))
    expect(first.left.find(({ where }) => where.startsWith('entity'))!.why).toContain('erase(id)')
    const again = await memory.erase({ about }, { by: me, reason: 'asked' })
    expect(again.left.map(({ where }) => where).sort()).toEqual(places.sort())
    await customers.erase(id)
    await memory.erase({ files: [sha256] }, { by: me, reason: 'asked' })
    expect((await memory.erase({ about }, { by: me, reason: 'asked' })).left).toEqual([])
  })

  it('is said of the entity itself where nothing is remembered about it', async () => {
    const keelson = await open(store(), { playbooks: [], entities: [Customer] })
    const { id } = await customersOf(keelson).create(ada)
    const { erased, left } = await keelson.memory.erase(
      { about: { type: 'customer', id } },
      { by: me, reason: 'asked' },
    )
    expect({ erased, left: left.map(({ where }) => where) }).toEqual({ erased: [], left: [`entity customer/${id}`] })
  })
})

/** Notes were no memories. */
async function asEarlier(rows: MemoryStoreSession): Promise<void> {
  const session = rows.session()
  await session.open({ worker: 'earlier', now: () => 0 })
  const lines = await session.records('default', { kind: 'timeline', limit: 100 })
  const notes = lines.filter(({ data }) => (JSON.parse(data) as { memory?: string }).memory !== undefined)
  const memories = await session.records('default', { kind: 'memory', limit: 100 })
  await session.write('default', {
    records: [
      ...notes.map((row) => {
        const { memory: _, ...line } = JSON.parse(row.data) as { memory: string }
        return { ...row, version: row.version + 1, data: JSON.stringify(line) }
      }),
      ...memories.map((row) => ({ ...row, version: row.version + 1, data: null, index: {} })),
    ],
  })
}
