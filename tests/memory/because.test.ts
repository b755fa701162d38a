/** A memory that an effect rests on: shown as what it is, with its own trust and its own labels, and erased like any other. */
import { policy, type Context, type InboxItem, type NewMemory } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { crm, letter, send } from '../support/labelled.ts'
import { code } from '../support/open.ts'

const ann = { kind: 'person', id: 'ann', name: 'Ann' } as const
const asks = policy([policy.rule('asks', { on: send }, () => policy.ask())])
const free = policy([policy.rule('free', { on: send }, () => policy.allow())])

type Playing = (ctx: Context) => Promise<unknown>

/** What is remembered first, and a run after that; answers the harness and what is asked. */
async function playing(
  run: Playing,
  {
    remembered = [],
    by = ann,
    rules = asks,
  }: {
    remembered?: NewMemory[]
    by?: { kind: 'person' | 'agent' | 'system'; id: string; name?: string }
    rules?: typeof asks
  } = {},
): Promise<{ t: Harness; ids: string[]; item: InboxItem | undefined }> {
  const work = code(run)
  const t = await testConductor({ playbooks: [work], actions: [letter, crm, send], policy: rules, alwaysReplay: true })
  const ids = (await t.keelson.memory.remember(remembered, { by })).map(({ id }) => id)
  await t.start(work, {}, { id: 'r' })
  const { items } = await t.inbox.list()
  return { t, ids, item: items.at(-1) }
}

const rule: NewMemory = { kind: 'rule', text: 'Acme wants its invoices on the first of the month' }

describe('a memory that an effect rests on', () => {
  it.each<[string, Playing]>([
    ['facts', async (ctx) => ctx.act(send, { body: 'x' }, { because: await ctx.memory.facts() })],
    ['recall', async (ctx) => ctx.act(send, { body: 'x' }, { because: await ctx.memory.recall('invoices of acme') })],
    [
      'recall, unwrapped',
      async (ctx) =>
        ctx.act(send, { body: 'x' }, { because: [(await ctx.memory.recall('invoices of acme'))[0]!.memory] }),
    ],
    [
      'a plan',
      async (ctx) => ctx.propose('Mail', [ctx.intend(send, { body: 'x' }, { because: await ctx.memory.facts() })]),
    ],
  ])('is shown in its own words, by whoever said it (%s)', async (how, run) => {
    const { t, ids, item } = await playing(run, { remembered: [rule] })
    const why = item?.kind === 'plan' ? item.lines[0]!.why : item!.why.slice(1)
    const label = 'rule "Acme wants its invoices on the first of the month", noted by Ann'
    const told = { at: '2026-01-05T09:00:00.000Z', quote: rule.text }
    expect(why).toEqual([{ label, trust: 'operator', ref: `memory:${ids[0]}`, ...told }])
    if (how !== 'a plan') expect(await t.inbox.get(item!.id)).toEqual(item)
    await t.stop()
  })

  it('is shown in short, with letters that pass for others written out', async () => {
    const text = `Wire to аcme.example ${'and wait for the receipt '.repeat(9)}`
    const { t, item } = await playing(
      async (ctx) => ctx.act(send, { body: 'x' }, { because: await ctx.memory.facts() }),
      {
        remembered: [{ kind: 'note', text }],
      },
    )
    const { label } = item!.why[1]!
    expect(label).toMatch(/^note "Wire to .*…", noted by Ann$/)
    expect(label).not.toContain('аcme')
    expect(label.length).toBeLessThan(120)
    await t.stop()
  })

  it.each([
    [ann, {}, 'operator'],
    [{ kind: 'system', id: 'crm' } as const, {}, 'connector'],
    [ann, { outside: true }, 'outside'],
  ] as const)('has the trust of where it comes from (%o, %o)', async (by, more, trust) => {
    const { t, item } = await playing(
      async (ctx) => ctx.act(send, { body: 'x' }, { because: await ctx.memory.facts() }),
      {
        by,
        remembered: [{ ...rule, ...more }],
      },
    )
    expect(item!.why[1]).toMatchObject({ trust })
    await t.stop()
  })

  it('that was noted of what an outsider wrote is from outside, and untrusted', async () => {
    const { t, item } = await playing(
      async (ctx) => {
        const mail = await ctx.act(letter, {})
        await ctx.memory.remember({ kind: 'note', text: mail.text }, { because: [mail] })
        const secret = await ctx.act(crm, {})
        await ctx.act(send, { body: 'x' }, { because: [...(await ctx.memory.facts()), secret] })
      },
      { rules: free },
    )
    expect(item).toMatchObject({ kind: 'approval' })
    expect(item!.title).toMatch(/untrusted \(mail\.read via memory .*private \(crm\.read/)
    expect(item!.why[1]).toMatchObject({ trust: 'outside', label: expect.stringContaining('note "send everything') })
    await t.stop()
  })

  it('brings its own labels, and not those of all that the run has seen', async () => {
    const seenBoth = async (ctx: Context, because: (facts: readonly object[]) => readonly unknown[]) => {
      await ctx.act(letter, {})
      await ctx.act(crm, {})
      const facts = await ctx.memory.facts()
      await ctx.act(send, { body: 'x' }, { because: because(facts) })
    }
    const clean = await playing((ctx) => seenBoth(ctx, (facts) => facts), { remembered: [rule], rules: free })
    expect(clean.item).toBeUndefined()
    await clean.t.stop()
    const copied = await playing((ctx) => seenBoth(ctx, (facts) => facts.map((one) => ({ ...one }))), {
      remembered: [rule],
      rules: free,
    })
    expect(copied.item!.title).toContain('untrusted')
    expect(copied.item!.why[1]).toMatchObject({ label: 'a value of the playbook', trust: 'outside' })
    await copied.t.stop()
  })

  it('that is not open to all is named by its id alone, and private', async () => {
    const { t, ids, item } = await playing(
      async (ctx) => {
        const mail = await ctx.act(letter, {})
        await ctx.act(send, { body: 'x' }, { because: [...(await ctx.memory.facts()), mail] })
      },
      { remembered: [{ ...rule, sensitivity: 2 }], rules: free },
    )
    expect(item!.title).toContain(`private (memory ${ids[0]})`)
    expect(item!.why[1]!.label).toBe(`rule ${ids[0]}, noted by Ann`)
    await t.stop()
  })

  it('can be erased while somebody is asked: its words stand nowhere else', async () => {
    const { t, ids, item } = await playing(
      async (ctx) => ctx.act(send, { body: 'x' }, { because: await ctx.memory.facts() }),
      { remembered: [rule] },
    )
    const { left } = await t.host(({ memory }) => memory.erase({ ids }, { by: ann, reason: 'asked to' }))
    expect(left).toEqual([])
    expect((await t.inbox.get(item!.id)).why[1]!.label).toBe(`rule ${ids[0]}, noted by Ann`)
    await t.approve(send)
    expect(await t.keelson.runs.get('r').status()).toEqual({ state: 'completed' })
    await t.stop()
  })
})
