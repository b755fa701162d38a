/** An erasure takes what effects that have ended were given and answered; what it makes impossible is said, and not guessed at. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineEntity, definePlaybook, policy, type Conductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import type { MemoryStoreSession } from '@keelson/testing'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open, store } from '../support/open.ts'

const SECRET = 'Ada hides 4711 gold coins "under" the stairs'
const TRACES = ['4711 gold', 'the stairs']
const by = { by: me, reason: 'she asked us to' }
const log = { info() {}, warn() {}, error() {} }

let sent: unknown[] = []
let undone: unknown[] = []

/** Answers with what it was given in one field, and keeps it for taking back in another. */
const note = action({
  ...{ name: 'pad.note', effect: 'reversible', idempotency: { by: 'key' } },
  input: z.object({ id: z.string(), text: z.string(), echo: z.boolean().optional(), prior: z.string().optional() }),
  output: z.object({ page: z.string() }),
  undo: z.object({ page: z.string(), prior: z.string() }),
  intent: ({ id }) => ['note', id],
  run({ id, text, echo, prior = '' }) {
    sent.push(text)
    return { output: { page: echo === true ? `${id}: ${text}` : id }, undo: { page: id, prior } }
  },
  compensate: (undo) => void undone.push(undo),
})

const Given = z.object({ id: z.string(), text: z.string(), echo: z.boolean().optional(), prior: z.string().optional() })
const writes = definePlaybook({
  ...{ name: 'writes', version: 1, input: Given, output: z.string() },
  run: async (ctx, given) => (await ctx.act(note, given)).page,
})
const tells = definePlaybook({
  ...{ name: 'tells', version: 1, input: Given, output: z.json() },
  async run(ctx, given) {
    const { input, output, differs } = await ctx.effect(note, given)
    return { text: input.text, page: output.page, differs }
  },
})

const free = policy([policy.rule('free', { on: note }, () => policy.allow())])
const asks = policy([policy.rule('asks', { on: note }, () => policy.ask())])

function company(rules = free, playbooks = [writes, tells]) {
  sent = []
  undone = []
  return open(store(), { playbooks, actions: [note], policy: rules })
}

async function erased(keelson: Conductor, options: { keepEffects?: boolean } = {}) {
  const { id } = await keelson.memory.remember({ text: SECRET }, { by: me })
  return keelson.memory.erase({ ids: [id] }, { ...by, ...options })
}

async function exported(keelson: Conductor): Promise<string> {
  const lines: string[] = []
  for await (const line of keelson.workspace('default').export()) lines.push(line)
  return lines.join('')
}

describe('an effect that has ended', () => {
  it('leaves no byte of a text in any file, stays done, and the chain and the records verify', async () => {
    const { folder, remove } = temporary()
    onTestFinished(remove)
    const options = { playbooks: [writes], actions: [note], policy: free, keepAlive: false, log }
    const keelson = await createConductor({ store: sqlite(join(folder, 'company.db')), ...options })
    const about = { id: 'a', text: `Remember: ${SECRET}`, echo: true, prior: `once: ${SECRET}` }
    await (await keelson.start(writes, about, { id: 'one' })).result()
    expect(bytesOf(folder)).toContain('4711 gold')
    expect(await erased(keelson)).toMatchObject({ left: [] })
    for (const trace of TRACES) expect(bytesOf(folder).includes(trace), trace).toBe(false)
    expect((await keelson.audit.verify()).faults).toEqual([])
    expect(await keelson.audit.rebuild()).toEqual({ repaired: 0 })
    await keelson.stop()
    for (const trace of TRACES) expect(bytesOf(folder).includes(trace), trace).toBe(false)
  })

  it('answers who asks for the same again with what it said, where nothing of that was erased', async () => {
    const keelson = await company()
    const given = { id: 'a', text: SECRET }
    await (await keelson.start(writes, given, { id: 'one' })).result()
    expect(await erased(keelson)).toMatchObject({ left: [] })
    expect(await exported(keelson)).not.toContain('4711 gold')
    const again = await keelson.start(tells, given, { id: 'two' })
    expect(await again.result()).toEqual({ text: SECRET, page: 'a', differs: false })
    const other = await keelson.start(tells, { id: 'a', text: 'else' }, { id: 'three' })
    expect(await other.result()).toEqual({ text: '[erased]', page: 'a', differs: true })
    expect(sent).toEqual([SECRET])
  })

  it('is not done again, and says why it has no answer, where that was erased', async () => {
    const keelson = await company()
    const given = { id: 'a', text: SECRET, echo: true }
    await (await keelson.start(writes, given, { id: 'one' })).result()
    expect(await erased(keelson)).toMatchObject({ left: [] })
    const again = await keelson.start(writes, given, { id: 'two' })
    await expect(again.result()).rejects.toMatchObject({ code: 'ERASED' })
    expect(sent).toEqual([SECRET])
  })

  it('is taken back where what that needs still stands, and else the plan says that it was erased', async () => {
    const keelson = await company()
    for (const [id, prior] of [
      ['a', 'before'],
      ['b', SECRET],
    ] as const)
      await (await keelson.start(writes, { id, text: SECRET, prior }, { id })).result()
    expect(await erased(keelson)).toMatchObject({ left: [] })
    const [a, b] = await Promise.all(['a', 'b'].map((run) => keelson.revert.plan({ run })))
    expect(b!.lines).toMatchObject([{ can: false, why: expect.stringContaining('erased') as string }])
    expect(a!.lines).toMatchObject([{ can: true, what: 'pad.note id: a, prior: before, text: [erased]' }])
    await (await keelson.revert.apply(a!, { by: me })).result()
    expect(undone).toEqual([{ page: 'a', prior: 'before' }])
  })

  it('is not taken back with blanks where they came between the plan and its turn', async () => {
    const keelson = await company(policy([policy.rule('free', { on: note }, () => policy.allow())]))
    await (await keelson.start(writes, { id: 'b', text: 'x', prior: SECRET }, { id: 'b' })).result()
    const plan = await keelson.revert.plan({ run: 'b' })
    await erased(keelson)
    await expect(keelson.revert.apply(plan, { by: me })).rejects.toMatchObject({ code: 'PLAN_CHANGED' })
    expect(undone).toEqual([])
  })

  it('is kept as it is where that is said, and named', async () => {
    const keelson = await company()
    await (await keelson.start(writes, { id: 'a', text: SECRET }, { id: 'one' })).result()
    const kept = await erased(keelson, { keepEffects: true })
    expect(kept.left).toEqual([
      {
        where: expect.stringMatching(/^effect /) as string,
        why: expect.stringContaining('keepEffects') as string,
      },
    ])
    expect(await exported(keelson)).toContain('4711 gold')
    const ids = kept.erased.map(({ memory }) => memory)
    expect(await keelson.memory.erase({ ids }, by)).toMatchObject({ left: [] })
    expect(await exported(keelson)).not.toContain('4711 gold')
  })

  it('goes with what an entity said, too', async () => {
    const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ secret: z.string() }) })
    const keelson = await open(store(), { playbooks: [writes], actions: [note], policy: free, entities: [Customer] })
    const customers = keelson.entities(Customer, { by: me })
    const { id } = await customers.create({ secret: SECRET })
    await (await keelson.start(writes, { id: 'a', text: SECRET }, { id: 'one' })).result()
    const { left } = await customers.erase(id, { keepEffects: true })
    expect(left).toMatchObject([{ where: expect.stringMatching(/^effect /) as string }])
    expect((await customers.erase(id)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('goes with the files in which an entity stands, where that is asked for', async () => {
    const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ secret: z.string() }) })
    const keelson = await open(store(), { playbooks: [], entities: [Customer] })
    const customers = keelson.entities(Customer, { by: me })
    const { id } = await customers.create({ secret: SECRET })
    const { sha256 } = await keelson.artifacts.put(`Dear all, ${SECRET}`, { by: me })
    await customers.note(id, { what: 'told them all of it' })
    expect((await customers.erase(id)).left).toMatchObject([{ where: `artifact ${sha256}` }])
    expect((await customers.erase(id, { files: true })).left).toEqual([])
    await expect(keelson.artifacts.text(sha256)).rejects.toThrow(sha256)
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('names the run that asked for it where its id says the text', async () => {
    const keelson = await company()
    await (await keelson.start(writes, { id: 'a', text: 'x' }, { id: `for ${SECRET}` })).result()
    expect((await erased(keelson)).left).toContainEqual({
      where: expect.stringMatching(/^effect /) as string,
      why: expect.stringContaining('an id in it') as string,
    })
  })
})

it('forgets what connectors’ reads have answered: none of it is written anew by whoever reads next', async () => {
  let says = SECRET
  const read = action({
    ...{ name: 'pad.read', effect: 'read', input: z.object({}), output: z.string() },
    cache: { ttl: '1h' },
    run: () => ({ output: says }),
  })
  const reader = definePlaybook({
    ...{ name: 'reader', version: 1, input: z.object({}), output: z.string() },
    run: (ctx) => ctx.act(read, {}),
  })
  const data = store()
  const [keelson, other] = [
    await open(data, { playbooks: [reader] }),
    await open(data, { playbooks: [reader], work: false }),
  ]
  const result = async (id: string) => (await keelson.start(reader, {}, { id })).result()
  expect(await result('one')).toBe(SECRET)
  says = 'nothing'
  expect(await result('two')).toBe(SECRET)
  // Whichever process erases.
  expect(await erased(other)).toMatchObject({ left: [] })
  expect(await result('three')).toBe('nothing')
  expect(await exported(keelson)).not.toContain('4711 gold')
})

describe('what waits for an answer', () => {
  it('is shown as it will execute, whatever was erased meanwhile, and goes once it has ended', async () => {
    const keelson = await company(asks)
    const run = await keelson.start(writes, { id: 'a', text: SECRET }, { id: 'one' })
    await keelson.quiet()
    const first = await erased(keelson)
    const [item] = (await keelson.inbox.list()).items
    expect(item).toMatchObject({ kind: 'approval', input: { id: 'a', text: SECRET } })
    const wheres = first.left.map(({ where }) => where.replace(/ .*/, '').replace(/effect:.*/, 'effect'))
    expect(wheres.sort()).toEqual(['effect', 'inbox', 'run:effect', 'run:one:0'])
    expect(first.left.map(({ why }) => why).join()).not.toContain('no erasure takes it')
    await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
    await run.result()
    expect(sent).toEqual([SECRET])
    const ids = first.erased.map(({ memory }) => memory)
    expect((await keelson.memory.erase({ ids }, by)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is left alone also where it began while the erasure looked', async () => {
    sent = []
    const data = store()
    let begin: (() => Promise<void>) | undefined
    // Before the first entries are read, which is behind the first look at runs.
    const session = () =>
      new Proxy(data.session(), {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          const call = value.bind(target) as (...given: unknown[]) => unknown
          if (name !== 'tail') return call
          return async (...given: unknown[]) => {
            const now = begin
            begin = undefined
            await now?.()
            return call(...given)
          }
        },
      })
    const rest = { playbooks: [writes], actions: [note], policy: asks }
    const keelson = await open(data, rest)
    const eraser = await open({ session } as MemoryStoreSession, { ...rest, work: false })
    const { id } = await eraser.memory.remember({ text: SECRET }, { by: me })
    begin = async () => {
      await keelson.start(writes, { id: 'a', text: SECRET }, { id: 'one' })
      await keelson.quiet()
    }
    const { left } = await eraser.memory.erase({ ids: [id] }, by)
    expect(left.map(({ where }) => where)).toContain('run:one:0')
    const [item] = (await keelson.inbox.list()).items
    expect(item).toMatchObject({ input: { id: 'a', text: SECRET } })
    await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
    await keelson.runs.get('one').result()
    expect(sent).toEqual([SECRET])
    expect((await eraser.memory.erase({ ids: [id] }, by)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
  })
})

function bytesOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1')).join('\n')
}
