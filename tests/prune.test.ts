/** Journals of runs that ended long ago leave; what the company knows and has proved stays. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  action,
  createConductor,
  defineEntity,
  defineEvent,
  definePlaybook,
  diffBundles,
  policy,
  signerFromPem,
  type Anchor,
  type Conductor,
  type MemoryStore,
  type Workspace,
} from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { intercept, manualClock, memoryStore, storeFailure, type ManualClock } from '@keelson/testing'
import { me } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const DAY = 86_400_000
const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), stage: z.string() }),
  index: ['name'],
})
const go = defineEvent({ name: 'go', schema: z.object({ who: z.string() }) })

const sent: string[] = []
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ to: z.string() }),
  intent: ({ to }) => ['mail', to],
  run: ({ to }) => {
    sent.push(to)
    return { output: { to } }
  },
})
const child = definePlaybook({
  name: 'child',
  version: 1,
  input: z.object({ name: z.string(), waits: z.boolean() }),
  output: z.object({}),
  async run(ctx, { name, waits }) {
    await ctx.entities(Customer).create({ name: `${name}'s`, stage: 'child' })
    if (waits) await ctx.waitFor(go, { match: { who: `child of ${name}` } })
    return {}
  },
})
const onboard = definePlaybook({
  name: 'onboard',
  version: 1,
  input: z.object({ name: z.string(), waits: z.boolean() }),
  output: z.object({ id: z.string() }),
  async run(ctx, { name, waits }) {
    const customer = await ctx.entities(Customer).create({ name, stage: 'new' })
    await ctx.checkpoint('made')
    await ctx.act(send, { to: name })
    await ctx.call(child, { name, waits: false })
    if (waits) await ctx.waitFor(go, { match: { who: name } })
    await ctx.entities(Customer).update(customer.id, { stage: 'signed' })
    return { id: customer.id }
  },
})
const named = definePlaybook({
  ...{ name: 'named', version: 1, output: z.object({}) },
  input: z.object({ id: z.string(), crm: z.string().nullable() }),
  async run(ctx, { id, crm }) {
    await ctx.entities(Customer).identify(id, { refs: { crm } })
    return {}
  },
})
const loop = definePlaybook({
  name: 'loop',
  version: 1,
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  async run(ctx, { n }) {
    await ctx.step('count', () => n)
    return n < 3 ? ctx.continueAsNew({ n: n + 1 }) : { n }
  },
})
const gate = policy([
  policy.rule('strangers', { on: send }, ({ input }) => (input.to.startsWith('x') ? policy.ask() : policy.allow())),
])

interface World {
  readonly conductor: Conductor
  readonly acme: Workspace
  readonly clock: ManualClock
}

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const publicPem = publicKey.export({ type: 'spki', format: 'pem' }) as string

async function open(store: MemoryStore, options: { clock?: ManualClock; anchors?: Anchor[]; work?: boolean } = {}) {
  const clock = options.clock ?? manualClock(Date.UTC(2026, 0, 1))
  const sink = (anchor: Anchor) => void options.anchors?.push(anchor)
  const conductor = await createConductor({
    ...{ store, clock, log: quiet, keepAlive: false, playbooks: [onboard, child, loop, named], policy: gate },
    ...(options.work === undefined ? {} : { work: options.work }),
    ...(options.anchors === undefined ? {} : { anchors: { signer: signerFromPem(pem), sink } }),
  })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  return { conductor, acme: conductor.workspace('acme'), clock } satisfies World
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-prune-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'app.db')
}

/** Settled, asked and approved, continued, waiting; then a hundred days later. */
async function aged({ conductor, acme, clock }: World): Promise<void> {
  await acme.start(onboard, { name: 'ada', waits: false }, { id: 'ada', by: me })
  await acme.start(onboard, { name: 'bob', waits: true }, { id: 'bob', by: me })
  await acme.start(onboard, { name: 'xeno', waits: false }, { id: 'xeno' })
  await acme.start(loop, { n: 1 }, { id: 'loop' })
  await conductor.quiet()
  const { items } = await acme.inbox.list()
  await acme.inbox.decide(items[0]!.id, { hash: items[0]!.hash, by: me, approve: true })
  await conductor.quiet()
  clock.to(clock.now() + 100 * DAY)
  await conductor.quiet()
}

async function linesOf(acme: Workspace, since?: number): Promise<string[]> {
  const lines: string[] = []
  for await (const line of acme.export(since === undefined ? {} : { since })) lines.push(line)
  return lines
}

beforeEach(() => void (sent.length = 0))

const entriesOf = async (acme: Workspace): Promise<number> => (await acme.audit.verify()).entries
const olderThan = '90d'

describe.each([
  ['in memory', () => memoryStore()],
  ['on SQLite', () => sqlite(file())],
])('pruning %s', (_, make) => {
  it('takes old journals, and leaves records, results, starts, effects and proofs', async () => {
    const anchors: Anchor[] = []
    const world = await open(make(), { anchors })
    const { acme, conductor } = world
    await aged(world)
    await acme.audit.anchor()
    const before = { entries: await entriesOf(acme), customers: (await acme.entities(Customer).list()).entities }
    const dry = await acme.maintenance.prune({ olderThan, by: me, dryRun: true })
    expect(await entriesOf(acme)).toBe(before.entries)
    const report = await acme.maintenance.prune({ olderThan, by: me })
    expect(report).toEqual(dry)
    // ada, her child, xeno, his child, his effect's run, loop; bob waits, and keeps what he called.
    expect(report).toMatchObject({ runs: 6, kept: { 'its caller still has its own journal': 1 } })
    expect(await entriesOf(acme)).toBeLessThan(before.entries)
    expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
    expect(await acme.audit.verify({ anchors, keys: [publicPem] })).toMatchObject({ ok: true, anchored: 1 })
    expect(await acme.audit.rebuild()).toEqual({ repaired: 0 })
    expect((await acme.entities(Customer).list()).entities).toEqual(before.customers)
    const ada = await acme.start(onboard, { name: 'ada', waits: false }, { id: 'ada' })
    expect(await ada.result()).toEqual({ id: before.customers.find(({ data }) => data.name === 'ada')!.id })
    expect(sent.filter((to) => to === 'ada').length).toBe(1)
    // The same intent is still the same effect.
    await acme.start(onboard, { name: 'xeno', waits: false }, { id: 'xeno again' })
    await conductor.quiet()
    expect(sent.filter((to) => to === 'xeno').length).toBe(1)
    expect(await acme.maintenance.prune({ olderThan, by: me })).toMatchObject({ runs: 0, entries: 0 })
    expect((await acme.audit.query({ run: 'ada' })).lines.length).toBeGreaterThan(0)
  })

  it('leaves a run that answers no verb any more, and says so', async () => {
    const world = await open(make())
    const { acme } = world
    await aged(world)
    await acme.maintenance.prune({ olderThan, by: me })
    const refused = { code: 'RUN_PRUNED' }
    await expect(acme.runs.retry('ada', { by: me })).rejects.toMatchObject(refused)
    await expect(acme.runs.restart('ada', { by: me, from: 'start' })).rejects.toMatchObject(refused)
    await expect(acme.runs.restart('ada', { by: me, checkpoint: 'made' })).rejects.toMatchObject(refused)
    await expect(acme.runs.setOutcome('ada', { by: me, step: 'x', outcome: 1 })).rejects.toMatchObject(refused)
    await expect(acme.runs.move('ada', { by: me, to: 1 })).rejects.toMatchObject(refused)
    await expect(acme.revert.plan({ run: 'ada' })).rejects.toMatchObject(refused)
    const plan = await acme.revert.plan({ playbook: 'onboard', version: 1 })
    expect([...plan.pruned].sort()).toEqual(['ada', 'xeno'])
    const story = await acme.audit.story('ada')
    expect(story.at(-1)).toContain('ended: completed; its journal was pruned since')
    expect(story[0]).toContain('me: run of onboard@1 started')
    const { ok, runs } = await acme.rehearse()
    expect(ok).toBe(true)
    expect(runs.find(({ run }) => run === 'ada')).toMatchObject({ text: 'its journal was pruned' })
    expect(await acme.why('ada')).toContain('is completed')
    expect(await acme.runs.get('bob').status()).toMatchObject({ state: 'waiting' })
  })

  it('leaves in a bundle, enters another store as it was, and no increment pretends otherwise', async () => {
    const world = await open(make())
    const { acme, conductor } = world
    await aged(world)
    const before = await linesOf(acme)
    const { entries } = JSON.parse(before.at(-1)!) as { entries: number }
    await acme.maintenance.prune({ olderThan, by: me })
    await expect(linesOf(acme, entries)).rejects.toMatchObject({ code: 'BUNDLE_GAP' })
    const whole = await linesOf(acme)
    const changed = (await diffBundles(before, whole)).changes.filter((one) => one.what === 'run')
    expect(changed).toEqual([])
    const other = await open(memoryStore(), { work: false, clock: world.clock })
    await other.acme.import(whole, { by: me, adopt: true })
    expect(await linesOf(other.acme)).toEqual(whole)
    expect(await other.acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
    expect(await other.acme.runs.get('ada').result()).toEqual(await acme.runs.get('ada').result())
    await expect(other.acme.runs.retry('ada', { by: me })).rejects.toMatchObject({ code: 'RUN_PRUNED' })
    // An increment behind the pruning goes on.
    const end = JSON.parse(whole.at(-1)!) as { entries: number }
    await acme.send(go, { who: 'bob' }, { id: 'go' })
    await conductor.quiet()
    const more = await linesOf(acme, end.entries)
    expect(more.length).toBeLessThan(whole.length)
    await other.acme.import(more, { by: me, adopt: true })
    expect(await linesOf(other.acme)).toEqual(await linesOf(acme))
    const third = await open(sqlite(file()), { work: false, clock: world.clock })
    await third.acme.import([whole, more], { by: me, adopt: true })
    expect(await linesOf(third.acme)).toEqual(await linesOf(acme))
  })
})

describe('pruning', () => {
  it('keeps ended what a run ended that somebody else had begun anew', async () => {
    const { acme, clock } = await open(memoryStore())
    const customers = acme.entities(Customer, { by: me })
    const { id } = await customers.create({ name: 'ada', stage: 'new' })
    const known = (crm: string | null) => ({ refs: { crm } })
    await (await acme.start(named, { id, crm: 'c1' }, { id: 'first' })).result()
    await customers.identify(id, known(null))
    await customers.identify(id, known('c1'))
    await (await acme.start(named, { id, crm: null }, { id: 'last' })).result()
    clock.to(clock.now() + 100 * DAY)
    expect(await acme.maintenance.prune({ olderThan, by: me })).toMatchObject({ runs: 2 })
    expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
    const other = await open(memoryStore(), { work: false, clock })
    await other.acme.import(await linesOf(acme), { by: me, adopt: true })
    expect(await other.acme.entities(Customer).byRef('crm', 'c1')).toBeUndefined()
  })

  it('leaves all or nothing of a batch when a write fails, and goes on when it is called again', async () => {
    const uncut = await open(memoryStore())
    await aged(uncut)
    const wanted = await uncut.acme.maintenance.prune({ olderThan, by: me })
    for (const when of ['before', 'after'] as const) {
      const store = memoryStore()
      const world = await open(store)
      await aged(world)
      const before = await entriesOf(world.acme)
      let fails = true
      const faulty = intercept(store.session(), {
        [when](op: string, [, unit]: readonly unknown[], answer?: { status: string }) {
          if (op !== 'write' || (unit as { purge?: unknown }).purge === undefined || !fails) return
          if (answer?.status === 'conflict') return
          fails = false
          throw storeFailure()
        },
      })
      const { acme } = await open(faulty, { clock: world.clock, work: false })
      await expect(acme.maintenance.prune({ olderThan, by: me })).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
      if (when === 'before') expect(await entriesOf(acme)).toBe(before)
      const again = await acme.maintenance.prune({ olderThan, by: me })
      expect(again.runs).toBe(when === 'before' ? wanted.runs : 0)
      expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
      expect(await entriesOf(acme)).toBe(await entriesOf(uncut.acme))
    }
  })

  it('leaves a run that is reopened while it is about to go', async () => {
    const store = memoryStore()
    const world = await open(store)
    await aged(world)
    let reopened = false
    const racing = intercept(store.session(), {
      async before(op, [, unit]) {
        if (op !== 'write' || (unit as { purge?: unknown }).purge === undefined || reopened) return
        reopened = true
        await world.acme.runs.restart('ada', { by: me, from: 'start' })
      },
    })
    const { acme } = await open(racing, { clock: world.clock, work: false })
    await acme.configure({ first: 'so that this process knows where its stream ends' }, { by: me })
    const report = await acme.maintenance.prune({ olderThan, by: me })
    expect(report.runs).toBe(4) // neither ada nor her child
    await world.conductor.quiet()
    expect(await world.acme.runs.get('ada').status()).toMatchObject({ state: 'completed' })
    expect(await acme.audit.verify()).toMatchObject({ ok: true, faults: [] })
  })

  it('keeps what is younger, what is of another playbook, and refuses what is no time', async () => {
    const world = await open(memoryStore())
    await aged(world)
    const { acme } = world
    expect(await acme.maintenance.prune({ olderThan: '200d', by: me })).toEqual({ runs: 0, entries: 0, kept: {} })
    expect(await acme.maintenance.prune({ olderThan, by: me, playbook: 'loop' })).toMatchObject({ runs: 1 })
    await expect(acme.maintenance.prune({ olderThan: 'long' as never, by: me })).rejects.toMatchObject({
      code: 'DURATION_INVALID',
    })
  })
})
