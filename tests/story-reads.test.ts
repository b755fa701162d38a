/** The story of a run says what it read, in few lines and without what it read; that of a revert, which memory went back. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEntity, policy, type Actor, type Context, type RevertTarget } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { code, me } from './support/open.ts'

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), salary: z.int() }),
  key: ({ name }) => name,
  index: ['name'],
  private: ['salary'],
})
const state = action({
  ...{ name: 'bank.state', effect: 'read', cache: { ttl: '1h' }, input: z.object({ iban: z.string() }) },
  output: z.object({ cents: z.int() }),
  run: () => ({ output: { cents: 4711 } }),
})
const stateOf = (iban: string) => (ctx: Context) => ctx.act(state, { iban })
const customers = (ctx: Context) => ctx.entities(Customer)

async function told(run: (ctx: Context) => Promise<unknown>, before?: (t: Harness) => Promise<unknown>) {
  const playbook = code(run)
  const gate = policy([policy.rule('seen', { on: state }, ({ input }) => input.iban === 'no' ? policy.deny('not that') : policy.allow())]) // prettier-ignore
  const t = await testConductor({ playbooks: [playbook], actions: [state], entities: [Customer], policy: gate })
  await before?.(t)
  const { id } = await t.start(playbook, {})
  return { t, id, lines: await storyOf(t, id) }
}

/** Without instants, first and last. */
async function storyOf(t: Harness, run: string): Promise<string[]> {
  const lines = (await t.keelson.audit.story(run)).map((line) => line.replace(/^\S+ {2}/, ''))
  return lines.slice(1, -1)
}

const add = (name: string) => (t: Harness) =>
  t.host((keelson) => keelson.entities(Customer, { by: me }).create({ name, salary: 9000 }))

describe('the story of a run', () => {
  it('says of records which were read, as of which version, and what was not there', async () => {
    const { lines } = await told(
      async (ctx) => {
        const [first] = (await customers(ctx).list()).entities
        await customers(ctx).get(first!.id)
        await customers(ctx).history(first!.id)
        await customers(ctx).asOf(first!.id, { valid: '2026-01-05T09:00:00Z' })
        await customers(ctx).byAlias('Nobody')
        await customers(ctx).find({ name: 'Nobody' })
        await customers(ctx).byKey('Nobody')
        await customers(ctx)
          .get('gone')
          .catch(() => {})
      },
      (t) => add('Ada')(t),
    )
    expect(lines).toEqual([
      expect.stringMatching(
        /^read customer \S+ at version 1; read the history of a customer; looked for a customer 3 times and found none; could not read a customer \(ENTITY_NOT_FOUND\)$/,
      ),
    ])
  })

  it('says what was asked outside, how often, and what was refused', async () => {
    const { lines } = await told(async (ctx) => {
      await stateOf('a')(ctx)
      await ctx.step('between', () => 1)
      for (const iban of ['a', 'b', 'c']) await stateOf(iban)(ctx)
      await stateOf('no')(ctx).catch(() => {})
    })
    expect(lines).toEqual([
      'read bank.state',
      'step "between" ended',
      'read bank.state 3 times, 1 of them from the cache',
      expect.stringMatching(/^bank\.state#5 was not done: .*not that/),
    ])
  })

  it('does not tell the turns that reads took', async () => {
    const slow = action({
      ...{ name: 'bank.slow', effect: 'read', rate: { count: 1000, per: '1h' }, input: z.object({}) },
      ...{ output: z.null(), run: () => ({ output: null }) },
    })
    const playbook = code(async (ctx) => {
      for (let n = 0; n < 5; n++) await ctx.act(slow, {})
    })
    const gate = policy([policy.rule('all', { on: slow }, () => policy.allow())])
    const t = await testConductor({ playbooks: [playbook], actions: [slow], policy: gate })
    expect(await storyOf(t, (await t.start(playbook, {})).id)).toEqual(['read bank.slow 5 times'])
  })

  it('says how many memories were read, and for what', async () => {
    const by: Actor = me
    const { lines } = await told(
      async (ctx) => {
        await ctx.memory.recall('letters')
        await ctx.memory.facts()
        await ctx.memory.recall('nothing of the kind')
        await ctx.memory.context({ task: 'write letters' })
        await ctx.memory.working({ note: z.string() }).set('note', 'secret')
      },
      (t) => t.host((keelson) => keelson.memory.remember([{ text: 'letters go out on Monday' }, { text: 'letters are blue' }], { by })), // prettier-ignore
    )
    expect(lines).toEqual(['recalled 2 memories; read 2 memories; put a context together, with 2 memories'])
  })

  it('says of files, templates and terms that they were read', async () => {
    const { lines } = await told(
      async (ctx) => {
        const kept = await ctx.artifacts.put('hello')
        await ctx.artifacts.text(kept)
        await ctx.templates.get('letter')
        await ctx.taxonomy()
      },
      (t) => t.host((keelson) => keelson.templates.put('letter', 'Dear {{name}}', { by: me })),
    )
    expect(lines).toEqual([
      expect.stringMatching(/^read an artifact 2 times; read template \S+ at version 1; read the taxonomy$/),
    ])
  })

  it('stays short, however much was read', async () => {
    const { lines } = await told(
      async (ctx) => {
        for (let page = 0; page < 3; page++)
          for (const { id } of (await customers(ctx).list()).entities) await customers(ctx).get(id)
        await ctx.all(Array.from({ length: 100 }, (_, n) => n), String, (own, n) => own.act(state, { iban: `${n}` })) // prettier-ignore
      },
      async (t) => {
        for (let n = 0; n < 40; n++) await add(`Customer ${n}`)(t)
      },
    )
    expect(lines).toEqual([
      expect.stringMatching(
        /^read customer (\S+ at version 1, ){2}\S+ at version 1 and 37 more; read bank\.state 100 times$/,
      ),
    ])
  })

  it('says that what was read was erased since', async () => {
    const { t, id } = await told(
      async (ctx) => {
        const [first] = (await customers(ctx).list()).entities
        await customers(ctx).get(first!.id)
        await ctx.step('between', () => 1)
      },
      (first) => add('Ada')(first),
    )
    const [ada] = (await t.keelson.entities(Customer).list()).entities
    await t.host((keelson) => keelson.entities(Customer, { by: me }).erase(ada!.id, { reason: 'asked to' }))
    expect(await storyOf(t, id)).toEqual(['read what was erased since 2 times', 'step "between" ended'])
  })

  it('tells nothing of what was read', async () => {
    const { t, id } = await told(
      async (ctx) => {
        await customers(ctx).byKey('Ada')
        await customers(ctx).find({ name: 'Ada' })
        await stateOf('DE89')(ctx)
        await ctx.memory.recall('letters to Ada')
        await ctx.memory.context({ task: 'write to Ada' })
      },
      async (t) => {
        await add('Ada')(t)
        await t.host((keelson) => keelson.memory.remember({ text: 'letters are blue' }, { by: me }))
      },
    )
    const story = (await t.keelson.audit.story(id)).join('\n')
    expect(story).toMatch(/customer.*bank\.state.*recalled/)
    expect(story).not.toMatch(/Ada|9000|DE89|4711|blue|letters/)
  })
})

describe('what a run writes into memory', () => {
  const terms = { subject: 'acme', predicate: 'terms', functional: true }

  it('is told by how many and which, with what was known and what is asked of a person', async () => {
    const { lines } = await told(async (ctx) => {
      await ctx.memory.append({ text: 'letters are blue', role: 'external', thread: 'mail' })
      await ctx.memory.remember([{ ...terms, value: 'blue' }, { text: 'letters on Monday' }])
      await ctx.memory.remember({ text: 'letters on Monday' })
      await ctx.memory.remember({ kind: 'rule', text: 'only blue letters' })
      await ctx.memory.propose([{ op: 'add', memory: { text: 'blue again' } }], { reason: 'letters' })
      await ctx.memory.working({ note: z.string() }).set('note', 'blue')
      await ctx.memory.remember({ text: 'x', validTo: '2020-01-01' }).catch(() => {})
      await ctx.memory.remember(Array.from({ length: 5 }, (_, n) => ({ text: `letter ${n}` })))
    })
    expect(lines).toEqual([
      expect.stringMatching(/^noted 1 memory \(mem_\w\S+\)$/),
      expect.stringMatching(/^remembered 2 memories \(mem_\S+, mem_\S+\)$/),
      expect.stringMatching(/^knew 1 memory already \(mem_\S+\)$/),
      expect.stringMatching(/^asked a person whether to remember 1 memory \(change set set_\S+\)$/),
      expect.stringMatching(/^proposed change set set_\S+$/),
      'memory.remember#4 failed: INPUT_INVALID',
      expect.stringMatching(/^remembered 5 memories \((mem_\S+, ){2}mem_\S+ and 2 more\)$/),
    ])
    expect(lines.join()).not.toMatch(/blue|Monday|letter /)
  })
})

describe('the story of a revert', () => {
  const reverted = async (t: Harness, target: RevertTarget) => {
    const plan = await t.keelson.revert.plan(target)
    const run = await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
    return storyOf(t, run.id)
  }

  it('says which memory was taken back', async () => {
    const { t, id } = await told(async (ctx) => {
      await ctx.memory.remember([{ text: 'letters are blue' }, { text: 'and large' }])
      await ctx.memory.remember({ text: 'none on Sunday' })
    })
    const lines = await reverted(t, { run: id })
    expect(lines).toEqual([
      expect.stringMatching(/^forget 1: took back what change set set_\S+ had made of memory \(1 change\)$/),
      expect.stringMatching(/^forget 2: took back what change set set_\S+ had made of memory \(2 changes\)$/),
    ])
    expect(lines.join()).not.toMatch(/blue|large|Sunday/)
  })

  it('says what of it stays, and why', async () => {
    const price = { subject: 'acme', predicate: 'price', functional: true }
    const { t, id } = await told((ctx) => ctx.memory.remember({ ...price, value: '12' }), (first) => first.host((keelson) => keelson.memory.remember({ ...price, value: '10' }, { by: { kind: 'agent', id: 'reader' } }))) // prettier-ignore
    await t.host((keelson) => keelson.memory.remember({ ...price, value: '14' }, { by: me }))
    const [now] = await t.keelson.memory.facts()
    const [line, ...more] = await reverted(t, { run: id })
    expect(line).toMatch(
      /^forget 1: took back what change set \S+ had made of memory \(1 change\); mem_\S+ stays: mem_\S+ has/,
    )
    expect(line).toContain(`${now!.id} has taken its place`)
    expect(more).toEqual([])
  })
})
