/** Memory in a run: reads that replay as they were, writes that happen once, notes that end with the run. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { definePlaybook, type WorkspaceMemory } from '@keelson/core'
import { exploreCrashes, testConductor } from '@keelson/testing'
import { me } from '../support/open.ts'

const learner = definePlaybook({
  name: 'learner',
  version: 1,
  input: z.object({ city: z.string() }),
  output: z.object({ before: z.array(z.string()), after: z.array(z.string()), again: z.array(z.string()) }),
  async run(ctx, { city }) {
    const texts = (found: readonly { memory: { text: string } }[]): string[] => found.map(({ memory }) => memory.text)
    const before = texts(await ctx.memory.recall('where does ada live'))
    const notes = ctx.memory.working({ tries: z.number(), plan: z.string() })
    await notes.set('tries', 1)
    await notes.set('tries', notes.get('tries')! + 1)
    await ctx.memory.remember({ subject: 'ada', predicate: 'lives_in', value: city, functional: true })
    await ctx.memory.append({
      text: `Ada said that she moved to ${city}.`,
      speaker: 'Ada',
      role: 'external',
      thread: 'mail',
    })
    await ctx.sleep('1d')
    const after = texts(await ctx.memory.recall('where does ada live'))
    await notes.set('plan', `visit ada in ${city}, try ${notes.get('tries')}`)
    await notes.promote('plan', { kind: 'decision' })
    await ctx.sleep('1d')
    const again = (await ctx.memory.facts({ kinds: ['decision'] })).map(({ text }) => text)
    return { before, after, again }
  },
})

describe('a run', () => {
  it('reads on a replay what it read, whatever was changed since', async () => {
    const t = await testConductor({ playbooks: [learner], alwaysReplay: true })
    const { id } = await t.keelson.memory.remember(
      { subject: 'ada', predicate: 'lives_in', value: 'Berlin', functional: true },
      { by: { kind: 'agent', id: 'a' } },
    )
    const run = await t.start(learner, { city: 'Lisbon' })
    await t.keelson.memory.forget((await t.keelson.memory.facts())[0]!.id, { by: me })
    await t.crash()
    await t.advance('3d')
    expect(await run.result()).toEqual({
      before: ['ada lives in Berlin'],
      after: ['Ada said that she moved to Lisbon.'], // nothing says any more where, and this is of her
      again: ['visit ada in Lisbon, try 2'],
    })
    expect(await t.keelson.memory.get(id)).toMatchObject({ status: 'closed' })
    expect((await t.keelson.audit.verify()).faults).toEqual([])
    await t.stop()
  })

  it('is taken back whole, and recall is as it was', async () => {
    const t = await testConductor({ playbooks: [learner] })
    const { memory } = t.keelson
    await memory.remember(
      { subject: 'ada', predicate: 'lives_in', value: 'Berlin', functional: true },
      { by: { kind: 'agent', id: 'a' } },
    )
    const before = JSON.stringify(await memory.recall('ada lives visit moved'))
    const run = await t.start(learner, { city: 'Lisbon' })
    await t.advance('3d')
    await run.result()
    expect(JSON.stringify(await memory.recall('ada lives visit moved'))).not.toBe(before)
    expect((await memory.revert({ run: run.id }, { by: me })).reverted).toHaveLength(3)
    expect(JSON.stringify(await memory.recall('ada lives visit moved'))).toBe(before)
    await t.stop()
  })

  it('keeps its working memory to itself', async () => {
    const t = await testConductor({ playbooks: [learner] })
    await t.start(learner, { city: 'Lisbon' })
    expect(await t.keelson.memory.recall('tries')).toEqual([])
    expect((await t.keelson.memory.facts()).map(({ text }) => text)).toEqual(['ada lives in Lisbon'])
    await t.stop()
  })
})

/** A host that was killed meanwhile asks again: what was decided by then needs no second decision. */
async function decideOnce(memory: WorkspaceMemory, id: string): Promise<void> {
  try {
    await memory.changes.apply(id, { by: me })
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== 'MEMORY_STALE') throw thrown
  }
}

it('writes once and proposes once, wherever a process dies', async () => {
  const proposer = definePlaybook({
    name: 'proposer',
    version: 1,
    input: z.object({}),
    output: z.object({ sets: z.number() }),
    async run(ctx) {
      await ctx.memory.remember([
        { subject: 'acme', predicate: 'pays_within', value: 30, functional: true },
        { kind: 'rule', text: 'Remind Acme early.' },
      ])
      const found = await ctx.memory.recall('acme pays')
      await ctx.memory.context({ task: 'remind acme', budgetTokens: 200 })
      return { sets: found.length }
    },
  })
  const { schedules } = await exploreCrashes(async (t) => {
    const run = await t.start(proposer, {}, { id: 'one' })
    await t.settle()
    expect(await run.result()).toEqual({ sets: 1 })
    await t.host(async ({ memory }) => {
      const waiting = await memory.changes.list({ status: 'proposed' })
      for (const { id } of waiting) await decideOnce(memory, id)
    })
    await t.settle()
    const { memory, audit } = t.keelson
    expect((await memory.facts()).map(({ text }) => text).sort()).toEqual(['Remind Acme early.', 'acme pays within 30'])
    expect((await memory.changes.list()).map(({ status }) => status)).toEqual(['applied', 'applied'])
    expect((await memory.contexts({ run: 'one' })).length).toBe(1)
    expect((await audit.verify()).faults).toEqual([])
  })
  expect(schedules).toBeGreaterThan(10)
})
