/** A run that another starts by an action, under an id of its own: once, wherever a process dies. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook, policy } from '@keelson/core'
import { exploreCrashes, fake, type Harness } from '@keelson/testing'
import { me } from './support/open.ts'

const order = z.object({ order: z.string() })

const note = action({
  ...{ name: 'books.note', effect: 'irreversible', idempotency: { by: 'key' }, input: order, output: z.null() },
  run: () => ({ output: null }),
})
const fulfil = definePlaybook({
  ...{ name: 'fulfil', version: 1, input: order, output: z.string() },
  async run(ctx, { order }) {
    await ctx.sleep('1h')
    await ctx.act(note, { order })
    return `order ${order} is packed`
  },
})

/** The harness whose conductor the action starts on: one schedule at a time. */
let current: Harness
const begin = action({
  ...{ name: 'office.begin', effect: 'reversible', idempotency: { by: 'id' }, outgoing: false, input: order },
  ...{ output: z.object({ run: z.string() }), undo: z.object({ run: z.string() }) },
  intent: ({ order }) => ['fulfil', order],
  async run({ order }) {
    const { id } = await current.keelson.start(fulfil, { order }, { id: `order:${order}` })
    return { output: { run: id }, undo: { run: id } }
  },
  async compensate({ run }) {
    await current.keelson.runs.cancel(run, { by: me, reason: 'taken back' })
  },
})
const take = definePlaybook({
  ...{ name: 'take', version: 1, input: order, output: z.string() },
  run: async (ctx, input) => (await ctx.act(begin, input)).run,
})

it('is the same run, and does its work once, wherever the process dies', { timeout: 120_000 }, async () => {
  const free = policy([policy.rule('all', { on: [begin, note] as never }, () => policy.allow())])
  const explored = await exploreCrashes(
    async (t) => {
      current = t
      const [one, other] = [await t.start(take, { order: '7' }, { id: 'one' }), await t.start(take, { order: '7' }, { id: 'other' })] // prettier-ignore
      expect([await one.result(), await other.result()]).toEqual(['order:7', 'order:7'])
      await t.advance('2h')
      const { runs } = await t.host((keelson) => keelson.runs.list({ playbook: 'fulfil' }))
      expect(runs.map(({ id, status }) => [id, status.state])).toEqual([['order:7', 'completed']])
      expect(t.world(note).map(({ times }) => times)).toEqual([1])
    },
    {
      harness: () => ({ playbooks: [take, fulfil], actions: [begin], connectors: [fake(note)], policy: free }),
      atOnce: 1,
    },
  )
  expect(explored.points).toBeGreaterThan(10)
})
