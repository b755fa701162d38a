/** Programs for the crash matrix about reverts of a version, a time and an agent: cut half way, they end as uncut. */
import {
  action,
  defineAgent,
  defineConnector,
  defineEntity,
  definePlaybook,
  policy,
  type RevertTarget,
} from '@keelson/core'
import { fake, type Harness } from '@keelson/testing'
import { z } from 'zod'
import type { Program } from './crash-programs.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const post = action({
  name: 'wall.post',
  effect: 'reversible',
  idempotency: { by: 'id' },
  input: z.object({ text: z.string() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  run: real,
  compensate: real,
})
const wall = defineConnector({ name: 'wall', actions: { post } })
const Desk = defineEntity({
  name: 'desk',
  version: 1,
  schema: z.object({ name: z.string(), note: z.string() }),
  index: ['name'],
})
const author = defineAgent({
  name: 'author',
  version: 3,
  input: z.object({ about: z.string() }),
  output: z.object({ text: z.string() }),
  instructions: 'Write.',
})
const child = definePlaybook({
  name: 'child',
  version: 1,
  input: z.object({ text: z.string() }),
  output: z.null(),
  uses: [wall],
  run: async (ctx, { text }) => (await ctx.act(post, { text }), null),
})
const shift = definePlaybook({
  name: 'shift',
  version: 7,
  input: z.object({ desk: z.string(), name: z.string() }),
  output: z.null(),
  uses: [wall],
  async run(ctx, { desk, name }) {
    await ctx.act(post, { text: `${name} begins` })
    const { text } = await ctx.delegate(author, { about: name })
    await ctx.entities(Desk).update(desk, { note: text })
    await ctx.act(post, { text })
    await ctx.call(child, { text: `${name} was here` })
    return null
  },
})

const by = { kind: 'person', id: 'boss' } as const

function program(name: string, target: (from: string) => RevertTarget): Program {
  return {
    name,
    harness: () => ({
      playbooks: [shift, child],
      connectors: [fake(wall)],
      policy: policy([policy.rule('free', { on: post }, () => policy.allow())]),
    }),
    async test(t: Harness) {
      t.script(author, ({ about }) => ({ text: `about ${about}` }))
      const desk = await t.host(async (keelson) => {
        const desks = keelson.entities(Desk, { by })
        return (await desks.find({ name: 'one' })) ?? desks.create({ name: 'one', note: 'nothing yet' })
      })
      const from = new Date(t.clock.now()).toISOString()
      for (const one of ['ada', 'ben']) await t.start(shift, { desk: desk.id, name: one })
      await t.advance('1m')
      t.fault(post, 'timeout-after-effect', { call: 2 })
      const plan = await t.host((keelson) => keelson.revert.plan(target(from)))
      await t.host((keelson) => keelson.revert.apply(plan, { by }))
      await t.advance('2m')
      const { undone, failed, left } = await t.host((keelson) =>
        keelson.revert.apply(plan, { by }).then((run) => run.result()),
      )
      const { data } = await t.host((keelson) => keelson.entities(Desk).get(desk.id))
      const standing = t.world(post).map(({ input }) => input.text)
      return { undone: undone.length, failed, left, note: data.note, standing: standing.sort() }
    },
  }
}

export const revertPrograms: readonly Program[] = [
  program('revert of a version', () => ({ playbook: 'shift', version: 7 })),
  program('revert of a time', (from) => ({ from })),
  program('revert of an agent', () => ({ agent: 'author', version: 3 })),
]
