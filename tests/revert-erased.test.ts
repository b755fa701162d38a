/** A plan of what a run did lists all of it, also what only entries say that an erasure has taken. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineEntity,
  definePlaybook,
  policy,
  type Context,
  type RevertPlan,
  type RevertResult,
} from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { me } from './support/open.ts'

const AWAY = 'Likes the blue harbour most.'
const STAYS = 'Pays within thirty days.'
const by = { by: me, reason: 'asked' }

const charge = action({
  ...{ name: 'shop.charge', effect: 'reversible', idempotency: { by: 'key' }, undo: z.object({}) },
  ...{ input: z.object({ for: z.string() }), output: z.null(), run: () => ({ output: null, undo: {} }) },
  compensate: () => undefined,
})
const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ text: z.string() }) })
const free = policy([policy.rule('free', { on: charge }, () => policy.allow())])

function work(run: (ctx: Context, round: number) => Promise<unknown>, version = 1) {
  return definePlaybook({
    ...{ name: 'work', version, input: z.object({ for: z.string().optional(), round: z.number().default(0) }) },
    output: z.null(),
    run: async (ctx, { round }) => {
      await run(ctx, round)
      return null
    },
  })
}

function said({ lines }: Pick<RevertPlan, 'lines'>): string[] {
  return lines.map((line) => `${line.what}: ${line.can ? 'can' : line.why}`)
}

async function texts({ keelson }: Harness): Promise<string[]> {
  return (await keelson.memory.facts()).map(({ text }) => text).sort()
}

async function erase({ keelson }: Harness, text = AWAY): Promise<string[]> {
  const ids = (await keelson.memory.facts()).filter((one) => one.text === text).map(({ id }) => id)
  await keelson.memory.erase({ ids }, by)
  return ids
}

describe('what a run remembered in one set with what was erased since', () => {
  const remembers = work((ctx) => ctx.memory.remember([{ text: AWAY }, { text: STAYS }]))

  it('is in its plan, which says what is gone, and is taken back', async () => {
    const t = await testConductor({ playbooks: [remembers] })
    await (await t.start(remembers, {}, { id: 'r' })).result()
    const erased = await erase(t)
    const plan = await t.keelson.revert.plan({ run: 'r' })
    expect(plan.lines).toMatchObject([
      { kind: 'memory', can: true, kept: erased, what: 'memory: work: memory.remember' },
    ])
    expect(await texts(t)).toEqual([STAYS])
    const { id } = await t.keelson.revert.apply(plan, { by: me })
    const result = (await t.keelson.runs.get(id).result()) as RevertResult
    expect(result).toEqual({ undone: ['memory: work: memory.remember'], failed: [], left: [] })
    expect(await texts(t)).toEqual([])
    expect((await t.keelson.audit.verify()).faults).toEqual([])
    await t.stop()
  })

  it('is named as what nothing can be done about, once all of it was erased', async () => {
    const t = await testConductor({ playbooks: [remembers] })
    await (await t.start(remembers, {}, { id: 'r' })).result()
    const [one] = await erase(t)
    const [other] = await erase(t, STAYS)
    expect(said(await t.keelson.revert.plan({ run: 'r' }))).toEqual([
      `memory: work: memory.remember: ${other}: it was erased; ${one}: it was erased`,
    ])
    await t.stop()
  })

  it('is told by whom it was read', async () => {
    const reads = definePlaybook({
      ...{ name: 'reads', version: 1, input: z.object({}), output: z.number() },
      run: async (ctx) => (await ctx.memory.facts()).length,
    })
    const t = await testConductor({ playbooks: [remembers, reads] })
    await (await t.start(remembers, {}, { id: 'r' })).result()
    await erase(t)
    await (await t.start(reads, {}, { id: 'reader' })).result()
    const { dependents } = await t.keelson.revert.plan({ run: 'r' })
    expect(dependents).toMatchObject([{ kind: 'run', id: 'reader' }])
    await t.stop()
  })
})

describe('a plan of a part', () => {
  it('leaves what was done before its checkpoint', async () => {
    const twice = work(async (ctx, round) => {
      await ctx.memory.remember([{ text: AWAY }, { text: `${STAYS} ${round}` }])
      await ctx.checkpoint(`round ${round}`)
      if (round < 2) await ctx.continueAsNew({ round: round + 1 })
    })
    const t = await testConductor({ playbooks: [twice] })
    await (await t.start(twice, {}, { id: 'r' })).result()
    await erase(t)
    const lines = async (to?: string) =>
      (await t.keelson.revert.plan(to === undefined ? { run: 'r' } : { run: 'r', to })).lines.length
    expect([await lines(), await lines('round 0'), await lines('round 1'), await lines('round 2')]).toEqual([
      3, 2, 1, 0,
    ])
    await t.stop()
  })

  it('leaves what was done before its time, under keys that came again since', async () => {
    const daily = work(async (ctx, round) => {
      const text = round < 2 ? `${STAYS} ${round}` : AWAY
      await ctx.memory.remember([{ text }, { text: `Round ${round}.` }])
      await ctx.act(charge, { for: text })
      await ctx.entities(Note).create({ text })
      await ctx.sleep('1d')
      if (round < 2) await ctx.continueAsNew({ round: round + 1 })
    })
    const t = await testConductor({ playbooks: [daily], actions: [charge], entities: [Note], policy: free })
    await t.start(daily, {}, { id: 'r' })
    await t.advance('1d')
    const from = new Date(t.clock.now()).toISOString()
    await t.advance('3d')
    const lines = async () => (await t.keelson.revert.plan({ from })).lines.map(({ kind }) => kind).sort()
    const before = await lines()
    expect(before).toEqual(['effect', 'effect', 'entity', 'entity', 'memory', 'memory'])
    await erase(t)
    expect(await lines()).toEqual(before)
    await t.stop()
  })

  it('looks into runs whose beginning was erased', async () => {
    const remembers = [1, 2].map((version) =>
      work((ctx) => ctx.memory.remember([{ text: AWAY }, { text: STAYS }]), version),
    )
    const t = await testConductor({ playbooks: [remembers[0]!] })
    await (await t.start(remembers[0]!, { for: AWAY }, { id: 'r' })).result()
    await erase(t)
    const lines = async (version: number) => (await t.keelson.revert.plan({ playbook: 'work', version })).lines.length
    expect([await lines(1), await lines(2)]).toEqual([1, 0])
    await t.stop()
  })
})

it('is told of whom nothing says any more when it was of a version', async () => {
  const [one, two] = [1, 2].map((version) =>
    work(async (ctx) => {
      await ctx.memory.remember([{ text: AWAY }, { text: STAYS }])
      await ctx.sleep('1d')
      await ctx.memory.remember({ text: 'Was moved.' })
    }, version),
  )
  const t = await testConductor({ playbooks: [one!, two!] })
  const run = await t.start(one!, { for: AWAY }, { id: 'r' })
  await t.keelson.runs.upgrade({ playbook: 'work', to: 2, by: me })
  await t.advance('2d')
  await run.result()
  await erase(t)
  const plans = await Promise.all([1, 2].map((version) => t.keelson.revert.plan({ playbook: 'work', version })))
  expect(plans.map((plan) => [plan.lines.length, plan.pruned])).toEqual([
    [0, ['r']],
    [1, ['r']],
  ])
  expect((await t.keelson.revert.plan({ run: 'r' })).lines).toHaveLength(2)
  await t.stop()
})

it('lists effects whose entries were erased', async () => {
  const charges = work(async (ctx) => {
    await ctx.act(charge, { for: AWAY })
    await ctx.act(charge, { for: STAYS })
  })
  const t = await testConductor({ playbooks: [charges], actions: [charge], policy: free })
  await (await t.start(charges, {}, { id: 'r' })).result()
  const { id } = await t.keelson.memory.remember({ text: AWAY }, { by: me })
  await t.keelson.memory.erase({ ids: [id] }, by)
  const plan = await t.keelson.revert.plan({ run: 'r' })
  expect(said(plan)).toEqual([`shop.charge for: ${STAYS}: can`, 'shop.charge for: [erased]: can'])
  const reverting = await t.keelson.revert.apply(plan, { by: me })
  expect(((await t.keelson.runs.get(reverting.id).result()) as RevertResult).undone).toHaveLength(2)
  await t.stop()
})

it('lists what children did whose calling was erased', async () => {
  const child = definePlaybook({
    ...{ name: 'child', version: 1, input: z.object({}), output: z.null() },
    run: async (ctx) => ctx.act(charge, { for: STAYS }),
  })
  const calls = work((ctx) => ctx.call(child, {}))
  const t = await testConductor({ playbooks: [calls, child], actions: [charge], policy: free })
  await (await t.start(calls, {}, { id: `onboard ${AWAY}` })).result()
  const { id } = await t.keelson.memory.remember({ text: AWAY }, { by: me })
  await t.keelson.memory.erase({ ids: [id] }, by)
  expect(said(await t.keelson.revert.plan({ run: `onboard ${AWAY}` }))).toEqual([`shop.charge for: ${STAYS}: can`])
  await t.stop()
})

it('leaves alone what a run did that was not called, under a name that one was to have', async () => {
  const child = definePlaybook({
    ...{ name: 'child', version: 1, input: z.object({}), output: z.null() },
    run: async (ctx) => ctx.act(charge, { for: STAYS }),
  })
  const calls = work((ctx) => ctx.call(child, {}).catch(() => null))
  const t = await testConductor({ playbooks: [calls, child], actions: [charge], policy: free })
  await (await t.start(child, {}, { id: 'r/child' })).result()
  await (await t.start(calls, {}, { id: 'r' })).result()
  expect(said(await t.keelson.revert.plan({ run: 'r/child' }))).toHaveLength(1)
  expect(said(await t.keelson.revert.plan({ run: 'r' }))).toEqual([])
  await t.stop()
})
