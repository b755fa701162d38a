/** What the operator corrects twice is put before the operator as a proposal, and measured once it is accepted. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me } from '../support/open.ts'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({}),
  intent: ({ to }) => ['mail', to],
  run: () => ({ output: {} }),
})

const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({}),
  uses: [send],
  async run(ctx, { to }) {
    await ctx.act(send, { to, text: 'Dear Sir' })
    return {}
  },
})

it('proposes a lesson when the same is corrected a second time, and counts repeats after it was accepted', async () => {
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const { memory } = t.keelson
  const corrected = async (to: string, edit?: string): Promise<void> => {
    await t.start(write, { to })
    await t.approve(send, edit === undefined ? {} : { edit: { text: edit } })
  }
  await corrected('a', 'Hello')
  expect(await memory.learned()).toMatchObject([{ action: 'mail.send', what: 'text', status: 'noticed' }])
  expect((await t.inbox.list()).items).toEqual([])
  await corrected('b', 'Hello there')
  await t.settle()
  const [lesson] = await memory.learned()
  expect(lesson).toMatchObject({ status: 'proposed' })
  expect(await memory.facts()).toEqual([])
  await memory.changes.apply(lesson!.changeSet!, { by: me })
  const [preference] = await memory.facts()
  expect(preference).toMatchObject({
    kind: 'preference',
    load: 'always',
    evidence: lesson!.items.map((id) => ({ kind: 'item', id })),
  })
  expect(preference!.text).toContain('Dear Sir → Hello')
  await corrected('c')
  await corrected('d', 'Hi')
  expect(await memory.learned()).toMatchObject([
    { status: 'accepted', decisionsSince: 2, repeatsSince: 1, repeatRate: 0.5 },
  ])
  await t.stop()
})

describe('decisions teach, too,', () => {
  const two = definePlaybook({
    name: 'two',
    version: 1,
    input: z.object({ to: z.array(z.string()) }),
    output: z.object({}),
    uses: [send],
    async run(ctx, { to }) {
      const plan = to.map((one) => ctx.intend(send, { to: one, text: `Dear ${one}` }))
      await ctx.propose('Letters', plan).catch(() => undefined)
      return {}
    },
  })

  const plans = async (decisions: readonly (object | ((ids: string[]) => object))[]) => {
    const t = await testConductor({ playbooks: [two], actions: [send] })
    for (const [i, decision] of decisions.entries()) {
      await t.start(two, { to: [`a${i}`, `b${i}`, `c${i}`] })
      const item = (await t.inbox.list()).items.find((one) => one.kind === 'plan')!
      const said = typeof decision === 'function' ? decision(item.lines.map(({ id }) => id)) : decision
      const { id, hash } = item
      expect(await t.keelson.inbox.decide(id, { hash, by: me, ...said } as never)).toMatchObject({ status: 'done' })
      await t.settle()
    }
    const learned = await t.keelson.memory.learned()
    const rows = (await t.inbox.list()).items.map(({ title }) => title)
    await t.stop()
    return { learned, rows }
  }

  it('of a plan: lines that are edited, and lines that are left out; one decision is one correction', async () => {
    const edit = ([a, b, c]: string[]): object => ({
      edit: { skip: [c!], inputs: { [a!]: { text: 'Hello' }, [b!]: { text: 'Hello' } } },
    })
    const once = await plans([edit])
    expect(once.learned).toMatchObject([
      { action: 'mail.send', status: 'noticed', items: [expect.any(String)] },
      { action: 'mail.send', status: 'noticed', items: [expect.any(String)] },
    ])
    expect(once.learned.map(({ what }) => what).sort()).toEqual(['skip', 'text'])
    const twice = await plans([edit, edit])
    expect(twice.learned.map(({ status }) => status)).toEqual(['proposed', 'proposed'])
    expect(twice.rows).toHaveLength(2)
  })

  it('of a plan: that it is turned down', async () => {
    const { learned } = await plans([{ reject: 'not before May' }, { approve: true }, { reject: 'not before June' }])
    expect(learned).toMatchObject([{ action: 'mail.send', what: 'reject', status: 'proposed' }])
    expect(learned[0]!.items).toHaveLength(2)
  })

  it('of a question of ctx.approve: that it is turned down, by the place in the code which asks', async () => {
    const asks = definePlaybook({
      name: 'asks',
      version: 1,
      input: z.object({ to: z.string() }),
      output: z.object({}),
      async run(ctx, { to }) {
        await ctx.all(
          ['x', 'y'],
          (one) => one,
          (branch, one) => branch.approve(`Call ${to} about ${one}?`),
        )
        return {}
      },
    })
    const t = await testConductor({ playbooks: [asks] })
    await t.start(asks, { to: 'Bob' })
    const items = (await t.inbox.list()).items
    expect(items).toHaveLength(2)
    for (const { id, hash } of items) await t.keelson.inbox.decide(id, { hash, by: me, reject: 'nobody is called' })
    await t.settle()
    const [lesson] = await t.keelson.memory.learned()
    expect(lesson).toMatchObject({ what: 'reject', status: 'proposed' })
    expect(lesson!.action).toMatch(/^asks\..*approve$/)
    await t.keelson.memory.changes.apply(lesson!.changeSet!, { by: me })
    const [rule] = await t.keelson.memory.facts()
    expect(rule).toMatchObject({ kind: 'rule', load: 'always' })
    expect(rule!.text).toContain('Call Bob about x? nobody is called')
    // The decision on the lesson itself taught nothing.
    expect(await t.keelson.memory.learned()).toHaveLength(1)
    await t.stop()
  })
})
