/** Metrics by terms: runs are cut by the words of their own company's taxonomy, as they stood when each was counted. */
import { action, defineConnector, definePlaybook, policy } from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const send = action({
  name: 'email.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const email = defineConnector({ name: 'email', actions: { send } })
const write = definePlaybook({
  ...{ name: 'write', version: 1, input: z.object({ to: z.string() }), output: z.string() },
  run: async (ctx, { to }) => (await ctx.act(send, { to })).id,
})
const asks = policy([
  policy.rule('strangers', { on: send }, ({ input }) => (input.to === 'friend' ? policy.allow() : policy.ask())),
])

async function harness(more: Partial<Parameters<typeof testConductor>[0]> = {}): Promise<Harness> {
  return testConductor({ playbooks: [write], connectors: [fake(email)], policy: asks, ...more })
}

describe('metrics by terms of the taxonomy', () => {
  const input = z.object({ to: z.string(), kind: z.string() })
  const sorted = definePlaybook({
    ...{ name: 'sorted', version: 1, input, output: z.string() },
    terms: ({ kind }) => {
      if (kind === 'throws') throw new Error('no such kind')
      return { segments: [kind], tags: ['mail', 'unknown'] }
    },
    run: async (ctx, { to }) => (await ctx.act(send, { to })).id,
  })
  const groupsOf = async (t: Harness, by: 'segments' | 'tags' | 'categories') =>
    (await t.keelson.metrics.report({ by })).groups.map((one) => [
      ...[one.key, one.runs.completed, one.interventions.byKind.gate, one.retries.steps],
    ])

  it('count a run, its effects and what people did about it under each term in use, and the rest under none', async () => {
    const t = await harness({ playbooks: [sorted, write] })
    await t.keelson.taxonomy.set({ segments: ['b2b', 'b2c'], tags: ['mail'] }, { by })
    await t.start(sorted, { to: 'friend', kind: 'b2b' })
    await t.start(sorted, { to: 'stranger', kind: 'b2c' })
    await t.approve(send)
    await t.start(sorted, { to: 'friend', kind: 'b2x' })
    await t.start(sorted, { to: 'friend', kind: 'throws' })
    await t.start(write, { to: 'friend' })
    expect(await groupsOf(t, 'segments')).toEqual([
      ['', 3, 0, 3],
      ['b2b', 1, 0, 1],
      ['b2c', 1, 1, 1],
    ])
    expect(await groupsOf(t, 'tags')).toEqual([
      ['', 2, 0, 2],
      ['mail', 3, 1, 3],
    ])
    expect(await groupsOf(t, 'categories')).toEqual([['', 5, 1, 5]])
    const { groups, total } = await t.keelson.metrics.report()
    expect(groups.map(({ key, runs }) => [key, runs.completed])).toEqual([
      ['sorted', 4],
      ['write', 1],
    ])
    expect(total.runs.completed).toBe(5)
    await expect(t.keelson.metrics.report({ by: 'moods' as never })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('stay in days that were summed up, whatever became of the term', async () => {
    const t = await harness({ playbooks: [sorted] })
    await t.keelson.taxonomy.set({ segments: ['b2b'] }, { by })
    await t.start(sorted, { to: 'friend', kind: 'b2b' })
    await t.advance('2d')
    const before = await groupsOf(t, 'segments')
    expect(before).toEqual([['b2b', 1, 0, 1]])
    await t.keelson.taxonomy.set({ segments: [] }, { by })
    await t.start(sorted, { to: 'friend', kind: 'b2b' })
    expect(await groupsOf(t, 'segments')).toEqual([['', 1, 0, 1], ...before])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('hold against a term what was taken back of its runs', async () => {
    const book = action({
      ...{ name: 'room.book', effect: 'reversible', input: z.object({}), output: z.object({}), undo: z.object({}) },
      run: () => Promise.reject(new Error('a test reached the real world')),
      compensate: () => {},
    })
    const plan = definePlaybook({
      ...{ name: 'plan', version: 1, input: z.object({}), output: z.object({}), terms: { tags: ['mail'] } },
      run: (ctx) => ctx.act(book, {}),
    })
    const free = policy([policy.rule('free', { on: book }, () => policy.allow())])
    const room = defineConnector({ name: 'room', actions: { book } })
    const t = await harness({ playbooks: [plan], connectors: [fake(room)], policy: free })
    await t.keelson.taxonomy.set({ tags: ['mail'] }, { by })
    const run = await t.start(plan, {})
    await t.host(async (keelson) => keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by }))
    const { groups } = await t.keelson.metrics.report({ by: 'tags' })
    const mail = groups.find(({ key }) => key === 'mail')
    expect([mail?.runs.completed, mail?.interventions.byKind.revert]).toEqual([1, 1])
    const wrong = () => definePlaybook({ ...definition, terms: { tag: ['mail'] } as never })
    const definition = { name: 'p', version: 1, input: z.object({}), output: z.null(), run: async () => null }
    expect(wrong).toThrow('"tag" is no list of terms')
  })

  it('are the same however the run was cut short', async () => {
    await exploreCrashes(
      async (t) => {
        await t.host((keelson) => keelson.taxonomy.set({ segments: ['b2b'] }, { by }))
        await t.start(sorted, { to: 'stranger', kind: 'b2b' })
        await t.approve(send)
        const { groups } = await t.host((keelson) => keelson.metrics.report({ by: 'segments' }))
        return groups.map(({ key, runs, interventions }) => [key, runs.completed, interventions.byKind.gate])
      },
      { harness: () => ({ playbooks: [sorted], connectors: [fake(email)], policy: asks }) },
    )
  })

  it('are of the terms of one workspace', async () => {
    const t = await harness({ playbooks: [sorted] })
    await t.keelson.taxonomy.set({ segments: ['b2b'] }, { by })
    const other = t.keelson.workspace('other')
    await other.start(sorted, { to: 'friend', kind: 'b2b' }, { id: 'theirs' })
    await t.advance('1s')
    const { groups } = await other.metrics.report({ by: 'segments' })
    expect(groups.map(({ key, runs }) => [key, runs.completed])).toEqual([['', 1]])
  })
})
