/** What users' editors infer, and wrong code that must not compile. */
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineConnector,
  defineEntity,
  defineEvent,
  definePersona,
  definePlaybook,
  defineTrust,
  duration,
  policy,
  type Context,
  type Duration,
  type Entity,
  type InboxItem,
  type Json,
  type Run,
  type Workspace,
} from '@keelson/core'

const Slot = z.object({ start: z.string(), end: z.string() })
const findTime = action({
  name: 'calendar.findTime',
  effect: 'read',
  input: z.object({ minutes: z.number() }),
  output: Slot.nullable(),
  run: async () => ({ output: null }),
})
const book = action({
  name: 'calendar.book',
  effect: 'reversible',
  input: Slot.extend({ title: z.string() }),
  output: z.object({ eventId: z.string() }),
  undo: z.object({ etag: z.string() }),
  run: async (input) => ({ output: { eventId: input.title }, undo: { etag: 'x' } }),
  compensate: async (undo) => {
    expectTypeOf(undo).toEqualTypeOf<{ etag: string }>()
  },
})
const calendar = defineConnector({ name: 'calendar', actions: { findTime, book } })
const signed = defineEvent({ name: 'signed', schema: z.object({ customerId: z.string() }) })
const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), email: z.email() }),
  index: ['email'],
})

describe('a playbook', () => {
  it('takes durations as inputs, which go where a verb takes one', () => {
    const playbook = definePlaybook({
      ...{ name: 'p', version: 1, output: z.null() },
      input: z.object({ pause: duration(z), again: duration(z).default('2h') }),
      async run(ctx, input) {
        expectTypeOf(input).toEqualTypeOf<{ pause: Duration; again: Duration }>()
        await ctx.sleep(input.pause)
        return null
      },
    })
    return (workspace: Workspace) => {
      void workspace.start(playbook, { pause: '3d' }, { id: 'a' })
      // @ts-expect-error a text that is no duration
      void workspace.start(playbook, { pause: '3 days' }, { id: 'b' })
    }
  })

  it('infers everything from its definition', () => {
    const playbook = definePlaybook({
      name: 'p',
      version: 1,
      input: z.object({ email: z.email(), minutes: z.number().default(30) }),
      output: z.object({ id: z.string() }),
      async run(ctx, input) {
        expectTypeOf(input).toEqualTypeOf<{ email: string; minutes: number }>()
        const slot = await ctx.act(calendar.findTime, { minutes: input.minutes })
        expectTypeOf(slot).toEqualTypeOf<{ start: string; end: string } | null>()
        const customer = await ctx.entities(Customer).create({ name: 'Ada', email: input.email })
        expectTypeOf(customer).toEqualTypeOf<Entity<{ name: string; email: string }>>()
        expectTypeOf(await ctx.waitFor(signed)).toEqualTypeOf<{ customerId: string }>()
        expectTypeOf(await ctx.waitFor(signed, { timeout: '1d' })).toEqualTypeOf<{ customerId: string } | undefined>()
        expectTypeOf(await ctx.step('n', () => 1)).toEqualTypeOf<number>()
        expectTypeOf(await ctx.ask('?', { answer: z.object({ yes: z.boolean() }) })).toEqualTypeOf<{ yes: boolean }>()
        const results = await ctx.all([1, 2], String, async (_own, n) => n * 2)
        expectTypeOf(results).toEqualTypeOf<number[]>()
        const done = await ctx.effect(book, { start: '', end: '', title: '' })
        expectTypeOf(done.input.title).toEqualTypeOf<string>()
        return { id: customer.id }
      },
    })
    const start = (workspace: Workspace): Promise<Run<{ id: string }>> =>
      workspace.start(playbook, { email: 'a@b.c' }, { id: 'r' })
    expectTypeOf(start).returns.resolves.toHaveProperty('result')
  })

  it('does not compile where it is wrong', () => {
    definePlaybook({
      name: 'bad',
      version: 1,
      input: z.object({}),
      output: z.object({ n: z.number() }),
      // @ts-expect-error wrong result
      async run(ctx) {
        const slot = await ctx.act(calendar.findTime, { minutes: 30 })
        // @ts-expect-error slot may be null
        await ctx.act(calendar.book, { ...slot, title: 'x' })
        // @ts-expect-error misspelt
        await ctx.act(calendar.book, { start: '', end: '', titel: '' })
        // @ts-expect-error a Date cannot be stored
        const when: Date = await ctx.step('when', () => new Date())
        // @ts-expect-error a timeout makes it optional
        const event: { customerId: string } = await ctx.waitFor(signed, { timeout: '1d' })
        // @ts-expect-error not a field of the event
        await ctx.waitFor(signed, { match: { customer: 'x' } })
        // @ts-expect-error not a duration
        await ctx.sleep('tomorrow')
        // @ts-expect-error not a field of the entity
        await ctx.entities(Customer).update('id', { mail: 'x' })
        void when
        void event
        return { n: 'x' }
      },
    })
  })
})

describe('an action', () => {
  it('that is irreversible must say how it avoids happening twice', () => {
    const shape = { name: 'x.y', input: z.object({}), output: z.object({}), run: async () => ({ output: {} }) } as const
    // @ts-expect-error irreversible without idempotency
    action({ ...shape, effect: 'irreversible' })
    action({ ...shape, effect: 'irreversible', idempotency: { by: 'none' } })
    // @ts-expect-error a read has no second time to avoid
    action({ ...shape, effect: 'read', idempotency: { by: 'key' } })
  })
})

describe('a rule', () => {
  it('sees its input and what it looked up, typed', () => {
    policy.rule(
      'known',
      {
        on: book,
        look: (input, look) => {
          expectTypeOf(input.title).toEqualTypeOf<string>()
          return {
            who: look.one(Customer, { email: 'a@b' }),
            today: look.count(book, { since: '24h', where: { title: 'x' } }),
          }
        },
      },
      ({ found, input }) => {
        expectTypeOf(found.who).toEqualTypeOf<
          { readonly id: string; readonly version: number; readonly data: { name: string; email: string } } | undefined
        >()
        expectTypeOf(found.today).toEqualTypeOf<number>()
        expectTypeOf(input.title).toEqualTypeOf<string>()
        return policy.allow()
      },
    )
    // @ts-expect-error not a verdict
    policy.rule('bad', { on: book }, () => 'yes')
    policy.rule(
      'bad',
      {
        on: book,
        // @ts-expect-error not a field of the action
        look: (_, look) => ({ n: look.count(book, { since: '1d', where: { to: 'x' } }) }),
      },
      () => policy.allow(),
    )
    policy.rule('both', { on: [book, findTime] }, ({ input }) => {
      expectTypeOf(input).toEqualTypeOf<
        Readonly<{ start: string; end: string; title: string }> | Readonly<{ minutes: number }>
      >()
      return 'minutes' in input ? policy.allow() : policy.ask()
    })
  })

  it('sees what a codec stores, as callers pass it; the code of the action sees what it decodes to', () => {
    const when = z.codec(z.string(), z.date(), {
      decode: (text) => new Date(text),
      encode: (date) => date.toISOString(),
    })
    const remind = action({
      name: 'calendar.remind',
      effect: 'reversible',
      input: z.object({ at: when }),
      output: z.object({ at: when }),
      run: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ at: Date }>()
        return { output: { at: input.at.toISOString() } }
      },
    })
    policy.rule('early', { on: remind }, ({ input }) => {
      expectTypeOf(input).toEqualTypeOf<Readonly<{ at: string }>>()
      // @ts-expect-error it is stored as a text
      return input.at.getTime() > 0 ? policy.allow() : policy.ask()
    })
    defineTrust(remind, {
      segment: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ at: string }>()
        return input.at
      },
    })
    const past = async (ctx: Context): Promise<void> => {
      const { input, output } = await ctx.effect(remind, { at: 'now' })
      expectTypeOf(input).toEqualTypeOf<{ at: string }>()
      expectTypeOf(output).toEqualTypeOf<{ at: Date }>()
    }
    expectTypeOf(past).toBeFunction()
  })

  it('is tried on rows about doing and about taking back, of which the latter have no labels', () => {
    const input = { start: 'a', end: 'b', title: 'c' }
    policy.test(policy([]), [
      { action: book, input, labels: ['private'], expect: 'ask' },
      { action: book, input, undo: true, expect: { verdict: 'allow' } },
      // @ts-expect-error -- what is taken back is judged without labels
      { action: book, input, undo: true, labels: ['private'], expect: 'allow' },
    ])
  })

  it('and a persona name actions that exist', () => {
    definePersona({ name: 'office', may: [book, 'calendar.*'] })
    // @ts-expect-error neither an action nor a name
    definePersona({ name: 'office', may: [42] })
  })
})

describe('an inbox item', () => {
  it('is one of a closed set of kinds', () => {
    const text = (item: InboxItem): string => {
      switch (item.kind) {
        case 'approval':
          return item.action
        case 'question':
          return item.question
        case 'plan':
          return String(item.lines.length)
        case 'outcome-unknown':
          return item.answers.join()
        case 'attention':
          return item.hint
        default:
          return item satisfies never
      }
    }
    expectTypeOf(text).returns.toEqualTypeOf<string>()
  })

  it('is what the intended surface says an item is', () => {
    interface Base {
      readonly id: string
      readonly hash: string
      readonly run?: string
      readonly title: string
      readonly openedAt: string
      readonly expiresAt?: string
      readonly why: readonly { label: string; trust: 'operator' | 'connector' | 'outside'; ref: string }[]
    }
    type Shown =
      | { kind: 'fields'; rows: readonly { label: string; before?: string; after: string }[] }
      | { kind: 'text'; before?: string; after: string }
    type Surface =
      | (Base & {
          kind: 'approval'
          action: string
          preview: Shown
          risk: 'low' | 'medium' | 'high'
          reversibility: 'revert' | 'hold' | 'none'
          allows: readonly ('approve' | 'edit' | 'reject' | 'respond' | 'snooze' | 'delegate' | 'answer' | 'dismiss')[]
          editSchema: Json
          input: Json
        })
      | (Base & { kind: 'question'; question: string; answerSchema: Json })
      | (Base & { kind: 'plan'; lines: readonly { id: string; action: string; preview: Shown }[] })
      | (Base & {
          kind: 'outcome-unknown'
          action: string
          answers: readonly ('happened' | 'did-not-happen' | 'look-again')[]
        })
      | (Base & { kind: 'attention'; code: string; hint: string })
    expectTypeOf<InboxItem>().toExtend<Surface>()
  })
})

describe('a plan', () => {
  it('is made of inputs that fit their actions', () => {
    const propose = async (ctx: Context): Promise<void> => {
      const intent = ctx.intend(book, { start: 'a', end: 'b', title: 'c' }, { because: [], key: 'k' })
      // @ts-expect-error not an input of the action
      ctx.intend(book, { start: 'a' })
      // @ts-expect-error no plan without its lines
      await ctx.propose('title')
      const { lines } = await ctx.propose('title', [intent], { timeout: '7d', revise: () => [intent] })
      expectTypeOf(lines[0]!.state).toEqualTypeOf<'done' | 'skipped' | 'failed'>()
    }
    expectTypeOf(propose).returns.resolves.toEqualTypeOf<void>()
  })
})
