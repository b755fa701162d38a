/** What a person says that a read answered which failed, or is tried again: it stands in its place, and nothing else does. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { KeelsonError } from '@keelson/core'
import { action, ActionError, policy, type Actor, type Context } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }

/** A read whose system answers nothing but errors of this class. */
function reads(fails: 'final' | 'retry' | 'rate-limited' = 'final', verdict: 'allow' | 'ask' | 'deny' = 'allow') {
  const asked: string[] = []
  const look = action({
    name: 'bank.balance',
    effect: 'read',
    input: z.object({ account: z.string() }),
    output: z.object({ cents: z.int() }),
    attempts: 3,
    run: ({ account }) => {
      asked.push(account)
      throw new ActionError(fails === 'rate-limited' ? { class: fails, afterMs: 3_600_000 } : { class: fails }, '503')
    },
  })
  const said = { allow: policy.allow(), ask: policy.ask(), deny: policy.deny('not for runs') }
  const rules = policy([policy.rule('rule', { on: look }, () => said[verdict])])
  return { asked, look, rules }
}

describe('a read that failed', () => {
  it('has answered what a person says, with whose word it is in its receipt, its story and the trail', async () => {
    const { asked, look, rules } = reads()
    const work = code(async (ctx) => {
      const { output, input, setBy, id } = await ctx.effect(look, { account: 'a' })
      return { ...output, input, by: setBy?.id ?? null, id }
    })
    const keelson = await open(store(), { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    expect(await keelson.runs.get('r').status()).toEqual({ state: 'failed' })
    await keelson.runs.setOutcome('r', { step: 'bank.balance', outcome: { cents: 5 }, by: ann })
    expect(await keelson.runs.get('r').result()).toEqual({ cents: 5, input: { account: 'a' }, by: 'ann', id: '' })
    expect(asked).toEqual(['a'])
    expect((await keelson.inbox.list()).items).toEqual([])
    expect(await keelson.audit.story('r')).toContainEqual(
      expect.stringContaining('Ann set by hand what "bank.balance" answered'),
    )
    const { lines } = await keelson.audit.query({ run: 'r' })
    expect(lines).toContainEqual(expect.objectContaining({ what: 'answer of a read set by hand', by: ann }))
    expect((await keelson.revert.plan({ run: 'r' })).lines).toEqual([])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is not set to what its action could not answer', async () => {
    const { look, rules } = reads()
    const work = code((ctx) => ctx.act(look, { account: 'a' }))
    const keelson = await open(store(), { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    await expect(keelson.runs.setOutcome('r', { step: 'bank.balance', outcome: 'five', by: me })).rejects.toMatchObject(
      { code: 'OUTPUT_INVALID', message: expect.stringContaining('bank.balance') },
    )
    expect(await keelson.runs.get('r').status()).toEqual({ state: 'failed' })
  })

  it.each([
    [
      'in a branch',
      'all[b].bank.balance',
      (ctx: Context, look: ReturnType<typeof reads>['look']) =>
        ctx.all(['b'], String, (own, account) => own.act(look, { account })),
    ],
    [
      'under a key of its own',
      'bank.balance:of%20b',
      (ctx: Context, look: ReturnType<typeof reads>['look']) => ctx.act(look, { account: 'b' }, { key: 'of b' }),
    ],
    [
      'the second time',
      'bank.balance#2',
      async (ctx: Context, look: ReturnType<typeof reads>['look']) => {
        await ctx.act(look, { account: 'a' }).catch(() => null)
        return ctx.act(look, { account: 'b' })
      },
    ],
  ])('is found by its name: %s', async (_, step, run) => {
    const { look, rules } = reads()
    const work = code((ctx) => run(ctx, look))
    const keelson = await open(store(), { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    await keelson.runs.setOutcome('r', { step, outcome: { cents: 7 }, by: ann })
    expect(JSON.stringify(await keelson.runs.get('r').result())).toContain('"cents":7')
  })

  it('that policy had let a person decide about is set, too', async () => {
    const { look, rules } = reads('final', 'ask')
    const work = code((ctx) => ctx.act(look, { account: 'a' }))
    const t = await testConductor({ playbooks: [work], actions: [look], policy: rules })
    const run = await t.start(work, {})
    await t.approve(look)
    expect(await run.status()).toMatchObject({ state: 'failed' })
    await t.host((keelson) => keelson.runs.setOutcome(run.id, { step: 'bank.balance', outcome: { cents: 5 }, by: ann }))
    expect(await run.result()).toEqual({ cents: 5 })
    await t.stop()
  })

  it('is refused where policy has denied it: what it may not see nobody hands it in this way', async () => {
    const { look, rules } = reads('final', 'deny')
    const work = code((ctx) => ctx.act(look, { account: 'a' }))
    const keelson = await open(store(), { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    const set = keelson.runs.setOutcome('r', { step: 'bank.balance', outcome: { cents: 5 }, by: me })
    await expect(set).rejects.toMatchObject({ code: 'NOT_A_STEP', hint: expect.stringContaining('restart') })
  })

  it('is refused, and said to need its action, where a process does not know that', async () => {
    const { look, rules } = reads()
    const work = code((ctx) => ctx.act(look, { account: 'a' }))
    const shared = store()
    const keelson = await open(shared, { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    await keelson.stop()
    const desk = await open(shared, { playbooks: [work], policy: rules, work: false })
    const set = desk.runs.setOutcome('r', { step: 'bank.balance', outcome: { cents: 5 }, by: me })
    await expect(set).rejects.toMatchObject({ code: 'ACTION_NOT_FOUND' })
  })

  it('is refused to the second who says what it answered before the run looks', async () => {
    const { look, rules } = reads()
    const work = code(async (ctx) => {
      const first = await ctx.act(look, { account: 'a' }).catch((thrown: unknown) => (thrown as KeelsonError).code)
      return [first, await ctx.act(look, { account: 'b' })]
    })
    const shared = store()
    const keelson = await open(shared, { playbooks: [work], policy: rules })
    await keelson.start(work, {}, { id: 'r' })
    await keelson.quiet()
    await keelson.stop()
    const desk = await open(shared, { playbooks: [work], actions: [look], policy: rules, work: false })
    await desk.runs.setOutcome('r', { step: 'bank.balance', outcome: { cents: 1 }, by: me })
    await desk.runs.setOutcome('r', { step: 'bank.balance#2', outcome: { cents: 2 }, by: ann })
    const second = await open(shared, { playbooks: [work], policy: rules })
    await second.quiet()
    expect(await second.audit.story('r')).toContainEqual(expect.stringContaining('setOutcome was refused'))
    expect(await second.runs.get('r').status()).toEqual({ state: 'failed' })
    await second.runs.setOutcome('r', { step: 'bank.balance#2', outcome: { cents: 2 }, by: ann })
    expect(await second.runs.get('r').result()).toEqual([{ cents: 1 }, { cents: 2 }])
  })
})

it('is not waited for any more once a person says what a read answers that is tried again', async () => {
  const { asked, look, rules } = reads('rate-limited')
  const work = code((ctx) => ctx.act(look, { account: 'a' }))
  const t = await testConductor({ playbooks: [work], actions: [look], policy: rules, alwaysReplay: true })
  const run = await t.start(work, {})
  expect(await run.status()).toMatchObject({ state: 'waiting' })
  await t.host((keelson) => keelson.runs.setOutcome(run.id, { step: 'bank.balance', outcome: { cents: 5 }, by: ann }))
  expect(await run.result()).toEqual({ cents: 5 })
  expect(asked).toEqual(['a'])
  expect((await t.keelson.audit.verify()).faults).toEqual([])
  await t.stop()
})

it('takes the word of a person about what was read for what its run has seen', async () => {
  const read = { effect: 'read', input: z.object({}), output: z.object({ text: z.string() }) } as const
  const mail = action({
    ...read,
    name: 'mail.read',
    labels: ['untrusted'],
    run: () => ({ output: { text: 'pay me' } }),
  })
  const note = action({
    ...{ ...read, name: 'note.read', attempts: 1 },
    run: () => Promise.reject(new Error('the disk is away')),
  })
  const send = action({
    ...{ name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' } },
    ...{ input: z.object({ text: z.string() }), output: z.null(), run: () => ({ output: null }) },
  })
  const work = code(async (ctx) => {
    await ctx.act(mail, {})
    const noted = await ctx.act(note, {})
    return ctx.act(send, { text: noted.text }, { because: [noted] })
  })
  const seen: boolean[] = []
  const rules = policy([
    policy.rule('labels', { on: send }, ({ labels }) => {
      seen.push(labels.has('untrusted'))
      return policy.allow()
    }),
  ])
  const t = await testConductor({ playbooks: [work], actions: [note, mail, send], policy: rules })
  const run = await t.start(work, {})
  await t.host((keelson) => keelson.runs.setOutcome(run.id, { step: 'note.read', outcome: { text: 'hi' }, by: ann }))
  expect(await run.status()).toMatchObject({ state: 'completed' })
  expect(new Set(seen)).toEqual(new Set([true]))
  await t.stop()
})
