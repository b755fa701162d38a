/** The playbooks of the golden histories: one of each kind of operation. They never change; a new release gets new histories. */
import { z } from 'zod'
import { action, defineEntity, defineEvent, definePlaybook, policy, type Playbook } from '@keelson/core'

export const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), stage: z.string() }),
  index: ['name'],
})
export const signed = defineEvent({ name: 'signed', schema: z.object({ who: z.string() }) })

/** What the actions did in the world of this process. */
export function golden() {
  const sent: string[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({ to: z.string() }),
    intent: ({ to }) => ['mail', to],
    run: ({ to }) => {
      sent.push(to)
      return { output: { to } }
    },
  })
  const child = definePlaybook({
    name: 'greet',
    version: 1,
    input: z.object({ name: z.string() }),
    output: z.string(),
    run: (ctx, { name }) => ctx.step('greeting', () => `Dear ${name}`),
  })
  const onboard = definePlaybook({
    name: 'onboard',
    version: 1,
    input: z.object({ name: z.string() }),
    output: z.object({ id: z.string(), stage: z.string() }),
    async run(ctx, { name }) {
      const customer = await ctx.entities(Customer).create({ name, stage: 'new' })
      const greeting = await ctx.call(child, { name })
      await ctx.act(send, { to: name })
      await ctx.checkpoint('greeted')
      const parts = await ctx.all(
        ['a', 'b'],
        (part) => part,
        (branch, part) => branch.step('write', () => `${greeting}, ${part}`),
      )
      await ctx.step('note', () => parts)
      await ctx.sleep('1m')
      await ctx.waitFor(signed, { match: { who: name }, timeout: '3650d' })
      const stage = await ctx.ask(`Which stage for ${name}?`, { answer: z.string() })
      const now = await ctx.entities(Customer).update(customer.id, { stage })
      return { id: customer.id, stage: now.data.stage }
    },
  })
  const count = definePlaybook({
    name: 'count',
    version: 1,
    input: z.object({ n: z.number() }),
    output: z.object({ n: z.number() }),
    async run(ctx, { n }) {
      await ctx.step('count', () => n + ctx.random() * 0)
      return n < 3 ? ctx.continueAsNew({ n: n + 1 }) : { n }
    },
  })
  const gate = policy([
    policy.rule('strangers', { on: send }, ({ input }) => (input.to.startsWith('x') ? policy.ask() : policy.allow())),
  ])
  const playbooks: readonly Playbook<any, any>[] = [onboard, child, count]
  return { sent, onboard, count, options: { playbooks, policy: gate } }
}
