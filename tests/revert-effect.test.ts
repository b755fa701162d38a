/** Revert of one effect: who has built on it since, and what people have changed of what it rests on. */
import { action, defineEntity, definePlaybook, policy, type Actor, type RevertPlan } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }
const Page = defineEntity({
  name: 'page',
  version: 1,
  schema: z.object({ slug: z.string(), title: z.string() }),
  index: ['slug'],
})
const Published = z.object({ url: z.string() })

/** A site on which pages are put by their slugs, and read back; and mail. */
function outside() {
  const site = new Map<string, string>()
  const put = action({
    name: 'site.put',
    effect: 'reversible',
    idempotency: { by: 'id' },
    input: z.object({ slug: z.string(), text: z.string() }),
    output: Published,
    intent: ({ slug, text }) => [slug, text],
    invalidates: ({ slug }) => [`page:${slug}`],
    run: ({ slug, text }) => (site.set(slug, text), { output: { url: `https://site/${slug}` } }),
    compensate: () => site.clear(),
  })
  const get = action({
    name: 'site.get',
    effect: 'read',
    input: z.object({ slug: z.string() }),
    output: z.string(),
    cache: { ttl: '1h', tags: ({ slug }) => [`page:${slug}`] },
    run: ({ slug }) => ({ output: site.get(slug) ?? '' }),
  })
  const mail = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.null(),
    run: () => ({ output: null }),
  })
  return { actions: [put, get, mail], put, get, mail }
}

async function company(ofReads = policy.allow) {
  const { actions, put, get, mail } = outside()
  const publish = definePlaybook({
    name: 'publish',
    version: 1,
    input: z.object({ id: z.string(), announce: z.boolean() }),
    output: z.object({ effect: z.string(), published: Published }),
    async run(ctx, { id, announce }) {
      const page = await ctx.entities(Page).get(id)
      const { id: effect, output } = await ctx.effect(
        put,
        { slug: page.data.slug, text: page.data.title },
        { because: [page] },
      )
      if (announce) await ctx.act(mail, { to: 'readers' }, { because: [output] })
      await ctx.act(mail, { to: 'the printer' }, { because: [page] })
      return { effect, published: output }
    },
  })
  const look = definePlaybook({
    name: 'look',
    version: 1,
    input: z.object({ slug: z.string() }),
    output: z.null(),
    run: async (ctx, { slug }) => (await ctx.act(get, { slug }), null),
  })
  const recount = definePlaybook({
    name: 'recount',
    version: 1,
    input: z.object({ id: z.string() }),
    output: z.null(),
    run: async (ctx, { id }) => (await ctx.entities(Page).timeline(id), null),
  })
  const name = definePlaybook({
    name: 'name',
    version: 1,
    input: z.object({ published: Published, note: z.string().optional() }),
    output: z.null(),
    async run(ctx, { published, note }) {
      if (note === undefined) await ctx.act(mail, { to: 'partners' }, { because: [published] })
      else await ctx.entities(Page).update(note, { title: 'is out' }, { because: [published] })
      return null
    },
  })
  const t = await testConductor({
    playbooks: [publish, look, recount, name],
    actions,
    policy: policy([
      policy.rule('free', { on: [put, mail] }, () => policy.allow()),
      policy.rule('reads', { on: get }, () => ofReads()),
    ]),
  })
  const people = t.keelson.entities(Page, { by: ann })
  const { id } = await people.create({ slug: 'front', title: 'first' })
  const { id: note } = await people.create({ slug: 'note', title: 'to come' })
  return { t, people, id, note, publish, look, recount, name }
}

const told = ({ dependents }: RevertPlan): string[] => dependents.map(({ why }) => why)

describe('the plan of one effect', () => {
  it('names later runs that read what it wrote or name it, and none that came before', async () => {
    const { t, id, note, publish, look, recount, name } = await company()
    const published = { url: 'https://site/front' }
    await t.start(look, { slug: 'front' }, { id: 'looked before' })
    await t.start(recount, { id }, { id: 'recounted before' })
    await t.start(name, { published }, { id: 'named before' })
    const run = await t.start(publish, { id, announce: true }, { id: 'publishes' })
    const { effect } = await run.result()
    await t.start(look, { slug: 'front' }, { id: 'looked' })
    await t.start(look, { slug: 'back' }, { id: 'looked elsewhere' })
    await t.start(recount, { id }, { id: 'recounted' })
    await t.start(recount, { id: note }, { id: 'recounted another' })
    await t.start(name, { published }, { id: 'named' })
    await t.start(name, { published, note }, { id: 'noted' })
    await t.start(publish, { id, announce: false }, { id: 'asked too' })
    const plan = await t.keelson.revert.plan({ effect })
    expect(told(plan).toSorted()).toEqual(
      [
        `mail.send of run named rests on effect ${effect}`,
        `mail.send of run publishes rests on effect ${effect}`,
        'read site.get',
        'read in a timeline that site.put was done',
        `was answered by effect ${effect}`,
        `wrote page ${note} at version 2, resting on effect ${effect}`,
      ].toSorted(),
    )
    expect(plan.dependents.flatMap((one) => (one.kind === 'run' ? one.id : [])).toSorted()).toEqual([
      'asked too',
      'looked',
      'noted',
      'recounted',
    ])
  })

  it('names a run that read what it wrote once somebody had agreed to that', async () => {
    const { t, id, publish, look } = await company(policy.ask)
    await t.start(look, { slug: 'front' }, { id: 'looked before' })
    const run = await t.start(publish, { id, announce: false }, { id: 'publishes' })
    const { effect } = await run.result()
    await t.start(look, { slug: 'front' }, { id: 'looked' })
    await t.start(look, { slug: 'back' }, { id: 'looked elsewhere' })
    const { items } = await t.inbox.list()
    const early = items.find((one) => one.run === 'looked before')!
    expect(told(await t.keelson.revert.plan({ effect }))).toEqual([])
    for (const one of items.filter((one) => one !== early))
      await t.inbox.decide(one.id, { hash: one.hash, by: ann, approve: true })
    await t.settle()
    expect((await t.keelson.revert.plan({ effect })).dependents).toEqual([
      { kind: 'run', id: 'looked', why: 'read site.get' },
    ])
  })

  it('says what a person has changed since of what it rests on', async () => {
    const { t, people, id, publish } = await company()
    await people.update(id, { title: 'second' })
    const { effect } = await (await t.start(publish, { id, announce: false })).result()
    expect((await t.keelson.revert.plan({ effect })).lines).toMatchObject([{ kind: 'effect', can: true, since: [] }])
    await people.update(id, { title: 'third' })
    const plan = await t.keelson.revert.plan({ effect })
    expect(plan.lines).toMatchObject([
      { kind: 'effect', id: effect, since: [{ entity: `page/${id}`, field: 'title', version: 3, by: 'Ann' }] },
    ])
    await people.update(id, { slug: 'cover' })
    await expect(t.host((k) => k.revert.apply(plan, { by: ann }))).rejects.toMatchObject({ code: 'PLAN_CHANGED' })
  })

  it('finds who came since also where the journal of who asked for it is gone', async () => {
    const { t, id, publish, look } = await company()
    await t.start(look, { slug: 'front' }, { id: 'looked before' })
    const run = await t.start(publish, { id, announce: false }, { id: 'publishes' })
    const { effect } = await run.result()
    await t.advance('400d')
    await t.start(look, { slug: 'front' }, { id: 'looked' })
    expect(await t.keelson.maintenance.prune({ olderThan: '366d', by: ann })).toMatchObject({ runs: 2 })
    expect((await t.keelson.revert.plan({ effect })).dependents).toEqual([
      { kind: 'run', id: 'looked', why: 'read site.get' },
    ])
  })
})
