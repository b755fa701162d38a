/** A run that holds two records to be one asks a person: with what would become of both, and of exactly that. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, KeelsonError, type Conductor, type Inbox } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import { me } from './support/open.ts'

/** With a key: of the same id in every process. */
const Firm = defineEntity({
  name: 'firm',
  version: 1,
  schema: z.object({ name: z.string(), city: z.string().optional() }),
  index: ['name'],
  key: ({ name }) => name,
})
const Lead = defineEntity({
  name: 'lead',
  version: 1,
  schema: z.object({ name: z.string(), city: z.string().optional() }),
})

const joins = definePlaybook({
  name: 'joins',
  version: 1,
  input: z.object({ into: z.string(), from: z.string() }),
  output: z.json(),
  async run(ctx, { into, from }) {
    const { id, version, data } = await ctx.entities(Lead).merge(into, from, { take: ['city'], reason: 'same mail' })
    return { id, version, city: data.city ?? '' }
  },
})

async function two({ keelson }: Harness, ref = 'c1') {
  const leads = keelson.entities(Lead, { by: me })
  const into = await leads.create({ name: 'Ada' }, { aliases: ['A.'] })
  const from = await leads.create({ name: 'Ada L.', city: 'Bern' }, { refs: { caldav: ref }, aliases: ['Countess'] })
  return { leads, ids: { into: into.id, from: from.id } }
}

async function asked(inbox: Inbox) {
  const { items } = await inbox.list()
  expect(items).toHaveLength(1)
  return items[0]!
}

async function answer({ inbox }: Pick<Conductor, 'inbox'>, decision: { approve: true } | { reject: string }) {
  const item = await asked(inbox)
  return inbox.decide(item.id, { hash: item.hash, by: me, ...decision })
}

describe('a merge by a run', () => {
  it('is asked with what would become of both, and waits', async () => {
    const t = await testConductor({ playbooks: [joins], entities: [Lead] })
    const { leads, ids } = await two(t)
    const run = await t.start(joins, ids)
    const item = await asked(t.keelson.inbox)
    expect(item.title).toBe(`lead ${ids.from} and ${ids.into}: are they one? (same mail)`)
    expect(item.preview).toEqual({
      kind: 'fields',
      rows: [
        { label: 'name', after: 'Ada' },
        { label: 'city', after: 'Bern' },
        { label: 'name, given up', after: 'Ada L.' },
        { label: 'identities outside that come along', after: 'caldav' },
        { label: 'names that come along', after: 'Countess' },
        { label: 'merged away', after: ids.from },
      ],
    })
    expect(await run.status()).toMatchObject({ state: 'waiting' })
    expect((await leads.list()).entities).toHaveLength(2)
    await answer(t.keelson, { approve: true })
    expect(await run.result()).toEqual({ id: ids.into, version: 2, city: 'Bern' })
    expect(await leads.get(ids.from)).toMatchObject({ id: ids.into })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('stands among the change sets as proposed, and is decided there as in the inbox', async () => {
    const t = await testConductor({ playbooks: [joins] })
    const { changes } = t.keelson.memory
    for (const verb of ['apply', 'reject'] as const) {
      const { leads, ids } = await two(t, verb)
      const run = await t.start(joins, ids)
      const item = await asked(t.keelson.inbox)
      const [set, ...more] = await changes.list({ status: 'proposed' })
      expect(more).toEqual([])
      expect(set).toMatchObject({
        ...{ status: 'proposed', item: item.id, reason: item.title, changes: [] },
        source: { by: { id: 'joins' }, run: run.id },
      })
      expect((await changes.list({ run: run.id })).map(({ id }) => id)).toEqual([set!.id])
      expect(await changes.list({ status: 'proposed', actor: 'nobody' })).toEqual([])
      expect(await changes.diff(set!.id)).toMatchObject([
        { op: 'merge', entity: `lead/${ids.into}, lead/${ids.from}`, fields: { city: { after: 'Bern' } } },
      ])
      expect((await t.keelson.inbox.list({ entity: ids.from })).items).toHaveLength(1)
      await expect(changes[verb](set!.id, { by: { kind: 'agent', id: 'a' } })).rejects.toMatchObject({
        code: 'INPUT_INVALID',
      })
      const decided = await changes[verb](set!.id, { by: me, reason: 'mother and daughter' })
      expect(decided).toMatchObject({ status: verb === 'apply' ? 'applied' : 'rejected', decidedBy: me })
      await t.settle()
      expect(await leads.get(ids.from)).toMatchObject({ id: verb === 'apply' ? ids.into : ids.from })
      expect(await changes.list({ status: 'proposed' })).toEqual([])
      const left = (await changes.list({ run: run.id })).map(({ status, why }) => [status, why])
      expect(left).toEqual(verb === 'apply' ? [['applied', undefined]] : [['rejected', 'mother and daughter']])
      await expect(changes[verb](set!.id, { by: me })).rejects.toMatchObject({ code: 'MEMORY_STALE' })
      await expect(t.keelson.memory.revert({ changeSet: set!.id }, { by: me })).rejects.toMatchObject({
        code: 'MEMORY_STALE',
      })
    }
    await t.stop()
  })

  it('that is declined changes nothing, and ends the run as declined', async () => {
    const t = await testConductor({ playbooks: [joins] })
    const { leads, ids } = await two(t)
    const run = await t.start(joins, ids)
    await answer(t.keelson, { reject: 'mother and daughter' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    expect(await run.status()).toMatchObject({ state: 'declined' })
    expect((await leads.list()).entities.map(({ version }) => version)).toEqual([1, 1])
    await t.stop()
  })

  it('is asked anew when either record has changed meanwhile', async () => {
    const t = await testConductor({ playbooks: [joins] })
    const { leads, ids } = await two(t)
    const run = await t.start(joins, ids)
    await leads.update(ids.from, { city: 'Rome' })
    const first = await asked(t.keelson.inbox)
    await answer(t.keelson, { approve: true })
    await t.settle()
    const second = await asked(t.keelson.inbox)
    expect(second.hash).not.toBe(first.hash)
    expect(JSON.stringify(second.preview)).toContain('Rome')
    await answer(t.keelson, { approve: true })
    expect(await run.result()).toMatchObject({ city: 'Rome' })
    await t.stop()
  })

  it('is withdrawn with its run, and not asked where nothing is to be decided', async () => {
    const t = await testConductor({ playbooks: [joins] })
    const { leads, ids } = await two(t)
    const run = await t.start(joins, ids)
    await t.keelson.runs.cancel(run.id, { by: me, reason: 'enough' })
    await t.settle()
    expect((await t.keelson.inbox.list()).items).toEqual([])
    await leads.merge(ids.into, ids.from)
    const again = await t.start(joins, ids)
    expect(await again.result()).toMatchObject({ id: ids.into, version: 2 })
    const shadowed = await two(t, 'c2')
    const shadow = await t.start(joins, shadowed.ids, { shadow: true })
    expect(await shadow.result()).toMatchObject({ city: 'Bern' })
    expect(await leads.get(shadowed.ids.from)).toMatchObject({ id: shadowed.ids.from, version: 1 })
    expect((await t.keelson.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it('tells the code what could not be merged before anybody is asked', async () => {
    const t = await testConductor({ playbooks: [joins] })
    const { leads, ids } = await two(t)
    await leads.identify(ids.into, { refs: { caldav: 'c9' } })
    const run = await t.start(joins, ids)
    await expect(run.result()).rejects.toMatchObject({ code: 'REF_TAKEN' })
    const nobody = await t.start(joins, { ...ids, from: 'lead_x' })
    await expect(nobody.result()).rejects.toMatchObject({ code: 'ENTITY_NOT_FOUND' })
    await t.stop()
  })

  it('happens once, of what was shown, wherever a process dies', async () => {
    const finds = definePlaybook({
      name: 'finds',
      version: 1,
      input: z.object({}),
      output: z.json(),
      async run(ctx) {
        const firms = ctx.entities(Firm)
        const into = await firms.create({ name: 'Acme' }, { refs: { stripe: 'cus_1' } })
        const from = await firms.create({ name: 'Acme Ltd', city: 'Bonn' }, { refs: { caldav: 'c1' } })
        const merged = await firms.merge(into.id, from.id, { take: ['city'] }).catch((thrown: unknown) => {
          if (KeelsonError.is(thrown, 'ACTION_DECLINED')) return undefined
          throw thrown
        })
        return { city: merged?.data.city ?? null, history: (await firms.history(into.id)).length }
      },
    })
    const { schedules } = await exploreCrashes(
      async (t) => {
        const run = await t.start(finds, {}, { id: 'r' })
        await t.host(async (keelson) => {
          const firms = keelson.entities(Firm, { by: me })
          const from = (await firms.find({ name: 'Acme Ltd' }))!
          if (from.version === 1) await firms.update(from.id, { city: 'Köln' })
        })
        const asks = { kind: 'question', title: /are they one/ } as const
        await t.decide(asks, { approve: true })
        await t.decide(asks, { approve: true })
        expect(await run.result()).toEqual({ city: 'Köln', history: 2 })
        const firms = t.keelson.entities(Firm)
        expect(await firms.byRef('caldav', 'c1')).toMatchObject({ version: 2 })
        expect((await t.keelson.audit.verify()).faults).toEqual([])
      },
      { harness: () => ({ playbooks: [finds], entities: [Firm] }), depth: 2, limit: 150 },
    )
    expect(schedules).toBeGreaterThan(20)
  })
})

describe('a merge from outside', () => {
  it('is no decision of an agent', async () => {
    const t = await testConductor({ playbooks: [] })
    const { ids } = await two(t)
    const leads = t.keelson.entities(Lead, { by: { kind: 'agent', id: 'reader' } })
    await expect(leads.merge(ids.into, ids.from)).rejects.toMatchObject({ code: 'TRANSITION_NEEDS_APPROVAL' })
    await t.stop()
  })
})
