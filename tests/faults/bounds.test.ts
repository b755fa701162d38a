/** What bounds a run that gets another version: the rights of the code that runs now count, too. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineAgent, defineEvent, definePersona, definePlaybook, policy, type Context } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const go = defineEvent({ name: 'go', schema: z.object({}) })

function world() {
  const sent: string[] = []
  const make = (name: string) =>
    action({
      name,
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: z.object({}),
      output: z.object({}),
      run: () => (sent.push(name), { output: {} }),
    })
  const [read, pay] = [make('x.read'), make('x.pay')]
  return { sent, read, pay, all: policy([policy.rule('all', { on: [read, pay] }, () => policy.allow())]) }
}

type World = ReturnType<typeof world>

const versions = ({ read, pay }: World, run: (ctx: Context) => Promise<unknown>) => {
  const make = (version: number, persona: Parameters<typeof definePersona>[0]) =>
    definePlaybook({
      name: 'work',
      version,
      persona: definePersona(persona),
      input: z.object({}),
      output: z.json(),
      run: async (ctx) => {
        await ctx.waitFor(go)
        return ((await run(ctx)) ?? null) as never
      },
    })
  return [make(1, { name: 'wide', may: [read, pay] }), make(2, { name: 'narrow', may: [read], agents: [] })] as const
}

describe('a run that is moved to a version with fewer rights', () => {
  it.each(['move', 'upgrade'] as const)('does not do what that may not: %s', async (verb) => {
    const own = world()
    const [one, two] = versions(own, (ctx) => ctx.act(own.pay, {}))
    const keelson = await open(store(), { playbooks: [one, two], policy: own.all })
    await keelson.start(one, {}, { id: 'r' })
    await keelson.quiet()
    if (verb === 'move') await keelson.runs.move('r', { to: 2, by: me })
    else await keelson.runs.upgrade({ playbook: 'work', to: 2, by: me })
    await keelson.send(go, {}, { id: 'g' })
    await expect(keelson.runs.get('r').result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(own.sent).toEqual([])
  })

  it('nor lets a run that it calls', async () => {
    const own = world()
    const child = code((ctx) => ctx.act(own.pay, {}), { name: 'child' })
    const [one, two] = versions(own, (ctx) => ctx.call(child, {}))
    const keelson = await open(store(), { playbooks: [one, two, child], policy: own.all })
    await keelson.start(one, {}, { id: 'r' })
    await keelson.quiet()
    await keelson.runs.move('r', { to: 2, by: me })
    await keelson.send(go, {}, { id: 'g' })
    await expect(keelson.runs.get('r').result()).rejects.toMatchObject({ code: 'ACTION_DENIED' })
    expect(own.sent).toEqual([])
  })

  it('asks no agent that that may not ask', async () => {
    const own = world()
    const agent = defineAgent({
      name: 'writer',
      version: 1,
      instructions: 'Write.',
      input: z.object({}),
      output: z.object({}),
    })
    const [one, two] = versions(own, (ctx) => ctx.delegate(agent, {}))
    const t = await testConductor({ playbooks: [one, two], policy: own.all })
    const run = await t.start(one, {})
    await t.host((keelson) => keelson.runs.move(run.id, { to: 2, by: me }))
    await t.send(go, {})
    await expect(run.result()).rejects.toMatchObject({ code: 'AGENT_DENIED' })
    await t.stop()
  })
})
