/** What the log says of rules at a start: that they have changed, where they have, and nothing where they have not. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook, policy, type PolicyGate } from '@keelson/core'
import { open, store } from './support/open.ts'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({}),
  output: z.object({}),
  run: () => ({ output: {} }),
})
const post = definePlaybook({
  name: 'post',
  version: 1,
  input: z.object({}),
  output: z.object({}),
  uses: [send],
  run: (ctx) => ctx.act(send, {}),
})

it('tells of other rules only where there were rules before', async () => {
  const data = store()
  const told: string[] = []
  const info = (_: object, line = ''): unknown => line.startsWith('the rules') && told.push(line)
  const log = { info: (fields: object, line?: string) => void info(fields, line), warn: () => {}, error: () => {} }
  const start = async (rules?: PolicyGate): Promise<void> => {
    const conductor = await open(data, { playbooks: [post], log, ...(rules === undefined ? {} : { policy: rules }) })
    await conductor.start(post, {}, { id: 'r' })
    await conductor.quiet()
    await conductor.stop()
  }
  await start()
  await start()
  expect(told).toEqual([])
  await start(policy([policy.rule('mine', { on: send }, () => policy.ask())]))
  expect(told).toEqual(['the rules have changed: 1 open effect is judged again'])
})
