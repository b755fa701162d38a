/** Provenance: what people are shown of where an effect comes from, what became of it, and what a revert would take back. */
import {
  action,
  defineAgent,
  defineConnector,
  defineEntity,
  definePlaybook,
  policy,
  type Context,
  type InboxItem,
  type Intent,
} from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { letter, send as mail } from './support/labelled.ts'
import { code, me } from './support/open.ts'

const Note = z.object({ path: z.string(), text: z.string() })
const notes = defineConnector({
  name: 'notes',
  actions: {
    find: action({
      name: 'notes.find',
      effect: 'read',
      input: z.object({ about: z.string() }),
      output: z.object({ path: z.string() }),
      run: () => Promise.reject(new Error('a real note')),
    }),
    write: action({
      name: 'notes.write',
      effect: 'reversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      input: Note,
      output: z.object({ sha256: z.string() }),
      undo: z.object({ sha256: z.string() }),
      run: () => Promise.reject(new Error('a real note')),
      reconcile: () => Promise.reject(new Error('a real note')),
      compensate: () => Promise.reject(new Error('a real note')),
    }),
  },
})
const writing = definePlaybook({
  name: 'writing',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.null(),
  uses: [notes],
  async run(ctx, { about }) {
    const found = await ctx.act(notes.find, { about })
    const length = await ctx.step('measure', () => ({ words: 3 }))
    const draft = await ctx.effect(notes.write, { path: 'draft.md', text: 'one two three' }, { because: [found] })
    await ctx.act(notes.write, { path: found.path, text: 'one two three' }, { because: [found, length, draft.output] })
    return null
  },
})
const gate = policy([policy.rule('notes', { on: notes.write }, () => policy.ask())])

async function begin(alwaysReplay: boolean): Promise<Harness> {
  const connectors = [fake(notes, { 'notes.find': () => ({ path: 'a.md' }), 'notes.write': () => ({ sha256: 'abc' }) })]
  const t = await testConductor({ playbooks: [writing], connectors, policy: gate, alwaysReplay })
  await t.start(writing, { about: 'boats' })
  return t
}

async function open(t: Harness): Promise<InboxItem> {
  const { items } = await t.keelson.inbox.list()
  return items[0]!
}

describe.each([false, true])('what a person is shown (alwaysReplay: %s)', (alwaysReplay) => {
  it('names the operations whose outputs an effect rests on', async () => {
    const t = await begin(alwaysReplay)
    expect((await open(t)).why.map(({ label }) => label)).toEqual(['writing@1, notes.write', 'notes.find'])
    await t.approve(notes.write)
    expect((await open(t)).why.map(({ label }) => label)).toEqual([
      'writing@1, notes.write#2',
      'notes.find',
      'measure',
      'notes.write',
    ])
  })

  it('never calls an effect not executed while nobody knows', async () => {
    const t = await begin(alwaysReplay)
    t.fault(notes.write, 'timeout-after-effect')
    await t.approve(notes.write)
    const run = (await t.keelson.runs.list({ playbook: 'writing' })).runs[0]!
    const story = (await t.keelson.audit.story(run.id)).join('\n')
    expect(story).toContain('nobody knows yet whether it happened')
    expect(story).not.toContain('not executed')
  })

  it('lists what a revert would take back in short, whatever is in it', async () => {
    const t = await begin(alwaysReplay)
    await t.approve(notes.write)
    await t.approve(notes.write, { edit: { text: '🎂'.repeat(100) } })
    const run = (await t.keelson.runs.list({ playbook: 'writing' })).runs[0]!
    const { lines } = await t.keelson.revert.plan({ run: run.id })
    expect(lines.map(({ what }) => what)).toEqual([
      `notes.write path: a.md, text: ${'🎂'.repeat(59)}…`,
      'notes.write path: draft.md, text: one two three',
    ])
  })
})

const rates = action({
  name: 'rates.read',
  effect: 'read',
  labels: [],
  input: z.object({}),
  output: z.object({ text: z.string() }),
  run: async () => ({ output: { text: '1.08' } }),
})
const Lead = defineEntity({ name: 'lead', version: 1, schema: z.object({ text: z.string() }) })
const agent = (name: string) => defineAgent({ name, version: 1, instructions: 'Answer.', input: z.object({}), output: z.object({ text: z.string() }) }) // prettier-ignore
const writer = agent('writer')
const asks = policy([policy.rule('asks', { on: mail }, () => policy.ask())])
type Source = (ctx: Context) => Promise<unknown>

const sources: [string, Source, 'operator' | 'connector' | 'outside'][] = [
  ['a read that anybody may have written', (ctx) => ctx.act(letter, {}), 'outside'],
  ['a read that is ours', (ctx) => ctx.act(rates, {}), 'connector'],
  [
    'an entity that a stranger filled in',
    async (ctx) => ctx.entities(Lead).get((await lead(ctx, 'host'))!.id),
    'outside',
  ],
  ['an entity that was written from a mail', async (ctx) => fromMail(ctx), 'outside'],
  ['an entity of ours', async (ctx) => ctx.entities(Lead).get((await lead(ctx, 'ours'))!.id), 'operator'],
  [
    'the answer of an agent to what a stranger wrote',
    async (ctx) => ctx.delegate(writer, {}, { about: [await ctx.act(letter, {})] }),
    'outside',
  ],
  ['the answer of an agent to what is ours', (ctx) => ctx.delegate(writer, {}), 'connector'],
  [
    'a step of a run that has read a mail',
    async (ctx) => {
      const { text } = await ctx.act(letter, {})
      return ctx.step('count', () => ({ text }))
    },
    'outside',
  ],
  ['a step of a run that has read nothing', (ctx) => ctx.step('count', () => ({ words: 3 })), 'connector'],
  [
    'a memory that was noted of a mail',
    async (ctx) => {
      const read = await ctx.act(letter, {})
      await ctx.memory.remember({ kind: 'note', text: read.text }, { because: [read] })
      return (await ctx.memory.facts())[0]
    },
    'outside',
  ],
  ['a memory of ours', async (ctx) => (await ctx.memory.facts())[0], 'operator'],
]

async function lead(ctx: Context, text: string) {
  const { entities } = await ctx.entities(Lead).list()
  return entities.find((one) => one.data.text === text)
}

async function fromMail(ctx: Context): Promise<unknown> {
  const read = await ctx.act(letter, {})
  return ctx.entities(Lead).create({ text: read.text }, { because: [read] })
}

/** What is asked of a run whose mail rests on what `source` hands out. */
async function askedFor(
  run: (ctx: Context) => Promise<unknown>,
  alwaysReplay: boolean,
  remembered = false,
): Promise<{ t: Harness; item: InboxItem }> {
  const work = code(run)
  const t = await testConductor({ playbooks: [work], actions: [letter, rates, mail], policy: asks, alwaysReplay })
  t.script(writer, () => ({ text: 'an answer' }))
  await t.host(async (keelson) => {
    await keelson.entities(Lead, { by: me }).create({ text: 'host' }, { labels: ['untrusted'] })
    await keelson.entities(Lead, { by: me }).create({ text: 'ours' })
  })
  if (remembered) await t.keelson.memory.remember([{ kind: 'rule', text: 'Be brief.' }], { by: me })
  await t.start(work, {}, { id: 'r' })
  return { t, item: (await t.inbox.list()).items.find((one) => one.kind !== 'attention')! }
}

describe.each([false, true])('whom a person is told to trust (alwaysReplay: %s)', (alwaysReplay) => {
  it.each(sources)('names %s as what it is', async (name, source, trust) => {
    const resting = async (ctx: Context) => ctx.act(mail, { body: 'x' }, { because: [await source(ctx)] })
    const { t, item } = await askedFor(resting, alwaysReplay, name === 'a memory of ours')
    expect(item.why.map((one) => one.trust)).toEqual(['operator', trust])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it.each([
    ['a person', me, 'operator'],
    ['an agent that may', { kind: 'agent', id: 'helper' } as const, 'connector'],
  ])('names an answer as that of who gave it: %s', async (_who, by, trust) => {
    const work = code(async (ctx) => {
      const said = await ctx.ask('How many?', { answer: z.object({ many: z.number() }) })
      await ctx.act(mail, { body: 'x' }, { because: [said] })
    })
    const mayDecide = () => true
    const t = await testConductor({ playbooks: [work], actions: [mail], policy: asks, alwaysReplay, mayDecide })
    await t.start(work, {})
    const [question] = (await t.inbox.list()).items
    await t.inbox.decide(question!.id, { hash: question!.hash, by, answer: { many: 3 } })
    await t.settle()
    const [item] = (await t.inbox.list()).items
    expect(item!.why[1]).toMatchObject({ ref: 'step:ask', trust, quote: 'many: 3' })
    await t.stop()
  })

  it('names what a person says that a step came to as theirs, and as what it is that the run has read', async () => {
    for (const reads of [false, true]) {
      const { t } = await askedFor(async (ctx) => {
        if (reads) await ctx.act(letter, {})
        const sum = await ctx.step('sum', () => Promise.reject<object>(new Error('no')), { retry: { attempts: 1 } })
        await ctx.act(mail, { body: 'x' }, { because: [sum] })
      }, alwaysReplay)
      await t.host((keelson) => keelson.runs.setOutcome('r', { by: me, step: 'sum', outcome: { sum: 3 } }))
      const item = (await t.inbox.list()).items.find(({ kind }) => kind === 'approval')
      expect(item!.why[1]).toMatchObject({ ref: 'step:sum', trust: reads ? 'outside' : 'operator' })
      await t.stop()
    }
  })

  it('says each of several for itself', async () => {
    const { t, item } = await askedFor(async (ctx) => {
      const [read, own] = [await ctx.act(letter, {}), await ctx.act(rates, {})]
      await ctx.act(mail, { body: 'x' }, { because: [own, read] })
    }, alwaysReplay)
    expect(item.why.map((one) => [one.ref, one.trust]).slice(1)).toEqual([
      ['step:rates.read', 'connector'],
      ['step:mail.read', 'outside'],
    ])
    await t.stop()
  })

  it('says of the run itself that it rests on a stranger where nobody says on what', async () => {
    const unsaid = async (ctx: Context) => ctx.act(mail, { body: (await ctx.act(letter, {})).text })
    const { t, item } = await askedFor(unsaid, alwaysReplay)
    expect(item.why).toMatchObject([{ ref: 'run:r', trust: 'outside' }])
    await t.stop()
  })

  it('says so of a run that a stranger has begun, and of nothing that it was shown besides', async () => {
    const work = code(async (ctx) => {
      await ctx.act(mail, { body: 'x' })
      await ctx.act(mail, { body: 'y' }, { because: [await ctx.act(rates, {})] })
    })
    const t = await testConductor({ playbooks: [work], actions: [rates, mail], policy: asks, alwaysReplay })
    await t.start(work, {}, { id: 'r', labels: ['untrusted'] })
    const trusts = async () => (await t.inbox.list()).items[0]!.why.map(({ trust }) => trust)
    expect(await trusts()).toEqual(['outside'])
    await t.approve(mail)
    expect(await trusts()).toEqual(['operator', 'connector'])
    await t.stop()
  })

  it('says it of the lines of a plan, and of the plan', async () => {
    const { t, item } = await askedFor(async (ctx) => {
      const [read, own] = [await ctx.act(letter, {}), await ctx.act(rates, {})]
      const lines: Intent[] = [
        ctx.intend(mail, { body: 'x' }, { because: [own] }),
        ctx.intend(mail, { body: 'y' }, { because: [read], key: 'y' }),
        ctx.intend(mail, { body: 'z' }, { key: 'z' }),
      ]
      await ctx.propose('three mails', lines)
    }, alwaysReplay)
    if (item.kind !== 'plan') throw new Error(`a plan, not ${item.kind}`)
    expect(item.lines.map(({ why }) => why.map((one) => one.trust))).toEqual([['connector'], ['outside'], ['outside']])
    expect(item.why).toMatchObject([{ trust: 'outside' }])
    await t.stop()
  })

  it('says it of a question that the run words', async () => {
    const read = await askedFor(async (ctx) => {
      const { text } = await ctx.act(letter, {})
      await ctx.approve(`Shall I ${text}?`)
    }, alwaysReplay)
    expect(read.item.why).toMatchObject([{ ref: 'run:r', trust: 'outside' }])
    await read.t.stop()
    const own = await askedFor((ctx) => ctx.ask('How many?', { answer: z.number() }), alwaysReplay)
    expect(own.item.why).toMatchObject([{ ref: 'run:r', trust: 'connector' }])
    await own.t.stop()
  })
})

describe('a proposal of what is to be remembered', () => {
  it.each([true, false])('is from outside where a stranger worded it (%s)', async (outside) => {
    const { t, item } = await askedFor(async (ctx) => {
      const { text } = await ctx.act(outside ? letter : rates, {})
      await ctx.memory.propose([{ op: 'add', memory: { text, kind: 'rule' } }], { reason: 'it says so' })
    }, false)
    expect(item.why.map(({ trust }) => trust)).toEqual(outside ? ['outside', 'outside'] : ['connector', 'connector'])
    await t.stop()
  })
})
