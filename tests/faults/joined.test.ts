/** Whoever asks for an effect in the very moment in which it is withdrawn with its caller gets it. */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import type { PassUnit } from '@keelson/core/ports'
import { intercept, memoryStore } from '@keelson/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const log = { info: () => {}, warn: () => {}, error: () => {} }

it('joins it, and it is not cancelled', async () => {
  const sent: string[] = []
  const send = action({
    name: 'post.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({}),
    output: z.object({}),
    intent: () => ['once'],
    run: async (_input, { key }) => ({ output: (sent.push(key), {}) }),
  })
  const asks = definePlaybook({
    name: 'asks',
    version: 1,
    input: z.object({}),
    output: z.object({}),
    run: (ctx) => ctx.act(send, {}),
  })
  const { promise: joined, resolve: hasJoined } = Promise.withResolvers<void>()
  let withdrawn = 0
  const store = intercept(memoryStore().session(), {
    before: async (op, detail) => {
      const ends = op === 'commit' && commits(detail[1] as PassUnit, 'run.settled')
      if (!ends || !(detail[0] as { run: string }).run.startsWith('effect:') || ++withdrawn > 1) return
      await keelson.start(asks, {}, { id: 'second' })
      await joined
    },
    after(op, detail) {
      if (op === 'commit' && (detail[0] as { run: string }).run === 'second') {
        if (commits(detail[1] as PassUnit, 'effect.opened')) hasJoined()
      }
    },
  })
  const asking = policy([policy.rule('ask', { on: send }, () => policy.ask())])
  const options = { store, playbooks: [asks], actions: [send], policy: asking, log, keepAlive: false }
  const keelson = await createConductor(options)
  await keelson.start(asks, {}, { id: 'first' })
  await keelson.quiet()
  await keelson.runs.cancel('first', { by, reason: 'not any more' })
  await keelson.quiet()
  expect(withdrawn).toBe(1)
  const [item] = (await keelson.inbox.list()).items
  expect(await keelson.runs.get('second').status()).toMatchObject({ state: 'waiting' })
  await keelson.inbox.decide(item!.id, { hash: item!.hash, by, approve: true })
  expect(await keelson.runs.get('second').result()).toEqual({})
  expect(sent).toHaveLength(1)
  await keelson.stop()
})

const commits = ({ entries = [] }: PassUnit, kind: string): boolean => entries.some((entry) => entry.kind === kind)
