/** Corrections: counted with the playbook whose value a person put right. */
import { createConductor, defineEntity, definePlaybook, type MetricsReport } from '@keelson/core'
import type { RecordQuery } from '@keelson/core/ports'
import { exploreCrashes, intercept, memoryStore, testConductor, type Harness, type Hooks } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const Lead = defineEntity({
  name: 'lead',
  version: 1,
  schema: z.object({ name: z.string(), tone: z.string().optional(), score: z.number().optional() }),
})
const about = z.object({ lead: z.string() })

const tones = definePlaybook({
  name: 'tones',
  version: 1,
  input: about,
  output: z.int(),
  terms: { tags: ['vip'] },
  run: async (ctx, { lead }) => (await ctx.entities(Lead).update(lead, { tone: 'stiff' })).version,
})
const scores = definePlaybook({
  name: 'scores',
  version: 1,
  input: about,
  output: z.int(),
  run: async (ctx, { lead }) => (await ctx.entities(Lead).update(lead, { score: 1 })).version,
})
const rescores = definePlaybook({
  name: 'rescores',
  version: 1,
  input: about,
  output: z.int(),
  run: async (ctx, { lead }) => (await ctx.entities(Lead).update(lead, { score: 2 })).version,
})
const notes = definePlaybook({
  name: 'notes',
  version: 1,
  input: about,
  output: z.string(),
  run: async (ctx, { lead }) =>
    (await ctx.memory.remember({ kind: 'fact', subject: { type: 'lead', id: lead }, predicate: 'likes', text: 'tea' }))
      .id,
})

const harness = { playbooks: [tones, scores, rescores, notes] }

/** A lead that Ann made, whose tone one run wrote and whose score another. */
async function written(t: Harness): Promise<string> {
  const { id } = await t.host((keelson) => keelson.entities(Lead, { by }).create({ name: 'Bo' }))
  await t.start(tones, { lead: id })
  await t.start(scores, { lead: id })
  return id
}
const correct = (t: Harness, id: string, patch: object): Promise<unknown> =>
  t.host((keelson) => keelson.entities(Lead, { by }).update(id, patch))

async function corrections(t: Harness, by?: 'tags'): Promise<Record<string, number>> {
  const { groups } = await t.host((keelson) => keelson.metrics.report(by === undefined ? {} : { by }))
  const counted = groups.map(({ key, interventions }) => [key, interventions.byKind.correction] as const)
  return Object.fromEntries(counted.filter(([, times]) => times > 0))
}
const total = async (t: Harness): Promise<MetricsReport['total']['interventions']> =>
  (await t.host((keelson) => keelson.metrics.report())).total.interventions

describe('a correction', () => {
  it('counts with the playbook of the run that wrote the field, also where another wrote the record since', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    await correct(t, id, { tone: 'warm' })
    expect(await corrections(t)).toEqual({ tones: 1 })
    await correct(t, id, { score: 9 })
    expect(await corrections(t)).toEqual({ tones: 1, scores: 1 })
    const { groups } = await t.keelson.metrics.report()
    expect(groups.map(({ key, interventions }) => [key, interventions.unplanned])).toEqual([
      ['scores', 1],
      ['tones', 1],
    ])
  })

  it('of what no run wrote counts with none', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    await correct(t, id, { name: 'Bob' })
    expect(await corrections(t)).toEqual({ '': 1 })
  })

  it('of a field that a person has corrected before is held against the run that wrote it last', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    await correct(t, id, { tone: 'warm' })
    await correct(t, id, { tone: 'warmer' })
    expect(await corrections(t)).toEqual({ tones: 2 })
  })

  it('of the fields of several playbooks at once is one of each, and takes no longer than one', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    await correct(t, id, { name: 'Bob', tone: 'warm', score: 9 })
    expect(await corrections(t)).toEqual({ '': 1, tones: 1, scores: 1 })
    expect(await total(t)).toMatchObject({ activeMinutes: 0.25, byKind: { correction: 3 } })
    await correct(t, id, { tone: 'warmer' })
    expect((await t.keelson.metrics.report()).total.repeatedCorrections).toBe(1 / 4)
  })

  it('is sorted by the terms of that run', async () => {
    const t = await testConductor(harness)
    await t.host((keelson) => keelson.taxonomy.set({ tags: ['vip'] }, { by }))
    const id = await written(t)
    await correct(t, id, { tone: 'warm' })
    expect(await corrections(t, 'tags')).toEqual({ vip: 1 })
  })

  it('of a memory counts with the playbook of the run that noted it, over corrections of before', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    const note = await (await t.start(notes, { lead: id })).result()
    const next = await t.host((keelson) => keelson.memory.correct(note, { text: 'coffee' }, { by }))
    expect(await corrections(t)).toEqual({ notes: 1 })
    await t.host((keelson) => keelson.memory.correct(next.id, { text: 'water' }, { by }))
    expect(await corrections(t)).toEqual({ notes: 2 })
    const own = await t.host((keelson) => keelson.memory.remember({ kind: 'fact', text: 'Ann is away' }, { by }))
    await t.host((keelson) => keelson.memory.correct(own.id, { text: 'Ann is back' }, { by }))
    expect(await corrections(t)).toEqual({ notes: 2, '': 1 })
  })

  it('of what a revert has put back counts with who wrote it, not with the revert', async () => {
    const t = await testConductor(harness)
    const id = await written(t)
    const more = await t.start(rescores, { lead: id })
    await t.host(async (keelson) =>
      keelson.revert.apply(await keelson.revert.plan({ run: more.id }), { by, cause: 'test' }),
    )
    expect((await t.keelson.entities(Lead).get(id)).data.score).toBe(1)
    await correct(t, id, { score: 9 })
    expect(await corrections(t)).toEqual({ scores: 1 })
  })

  it('looks through what was written once, however many fields it is of', async () => {
    let lines = 0
    const reads: Hooks = { before: (op, [, query]) => void (op === 'records' && (query as RecordQuery).kind === 'timeline' && lines++) } // prettier-ignore
    const keelson = await createConductor({
      ...{ store: intercept(memoryStore().session(), reads), playbooks: [], entities: [Lead], keepAlive: false },
    })
    const leads = keelson.entities(Lead, { by })
    const { id } = await leads.create({ name: 'Bo' })
    for (let n = 0; n < 70; n++) await leads.update(id, { name: `Bo ${n}` })
    const looksFor = async (patch: object): Promise<number> => {
      const before = lines
      await leads.update(id, patch)
      return lines - before
    }
    expect(await looksFor({ name: 'Bob', tone: 'warm', score: 9 })).toBe(await looksFor({ name: 'Bo' }))
    await keelson.stop()
  })

  it('counts the same, wherever a process dies', async () => {
    await exploreCrashes(
      async (t) => {
        await correct(t, await written(t), { tone: 'warm', score: 9 })
        return corrections(t)
      },
      { harness: () => harness },
    )
  })
})
