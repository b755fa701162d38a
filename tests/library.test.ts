/** Artifacts, templates and the taxonomy: kept with what refers to them, versioned, shared. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { artifactRef, defineEntity, Template } from '@keelson/core'
import type { Unit } from '@keelson/core/ports'
import { intercept, memoryStore, storeFailure, testConductor } from '@keelson/testing'
import { code, me, open, store } from './support/open.ts'

const Post = defineEntity({
  name: 'post',
  version: 1,
  schema: z.object({
    title: z.string(),
    body: artifactRef(z),
    tags: z.array(z.string()),
    segment: z.string().optional(),
  }),
  taxonomy: { tags: 'tags', segment: 'segments' },
})

describe('an artifact', () => {
  it('is kept once under its hash, and referred to with size, type and origin', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const ref = await keelson.artifacts.put('Dear Bo', { name: 'letter.txt', by: me })
    expect(ref).toEqual({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      size: 7,
      type: 'text/plain',
      name: 'letter.txt',
    })
    expect(await keelson.artifacts.put('Dear Bo')).toMatchObject({ sha256: ref.sha256 })
    expect(await keelson.artifacts.text(ref)).toBe('Dear Bo')
    expect([...(await keelson.artifacts.get(ref.sha256))]).toEqual([...Buffer.from('Dear Bo')])
    const bytes = Uint8Array.from([0, 255, 1])
    expect(await keelson.artifacts.put(bytes)).toMatchObject({ size: 3, type: 'application/octet-stream' })
    await expect(keelson.artifacts.get('0'.repeat(64))).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
    await expect(keelson.workspace('other').artifacts.get(ref)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('and the entry that refers to it are there together, or not at all', async () => {
    const data = memoryStore()
    let failing = true
    const { promise: tried, resolve } = Promise.withResolvers<void>()
    const seen: boolean[] = []
    const fragile = intercept(data.session(), {
      before(op, [, unit]) {
        const { artifacts, entries = [] } = (op === 'commit' ? unit : {}) as Unit
        if (artifacts === undefined) return
        seen.push(entries.some(({ kind }) => kind === 'artifact.completed'))
        resolve()
        if (failing) throw storeFailure()
      },
    })
    const playbook = code(async (ctx) => ctx.artifacts.text(await ctx.artifacts.put('kept')))
    const keelson = await open({ ...data, session: () => fragile } as never, { playbooks: [playbook] })
    await keelson.start(playbook, {}, { id: 'r' })
    await tried
    await keelson.stop({ withinMs: 100 })
    failing = false
    const again = await open(data, { playbooks: [playbook] })
    await again.quiet()
    expect(await again.runs.get('r').result()).toBe('kept')
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every(Boolean)).toBe(true)
  })

  it('never puts its bytes into an entry', async () => {
    const data = memoryStore()
    const playbook = code(async (ctx) => (await ctx.artifacts.put('a secret of some length')).size)
    const t = await testConductor({ playbooks: [playbook], store: data })
    await (await t.start(playbook, {})).result()
    const reader = data.session()
    await reader.open({ worker: 'reader', now: () => 0 })
    expect(JSON.stringify(await reader.tail('default', 0, 1000))).not.toContain('a secret')
  })

  it('is told apart from another line by line', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const { artifacts } = keelson
    const a = await artifacts.put('one\ntwo\nthree\nfour')
    const b = await artifacts.put('one\n2\nthree\nfour\nfive')
    expect(await artifacts.diff(a, b)).toEqual({
      ...{ same: false, kind: 'text', grew: 3, added: 2, removed: 1 },
      lines: [
        { sign: ' ', text: 'one' },
        { sign: '-', text: 'two' },
        { sign: '+', text: '2' },
        { sign: ' ', text: 'three' },
        { sign: ' ', text: 'four' },
        { sign: '+', text: 'five' },
      ],
    })
    expect(await artifacts.diff(a, a)).toMatchObject({ same: true, added: 0, removed: 0 })
    const bytes = await artifacts.put(Uint8Array.from([0, 1]))
    expect(await artifacts.diff(a, bytes)).toMatchObject({ same: false, kind: 'binary', lines: [] })
  })

  it('differs by lines that make the one from the other, whatever they are', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    let state = 7
    const roll = (below: number): number => (state = (state * 48271) % 2147483647) % below
    for (let n = 0; n < 60; n++) {
      const text = (): string => Array.from({ length: roll(12) }, () => 'abc'[roll(3)]).join('\n')
      const [before, after] = [text(), text()]
      const [a, b] = [await keelson.artifacts.put(before), await keelson.artifacts.put(after)]
      const { lines } = await keelson.artifacts.diff(a, b)
      const only = (sign: string): string =>
        lines
          .filter((line) => line.sign !== sign)
          .map((line) => line.text)
          .join('\n')
      expect([only('+'), only('-')]).toEqual([before, after])
    }
  })
})

describe('a template', () => {
  it('is the operator’s: versions of a text, filled in exactly', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const { templates } = keelson
    const one = await templates.put('welcome', 'Hello {{name}}, from {{ firm }}', { by: me })
    expect(await templates.put('welcome', 'Hello {{name}}, from {{ firm }}', { by: me })).toMatchObject({ version: 1 })
    const two = await templates.put('welcome', 'Dear {{name}}', { by: me, note: 'warmer' })
    expect([one.version, two.version]).toEqual([1, 2])
    expect(await templates.fill('welcome', { name: 'Bo' })).toMatchObject({ text: 'Dear Bo', version: 2 })
    expect(await templates.fill('welcome', { name: 'Bo', firm: 'us' }, { version: 1 })).toMatchObject({
      text: 'Hello Bo, from us',
      version: 1,
    })
    await expect(templates.fill('welcome', { nom: 'Bo' })).rejects.toMatchObject({
      code: 'TEMPLATE_INCOMPLETE',
      message: 'template "welcome" version 2 lacks name and does not use nom',
    })
    await expect(templates.get('none')).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
      hint: expect.stringContaining('templates.put(') as string,
    })
    await expect(templates.get('welcome', { version: 9 })).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
      hint: expect.stringContaining('templates.put(') as string,
    })
    const system = { kind: 'system', id: 'cron' } as const
    await expect(templates.put('welcome', 'Buy!', { by: system })).rejects.toMatchObject({
      code: 'TRANSITION_NEEDS_APPROVAL',
    })
    const { artifacts } = keelson
    const diff = await artifacts.diff(one.artifact, two.artifact)
    expect(diff).toMatchObject({ added: 1, removed: 1 })
  })

  it('leaves its version in what is made from it', async () => {
    const playbook = code(async (ctx) => {
      const filled = await ctx.templates.fill('welcome', { name: 'Bo' })
      await ctx.sleep('1h')
      return await ctx.artifacts.put(filled, { name: 'letter' })
    })
    const t = await testConductor({ playbooks: [playbook] })
    await t.keelson.templates.put('welcome', 'Dear {{name}}', { by: me })
    const run = await t.start(playbook, {})
    await t.keelson.templates.put('welcome', 'Changed, {{name}}', { by: me })
    await t.advance('1h')
    const ref = (await run.result()) as { sha256: string; origin: unknown }
    expect(ref.origin).toMatchObject({ template: 'welcome', version: 1 })
    expect(await t.keelson.artifacts.text(ref.sha256)).toBe('Dear Bo')
  })

  it('is not changed by a run without the operator’s word', async () => {
    const playbook = code(async (ctx) => {
      const artifact = await ctx.artifacts.put('Buy! Buy!')
      await ctx.entities(Template).create({ name: 'welcome', artifact })
    })
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'question', title: 'a new template: may it be written?' })
    await t.decide({ kind: 'question' }, { reject: 'too loud' })
    expect(await run.status()).toMatchObject({ state: 'declined' })
    await expect(t.keelson.templates.get('welcome')).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
      hint: expect.stringContaining('templates.put(') as string,
    })
  })
})

describe('the taxonomy', () => {
  it('is one list of terms for all that sorts, and refuses others', async () => {
    const keelson = await open(store(), { playbooks: [], work: false })
    const { taxonomy, artifacts } = keelson
    const body = await artifacts.put('text')
    const posts = keelson.entities(Post)
    await expect(posts.create({ title: 't', body, tags: ['news'] })).rejects.toMatchObject({ code: 'TAXONOMY_UNKNOWN' })
    await taxonomy.set({ tags: ['news', 'howto'], segments: [{ name: 'b2b', label: 'Business' }] }, { by: me })
    const { id } = await posts.create({ title: 't', body, tags: ['news'], segment: 'b2b' })
    await taxonomy.set({ tags: [{ name: 'news', retired: true }, 'howto'] }, { by: me })
    await posts.update(id, { tags: ['news', 'howto'] })
    await expect(posts.create({ title: 't', body, tags: ['news'] })).rejects.toMatchObject({
      code: 'TAXONOMY_UNKNOWN',
      hint: 'Known are howto; add it with taxonomy.set().',
    })
    expect((await taxonomy.get()).segments).toEqual([{ name: 'b2b', label: 'Business' }])
    await expect(taxonomy.set({ tags: ['a', 'a'] }, { by: me })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(taxonomy.set({ tags: [{ name: 'a', parent: 'b' }] }, { by: me })).rejects.toThrow('under "b"')
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('is read by a run as of that moment', async () => {
    const playbook = code(async (ctx) => {
      const before = (await ctx.taxonomy()).tags.length
      await ctx.sleep('1h')
      return before
    })
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    await t.keelson.taxonomy.set({ tags: ['late'] }, { by: me })
    await t.advance('1h')
    expect(await run.result()).toBe(0)
  })
})

it('keeps a file anew that was erased, when the host puts it again', async () => {
  const keelson = await open(store(), { playbooks: [] })
  const { sha256 } = await keelson.artifacts.put('a photo', { by: me })
  expect(await keelson.memory.erase({ files: [sha256] }, { by: me, reason: 'asked' })).toMatchObject({
    files: [sha256],
  })
  await keelson.artifacts.put('a photo', { by: me })
  expect(await keelson.artifacts.text(sha256)).toBe('a photo')
  expect(await keelson.audit.verify()).toMatchObject({ ok: true })
})
