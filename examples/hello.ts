/**
 * Hello: a playbook drafts a greeting, asks before it is sent, and remembers every step.
 *
 * Expected output:
 *   asked: mail.send (no rule covers it yet, so you decide)
 *   sent to ada@example.org: Welcome aboard, Ada!
 *   { delivered: true }
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// #region playbook
import { action, createConductor, definePlaybook } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({ id: z.string() }),
  run(mail, { key }) {
    console.log(`sent to ${mail.to}: ${mail.text}`)
    return { output: { id: key } }
  },
})

const welcome = definePlaybook({
  name: 'welcome',
  version: 1,
  input: z.object({ name: z.string(), email: z.string() }),
  output: z.object({ delivered: z.boolean() }),
  uses: [send],
  async run(ctx, { name, email }) {
    const text = await ctx.step('draft', () => `Welcome aboard, ${name}!`)
    await ctx.act(send, { to: email, text })
    return { delivered: true }
  },
})
// #endregion

process.chdir(mkdtempSync(join(tmpdir(), 'keelson-')))
// #region host
const keelson = await createConductor({ store: sqlite('hello.db'), playbooks: [welcome] })
const run = await keelson.start(welcome, { name: 'Ada', email: 'ada@example.org' }, { id: 'welcome:ada' })

const answering = answer()
console.log(await run.result())
await keelson.stop()
await answering

async function answer() {
  for await (const { id, hash, title } of keelson.inbox.watch()) {
    console.log(`asked: ${title}`)
    await keelson.inbox.decide(id, { hash, by: { kind: 'person', id: 'you' }, approve: true })
  }
}
// #endregion
