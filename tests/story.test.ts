/** The story of a run, and the log's line of a hold: in plain words. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, defineEntity, definePlaybook, policy } from '@keelson/core'
import type { Context, Decision, PolicyGate, Verdict } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'

const by = { kind: 'person', id: 'ann' } as const

function letters() {
  const send = action({
    name: 'letter.send',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.null(),
    undo: z.object({}),
    run: () => ({ output: null, undo: {} }),
    compensate: () => {},
  })
  const write = definePlaybook({
    name: 'write',
    version: 1,
    input: z.object({}),
    output: z.null(),
    uses: [send],
    run: (ctx) => ctx.act(send, { to: 'ada' }),
  })
  return { send, write, gate: policy([policy.rule('second thoughts', { on: send }, () => policy.hold('10m'))]) }
}

it('says of a hold when it goes out, that it was put off, and that its time came', async () => {
  const { send, write, gate } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send], policy: gate })
  const dueAts: (string | undefined)[] = []
  t.keelson.on('item.opened', ({ dueAt }) => dueAts.push(dueAt))
  const run = await t.start(write, {})
  await t.reschedule(send, '1h')
  await t.advance('2h')
  expect(dueAts).toEqual(['2026-01-05T09:10:00.000Z'])
  const story = (await t.keelson.audit.story(run.id)).map((line) => line.replace(/^\S+ {2}/, ''))
  expect(story.map((line) => line.replace(/effect [\w-]{8}/, 'effect …'))).toEqual([
    'keelson started write@1',
    'asked for letter.send, which cannot be sent at once (effect …)',
    '  Held: letter.send (second thoughts): goes out by itself at 2026-01-05T09:10:00.000Z, unless it is stopped',
    '  put to another time: goes out by itself at 2026-01-05T10:00:00.000Z, unless it is stopped',
    '  its time came, and nobody had stopped it',
    '  sends letter.send (try 1), second thoughts',
    '  executed',
    'letter.send was done',
    'ended: completed',
  ])
})

it('tells what was taken back as taken back', async () => {
  const { send, write } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const run = await t.start(write, {})
  await t.approve(send)
  const plan = await t.keelson.revert.plan({ run: run.id })
  const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  const story = (await t.keelson.audit.story(reverting.id)).join('\n')
  expect(story).toMatch(
    /takes back letter\.send \(effect .{8}\)\n.+takes letter\.send back \(try 1\)\n.+ {4}taken back\n/,
  )
  expect(story).not.toMatch(/sends|no rule covers|executed/)
})

it('says whom a question went on to, rung by rung, and that it reminded', async () => {
  const { send, write } = letters()
  const escalate = [
    { after: '1h', to: 'lead' },
    { after: '3h', to: { kind: 'person', id: 'bob', name: 'Bob' }, via: 'pager' },
  ] as const
  const gate = policy([policy.rule('eyes', { on: send }, () => policy.ask({ escalate }))])
  const asks = definePlaybook({
    name: 'asks',
    version: 1,
    input: z.object({}),
    output: z.boolean(),
    run: (ctx) => ctx.approve('Really?', { escalate }),
  })
  const channels = { pager: () => {} }
  const t = await testConductor({ playbooks: [write, asks], actions: [send], policy: gate, channels })
  for (const playbook of [write, asks]) {
    const run = await t.start(playbook, {})
    for (const time of ['1h', '2h', '1d'] as const) await t.advance(time)
    const lines = (await t.keelson.audit.story(run.id)).map((line) => line.replace(/^\S+ +/, ''))
    expect(lines.filter((line) => line.startsWith('asked'))).toHaveLength(playbook === write ? 2 : 1)
    expect(lines.filter((line) => line.startsWith('nobody'))).toEqual([
      'nobody had answered: it went on to lead (rung 1 of 2)',
      'nobody had answered: it went on to Bob, told by pager (rung 2 of 2)',
      'nobody had answered: reminded of it',
    ])
  }
  await t.stop()
})

it('says of a run that was taken back which run did that, and of one that was not nothing', async () => {
  const { send, write } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const [run, other] = [await t.start(write, {}), await t.start(write, {})]
  await t.approve(send)
  await t.advance('1h')
  const before = await t.keelson.audit.story(run.id)
  expect(before.at(-1)).toContain('ended: completed')
  const plan = await t.keelson.revert.plan({ run: run.id })
  const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  const story = await t.keelson.audit.story(run.id)
  expect(story.slice(0, -1)).toEqual(before)
  expect(story.at(-1)).toBe(`2026-01-05T10:00:00.000Z  taken back since, by run ${reverting.id}: letter.send`)
  expect((await t.keelson.audit.story(other.id)).join()).not.toContain('taken back')
  await t.stop()
})

const Customer = defineEntity({
  ...{ name: 'customer', version: 1, key: ({ name }: { name: string }) => name },
  schema: z.object({ name: z.string(), town: z.string() }),
})

async function worked(run: (ctx: Context) => Promise<unknown>) {
  const { send } = letters()
  const works = definePlaybook({
    ...{ name: 'works', version: 1, input: z.object({}), output: z.null(), uses: [send] },
    run: async (ctx) => (await run(ctx), null),
  })
  const gate = policy([policy.rule('free', { on: send }, () => policy.allow())])
  const t = await testConductor({ playbooks: [works], actions: [send], entities: [Customer], policy: gate })
  const ada = await t.host((keelson) => keelson.entities(Customer, { by }).create({ name: 'Ada', town: 'Ulm' }))
  await (await t.start(works, {}, { id: 'r' })).result()
  await t.advance('1h')
  return { t, id: ada.id, send }
}

/** What stands behind the end of its story, without instants. */
async function since(t: Harness): Promise<string[]> {
  const story = await t.keelson.audit.story('r')
  const end = story.findIndex((line) => line.includes('ended: completed'))
  return story.slice(end + 1).map((line) => line.replace(/^\S+ {2}/, ''))
}

async function revert(t: Harness): Promise<string> {
  const plan = await t.keelson.revert.plan({ run: 'r' })
  const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  await t.keelson.runs.get(id).result()
  return id
}

describe('the story of a run that was taken back', () => {
  const { send } = letters()
  const all = async (ctx: Context) => {
    await ctx.act(send, { to: 'ada' })
    const [ada] = (await ctx.entities(Customer).list()).entities
    await ctx.entities(Customer).update(ada!.id, { town: 'Rome' })
    await ctx.memory.remember([{ text: 'letters are blue' }, { text: 'and large' }])
    await ctx.memory.remember({ text: 'none on Sunday' })
  }

  it('says which effects, records and memory went back, in one line for each that took them back', async () => {
    const { t, id } = await worked(all)
    const reverting = await revert(t)
    const lines = await since(t)
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(
          `^taken back since, by run ${reverting}: letter.send; customer ${id}, at version 3; ` +
            String.raw`what change sets set_\S+, set_\S+ had made of memory \(3 changes\)$`,
        ),
      ),
    ])
    expect(lines.join()).not.toMatch(/blue|large|Sunday|Rome/)
    await t.stop()
  })

  it('says so of what a person took back, and of each part who it was', async () => {
    const { t, id } = await worked(all)
    await t.host((keelson) => keelson.memory.revert({ run: 'r' }, { by }))
    await t.advance('1h')
    const reverting = await revert(t)
    expect(await since(t)).toEqual([
      expect.stringMatching(
        new RegExp(
          String.raw`^taken back since, by ann: customer ${id}, at version 3; what change sets .+ \(3 changes\)$`,
        ),
      ),
      `taken back since, by run ${reverting}: letter.send`,
    ])
    await t.stop()
  })

  it('says it of what was erased in part, and of no more than it can name in a line', async () => {
    const { t } = await worked(async (ctx) => {
      for (let n = 0; n < 5; n++)
        await ctx.memory.remember([{ text: `letter ${n} is blue` }, { text: `letter ${n} is large` }])
      for (let n = 0; n < 5; n++) await ctx.entities(Customer).create({ name: `Customer ${n}`, town: 'Ulm' })
      for (const one of (await ctx.entities(Customer).list()).entities)
        await ctx.entities(Customer).update(one.id, { town: 'Rome' })
    })
    const [first] = (await t.keelson.memory.facts()).filter(({ text }) => text === 'letter 0 is blue')
    await t.keelson.memory.erase({ ids: [first!.id] }, { by, reason: 'asked' })
    await t.host((keelson) => keelson.memory.revert({ run: 'r' }, { by }))
    const [line, ...more] = await since(t)
    expect(more).toEqual([])
    expect(line).toMatch(
      /^taken back since, by ann: (customer \S+, at version \d; ){3}and 3 more; what 5 change sets had made of memory \(9 changes\)$/,
    )
    await t.stop()
  })

  it('says nothing of what has come back since', async () => {
    const { t } = await worked((ctx) => ctx.memory.remember({ text: 'letters are blue' }))
    const reverting = await revert(t)
    expect(await since(t)).toHaveLength(1)
    await t.host((keelson) => keelson.memory.revert({ run: reverting }, { by }))
    expect(await since(t)).toEqual([])
    await t.stop()
  })

  it('says it, too, once its journal was pruned', async () => {
    const { t, id } = await worked(all)
    const reverting = await revert(t)
    await t.advance('100d')
    await t.host((keelson) => keelson.maintenance.prune({ olderThan: '30d', by }))
    const story = await t.keelson.audit.story('r')
    expect(story.at(-1)).toContain(`taken back since, by run ${reverting}: letter.send; customer ${id}, at version 3`)
    await t.stop()
  })
})

it('counts the tries of an effect over the look-ups between them', async () => {
  let sent = 0
  const send = action({
    ...{
      name: 'letter.send',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      timeout: '2s',
    },
    ...{ input: z.object({}), output: z.null() },
    run() {
      if (++sent < 3) throw new Error('the line went dead')
      return { output: null }
    },
    async reconcile() {
      return { state: 'not-found' }
    },
  })
  const write = definePlaybook({
    ...{ name: 'write', version: 1, input: z.object({}), output: z.null() },
    run: (ctx) => ctx.act(send, {}),
  })
  const gate = policy([policy.rule('all', { on: send }, () => policy.allow())])
  const t = await testConductor({ playbooks: [write], actions: [send], policy: gate })
  const run = await t.start(write, {})
  for (let n = 0; n < 10; n++) await t.advance('5m')
  const tries = (await t.keelson.audit.story(run.id)).flatMap((line) => /try \d/.exec(line)?.[0] ?? [])
  expect(tries).toEqual(['try 1', 'try 2', 'try 3'])
  await t.stop()
})

it('says of a try that failed behind a look-up which one it was', async () => {
  let sent = 0
  const send = action({
    ...{ name: 'letter.send', effect: 'irreversible', idempotency: { by: 'lookup' }, settleWindowMs: 60_000 },
    ...{ input: z.object({}), output: z.null() },
    run() {
      if (++sent === 1) throw new Error('the line went dead')
      if (sent < 4) throw new ActionError({ class: 'retry' }, 'busy')
      return { output: null }
    },
    reconcile: () => Promise.resolve({ state: 'not-found' }),
  })
  const write = definePlaybook({
    ...{ name: 'write', version: 1, input: z.object({}), output: z.null() },
    run: (ctx) => ctx.act(send, {}),
  })
  const gate = policy([policy.rule('all', { on: send }, () => policy.allow())])
  const t = await testConductor({ playbooks: [write], actions: [send], policy: gate })
  const run = await t.start(write, {})
  for (let n = 0; n < 10; n++) await t.advance('5m')
  const tries = (await t.keelson.audit.story(run.id)).flatMap((line) => /try \d( failed)?/.exec(line)?.[0] ?? [])
  expect(tries).toEqual(['try 1', 'try 2', 'try 2 failed', 'try 3', 'try 3 failed', 'try 4'])
  await t.stop()
})

it('tells what was decided on a plan, and on a question of yes and no, as it tells it of an approval', async () => {
  const { send } = letters()
  const ask = definePlaybook({
    ...{ name: 'ask', version: 1, input: z.object({}), output: z.boolean(), uses: [send] },
    async run(ctx) {
      await ctx.propose('Letters', [ctx.intend(send, { to: 'ada' }), ctx.intend(send, { to: 'bob' })])
      return ctx.approve('Really?')
    },
  })
  const t = await testConductor({ playbooks: [ask], actions: [send] })
  const run = await t.start(ask, {})
  const [plan] = (await t.inbox.list()).items
  await t.plan({ skip: ['2'] })
  const [sure] = (await t.inbox.list()).items
  await t.decide({ title: 'Really?' }, { approve: true })
  const decided = (await t.keelson.audit.story(run.id)).filter((line) => line.includes('the operator'))
  expect(decided.map((line) => line.replace(/^\S+ {2}/, ''))).toEqual([
    `the operator approved it without line 2 (hash ${plan!.hash.slice(0, 12)}…)`,
    `the operator approved it (hash ${sure!.hash.slice(0, 12)}…)`,
  ])
})

it('tells in words, without JSON, what policy says of the lines of a plan: when it is made, while it is open, when a line is held', async () => {
  const { send } = letters()
  const rules = (name: string, bob: () => Verdict | Verdict[]) =>
    policy([policy.rule(name, { on: send }, ({ input }) => (input.to === 'bob' ? bob() : policy.ask()))])
  const never = rules('letters', () => policy.deny('never to bob'))
  const held = rules('slowly', () => [policy.ask(), policy.hold('1h')])
  const ask = definePlaybook({
    ...{ name: 'ask', version: 1, input: z.object({}), output: z.null(), uses: [send] },
    async run(ctx) {
      await ctx.propose('Letters', [ctx.intend(send, { to: 'ada' }), ctx.intend(send, { to: 'bob' })])
      return null
    },
  })
  const told = async (first: PolicyGate, then: PolicyGate | undefined, late: PolicyGate): Promise<string> => {
    const t = await testConductor({ playbooks: [ask], actions: [send], policy: first })
    const run = await t.start(ask, {})
    if (then !== undefined) await t.deploy({ policy: then })
    await t.settle()
    await t.plan()
    await t.deploy({ policy: late })
    await t.advance('2h')
    return (await t.keelson.audit.story(run.id)).join('\n')
  }
  const made = await told(never, undefined, never)
  expect(made).toContain('made a plan of 2 lines; denied: line 2: letters: never to bob')
  expect(await told(held, never, never)).toContain('judged again; denied: line 2')
  const late = await told(held, undefined, never)
  expect(late).toContain('other rules say deny by now: letters: never to bob')
  expect(late).not.toMatch(/[{}]/)
  // The same rules by their name say something else of it by now, as those that count do.
  const other = await told(
    rules('letters', () => policy.hold('1h')),
    never,
    never,
  )
  expect(other).toContain('propose/2 was not done: letter.send was denied: letters: never to bob')
})

it.each<[Decision, string]>([
  [{ reject: 'not now' }, 'the operator rejected it: not now (hash '],
  [{ respond: 'warmer' }, 'the operator asked for it otherwise: warmer (hash '],
  [{ edit: { to: 'bob' } }, 'the operator approved it as {"to":"bob"} (hash '],
])('tells the decision %j in words', async (decision, says) => {
  const { send } = letters()
  const ask = definePlaybook({
    ...{ name: 'ask', version: 1, input: z.object({}), output: z.null(), uses: [send] },
    async run(ctx) {
      await ctx.act(send, { to: 'ada' })
      return null
    },
  })
  const t = await testConductor({ playbooks: [ask], actions: [send] })
  const run = await t.start(ask, {})
  await t.decide({ kind: 'approval' }, decision)
  expect((await t.keelson.audit.story(run.id)).join('\n')).toContain(says)
})
