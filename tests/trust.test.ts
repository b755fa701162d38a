/** The ladder of trust at work: what counts as evidence, who promotes, and what a rung answers. */
import { action, defineConnector, definePlaybook, defineTrust, policy, type TrustRung } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const note = action({
  name: 'crm.note',
  effect: 'reversible',
  input: z.object({ about: z.string(), text: z.string(), n: z.int().optional() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  material: ['about'],
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
const crm = defineConnector({ name: 'crm', actions: { note } })
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.string(),
  run: async (ctx, { about }) => (await ctx.act(note, { about, text: 'a note' })).id,
})
const gate = (grantable: boolean) => policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable }))])

async function harness(grantable = true, ceiling: TrustRung = 'automatic'): Promise<Harness> {
  const trust = [defineTrust(note, { ceiling, veto: '5m', version: '1' })]
  return testConductor({ playbooks: [write], connectors: [fake(crm)], policy: gate(grantable), trust })
}

async function decide(t: Harness, looks: string | undefined, decision: object = { approve: true }): Promise<void> {
  await t.start(write, { about: 'x' })
  const item = (await t.inbox.list({ limit: 100 })).items.find((one) => one.kind === 'approval')!
  if (looks !== undefined) {
    await t.host((keelson) => keelson.inbox.opened(item.id, { by }))
    await t.advance(looks)
  }
  const said = decision as { approve: true }
  const decided = await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by, ...said }))
  expect(decided).toEqual({ status: 'done' })
}

describe('trust', () => {
  it('is earned by what a person opened and looked at, and by nothing else', async () => {
    const t = await harness()
    await decide(t, undefined)
    await decide(t, '1s')
    expect(await t.keelson.trust.list()).toEqual([])
    await decide(t, '10s')
    await decide(t, '10s', { edit: { about: 'x', text: 'a note', n: 1 } })
    await decide(t, '10s', { edit: { about: 'y', text: 'a note' } })
    await decide(t, '10s', { reject: 'no' })
    expect(await t.keelson.trust.list()).toMatchObject([{ action: 'crm.note', rung: 'approve', seen: 4, good: 2 }])
  })

  it('is proposed after two looks that passed, and given by a person', async () => {
    const t = await harness()
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    const [item] = (await t.inbox.list()).items
    expect(item).toMatchObject({ kind: 'attention', code: 'TRUST_PROPOSAL', title: 'Let crm.note go to "batch"?' })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'approve', proposed: 'batch', seen: 50 }])
    await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, answer: { good: true } }))
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'batch', seen: 50 }])
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
  })

  it('proposes nothing beyond its ceiling', async () => {
    const t = await harness(true, 'approve')
    for (let i = 0; i < 50; i++) await decide(t, '10s')
    expect((await t.inbox.list()).items).toEqual([])
    await expect(t.keelson.trust.set(note, 'veto', { by })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('lets a rung answer only asks that are grantable: held for a veto, or at once, with the rung as the decider', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'veto', { by })
    await t.start(write, { about: 'a' })
    expect(t.world(note)).toHaveLength(0)
    await t.advance('6m')
    expect(t.world(note)).toHaveLength(1)
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'b' })
    expect(t.world(note)).toHaveLength(2)
    expect(JSON.stringify(await t.keelson.audit.story(run.id))).toContain('trusted (automatic')
    const strict = await harness(false)
    await strict.keelson.trust.set(note, 'automatic', { by })
    await strict.start(write, { about: 'a' })
    expect(strict.world(note)).toHaveLength(0)
  })

  it.each(['changed-mind', 'test'] as const)('stays where something was taken back as %s', async (cause) => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    await t.host(async (keelson) => {
      await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by, cause })
    })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'automatic' }])
    const plan = await t.keelson.revert.plan({ run: run.id })
    const junk = t.keelson.revert.apply(plan, { by, cause: 'because' as 'test' })
    await expect(junk).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  it('comes down at once when a person takes something back, and says so', async () => {
    const t = await harness()
    await t.keelson.trust.set(note, 'automatic', { by })
    const run = await t.start(write, { about: 'a' })
    await t.host(async (keelson) => {
      await keelson.revert.apply(await keelson.revert.plan({ run: run.id }), { by })
    })
    expect(await t.keelson.trust.list()).toMatchObject([{ rung: 'veto' }])
    const codes = (await t.inbox.list()).items.map((one) => (one.kind === 'attention' ? one.code : one.kind))
    expect(codes).toContain('TRUST_DEMOTED')
  })
})
