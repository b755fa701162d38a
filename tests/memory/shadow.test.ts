/** What a run in shadow remembers: it and the runs that it calls know it, whichever way they look; nobody else does. */
import { definePlaybook, type Context, type Memory } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code } from '../support/open.ts'

const crm = { kind: 'agent', id: 'crm' } as const

type Looking = Pick<Context['memory'], 'facts' | 'recall' | 'history' | 'context'>
type Look = (ctx: { readonly memory: Looking }) => Promise<unknown>

const textsOf = (all: readonly Pick<Memory, 'text'>[]): string[] => all.map(({ text }) => text).sort()
const looks: [string, Look][] = [
  ['facts', async ({ memory }) => textsOf(await memory.facts())],
  ['facts of a subject', async ({ memory }) => textsOf(await memory.facts({ about: 'acme' }))],
  ['recall', async ({ memory }) => textsOf((await memory.recall('when does acme pay')).map((one) => one.memory))],
  ['history', async ({ memory }) => textsOf(await memory.history())],
  ['context', async ({ memory }) => (await memory.context({ task: 'when does acme pay' })).text],
]

const before = {
  kind: 'fact',
  text: 'Acme pays on the first',
  subject: 'acme',
  predicate: 'pays',
  value: 'first',
  functional: true,
} as const
const after = { ...before, text: 'Acme pays on the last', value: 'last' }

/** A company that knows `before`, and what a run in shadow has come to. */
async function shadowed(run: (ctx: Context) => Promise<unknown>, alwaysReplay: boolean): Promise<Harness> {
  const work = code(run)
  const t = await testConductor({ playbooks: [work, reader], alwaysReplay })
  await t.keelson.memory.remember([before], { by: crm })
  await (await t.start(work, {}, { shadow: true })).result()
  return t
}

const reader = definePlaybook({
  name: 'reader',
  version: 1,
  input: z.object({}),
  output: z.array(z.string()),
  run: async (ctx) => textsOf(await ctx.memory.facts()),
})

describe.each([false, true])('a run in shadow (alwaysReplay: %s)', (alwaysReplay) => {
  it.each(looks)('knows what it has remembered, by %s; nobody else does', async (what, look) => {
    const seen: unknown[] = []
    const work = async (ctx: Context) => {
      const was = await look(ctx)
      await ctx.memory.remember(after)
      await ctx.memory.append({ text: 'Acme called', role: 'external' })
      seen.splice(0, seen.length, was, await look(ctx))
    }
    const t = await shadowed(work, alwaysReplay)
    expect(JSON.stringify(seen[0])).not.toContain('last')
    const own = JSON.stringify(seen[1])
    if (what === 'history') expect(own).toContain('Acme called')
    else expect(own).toContain('Acme pays on the last')
    if (what.startsWith('facts')) expect(own).not.toContain('first') // it was superseded, for this run
    expect(await look(t.keelson)).toEqual(seen[0])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('hands what it has remembered on to the runs that it calls, and to no other', async () => {
    let seen: unknown
    const work = async (ctx: Context) => {
      await ctx.memory.remember(after)
      seen = await ctx.call(reader, {})
    }
    const t = await shadowed(work, alwaysReplay)
    expect(seen).toEqual(['Acme pays on the last'])
    expect(await (await t.start(reader, {})).result()).toEqual(['Acme pays on the first'])
    expect(await (await t.start(reader, {}, { id: 'another', shadow: true })).result()).toEqual([
      'Acme pays on the first',
    ])
    await t.stop()
  })

  it('finds a memory of its own by its id, and by a scope', async () => {
    const seen: unknown[] = []
    const work = async (ctx: Context) => {
      const house = ctx.memory.scope('house')
      const { id } = await house.remember({ kind: 'note', text: 'Be brief in the house' })
      const found = await house.recall('brief in the house')
      seen.splice(0, seen.length, (await house.facts())[0]?.id === id, found[0]?.memory.id === id)
    }
    const t = await shadowed(work, alwaysReplay)
    expect(seen).toEqual([true, true])
    expect(await t.keelson.memory.scope('house').facts()).toEqual([])
    await t.stop()
  })
})
