/** Where an erased text is still said is noted beside what was erased: that stays as small as it is, and is of no other version. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, definePlaybook, policy, type Conductor } from '@keelson/core'
import { memoryStore, type MemoryStoreSession } from '@keelson/testing'
import { me, open } from '../support/open.ts'

const NAME = 'Ada Augusta Lovelace'
const WHERE = 'Nine Elms Passage 47'
const by = { by: me, reason: 'asked' }

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

const send = action({
  ...{ name: 'post.send', effect: 'reversible', input: z.object({ to: z.string(), n: z.number() }) },
  ...{ output: z.null(), undo: z.null(), run: () => ({ output: null, undo: null }), compensate: () => {} },
})

const letters = definePlaybook({
  ...{ name: 'letters', version: 1, input: z.object({ times: z.number() }), output: z.null() },
  async run(ctx, { times }) {
    for (let n = 0; n < times; n++) await ctx.act(send, { to: `${NAME}, ${WHERE}`, n })
    return null
  },
})

const holder = definePlaybook({
  ...{ name: 'holder', version: 1, input: z.object({}), output: z.null() },
  async run(ctx) {
    await ctx.step('copy', () => ({ said: `${NAME}, ${WHERE}` }))
    await ctx.ask('Go on?', { answer: z.boolean() })
    return null
  },
})

async function company(store: MemoryStoreSession = memoryStore()) {
  const keelson = await open(store, {
    ...{ playbooks: [letters, holder], entities: [Customer], actions: [send] },
    policy: policy([policy.rule('ok', { on: send }, () => policy.allow())]),
  })
  return { keelson, customers: keelson.entities(Customer, { by: me }) }
}

interface Line {
  readonly type: string
  readonly kind: string
  readonly id: string
  readonly version: number
  readonly data: { readonly erased?: unknown; readonly [field: string]: unknown }
}

async function records(keelson: Conductor, kind: string): Promise<Line[]> {
  const found: Line[] = []
  for await (const text of keelson.workspace('default').export()) {
    const line = JSON.parse(text) as Line
    if (line.type === 'record' && line.kind === kind) found.push(line)
  }
  return found
}

async function goOn(keelson: Conductor): Promise<void> {
  for (const item of (await keelson.inbox.list()).items)
    await keelson.inbox.decide(item.id, { hash: item.hash, by: me, answer: true })
  await keelson.quiet()
}

const wheres = ({ left }: { left: readonly { where: string }[] }): string[] => left.map(({ where }) => where).sort()

it('keeps what is left of an entity and of a memory small, however many effects name what they said', async () => {
  const { keelson, customers } = await company()
  const { id } = await customers.create({ name: NAME })
  const said = await keelson.memory.remember({ text: WHERE }, { by: me })
  await (await keelson.start(letters, { times: 120 }, { id: 'letters' })).result()
  const keeping = { keepEffects: true }
  const erasures = [
    () => customers.erase(id, keeping),
    () => keelson.memory.erase({ ids: [said.id] }, { ...by, ...keeping }),
  ]
  for (const erase of erasures) {
    for (let times = 0; times < 2; times++)
      expect(wheres(await erase()).filter((where) => where.startsWith('effect '))).toHaveLength(120)
  }
  for (const kind of ['entity', 'memory'])
    for (const line of await records(keelson, kind)) expect(JSON.stringify(line).length).toBeLessThan(1000)
  const notes = await records(keelson, 'stands')
  for (const note of notes) expect(JSON.stringify(note).length).toBeLessThan(1000)
  // Of records of a kind that stays a few will do.
  expect(notes.length).toBeLessThan(120)
  expect(notes.length).toBeGreaterThan(0)
  expect((await keelson.audit.verify()).faults).toEqual([])
  expect(await keelson.audit.rebuild()).toEqual({ repaired: 0 })
})

it('counts no version of an entity for what only its erasure knows', async () => {
  const { keelson, customers } = await company()
  const { id } = await customers.create({ name: NAME })
  for (const run of ['first', 'second', 'third']) {
    await keelson.start(holder, {}, { id: run })
    await keelson.quiet()
    await customers.erase(id)
    expect(await customers.get(id)).toMatchObject({ version: 2 })
  }
  await goOn(keelson)
  expect(wheres(await customers.erase(id))).toEqual([])
  expect(await records(keelson, 'stands')).toEqual([])
  const history = await customers.history(id)
  expect(history.map(({ version }) => version)).toEqual([1, 2])
  await customers.restore(id, { expect: history.at(-1)!.version })
  expect(await customers.update(id, { name: 'B.' }, { expect: 3 })).toMatchObject({ version: 4 })
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('knows the text again in a company that was restored from its bundle', async () => {
  const { keelson, customers } = await company()
  const { id } = await customers.create({ name: NAME })
  await keelson.start(holder, {}, { id: 'run' })
  await keelson.quiet()
  expect(wheres(await customers.erase(id))).toEqual(['run:run:0'])
  const bundle: string[] = []
  for await (const line of keelson.workspace('default').export()) bundle.push(line)
  await keelson.stop()

  const moved = await company()
  await moved.keelson.workspace('default').import(bundle, { by: me, adopt: true })
  expect(wheres(await moved.customers.erase(id))).toEqual(['run:run:0'])
  await goOn(moved.keelson)
  expect(wheres(await moved.customers.erase(id))).toEqual([])
  expect((await moved.keelson.audit.verify()).faults).toEqual([])
})

it('reads what earlier releases noted in the entity, and in what is left of the memory', async () => {
  const store = memoryStore()
  const { keelson, customers } = await company(store)
  const { id } = await customers.create({ name: NAME })
  const said = await keelson.memory.remember({ text: WHERE }, { by: me })
  await keelson.start(holder, {}, { id: 'run' })
  await keelson.quiet()
  await customers.erase(id)
  await keelson.memory.erase({ ids: [said.id] }, by)
  // As it was noted then.
  const session = store.session()
  await session.open({ worker: 'earlier', now: () => 0 })
  const notes = await session.records('default', { kind: 'stands', limit: 100 })
  const places = (owner: string) => notes.filter((row) => row.index['of'] === owner).map(({ data }) => JSON.parse(data))
  const [head] = await session.records('default', { kind: 'entity', ids: [`customer/${id}`], limit: 1 })
  const [tomb] = await session.records('default', { kind: 'memory', ids: [said.id], limit: 1 })
  const entity = JSON.parse(head!.data)
  entity.erased[0].stands = places(`customer/${id}`)
  const memory = JSON.parse(tomb!.data)
  memory.erased.stands = places(said.id)
  expect([entity.erased[0].stands.length, memory.erased.stands.length]).toEqual([1, 1])
  await session.write('default', {
    records: [
      ...notes.map((row) => ({ ...row, version: row.version + 1, data: null, index: {} })),
      { ...head!, version: head!.version + 1, data: JSON.stringify(entity) },
      { ...tomb!, version: tomb!.version + 1, data: JSON.stringify(memory) },
    ],
  })
  for (let times = 0; times < 2; times++) {
    expect(wheres(await customers.erase(id))).toEqual(['run:run:0'])
    expect(wheres(await keelson.memory.erase({ ids: [said.id] }, by))).toEqual(['run:run:0'])
  }
  expect(await records(keelson, 'stands')).toHaveLength(2)
  expect(JSON.stringify(await records(keelson, 'memory'))).not.toContain('stands')
  await goOn(keelson)
  expect(wheres(await keelson.memory.erase({ ids: [said.id] }, by))).toEqual([])
  expect(wheres(await customers.erase(id))).toEqual([])
  const all: string[] = []
  for await (const line of keelson.workspace('default').export()) all.push(line)
  expect(all.join('')).not.toMatch(/Augusta|Elms Passage/)
})

it('takes all effects that hold it from the few that an erasure before it noted', async () => {
  const { keelson } = await company()
  const said = await keelson.memory.remember({ text: WHERE }, { by: me })
  await (await keelson.start(letters, { times: 60 }, { id: 'letters' })).result()
  await keelson.memory.erase({ ids: [said.id] }, { ...by, keepEffects: true })
  expect(JSON.stringify(await records(keelson, 'effect'))).toContain(WHERE)
  expect(await keelson.memory.erase({ ids: [said.id] }, by)).toMatchObject({ left: [] })
  expect(JSON.stringify(await records(keelson, 'effect'))).not.toContain(WHERE)
  expect(await records(keelson, 'stands')).toEqual([])
})
