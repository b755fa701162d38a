/**
 * Agent: one structured question to a model; its answer is recorded, paid for once, and goes through the gate like any other.
 *
 * Expected output:
 *   asked the model: Welcome Ada
 *   asked: mail.send (the model wrote it)
 *   the process dies, another goes on
 *   sent: Hello Ada
 */
import { action, defineAgent, defineConnector, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { z } from 'zod'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ text: z.string() }),
  output: z.object({ id: z.string() }),
  run: () => ({ output: { id: 'M1' } }),
})
const writer = defineAgent({
  name: 'writer',
  version: 1,
  instructions: 'Write as the operator would: short and warm.',
  input: z.object({ task: z.string() }),
  output: z.object({ text: z.string() }),
})
const welcome = definePlaybook({
  name: 'welcome',
  version: 1,
  input: z.object({ task: z.string() }),
  output: z.object({ id: z.string() }),
  async run(ctx, input) {
    const { text } = await ctx.delegate(writer, input)
    return ctx.act(send, { text })
  },
})

const mail = defineConnector({ name: 'mail', actions: { send } })
const gate = policy([policy.rule('words', { on: send }, () => policy.ask({ reason: 'the model wrote it' }))])
const t = await testConductor({ playbooks: [welcome], connectors: [fake(mail)], policy: gate })
// #region script
t.script(writer, ({ task }) => {
  console.log('asked the model:', task) // a script stands in for it
  return { text: 'Hello Ada' }
})
// #endregion
await t.start(welcome, { task: 'Welcome Ada' })
console.log('asked:', (await t.inbox.list()).items[0]?.title.replace('words: ', ''))
console.log('the process dies, another goes on')
await t.crash()
await t.approve(send)
for (const { input } of t.world(send)) console.log('sent:', input.text)
await t.stop()
