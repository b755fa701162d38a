/** The harness: a whole playbook in one test, with its people, its time and its faults. */
import {
  action,
  createConductor,
  defineConnector,
  defineEntity,
  defineEvent,
  definePlaybook,
  policy,
} from '@keelson/core'
import { exploreCrashes, fake, memoryStore, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import '@keelson/testing/vitest'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code } from './support/open.ts'

const Mail = z.object({ to: z.email(), subject: z.string(), text: z.string() })
const email = defineConnector({
  name: 'email',
  actions: {
    send: action({
      name: 'email.send',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      input: Mail,
      output: z.object({ messageId: z.string() }),
      settleWindowMs: 60_000,
      run: () => Promise.reject(new Error('a real mail')),
      reconcile: () => Promise.reject(new Error('a real look')),
    }),
  },
})
const Slot = z.object({ start: z.iso.datetime(), end: z.iso.datetime() })
const calendar = defineConnector({
  name: 'calendar',
  actions: {
    findTime: action({
      name: 'calendar.findTime',
      effect: 'read',
      input: z.object({ minutes: z.number() }),
      output: Slot.nullable(),
      run: () => Promise.reject(new Error('a real calendar')),
    }),
    book: action({
      name: 'calendar.book',
      effect: 'reversible',
      idempotency: { by: 'id' },
      input: Slot.extend({ title: z.string() }),
      output: z.object({ eventId: z.string() }),
      undo: z.object({ eventId: z.string() }),
      run: () => Promise.reject(new Error('a real booking')),
      compensate: () => Promise.reject(new Error('a real removal')),
    }),
  },
})
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
  output: z.object({ signed: z.boolean(), subject: z.string() }),
  uses: [email, calendar],
  async run(ctx, { name, email: to }) {
    const customer = await ctx.entities(Customer).create({ name, email: to, stage: 'new' })
    const slot = await ctx.act(calendar.findTime, { minutes: 30 })
    if (slot) await ctx.act(calendar.book, { ...slot, title: `Kickoff ${name}` })
    const mail = await ctx.effect(
      email.send,
      { to, subject: 'Welcome', text: 'Hello' },
      { because: [customer], revise: (input, no) => ({ ...input, text: no.text ?? no.reason }) },
    )
    const event = await ctx.waitFor(signed, { match: { name }, timeout: '14d' })
    if (event) await ctx.entities(Customer).update(customer.id, { stage: 'signed' }, { expect: customer.version })
    return { signed: event !== undefined, subject: mail.input.subject }
  },
})
const gate = policy([
  policy.rule('mail', { on: email.send }, () => policy.ask()),
  policy.rule('booking', { on: calendar.book }, () => policy.allow()),
])
const slot = { start: '2026-01-06T10:00:00Z', end: '2026-01-06T10:30:00Z' }
const ada = { name: 'Ada', email: 'ada@example.org' }

function begin(more: Partial<HarnessOptions> = {}): Promise<Harness> {
  const connectors = [fake(email), fake(calendar, { 'calendar.findTime': () => slot })]
  return testConductor({ playbooks: [onboarding], connectors, policy: gate, ...more })
}

describe.each([false, true])('a harness (alwaysReplay: %s)', (alwaysReplay) => {
  it('brings a playbook through its people, its faults and its time', async () => {
    const t = await begin({ alwaysReplay })
    t.fault(email.send, 'timeout-after-effect')
    const run = await t.start(onboarding, ada)
    await t.reject(email.send, 'warmer')
    await t.approve(email.send, { edit: { subject: 'Hi' } })
    await t.send(signed, { name: 'Ada' })
    await t.advance('14d')
    expect(await run.result()).toEqual({ signed: true, subject: 'Hi' })
    expect(t.world(email.send)).toMatchObject([{ input: { to: ada.email, subject: 'Hi', text: 'warmer' }, times: 1 }])
    expect(t.world(calendar.book)).toMatchObject([{ input: { title: 'Kickoff Ada' }, times: 1 }])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('sends once after all where the first try never arrived', async () => {
    const t = await begin({ alwaysReplay })
    t.fault(email.send, 'timeout-before-effect')
    const run = await t.start(onboarding, ada)
    await t.approve(email.send)
    expect(t.world(email.send)).toEqual([])
    await t.advance('2m')
    expect(t.world(email.send)).toMatchObject([{ times: 1 }])
    await t.advance('14d')
    expect(await run.result()).toEqual({ signed: false, subject: 'Welcome' })
  })
})

describe('a test that waits', () => {
  it('fails at once, and says what the run waits for', async () => {
    const t = await begin()
    const run = await t.start(onboarding, ada)
    await expect(run.result()).rejects.toMatchObject({
      code: 'RUN_WAITING',
      message: expect.stringMatching(/approval/),
    })
    await expect(t.approve(calendar.book)).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND' })
    await expect(run).toBeWaitingFor('approval')
  })
})

describe('a crash', () => {
  it('leaves the outside as it was, and another conductor goes on', async () => {
    const t = await begin()
    const run = await t.start(onboarding, ada)
    const before = t.keelson
    await t.crash()
    expect(t.keelson).not.toBe(before)
    await t.approve(email.send)
    await t.advance('14d')
    expect(await run.result()).toMatchObject({ signed: false })
    expect(t.world(email.send)).toHaveExecutedOnce({ to: ada.email })
    await expect(t).toVerify()
  })
})

describe('latency', () => {
  it('passes on the clock of the test, up to the time limit of the action', async () => {
    const t = await begin()
    t.latency(calendar.findTime, '10s')
    await t.start(onboarding, ada)
    expect(t.clock.now()).toBe(Date.parse('2026-01-05T09:00:10Z'))
    expect(t.world(calendar.book)).toHaveExecutedOnce()
  })
})

describe('exploreCrashes', () => {
  it('finds the playbooks that a test starts, and fakes what they use', async () => {
    const explored = await exploreCrashes((t) => t.start(onboarding, ada), { depth: 2, limit: 30 })
    expect(explored).toHaveExplored({ min: 30, sometimes: ['crash before commit'] })
  })

  it('prints the schedule that breaks an invariant, and reproduces it', async () => {
    const harness = (): HarnessOptions => ({
      playbooks: [onboarding],
      connectors: [fake(email), fake(calendar)],
      policy: gate,
    })
    const test = (t: Harness): Promise<unknown> => t.start(onboarding, ada)
    const invariant = (t: Harness): void => {
      if (t.log.some((line) => /the store failed/.test(line.message))) throw new Error('the store may not fail')
    }
    const failed = await exploreCrashes(test, { harness, invariant }).catch((error: Error) => error.message)
    const [, only] = /only: '([\d,]+)'/.exec(failed as string) ?? []
    expect(failed).toMatch(/the store may not fail/)
    await expect(exploreCrashes(test, { harness, invariant, only: only! })).rejects.toThrow(/the store may not fail/)
  })
})

describe('a host that calls past the harness', () => {
  it('is told so when its conductor dies under it, and goes on through host', async () => {
    const Person = defineEntity({ name: 'person', version: 1, schema: z.object({ name: z.string() }) })
    const harness = (): HarnessOptions => ({ playbooks: [], entities: [Person] })
    const past = exploreCrashes((t) => t.keelson.entities(Person).create({ name: 'Ada' }), { harness, limit: 4 })
    await expect(past).rejects.toMatchObject({ code: 'RUN_WAITING', hint: expect.stringContaining('t.host') })
    const through = (t: Harness) => t.host((keelson) => keelson.entities(Person).list())
    await expect(exploreCrashes(through, { harness })).resolves.toMatchObject({ schedules: expect.any(Number) })
  })
})

describe('what a developer is told', () => {
  it('names what to do about a failed run, and only answers that an item allows', async () => {
    const broken = definePlaybook({
      name: 'broken',
      version: 1,
      input: z.object({}),
      output: z.object({}),
      run: async (ctx) => {
        await ctx.ask('Which?', { answer: z.object({ which: z.string() }) })
        throw new Error('no')
      },
    })
    const t = await testConductor({ playbooks: [broken] })
    await t.start(broken, {})
    await t.answer({ which: 'this' })
    const hints = t.log.map(({ fields }) => (fields as { hint?: string }).hint ?? '')
    expect(hints.some((hint) => hint.includes('answer: …'))).toBe(true)
    expect(hints.find((hint) => hint.includes('retry: true'))).toMatch(/^Retry a step/)
    await t.stop()
  })

  it('names connect where a connector was passed without it', async () => {
    const connectors = [email as never]
    await expect(createConductor({ store: memoryStore(), playbooks: [], connectors })).rejects.toMatchObject({
      code: 'DEFINITION_INVALID',
      hint: 'Pass email.connect() in connectors.',
    })
  })
})

describe('a run that waits', () => {
  const go = defineEvent({ name: 'go', schema: z.object({}) })
  const waits = code(async (ctx) => (await ctx.waitFor(go), 'went'), { name: 'waits' })
  const refused = { code: 'RUN_WAITING', message: expect.stringContaining('for event go; send() ends it') as string }
  const ways: readonly (readonly [string, (t: Harness) => Promise<unknown>])[] = [
    ['t.keelson.start', async (t) => (await t.keelson.start(waits, {}, { id: 'r' })).result()],
    ['t.keelson.runs.get', async (t) => (await t.start(waits, {}, { id: 'r' }), t.keelson.runs.get('r').result())],
    ['a workspace', async (t) => (await t.keelson.workspace('b').start(waits, {}, { id: 'r' })).result()],
    [
      'a workspace that was made',
      async (t) => {
        const made = await t.keelson.workspaces.create('c', { by: { kind: 'person', id: 'ann' } })
        await made.start(waits, {}, { id: 'r' })
        return made.runs.get('r').result()
      },
    ],
    ['t.host', (t) => t.host(async (keelson) => (await keelson.start(waits, {}, { id: 'r' })).result())],
  ]

  it.each(ways)('fails at once with why: %s', async (_, way) => {
    const t = await testConductor({ playbooks: [waits] })
    await expect(way(t)).rejects.toMatchObject(refused)
    await t.stop()
  })

  it('is waited for where the test says how long, and answers once it has ended', async () => {
    const t = await testConductor({ playbooks: [waits] })
    const run = await t.keelson.start(waits, {}, { id: 'r' })
    const patient = run.result({ timeout: '1d' })
    await t.send(go, {})
    expect(await patient).toBe('went')
    expect(await run.result()).toBe('went')
    await t.stop()
  })
})
