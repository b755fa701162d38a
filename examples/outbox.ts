/**
 * Outbox: mails that go out by themselves in an hour, unless somebody stops them, sends them now, or puts them off.
 *
 * Expected output:
 *   in 60 min: Dear Ada
 *   in 60 min: Dear Bob
 *   in 60 min: Dear Cyd
 *   sent: Dear Ada
 *   ada: completed
 *   bob: declined
 *   in 120 min: Dear Cyd
 */
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const Mail = z.object({ to: z.string(), text: z.string() })
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: Mail,
  output: z.object({ id: z.string() }),
  preview: ({ text }) => ({ kind: 'text', after: text }),
  run({ text }, { key }) {
    console.log(`sent: ${text}`)
    return { output: { id: key } }
  },
})
const greet = definePlaybook({
  name: 'greet',
  version: 1,
  input: Mail,
  output: z.object({ id: z.string() }),
  uses: [send],
  run: (ctx, mail) => ctx.act(send, mail),
})
// #region hold
const gate = policy([policy.rule('second thoughts', { on: send }, () => policy.hold('1h'))])
// #endregion
const keelson = await createConductor({ store: memoryStore(), playbooks: [greet], policy: gate })
const began = Date.now()
const list = async (): Promise<void> => {
  for (const { dueAt, preview } of (await keelson.holds.list()).holds)
    console.log(
      `in ${Math.round((Date.parse(dueAt) - began) / 60_000)} min: ${preview.kind === 'text' ? preview.after : ''}`,
    )
}
for (const name of ['Ada', 'Bob', 'Cyd']) {
  await keelson.start(greet, { to: name, text: `Dear ${name}` }, { id: name.toLowerCase() })
  await keelson.quiet()
}
await list()
// #region verbs
const by = { kind: 'person', id: 'ann', name: 'Ann' } as const
const [ada, bob, cyd] = (await keelson.holds.list()).holds
await keelson.holds.sendNow(ada!.id, { by, hash: ada!.hash })
await keelson.holds.cancel(bob!.id, { by, reason: 'we met' })
await keelson.holds.reschedule(cyd!.id, { by, to: '2h' })
// #endregion
await keelson.quiet()
for (const run of ['ada', 'bob']) console.log(`${run}: ${(await keelson.runs.get(run).status()).state}`)
await list()
await keelson.stop()
