/** Outcomes that a person sets: of steps, and of effects that failed or of which nobody knows; all else has its own verb. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineBudget, defineEvent, definePlaybook, policy, type Actor } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }
const go = defineEvent({ name: 'go', schema: z.object({}) })

function mails(how: 'asks' | 'refused' | 'lost') {
  const sent: string[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'lookup' },
    input: z.object({ to: z.string() }),
    output: z.object({ id: z.string() }),
    intent: ({ to }) => ['mail', to],
    classify: () => ({ class: how === 'refused' ? 'final' : 'unknown' }),
    reconcile: async () => ({ state: 'unknown' as const }),
    run: async ({ to }) => {
      sent.push(to)
      if (how !== 'asks') throw new Error('no answer')
      return { output: { id: `sent to ${to}` } }
    },
  })
  const rules = how === 'asks' ? undefined : policy([policy.rule('all', { on: send }, () => policy.allow())])
  return { sent, send, options: rules === undefined ? {} : { policy: rules } }
}

describe('an effect that failed', () => {
  it('has happened as a person says: its code, its ledger, its story and a revert know, and by whom', async () => {
    const { sent, send, options } = mails('refused')
    const work = code(async (ctx) => {
      const { output, setBy } = await ctx.effect(send, { to: 'ada' })
      return { ...output, by: setBy?.id ?? null }
    })
    const keelson = await open(store(), { playbooks: [work], ...options })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    expect(await keelson.runs.get('r').status()).toEqual({ state: 'failed' })
    await keelson.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'by phone' }, by: ann })
    expect(await keelson.runs.get('r').result()).toEqual({ id: 'by phone', by: 'ann' })
    expect((await keelson.inbox.list()).items).toEqual([])
    expect(await keelson.audit.story('r')).toContainEqual(
      expect.stringContaining('Ann set the outcome of "mail.send" by hand: it happened'),
    )
    const { lines } = await keelson.audit.query({ run: 'r' })
    expect(lines).toContainEqual(expect.objectContaining({ what: 'mail.send set by hand as executed', by: ann }))
    expect((await keelson.revert.plan({ run: 'r' })).lines).toMatchObject([
      { what: 'mail.send to: ada (set by hand by Ann)', can: false },
    ])
    expect((await keelson.audit.verify()).ok).toBe(true)
    await keelson.start(work, {}, { id: 'again' })
    expect(await keelson.runs.get('again').result()).toEqual({ id: 'by phone', by: 'ann' })
    expect(sent).toEqual(['ada'])
  })

  it('counts against its budget once it is said to have happened', async () => {
    const { send, options } = mails('refused')
    const mail = defineBudget({ name: 'mail', on: [send], limit: { calls: 5 } })
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const keelson = await open(store(), { playbooks: [work], budgets: [mail], ...options })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const used = async () => (await keelson.budgets.list()).map((one) => one.used.calls)
    expect(await used()).toEqual([0])
    await keelson.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'x' }, by: ann })
    await keelson.quiet()
    expect(await used()).toEqual([1])
  })

  it('is not set to what its action could not answer', async () => {
    const { send, options } = mails('refused')
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const keelson = await open(store(), { playbooks: [work], ...options })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const set = keelson.runs.setOutcome('r', { step: 'mail.send', outcome: 17, by: ann })
    await expect(set).rejects.toMatchObject({ code: 'OUTPUT_INVALID' })
    await keelson.quiet()
    expect(await keelson.runs.get('r').status()).toEqual({ state: 'failed' })
  })
})

describe('an effect of which nobody knows', () => {
  it('has happened as a person says, which answers the question that was open', async () => {
    const { sent, send, options } = mails('lost')
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const t = await testConductor({ playbooks: [work], actions: [send], ...options })
    const run = await t.start(work, {})
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'outcome-unknown' }])
    const wrong = t.keelson.runs.setOutcome(run.id, { step: 'mail.send', outcome: 17, by: ann })
    await expect(wrong).rejects.toMatchObject({ code: 'OUTPUT_INVALID' })
    await t.host((keelson) => keelson.runs.setOutcome(run.id, { step: 'mail.send', outcome: { id: 'seen' }, by: ann }))
    expect(await run.result()).toEqual({ id: 'seen' })
    expect((await t.inbox.list()).items).toEqual([])
    expect(sent).toEqual(['ada'])
    await t.stop()
  })
})

describe('what is no step and has not failed', () => {
  const child = definePlaybook({
    name: 'child',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    run: async (ctx) => (await ctx.waitFor(go), {}),
  })

  it.each([
    ['ask', 'Answer it: inbox.decide'],
    ['go', 'send() ends it'],
    ['child', 'Set the outcome of a step of that run'],
  ])('is refused, and the verb that fits is named: %s', async (kind, hint) => {
    const work = code((ctx) => {
      if (kind === 'ask') return ctx.ask('how many?', { answer: z.number() })
      return kind === 'go' ? ctx.waitFor(go) : ctx.call(child, {})
    })
    const keelson = await open(store(), { playbooks: [work, child] })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const before = await keelson.runs.get('r').status()
    const set = keelson.runs.setOutcome('r', { step: kind, outcome: 5, by: me })
    await expect(set).rejects.toMatchObject({ code: 'NOT_A_STEP', hint: expect.stringContaining(hint) })
    await keelson.quiet()
    expect(await keelson.runs.get('r').status()).toEqual(before)
  })

  it('leaves an approval open that it was aimed at, which then is what counts', async () => {
    const { sent, send } = mails('asks')
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const t = await testConductor({ playbooks: [work], actions: [send] })
    const run = await t.start(work, {})
    const [item] = (await t.inbox.list()).items
    const set = t.keelson.runs.setOutcome(run.id, { step: 'mail.send', outcome: { id: 'by hand' }, by: me })
    await expect(set).rejects.toMatchObject({
      code: 'NOT_A_STEP',
      hint: `Decide on it: inbox.decide('${item!.id}', …).`,
    })
    await t.approve(send)
    expect(await run.result()).toEqual({ id: 'sent to ada' })
    const done = t.keelson.runs.setOutcome(run.id, { step: 'mail.send', outcome: { id: 'other' }, by: me })
    await expect(done).rejects.toMatchObject({ code: 'NOT_A_STEP' })
    expect(sent).toEqual(['ada'])
    await t.stop()
  })

  it('is refused by the run, too, where it changed after the verb was given', async () => {
    const { sent, send, options } = mails('refused')
    const work = code((ctx) => ctx.act(send, { to: 'ada' }))
    const shared = store()
    const keelson = await open(shared, { playbooks: [work], ...options })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    await keelson.stop()
    const paper = await open(shared, { playbooks: [work], actions: [send], ...options, work: false })
    await paper.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'one' }, by: me })
    await paper.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'two' }, by: ann })
    const second = await open(shared, { playbooks: [work], ...options })
    expect(await second.runs.get('r').result()).toEqual({ id: 'one' })
    expect(await second.audit.story('r')).toContainEqual(expect.stringContaining('setOutcome was refused'))
    expect(sent).toEqual(['ada'])
  })
})

describe('an outcome that cannot be stored', () => {
  it('rejects, and throws nothing in the face of its caller', async () => {
    const work = code(async (ctx) => (await ctx.step('a', () => 1), ctx.waitFor(go)))
    const keelson = await open(store(), { playbooks: [work] })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const set = keelson.runs.setOutcome('r', { step: 'a', outcome: Number.NaN, by: me })
    await expect(set).rejects.toMatchObject({ code: 'VALUE_NOT_STORABLE' })
  })
})
