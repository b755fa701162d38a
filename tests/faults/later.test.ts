/** What comes late: taking back, trying again, and many at once. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, ActionError, defineEntity, defineEvent, definePlaybook, policy } from '@keelson/core'
import type { RevertResult } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, store } from '../support/open.ts'

const Client = defineEntity({
  name: 'client',
  version: 1,
  schema: z.object({ email: z.string().toLowerCase(), note: z.string().optional() }),
})

describe('a revert', () => {
  it('of an optional field leaves a record that fits its schema', async () => {
    const edits = definePlaybook({
      name: 'edits',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      run: async (ctx, { id }) => (await ctx.entities(Client).update(id, { note: 'new' }), null),
    })
    const t = await testConductor({ playbooks: [edits] })
    const made = await t.keelson.entities(Client).create({ email: 'a@x' })
    const run = await t.start(edits, { id: made.id })
    await run.result()
    const plan = await t.keelson.revert.plan({ run: run.id })
    await t.host((keelson) => keelson.revert.apply(plan, { by: me }))
    const now = await t.keelson.entities(Client).get(made.id)
    expect(now.data).toEqual({ email: 'a@x' })
    await t.keelson.entities(Client).update(made.id, { email: 'b@x' })
    await t.stop()
  })

  it('takes back a field that the schema had normalised', async () => {
    const edits = definePlaybook({
      name: 'edits',
      version: 1,
      input: z.object({ id: z.string() }),
      output: z.null(),
      run: async (ctx, { id }) => (await ctx.entities(Client).update(id, { email: 'B@X' }), null),
    })
    const t = await testConductor({ playbooks: [edits] })
    const made = await t.keelson.entities(Client).create({ email: 'a@x' })
    const run = await t.start(edits, { id: made.id })
    await run.result()
    const plan = await t.keelson.revert.plan({ run: run.id })
    expect(plan.lines).toMatchObject([{ can: true }])
    await t.stop()
  })

  it('whose compensation failed can be applied again', async () => {
    let down = true
    const send = action({
      name: 'post.put',
      effect: 'reversible',
      input: z.object({ to: z.string() }),
      output: z.null(),
      undo: z.string(),
      run: () => ({ output: null, undo: 'u' }),
      compensate: () => {
        if (down) throw new ActionError({ class: 'final' }, 'down')
      },
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'a' }))
    const gate = policy([policy.rule('free', { on: send }, () => policy.allow())])
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    const run = await t.start(acts, {})
    await run.result()
    const first = await t.host(async (k) => k.revert.apply(await k.revert.plan({ run: run.id }), { by: me }))
    expect(((await t.keelson.runs.get(first.id).result()) as RevertResult).failed).toHaveLength(1)
    down = false
    const second = await t.host(async (k) => k.revert.apply(await k.revert.plan({ run: run.id }), { by: me }))
    expect(((await t.keelson.runs.get(second.id).result()) as RevertResult).failed).toHaveLength(0)
    await t.stop()
  })
})

describe('an effect', () => {
  it('is judged again before it is tried again', async () => {
    let denied = false
    let sent = 0
    const send = action({
      name: 'post.send',
      effect: 'reversible',
      input: z.object({ to: z.string() }),
      output: z.null(),
      run: () => {
        sent++
        throw new ActionError({ class: 'rate-limited', afterMs: 3_600_000 }, 'later')
      },
    })
    const acts = code(async (ctx) => ctx.act(send, { to: 'a' }))
    const gate = policy([policy.rule('gate', { on: send }, () => (denied ? policy.deny('no more') : policy.allow()))])
    const t = await testConductor({ playbooks: [acts], actions: [send], policy: gate })
    await t.start(acts, {})
    denied = true
    await t.advance('2h')
    expect(sent).toBe(1)
    await t.stop()
  })

  it('that is large and was asked for is done', async () => {
    const big = action({
      name: 'files.turn',
      effect: 'reversible',
      input: z.object({ text: z.string() }),
      output: z.object({ text: z.string() }),
      run: ({ text }) => ({ output: { text } }),
    })
    const acts = code(async (ctx) => (await ctx.act(big, { text: 'x'.repeat(1_000_000) })).text.length)
    const t = await testConductor({ playbooks: [acts], actions: [big] })
    const run = await t.start(acts, {})
    await t.approve(big)
    expect(await run.result()).toBe(1_000_000)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })
})

describe('a workspace', () => {
  it('takes many edits at once', async () => {
    const Note = defineEntity({ name: 'note', version: 1, schema: z.object({ n: z.number() }) })
    const t = await open(store(), { playbooks: [], work: false })
    const made = await Promise.all(Array.from({ length: 400 }, (_, n) => t.entities(Note).create({ n })))
    expect(new Set(made.map((one) => one.id)).size).toBe(400)
  })

  it('keeps events of other names and ids apart', async () => {
    const a = defineEvent({ name: 'a', schema: z.object({ n: z.number() }) })
    const ab = defineEvent({ name: 'a:b', schema: z.object({ n: z.number() }) })
    const waits = code(async (ctx) => [(await ctx.waitFor(a)).n, (await ctx.waitFor(ab)).n])
    const t = await testConductor({ playbooks: [waits] })
    const run = await t.start(waits, {})
    await t.send(a, { n: 1 }, { id: 'b:c' })
    await t.send(ab, { n: 2 }, { id: 'c' })
    expect(await run.result()).toEqual([1, 2])
    await t.stop()
  })
})
