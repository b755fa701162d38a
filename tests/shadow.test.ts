/** Runs in shadow: they see what is real, and nothing outside sees them. */
import { action, defineConnector, defineEntity, defineEvent, definePlaybook, policy } from '@keelson/core'
import { billing as bank } from '@keelson/connectors/billing'
import { files } from '@keelson/connectors/files'
import { fake, memoryStore, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))

const charge = action({
  name: 'billing.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.object({ status: z.enum(['paid', 'failed']) }),
  intent: ({ invoice }) => ['charge', invoice],
  material: ['cents'],
  simulate: () => ({ status: 'paid' as const }),
  run: real,
})
const invoice = action({
  name: 'billing.invoice',
  effect: 'read',
  input: z.object({ invoice: z.string() }),
  output: z.object({ open: z.boolean() }),
  simulate: ({ invoice }, { effects, real }) =>
    effects.some((one) => (one.input as { invoice: string }).invoice === invoice) ? { open: false } : real,
  run: real,
})
const billing = defineConnector({ name: 'billing', actions: { charge, invoice } })
const put = action({
  name: 'page.put',
  effect: 'reversible',
  input: z.object({ path: z.string(), text: z.string() }),
  output: z.object({ path: z.string() }),
  preview: ({ path, text }) => ({
    kind: 'fields',
    rows: [
      { label: 'path', after: path },
      { label: 'text', after: text },
    ],
  }),
  run: real,
})
const get = action({
  name: 'page.get',
  effect: 'read',
  input: z.object({ path: z.string() }),
  output: z.object({ path: z.string(), text: z.string() }).nullable(),
  run: real,
})
const page = defineConnector({ name: 'page', actions: { put, get } })
const blind = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string() }),
  output: z.object({ number: z.string() }),
  run: real,
})
const letter = defineConnector({ name: 'letter', actions: { post: blind } })
const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ email: z.string(), stage: z.string() }),
  index: ['email', 'stage'],
})
const paid = defineEvent({ name: 'paid', schema: z.object({ invoice: z.string() }) })

const free = policy([policy.rule('free', { on: [charge, put, blind] }, () => policy.allow())])
const connectors = () => [fake(billing, { 'billing.invoice': () => ({ open: true }) }), fake(page), fake(letter)]

const collect = definePlaybook({
  name: 'collect',
  version: 1,
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.object({ before: z.boolean(), after: z.boolean(), stage: z.string() }),
  async run(ctx, { invoice: id, cents }) {
    const customers = ctx.entities(Customer)
    const before = await ctx.act(invoice, { invoice: id })
    await ctx.act(charge, { invoice: id, cents })
    const after = await ctx.act(invoice, { invoice: id })
    const made = await customers.create({ email: `${id}@x.org`, stage: 'new' })
    await customers.update(made.id, { stage: 'paid' })
    const found = await customers.find({ email: `${id}@x.org` })
    return { before: before.open, after: after.open, stage: found!.data.stage }
  },
})

async function harness(more: Partial<Parameters<typeof testConductor>[0]> = {}): Promise<Harness> {
  return testConductor({ playbooks: [collect], connectors: connectors(), policy: free, ...more })
}

describe('a run in shadow', () => {
  it('simulates its effects, and reads through the same connector and entities see them', async () => {
    const t = await harness()
    const run = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    expect(await run.result()).toEqual({ before: true, after: false, stage: 'paid' })
    expect(t.world(charge)).toEqual([])
    expect(await t.keelson.entities(Customer).find({ email: 'i1@x.org' })).toBeUndefined()
    expect((await t.keelson.audit.verify()).faults).toEqual([])
  })

  it('answers no real intent, and none answers it', async () => {
    const t = await harness()
    await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    const first = await t.start(collect, { invoice: 'i1', cents: 100 })
    expect(await first.result()).toEqual({ before: true, after: true, stage: 'paid' })
    expect(t.world(charge)).toHaveLength(1)
    const later = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    expect((await later.result()).before).toBe(true)
    expect(t.world(charge)).toHaveLength(1)
  })

  it('takes the after-state of the preview where an action has no simulate(), and reads it back', async () => {
    const site = definePlaybook({
      name: 'site',
      version: 1,
      input: z.object({}),
      output: z.string(),
      async run(ctx) {
        const before = await ctx.act(get, { path: '/a' })
        await ctx.act(put, { path: '/a', text: 'hello' })
        return `${before?.text ?? 'nothing'}, ${(await ctx.act(get, { path: '/a' }))?.text}`
      },
    })
    const t = await harness({ playbooks: [site] })
    const run = await t.start(site, {}, { shadow: true })
    expect(await run.result()).toBe('nothing, hello')
    expect(t.world(put)).toEqual([])
  })

  it('fails the step, and says what to do, where an action cannot be simulated', async () => {
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.string(),
      run: async (ctx) => (await ctx.act(blind, { to: 'x' })).number,
    })
    const t = await harness({ playbooks: [write] })
    const run = await t.start(write, {}, { shadow: true })
    await expect(run.result()).rejects.toMatchObject({
      code: 'SIMULATION_FAILED',
      hint: expect.stringContaining('simulate'),
    })
    expect(t.world(blind)).toEqual([])
  })

  it('shows what it would have asked, without a verb that approves', async () => {
    const gate = policy([policy.rule('money', { on: charge }, () => policy.ask({ reason: 'always' }))])
    const t = await harness({ policy: gate })
    const run = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    expect((await run.result()).after).toBe(false)
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([{ kind: 'approval', shadow: true, allows: ['answer', 'dismiss', 'delegate'] }])
    const by = { kind: 'person', id: 'ann' } as const
    const [item] = items
    expect(await t.inbox.decide(item!.id, { hash: item!.hash, by, approve: true })).toMatchObject({ why: 'invalid' })
    expect(await t.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } })).toEqual({ status: 'done' })
    expect(t.world(charge)).toEqual([])
  })

  it('simulates the lines of a plan without waiting for anybody, and sends none', async () => {
    const planned = definePlaybook({
      name: 'planned',
      version: 1,
      input: z.object({}),
      output: z.array(z.string()),
      async run(ctx) {
        const lines = [ctx.intend(charge, { invoice: 'i1', cents: 5 }), ctx.intend(charge, { invoice: 'i2', cents: 7 })]
        const done = await ctx.propose('Charge both', lines, { timeout: '1d' })
        const open = await ctx.act(invoice, { invoice: 'i1' })
        return [...done.lines.map(({ id, state }) => `${id} ${state}`), `open: ${open.open}`]
      },
    })
    const asks = policy([policy.rule('asks', { on: charge }, () => policy.ask())])
    const t = await harness({ playbooks: [planned], policy: asks })
    const run = await t.start(planned, {}, { shadow: true })
    const { items } = await t.inbox.list()
    expect(items.flatMap(({ allows }) => allows)).not.toContain('approve')
    expect(await run.result()).toEqual(['1 done', '2 done', 'open: false'])
    expect(t.world(charge)).toEqual([])
    const diff = await t.keelson.shadow.diff(run.id)
    expect(diff.pairs.map(({ would }) => would)).toEqual([
      { invoice: 'i1', cents: 5 },
      { invoice: 'i2', cents: 7 },
    ])
    expect((await t.keelson.audit.verify()).ok).toBe(true)
  })

  it('is denied what policy denies', async () => {
    const gate = policy([policy.rule('no', { on: charge }, () => policy.deny('never'))])
    const t = await harness({ policy: gate })
    const run = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
  })

  it('hands its mode and its overlay on to the runs that it calls', async () => {
    const parent = definePlaybook({
      name: 'parent',
      version: 1,
      input: z.object({}),
      output: z.string(),
      async run(ctx) {
        const made = await ctx.entities(Customer).create({ email: 'i1@x.org', stage: 'lead' })
        await ctx.call(collect, { invoice: 'i2', cents: 1 })
        const all = await ctx.entities(Customer).find({ email: 'i2@x.org' })
        return `${made.data.stage} ${all?.data.stage} ${(await ctx.act(invoice, { invoice: 'i2' })).open}`
      },
    })
    const t = await harness({ playbooks: [parent, collect] })
    const run = await t.start(parent, {}, { shadow: true })
    expect(await run.result()).toBe('lead paid false')
    expect(t.world(charge)).toEqual([])
    expect(await t.keelson.entities(Customer).find({ email: 'i2@x.org' })).toBeUndefined()
  })

  it('overlays real records: a changed one hides the real one, also under what it no longer is', async () => {
    const close = definePlaybook({
      name: 'close',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.array(z.string()),
      async run(ctx, { id }) {
        const customers = ctx.entities(Customer)
        await customers.update(id, { stage: 'closed' })
        const left = await customers.find({ stage: 'open' })
        const closed = await customers.find({ stage: 'closed' })
        return [left?.data.email ?? '-', closed?.data.email ?? '-', `${(await customers.get(id)).version}`]
      },
    })
    const t = await harness({ playbooks: [close] })
    const made = await t.keelson.entities(Customer).create({ email: 'a', stage: 'open' })
    await t.keelson.entities(Customer).create({ email: 'b', stage: 'open' })
    const run = await t.start(close, { id: made.id }, { shadow: true })
    expect(await run.result()).toEqual(['b', 'a', '2'])
    expect(await t.keelson.entities(Customer).get(made.id)).toMatchObject({ version: 1, data: { stage: 'open' } })
    expect(await t.keelson.entities(Customer).timeline(made.id)).toHaveLength(1)
  })

  it('sees real events and takes none from another, and what it emits stays within it', async () => {
    const wait = definePlaybook({
      name: 'wait',
      version: 1,
      input: z.object({}),
      output: z.string(),
      run: async (ctx) => (await ctx.waitFor(paid)).invoice,
    })
    const say = definePlaybook({
      name: 'say',
      version: 1,
      input: z.object({}),
      output: z.string(),
      async run(ctx) {
        const child = ctx.call(wait, {})
        await ctx.emit(paid, { invoice: 'i9' })
        return `${await child} ${(await ctx.waitFor(paid)).invoice}`
      },
    })
    const t = await harness({ playbooks: [wait, say] })
    const shadow = await t.start(wait, {}, { shadow: true })
    const other = await t.start(wait, {})
    const speaks = await t.start(say, {}, { shadow: true })
    expect(await speaks.result()).toBe('i9 i9')
    expect((await other.status()).state).toBe('waiting')
    await t.send(paid, { invoice: 'i1' })
    expect([await shadow.result(), await other.result()]).toEqual(['i1', 'i1'])
  })

  it('keeps to lanes of its own, and is told apart from a real run of the same id', async () => {
    const slow = definePlaybook({
      name: 'slow',
      version: 1,
      input: z.object({}),
      output: z.string(),
      serialize: () => 'one',
      run: async (ctx) => (await ctx.waitFor(paid)).invoice,
    })
    const t = await harness({ playbooks: [slow] })
    await t.start(slow, {}, { shadow: true, id: 'a' })
    const real = await t.start(slow, {}, { id: 'b' })
    await t.send(paid, { invoice: 'i1' })
    expect(await real.result()).toBe('i1')
    await expect(t.start(slow, {}, { shadow: false, id: 'a' })).rejects.toMatchObject({ code: 'RUN_EXISTS' })
    await t.start(slow, {}, { id: 'a' })
  })
})

const by = { kind: 'person', id: 'ann' } as const

describe('a kept state', () => {
  it('is never that of a run in shadow', async () => {
    const change = definePlaybook({
      name: 'change',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.number(),
      run: async (ctx, { id }) => (await ctx.entities(Customer).update(id, { stage: 'shadow' })).version,
    })
    const store = memoryStore()
    const t = await harness({ playbooks: [change], store })
    const customers = t.keelson.entities(Customer)
    const { id } = await customers.create({ email: 'a', stage: 's1' })
    for (let v = 2; v < 100; v++) await customers.update(id, { stage: `s${v}` })
    const run = await t.start(change, { id }, { shadow: true })
    expect(await run.result()).toBe(100)
    const session = store.session()
    await session.open({ worker: 'looks', now: () => 0 })
    expect(await session.records('default', { kind: 'snapshot', limit: 10 })).toEqual([])
  })
})

describe('what is put in shadow', () => {
  it('is a playbook, from its next start on, and real again when it is taken out', async () => {
    const t = await harness()
    await t.keelson.shadow.on(collect, { by })
    await t.start(collect, { invoice: 'i1', cents: 100 }, { id: 'a' })
    expect(t.world(charge)).toEqual([])
    await t.keelson.shadow.off(collect, { by })
    await t.start(collect, { invoice: 'i1', cents: 100 }, { id: 'b' })
    expect(t.world(charge)).toHaveLength(1)
    await t.start(collect, { invoice: 'i1', cents: 100 }, { id: 'a' })
  })

  it('is one version of a playbook, while the others stay real', async () => {
    const two = definePlaybook({
      name: 'collect',
      version: 2,
      input: z.object({ invoice: z.string(), cents: z.int() }),
      output: z.string(),
      run: async (ctx, input) => (await ctx.act(charge, input)).status,
    })
    const t = await harness({ playbooks: [collect, two] })
    await t.keelson.shadow.on(two, { by, version: 'this' })
    await t.start(two, { invoice: 'i1', cents: 100 })
    expect(t.world(charge)).toEqual([])
    await t.start(collect, { invoice: 'i1', cents: 100 })
    expect(t.world(charge)).toHaveLength(1)
    expect(await t.keelson.shadow.list()).toEqual({ actions: [], playbooks: ['collect@2'] })
  })

  it('is an action, in every run, which goes on for real otherwise', async () => {
    const t = await harness()
    await t.keelson.shadow.on(charge, { by })
    const run = await t.start(collect, { invoice: 'i1', cents: 100 })
    expect(await run.result()).toEqual({ before: true, after: false, stage: 'paid' })
    expect(t.world(charge)).toEqual([])
    expect(await t.keelson.entities(Customer).find({ email: 'i1@x.org' })).toMatchObject({ data: { stage: 'paid' } })
    expect((await t.keelson.audit.verify()).faults).toEqual([])
  })
})

describe('shadow.report', () => {
  const uses = definePlaybook({
    name: 'reminders',
    version: 1,
    input: z.object({ invoice: z.string(), cents: z.int() }),
    output: z.string(),
    uses: [charge],
    run: async (ctx, input) => (await ctx.act(charge, input)).status,
  })

  it('matches what would have been done with what people did, and counts misses and spurious ones', async () => {
    const t = await harness({ playbooks: [uses] })
    for (const [invoice, cents] of Object.entries({ same: 100, other: 200, none: 300 }))
      await t.start(uses, { invoice, cents }, { shadow: true })
    await t.keelson.shadow.observe(charge, { invoice: 'same', cents: 100 }, { id: 'd1', by })
    await t.keelson.shadow.observe(charge, { invoice: 'other', cents: 250 }, { id: 'd2', by })
    await t.keelson.shadow.observe(charge, { invoice: 'forgotten', cents: 1 }, { id: 'd3', by })
    await t.keelson.shadow.observe(charge, { invoice: 'forgotten', cents: 1 }, { id: 'd3', by })
    const early = await t.keelson.shadow.report(uses)
    expect(early).toMatchObject({ runs: 3, effects: 3, agreed: 1, differed: 1, spurious: 0, missed: 0, open: 1 })
    await t.advance('8d')
    const late = await t.keelson.shadow.report(uses)
    expect(late).toMatchObject({ agreed: 1, differed: 1, spurious: 1, missed: 1, open: 0, agreement: { share: 1 / 4 } })
    expect(late.pairs.find((one) => one.outcome === 'differed')!.fields).toContainEqual({
      field: 'cents',
      would: 200,
      did: 250,
      agrees: false,
      material: true,
    })
    expect(late.byAction).toEqual([{ action: 'billing.charge', agreed: 1, decided: 3, missed: 1 }])
  })

  it('counts as missed what was done since an instant, though nothing was proposed at all, or only later', async () => {
    const t = await harness({ playbooks: [uses] })
    const since = new Date(t.clock.now()).toISOString()
    await t.keelson.shadow.observe(charge, { invoice: 'i1', cents: 1 }, { id: 'd1', by })
    await t.advance('8d')
    expect(await t.keelson.shadow.report(uses, { since })).toMatchObject({ effects: 0, missed: 1, runs: 0 })
    await t.start(uses, { invoice: 'i2', cents: 1 }, { shadow: true })
    expect(await t.keelson.shadow.report(uses, { since })).toMatchObject({ effects: 1, missed: 1, open: 1 })
  })

  it('does not count as missed what was proposed shortly before that instant', async () => {
    const t = await harness({ playbooks: [uses] })
    await t.start(uses, { invoice: 'i1', cents: 1 }, { shadow: true })
    await t.advance('1h')
    const since = new Date(t.clock.now()).toISOString()
    await t.keelson.shadow.observe(charge, { invoice: 'i1', cents: 1 }, { id: 'd1', by })
    await t.advance('8d')
    expect(await t.keelson.shadow.report(uses, { since })).toMatchObject({ effects: 0, missed: 0, pairs: [] })
  })

  it('compares with what the stable version did, and forgives what is not material', async () => {
    const t = await harness({ playbooks: [uses] })
    await t.start(uses, { invoice: 'i1', cents: 100 })
    await t.start(uses, { invoice: 'i1', cents: 100 }, { shadow: true })
    const { agreed, pairs } = await t.keelson.shadow.report(uses)
    expect([agreed, pairs[0]!.did!.by]).toEqual([1, 'reminders@1'])
  })

  it('lets a person judge what it cannot compare', async () => {
    const gate = policy([policy.rule('money', { on: charge }, () => policy.ask())])
    const t = await harness({ playbooks: [uses], policy: gate })
    await t.start(uses, { invoice: 'i1', cents: 100 }, { shadow: true })
    const [item] = (await t.inbox.list()).items
    await t.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } })
    expect(await t.keelson.shadow.report(uses)).toMatchObject({ agreed: 1, open: 0, verdicts: { ask: 1 } })
  })

  it('shows one run beside what is, its entities included', async () => {
    const t = await harness()
    const run = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    const { pairs, entities } = await t.keelson.shadow.diff(run.id)
    expect(pairs).toMatchObject([{ step: 'billing.charge', outcome: 'open', would: { invoice: 'i1', cents: 100 } }])
    expect(entities).toMatchObject([{ type: 'customer', now: null, would: { email: 'i1@x.org', stage: 'paid' } }])
  })
})

describe('revert.plan', () => {
  it('finds nothing to take back of a run in shadow', async () => {
    const t = await harness()
    const run = await t.start(collect, { invoice: 'i1', cents: 100 }, { shadow: true })
    expect(await t.keelson.revert.plan({ run: run.id })).toMatchObject({ lines: [] })
    await t.keelson.shadow.on(charge, { by })
    const mixed = await t.start(collect, { invoice: 'i2', cents: 100 })
    const { lines } = (await t.keelson.revert.plan({ run: mixed.id })) as unknown as { lines: { kind: string }[] }
    expect(lines.map((one) => one.kind)).toEqual(['entity'])
  })
})

describe('connectors that come along', () => {
  it('show a run in shadow the file that it would have written, and the invoice that it would have charged for', async () => {
    const office = definePlaybook({
      name: 'office',
      version: 1,
      input: z.object({}),
      output: z.array(z.string()),
      async run(ctx) {
        await ctx.act(files.write, { path: 'a.txt', text: 'hello' })
        const written = await ctx.act(files.read, { path: 'a.txt' })
        await ctx.act(files.remove, { path: 'a.txt' })
        const gone = await ctx.act(files.read, { path: 'a.txt' })
        await ctx.act(bank.charge, { invoiceId: 'i1', amount: { amount: 100, currency: 'EUR' } })
        const { open } = await ctx.act(bank.invoice, { invoiceId: 'i1' })
        return [written?.content ?? '-', gone?.content ?? '-', `${open}`]
      },
    })
    const invoice = () => ({ open: true, amount: { amount: 100, currency: 'EUR' }, email: 'a@x.org' })
    const outside = [fake(files), fake(bank, { 'billing.invoice': invoice })]
    const t = await testConductor({ playbooks: [office], connectors: outside })
    const run = await t.start(office, {}, { shadow: true })
    expect(await run.result()).toEqual(['hello', '-', 'false'])
    expect([t.world(files.write), t.world(bank.charge)]).toEqual([[], []])
  })
})
