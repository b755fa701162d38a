/** autoPromote: promotions that nobody is asked about: how far they go, who made them, and how one is taken back. */
import { action, defineConnector, definePlaybook, defineTrust, policy, type TrustRung } from '@keelson/core'
import {
  fake,
  intercept,
  memoryStore,
  storeFailure,
  testConductor,
  type Harness,
  type TestStore,
} from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const note = action({
  name: 'crm.note',
  effect: 'reversible',
  input: z.object({ about: z.string() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.string(),
  run: async (ctx, given) => (await ctx.act(note, given)).id,
})

type Options = NonNullable<Parameters<typeof defineTrust<{ about: string }>>[1]>

async function harness(options: Options, store?: TestStore): Promise<Harness> {
  return testConductor({
    playbooks: [write],
    connectors: [fake(defineConnector({ name: 'crm', actions: { note } }))],
    policy: policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable: true }))]),
    trust: [defineTrust(note, { start: 'approve', veto: '5m', version: 'model-7', ...options })],
    ...(store === undefined ? {} : { store }),
  })
}

async function items(t: Harness) {
  return (await t.inbox.list({ limit: 100 })).items
}

async function codes(t: Harness): Promise<string[]> {
  return (await items(t)).map((one) => (one.kind === 'attention' ? one.code : one.kind))
}

async function answer(
  t: Harness,
  id: string,
  looks: string,
  decision: { approve: true } | { answer: { good: boolean } },
) {
  const { hash } = (await items(t)).find((one) => one.id === id)!
  await t.host((keelson) => keelson.inbox.opened(id, { by }))
  await t.advance(looks)
  return t.host((keelson) => keelson.inbox.decide(id, { hash, by, ...decision }))
}

/** `count` notes, each opened, read and approved. */
async function approve(t: Harness, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await t.start(write, { about: 'x' })
    const open = (await items(t)).find(({ kind }) => kind === 'approval')!
    expect(await answer(t, open.id, '10s', { approve: true })).toEqual({ status: 'done' })
  }
}

async function standing(t: Harness) {
  const [one] = await t.keelson.trust.list()
  return one!
}

describe('autoPromote', () => {
  it('does what would be proposed, and says who did, by which setting of which version', async () => {
    const t = await harness({ autoPromote: 'veto' })
    await approve(t, 50)
    expect(await standing(t)).toMatchObject({ rung: 'batch', seen: 50, autoPromote: 'veto' })
    expect(await items(t)).toMatchObject([
      { kind: 'attention', code: 'TRUST_PROMOTED', title: 'crm.note went from "approve" to "batch" by itself' },
    ])
    const actor = { kind: 'system', id: 'autoPromote' } as const
    const { lines } = await t.keelson.audit.query({ actor, action: 'crm.note' })
    expect(lines).toMatchObject([
      { what: 'crm.note went from "approve" to "batch" by autoPromote "veto" of its version model-7', by: actor },
    ])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is off unless it is set', async () => {
    const t = await harness({})
    await approve(t, 50)
    expect(await standing(t)).toMatchObject({ rung: 'approve', proposed: 'batch' })
    expect((await standing(t)).autoPromote).toBeUndefined()
    expect(await codes(t)).toEqual(['TRUST_PROPOSAL'])
    await t.stop()
  })

  it.each<[string, Options, TrustRung, string[]]>([
    ['what is set', { autoPromote: 'batch' }, 'batch', ['TRUST_PROMOTED', 'TRUST_PROPOSAL']],
    ['its ceiling', { autoPromote: 'veto', ceiling: 'batch' }, 'batch', ['TRUST_PROMOTED']],
    ['asking each time, where that is its ceiling', { autoPromote: 'veto', ceiling: 'approve' }, 'approve', []],
  ])('goes no further than %s', async (_what, options, rung, told) => {
    const t = await harness(options)
    await approve(t, 100)
    expect((await standing(t)).rung).toBe(rung)
    expect((await codes(t)).sort()).toEqual(told)
    await t.stop()
  })

  it('is no word for the highest rung, nor for shadow', () => {
    for (const autoPromote of ['automatic', 'shadow', 'all'] as unknown as 'veto'[])
      expect(() => defineTrust(note, { autoPromote })).toThrow(/by itself/)
  })

  it('is taken back with one answer, and what comes next is proposed', async () => {
    const t = await harness({ autoPromote: 'veto' })
    await approve(t, 100)
    expect(await standing(t)).toMatchObject({ rung: 'veto', seen: 100 })
    await t.start(write, { about: 'x' })
    const last = (await items(t)).find(({ title }) => title.includes('to "veto"'))!
    expect(await answer(t, last.id, '3s', { answer: { good: false } })).toEqual({ status: 'done' })
    expect(await standing(t)).toMatchObject({ rung: 'batch', seen: 100 })
    expect((await standing(t)).autoPromote).toBeUndefined()
    await t.advance('6m')
    expect(t.world(note)).toHaveLength(100)
    const changed = (await items(t)).find(({ kind }) => kind === 'approval')!
    await answer(t, changed.id, '10s', { approve: true })
    await approve(t, 49)
    expect(await standing(t)).toMatchObject({ rung: 'batch', proposed: 'veto' })
    expect(await codes(t)).toContain('TRUST_PROPOSAL')
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('that is dismissed, or found good, stands', async () => {
    const t = await harness({ autoPromote: 'veto' })
    await approve(t, 50)
    const [told] = await items(t)
    await answer(t, told!.id, '3s', { answer: { good: true } })
    expect(await standing(t)).toMatchObject({ rung: 'batch', autoPromote: 'veto', seen: 50 })
    await t.stop()
  })

  it('leaves demotion as it is, and what was said of a rung that is gone goes with it', async () => {
    const t = await harness({ autoPromote: 'veto' })
    await approve(t, 100)
    const run = await t.start(write, { about: 'x' })
    await t.advance('6m')
    await t.host(async ({ revert }) => revert.apply(await revert.plan({ run: run.id }), { by, cause: 'wrong' }))
    expect(await standing(t)).toMatchObject({ rung: 'batch' })
    const titles = (await items(t)).map(({ title }) => title)
    expect(titles).toContain('crm.note went from "veto" to "batch"')
    expect(titles).not.toContain('crm.note went from "batch" to "veto" by itself')
    await t.stop()
  })

  it.each(['before', 'after'] as const)(
    'is made once, with the decision, where the store fails %s it',
    async (when) => {
      let armed = false
      let failed = 0
      const base = memoryStore()
      const fail = (op: string): void => {
        if (!armed || op !== 'write') return
        armed = false
        failed++
        throw storeFailure()
      }
      const session: TestStore = {
        session: () => intercept(base.session(), { [when]: fail }),
        kill: (worker) => base.kill(worker),
      }
      const t = await harness({ autoPromote: 'veto' }, session)
      await approve(t, 49)
      await t.start(write, { about: 'x' })
      const { id, hash } = (await items(t)).find(({ kind }) => kind === 'approval')!
      await t.host((keelson) => keelson.inbox.opened(id, { by }))
      await t.advance('10s')
      armed = true
      const decide = () => t.host((keelson) => keelson.inbox.decide(id, { hash, by, approve: true }))
      await expect(decide()).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(failed).toBe(1)
      expect((await standing(t)).rung).toBe(when === 'before' ? 'approve' : 'batch')
      expect(await decide()).toEqual({ status: 'done' })
      expect(await standing(t)).toMatchObject({ rung: 'batch', seen: 50 })
      const { lines } = await t.keelson.audit.query({ actor: { kind: 'system', id: 'autoPromote' } })
      expect(lines).toHaveLength(1)
      expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
      await t.stop()
    },
  )
})
