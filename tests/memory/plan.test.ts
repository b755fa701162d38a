/** A plan of what a run did names what it remembered, too, and takes that back with the rest. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook, policy, type Conductor, type RevertResult } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import { me } from '../support/open.ts'

const price = { subject: 'acme', predicate: 'price', functional: true }
const learns = definePlaybook({
  name: 'learns',
  version: 1,
  input: z.object({}),
  output: z.null(),
  async run(ctx) {
    await ctx.memory.remember({ ...price, value: '12' })
    await ctx.memory.append({ text: 'They called about the price.', thread: 'acme' })
    await ctx.memory.remember({ ...price, value: '14' })
    await ctx.memory.propose([{ op: 'add', memory: { kind: 'rule', text: 'Never below 10.' } }], { reason: 'a rule' })
    return null
  },
})

async function known({ memory }: Conductor) {
  const recalled = await memory.recall('What is the price of acme?')
  return {
    facts: (await memory.facts({ about: 'acme' })).map(({ id, value, validFrom, validTo }) => [
      id,
      value,
      validFrom,
      validTo,
    ]),
    recalled: recalled.map(({ memory: { id, text }, score }) => [id, text, score]),
    said: (await memory.history({ thread: 'acme' })).map(({ text }) => text),
  }
}

async function taught(t: Harness) {
  await t.host(async ({ memory }) =>
    memory.remember({ ...price, value: '10' }, { by: { kind: 'agent', id: 'reader' } }),
  )
  const before = await t.host((keelson) => known(keelson))
  const run = await t.start(learns, {}, { id: 'r' })
  await run.result()
  return before
}

describe('what a run remembered', () => {
  it('is in its plan, and taken back with it, bit for bit, wherever a process dies', async () => {
    const { schedules } = await exploreCrashes(
      async (t) => {
        const before = await taught(t)
        const plan = await t.host((keelson) => keelson.revert.plan({ run: 'r' }))
        const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
        const result = await t.keelson.runs.get(id).result()
        expect(await t.host((keelson) => known(keelson))).toEqual(before)
        expect((await t.keelson.audit.verify()).faults).toEqual([])
        return [plan.lines.map(({ what, can }) => [what, can]), result]
      },
      { harness: () => ({ playbooks: [learns] }), limit: 100 },
    )
    expect(schedules).toBeGreaterThan(20)
  })

  it('is told in the order of taking back, with what stays and why', async () => {
    const t = await testConductor({ playbooks: [learns] })
    await taught(t)
    const { memory, revert } = t.keelson
    const kept = async () =>
      (await revert.plan({ run: 'r' })).lines.flatMap((line) =>
        line.kind === 'memory' && line.can ? [line.kept.length] : [],
      )
    const lines = async () => {
      const plan = await revert.plan({ run: 'r' })
      return plan.lines.map((line) => [line.what, line.can ? 'can' : line.why])
    }
    expect(await lines()).toEqual([
      ['memory: a rule', 'nobody has decided it yet: reject it'],
      ['memory: learns: memory.remember#2', 'can'],
      ['memory: learns: memory.append', 'can'],
      ['memory: learns: memory.remember', 'can'],
    ])
    expect(await kept()).toEqual([0, 0, 0]) // of each as it will be once those after it are taken back
    const [proposed] = await memory.changes.list({ status: 'proposed' })
    await memory.changes.apply(proposed!.id, { by: me })
    await memory.remember({ ...price, value: '16' }, { by: me })
    const [last] = (await memory.facts({ about: 'acme' })).map(({ id }) => id)
    const now = await lines()
    expect(now[0]).toEqual(['memory: a rule', 'me agreed to it: memory.revert() takes it back'])
    const plan = await revert.plan({ run: 'r' })
    expect(await kept()).toEqual([1, 0, 1])
    const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
    const { undone, failed, left } = (await t.keelson.runs.get(id).result()) as RevertResult
    expect([undone.length, failed, left.map(({ what }) => what)]).toEqual([3, [], ['memory: a rule']])
    expect((await memory.facts({ about: 'acme' })).map((one) => one.id)).toEqual([last])
    expect(await memory.history({ thread: 'acme' })).toEqual([])
    expect((await lines()).slice(1).map(([, why]) => why)).toEqual(Array(3).fill('it has been taken back already'))
    // What a revert took back is a set like any other.
    await memory.revert({ run: id }, { by: me })
    expect((await memory.history({ thread: 'acme' })).map(({ text }) => text)).toEqual(['They called about the price.'])
    await t.stop()
  })

  it('is told to have been read since, and rested on', async () => {
    const tell = action({
      ...{ name: 'bell.ring', effect: 'irreversible', idempotency: { by: 'key' } },
      ...{ input: z.object({ text: z.string() }), output: z.null(), run: () => ({ output: null }) },
    })
    const tells = definePlaybook({
      ...{ name: 'tells', version: 1, input: z.object({ about: z.string() }), output: z.null() },
      async run(ctx, { about }) {
        const [fact] = await ctx.memory.facts({ about })
        return ctx.act(tell, { text: fact?.text ?? '' }, { because: fact === undefined ? [] : [fact] })
      },
    })
    const gate = policy([policy.rule('free', { on: tell }, () => policy.allow())])
    const t = await testConductor({ playbooks: [learns, tells], actions: [tell], policy: gate })
    await taught(t)
    const id = (await t.keelson.memory.facts({ about: 'acme' }))[0]!.id
    await t.start(tells, { about: 'acme' }, { id: 'reader' })
    await t.start(tells, { about: 'others' }, { id: 'stranger' })
    const { dependents } = await t.keelson.revert.plan({ run: 'r' })
    expect(dependents.map(({ kind, why }) => [kind, why])).toEqual([
      ['effect', `bell.ring of run reader rests on memory ${id}`],
      ['run', `read memory ${id}`],
    ])
    await t.stop()
  })

  it('is refused where it has moved since the plan', async () => {
    const t = await testConductor({ playbooks: [learns] })
    await taught(t)
    const plan = await t.keelson.revert.plan({ run: 'r' })
    await t.keelson.memory.revert({ run: 'r' }, { by: me })
    await expect(t.keelson.revert.apply(plan, { by: me })).rejects.toMatchObject({ code: 'PLAN_CHANGED' })
    await t.stop()
  })
})
