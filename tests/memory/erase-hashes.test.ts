/** No hash stays by which a guess at an erased text could be confirmed, and what began under plain hashes goes on. */
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, type Conductor } from '@keelson/core'
import { memoryStore, type MemoryStoreSession } from '@keelson/testing'
import { code, me, open } from '../support/open.ts'

const SAID = 'Ada Augusta Lovelace hides gold coins'
const by = { by: me, reason: 'asked' }

const Customer = defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })

/** As the journal hashed what was asked for. */
function plainly(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('base64url')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const parts = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${parts.map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join(',')}}`
}

const added = [{ op: 'add', memory: { text: SAID } }]

async function linesOf(keelson: Conductor): Promise<string> {
  const lines: string[] = []
  for await (const line of keelson.workspace('default').export()) lines.push(line)
  return lines.join('\n')
}

it('leaves no plain hash of what a run remembered, in the name of its change set or in the entry of who said it again', async () => {
  const notes = code(async (ctx) => void (await ctx.memory.remember({ text: SAID })))
  const keelson = await open(memoryStore(), { playbooks: [notes] })
  for (const id of ['first', 'second']) await (await keelson.start(notes, {}, { id })).result()
  const facts = await keelson.memory.facts()
  expect(facts).toHaveLength(1)
  await keelson.memory.erase({ ids: [facts[0]!.id] }, by)
  const left = await linesOf(keelson)
  const hash = plainly(['remember', 'workspace', added])
  expect(left).toContain(facts[0]!.changeSet)
  expect(left).not.toContain('Augusta')
  expect(left).not.toContain(hash)
  for (const id of ['first', 'second'])
    expect(left).not.toContain(plainly([id, `run:${id}:0`, 'memory.remember', hash]).slice(0, 24))
})

it('leaves no plain hash of what a run asked of memory and of entities, or wrote to them', async () => {
  const work = code(async (ctx) => {
    await ctx.memory.recall(SAID)
    await ctx.memory.working({ note: z.string() }).set('note', SAID)
    const { id } = await ctx.entities(Customer).create({ name: SAID })
    await ctx.entities(Customer).update(id, { name: SAID })
    await ctx
      .entities(Customer)
      .find({ name: SAID })
      .catch(() => [])
  })
  const keelson = await open(memoryStore(), { playbooks: [work], entities: [Customer] })
  await (await keelson.start(work, {}, { id: 'one' })).result()
  const all = await linesOf(keelson)
  for (const asked of [
    ['note', JSON.stringify(SAID)],
    ['customer', 'create', { name: SAID }],
    ['customer', 'find', { name: SAID }],
  ])
    expect(all).not.toContain(plainly(asked))
})

it('leaves no plain hash of what was proposed', async () => {
  const notes = code(async (ctx) => void (await ctx.memory.remember({ kind: 'rule', text: SAID })))
  const keelson = await open(memoryStore(), { playbooks: [notes] })
  await (await keelson.start(notes, {}, { id: 'n' })).result()
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  await keelson.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
  await keelson.quiet()
  const [fact] = await keelson.memory.facts()
  const proposed = [{ op: 'add', memory: { kind: 'rule', text: SAID } }]
  expect(await linesOf(keelson)).not.toContain(plainly([proposed, []]))
  await keelson.memory.erase({ ids: [fact!.id] }, by)
  const left = await linesOf(keelson)
  expect(left).not.toContain('Augusta')
  expect(left).toContain(item!.id)
})

it('leaves no plain hash of what was noted of an entity, nor of what a revert would have put back', async () => {
  const at = '2026-01-01T00:00:00.000Z'
  const work = code(async (ctx) => {
    const [one] = (await ctx.entities(Customer).list()).entities
    await ctx.entities(Customer).update(one!.id, { name: 'A.' })
  })
  const keelson = await open(memoryStore(), { playbooks: [work], entities: [Customer] })
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: SAID })
  for (let times = 0; times < 2; times++) await customers.note(id, { what: SAID, at })
  expect((await customers.timeline(id)).filter(({ what }) => what === SAID)).toHaveLength(1)
  await (await keelson.start(work, {}, { id: 'one' })).result()
  const plan = await keelson.revert.plan({ run: 'one' })
  const { hash, ...bare } = plan
  await (await keelson.revert.apply(plan, { by: me, cause: 'wrong' })).result()
  await customers.erase(id)
  const left = await linesOf(keelson)
  expect(left).toContain(`revert:${hash.slice(0, 24)}`)
  expect(left).not.toContain('Augusta')
  expect(left).not.toContain(plainly(bare).slice(0, 24))
  expect(left).not.toContain(plainly([Date.parse(at), { what: SAID, by: 'me' }]).slice(0, 16))
  expect(left).not.toContain(plainly(['customer', id, { name: SAID }, []]))
})

it('notes a line once that an earlier release has noted', async () => {
  const store = memoryStore()
  const keelson = await open(store, { playbooks: [], entities: [Customer] })
  const customers = keelson.entities(Customer, { by: me })
  const { id } = await customers.create({ name: 'A.' })
  const note = { what: SAID, at: '2026-01-01T00:00:00.000Z' }
  await customers.note(id, note)
  const noted = (await linesOf(keelson)).match(/~note:[\w-]{16}/)![0]
  const earlier = `~note:${plainly([Date.parse(note.at), { what: SAID, by: 'me' }]).slice(0, 16)}`
  expect(noted).not.toBe(earlier)
  await renamed(store, 'timeline', `customer/${id}/${noted}`, `customer/${id}/${earlier}`, (data) => data)
  await customers.note(id, note)
  expect((await customers.timeline(id)).filter(({ what }) => what === SAID)).toHaveLength(1)
})

/** Puts what one record says under another id, as it was named by an earlier release. */
async function renamed(
  store: MemoryStoreSession,
  kind: string,
  from: string,
  to: string,
  text: (data: string) => string,
) {
  const session = store.session()
  await session.open({ worker: 'earlier', now: () => 0 })
  const [row] = await session.records('default', { kind, ids: [from], limit: 1 })
  await session.write('default', {
    records: [
      { ...row!, version: row!.version + 1, data: null, index: {} },
      { ...row!, id: to, version: 1, data: text(row!.data) },
    ],
  })
}

it('writes nothing twice behind a rewind that an earlier release wrote before it', async () => {
  const store = memoryStore()
  const work = code(async (ctx) => {
    const { changeSet } = await ctx.memory.append({ text: SAID })
    return { changeSet }
  })
  const first = await open(store, { playbooks: [work] })
  await (await first.start(work, {}, { id: 'one' })).result()
  const [event] = await first.memory.history()
  await first.stop()
  const { id, changeSet: set } = event!
  const hash = plainly(['append', 'workspace', [{ op: 'event', event: { text: SAID } }]])
  const earlier = `set_${plainly(['one', 'run:one:0', 'memory.append', hash]).slice(0, 24)}`
  const own = `mem_${createHash('sha256').update(earlier).digest('base64url').slice(0, 20)}0000`
  expect(set).not.toBe(earlier)
  const named = (data: string): string => data.replaceAll(set, earlier).replaceAll(id, own)
  await renamed(store, 'change-set', set, earlier, named)
  await renamed(store, 'memory', id, own, named)
  const keelson = await open(store, { playbooks: [work] })
  await keelson.runs.restart('one', { by: me, step: 'memory.append' })
  expect(await keelson.runs.get('one').result()).toEqual({ changeSet: earlier })
  expect((await keelson.memory.history()).map((one) => one.id)).toEqual([own])
})

it('decides a proposal that was put to a person under its plain hash, as it was put', async () => {
  const notes = code(async (ctx) => void (await ctx.memory.remember({ kind: 'rule', text: SAID })))
  const first = await open(memoryStore(), { playbooks: [notes] })
  await (await first.start(notes, {}, { id: 'n' })).result()
  await first.quiet()
  const lines = (await linesOf(first)).split('\n').filter((line) => line !== '')
  const item = lines.find((line) => line.includes('"kind":"inbox"'))!
  const [, changeSet, hash] = /"changeSet":"([^"]+)","hash":"([^"]+)"/.exec(item)!
  const asked = (of: string): string =>
    plainly(['question', 'Memory: work: memory.remember', null, { changeSet, hash: of }])
  const earlier = plainly([[{ op: 'add', memory: { kind: 'rule', text: SAID } }], []])
  const second = await open(memoryStore(), { playbooks: [notes] })
  const there = second.workspace('default')
  expect(lines.join()).not.toContain(earlier)
  await there.import([rechained(lines, { [hash!]: earlier, [asked(hash!)]: asked(earlier) }).join('\n') + '\n'], {
    by: me,
    adopt: true,
  })
  const { items } = await there.inbox.list()
  await there.inbox.decide(items[0]!.id, { hash: items[0]!.hash, by: me, approve: true })
  await second.quiet()
  expect((await there.memory.facts()).map(({ text }) => text)).toEqual([SAID])
  expect((await there.inbox.list()).items).toEqual([])
})

interface Chained {
  readonly type: string
  readonly [field: string]: unknown
}

/** The lines of a bundle with other hashes in the place of these, and chains that hold. */
function rechained(lines: readonly string[], others: { readonly [hash: string]: string }): string[] {
  const heads = new Map<unknown, string>()
  const all = createHash('sha256')
  return lines.map((text) => {
    const other = Object.entries(others).reduce((made, [from, to]) => made.replaceAll(from, to), text)
    const line = JSON.parse(other) as Chained
    const made = line.type === 'end' ? { ...line, sha256: all.digest('hex') } : chained(line, heads)
    if (line.type !== 'end') all.update(`${canonical(made)}\n`)
    return canonical(made)
  })
}

function chained(line: Chained, heads: Map<unknown, string>): Chained {
  if (line.type !== 'entry') return line
  const { stream, seq, kind, key, at, salt, payload } = line
  const payloadHash = createHash('sha256')
    .update(`${String(salt)}${String(payload)}`)
    .digest('base64url')
  const envelope = JSON.stringify([heads.get(stream) ?? '', 'default', stream, seq, kind, key, at, payloadHash])
  const hash = createHash('sha256').update(envelope).digest('base64url')
  heads.set(stream, hash)
  return { ...line, payloadHash, hash }
}
