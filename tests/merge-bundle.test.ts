/** A bundle that is merged brings records as far as they had come, and nothing back that was erased. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { artifactRef, defineEntity, lifecycle, Template, type Lifecycle, type Workspace } from '@keelson/core'
import { intercept, memoryStore, storeFailure } from '@keelson/testing'
import { code, me, open } from './support/open.ts'

const flow = lifecycle({
  states: ['draft', 'sent', 'paid'],
  transitions: { send: { from: 'draft', to: 'sent' }, pay: { from: 'sent', to: 'paid', approval: true } },
})
const invoice = (status: z.ZodType<string>, lifecycles: { status: Lifecycle<string> }) =>
  defineEntity({
    ...{ name: 'invoice', version: 1, schema: z.object({ number: z.string(), status }), lifecycle: lifecycles },
    key: ({ number }) => number,
  })
const Invoice = invoice(z.string(), { status: flow })

async function linesOf(workspace: Workspace, options: Parameters<Workspace['export']>[0] = {}): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export(options)) lines.push(line)
  return lines
}

it('takes a record over in the state that it has, which must be one that there is here', async () => {
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Invoice] })
  const from = keelson.workspace('from')
  const { id } = await from.entities(Invoice, { by: me }).create({ number: '1', status: 'draft' })
  for (const status of ['sent', 'paid']) await from.entities(Invoice, { by: me }).update(id, { status })
  const bundle = await linesOf(from)

  const empty = keelson.workspace('empty')
  expect(await empty.merge(bundle, { by: me })).toMatchObject({ entities: [{ what: 'created' }] })
  expect(await empty.entities(Invoice).list()).toMatchObject({ entities: [{ data: { status: 'paid' } }] })

  const behind = keelson.workspace('behind')
  await behind.entities(Invoice, { by: me }).create({ number: '1', status: 'draft' })
  expect(await behind.merge(bundle, { by: me, onConflict: 'take' })).toMatchObject({ entities: [{ what: 'taken' }] })
  expect(await behind.entities(Invoice).list()).toMatchObject({ entities: [{ data: { status: 'paid' } }] })

  const byRobot = await keelson.workspace('robot').merge(bundle, { by: { kind: 'agent', id: 'robot' } })
  expect(byRobot).toMatchObject({ entities: [{ what: 'refused' }] })

  const short = lifecycle({ states: ['draft', 'sent'], transitions: { send: { from: 'draft', to: 'sent' } } })
  const Other = invoice(z.string(), { status: short })
  const other = await open(memoryStore(), { playbooks: [], entities: [Other] })
  const refused = await other.workspace('other').merge(bundle, { by: me })
  expect(refused).toMatchObject({ entities: [{ what: 'refused', why: expect.stringContaining('cannot be "paid"') }] })
})

it('of an earlier day brings nothing back that was erased since', async () => {
  const { memory, export: lines, merge } = await open(memoryStore(), { playbooks: [] })
  const fact = await memory.remember({ text: 'Ada hides gold coins' }, { by: me })
  const event = await memory.append({ text: 'Ada told of gold coins' }, { by: me })
  await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
  const bundle: string[] = []
  for await (const line of lines()) bundle.push(line)
  await memory.erase({ ids: [fact.id, event.id] }, { by: me, reason: 'asked' })
  expect((await merge(bundle, { by: me, dryRun: true })).memories).toMatchObject({ imported: 1, erased: 2 })
  expect((await merge(bundle, { by: me })).memories).toEqual({ imported: 0, known: 1, proposed: 0, erased: 2 })
  expect(await memory.recall('gold coins')).toEqual([])
  expect((await memory.facts()).map(({ text }) => text)).toEqual(['The office is in Berlin.'])
})

it('takes over what is archived as archived, wherever a merge is cut off', async () => {
  const kept = memoryStore()
  const from = await open(memoryStore(), { playbooks: [], entities: [Invoice] })
  const { id } = await from.entities(Invoice, { by: me }).create({ number: '1', status: 'draft' })
  await from.entities(Invoice, { by: me }).archive(id)
  const bundle = await linesOf(from.workspace('default'))

  let edits = 0
  const before = (op: string, detail: readonly unknown[]): void => {
    if (op === 'write' && JSON.stringify(detail).includes('"entity.edited"') && ++edits > 1) throw storeFailure()
  }
  const failing = { session: () => intercept(kept.session(), { before }) } as typeof kept
  const cut = await open(failing, { playbooks: [], entities: [Invoice] })
  const first = await cut.workspace('there').merge(bundle, { by: me })
  expect(first).toMatchObject({ entities: [{ what: 'created' }] })
  const { here } = first.entities[0]!
  const there = (await open(kept, { playbooks: [], entities: [Invoice] })).workspace('there')
  const on = there.entities(Invoice, { by: me })
  expect(await on.get(here)).toMatchObject({ version: 1, archived: true })
  expect((await on.list()).entities).toEqual([])
  expect((await on.list({ archived: true })).entities).toMatchObject([{ id: here }])
  expect(await on.asOf(here, {})).toMatchObject({ archived: true })
  expect(await there.merge(bundle, { by: me })).toMatchObject({ entities: [{ what: 'same' }] })
  await on.restore(here)
  expect((await on.list()).entities).toMatchObject([{ id: here, version: 2 }])
})

it('brings the files that it names, or says which are missing', async () => {
  const Site = defineEntity({ name: 'site', version: 1, schema: z.object({ name: z.string(), logo: artifactRef(z) }) })
  const letter = code(async (ctx) => (await ctx.templates.fill('letter', { name: 'Ada' })).text)
  const keelson = await open(memoryStore(), { playbooks: [letter], entities: [Site] })
  const from = keelson.workspace('from')
  const artifact = await from.artifacts.put('Dear {{name}}', { by: me })
  const logo = await from.artifacts.put('a picture', { by: me, origin: { outside: true } })
  const proof = await from.artifacts.put('a letter that was scanned', { by: me })
  const spare = await from.artifacts.put('what nothing names', { by: me })
  await from.entities(Template, { by: me }).create({ name: 'letter', artifact })
  await from.entities(Site, { by: me }).create({ name: 'Acme', logo })
  const evidence = [{ kind: 'artifact' as const, id: proof.sha256 }]
  await from.memory.remember({ text: 'Ada owns the house.', evidence }, { by: me })

  const named = [artifact, logo, proof].map(({ sha256 }) => sha256).sort()
  const there = keelson.workspace('there')
  const bundle = await linesOf(from)
  expect(await there.merge(bundle, { by: me, dryRun: true })).toMatchObject({ artifacts: 3, missing: [] })
  await expect(there.artifacts.get(logo)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
  expect(await there.merge(bundle, { by: me })).toMatchObject({ artifacts: 3, missing: [] })
  expect(await (await there.start(letter, {}, { id: 'one' })).result()).toBe('Dear Ada')
  expect(await there.artifacts.text(proof)).toBe('a letter that was scanned')
  await expect(there.artifacts.get(spare)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' })
  // What it is to be taken for came with it.
  const record = (await linesOf(there)).find((line) => line.includes('"kind":"artifact"') && line.includes(logo.sha256))
  expect(record).toContain('untrusted')
  expect(await there.merge(bundle, { by: me })).toMatchObject({ artifacts: 0, missing: [] })

  const elsewhere = keelson.workspace('elsewhere')
  const referring = await linesOf(from, { artifacts: 'reference' })
  for (const dryRun of [true, false])
    expect(await elsewhere.merge(referring, { by: me, dryRun })).toMatchObject({ artifacts: 0, missing: named })

  await there.memory.erase({ files: [logo.sha256] }, { by: me, reason: 'asked' })
  expect(await there.merge(bundle, { by: me })).toMatchObject({ artifacts: 0, missing: [logo.sha256] })
  expect(await keelson.workspace('there').audit.verify()).toMatchObject({ ok: true })
})

it('keeps whose word a memory was, its pin and its labels, and lets none of it be more than an import is', async () => {
  const robot = { kind: 'agent', id: 'robot' } as const
  const keelson = await open(memoryStore(), { playbooks: [] })
  const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
  const vat = { subject: 'acme', predicate: 'vat', functional: true }
  await from.memory.remember({ ...vat, value: 'DE2' }, { by: robot })
  await from.memory.remember({ subject: 'bob', predicate: 'pays', value: 'late', functional: true }, { by: me })
  const { id } = await from.memory.remember(
    { text: 'The safe is in Berlin.', sensitivity: 2, outside: true },
    { by: robot },
  )
  await from.memory.pin(id, { by: me })
  await from.memory.append({ text: 'We spoke of Berlin.' }, { by: robot })

  await there.memory.remember({ ...vat, value: 'DE1' }, { by: me })
  const report = await there.merge(await linesOf(from), { by: me })
  expect(report.memories).toMatchObject({ imported: 3, proposed: 1 })
  const found = new Map((await there.memory.facts()).map((one) => [one.text, one]))
  // The operator here has said otherwise: that is not closed by an agent's word, but asked about.
  expect(found.get('acme vat DE1')).toMatchObject({ authority: 'operator', status: 'open' })
  expect(found.get('bob pays late')).toMatchObject({ authority: 'import' })
  expect(found.get('The safe is in Berlin.')).toMatchObject({
    ...{ authority: 'agent', pinned: true, outside: true, sensitivity: 2 },
  })
  expect(await there.memory.history()).toMatchObject([{ authority: 'agent', role: 'agent' }])
})

it('keeps the pin and the labels of a memory also where a person is asked about it first', async () => {
  const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ name: z.string() }) })
  const vat = { subject: 'acme', predicate: 'vat', functional: true }
  const reader = code(async (ctx) => {
    await ctx.memory.remember({ text: 'Acme has a garden.' })
    await ctx.entities(Note).list()
    await ctx.memory.remember({ ...vat, value: 'DE2' })
  })
  const keelson = await open(memoryStore(), { playbooks: [reader], entities: [Note] })
  const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
  const { id: note } = await from.entities(Note, { by: me }).create({ name: 'a' })
  await from.entities(Note, { by: me }).update(note, { name: 'from a letter' }, { labels: ['untrusted'] })
  await (await from.start(reader, {}, { id: 'one' })).result()
  const [fact] = await from.memory.facts({ about: 'acme' })
  expect(fact).toMatchObject({ value: 'DE2', labels: { untrusted: expect.anything() as unknown } })
  await from.memory.pin(fact!.id, { by: me })

  await there.memory.remember({ ...vat, value: 'DE1', validFrom: '2020-01-01T00:00:00Z' }, { by: me })
  await there.merge(await linesOf(from), { by: me })
  await keelson.quiet()
  const [set, ...more] = await there.memory.changes.list({ status: 'proposed' })
  expect(more).toEqual([])
  await there.memory.changes.apply(set!.id, { by: me })
  const [now] = await there.memory.facts({ about: 'acme' })
  expect(now).toMatchObject({ value: 'DE2', pinned: true, labels: fact!.labels, authority: 'operator' })
  expect(await there.memory.changes.get(set!.id)).not.toHaveProperty('kept')
})

it('keeps what the fields of a record and a memory are to be taken for', async () => {
  const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ name: z.string(), said: z.string() }) })
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Note] })
  const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
  const notes = from.entities(Note, { by: me })
  const { id } = await notes.create({ name: 'a', said: 'b' })
  await notes.update(id, { said: 'from a letter' }, { labels: ['untrusted'] })
  await there.merge(await linesOf(from), { by: me })
  const labels = async (workspace: Workspace): Promise<string[]> => {
    const lines = (await linesOf(workspace)).map(
      (line) => JSON.parse(line) as { kind?: string; data?: { labels?: object } },
    )
    return Object.keys(lines.find(({ kind, data }) => kind === 'entity' && data !== undefined)!.data!.labels ?? {})
  }
  expect(await labels(from)).toEqual(['said'])
  expect(await labels(there)).toEqual(['said'])
})

it('brings no event a second time: neither of this very company, nor of one that had it from here', async () => {
  const keelson = await open(memoryStore(), { playbooks: [] })
  const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
  await from.memory.append({ text: 'Ada called.', at: '2026-01-01' }, { by: me })
  await from.memory.append({ text: 'Ada called.', at: '2026-01-02' }, { by: me })
  const { id } = await from.memory.append({ text: 'Ada wrote.', id: 'mail 1' }, { by: me })
  for (let round = 0; round < 2; round++) {
    expect((await from.merge(await linesOf(from), { by: me })).memories).toMatchObject({ imported: 0, known: 3 })
    expect((await there.merge(await linesOf(from), { by: me })).memories.imported).toBe(round === 0 ? 3 : 0)
    expect((await from.merge(await linesOf(there), { by: me })).memories).toMatchObject({ imported: 0, known: 3 })
  }
  const older = await linesOf(from)
  await from.memory.forget(id, { by: me })
  for (const bundle of [older, await linesOf(there)])
    expect((await from.merge(bundle, { by: me })).memories.imported).toBe(0)
  expect((await from.memory.history()).map(({ text }) => text)).toEqual(['Ada called.', 'Ada called.'])
})

it('brings an event about each whom it is about, though it says of others the same at the same time', async () => {
  const Site = defineEntity({ name: 'site', version: 1, schema: z.object({ name: z.string() }) })
  const keelson = await open(memoryStore(), { playbooks: [], entities: [Site] })
  const [from, there] = [keelson.workspace('from'), keelson.workspace('there')]
  const said = { text: 'Got the newsletter.', at: '2026-03-01' }
  const sites: string[] = []
  for (const one of [from, from, there]) {
    const { id } = await one.entities(Site, { by: me }).create({ name: `Site ${sites.length}` })
    await one.memory.append({ ...said, about: { type: 'site', id } }, { by: me })
    sites.push(id)
  }
  await from.memory.append(said, { by: me })
  const bundle = await linesOf(from)
  expect((await there.merge(bundle, { by: me })).memories).toMatchObject({ imported: 3, known: 0 })
  for (const id of sites) expect(await there.memory.history({ about: { type: 'site', id } })).toHaveLength(1)
  await there.entities(Site, { by: me }).merge(sites[0]!, sites[2]!)
  for (const again of [bundle, await linesOf(there)])
    expect((await there.merge(again, { by: me })).memories).toMatchObject({ imported: 0 })
})
