/** Programs for the crash matrix: between them, every way in which a run can wait, race, retry and be taken back. */
import {
  action,
  artifactRef,
  defineConnector,
  defineEntity,
  defineEvent,
  definePlaybook,
  lifecycle,
  policy,
} from '@keelson/core'
import { fake, type Harness, type HarnessOptions } from '@keelson/testing'
import { z } from 'zod'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))

const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'lookup' },
  settleWindowMs: 60_000,
  input: z.object({ to: z.email(), subject: z.string(), text: z.string() }),
  output: z.object({ messageId: z.string() }),
  run: real,
  reconcile: real,
})
const email = defineConnector({ name: 'email', actions: { send } })

const Slot = z.object({ start: z.iso.datetime(), end: z.iso.datetime() })
const findTime = action({
  name: 'calendar.findTime',
  effect: 'read',
  input: z.object({ minutes: z.number() }),
  output: Slot.nullable(),
  run: real,
})
const book = action({
  name: 'calendar.book',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: Slot.extend({ title: z.string() }),
  output: z.object({ eventId: z.string() }),
  undo: z.object({ eventId: z.string() }),
  run: real,
  compensate: real,
})
const calendar = defineConnector({ name: 'calendar', actions: { findTime, book } })

const charge = action({
  name: 'billing.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ invoice: z.string(), cents: z.number() }),
  output: z.object({ paid: z.boolean() }),
  intent: ({ invoice }) => ['charge', invoice],
  run: real,
})
const billing = defineConnector({ name: 'billing', actions: { charge } })

const post = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'none' },
  input: z.object({ to: z.string() }),
  output: z.object({ number: z.string() }),
  run: real,
})
const letter = defineConnector({ name: 'letter', actions: { post } })

const slot = { start: '2026-01-06T10:00:00Z', end: '2026-01-06T10:30:00Z' }
const connectors = () => [
  fake(email),
  fake(calendar, { 'calendar.findTime': () => slot }),
  fake(billing, { 'billing.charge': () => ({ paid: true }) }),
  fake(letter),
]
const free = policy.rule('free', { on: [book, charge, post] }, () => policy.allow())

/** A program: what it needs, and what happens to it. */
export interface Program {
  readonly name: string
  readonly harness: () => HarnessOptions
  readonly test: (t: Harness) => Promise<unknown>
  /** Must hold wherever it was cut, beyond that it ends as it does uncut. */
  readonly invariant?: (t: Harness) => Promise<void>
}

/* 1 */

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), email: z.email(), stage: z.enum(['new', 'signed']) }),
  index: ['email'],
})
const signed = defineEvent({ name: 'contract.signed', schema: z.object({ name: z.string() }) })
const onboarding = definePlaybook({
  name: 'onboarding',
  version: 1,
  input: z.object({ name: z.string(), email: z.email() }),
  output: z.object({ signed: z.boolean(), text: z.string() }),
  uses: [email, calendar],
  async run(ctx, { name, email: to }) {
    const customer = await ctx.entities(Customer).create({ name, email: to, stage: 'new' })
    const free = await ctx.act(findTime, { minutes: 30 })
    if (free) await ctx.act(book, { ...free, title: `Kickoff ${name}` })
    await ctx.checkpoint('kickoff-booked')
    const mail = await ctx.effect(
      send,
      { to, subject: 'Welcome', text: 'Hello' },
      { because: [customer, free], revise: (input, no) => ({ ...input, text: no.text ?? no.reason }) },
    )
    const event = await ctx.waitFor(signed, { match: { name }, timeout: '14d' })
    if (event) await ctx.entities(Customer).update(customer.id, { stage: 'signed' }, { expect: customer.version })
    return { signed: event !== undefined, text: mail.input.text }
  },
})
const onboardingProgram: Program = {
  name: 'onboarding',
  harness: () => ({
    playbooks: [onboarding],
    connectors: connectors(),
    policy: policy([free, policy.rule('mail', { on: send }, () => [policy.ask(), policy.hold('10m')])]),
  }),
  async test(t) {
    t.fault(send, 'timeout-after-effect')
    const run = await t.start(onboarding, { name: 'Ada', email: 'ada@example.org' })
    await t.respond(send, 'warmer')
    await t.approve(send)
    await t.advance('10m')
    await t.send(signed, { name: 'Ada' }, { times: 2 })
    return run
  },
}

/* 2 */

const branches = definePlaybook({
  name: 'branches',
  version: 1,
  input: z.object({}),
  output: z.object({ first: z.string(), all: z.array(z.string()) }),
  uses: [billing, letter],
  async run(ctx) {
    const order: string[] = []
    const all = await ctx.all(
      ['a', 'b', 'c'],
      (item) => item,
      async (own, item) => {
        const made = await own.step('make', () => `${item}!`)
        if (item === 'a') await own.act(charge, { invoice: made, cents: 100 })
        if (item === 'b') await own.act(post, { to: made })
        if (item === 'c') await own.sleep('1s')
        order.push(item)
        return made
      },
    )
    await ctx.step('order', () => order.length)
    return { first: order.length === 3 ? 'all' : 'some', all }
  },
})
const branchesProgram: Program = {
  name: 'branches',
  harness: () => ({ playbooks: [branches], connectors: connectors(), policy: policy([free]) }),
  async test(t) {
    const run = await t.start(branches, {})
    await t.advance('1s')
    return run
  },
}

/* 3 */

const bell = defineEvent({ name: 'bell', schema: z.object({ n: z.number() }) })
const timers = definePlaybook({
  name: 'timers',
  version: 1,
  input: z.object({}),
  output: z.object({ winner: z.string(), missed: z.boolean() }),
  uses: [billing],
  async run(ctx) {
    await ctx.sleep('1h')
    const winner = await Promise.race([
      ctx.waitFor(bell, { match: { n: 1 }, timeout: '2h' }).then(() => 'bell'),
      ctx.sleep('1d').then(() => 'day'),
    ])
    const none = await ctx.waitFor(bell, { match: { n: 2 }, timeout: '30m' })
    await ctx.act(charge, { invoice: winner, cents: 1 })
    await ctx.sleep('1h')
    return { winner, missed: none === undefined }
  },
})
const timersProgram: Program = {
  name: 'timers',
  harness: () => ({ playbooks: [timers], connectors: connectors(), policy: policy([free]) }),
  async test(t) {
    const run = await t.start(timers, {})
    await t.advance('90m')
    await t.send(bell, { n: 1 })
    await t.advance('3h')
    return run
  },
}

/* 4 */

const leaf = definePlaybook({
  name: 'leaf',
  version: 1,
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  uses: [billing],
  async run(ctx, { n }) {
    await ctx.act(charge, { invoice: `leaf ${n}`, cents: n })
    await ctx.sleep('1m')
    if (n === 3) throw new Error('three is too many')
    return { n: n * 2 }
  },
})
const branch = definePlaybook({
  name: 'branch',
  version: 1,
  input: z.object({ n: z.number() }),
  output: z.object({ sum: z.number() }),
  async run(ctx, { n }) {
    const one = await ctx.call(leaf, { n })
    return { sum: one.n + (await ctx.step('ten', () => 10)) }
  },
})
const tree = definePlaybook({
  name: 'tree',
  version: 1,
  input: z.object({}),
  output: z.object({ sums: z.array(z.number()), failed: z.string() }),
  async run(ctx) {
    const sums = await ctx.all(
      [1, 2],
      (n) => `n${n}`,
      async (own, n) => (await own.call(branch, { n })).sum,
    )
    const failed = await ctx.call(leaf, { n: 3 }).then(
      () => 'no',
      (error: { code: string }) => error.code,
    )
    return { sums, failed }
  },
})
const treeProgram: Program = {
  name: 'children',
  harness: () => ({ playbooks: [tree, branch, leaf], connectors: connectors(), policy: policy([free]) }),
  async test(t) {
    const run = await t.start(tree, {})
    await t.advance('1m')
    await t.advance('1m')
    return run
  },
}

/* 5 */

const ready = defineEvent({ name: 'goods.ready', schema: z.object({ order: z.string() }) })
const make = definePlaybook({
  name: 'make',
  version: 1,
  input: z.object({ order: z.string() }),
  output: z.object({ tries: z.number() }),
  uses: [billing],
  async run(ctx, { order }) {
    const tries = await ctx.step('make', ({ attempt }) => {
      if (attempt < 3) throw new Error('not yet')
      return attempt
    })
    await ctx.act(charge, { invoice: order, cents: 5 })
    await ctx.emit(ready, { order })
    return { tries }
  },
})
const ship = definePlaybook({
  name: 'ship',
  version: 1,
  input: z.object({ order: z.string() }),
  output: z.object({ asked: z.string() }),
  uses: [letter, billing],
  async run(ctx, { order }) {
    await ctx.waitFor(ready, { match: { order } })
    await ctx.act(charge, { invoice: order, cents: 5 })
    await ctx.act(post, { to: order })
    const answer = await ctx.ask('By air?', { answer: z.object({ how: z.enum(['air', 'sea']) }) })
    return { asked: answer.how }
  },
})
const eventsProgram: Program = {
  name: 'events',
  harness: () => ({ playbooks: [make, ship], connectors: connectors(), policy: policy([free]) }),
  async test(t) {
    t.fault(charge, 'unavailable')
    t.fault(charge, 'timeout-before-effect', { call: 2 })
    const shipping = await t.start(ship, { order: 'o1' })
    await t.start(make, { order: 'o1' })
    await t.advance('1m')
    await t.answer({ how: 'sea' })
    return shipping
  },
}

/* 6 */

const trip = definePlaybook({
  name: 'trip',
  version: 1,
  input: z.object({}),
  output: z.object({ customer: z.string() }),
  uses: [calendar, email],
  async run(ctx) {
    const customer = await ctx.entities(Customer).create({ name: 'Bo', email: 'bo@example.org', stage: 'new' })
    await ctx.act(book, { ...slot, title: 'one' })
    await ctx.entities(Customer).update(customer.id, { stage: 'signed' })
    await ctx.act(book, { ...slot, title: 'two' })
    await ctx.act(send, { to: 'bo@example.org', subject: 'Booked', text: '' })
    return { customer: customer.id }
  },
})
const revertProgram: Program = {
  name: 'revert',
  harness: () => ({
    playbooks: [trip],
    connectors: connectors(),
    policy: policy([free, policy.rule('mail', { on: send }, () => policy.allow())]),
  }),
  async test(t) {
    const run = await t.start(trip, {})
    t.fault(book, 'timeout-before-effect', { call: 3 })
    await run.result().catch(() => {})
    await t.advance('2m')
    const plan = await t.host((keelson) => keelson.revert.plan({ run: run.id }))
    const by = { kind: 'person', id: 'boss' } as const
    const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by }))
    await t.advance('1m')
    const { undone, failed, left } = await t.host((keelson) =>
      keelson.revert.apply(plan, { by }).then((r) => r.result()),
    )
    return { id: id.slice(0, 6), undone: undone.length, failed, left: left.length }
  },
}

/* 7 */

const invoiceFlow = lifecycle({
  states: ['draft', 'sent', 'void'],
  transitions: {
    send: { from: 'draft', to: 'sent' },
    cancel: { from: ['draft', 'sent'], to: 'void', approval: true },
  },
})
const Bill = defineEntity({
  name: 'bill',
  version: 1,
  schema: z.object({
    number: z.string(),
    status: z.enum(['draft', 'sent', 'void']),
    customer: z.string(),
    text: artifactRef(z).optional(),
  }),
  key: (bill) => bill.number,
  links: { customer: Customer },
  lifecycle: { status: invoiceFlow },
})

const bo = { name: 'Bo', email: 'bo@example.org', stage: 'new' as const }

const keepRecords = definePlaybook({
  name: 'keep-records',
  version: 1,
  input: z.object({}),
  output: z.json(),
  async run(ctx) {
    const customers = ctx.entities(Customer)
    const bills = ctx.entities(Bill)
    const one = await customers.create(bo, { refs: { stripe: 'cus_1' }, aliases: ['Bo'] })
    const two = await customers.create({ ...bo, name: 'Bodo' }, { refs: { caldav: 'c1' } })
    const text = await ctx.artifacts.put('Dear Bo', { name: 'letter' })
    const bill = await bills.create({ number: '1', status: 'draft', customer: two.id, text })
    await bills.update(bill.id, { status: 'sent' })
    await customers.merge(one.id, two.id, { take: ['name'] })
    await bills.update(bill.id, { status: 'void' })
    await customers.note(two.id, { what: 'told', artifacts: [text] })
    const later = await ctx.artifacts.put('Dear Bo\nNo longer due.')
    const { added } = await ctx.artifacts.diff(text, later)
    const filled = await ctx.templates.fill('notice', { name: 'Bo' })
    const listed = await bills.list({ where: { customer: one.id } })
    const lines = (await customers.timeline(one.id)).length
    const held = await customers.byRef('caldav', 'c1')
    return [
      filled.text,
      filled.version,
      listed.entities.length,
      added,
      lines,
      held?.version ?? 0,
      held?.data.name ?? '',
    ]
  },
})
const recordsProgram: Program = {
  name: 'records',
  harness: () => ({ playbooks: [keepRecords], connectors: connectors(), policy: policy([free]) }),
  async test(t) {
    const by = { kind: 'person', id: 'boss' } as const
    await t.host((keelson) => keelson.templates.put('notice', 'Hello {{name}}', { by }))
    await t.host((keelson) => keelson.templates.put('notice', 'Dear {{ name }}', { by }))
    const run = await t.start(keepRecords, {})
    await t.decide({ kind: 'question', title: /are they one/ }, { approve: true })
    await t.decide({ kind: 'question', title: /may it cancel/ }, { approve: true })
    return run
  },
}

export const programs: readonly Program[] = [
  onboardingProgram,
  branchesProgram,
  timersProgram,
  treeProgram,
  eventsProgram,
  revertProgram,
  recordsProgram,
]
