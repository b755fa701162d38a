/** Audit: who did what, found by actor, entity, action, run and time; why a field holds its value; anchors on a schedule. */
import { generateKeyPairSync } from 'node:crypto'
import {
  action,
  createConductor,
  defineConnector,
  defineEntity,
  definePlaybook,
  policy,
  signerFromPem,
  type Actor,
  type Anchor,
  type AuditQuery,
} from '@keelson/core'
import { fake, manualClock, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), iban: z.string().optional(), stage: z.string() }),
  index: ['name'],
})
const look = action({
  name: 'bank.look',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: z.object({ name: z.string() }),
  output: z.object({ iban: z.string() }),
  undo: z.null(),
  run: () => Promise.reject(new Error('a real bank')),
  compensate: () => Promise.reject(new Error('a real bank')),
})
const bank = defineConnector({ name: 'bank', actions: { look } })
const welcome = definePlaybook({
  name: 'welcome',
  version: 1,
  input: z.object({ name: z.string() }),
  output: z.string(),
  uses: [bank],
  async run(ctx, { name }) {
    const customer = await ctx.entities(Customer).create({ name, stage: 'new' })
    const { iban } = await ctx.act(look, { name }, { because: [customer] })
    await ctx.entities(Customer).update(customer.id, { iban, stage: 'known' })
    return customer.id
  },
})
const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }
const ben: Actor = { kind: 'person', id: 'ben' }

async function company(): Promise<Harness> {
  return testConductor({
    playbooks: [welcome],
    connectors: [fake(bank, { 'bank.look': ({ name }: { name: string }) => ({ iban: `DE-${name}` }) })],
    policy: policy([policy.rule('bank', { on: look }, () => policy.ask())]),
  })
}

/** One customer, welcomed by Ann's run, agreed to by Ben. */
async function welcomed(t: Harness, name: string): Promise<string> {
  const run = await t.start(welcome, { name }, { id: `welcome:${name}`, by: ann })
  await t.approve(look, { by: ben })
  return run.result()
}

async function said(t: Harness, query: AuditQuery): Promise<string[]> {
  const { lines } = await t.keelson.audit.query({ order: 'oldest', ...query })
  return lines.map(({ what, by }) => `${by.name ?? by.id}: ${what}`)
}

/** What happened within one millisecond in several streams comes in order of their names. */
async function saidSorted(t: Harness, query: AuditQuery): Promise<string[]> {
  return (await said(t, query)).sort()
}

describe('audit.query', () => {
  it('tells who did what, and leaves out what was merely computed', async () => {
    const t = await company()
    await welcomed(t, 'ada')
    expect(await saidSorted(t, {})).toEqual([
      'Ann: run of welcome@1 started',
      'ben: approval bank.look answered: approve',
      'welcome: bank.look executed',
      'welcome: customer created',
      'welcome: customer updated',
    ])
  })

  it('narrows by actor, entity, action, run and time, and by several at once', async () => {
    const t = await company()
    const ada = await welcomed(t, 'ada')
    await t.advance('1d')
    const between = new Date(t.clock.now()).toISOString()
    await t.advance('1d')
    await welcomed(t, 'ben')
    await t.keelson.entities(Customer, { by: ann }).update(ada, { stage: 'friend' })
    expect(await said(t, { actor: ann })).toEqual([
      'Ann: run of welcome@1 started',
      'Ann: run of welcome@1 started',
      'Ann: customer updated',
    ])
    expect(await saidSorted(t, { entity: { type: Customer, id: ada } })).toEqual([
      'Ann: customer updated',
      'welcome: bank.look executed',
      'welcome: customer created',
      'welcome: customer updated',
    ])
    expect(await saidSorted(t, { action: look, to: between })).toEqual([
      'ben: approval bank.look answered: approve',
      'welcome: bank.look executed',
    ])
    expect(await said(t, { run: 'welcome:ben', action: look, actor: ben })).toEqual([
      'ben: approval bank.look answered: approve',
    ])
    expect(await said(t, { entity: { type: 'customer', id: ada }, from: between })).toEqual(['Ann: customer updated'])
    expect(await said(t, { actor: { kind: 'person', id: 'nobody' } })).toEqual([])
  })

  it.each(['newest', 'oldest'] as const)('pages through all lines, each once, %s first', async (order) => {
    const t = await company()
    for (const name of ['ada', 'ben', 'cleo', 'dora']) await welcomed(t, name)
    const ids: string[] = []
    for (let after: string | undefined; ;) {
      const page = await t.keelson.audit.query({ order, limit: 3, ...(after === undefined ? {} : { after }) })
      ids.push(...page.lines.map(({ id }) => id))
      if (page.next === undefined) break
      after = page.next
    }
    expect(ids).toHaveLength(20)
    expect(new Set(ids).size).toBe(20)
  })

  it('refuses an instant or a place that is none', async () => {
    const t = await company()
    await expect(t.keelson.audit.query({ from: 'yesterday' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(t.keelson.audit.query({ after: 'x' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('has a line for a person who freezes, configures, cancels; and one start for two requests', async () => {
    const t = await company()
    await t.start(welcome, { name: 'ada' }, { id: 'twice', by: ann })
    await t.host((keelson) => keelson.start(welcome, { name: 'ada' }, { id: 'twice', by: ann }))
    await t.host((keelson) => keelson.freeze({ by: ann, reason: 'a test' }))
    await t.host((keelson) => keelson.thaw({ by: ben }))
    await t.host((keelson) => keelson.configure({ tone: 'warm' }, { by: ann }))
    await t.host((keelson) => keelson.runs.cancel('twice', { by: ben, reason: 'enough' }))
    expect(await said(t, { actor: ann })).toEqual([
      'Ann: run of welcome@1 started',
      'Ann: workspace frozen',
      'Ann: workspace configured',
    ])
    expect(await saidSorted(t, { actor: ben })).toEqual(['ben: run cancelling', 'ben: workspace thawed'])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
  })
})

describe('audit.why', () => {
  it('leads from a value to event, run, step, source and approval', async () => {
    const t = await company()
    const ada = await welcomed(t, 'ada')
    const story = await t.keelson.audit.why(Customer, ada, 'iban')
    expect(story).toMatchObject({
      value: 'DE-ada',
      version: 2,
      what: 'customer updated',
      by: { kind: 'system', id: 'welcome' },
      run: 'welcome:ada',
      step: 'customer.update',
      entry: { stream: 'run:welcome:ada:0' },
      sources: [{ kind: 'effect', key: 'bank.look' }],
      approvals: [{ by: ben, decision: { approve: true } }],
    })
    expect(story.text).toMatch(
      /^iban is "DE-ada" since version 2 of .+ by welcome in run welcome:ada, step "customer.update"; it came from effect "bank.look"; ben agreed at /,
    )
    expect((await t.keelson.audit.why(Customer, ada, 'name')).sources).toEqual([{ kind: 'input', key: '' }])
  })

  it('names the person who edited it, and passes over a write that repeated the value', async () => {
    const t = await company()
    const ada = await welcomed(t, 'ada')
    const customers = t.keelson.entities(Customer, { by: ann })
    await customers.update(ada, { stage: 'friend' })
    await t.keelson.entities(Customer, { by: ben }).update(ada, { stage: 'friend', name: 'Ada' })
    expect(await t.keelson.audit.why(Customer, ada, 'stage')).toMatchObject({ version: 3, by: ann, sources: [] })
    await expect(t.keelson.audit.why(Customer, 'customer_none', 'stage')).rejects.toMatchObject({
      code: 'ENTITY_NOT_FOUND',
    })
  })
})

describe('anchors on a schedule', () => {
  it('are made at once and whenever the time is over, of every workspace in which something happened', async () => {
    const clock = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const { privateKey } = generateKeyPairSync('ed25519')
    const signer = signerFromPem(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
    const made: Anchor[] = []
    let broken = false
    const failures: string[] = []
    const keelson = await createConductor({
      store: memoryStore(),
      playbooks: [welcome],
      clock,
      keepAlive: false,
      log: { info() {}, warn() {}, error() {} },
      anchors: {
        signer,
        every: '1h',
        sink(anchor) {
          if (broken) throw new Error('unreachable')
          made.push(anchor)
        },
      },
    })
    keelson.on('anchor.failed', ({ workspace }) => failures.push(workspace))
    const told = (): string[] => made.map(({ workspace, number }) => `${workspace} ${number}`)
    for (const id of ['acme', 'beta']) await keelson.workspace(id).configure({ tone: id }, { by: ann })
    clock.to(clock.now() + 3_600_000)
    await expect.poll(told).toEqual(['acme 1', 'beta 1'])
    await keelson.workspace('beta').configure({ tone: 'warm' }, { by: ann })
    broken = true
    clock.to(clock.now() + 3_600_000)
    await expect.poll(() => failures).toEqual(['beta'])
    broken = false
    clock.to(clock.now() + 3_600_000)
    await expect.poll(told).toEqual(['acme 1', 'beta 1', 'beta 2'])
    await keelson.stop()
  })
})
