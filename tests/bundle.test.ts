/** A company leaves in one bundle and enters another store unchanged (P14). */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import fc from 'fast-check'
import { z } from 'zod'
import {
  action,
  createConductor,
  defineEntity,
  defineEvent,
  definePlaybook,
  diffBundles,
  KeelsonError,
  policy,
  type Conductor,
  type MemoryStore,
  type Workspace,
} from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { intercept, memoryStore, storeFailure } from '@keelson/testing'
import { me } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const W = 'acme'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), stage: z.string() }),
  index: ['name'],
})
const signed = defineEvent({ name: 'signed', schema: z.object({ who: z.string() }) })

/** Actions and playbooks of one process; `world` is what they did outside. */
function world() {
  const sent: string[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({ to: z.string() }),
    intent: ({ to }) => ['mail', to],
    run: async ({ to }) => {
      sent.push(to)
      return { output: { to } }
    },
  })
  const onboard = definePlaybook({
    name: 'onboard',
    version: 1,
    input: z.object({ name: z.string(), waits: z.boolean() }),
    output: z.object({ id: z.string() }),
    async run(ctx, { name, waits }) {
      const customer = await ctx.entities(Customer).create({ name, stage: 'new' })
      await ctx.step('note', () => ({ name }))
      await ctx.act(send, { to: name })
      if (waits) await ctx.waitFor(signed, { match: { who: name } })
      await ctx.entities(Customer).update(customer.id, { stage: 'signed' })
      return { id: customer.id }
    },
  })
  const loop = definePlaybook({
    name: 'loop',
    version: 1,
    input: z.object({ n: z.number() }),
    output: z.object({ n: z.number() }),
    async run(ctx, { n }) {
      await ctx.step('count', () => n)
      if (n < 3) return ctx.continueAsNew({ n: n + 1 })
      await ctx.sleep('1d')
      return { n }
    },
  })
  const gate = policy([
    policy.rule('strangers', { on: send }, ({ input }) => (input.to.startsWith('x') ? policy.ask() : policy.allow())),
  ])
  return { sent, options: { playbooks: [onboard, loop], policy: gate, log: quiet, keepAlive: false }, onboard, loop }
}

type World = ReturnType<typeof world>

async function open(store: MemoryStore, of: World, work = true): Promise<Conductor> {
  const conductor = await createConductor({ ...of.options, store, work })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  return conductor
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-bundle-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'app.db')
}

async function linesOf(workspace: Workspace, options?: Parameters<Workspace['export']>[0]): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export(options)) lines.push(line)
  return lines
}

/** A bundle of lines that were changed on purpose, with an end that covers them. */
function resealed(lines: readonly string[]): string[] {
  const body = lines.slice(0, -1)
  const end = JSON.parse(lines.at(-1)!) as object
  const sha256 = createHash('sha256').update(body.join('')).digest('hex')
  return [...body, `${JSON.stringify({ ...end, lines: body.length, sha256 })}\n`]
}

/** A company with something of everything: settled, waiting, asked, continued, asleep, and mail that nobody has read. */
async function fill(conductor: Conductor, of: World): Promise<Workspace> {
  const acme = conductor.workspace(W)
  await acme.start(of.onboard, { name: 'ada', waits: false }, { id: 'ada' })
  await acme.start(of.onboard, { name: 'bob', waits: true }, { id: 'bob' })
  await acme.start(of.onboard, { name: 'xeno', waits: false }, { id: 'xeno' })
  await acme.start(of.loop, { n: 1 }, { id: 'loop' })
  await acme.entities(Customer, { by: me }).create({ name: 'hand', stage: 'new' })
  await conductor.quiet()
  return acme
}

describe('a bundle', () => {
  it('is the same bytes after a way through SQLite and back into memory', async () => {
    const of = world()
    const acme = await fill(await open(memoryStore(), of), of)
    const first = await linesOf(acme)
    const path = file()
    const onDisk = (await open(sqlite(path), world(), false)).workspace(W)
    await onDisk.import(first, { by: me, adopt: true })
    const second = await linesOf(onDisk)
    expect(second).toEqual(first)
    const again = (await open(memoryStore(), world(), false)).workspace(W)
    await again.import(second, { by: me, adopt: true })
    expect(await linesOf(again)).toEqual(first)
    expect(await again.audit.verify()).toMatchObject({ ok: true, faults: [] })
    expect(await onDisk.audit.verify()).toMatchObject({ ok: true, faults: [] })
  })

  it('is refused where all of it is there already, and freezes nothing', async () => {
    const of = world()
    const acme = await fill(await open(memoryStore(), of), of)
    const bundle = await linesOf(acme)
    await expect(acme.import(bundle, { by: me })).rejects.toMatchObject({
      code: 'WORKSPACE_NOT_EMPTY',
      message: expect.stringContaining('holds all of the bundle already') as string,
    })
    expect(await linesOf(acme)).toEqual(bundle)
    expect(await acme.import(bundle, { by: me, adopt: true })).toMatchObject({ entries: 0, frozen: false })
  })

  it('goes on where it was: what is done is not done again, what waits is answered there', async () => {
    const of = world()
    const acme = await fill(await open(memoryStore(), of), of)
    expect(of.sent).toEqual(['ada', 'bob'])
    const bundle = await linesOf(acme)
    const there = world()
    const conductor = await open(sqlite(file()), there)
    const moved = conductor.workspace(W)
    await moved.import(bundle, { by: me, adopt: true })
    await moved.send(signed, { who: 'bob' }, { id: 'signed-bob' })
    const { items } = await moved.inbox.list()
    expect(items.map(({ kind }) => kind)).toEqual(['approval'])
    await moved.inbox.decide(items[0]!.id, { hash: items[0]!.hash, by: me, approve: true })
    await conductor.quiet()
    expect(there.sent).toEqual(['xeno'])
    for (const id of ['ada', 'bob', 'xeno'])
      expect(await moved.runs.get(id).status()).toMatchObject({ state: 'completed' })
    expect(await moved.runs.get('loop').status()).toMatchObject({ state: 'waiting' })
    expect(await moved.audit.verify()).toMatchObject({ ok: true })
  })

  it('starts frozen where it was imported, so that two stores do not send the same', async () => {
    const of = world()
    const acme = await fill(await open(memoryStore(), of), of)
    const there = world()
    const conductor = await open(memoryStore(), there)
    const moved = conductor.workspace(W)
    const report = await moved.import(await linesOf(acme), { by: me })
    expect(report).toMatchObject({ frozen: true, unknown: [], missing: [] })
    await moved.start(there.onboard, { name: 'new', waits: false }, { id: 'new' })
    await conductor.quiet()
    expect(there.sent).toEqual([])
    await moved.adopt({ by: me })
    await conductor.quiet()
    expect(there.sent).toEqual(['new'])
  })

  it('keeps mail that a run has not read, and reads it there once', async () => {
    const of = world()
    const store = memoryStore()
    const here = await open(store, of)
    const acme = await fill(here, of)
    await here.stop()
    const idle = (await open(store.session(), of, false)).workspace(W)
    await idle.runs.pause('bob', { by: me, reason: 'moving' })
    const there = world()
    const conductor = await open(sqlite(file()), there)
    const moved = conductor.workspace(W)
    await moved.import(await linesOf(idle), { by: me, adopt: true })
    await conductor.quiet()
    expect(await moved.runs.get('bob').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'pause' }] })
    expect(acme.id).toBe(W)
  })

  it('continues in increments, on their own or behind a whole one in one call', async () => {
    const of = world()
    const here = await open(memoryStore(), of)
    const acme = await fill(here, of)
    const whole = await linesOf(acme)
    const { entries } = JSON.parse(whole.at(-1)!) as { entries: number }
    await acme.send(signed, { who: 'bob' }, { id: 'signed-bob' })
    await here.quiet()
    const more = await linesOf(acme, { since: entries })
    expect(more.length).toBeLessThan(whole.length)
    const all = await linesOf(acme)
    const one = (await open(sqlite(file()), world(), false)).workspace(W)
    await one.import(whole, { by: me, adopt: true })
    await one.import(more, { by: me, adopt: true })
    expect(await linesOf(one)).toEqual(all)
    const two = (await open(memoryStore(), world(), false)).workspace(W)
    await two.import([whole, more], { by: me, adopt: true })
    expect(await linesOf(two)).toEqual(all)
    const three = (await open(memoryStore(), world(), false)).workspace(W)
    await expect(three.import(more, { by: me })).rejects.toMatchObject({ code: 'BUNDLE_GAP' })
    expect(
      await three.runs
        .get('bob')
        .status()
        .catch((error: KeelsonError) => error.code),
    ).toBe('RUN_NOT_FOUND')
  })

  it('writes nothing in a dry run and says what it would', async () => {
    const of = world()
    const bundle = await linesOf(await fill(await open(memoryStore(), of), of))
    const target = (
      await open(memoryStore(), { ...world(), options: { ...world().options, playbooks: [] } }, false)
    ).workspace(W)
    const report = await target.import(bundle, { by: me, dryRun: true })
    expect(report.entries).toBe(bundle.filter((line) => line.includes('"type":"entry"')).length)
    expect(report.unknown).toEqual([
      { playbook: 'onboard', version: 1, runs: 2 },
      { playbook: 'loop', version: 1, runs: 1 },
    ])
    expect((await target.runs.list()).runs).toEqual([])
  })

  it('refuses a workspace that holds anything else, and replaces it only when told to', async () => {
    const of = world()
    const bundle = await linesOf(await fill(await open(memoryStore(), of), of))
    const target = (await open(sqlite(file()), world(), false)).workspace(W)
    await target.entities(Customer, { by: me }).create({ name: 'own', stage: 'x' })
    await expect(target.import(bundle, { by: me })).rejects.toMatchObject({
      code: 'WORKSPACE_NOT_EMPTY',
      hint: expect.not.stringContaining("mode: 'merge'"),
    })
    expect(await target.entities(Customer).find({ name: 'own' })).toBeDefined()
    await target.import(bundle, { by: me, mode: 'replace', adopt: true })
    expect(await target.entities(Customer).find({ name: 'own' })).toBeUndefined()
    expect(await target.entities(Customer).find({ name: 'hand' })).toMatchObject({ data: { stage: 'new' } })
    expect(await target.audit.verify()).toMatchObject({ ok: true })
  })

  it('refuses another workspace, a later format, and every line that was changed, left out or moved', async () => {
    const of = world()
    const bundle = await linesOf(await fill(await open(memoryStore(), of), of))
    const target = async () => (await open(memoryStore(), world(), false)).workspace(W)
    const other = (await open(memoryStore(), world(), false)).workspace('other')
    await expect(other.import(bundle, { by: me })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const newer = [bundle[0]!.replace('"format":1', '"format":2'), ...bundle.slice(1)]
    await expect((await target()).import(newer, { by: me })).rejects.toMatchObject({ code: 'BUNDLE_NEWER' })
    const lines = bundle.map((_, at) => at)
    for (const at of lines.filter((n) => n % 3 === 0)) {
      const changed = [...bundle]
      changed[at] = bundle[at]!.replace(/ada|bob|xeno|hand|1/, 'zz')
      if (changed[at] === bundle[at]) continue
      await expect((await target()).import(changed, { by: me, dryRun: true })).rejects.toThrow(KeelsonError)
      await expect((await target()).import(bundle.toSpliced(at, 1), { by: me, dryRun: true })).rejects.toThrow(
        KeelsonError,
      )
    }
    await expect((await target()).import(bundle.slice(0, -1), { by: me })).rejects.toMatchObject({
      code: 'BUNDLE_INVALID',
    })
    await expect((await target()).import(['no json'], { by: me })).rejects.toMatchObject({ code: 'BUNDLE_INVALID' })
    await expect((await target()).import([], { by: me })).rejects.toMatchObject({ code: 'BUNDLE_INVALID' })
  })

  it('says in which shapes the host had what it holds', async () => {
    const own = { ...world().options, entities: [Customer], settings: z.object({ tone: z.string() }), events: [signed] }
    const keelson = await createConductor({ ...own, store: memoryStore() })
    onTestFinished(() => keelson.stop())
    const lines = (await linesOf(keelson.workspace(W))).map((line) => JSON.parse(line) as Record<string, unknown>)
    const shapes = lines.filter(({ type }) => type === 'schema')
    expect(shapes).toMatchObject([
      { of: 'policy' },
      { of: 'settings', version: 1, schema: { properties: { tone: { type: 'string' } } } },
      { of: 'entity', name: 'customer', version: 1, schema: { required: ['name', 'stage'] } },
      { of: 'event', name: 'signed', version: 1, schema: { properties: { who: { type: 'string' } } } },
      { of: 'playbook', name: 'loop', version: 1 },
      { of: 'playbook', name: 'onboard', version: 1 },
    ])
    const later = await createConductor({
      ...own,
      store: memoryStore(),
      entities: [defineEntity({ name: 'customer', version: 1, schema: z.object({ name: z.string() }) })],
    })
    onTestFinished(() => later.stop())
    const { changes } = await diffBundles(
      lines.map((line) => `${JSON.stringify(line)}\n`),
      await linesOf(later.workspace(W)),
    )
    expect(changes).toEqual([{ what: 'schema', id: 'entity customer@1', change: 'changed' }])
  })

  it('that tells of shapes which this release does not know is taken in, and compared, all the same', async () => {
    const of = world()
    const here = await open(memoryStore(), of)
    const acme = await fill(here, of)
    const lines = await linesOf(acme)
    const later = { type: 'schema', of: 'prompt', name: 'tone', version: 'x1', schema: { since: 'later' } }
    const sealed = resealed([lines[0]!, `${JSON.stringify(later)}\n`, ...lines.slice(1)])
    const there = await open(memoryStore(), of, false)
    await there.workspace(W).import(sealed, { by: me, adopt: true })
    const same = await linesOf(there.workspace(W))
    expect(same).toEqual(lines)
    expect((await diffBundles(lines, sealed)).changes).toEqual([
      { what: 'schema', id: 'prompt tone@x1', change: 'added' },
    ])
    const junk = resealed([lines[0]!, `${JSON.stringify({ ...later, of: 7 })}\n`, ...lines.slice(1)])
    await expect(diffBundles(lines, junk)).rejects.toMatchObject({ code: 'BUNDLE_INVALID' })
  })

  it('is compared with another, field by field', async () => {
    const of = world()
    const here = await open(memoryStore(), of)
    const acme = await fill(here, of)
    const before = await linesOf(acme)
    const hand = (await acme.entities(Customer).find({ name: 'hand' }))!
    await acme.entities(Customer, { by: me }).update(hand.id, { stage: 'won' })
    await acme.send(signed, { who: 'bob' }, { id: 'signed-bob' })
    await here.quiet()
    const { same, changes, report } = await diffBundles(before, await linesOf(acme))
    expect(same).toBe(false)
    const changed = changes.find((one) => one.what === 'record' && one.kind === 'entity' && one.id.endsWith(hand.id))
    expect(changed).toMatchObject({ change: 'changed' })
    expect(changed).toHaveProperty(
      'fields',
      expect.arrayContaining([{ path: 'data.stage', before: 'new', after: 'won' }]),
    )
    expect(report).toContain('data.stage: "new" → "won"')
    expect(report).toContain('~ run bob: onboard@1 completed')
    expect(await diffBundles(before, before)).toMatchObject({ same: true, changes: [] })
  })

  it('is merged into a company that has its own: created, known by key or identity, kept or taken, upcast', async () => {
    const Person = defineEntity({
      name: 'person',
      version: 1,
      schema: z.object({ mail: z.string(), name: z.string() }),
      key: ({ mail }) => mail,
    })
    const Deal = defineEntity({
      name: 'deal',
      version: 1,
      schema: z.object({ title: z.string(), person: z.string() }),
      links: { person: Person },
    })
    const from = (await open(memoryStore(), world(), false)).workspace('theirs')
    const ada = await from.entities(Person, { by: me }).create({ mail: 'ada@x.org', name: 'Ada' })
    const bob = await from.entities(Person, { by: me }).create({ mail: 'bob@x.org', name: 'Bob' })
    await from.entities(Person, { by: me }).identify(bob.id, { refs: { stripe: 'cus_1' } })
    await from.entities(Deal, { by: me }).create({ title: 'site', person: ada.id })
    await from.taxonomy.set({ tags: ['hot', 'own'] }, { by: me })
    const likes = { subject: 'ada', predicate: 'likes', value: 'tea', terms: { tags: ['hot', 'own'] } }
    await from.memory.remember(likes, { by: me })
    const bundle = await linesOf(from)
    const Person2 = defineEntity({
      name: 'person',
      version: 2,
      schema: z.object({ mail: z.string(), name: z.string(), vip: z.boolean() }),
      upcast: { 2: (old) => ({ ...old, vip: false }) },
      key: ({ mail }) => mail,
    })
    const host = { ...world(), options: { ...world().options, entities: [Person2, Deal] } }
    const target = (await open(sqlite(file()), host, false)).workspace('ours')
    const own = await target.entities(Person2, { by: me }).create({ mail: 'ada@x.org', name: 'Ada L.', vip: true })
    await target.taxonomy.set({ tags: ['hot'] }, { by: me })
    const dry = await target.merge(bundle, { by: me, dryRun: true })
    expect(dry.entities.map(({ what }) => what).sort()).toEqual(['created', 'created', 'kept'])
    expect(await target.entities(Person2).list()).toMatchObject({ entities: [{ id: own.id }] })
    const report = await target.merge(bundle, { by: me })
    expect(report.entities).toContainEqual({
      ...{ type: 'person', id: ada.id, here: own.id, what: 'kept', fields: ['name', 'vip'], upcast: true },
    })
    expect(report.memories).toMatchObject({ imported: 1 })
    expect(await target.memory.facts()).toMatchObject([{ terms: { tags: ['hot'] } }])
    expect(await target.entities(Deal).find({ person: own.id })).toMatchObject({ data: { title: 'site' } })
    expect(await target.entities(Person2).byRef('stripe', 'cus_1')).toMatchObject({ data: { name: 'Bob', vip: false } })
    const again = await target.merge(bundle, { by: me, onConflict: 'take' })
    expect(again.entities.map(({ what }) => what).sort()).toEqual(['same', 'same', 'taken'])
    expect(again.memories).toMatchObject({ imported: 0, known: 1 })
    expect(await target.entities(Person2).get(own.id)).toMatchObject({ data: { name: 'Ada', vip: false } })
    const stranger = (await open(memoryStore(), world(), false)).workspace('s')
    const { entities } = await stranger.merge(bundle, { by: me })
    expect(entities.map(({ what }) => what)).toEqual(['missing', 'missing', 'missing'])
    expect(await target.audit.verify()).toMatchObject({ ok: true })
  })

  it('goes on after an import that failed at any write, and executes nothing before it is whole', async () => {
    const of = world()
    const bundle = await linesOf(await fill(await open(memoryStore(), of), of))
    for (let failing = 1; failing <= 4; failing++) {
      const there = world()
      const store = memoryStore()
      let writes = 0
      const faulty = intercept(store, {
        before(op) {
          if (op === 'write' && ++writes === failing) throw storeFailure()
        },
      })
      const first = (await open(faulty, there, false)).workspace(W)
      await first.import(bundle, { by: me, adopt: true }).catch(() => undefined)
      const conductor = await open(store.session(), there)
      await conductor.quiet()
      await conductor.workspace(W).import(bundle, { by: me, adopt: true })
      await conductor.quiet()
      expect(there.sent).toEqual([])
      expect(await conductor.workspace(W).audit.verify()).toMatchObject({ ok: true })
    }
  })

  it('goes on with an increment whose entries were written and whose runs, or mail, were not', async () => {
    const of = world()
    const acme = (await open(memoryStore(), of, false)).workspace(W)
    await acme.start(of.onboard, { name: 'ada', waits: true }, { id: 'ada' })
    const whole = await linesOf(acme)
    const { entries } = JSON.parse(whole.at(-1)!) as { entries: number }
    await acme.runs.cancel('ada', { by: me, reason: 'enough' })
    await acme.entities(Customer, { by: me }).create({ name: 'hand', stage: 'new' })
    const mailed = await linesOf(acme, { since: entries })
    await acme.start(of.onboard, { name: 'bob', waits: true }, { id: 'bob' })
    const started = await linesOf(acme, { since: entries })
    for (const more of [mailed, started]) {
      const store = memoryStore()
      const there = (await open(store.session(), world(), false)).workspace(W)
      await there.import(whole, { by: me, adopt: true })
      let writes = 0
      const faulty = intercept(store.session(), {
        before(op) {
          if (op === 'write' && ++writes === 2) throw storeFailure()
        },
      })
      const cut = (await open(faulty, world(), false)).workspace(W)
      await expect(cut.import(more, { by: me, adopt: true })).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await there.import(more, { by: me })).toMatchObject({ entries: 0, frozen: true })
      const kept = (lines: readonly string[]) => lines.filter((line) => /"type":"(run|mail)"/.test(line))
      expect(kept(await linesOf(there, { since: entries }))).toEqual(kept(more))
    }
  })

  it('of any company comes back as it was (property)', async () => {
    const operation = fc.oneof(
      fc.record({ do: fc.constant('start' as const), name: fc.constantFrom('ada', 'bob', 'xeno', 'xi') }),
      fc.record({ do: fc.constant('signed' as const), name: fc.constantFrom('ada', 'bob', 'xeno', 'xi') }),
      fc.record({ do: fc.constant('edit' as const), name: fc.string({ maxLength: 5, unit: 'grapheme' }) }),
      fc.record({ do: fc.constant('approve' as const), name: fc.constant('') }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 12 }), async (operations) => {
        const of = world()
        const conductor = await createConductor({ ...of.options, store: memoryStore() })
        const acme = conductor.workspace(W)
        let n = 0
        for (const { do: what, name } of operations) {
          n++
          if (what === 'start') await acme.start(of.onboard, { name, waits: true }, { id: `${name}-${n}` })
          else if (what === 'signed') await acme.send(signed, { who: name }, { id: `s-${n}` })
          else if (what === 'edit') await acme.entities(Customer, { by: me }).create({ name, stage: 'e' })
          else {
            const [item] = (await acme.inbox.list()).items
            if (item !== undefined) await acme.inbox.decide(item.id, { hash: item.hash, by: me, approve: true })
          }
          if (n % 3 === 0) await conductor.quiet()
        }
        await conductor.quiet()
        const bundle = await linesOf(acme)
        const target = await createConductor({ ...world().options, store: memoryStore(), work: false })
        await target.workspace(W).import(bundle, { by: me, adopt: true })
        expect(await linesOf(target.workspace(W))).toEqual(bundle)
        await conductor.stop()
        await target.stop()
      }),
      { numRuns: 15 },
    )
  })
})
