/** Provenance: what people are shown of where an effect comes from, what became of it, and what a revert would take back. */
import { action, defineConnector, definePlaybook, policy, type InboxItem } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const Note = z.object({ path: z.string(), text: z.string() })
const notes = defineConnector({
  name: 'notes',
  actions: {
    find: action({
      name: 'notes.find',
      effect: 'read',
      input: z.object({ about: z.string() }),
      output: z.object({ path: z.string() }),
      run: () => Promise.reject(new Error('a real note')),
    }),
    write: action({
      name: 'notes.write',
      effect: 'reversible',
      idempotency: { by: 'lookup' },
      settleWindowMs: 60_000,
      input: Note,
      output: z.object({ sha256: z.string() }),
      undo: z.object({ sha256: z.string() }),
      run: () => Promise.reject(new Error('a real note')),
      reconcile: () => Promise.reject(new Error('a real note')),
      compensate: () => Promise.reject(new Error('a real note')),
    }),
  },
})
const writing = definePlaybook({
  name: 'writing',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.null(),
  uses: [notes],
  async run(ctx, { about }) {
    const found = await ctx.act(notes.find, { about })
    const length = await ctx.step('measure', () => ({ words: 3 }))
    const draft = await ctx.effect(notes.write, { path: 'draft.md', text: 'one two three' }, { because: [found] })
    await ctx.act(notes.write, { path: found.path, text: 'one two three' }, { because: [found, length, draft.output] })
    return null
  },
})
const gate = policy([policy.rule('notes', { on: notes.write }, () => policy.ask())])

async function begin(alwaysReplay: boolean): Promise<Harness> {
  const connectors = [fake(notes, { 'notes.find': () => ({ path: 'a.md' }), 'notes.write': () => ({ sha256: 'abc' }) })]
  const t = await testConductor({ playbooks: [writing], connectors, policy: gate, alwaysReplay })
  await t.start(writing, { about: 'boats' })
  return t
}

async function open(t: Harness): Promise<InboxItem> {
  const { items } = await t.keelson.inbox.list()
  return items[0]!
}

describe.each([false, true])('what a person is shown (alwaysReplay: %s)', (alwaysReplay) => {
  it('names the operations whose outputs an effect rests on', async () => {
    const t = await begin(alwaysReplay)
    expect((await open(t)).why.map(({ label }) => label)).toEqual(['writing@1, notes.write', 'notes.find'])
    await t.approve(notes.write)
    expect((await open(t)).why.map(({ label }) => label)).toEqual([
      'writing@1, notes.write#2',
      'notes.find',
      'measure',
      'notes.write',
    ])
  })

  it('never calls an effect not executed while nobody knows', async () => {
    const t = await begin(alwaysReplay)
    t.fault(notes.write, 'timeout-after-effect')
    await t.approve(notes.write)
    const run = (await t.keelson.runs.list({ playbook: 'writing' })).runs[0]!
    const story = (await t.keelson.audit.story(run.id)).join('\n')
    expect(story).toContain('nobody knows yet whether it happened')
    expect(story).not.toContain('not executed')
  })

  it('lists what a revert would take back in short, whatever is in it', async () => {
    const t = await begin(alwaysReplay)
    await t.approve(notes.write)
    await t.approve(notes.write, { edit: { text: '🎂'.repeat(100) } })
    const run = (await t.keelson.runs.list({ playbook: 'writing' })).runs[0]!
    const { lines } = await t.keelson.revert.plan({ run: run.id })
    expect(lines.map(({ what }) => what)).toEqual([
      `notes.write path: a.md, text: ${'🎂'.repeat(59)}…`,
      'notes.write path: draft.md, text: one two three',
    ])
  })
})
