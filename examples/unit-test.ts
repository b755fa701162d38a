/**
 * Unit test: a whole playbook in a test without waiting: time passes when told, mail is recorded instead of sent.
 *
 * Expected output:
 *   waits for an approval: true
 *   subjects sent: Hi Ada
 *   an answer that was lost did not send twice: true
 *   after a crash and two weeks: { signed: false }
 */
import { action, defineConnector, defineEvent, definePlaybook } from '@keelson/core'
import { fake, testConductor } from '@keelson/testing'
import { z } from 'zod'

// #region playbook
const email = defineConnector({
  name: 'email',
  actions: {
    send: action({
      name: 'email.send',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ to: z.string(), subject: z.string() }),
      output: z.object({ messageId: z.string() }),
      run: () => Promise.reject(new Error('a test must not get here')),
    }),
  },
})
const signed = defineEvent({ name: 'contract.signed', schema: z.object({ name: z.string() }) })
const onboarding = definePlaybook({
  name: 'onboarding',
  version: 1,
  input: z.object({ name: z.string(), email: z.string() }),
  output: z.object({ signed: z.boolean() }),
  async run(ctx, { name, email: to }) {
    await ctx.act(email.send, { to, subject: `Welcome ${name}` })
    const contract = await ctx.waitFor(signed, { match: { name }, timeout: '14d' })
    return { signed: contract !== undefined }
  },
})
// #endregion
// #region test
const t = await testConductor({ playbooks: [onboarding], connectors: [fake(email)] })
t.fault(email.send, 'timeout-after-effect')
const run = await t.start(onboarding, { name: 'Ada', email: 'ada@example.org' })
const status = await run.status()
console.log(`waits for an approval: ${status.state === 'waiting' && status.for[0]?.kind === 'approval'}`)
await t.approve(email.send, { edit: { subject: 'Hi Ada' } })
const mails = t.world(email.send)
console.log(`subjects sent: ${mails.map(({ input }) => input.subject).join()}`)
console.log(`an answer that was lost did not send twice: ${mails.every(({ times }) => times === 1)}`)
await t.crash()
await t.advance('14d')
console.log('after a crash and two weeks:', await run.result())
await t.stop()
// #endregion
