/** Revert: each kind of plan, what it may not touch, who has built on it, and who lets it. */
import {
  action,
  ActionError,
  defineAgent,
  defineEntity,
  definePlaybook,
  policy,
  type Actor,
  type RevertPlan,
  type RevertResult,
  type RevertTarget,
} from '@keelson/core'
import { testConductor, type Harness, type HarnessOptions } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }
const Page = defineEntity({
  name: 'page',
  version: 1,
  schema: z.object({ slug: z.string(), title: z.string(), tone: z.string().optional() }),
  index: ['slug'],
})

/** A site whose pages are put and taken back, and mail that cannot be. */
function outside() {
  const site = new Map<string, string>()
  const sent: string[] = []
  const put = action({
    name: 'site.put',
    effect: 'reversible',
    idempotency: { by: 'id' },
    input: z.object({ slug: z.string(), text: z.string() }),
    output: z.null(),
    undo: z.object({ slug: z.string(), before: z.string().nullable(), text: z.string() }),
    run({ slug, text }) {
      const undo = { slug, before: site.get(slug) ?? null, text }
      site.set(slug, text)
      return { output: null, undo }
    },
    compensate({ slug, before, text }) {
      if (site.get(slug) !== text) throw new ActionError({ class: 'final' }, `${slug} was edited since`)
      if (before === null) site.delete(slug)
      else site.set(slug, before)
    },
  })
  const mail = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.null(),
    run: ({ to }) => (sent.push(to), { output: null }),
  })
  const gate = [policy.rule('free', { on: [put, mail] }, () => policy.allow())]
  return { site, sent, put, mail, gate }
}

async function applied(t: Harness, target: RevertTarget, by = ann): Promise<RevertResult> {
  const plan = await t.keelson.revert.plan(target)
  const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  return (await t.keelson.runs.get(id).result()) as RevertResult
}

const whats = ({ lines }: RevertPlan): string[] =>
  lines.map((line) => (line.can ? line.what : `${line.what}: ${line.why}`))

describe('a plan back to a checkpoint', () => {
  const { site, put, mail, gate } = outside()
  const edition = definePlaybook({
    name: 'edition',
    version: 1,
    input: z.object({}),
    output: z.null(),
    async run(ctx) {
      await ctx.act(put, { slug: 'front', text: 'first' })
      const { id } = await ctx.entities(Page).create({ slug: 'front', title: 'first' })
      await ctx.checkpoint('printed')
      await ctx.act(put, { slug: 'front', text: 'second' })
      await ctx.act(mail, { to: 'readers' })
      await ctx.entities(Page).update(id, { title: 'second' })
      await ctx.checkpoint('sent')
      return null
    },
  })

  it('takes back what came behind it, leaves what came before, and says what stays', async () => {
    site.clear()
    const t = await testConductor({ playbooks: [edition], actions: [put, mail], policy: policy(gate) })
    const { id: run } = await t.start(edition, {})
    expect(whats(await t.keelson.revert.plan({ run, to: 'sent' }))).toEqual([])
    expect(await applied(t, { run, to: 'printed' })).toMatchObject({
      undone: [expect.stringContaining('page'), 'site.put slug: front, text: second'],
      failed: [],
      left: [{ what: 'mail.send to: readers', why: 'its action is irreversible' }],
    })
    expect([...site]).toEqual([['front', 'first']])
    expect(await t.keelson.entities(Page).find({ slug: 'front' })).toMatchObject({ data: { title: 'first' } })
    const again = await t.keelson.revert.plan({ run, to: 'printed' })
    expect(again.lines.filter(({ can }) => can)).toEqual([])
    expect((await applied(t, { run })).undone).toContain('site.put slug: front, text: first')
    expect([...site]).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('is refused where the run has not come that far', async () => {
    const t = await testConductor({ playbooks: [edition], actions: [put, mail], policy: policy(gate) })
    const { id: run } = await t.start(edition, {})
    await expect(t.keelson.revert.plan({ run, to: 'read' })).rejects.toMatchObject({ code: 'STEP_NOT_FOUND' })
  })
})

describe('a plan', () => {
  const world = outside()
  const { site, put } = world
  const writer = defineAgent({
    name: 'writer',
    version: 2,
    input: z.object({ about: z.string() }),
    output: z.object({ text: z.string() }),
    instructions: 'Write.',
  })
  const child = definePlaybook({
    name: 'child',
    version: 1,
    input: z.object({ slug: z.string() }),
    output: z.null(),
    run: async (ctx, { slug }) => ctx.act(put, { slug, text: 'by a child' }),
  })
  const article = (version: number) =>
    definePlaybook({
      name: 'article',
      version,
      input: z.object({ slug: z.string() }),
      output: z.null(),
      async run(ctx, { slug }) {
        await ctx.act(put, { slug: `${slug}-draft`, text: `v${version}` })
        const { text } = await ctx.delegate(writer, { about: slug })
        await ctx.act(put, { slug, text })
        return ctx.call(child, { slug: `${slug}-index` })
      },
    })
  const [one, two] = [article(1), article(2)]
  const begin = async (): Promise<Harness> => {
    site.clear()
    const t = await testConductor({ playbooks: [one, two, child], actions: [put], policy: policy(world.gate) })
    t.script(writer, ({ about }) => ({ text: `about ${about}` }))
    return t
  }

  it('of a version of a playbook takes back what all its runs did, children included, and nothing of another version', async () => {
    const t = await begin()
    for (const slug of ['a', 'b']) await t.start(two, { slug })
    await t.start(one, { slug: 'kept' })
    expect(whats(await t.keelson.revert.plan({ playbook: 'article', version: 2 }))).toEqual([
      'site.put slug: b-index, text: by a child',
      'site.put slug: b, text: about b',
      'site.put slug: b-draft, text: v2',
      'site.put slug: a-index, text: by a child',
      'site.put slug: a, text: about a',
      'site.put slug: a-draft, text: v2',
    ])
    expect(await applied(t, { playbook: 'article', version: 2 })).toMatchObject({ failed: [], left: [] })
    expect([...site.keys()]).toEqual(['kept-draft', 'kept', 'kept-index'])
  })

  it('of a version of an agent takes back what was done after its answer', async () => {
    const t = await begin()
    await t.start(one, { slug: 'a' })
    expect(whats(await t.keelson.revert.plan({ agent: 'writer', version: 1 }))).toEqual([])
    await applied(t, { agent: 'writer', version: 2 })
    expect([...site.keys()]).toEqual(['a-draft'])
  })

  it('of a span takes back what was done in it, and neither before, after, nor by a revert', async () => {
    const t = await begin()
    const at = (): string => new Date(t.clock.now()).toISOString()
    await t.start(one, { slug: 'before' })
    await t.advance('1h')
    const from = at()
    await t.start(one, { slug: 'in' })
    await t.advance('1h')
    const to = at()
    await t.start(two, { slug: 'after' })
    expect(await applied(t, { from, to })).toMatchObject({
      undone: [expect.anything(), expect.anything(), expect.anything()],
    })
    expect([...site.keys()].filter((slug) => slug.startsWith('in'))).toEqual([])
    expect(site.size).toBe(6)
    expect(whats(await t.keelson.revert.plan({ from: to }))).toHaveLength(3)
  })

  it('refuses what is no target, no instant, and no run', async () => {
    const t = await begin()
    await expect(t.keelson.revert.plan({} as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(t.keelson.revert.plan({ from: 'monday' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(t.keelson.revert.plan({ run: 'none' })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
  })

  it('covers all journals of a run that went on with a new one, and names a run that has not ended', async () => {
    const { put: act, gate, site: pages } = outside()
    const long = definePlaybook({
      name: 'long',
      version: 1,
      input: z.object({ round: z.number() }),
      output: z.null(),
      async run(ctx, { round }) {
        await ctx.act(act, { slug: `round-${round}`, text: 'x' })
        if (round < 3) return ctx.continueAsNew({ round: round + 1 })
        await ctx.sleep('30d')
        return null
      },
    })
    const t = await testConductor({ playbooks: [long], actions: [act], policy: policy(gate) })
    const { id } = await t.start(long, { round: 1 })
    const plan = await t.keelson.revert.plan({ run: id })
    expect(plan.lines).toHaveLength(3)
    expect(plan.running).toEqual([id])
    await applied(t, { run: id })
    expect(pages.size).toBe(0)
  })
})

/** Writes to a page of ours and to the site. */
function writesBoth(put: ReturnType<typeof outside>['put']) {
  return definePlaybook({
    name: 'both',
    version: 1,
    input: z.object({ id: z.string() }),
    output: z.null(),
    async run(ctx, { id }) {
      await ctx.entities(Page).update(id, { title: 'by the run' })
      await ctx.act(put, { slug: 'p', text: 'x' })
      return null
    },
  })
}

describe('an entity', () => {
  const edit = definePlaybook({
    name: 'edit',
    version: 1,
    input: z.object({ id: z.string(), title: z.string(), tone: z.string().optional() }),
    output: z.null(),
    async run(ctx, { id, ...patch }) {
      await ctx.entities(Page).update(id, patch)
      return null
    },
  })
  const begin = async (playbooks: HarnessOptions['playbooks'] = [edit]) => {
    const t = await testConductor({ playbooks })
    const people = t.keelson.entities(Page, { by: ann })
    const { id } = await people.create({ slug: 'p', title: 'first' })
    return { t, people, id }
  }

  it('#22 keeps what a person has changed since, says who and when, and gets the rest back', async () => {
    const { t, people, id } = await begin()
    const run = await t.start(edit, { id, title: 'by the run', tone: 'loud' })
    await people.update(id, { title: 'by a person' })
    const plan = await t.keelson.revert.plan({ run: run.id })
    expect(plan.lines).toMatchObject([
      { can: true, restore: {}, drop: ['tone'], kept: ['title'], since: [{ field: 'title', version: 3, by: 'Ann' }] },
    ])
    await applied(t, { run: run.id })
    expect((await people.get(id)).data).toEqual({ slug: 'p', title: 'by a person' })
  })

  it('is no matter of a run that changed nothing of it, whatever that was answered', async () => {
    const looks = definePlaybook({
      name: 'looks',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      async run(ctx, { id }) {
        const pages = ctx.entities(Page)
        await pages.note(id, { what: 'looked at' })
        await pages.identify(id, { aliases: ['known already'] })
        return null
      },
    })
    const { t, people, id } = await begin([edit, looks])
    await t.start(edit, { id, title: 'by a run' })
    await people.identify(id, { aliases: ['Known  already'] })
    await people.update(id, { title: 'by a person' })
    const run = await t.start(looks, { id })
    // What it noted is remembered, and is no change of the record.
    expect((await t.keelson.revert.plan({ run: run.id })).lines).toMatchObject([{ kind: 'memory' }])
    const { dependents } = await t.keelson.revert.plan({ playbook: 'edit', version: 1 })
    expect(dependents.filter(({ why }) => why.startsWith('wrote'))).toEqual([])
  })

  it('gets back what a person wrote between two changes of the runs', async () => {
    const { t, people, id } = await begin()
    await t.start(edit, { id, title: 'one' })
    await people.update(id, { title: 'by a person' })
    await t.start(edit, { id, title: 'two' })
    await t.start(edit, { id, title: 'three' })
    await applied(t, { playbook: 'edit', version: 1 })
    expect((await people.get(id)).data.title).toBe('by a person')
  })

  it('is not put back when somebody changes it between plan and apply, nor after apply began', async () => {
    const { t, people, id } = await begin()
    const run = await t.start(edit, { id, title: 'by the run' })
    const plan = await t.keelson.revert.plan({ run: run.id })
    await people.update(id, { tone: 'soft' })
    await expect(t.keelson.revert.apply(plan, { by: ann })).rejects.toMatchObject({ code: 'PLAN_CHANGED' })
    expect((await people.get(id)).data.title).toBe('by the run')
  })

  it('takes back what the hash of its plan names, whatever lines come with it', async () => {
    const { t, people, id } = await begin()
    const run = await t.start(edit, { id, title: 'by the run' })
    const plan = await t.keelson.revert.plan({ run: run.id })
    const lines = plan.lines.map((line) => ({ ...line, restore: { title: 'forged' } })) as RevertPlan['lines']
    await t.host((keelson) => keelson.revert.apply({ ...plan, lines }, { by: ann }))
    expect((await people.get(id)).data.title).toBe('first')
  })

  it('is left alone when somebody changes it while the revert runs', async () => {
    const { put, gate } = outside()
    const both = writesBoth(put)
    const asks = policy.rule('asks', { on: put, undo: true }, () => policy.ask())
    const t = await testConductor({ playbooks: [both], actions: [put], policy: policy([...gate, asks]) })
    const people = t.keelson.entities(Page, { by: ann })
    const { id } = await people.create({ slug: 'p', title: 'first' })
    const run = await t.start(both, { id })
    const reverting = await t.host(async (k) => k.revert.apply(await k.revert.plan({ run: run.id }), { by: ann }))
    await people.update(id, { tone: 'soft' }) // what is asked for comes first: the entity's turn is yet to come
    await t.approve(put)
    const { undone, failed } = (await t.keelson.runs.get(reverting.id).result()) as RevertResult
    expect(undone).toEqual(['site.put slug: p, text: x'])
    expect(failed).toMatchObject([
      { why: expect.stringContaining('was changed since the plan (version 3, planned 2)') },
    ])
    expect((await people.get(id)).data).toEqual({ slug: 'p', title: 'by the run', tone: 'soft' })
    expect((await t.inbox.list()).items).toMatchObject([{ code: 'REVERT_INCOMPLETE' }])
    const next = await t.keelson.revert.plan({ run: run.id })
    expect(next.lines.filter((line) => line.can)).toMatchObject([
      { kind: 'entity', tried: expect.stringContaining('was changed since the plan') },
    ])
    await t.host((keelson) => keelson.revert.apply(next, { by: ann }))
    expect((await people.get(id)).data).toEqual({ slug: 'p', title: 'first', tone: 'soft' })
    expect((await t.inbox.list()).items).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
  })

  it('stays in its item while only what another run did to it is taken back', async () => {
    const { put, gate } = outside()
    const both = writesBoth(put)
    const tune = definePlaybook({
      name: 'tune',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      async run(ctx, { id }) {
        await ctx.entities(Page).update(id, { tone: 'soft' })
        return null
      },
    })
    const asks = policy.rule('asks', { on: put, undo: true }, () => policy.ask())
    const t = await testConductor({ playbooks: [both, tune], actions: [put], policy: policy([...gate, asks]) })
    const people = t.keelson.entities(Page, { by: ann })
    const { id } = await people.create({ slug: 'p', title: 'first' })
    const run = await t.start(both, { id })
    await t.host(async (k) => k.revert.apply(await k.revert.plan({ run: run.id }), { by: ann }))
    const other = await t.start(tune, { id })
    await t.approve(put)
    const codes = async () => (await t.inbox.list()).items.map((item) => (item.kind === 'attention' ? item.code : ''))
    expect(await codes()).toEqual(['REVERT_INCOMPLETE'])
    await applied(t, { run: other.id })
    expect((await people.get(id)).data).toEqual({ slug: 'p', title: 'by the run' })
    expect(await codes()).toEqual(['REVERT_INCOMPLETE'])
    const { lines } = await t.keelson.revert.plan({ run: run.id })
    expect(lines.filter((line) => line.can)).toMatchObject([{ tried: expect.stringContaining('was changed since') }])
    await applied(t, { run: run.id })
    expect((await people.get(id)).data.title).toBe('first')
    expect(await codes()).toEqual([])
  })

  it('names the runs that read it, the effects that rest on it, and what they did with it', async () => {
    const { mail, gate } = outside()
    const reader = definePlaybook({
      name: 'reader',
      version: 1,
      input: z.object({ id: z.string(), write: z.boolean() }),
      output: z.null(),
      async run(ctx, { id, write }) {
        const page = await ctx.entities(Page).get(id)
        if (write) await ctx.act(mail, { to: page.data.title }, { because: [page] })
        return null
      },
    })
    const t = await testConductor({ playbooks: [edit, reader], actions: [mail], policy: policy(gate) })
    const people = t.keelson.entities(Page, { by: ann })
    const { id } = await people.create({ slug: 'p', title: 'first' })
    await t.start(reader, { id, write: true }, { id: 'before' })
    const run = await t.start(edit, { id, title: 'by the run' })
    await t.start(reader, { id, write: false }, { id: 'reads' })
    await t.start(reader, { id, write: true }, { id: 'mails' })
    const { dependents } = await t.keelson.revert.plan({ run: run.id })
    expect(dependents.map(({ kind, id: who, why }) => [kind, kind === 'run' ? who : '', why])).toEqual([
      ['effect', '', `mail.send of run mails rests on page ${id}`],
      ['run', 'mails', `read page ${id} at version 2`],
      ['run', 'reads', `read page ${id} at version 2`],
    ])
  })
})

describe('an effect', () => {
  it('is told with the money in it, as people write it', async () => {
    const refund = action({
      ...{ name: 'shop.refund', effect: 'reversible', idempotency: { by: 'id' } },
      input: z.object({ to: z.string(), money: z.object({ amount: z.int(), currency: z.string() }) }),
      output: z.null(),
      run: () => ({ output: null }),
      compensate: () => {},
    })
    const give = definePlaybook({
      ...{ name: 'give', version: 1, input: z.object({}), output: z.null(), uses: [refund] },
      run: (ctx) => ctx.act(refund, { to: 'ada', money: { amount: 1250, currency: 'EUR' } }),
    })
    const t = await testConductor({ playbooks: [give], actions: [refund] })
    const { id: run } = await t.start(give, {})
    await t.approve(refund)
    expect(whats(await t.keelson.revert.plan({ run }))).toEqual(['shop.refund money: 12.50 EUR, to: ada'])
  })

  it('is taken back with the run that asked for it, and not with one that was merely answered by it', async () => {
    const world = outside()
    const shared = action({
      name: 'site.once',
      effect: 'reversible',
      idempotency: { by: 'id' },
      input: z.object({ slug: z.string() }),
      output: z.null(),
      undo: z.string(),
      intent: ({ slug }) => [slug],
      run: ({ slug }) => (world.site.set(slug, 'x'), { output: null, undo: slug }),
      compensate: (slug) => void world.site.delete(slug),
    })
    const use = definePlaybook({
      name: 'use',
      version: 1,
      input: z.object({}),
      output: z.null(),
      run: (ctx) => ctx.act(shared, { slug: 's' }),
    })
    const gate = policy([policy.rule('free', { on: shared }, () => policy.allow())])
    const t = await testConductor({ playbooks: [use], actions: [shared], policy: gate })
    await t.start(use, {}, { id: 'first' })
    await t.start(use, {}, { id: 'second' })
    expect(whats(await t.keelson.revert.plan({ run: 'second' }))).toEqual([
      'site.once slug: s: run first asked for it first, and has it too',
    ])
    const plan = await t.keelson.revert.plan({ run: 'first' })
    expect(plan.dependents).toMatchObject([{ kind: 'run', id: 'second' }])
    await applied(t, { run: 'first' })
    expect(world.site.size).toBe(0)
  })

  it('that took something back is not taken back itself: its action would be compensated a second time', async () => {
    let backs = 0
    const give = action({
      name: 'shop.give',
      effect: 'reversible',
      idempotency: { by: 'id' },
      input: z.object({ to: z.string() }),
      output: z.null(),
      run: () => ({ output: null }),
      compensate: () => void backs++,
    })
    const gives = definePlaybook({
      name: 'gives',
      version: 1,
      input: z.object({}),
      output: z.null(),
      run: (ctx) => ctx.act(give, { to: 'ada' }),
    })
    const free = policy([policy.rule('free', { on: give }, () => policy.allow())])
    const t = await testConductor({ playbooks: [gives], actions: [give], policy: free })
    const run = await t.start(gives, {})
    const plan = await t.keelson.revert.plan({ run: run.id })
    const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
    expect(backs).toBe(1)
    expect((await t.keelson.revert.plan({ run: reverting.id })).lines).toMatchObject([{ can: false }])
    await applied(t, { run: reverting.id })
    expect(backs).toBe(1)
  })

  it('#21 whose compensation fails is listed, and the others are taken back all the same', async () => {
    const { site, put, mail, gate } = outside()
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (const slug of ['a', 'b', 'c']) await ctx.act(put, { slug, text: 'x' })
        await ctx.act(mail, { to: 'ada' })
        return null
      },
    })
    const t = await testConductor({ playbooks: [write], actions: [put, mail], policy: policy(gate) })
    const run = await t.start(write, {})
    site.set('b', 'by a person')
    expect(await applied(t, { run: run.id })).toEqual({
      undone: ['site.put slug: c, text: x', 'site.put slug: a, text: x'],
      failed: [{ what: 'site.put slug: b, text: x', why: 'b was edited since' }],
      left: [{ what: 'mail.send to: ada', why: 'its action is irreversible' }],
    })
    expect([...site]).toEqual([['b', 'by a person']])
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([
      {
        kind: 'attention',
        code: 'REVERT_INCOMPLETE',
        title: 'Not all was taken back: site.put slug: b, text: x',
        preview: { after: expect.stringContaining('b was edited since') },
        allows: ['dismiss', 'delegate'],
      },
    ])
    const next = await t.keelson.revert.plan({ run: run.id })
    expect(next.lines.filter((line) => line.can)).toMatchObject([{ tried: 'b was edited since' }])
    site.set('b', 'x')
    await t.host((keelson) => keelson.revert.apply(next, { by: ann }))
    expect((await t.inbox.list()).items).toEqual([])
    expect(site.size).toBe(0)
  })

  it('#21 goes on in reverse order where it was cut off, twice, and is compensated once', async () => {
    const [site, back]: [Set<string>, string[]] = [new Set(), []]
    const taken = action({
      name: 'site.keep',
      effect: 'reversible',
      idempotency: { by: 'id' },
      input: z.object({ slug: z.string() }),
      output: z.null(),
      undo: z.object({ slug: z.string() }),
      run: ({ slug }) => (site.add(slug), { output: null, undo: { slug } }),
      compensate: ({ slug }) => void (site.delete(slug), back.push(slug)),
    })
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (const slug of ['a', 'b', 'c']) await ctx.act(taken, { slug })
        return null
      },
    })
    const gate = policy([
      policy.rule('free', { on: taken }, () => policy.allow()),
      policy.rule('one by one', { on: taken, undo: true }, () => policy.ask()),
    ])
    const t = await testConductor({ playbooks: [write], actions: [taken], policy: gate })
    await (await t.start(write, {}, { id: 'w' })).result()
    const plan = await t.keelson.revert.plan({ run: 'w' })
    const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
    for (const done of [['c'], ['c', 'b'], ['c', 'b', 'a']]) {
      await t.crash()
      await t.approve(taken, { by: ann })
      expect(back).toEqual(done)
    }
    await t.crash()
    expect(await t.keelson.runs.get(id).result()).toMatchObject({ failed: [], left: [] })
    expect(back).toEqual(['c', 'b', 'a'])
    expect(site.size).toBe(0)
  })

  it('names a line that stays in one item: of what is taken back later, by whatever plan, it says nothing more', async () => {
    const { site, put, gate } = outside()
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.array(z.string()),
      async run(ctx) {
        const ids: string[] = []
        for (const slug of ['a', 'b', 'c']) ids.push((await ctx.effect(put, { slug, text: 'x' })).id)
        return ids
      },
    })
    const t = await testConductor({ playbooks: [write], actions: [put], policy: policy(gate) })
    const run = await t.start(write, {})
    const ids = await run.result()
    const titles = async () => (await t.inbox.list()).items.map((item) => item.title)
    for (const slug of ['a', 'b', 'c']) site.set(slug, 'by a person')
    await applied(t, { run: run.id })
    expect(await titles()).toEqual(['Not all was taken back: 3 lines stay'])
    site.set('a', 'x')
    await applied(t, { effect: ids[0]! })
    expect(await titles()).toEqual(['Not all was taken back: 2 lines stay'])
    const [item] = (await t.inbox.list()).items
    expect(JSON.stringify(item!.preview)).not.toContain('slug: a')
    await applied(t, { effect: ids[1]! })
    expect((await titles()).sort()).toEqual([
      'Not all was taken back: site.put slug: b, text: x',
      'Not all was taken back: site.put slug: c, text: x',
    ])
    for (const slug of ['b', 'c']) site.set(slug, 'x')
    await applied(t, { run: run.id })
    expect(await titles()).toEqual([])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true, faults: [] })
  })
})

describe('the gate of a revert', () => {
  type Rules = (world: ReturnType<typeof outside>) => ReturnType<typeof policy.rule>[]
  const begin = async (rules: Rules, more: Pick<HarnessOptions, 'mayDecide'> = {}) => {
    const world = outside()
    const write = definePlaybook({
      name: 'write',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (const slug of ['a', 'legal']) await ctx.act(world.put, { slug, text: 'x' })
        return null
      },
    })
    const t = await testConductor({
      playbooks: [write],
      actions: [world.put, world.mail],
      policy: policy([...world.gate, ...rules(world)]),
      ...more,
    })
    await t.start(write, {}, { id: 'w' })
    return { t, world }
  }

  it('is the plan and who applies it, where no rule speaks of taking back', async () => {
    const { t, world } = await begin(() => [])
    expect((await applied(t, { run: 'w' })).failed).toEqual([])
    expect(world.site.size).toBe(0)
    const { lines } = await t.keelson.audit.query({ actor: ann })
    expect(lines.map(({ what }) => what).sort()).toEqual([
      'revert applied',
      'site.put taken back',
      'site.put taken back',
    ])
  })

  it('denies a line by a rule about taking back, and goes on with the others', async () => {
    const { t, world } = await begin(({ put }) => [
      policy.rule('legal stays', { on: put, undo: true }, ({ input }) =>
        input.slug === 'legal' ? policy.deny('our lawyers want it kept') : policy.allow(),
      ),
    ])
    const { undone, failed } = await applied(t, { run: 'w' })
    expect(undone).toEqual(['site.put slug: a, text: x'])
    expect(failed).toMatchObject([{ why: expect.stringContaining('our lawyers want it kept') }])
    expect([...world.site.keys()]).toEqual(['legal'])
  })

  it('asks a person where a rule about taking back says so, and never lets that be edited', async () => {
    const { t, world } = await begin(({ put }) => [
      policy.rule('ask first', { on: put, undo: true }, ({ input }) =>
        input.slug === 'legal' ? policy.ask({ reason: 'legal text' }) : policy.allow(),
      ),
    ])
    const plan = await t.keelson.revert.plan({ run: 'w' })
    const { id } = await t.host((keelson) => keelson.revert.apply(plan, { by: ann }))
    const { items } = await t.inbox.list()
    expect(items).toMatchObject([
      { title: expect.stringContaining('Take back: '), allows: ['approve', 'reject', 'snooze', 'delegate'] },
    ])
    await t.reject(world.put, 'not this one')
    expect((await t.keelson.runs.get(id).result()) as RevertResult).toMatchObject({
      undone: ['site.put slug: a, text: x'],
      failed: [{ what: 'site.put slug: legal, text: x' }],
    })
    expect([...world.site.keys()]).toEqual(['legal'])
  })

  it('is no agent, unless the rule of the host lets it, which is shown what would be taken back', async () => {
    const bot: Actor = { kind: 'agent', id: 'bot' }
    const asked: unknown[] = []
    const rule: HarnessOptions['mayDecide'] = (actor, item) => {
      asked.push([actor.id, item.kind, 'action' in item && item.action, 'input' in item && item.input, item.preview])
      return actor.id !== 'bot' || trusted
    }
    let trusted = false
    const { t } = await begin(() => [])
    const plan = await t.keelson.revert.plan({ run: 'w' })
    await expect(t.keelson.revert.apply(plan, { by: bot })).rejects.toMatchObject({
      code: 'DECISION_REFUSED',
      data: { why: 'forbidden' },
    })
    expect(await t.keelson.runs.list({ builtIn: true, playbook: 'keelson.revert' })).toEqual({ runs: [] })
    const ruled = (await begin(() => [], { mayDecide: rule })).t
    const forged = { ...(await ruled.keelson.revert.plan({ run: 'w' })), lines: [] }
    await expect(ruled.keelson.revert.apply(forged, { by: bot })).rejects.toMatchObject({ code: 'DECISION_REFUSED' })
    const rows = ['site.put slug: legal, text: x', 'site.put slug: a, text: x'].map((after) => ({ after }))
    expect(asked).toMatchObject([['bot', 'approval', 'keelson.revert', { run: 'w' }, { rows }]])
    trusted = true
    const done = await applied(ruled, { run: 'w' }, bot)
    expect(done).toMatchObject({ undone: [{}, {}], failed: [] })
    asked.length = 0
    const nobody = (await begin(() => [], { mayDecide: (actor, item) => (asked.push([actor, item]), false) })).t
    for (const by of [ann, { kind: 'system', id: 'host' }] as const)
      expect((await applied(nobody, { run: 'w' }, by)).failed).toEqual([])
    expect(asked).toEqual([])
  })

  it('is not shut by a freeze, nor by a rule about doing that has come since', async () => {
    const { t, world } = await begin(({ put }) => [
      policy.rule('no more', { on: put }, ({ settings }) =>
        'stop' in settings ? policy.deny('no more') : policy.allow(),
      ),
    ])
    await t.host((keelson) => keelson.configure({ stop: true }, { by: ann }))
    await t.host((keelson) => keelson.freeze({ by: ann, reason: 'an incident' }))
    expect((await applied(t, { run: 'w' })).failed).toEqual([])
    expect(world.site.size).toBe(0)
  })
})
