/** Policy of taking back: tried on a table as a revert is judged. */
import { action, definePlaybook, policy, type Actor, type PolicyGate, type RevertResult } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const ann: Actor = { kind: 'person', id: 'ann' }
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: () => ({ output: null }),
})

describe('policy.test of taking back', () => {
  const put = action({
    name: 'site.put',
    effect: 'reversible',
    idempotency: { by: 'id' },
    input: z.object({ slug: z.string() }),
    output: z.null(),
    run: () => ({ output: null }),
    compensate: () => {},
  })
  const doing = policy.rule('doing', { on: put }, () => policy.deny('nothing more is put'))
  const legal = policy.rule('legal stays', { on: put, undo: true }, ({ input }) =>
    input.slug === 'legal' ? policy.deny('it is kept') : input.slug === 'news' ? policy.ask() : policy.hold('1h'),
  )
  const drafts = policy.rule('drafts go', { on: put, undo: true }, () => policy.allow())

  it('asks the rules that speak of taking back, and no others', () => {
    const table = [
      { action: put, input: { slug: 'legal' }, undo: true, expect: { verdict: 'deny', reason: 'legal stays' } },
      { action: put, input: { slug: 'news' }, undo: true, expect: 'ask' },
      { action: put, input: { slug: 'a' }, undo: true, expect: { verdict: 'hold', hold: '1h' } },
      { action: put, input: { slug: 'a' }, expect: { verdict: 'deny', reason: 'nothing more' } },
    ] as const
    expect(policy.test(policy([doing, legal]), table)).toEqual({ rows: 4 })
    const free = (reason: string) =>
      [{ action: put, input: { slug: 'a' }, undo: true, expect: { verdict: 'allow', reason } }] as const
    expect(policy.test(policy([doing]), free('revert'))).toEqual({ rows: 1 })
    expect(policy.test(policy([doing, drafts]), free('drafts go'))).toEqual({ rows: 1 })
  })

  it('says what a revert does', async () => {
    const puts = definePlaybook({
      name: 'puts',
      version: 1,
      input: z.object({ slug: z.string() }),
      output: z.null(),
      run: (ctx, input) => ctx.act(put, input),
    })
    const free = policy.rule('free', { on: put }, () => policy.allow())
    const done = async (rules: PolicyGate, slug: string): Promise<string> => {
      const t = await testConductor({ playbooks: [puts], actions: [put], policy: rules })
      const { id: run } = await t.start(puts, { slug })
      const { id } = await t.host(async (k) => k.revert.apply(await k.revert.plan({ run }), { by: ann }))
      const [item] = (await t.inbox.list({ run: id })).items
      if (item?.kind === 'approval') return item.dueAt === undefined ? 'ask' : 'hold'
      const { undone } = (await t.keelson.runs.get(id).result()) as RevertResult
      return undone.length === 1 ? 'allow' : 'deny'
    }
    const all: string[] = []
    for (const rules of [policy([free, legal]), policy([free])])
      for (const slug of ['legal', 'news', 'other']) {
        const expect = (await done(rules, slug)) as 'allow'
        all.push(expect)
        policy.test(rules, [{ action: put, input: { slug }, undo: true, expect }])
      }
    expect(all).toEqual(['deny', 'ask', 'hold', 'allow', 'allow', 'allow'])
  })

  it('refuses what could not be taken back, and labels, which no undo has', () => {
    const rows = [
      { action: send, input: { to: 'a' }, undo: true, expect: 'allow' },
      { action: put, input: { slug: 'a' }, undo: true, labels: ['private'] as never, expect: 'allow' },
    ] as const
    const trying = (): unknown => policy.test(policy([legal]), rows)
    expect(trying).toThrow(/1\. taking back mail\.send[^]*has no compensate/)
    expect(trying).toThrow(/2\. taking back site\.put[^]*no labels count/)
  })
})
