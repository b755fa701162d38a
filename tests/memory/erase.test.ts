/** Erased is erased: no byte of a text in any file, and the chain still verifies. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createConductor, defineEvent, definePlaybook, type Conductor, type Playbook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { temporary } from '../../packages/memory-sqlite/test/subject.ts'
import { me, open, store } from '../support/open.ts'

const SECRET = 'Ada Lovelace hides 4711 gold coins "under" the stairs'
/** As it would stand in JSON, and its rare words. */
const TRACES = ['4711 gold', 'Lovelace', 'stairs']

const reader = definePlaybook({
  name: 'reader',
  version: 1,
  input: z.object({}),
  output: z.object({ found: z.number() }),
  async run(ctx) {
    const found = await ctx.memory.recall('gold coins')
    await ctx.memory.facts()
    const { text } = await ctx.memory.context({ task: 'where are the coins' })
    await ctx.memory.remember({ text: `I read ${found[0]?.memory.text ?? ''}`, evidence: [] })
    await ctx.step('copy', () => text)
    return { found: found.length }
  },
})

it('leaves no byte of a text in any file, nor of what was made of it, and the chain verifies', async () => {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  const path = join(folder, 'company.db')
  const keelson = await createConductor({
    store: sqlite(path),
    playbooks: [reader],
    keepAlive: false,
    log: { info() {}, warn() {}, error() {} },
  })
  const { memory } = keelson
  const kept = await memory.import(
    [
      { text: 'The office is in Berlin.' },
      { subject: 'coins', predicate: 'hidden', value: SECRET, functional: true },
      { type: 'event', text: SECRET, speaker: 'Ada', thread: 'mail' },
    ],
    { by: me },
  )
  expect(kept.imported).toBe(3)
  const run = await keelson.start(reader, {}, { id: 'one' })
  expect(await run.result()).toEqual({ found: 2 })
  await memory.changes.propose([{ op: 'add', memory: { text: `A rule about it: ${SECRET}` } }], {
    by: { kind: 'agent', id: 'robot' },
    reason: 'why not',
  })
  await keelson.quiet()
  const before = JSON.stringify(await memory.recall('office'))
  expect(bytesOf(folder)).toContain('4711 gold')
  const ids = (await memory.recall('gold coins stairs')).map((one) => one.memory.id)
  expect(ids.length).toBeGreaterThanOrEqual(3)
  const erased = await memory.erase({ ids }, { by: me, reason: 'she asked for it' })
  expect(erased.left).toEqual([])
  expect(erased.erased.map((one) => one.memory).sort()).toEqual([...ids].sort())
  const bytes = bytesOf(folder)
  for (const trace of TRACES) expect(bytes.includes(trace), trace).toBe(false)
  expect(await memory.recall('gold coins stairs')).toEqual([])
  expect(await memory.facts({ about: 'coins', history: true })).toEqual([])
  expect(JSON.stringify(await memory.recall('office'))).not.toBe('[]')
  expect(JSON.parse(before)).toHaveLength(1)
  expect(await memory.get(ids[0]!)).toMatchObject({ status: 'erased', text: '' })
  expect((await keelson.audit.verify()).faults).toEqual([])
  expect(await memory.changes.list({ status: 'proposed' })).toEqual([])
  await keelson.stop()
  const after = bytesOf(folder)
  for (const trace of TRACES) expect(after.includes(trace), trace).toBe(false)
})

it('names what it had to leave, and takes it when asked again', async () => {
  const waiting = definePlaybook({
    name: 'waiting',
    version: 1,
    input: z.object({}),
    output: z.object({ texts: z.array(z.string()) }),
    async run(ctx) {
      await ctx.memory.append({ text: SECRET })
      await ctx.ask('Go on?', { answer: z.boolean() })
      return { texts: (await ctx.memory.recall('gold coins')).map(({ memory }) => memory.text) }
    },
  })
  const keelson = await open(store(), { playbooks: [waiting] })
  const { memory } = keelson
  const run = await keelson.start(waiting, {}, { id: 'one' })
  await keelson.quiet()
  const ids = (await memory.recall('gold coins')).map((one) => one.memory.id)
  const first = await memory.erase({ ids }, { by: me, reason: 'asked' })
  expect(first.left).toEqual([{ where: 'run:one:0', why: 'its run is open: erase again when it has ended' }])
  const { items } = await keelson.inbox.list()
  await keelson.inbox.decide(items[0]!.id, { hash: items[0]!.hash, by: me, answer: true })
  expect(await run.result()).toEqual({ texts: [] })
  const again = await memory.erase({ ids }, { by: me, reason: 'asked' })
  expect(again.left).toEqual([])
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('takes what an open run had copied, when it is erased again after its end', async () => {
  const copying = definePlaybook({
    name: 'copying',
    version: 1,
    input: z.object({}),
    output: z.null(),
    async run(ctx) {
      const found = await ctx.memory.recall('gold coins')
      await ctx.step('copy', () => ({ copied: `it says: ${found[0]!.memory.text}` }))
      await ctx.ask('Go on?', { answer: z.boolean() })
      return null
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'keelson-copies-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const keelson = await onFile(folder, copying)
  const { memory, inbox } = keelson
  await memory.remember({ text: SECRET }, { by: me })
  const run = await keelson.start(copying, {}, { id: 'one' })
  await keelson.quiet()
  const ids = (await memory.facts()).map(({ id }) => id)
  expect((await memory.erase({ ids }, { by: me, reason: 'asked' })).left).toHaveLength(1)
  const [item] = (await inbox.list()).items
  await inbox.decide(item!.id, { hash: item!.hash, by: me, answer: true })
  await run.result()
  expect((await memory.erase({ ids }, { by: me, reason: 'asked' })).left).toEqual([])
  expect((await keelson.audit.verify()).faults).toEqual([])
  await keelson.stop()
  for (const trace of TRACES) expect(bytesOf(folder).includes(trace), trace).toBe(false)
})

it('finds a text as it was handed on: as a line of a context, fenced or not, and in JSON that is a text', async () => {
  const text = 'Ada hides\n4711  gold coins\n"under" <data the stairs'
  const teller = definePlaybook({
    name: 'teller',
    version: 1,
    input: z.object({}),
    output: z.array(z.string()),
    async run(ctx) {
      const context = await ctx.memory.context({ task: 'gold coins' })
      return [context.text, JSON.stringify(context), JSON.stringify({ text })]
    },
  })
  for (const outside of [true, false]) {
    const keelson = await open(store(), { playbooks: [teller] })
    const { id } = await keelson.memory.remember({ text, outside }, { by: me })
    const run = await keelson.start(teller, {}, { id: 'one' })
    expect(JSON.stringify(await run.result()).match(/4711/g)).toHaveLength(3)
    expect((await keelson.memory.erase({ ids: [id] }, { by: me, reason: 'asked' })).left).toEqual([])
    expect(JSON.stringify(await run.result())).not.toMatch(/4711|stairs/)
    const lines: string[] = []
    for await (const line of keelson.workspace('default').export()) lines.push(line)
    expect(lines.join('')).not.toMatch(/4711 gold|stairs/)
  }
})

describe('a file in which a text stands', () => {
  const go = defineEvent({ name: 'go', schema: z.object({}) })
  const filer = definePlaybook({
    name: 'filer',
    version: 1,
    input: z.object({ wait: z.boolean() }),
    output: z.string(),
    async run(ctx, { wait }) {
      const { sha256 } = await ctx.artifacts.put(`From: Ada\n\n${SECRET}`, { type: 'text/plain' })
      await ctx.artifacts.put('another', { type: 'text/plain' })
      await ctx.memory.remember({ text: SECRET, evidence: [{ kind: 'artifact', id: sha256, sha256 }] })
      if (wait) await ctx.waitFor(go)
      return sha256
    },
  })
  const by = { by: me, reason: 'asked' }
  const OPEN = 'its run is open: erase again when it has ended'

  it('is named, and goes whole where that is said', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-files-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const keelson = await onFile(folder, filer)
    const sha256 = await (await keelson.start(filer, { wait: false }, { id: 'one' })).result()
    const ids = (await keelson.memory.facts()).map(({ id }) => id)
    const { files, left } = await keelson.memory.erase({ ids }, by)
    expect({ files, left }).toEqual({
      files: [],
      left: [{ where: `artifact ${sha256}`, why: expect.stringContaining('erase({ files: [sha256] })') as string }],
    })
    expect(bytesOf(folder)).toContain(SECRET)
    expect(await keelson.memory.erase({ files: [sha256, 'ghost'] }, by)).toEqual({
      erased: [],
      files: [sha256],
      left: [],
    })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
    await keelson.stop()
    expect(bytesOf(folder)).not.toContain(SECRET)
    expect(bytesOf(folder)).toContain('another')
  })

  it('goes in one call with what is erased, where that is asked for, by who may reach all of the company', async () => {
    const keelson = await open(store(), { playbooks: [filer] })
    const sha256 = await (await keelson.start(filer, { wait: false }, { id: 'one' })).result()
    const ids = (await keelson.memory.facts()).map(({ id }) => id)
    const held = keelson.memory.scope('workspace')
    await expect(held.erase({ ids }, { ...by, files: true })).rejects.toMatchObject({ code: 'MEMORY_OUT_OF_SCOPE' })
    expect(await keelson.memory.erase({ ids }, { ...by, files: true })).toMatchObject({ files: [sha256], left: [] })
    await expect(keelson.artifacts.text(sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('is told from its name, which goes at once', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const file = await keelson.artifacts.put(`From: Ada\n\n${SECRET}`, { name: `${SECRET}.txt`, by: me })
    const { id } = await keelson.memory.remember({ text: SECRET }, { by: me })
    const where = `artifact ${file.sha256}`
    expect((await keelson.memory.erase({ ids: [id] }, by)).left).toEqual([
      { where, why: expect.stringContaining('it is a file of its own') as string },
    ])
    const files = [file.sha256]
    expect(await keelson.memory.erase({ ids: [id] }, { ...by, files: true })).toMatchObject({ files, left: [] })
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is kept as long as the run that wrote it is open', async () => {
    const keelson = await open(store(), { playbooks: [filer] })
    const run = await keelson.start(filer, { wait: true }, { id: 'one' })
    await keelson.quiet()
    const ids = (await keelson.memory.facts()).map(({ id }) => id)
    const { left } = await keelson.memory.erase({ ids }, by)
    expect(left.filter(({ where }) => where.startsWith('artifact '))).toMatchObject([{ why: OPEN }])
    const [file] = left.map(({ where }) => /^artifact (.+)/.exec(where)?.[1]).filter((one) => one !== undefined)
    expect(await keelson.memory.erase({ files: [file!] }, by)).toMatchObject({ files: [], left: [{ why: OPEN }] })
    await keelson.send(go, {}, { id: 'now' })
    await run.result()
    expect(await keelson.memory.erase({ ids }, by)).toMatchObject({ left: [{ where: `artifact ${file}` }] })
    expect(await keelson.memory.erase({ files: [file!] }, by)).toMatchObject({ files: [file], left: [] })
  })
})

it('is done by a person only', async () => {
  const { memory } = await open(store(), { playbooks: [reader] })
  const { id } = await memory.remember({ text: 'something' }, { by: me })
  await expect(memory.erase({ ids: [id] }, { by: { kind: 'agent', id: 'robot' }, reason: 'x' })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
  })
})

function onFile(folder: string, playbook: Playbook<any, any>): Promise<Conductor> {
  const log = { info() {}, warn() {}, error() {} }
  return createConductor({ store: sqlite(join(folder, 'company.db')), playbooks: [playbook], log, keepAlive: false })
}

function bytesOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1')).join('\n')
}

it('takes a text too short to be looked for from wherever memory itself keeps it, and says what it does not reach', async () => {
  const { folder, remove } = temporary()
  onTestFinished(remove)
  const log = { info() {}, warn() {}, error() {} }
  const keelson = await createConductor({ store: sqlite(join(folder, 'c.db')), playbooks: [], keepAlive: false, log })
  const { memory } = keelson
  const robot = { kind: 'agent', id: 'robot' } as const
  const proposed = await memory.remember([{ kind: 'rule', text: '~Q7' }, { text: 'The office is in Berlin.' }], {
    by: robot,
  })
  await memory.remember({ text: '~Z9' }, { by: me })
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  expect(JSON.stringify(item!.preview)).toContain('~Q7')
  await memory.changes.apply(proposed[0]!.changeSet!, { by: me })
  const facts = await memory.facts()
  const ids = facts.filter(({ text }) => text.startsWith('~')).map(({ id }) => id)
  expect(ids).toHaveLength(2)
  expect(bytesOf(folder)).toMatch(/~Q7/)
  const { erased, left } = await memory.erase({ ids }, { by: me, reason: 'they asked' })
  expect(erased).toHaveLength(2)
  expect(left).toEqual([
    { where: 'what runs and people have copied', why: expect.stringContaining('under 4 characters') },
  ])
  expect((await memory.facts()).map(({ text }) => text)).toEqual(['The office is in Berlin.'])
  expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  await keelson.stop()
  expect(bytesOf(folder)).not.toMatch(/~Q7|~Z9/)
})
