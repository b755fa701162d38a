/** Reliability 3: who tries to decide what is not theirs to decide, or with a hash that is none, is refused, and it is known. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  definePlaybook,
  policy,
  verifyExport,
  type Actor,
  type Conductor,
  type Decision,
  type InboxItem,
} from '@keelson/core'
import { testConductor, type MemoryStoreSession } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const sent: string[] = []
const pay = action({
  name: 'bank.pay',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run({ to }) {
    sent.push(to)
    return { output: {} }
  },
})
const payment = definePlaybook({
  name: 'payment',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({}),
  run: (ctx, input) => ctx.act(pay, input),
})
const gate = policy([policy.rule('money', { on: pay }, () => policy.ask({ reason: 'money leaves' }))])
const mallory: Actor = { kind: 'person', id: 'mallory', name: 'Mallory' }
const NEVER = 'A'.repeat(43)

async function asked(
  data: MemoryStoreSession = store(),
  more: { mayDecide?: (by: Actor) => boolean } = {},
): Promise<{ keelson: Conductor; item: InboxItem }> {
  sent.length = 0
  const keelson = await open(data, { playbooks: [payment], policy: gate, ...more })
  await keelson.start(payment, { to: 'ada' }, { id: 'r' })
  await keelson.quiet()
  return { keelson, item: (await keelson.inbox.list()).items[0]! }
}

const attempt = (keelson: Conductor, item: InboxItem, hash: string, by = mallory, said: Decision = { approve: true }) =>
  keelson.inbox.decide(item.id, { hash, by, ...said })

async function entriesOf(keelson: Conductor, kind: string): Promise<readonly { readonly [field: string]: unknown }[]> {
  const lines: { kind?: string; payload?: string }[] = []
  for await (const line of keelson.workspace('default').export()) lines.push(JSON.parse(line) as never)
  return lines.filter((line) => line.kind === kind).map((line) => JSON.parse(line.payload!) as never)
}

describe('a decision that is none', () => {
  it('#3 with a hash that the item never had is approval.forged: who, on what, what was given and expected', async () => {
    const { keelson, item } = await asked()
    expect(await attempt(keelson, item, NEVER)).toMatchObject({ status: 'refused', why: 'changed' })
    await keelson.quiet()
    expect(sent).toEqual([])
    const { lines } = await keelson.audit.query({ actor: mallory })
    expect(lines).toMatchObject([
      { by: mallory, item: item.id, run: 'r', action: 'bank.pay', entry: { stream: 'workspace' } },
    ])
    expect(lines[0]!.what).toBe(`forged approval refused: bank.pay approve (given ${NEVER}, expected ${item.hash})`)
    expect((await keelson.audit.query({ run: 'r' })).lines.map(({ what }) => what)).toContain(lines[0]!.what)
    expect((await keelson.audit.story('r')).join('\n')).toContain(
      'Mallory tried to approve it with a hash that it never had: refused',
    )
    expect(await entriesOf(keelson, 'approval.forged')).toMatchObject([
      { by: mallory, item: item.id, why: 'forged', given: NEVER, expected: item.hash, verb: 'approve', count: 1 },
    ])
    expect(await keelson.inbox.get(item.id)).toMatchObject({ state: 'open', attempts: [{ by: mallory, count: 1 }] })
    expect(await attempt(keelson, item, item.hash, me)).toEqual({ status: 'done' })
    await keelson.quiet()
    expect(sent).toEqual(['ada'])
  })

  it('#3 with the hash of what it was before is no forgery: it is told apart', async () => {
    const reads = { cents: 1 }
    const charge = action({
      name: 'shop.charge',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({}),
      output: z.object({}),
      fresh: async () => ({ ...reads }),
      run: () => ({ output: {} }),
    })
    const charging = definePlaybook({ name: 'charging', version: 1, input: z.object({}), output: z.object({}), run: (ctx) => ctx.act(charge, {}) }) // prettier-ignore
    const asks = policy([policy.rule('money', { on: charge }, () => policy.ask())])
    const keelson = await open(store(), { playbooks: [charging], policy: asks })
    await keelson.start(charging, {}, { id: 'r' })
    await keelson.quiet()
    const [before] = (await keelson.inbox.list()).items
    reads.cents = 2
    await keelson.inbox.decide(before!.id, { hash: before!.hash, by: me, approve: true })
    await keelson.quiet()
    const [now] = (await keelson.inbox.list()).items
    expect(now!.hash).not.toBe(before!.hash)
    expect(await attempt(keelson, now!, before!.hash, me)).toMatchObject({ why: 'changed' })
    expect(await entriesOf(keelson, 'approval.forged')).toEqual([])
    expect(await entriesOf(keelson, 'decision.refused')).toMatchObject([
      { by: me, item: now!.id, why: 'stale', given: before!.hash, expected: now!.hash },
    ])
    expect((await keelson.audit.story('r')).join('\n')).toContain('me tried to approve it as it was before: refused')
  })

  it('#3 by one who may not decide is journaled, and nothing of what they said but the verb', async () => {
    const { keelson, item } = await asked(store(), { mayDecide: ({ id }) => id === 'me' })
    const said = { edit: { to: 'sk-live-1234567890' } }
    expect(await attempt(keelson, item, item.hash, mallory, said)).toMatchObject({ why: 'forbidden' })
    expect(await attempt(keelson, item, 'sk-live-1234567890', mallory, said)).toMatchObject({ why: 'changed' })
    expect(await entriesOf(keelson, 'decision.refused')).toMatchObject([
      { by: mallory, why: 'forbidden', given: item.hash, verb: 'edit' },
    ])
    const told = (await keelson.audit.query({ actor: mallory })).lines.map(({ what }) => what)
    expect(told).toContain(`decision by one who may not decide refused: bank.pay edit (hash ${item.hash})`)
    expect(await entriesOf(keelson, 'approval.forged')).toMatchObject([{ given: 'no hash (18 characters)' }])
    const all: string[] = []
    for await (const line of keelson.workspace('default').export()) all.push(line)
    expect(all.join('\n')).not.toContain('sk-live-1234567890')
  })

  it('#3 again and again adds a handful of entries that count them, over restarts, and all of it verifies', async () => {
    const data = store()
    const { keelson, item } = await asked(data)
    const before = (await keelson.audit.verify()).entries
    for (let i = 0; i < 300; i++) await attempt(keelson, item, NEVER)
    await keelson.stop({ withinMs: 100 })
    const again = await open(data, { playbooks: [payment], policy: gate })
    for (let i = 0; i < 300; i++) await attempt(again, item, NEVER)
    for (let i = 0; i < 300; i++) await attempt(again, item, NEVER, { kind: 'person', id: `m${i}` })
    const counts = (await entriesOf(again, 'approval.forged')).map(({ count }) => count as number)
    expect(counts.filter((_, i) => i < 10)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
    const verified = await again.audit.verify()
    expect(verified).toMatchObject({ ok: true, faults: [] })
    expect(verified.entries - before).toBeLessThan(45)
    const exported: string[] = []
    for await (const line of again.audit.export()) exported.push(line)
    expect((await verifyExport(exported)).ok).toBe(true)
    expect((await again.inbox.get(item.id)).attempts!.length).toBeLessThanOrEqual(21)
    expect(await attempt(again, item, item.hash, me)).toEqual({ status: 'done' })
    await again.quiet()
    expect(sent).toEqual(['ada'])
  })

  it('#3 by nobody, or on what is closed, leaves nothing', async () => {
    const { keelson, item } = await asked()
    expect(await attempt(keelson, item, NEVER, null as never)).toMatchObject({ why: 'changed' })
    await attempt(keelson, item, item.hash, me)
    expect(await attempt(keelson, item, NEVER)).toMatchObject({ why: 'settled' })
    expect(await entriesOf(keelson, 'approval.forged')).toEqual([])
  })
})

describe('what is too long to be seen at a glance', () => {
  const body = Array.from({ length: 10_000 }, (_, i) => `${i}`).join('\n')
  const write = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string(), body: z.string() }),
    output: z.object({}),
    preview: ({ body }) => ({ kind: 'text', after: body }),
    run({ to }) {
      sent.push(to)
      return { output: {} }
    },
  })
  const writes = definePlaybook({
    name: 'writes',
    version: 1,
    input: z.object({ to: z.string(), body: z.string() }),
    output: z.object({}),
    run: (ctx, input) => ctx.act(write, input),
  })
  const asks = policy([policy.rule('mail', { on: write }, () => policy.ask())])
  const waits = async (text: string): Promise<{ keelson: Conductor; item: InboxItem }> => {
    sent.length = 0
    const keelson = await open(store(), { playbooks: [writes], policy: asks })
    await keelson.start(writes, { to: 'ada', body: text }, { id: 'r' })
    await keelson.quiet()
    return { keelson, item: (await keelson.inbox.list()).items[0]! }
  }

  it('row 8: a body of 10,000 lines gets no yes from somebody who has not opened it', async () => {
    const { keelson, item } = await waits(body)
    expect(item.flags[0]).toMatchObject({ code: 'long', text: expect.stringContaining('in 10000 lines') as string })
    expect(item.mustBeOpened).toBe(true)
    const ann: Actor = { kind: 'person', id: 'ann' }
    for (const said of [{ approve: true }, { edit: { to: 'bob' } }] as const)
      expect(await attempt(keelson, item, item.hash, ann, said)).toMatchObject({
        status: 'refused',
        why: 'invalid',
        code: 'unopened',
        message: expect.stringContaining(`inbox.opened('${item.id}'`) as string,
      })
    await keelson.inbox.opened(item.id, { by: me }) // somebody else
    expect(await attempt(keelson, item, item.hash, ann)).toMatchObject({ code: 'unopened' })
    expect(sent).toEqual([])
    await keelson.inbox.opened(item.id, { by: ann })
    expect(await attempt(keelson, item, item.hash, ann)).toEqual({ status: 'done' })
    await keelson.quiet()
    expect(sent).toEqual(['ada'])
  })

  it('row 8: may be refused unopened, and a short one approved so', async () => {
    const { keelson, item } = await waits(body)
    expect(await attempt(keelson, item, item.hash, me, { reject: 'too long' })).toEqual({ status: 'done' })
    const short = await waits('hello')
    expect(short.item.mustBeOpened).toBeUndefined()
    expect(await attempt(short.keelson, short.item, short.item.hash, me)).toEqual({ status: 'done' })
  })

  it('row 8: is flagged however many other flags there are', async () => {
    const fake = Array.from({ length: 40 }, (_, i) => `\u0430da${i}@x.com`).join(' ')
    const { item } = await waits(`${fake}\n${body}`)
    expect(item.flags).toHaveLength(20)
    expect(item.mustBeOpened).toBe(true)
  })

  it('row 8: letters that pass for others, and those that turn the direction, are written out and flagged', async () => {
    const { item } = await waits('to:"\u0430da@x.com" \u202Etxt.exe')
    expect(JSON.stringify(item.preview)).toContain('u{430}da@x.com')
    expect(JSON.stringify(item.preview)).toContain('u{202e}')
    expect(item.flags.map(({ code }) => code).sort()).toEqual(['direction', 'lookalike'])
  })
})

describe('somebody who is asked too much', () => {
  const tag = action({ name: 'crm.tag', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ n: z.int() }), output: z.object({}), run: () => ({ output: {} }) }) // prettier-ignore
  const tags = definePlaybook({ name: 'tags', version: 1, input: z.object({ n: z.int() }), output: z.object({}), run: (ctx, input) => ctx.act(tag, input) }) // prettier-ignore
  const asks = policy([policy.rule('tags', { on: tag }, () => policy.ask())])
  const options = { playbooks: [tags], policy: asks }

  it('row 9: 200 asks in a minute are one, before and after a restart', async () => {
    const data = store()
    let keelson = await open(data, options)
    for (let n = 0; n < 200; n++) {
      if (n === 100) {
        await keelson.quiet()
        await keelson.stop({ withinMs: 100 })
        keelson = await open(data, options)
      }
      await keelson.start(tags, { n }, { id: `r${n}` })
    }
    await keelson.quiet()
    expect(await keelson.inbox.groups()).toMatchObject([{ count: 200, action: 'crm.tag' }])
    const fatigue = await keelson.inbox.fatigue({ since: '1d' })
    expect(fatigue).toMatchObject({ asked: 200, interruptions: 1, perHour: { most: 1 } })
  })

  it('row 9: fifty approvals in a row without a look warn, whichever processes took them', async () => {
    const data = store()
    const told: unknown[] = []
    const warned = async (): Promise<Conductor> => {
      const keelson = await open(data, options)
      keelson.on('inbox.fatigued', (event) => told.push(event))
      return keelson
    }
    let keelson = await warned()
    for (let n = 0; n < 50; n++) await keelson.start(tags, { n }, { id: `r${n}` })
    await keelson.quiet()
    const { items } = await keelson.inbox.list({ limit: 500 })
    for (const [n, item] of items.entries()) {
      if (n === 20) {
        await keelson.stop({ withinMs: 100 })
        keelson = await warned()
      }
      const other = n % 2 === 0 ? keelson : await open(data, { ...options, work: false })
      if (other !== keelson) other.on('inbox.fatigued', (event) => told.push(event))
      expect(told).toEqual([])
      await attempt(other, item, item.hash, me)
    }
    expect(told).toEqual([{ workspace: 'default', by: 'me', straight: 50 }])
    expect(await keelson.inbox.fatigue({ since: '1d' })).toMatchObject({ approved: 50, stamps: 50, stampShare: 1 })
    expect(await keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('row 9: a look begins the count anew', async () => {
    const t = await testConductor({ ...options, actions: [tag] })
    const told: unknown[] = []
    t.keelson.on('inbox.fatigued', (event) => told.push(event))
    for (let n = 0; n < 60; n++) {
      await t.start(tags, { n })
      const [item] = (await t.inbox.list()).items
      if (n === 30) {
        await t.inbox.opened(item!.id, { by: me })
        await t.advance('5s')
      }
      await t.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
      await t.settle()
    }
    expect(told).toEqual([])
  })
})
