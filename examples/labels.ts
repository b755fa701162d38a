/**
 * Labels: a stranger's mail is answered out of private records. By itself that asks; a rule that names the labels decides instead.
 *
 * Expected output:
 *   asked: mail.send (labels: it goes out and rests on untrusted (the input of answer) and private (entity customer))
 *   sent
 *   asked: mail.send (answers: above 1,000 EUR; it rests on untrusted (the input of answer) and private (entity customer))
 */
import { action, createConductor, defineEntity, definePlaybook, policy, type PolicyGate } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { z } from 'zod'

const known = { version: 1, schema: z.object({ email: z.string() }), index: ['email'], private: ['email'] } as const
const Customer = defineEntity({ name: 'customer', ...known })
const quoted = z.object({ number: z.string(), to: z.string(), cents: z.int() })
const Quote = defineEntity({ name: 'quote', version: 1, schema: quoted, index: ['number'] })
const mail = z.object({ to: z.string(), text: z.string(), quote: z.string() })
const facts = { name: 'mail.send', effect: 'irreversible', idempotency: { by: 'key' } } as const
const send = action({ ...facts, input: mail, output: z.null(), run: () => ({ output: null }) })
const shape = { name: 'answer', version: 1, input: z.object({ from: z.string(), text: z.string() }), output: z.null() }
const answer = definePlaybook({
  ...shape,
  async run(ctx, { from, text }) {
    await ctx.entities(Customer).find({ email: from })
    return ctx.act(send, { to: from, text: `You asked: ${text}`, quote: 'Q-1' })
  },
})
// #region rule
const answers = policy.rule(
  'answers',
  {
    on: send,
    labels: ['untrusted', 'private'],
    look: ({ to, quote }, look) => ({
      known: look.one(Customer, { email: to }),
      quote: look.one(Quote, { number: quote }),
    }),
  },
  ({ input, found: { known, quote } }) => {
    if (known === undefined || quote?.data.to !== input.to) return policy.ask({ reason: 'not theirs' })
    return quote.data.cents > 1000_00 ? policy.ask({ reason: 'above 1,000 EUR' }) : policy.allow()
  },
)
// #endregion
async function outcome(gate: PolicyGate, cents: number): Promise<string> {
  const keelson = await createConductor({ store: memoryStore(), playbooks: [answer], policy: gate })
  await keelson.entities(Customer).create({ email: 'ada@example.org' })
  await keelson.entities(Quote).create({ number: 'Q-1', to: 'ada@example.org', cents })
  const from = { from: 'ada@example.org', text: 'What would a logo cost?' }
  await keelson.start(answer, from, { id: 'mail:1', labels: ['untrusted'] }) // whoever wrote it
  await keelson.quiet()
  const [item] = (await keelson.inbox.list()).items
  await keelson.stop()
  return item === undefined ? 'sent' : `asked: ${item.title}`
}
const all = policy([policy.rule('all', { on: send }, () => policy.allow())])
console.log(await outcome(all, 300_00))
console.log(await outcome(policy([answers]), 300_00))
console.log(await outcome(policy([answers]), 3000_00))
