/** Terms of memories: the words of the workspace's own taxonomy, checked when they are written, followed when they are read. */
import type { Memory } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { code, me, open, store } from '../support/open.ts'

const by = me
const plan = { subject: 'acme', predicate: 'plan' } as const
const UNKNOWN = { code: 'TAXONOMY_UNKNOWN', hint: 'Known are news, vip; add it with taxonomy.set().' }

async function company() {
  const keelson = await open(store(), { playbooks: [], work: false })
  await keelson.taxonomy.set({ tags: ['news', 'vip'], segments: ['b2b'] }, { by })
  return keelson
}

const texts = (found: readonly (Memory | { memory: Memory })[]): string[] =>
  found.map((one) => ('memory' in one ? one.memory.text : one.text)).sort()

describe('a memory', () => {
  it('carries terms of the taxonomy only, and is found by them', async () => {
    const { memory } = await company()
    await expect(memory.remember({ text: 'x', terms: { tags: ['loud'] } }, { by })).rejects.toMatchObject(UNKNOWN)
    await expect(memory.remember({ text: 'x', terms: { tags: ['b2b'] } }, { by })).rejects.toMatchObject(UNKNOWN)
    await memory.remember({ text: 'pays early', terms: { tags: ['vip', 'news', 'vip'], segments: ['b2b'] } }, { by })
    await memory.remember({ text: 'pays late', terms: { tags: ['news'] } }, { by })
    await memory.remember({ text: 'pays at all' }, { by })
    const [first] = await memory.facts({ terms: { tags: ['vip'] } })
    expect(first?.terms).toEqual({ segments: ['b2b'], tags: ['news', 'vip'] })
    expect(texts(await memory.facts({ terms: { tags: ['news'] } }))).toEqual(['pays early', 'pays late'])
    expect(texts(await memory.facts({ terms: { tags: ['news'], segments: ['b2b'] } }))).toEqual(['pays early'])
    expect(texts(await memory.recall({ text: 'pays', terms: { tags: ['news'] } }))).toEqual(['pays early', 'pays late'])
    expect(texts(await memory.recall({ text: 'pays', terms: { tags: ['news', 'vip'] } }))).toEqual(['pays early'])
    expect(texts(await memory.recall({ text: 'pays', asOf: {}, terms: { tags: ['vip'] } }))).toEqual(['pays early'])
    expect(await memory.facts({ terms: { tags: ['none'] } })).toEqual([])
    await expect(memory.facts({ terms: { tag: ['vip'] } as never })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(memory.recall({ text: 'pays', terms: { tags: 'vip' } as never })).rejects.toThrow('no list of terms')
  })

  it('keeps a term that was retired, also when it is corrected, and nothing new gets it', async () => {
    const { memory, taxonomy } = await company()
    const { id } = await memory.remember({ ...plan, value: 'pro', functional: true, terms: { tags: ['vip'] } }, { by })
    await taxonomy.set({ tags: ['news', { name: 'vip', retired: true }] }, { by })
    await expect(memory.remember({ text: 'x', terms: { tags: ['vip'] } }, { by })).rejects.toMatchObject({
      code: 'TAXONOMY_UNKNOWN',
    })
    const next = await memory.correct(id, { value: 'basic' }, { by })
    expect((await memory.get(next.id)).terms).toEqual({ tags: ['vip'] })
    const amend = { op: 'amend', id: next.id, set: { terms: { tags: ['news', 'vip'] } } } as const
    const { changeSet } = await memory.changes.propose([amend], { by, reason: 'sorted' })
    await expect(
      memory.changes.propose([{ ...amend, set: { terms: { tags: ['loud'] } } }], { by, reason: 'r' }),
    ).rejects.toMatchObject({ code: 'TAXONOMY_UNKNOWN' })
    expect((await memory.changes.get(changeSet)).status).toBe('proposed')
  })

  it('said again is known as it is sorted, and sorted otherwise it takes the place of the one before', async () => {
    const { memory } = await company()
    const one = await memory.remember({ text: 'x', terms: { tags: ['news'] } }, { by })
    expect(await memory.remember({ text: 'x' }, { by })).toMatchObject({ id: one.id, status: 'known' })
    expect(await memory.remember({ text: 'x', terms: { tags: ['news'] } }, { by })).toMatchObject({ status: 'known' })
    const two = await memory.remember({ text: 'x', terms: { tags: ['vip'] } }, { by })
    expect(two).toMatchObject({ status: 'applied', superseded: one.id })
    await memory.revert({ changeSet: two.changeSet! }, { by })
    expect(await memory.facts()).toMatchObject([{ id: one.id, terms: { tags: ['news'] } }])
  })

  it('shares no term with another workspace', async () => {
    const keelson = await company()
    const other = keelson.workspace('other')
    await other.taxonomy.set({ tags: ['canary'] }, { by })
    const mine = { text: 'x', terms: { tags: ['vip'] } }
    await expect(other.memory.remember(mine, { by })).rejects.toMatchObject({
      code: 'TAXONOMY_UNKNOWN',
      hint: 'Known are canary; add it with taxonomy.set().',
    })
    await expect(keelson.memory.remember({ text: 'x', terms: { tags: ['canary'] } }, { by })).rejects.toMatchObject(
      UNKNOWN,
    )
    await keelson.memory.remember(mine, { by })
    expect(await other.memory.facts({ terms: { tags: ['vip'] } })).toEqual([])
  })
})

describe('a run', () => {
  it('gets the refusal as an error that it can catch, of what it remembers and of what it proposes', async () => {
    const playbook = code(async (ctx) => {
      const memory = { text: 'x', terms: { tags: ['loud'] } }
      const codes: string[] = []
      const refused = (thrown: { code: string }): number => codes.push(thrown.code)
      await ctx.memory.remember(memory).catch(refused)
      await ctx.memory.propose([{ op: 'add', memory }], { reason: 'r' }).catch(refused)
      await ctx.sleep('1h')
      await ctx.memory.remember({ ...memory, terms: { tags: ['late'] } })
      return [codes, (await ctx.memory.facts({ terms: { tags: ['late'] } })).map(({ text }) => text)]
    })
    const t = await testConductor({ playbooks: [playbook] })
    const run = await t.start(playbook, {})
    await t.keelson.taxonomy.set({ tags: ['late', 'loud'] }, { by })
    await t.advance('1h')
    expect(await run.result()).toEqual([['TAXONOMY_UNKNOWN', 'TAXONOMY_UNKNOWN'], ['x']])
  })

  it('proposes to sort anew; what was retired before the decision is not applied', async () => {
    const playbook = code(async (ctx) => {
      const { id } = await ctx.memory.remember({ text: 'pays early' })
      const op = (tag: string) => ({ op: 'amend', id, set: { terms: { tags: [tag] } } }) as const
      await ctx.memory.propose([op('news')], { reason: 'first' })
      await ctx.sleep('1h')
      await ctx.memory.propose([op('vip')], { reason: 'second' })
    })
    const t = await testConductor({ playbooks: [playbook] })
    await t.keelson.taxonomy.set({ tags: ['news', 'vip'] }, { by })
    await t.start(playbook, {})
    expect(await t.keelson.memory.recall('who pays early')).toHaveLength(1)
    await t.decide({ kind: 'question' }, { approve: true })
    expect(await t.keelson.memory.facts({ terms: { tags: ['news'] } })).toHaveLength(1)
    expect(await t.keelson.memory.recall({ text: 'who pays early', terms: { tags: ['news'] } })).toHaveLength(1)
    expect(await t.keelson.memory.recall({ text: 'who pays early', terms: { tags: ['vip'] } })).toEqual([])
    await t.advance('1h')
    await t.keelson.taxonomy.set({ tags: ['news'] }, { by })
    await t.decide({ kind: 'question' }, { approve: true })
    expect(await t.keelson.memory.facts()).toMatchObject([{ terms: { tags: ['news'] } }])
    expect(await t.keelson.memory.changes.list({ status: 'rejected' })).toMatchObject([
      { why: expect.stringContaining('"vip", which is not among the tags') as string },
    ])
  })
})
