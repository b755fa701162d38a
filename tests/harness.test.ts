/** The harness: a whole playbook in one test, with its people, its time and its faults. */
import { action, defineConnector, defineEntity, defineEvent, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

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
