/** Alerts by their causes: a connector that refuses several playbooks is one; first tries that drop are told as they drop. */
import { action, defineConnector, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const look = action({
  name: 'crm.look',
  effect: 'read',
  input: z.object({}),
  output: z.object({ name: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const crm = fake(defineConnector({ name: 'crm', actions: { look } }))
const flaky = definePlaybook({
  name: 'flaky',
  version: 1,
  input: z.object({ bad: z.number() }),
  output: z.string(),
  async run(ctx, { bad }) {
    const seen = new Set<number>()
    for (let n = 0; n < 5; n++)
      await ctx.step(
        `part ${n}`,
        () => {
          if (n >= bad || seen.has(n)) return
          seen.add(n)
          throw new Error('not yet')
        },
        { retry: { attempts: 3, first: '1s' } },
      )
    return 'done'
  },
})
const ids = async (t: Harness) => (await t.keelson.metrics.alerts.list()).map(({ id, count }) => `${id} ${count}`)

describe('first tries that drop', () => {
  const days = async (t: Harness, count: number, bad: (day: number) => number) => {
    for (let day = 0; day < count; day++) {
      for (const one of [bad(day), 0]) {
        await t.start(flaky, { bad: one })
        await t.advance('1m')
      }
      await t.advance('1438m')
    }
  }

  it('far below what they were in four weeks are told as they drop, without anybody asking for a report', async () => {
    const t = await testConductor({ playbooks: [flaky], now: '2026-03-01T08:00:00Z' })
    await days(t, 9, (day) => day % 2) // one of ten, every other day
    expect(await ids(t)).toEqual([])
    for (let i = 0; i < 2; i++) {
      await t.start(flaky, { bad: 5 })
      await t.advance('20m')
    }
    expect(await ids(t)).toEqual(['first-try:flaky 2'])
    await t.start(flaky, { bad: 1 })
    await t.advance('20m')
    expect(await ids(t)).toEqual(['first-try:flaky 3'])
    await t.host((keelson) => keelson.metrics.alerts.acknowledge('first-try:flaky', { by }))
    await t.start(flaky, { bad: 5 })
    await t.advance('20m')
    expect(await ids(t)).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('are nothing to tell of what was always so, of a few steps, or of a few days', async () => {
    const t = await testConductor({ playbooks: [flaky], now: '2026-03-01T08:00:00Z' })
    await days(t, 5, () => 0)
    await days(t, 1, () => 5)
    expect(await ids(t)).toEqual([])
    await days(t, 9, () => 4)
    expect(await ids(t)).toEqual([])
    await t.stop()
  })
})

it('a connector that refuses its credentials is one cause, whoever uses it', async () => {
  const using = (name: string) =>
    definePlaybook({
      name,
      version: 1,
      uses: [look],
      input: z.object({}),
      output: z.string(),
      run: async (ctx) => (await ctx.act(look, {})).name,
    })
  const [one, two] = [using('one'), using('two')]
  const t = await testConductor({
    connectors: [crm],
    playbooks: [one, two],
    policy: policy([policy.rule('all', { on: look }, () => policy.allow())]),
  })
  for (const playbook of [one, two, one]) {
    t.fault(look, 'reauth')
    await t.start(playbook, {})
    await t.advance('1h')
  }
  expect(await ids(t)).toEqual(['auth:crm 3'])
  await t.stop()
})
