/** What is returned to a definer keeps its literals: no `as const` is needed, and what does not fit does not compile. */
import { expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { action, defineAgent, definePlaybook, type Action, type Context, type Json, type Playbook } from '@keelson/core'
import { fake, type Harness } from '@keelson/testing'

const State = z.object({ state: z.enum(['open', 'closed']), tags: z.array(z.enum(['a', 'b'])).optional() })
type State = z.output<typeof State>
const named = { name: 'p', version: 1 } as const
const input = z.object({ on: z.boolean() })

it('of a playbook', () => {
  const said = definePlaybook({
    ...{ ...named, input, output: State },
    async run(ctx, { on }) {
      expectTypeOf(ctx).toEqualTypeOf<Context>()
      if (on) return { state: 'open', tags: ['a'] }
      const tags: ('a' | 'b')[] = []
      return { state: on ? 'open' : 'closed', tags }
    },
  })
  expectTypeOf(said).toEqualTypeOf<Playbook<{ on: boolean }, State>>()
  definePlaybook({ ...named, input, output: z.enum(['x', 'y']), run: async (_ctx, { on }) => (on ? 'x' : 'y') })
  definePlaybook({ ...named, input, output: z.null(), run: async () => null })
  definePlaybook({ ...named, input, output: z.json(), run: async () => ({ a: [1, { b: null }] }) })
  definePlaybook({ ...named, input, output: z.array(z.string()), run: async () => ['a'].map((one) => one) })
  const loose = definePlaybook({ ...named, input, output: z.any(), run: async () => ({ a: 1 }) })
  expectTypeOf(loose).toEqualTypeOf<Playbook<{ on: boolean }, any>>()
  // @ts-expect-error: no such state
  definePlaybook({ ...named, input, output: State, run: async () => ({ state: 'lost' }) })
  // @ts-expect-error: no state
  definePlaybook({ ...named, input, output: State, run: async () => ({}) })
  // @ts-expect-error: a number
  definePlaybook({ ...named, input, output: z.string(), run: async () => 3 })
  // @ts-expect-error: numbers
  definePlaybook({ ...named, input, output: z.array(z.string()), run: async () => [3] })
})

it('of a playbook that is made for any output', () => {
  const made = <O extends z.ZodType>(output: O, value: z.input<O>) =>
    definePlaybook({ ...named, input, output, run: async () => value })
  expectTypeOf(made(State, { state: 'open' })).toEqualTypeOf<Playbook<{ on: boolean }, State>>()
  const json = (value: Json) => definePlaybook({ ...named, input, output: z.json(), run: async () => value })
  expectTypeOf(json).parameters.toEqualTypeOf<[Json]>()
})

const Tree = z.object({
  kind: z.enum(['leaf', 'node']),
  get children() {
    return z.array(Tree).optional()
  },
})

it('of what contains itself', () => {
  definePlaybook({
    ...{ ...named, input, output: Tree },
    run: async () => ({ kind: 'node', children: [{ kind: 'leaf' }, { kind: 'node', children: [{ kind: 'leaf' }] }] }),
  })
  // @ts-expect-error: no such kind, three levels down
  definePlaybook({ ...named, input, output: Tree, run: async () => ({ kind: 'node', children: [{ kind: 'root' }] }) })
})

it('of an action, and of what stands in for it', () => {
  const facts = { name: 'door.state', effect: 'reversible', input, output: State } as const
  const look = action({
    ...facts,
    undo: z.object({ was: z.enum(['open', 'closed']) }),
    run: () => ({ output: { state: 'open' }, undo: { was: 'closed' } }),
    simulate: () => ({ state: 'closed' }),
  })
  expectTypeOf(look).toEqualTypeOf<Action<{ on: boolean }, State>>()
  action({ ...facts, run: async ({ on }) => ({ output: { state: on ? 'open' : 'closed', tags: ['b'] } }) })
  // @ts-expect-error: no such state
  action({ ...facts, run: () => ({ output: { state: 'lost' } }) })
  // @ts-expect-error: no such tag
  action({ ...facts, run: async () => ({ output: { state: 'open', tags: ['c'] } }) })
  // @ts-expect-error: no such state
  action({ ...facts, run: () => ({ output: { state: 'open' } }), simulate: () => ({ state: 'lost' }) })
  fake(look, () => ({ state: 'open' }))
  // @ts-expect-error: no such state
  fake(look, () => ({ state: 'lost' }))
})

it('of a script that stands in for an agent', () => {
  const agent = defineAgent({ ...named, instructions: '', input, output: State })
  const t = {} as Harness
  t.script(agent, ({ on }) => ({ state: on ? 'open' : 'closed' }))
  t.script(agent, async ({ on }, { model }) =>
    on && model === 'x' ? { state: 'open', tags: ['a'] } : { state: 'closed' },
  )
  // @ts-expect-error: no such state
  t.script(agent, () => ({ state: 'lost' }))
})
