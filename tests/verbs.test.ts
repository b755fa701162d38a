/** Verbs of a company, given what makes no sense: refused with a code before anything is recorded. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineBudget, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code } from './support/open.ts'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run: () => ({ output: {} }),
})
const work = code((ctx) => ctx.act(send, { to: 'ada' }))
const calls = defineBudget({ name: 'calls', limit: { calls: 5 } })

describe('who does something', () => {
  it.each([
    undefined,
    {},
    'ann',
    { id: 'ann' },
    { kind: 'person' },
    { kind: 'person', id: '' },
    { kind: 'robot', id: 'r' },
  ])('is named, and of a kind that there is: not %j', async (who) => {
    const hold = policy([policy.rule('mail', { on: send }, () => policy.hold('1h'))])
    const t = await testConductor({ playbooks: [work], actions: [send], policy: hold, budgets: [calls] })
    await t.start(work, {})
    const { id, hash } = (await t.inbox.list()).items[0]!
    const by = who as never
    const { keelson, inbox } = t
    const before = (await keelson.audit.query({})).lines.length
    const grant = { action: send, where: {}, cap: { count: 1 }, until: '2027-01-01', by }
    const verbs: (() => Promise<unknown>)[] = [
      () => keelson.freeze({ by, reason: 'x' }),
      () => keelson.thaw({ by }),
      () => keelson.adopt({ by }),
      () => keelson.suspend({ by, reason: 'x' }),
      () => keelson.resume({ by }),
      () => inbox.opened(id, { by }),
      () => keelson.grants.create(grant),
      () => keelson.grants.revoke('g', { by }),
      () => keelson.budgets.raise('b', { calls: 1, by }),
      () => keelson.trust.set(send, 'veto', { by }),
      () => keelson.shadow.on(send, { by }),
      () => keelson.shadow.observe(send, { to: 'ada' }, { id: 'd', by }),
    ]
    for (const verb of verbs) await expect(verb(), verb.toString()).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    for (const said of [{ approve: true }, { reject: 'no' }] as const)
      expect(await inbox.decide(id, { hash, by, ...said })).toMatchObject({ status: 'refused', why: 'forbidden' })
    expect(await inbox.delegate(id, { by, to: { kind: 'person', id: 'bob' } })).toMatchObject({ why: 'forbidden' })
    expect((await keelson.audit.query({})).lines).toHaveLength(before)
    await t.stop()
  })
})

describe('what is said', () => {
  it('is no money of no currency, and no instant of no time', async () => {
    const t = await testConductor({ playbooks: [work], actions: [send] })
    const by = { kind: 'person', id: 'ann' } as const
    const cap = { amount: { amount: 5, currency: 'euro' } }
    const made = t.keelson.grants.create({ action: send, where: {}, cap, until: '2027-01-01', by })
    await expect(made).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const report = t.keelson.shadow.report(work, { since: 'yesterday' })
    await expect(report).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await t.stop()
  })
})
