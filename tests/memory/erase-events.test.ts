/** An erasure takes what events said that were sent, and what people did by hand; what waits for an event gets it all the same. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, defineEvent, definePlaybook, defineTrust, policy, type Conductor } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const SECRET = 'Ada hides 4711 gold coins under the stairs'
const by = { by: me, reason: 'she asked us to' }

const came = defineEvent({
  name: 'mail.came',
  schema: z.object({ from: z.string(), invoice: z.string(), text: z.string() }),
})
const go = defineEvent({ name: 'go', schema: z.object({}) })

async function erased(keelson: Conductor) {
  const { id } = await keelson.memory.remember({ text: SECRET }, { by: me })
  return keelson.memory.erase({ ids: [id] }, by)
}

async function exported(keelson: Conductor): Promise<string> {
  const lines: string[] = []
  for await (const line of keelson.workspace('default').export()) lines.push(line)
  return lines.join('')
}

describe('an event that was sent', () => {
  it('says it no more, and is heard by who waits for it later, by whichever of its fields', async () => {
    const wanted = [
      { from: SECRET },
      { invoice: '7' },
      { invoice: '7', text: `Dear all, ${SECRET}` },
      { from: SECRET, invoice: '7' },
      {},
      { from: 'somebody else' },
      { invoice: '7', text: 'else' },
      { invoice: '8', text: `Dear all, ${SECRET}` },
    ]
    // Each begins before the event, and waits for it only later, by what its code holds: what it was given would stay until it ends.
    const asking = wanted.map((one, n) =>
      definePlaybook({
        ...{ name: `late${n}`, version: 1, input: z.object({}), output: z.json() },
        async run(ctx) {
          await ctx.waitFor(go)
          return (await ctx.waitFor(came, { match: one, timeout: '1h' })) ?? null
        },
      }),
    )
    const keelson = await open(store(), { playbooks: asking, events: [came] })
    for (const [n, playbook] of asking.entries()) await keelson.start(playbook, {}, { id: `r${n}` })
    await keelson.send(came, { from: SECRET, invoice: '7', text: `Dear all, ${SECRET}` }, { id: 'one' })
    await keelson.quiet()
    expect(await exported(keelson)).toContain('4711 gold')
    expect((await erased(keelson)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
    expect((await keelson.audit.verify()).faults).toEqual([])
    expect(await keelson.audit.rebuild()).toEqual({ repaired: 0 })
    await keelson.send(go, {}, { id: 'go' })
    await keelson.quiet()
    const states = await Promise.all(wanted.map((_, n) => keelson.runs.get(`r${n}`).status()))
    expect(states.map(({ state }) => state === 'completed')).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ])
    const blank = { from: '[erased]', invoice: '7', text: 'Dear all, [erased]' }
    for (const n of [0, 1, 2, 3, 4]) expect(await keelson.runs.get(`r${n}`).result()).toEqual(blank)
  })

  it('is heard in its turn', async () => {
    const both = definePlaybook({
      ...{ name: 'both', version: 1, input: z.object({}), output: z.json() },
      async run(ctx) {
        await ctx.waitFor(go)
        const [one, two, three] = [await ctx.waitFor(came), await ctx.waitFor(came), await ctx.waitFor(came)]
        return [one.invoice, two.invoice, three.invoice]
      },
    })
    const t = await testConductor({ playbooks: [both], events: [came] })
    await t.keelson.start(both, {}, { id: 'r' })
    for (const invoice of ['1', '2', '3']) {
      await t.advance('1m')
      const text = invoice === '2' ? SECRET : 'nothing much'
      await t.keelson.send(came, { from: 'x', invoice, text }, { id: invoice })
    }
    await t.settle()
    await erased(t.keelson)
    await t.keelson.send(go, {}, { id: 'go' })
    await t.settle()
    expect(await t.keelson.runs.get('r').result()).toEqual(['1', '2', '3'])
    await t.stop()
  })

  it('hides none that came later from who waits for one since an instant, however many were erased', async () => {
    const late = definePlaybook({
      ...{ name: 'late', version: 1, input: z.object({}), output: z.json() },
      async run(ctx) {
        const since = Number(ctx.now()) - 3 * 3_600_000
        const [one, two] = [await ctx.waitFor(came, { since }), await ctx.waitFor(came, { since })]
        return [one.invoice, two.invoice]
      },
    })
    const t = await testConductor({ playbooks: [late], events: [came] })
    const send = (invoice: string, text: string) =>
      t.keelson.send(came, { from: 'x', invoice, text }, { id: `e${invoice}` })
    for (let n = 0; n < 230; n++) await send(`old${n}`, SECRET)
    await t.settle()
    await t.advance('5d')
    await send('1', SECRET)
    await t.advance('1h')
    await send('2', 'nothing much')
    await t.settle()
    expect((await erased(t.keelson)).left).toEqual([])
    await t.keelson.start(late, {}, { id: 'r' })
    await t.settle()
    expect(await t.keelson.runs.get('r').status()).toMatchObject({ state: 'completed' })
    expect(await t.keelson.runs.get('r').result()).toEqual(['1', '2'])
    await t.stop()
  })

  it('is heard with its blanks also as of a later shape, which these do not fit', async () => {
    const mail = 'ada.lovelace@example.org'
    const shape = z.object({ from: z.email() })
    const first = defineEvent({ name: 'sent', schema: shape })
    const second = defineEvent({
      ...{ name: 'sent', version: 2, schema: shape.extend({ size: z.int() }) },
      upcast: { 2: (old) => ({ ...old, size: 1 }) },
    })
    const listens = (event: typeof first) =>
      definePlaybook({
        ...{ name: 'listens', version: 1, input: z.object({}), output: z.json() },
        async run(ctx) {
          await ctx.waitFor(go)
          return ctx.waitFor(event)
        },
      })
    const data = store()
    const early = listens(first)
    const keelson = await open(data, { playbooks: [early] })
    await keelson.start(early, {}, { id: 'r' })
    await keelson.send(first, { from: mail }, { id: 'one' })
    await keelson.quiet()
    const { id } = await keelson.memory.remember({ text: mail }, { by: me })
    expect((await keelson.memory.erase({ ids: [id] }, by)).left).toEqual([])
    await keelson.stop()
    const now = await open(data, { playbooks: [listens(second)] })
    await now.send(go, {}, { id: 'go' })
    await now.quiet()
    expect(await now.runs.get('r').status()).toMatchObject({ state: 'completed' })
    expect(await now.runs.get('r').result()).toEqual({ from: '[erased]', size: 1 })
  })

  it('is waited for by a run that says it, which is named until it has ended', async () => {
    const waiter = definePlaybook({
      ...{ name: 'waiter', version: 1, input: z.object({}), output: z.json() },
      run: (ctx) => ctx.waitFor(came, { match: { from: SECRET } }),
    })
    const keelson = await open(store(), { playbooks: [waiter], events: [came] })
    await keelson.start(waiter, {}, { id: 'r' })
    await keelson.quiet()
    const first = await erased(keelson)
    expect(first.left.map(({ where }) => where.replace(/ .*/, ''))).toEqual(['run:r:0', 'wait'])
    for (const { why } of first.left) expect(why).toBe('its run is open: erase again when it has ended')
    await keelson.send(came, { from: SECRET, invoice: '7', text: 'x' }, { id: 'one' })
    await keelson.quiet()
    const ids = first.erased.map(({ memory }) => memory)
    expect((await keelson.memory.erase({ ids }, by)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
  })

  it('whose id says it is named, as ids are', async () => {
    const keelson = await open(store(), { playbooks: [], events: [came] })
    await keelson.send(came, { from: 'x', invoice: '7', text: SECRET }, { id: SECRET })
    await keelson.quiet()
    const { left } = await erased(keelson)
    expect(left.find(({ where }) => where.startsWith('event '))?.why).toContain('an id in it')
    expect(JSON.stringify(left)).not.toContain('of another kind (event)')
  })
})

it('takes what a standing approval named once it has ended', async () => {
  const post = action({
    ...{ name: 'post.letter', effect: 'irreversible', idempotency: { by: 'key' }, output: z.null() },
    input: z.object({ to: z.string() }),
    run: () => ({ output: null }),
  })
  const keelson = await open(store(), { playbooks: [], actions: [post] })
  const terms = { action: post, cap: { count: 1 }, until: '2100-01-01', by: me }
  const { id } = await keelson.grants.create({ ...terms, where: { to: SECRET } })
  const first = await erased(keelson)
  expect(first.left).toEqual([{ where: `grant ${id}`, why: expect.stringContaining('revoke it') as string }])
  await keelson.grants.revoke(id, { by: me })
  const ids = first.erased.map(({ memory }) => memory)
  expect((await keelson.memory.erase({ ids }, by)).left).toEqual([])
  expect(await exported(keelson)).not.toContain('4711 gold')
  expect(await keelson.grants.list()).toMatchObject([{ id, state: 'revoked', where: { to: '[erased]' } }])
  expect((await keelson.audit.verify()).faults).toEqual([])
})

it('takes what a person did by hand', async () => {
  const post = action({
    ...{ name: 'post.letter', effect: 'irreversible', idempotency: { by: 'key' }, output: z.null() },
    input: z.object({ text: z.string() }),
    run: () => ({ output: null }),
  })
  const keelson = await open(store(), { playbooks: [], actions: [post] })
  await keelson.shadow.observe(post, { text: SECRET }, { by: me, id: 'by-hand' })
  expect((await erased(keelson)).left).toEqual([])
  expect(await exported(keelson)).not.toContain('4711 gold')
  expect((await keelson.audit.verify()).faults).toEqual([])
})

describe('what would have been done in shadow', () => {
  const post = action({
    ...{ name: 'post.letter', effect: 'irreversible', idempotency: { by: 'key' }, output: z.null() },
    input: z.object({ about: z.string(), text: z.string(), cents: z.int() }),
    intent: ({ about }) => ['letter', about],
    simulate: () => null,
    run: () => ({ output: null }),
  })
  const Letter = z.object({ about: z.string(), text: z.string(), cents: z.int() })
  const writes = definePlaybook({
    ...{ name: 'writes', version: 1, input: Letter, output: z.null() },
    run: (ctx, letter) => ctx.act(post, letter),
  })
  const text = `Dear all, ${SECRET}`
  const free = policy([policy.rule('free', { on: post }, () => policy.allow())])

  it('says it no more, nor does what it is compared with', async () => {
    const t = await testConductor({ playbooks: [writes], actions: [post], policy: free })
    const { keelson } = t
    await keelson.shadow.observe(post, { about: '7', text, cents: 5 }, { by: me, id: 'by-hand' })
    await (await keelson.start(writes, { about: '7', text, cents: 5 }, { id: 'r', shadow: true })).result()
    expect((await erased(keelson)).left).toEqual([])
    expect(await exported(keelson)).not.toContain('4711 gold')
    const blank = { about: '7', text: 'Dear all, [erased]', cents: 5 }
    expect((await keelson.shadow.diff('r')).pairs).toMatchObject([{ outcome: 'agreed', would: blank }])
    expect((await keelson.audit.verify()).faults).toEqual([])
    expect(await keelson.audit.rebuild()).toEqual({ repaired: 0 })
    await t.stop()
  })

  it('is held against nobody where what a person did was erased, and else is', async () => {
    const t = await testConductor({
      ...{ playbooks: [writes], actions: [post], policy: free, trust: [defineTrust(post)] },
    })
    const { keelson } = t
    for (const about of ['7', '8', '9'])
      await keelson.shadow.observe(post, { about, text, cents: 5 }, { by: me, id: `hand ${about}` })
    await erased(keelson)
    await t.start(writes, { about: '7', text, cents: 5 })
    expect(await keelson.trust.list()).toMatchObject([{ seen: 1, good: 1 }])
    await t.start(writes, { about: '8', text, cents: 6 })
    await t.start(writes, { about: '9', text: `Hello, ${SECRET}`, cents: 5 })
    expect(await keelson.trust.list()).toMatchObject([{ seen: 3, good: 1 }])
    await t.stop()
  })
})
