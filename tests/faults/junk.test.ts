/** Junk: what the code of an action says that is none of its words is no proof that nothing happened. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, definePlaybook, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'

/** Pays, and says what a test has it say of that. */
function paying(more: object, says: () => unknown) {
  let paid = 0
  const pay = action({
    ...{ name: 'bank.pay', effect: 'irreversible', idempotency: { by: 'none' } },
    ...{ input: z.object({ to: z.string() }), output: z.object({}), intent: ({ to }: { to: string }) => ['pay', to] },
    run: () => {
      paid++
      throw says()
    },
    ...more,
  } as never)
  const payment = definePlaybook({
    ...{ name: 'payment', version: 1, input: z.object({}), output: z.null() },
    async run(ctx) {
      await ctx.act(pay, { to: 'ada' })
      return null
    },
  })
  const gate = policy([policy.rule('pay', { on: pay }, () => policy.allow())])
  return {
    harness: () => testConductor({ playbooks: [payment], actions: [pay], policy: gate }),
    payment,
    paid: () => paid,
  }
}

const lost = (): unknown => new Error('socket hang up')

describe('a class of failure that there is not', () => {
  it.each<[string, object, () => unknown]>([
    ['of classify', { classify: () => ({ class: 'transient' }) }, lost],
    ['of classify, as a word', { classify: () => 'retry' }, lost],
    ['of classify, as a promise', { classify: async () => ({ class: 'final' }) }, lost],
    ['of an ActionError', {}, () => new ActionError({ class: 'fatal' } as never, 'no')],
    ['of an ActionError, as a word', {}, () => new ActionError('final' as never, 'no')],
    ['of an ActionError without one', {}, () => new ActionError(undefined as never, 'no')],
  ])('%s leaves unknown whether it happened, and it is not done again', async (_, more, says) => {
    const { harness, payment, paid } = paying(more, says)
    const t = await harness()
    await t.start(payment, {}, { id: 'one' })
    await t.start(payment, {}, { id: 'two' })
    await t.advance('1d')
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'outcome-unknown' }])
    expect(paid()).toBe(1)
    await t.stop()
  })

  it.each([Number.NaN, -1, Infinity, '5s'])(
    'that says to come back after %j is tried again by our own delays',
    async (afterMs) => {
      let times = 0
      const says = (): unknown => new ActionError({ class: 'rate-limited', afterMs } as never, `slow down (${++times})`)
      const { harness, payment, paid } = paying({}, says)
      const t = await harness()
      const run = await t.start(payment, {})
      await t.advance('1d')
      await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_FAILED' })
      expect(paid()).toBe(5)
      await t.stop()
    },
  )
})

describe('a look that answers what there is not', () => {
  it.each<[unknown, string]>([
    [{ state: 'pending' }, '"pending"'],
    [{ state: 'not_found' }, '"not_found"'],
    [{}, 'undefined'],
    [undefined, 'undefined'],
    ['not-found', 'undefined'],
  ])('%j has found nothing out: a person is asked, and nothing is sent again', async (found, named) => {
    const { harness, payment, paid } = paying({ idempotency: { by: 'lookup' }, reconcile: () => found }, lost)
    const t = await harness()
    const run = await t.start(payment, {})
    await t.advance('1d')
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'outcome-unknown' })
    expect(await t.keelson.why(run.id)).toContain(`reconcile of bank.pay answered the state ${named}`)
    expect(paid()).toBe(1)
    await t.stop()
  })

  it.each([Number.NaN, -1, Infinity, '5m'])(
    'not-found for %j more counts after the window of its action',
    async (settleMs) => {
      const reconcile = () => ({ state: 'not-found', settleMs })
      const { harness, payment, paid } = paying({ idempotency: { by: 'lookup' }, reconcile, attempts: 2 }, lost)
      const t = await harness()
      await t.start(payment, {})
      await t.advance('59s')
      expect(paid()).toBe(1)
      await t.advance('10m')
      expect(paid()).toBe(2)
      await t.stop()
    },
  )
})

describe('an intent that names nothing', () => {
  it.each<[unknown, string]>([
    [[], 'a list of nothing'],
    ['pay', '"pay"'],
    [{ to: 'ada' }, 'an object'],
    [Promise.resolve(['pay']), 'a promise'],
    [['pay', null], 'null in it'],
    [['pay', undefined], 'undefined in it'],
    [['pay', Number.NaN], 'NaN in it'],
    [['pay', ['ada']], 'a list in it'],
  ])('%j is refused: it would be the same effect, whatever it is about', async (intent, named) => {
    const { harness, payment, paid } = paying({ intent: () => intent }, lost)
    const t = await harness()
    const run = await t.start(payment, {})
    await expect(run.result()).rejects.toMatchObject({
      code: 'ACTION_FAILED',
      message: `intent() of bank.pay answered ${named}`,
      hint: expect.stringContaining("['reminder', input.invoice]") as string,
    })
    expect(paid()).toBe(0)
    await t.stop()
  })

  it('is what its run and its place are, where it says nothing', async () => {
    const { harness, payment, paid } = paying({ intent: () => undefined, classify: () => ({ class: 'final' }) }, lost)
    const t = await harness()
    await t.start(payment, {}, { id: 'one' })
    await t.start(payment, {}, { id: 'two' })
    expect(paid()).toBe(2)
    await t.stop()
  })
})

it.each(['extreme', 3, null, {}, Promise.resolve('low')])(
  'a risk of %j is a high one, unless nothing is said',
  async (risk) => {
    const pay = action({
      ...{
        name: 'bank.pay',
        effect: 'reversible',
        idempotency: { by: 'key' },
        input: z.object({}),
        output: z.object({}),
      },
      ...{ run: () => ({ output: {} }), risk: () => risk },
    } as never)
    const payment = definePlaybook({
      ...{ name: 'payment', version: 1, input: z.object({}), output: z.null() },
      async run(ctx) {
        await ctx.act(pay, {})
        return null
      },
    })
    const t = await testConductor({ playbooks: [payment], actions: [pay] })
    await t.start(payment, {})
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', risk: risk === null ? 'low' : 'high' }])
    await t.stop()
  },
)

describe('what an effect rests on that cannot be read', () => {
  const setUp = () => {
    let sent = 0
    const pay = action({
      ...{ name: 'bank.pay', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({}), output: z.null() },
      fresh: () => {
        throw new Error('the shop is down')
      },
      run: () => {
        sent++
        return { output: null }
      },
    } as never)
    const payment = definePlaybook({
      ...{ name: 'payment', version: 1, input: z.object({}), output: z.null() },
      async run(ctx) {
        await ctx.act(pay, {})
        return null
      },
    })
    return { pay, payment, sent: () => sent }
  }

  it('is not taken for unchanged: who agreed did not know, is told, and decides knowing that', async () => {
    const { pay, payment, sent } = setUp()
    const t = await testConductor({ playbooks: [payment], actions: [pay] })
    const run = await t.start(payment, {})
    await t.approve(pay)
    expect(sent()).toBe(0)
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({
      kind: 'approval',
      changed: [{ label: 'what it rests on', after: 'could not be read: the shop is down' }],
    })
    await t.approve(pay)
    expect(await run.result()).toBeNull()
    expect(sent()).toBe(1)
    await t.stop()
  })

  it('lets nothing go by itself at the end of a hold', async () => {
    const { pay, payment, sent } = setUp()
    const gate = policy([policy.rule('slowly', { on: pay }, () => policy.hold('10m'))])
    const t = await testConductor({ playbooks: [payment], actions: [pay], policy: gate })
    await t.start(payment, {})
    await t.advance('1h')
    expect(sent()).toBe(0)
    expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', changed: [{ label: 'what it rests on' }] }])
    await t.stop()
  })
})
