/** A rung of trust that has answered and no longer stands when its effect is sent: a person is asked, and nothing goes out. */
import { defineTrust, policy } from '@keelson/core'
import { exploreCrashes, fake, testConductor, type Harness } from '@keelson/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { crm, note, write } from '../support/note.ts'
import { inTheMomentOf } from '../support/moment.ts'

const ann = { kind: 'person', id: 'ann' } as const
let grantable = true
beforeEach(() => {
  grantable = true
})
const asks = policy([policy.rule('notes', { on: note }, () => policy.ask({ grantable }))])
const setUp = () => ({
  playbooks: [write],
  connectors: [fake(crm)],
  policy: asks,
  trust: [defineTrust(note, { start: 'approve', ceiling: 'automatic', veto: '10m' })],
})

const approvals = async (t: Harness) => (await t.inbox.list()).items.filter((one) => one.kind === 'approval')

const comesDown: { readonly [how: string]: (t: Harness) => Promise<unknown> } = {
  'its ceiling is lowered': (t) => t.keelson.trust.ceiling(note, 'batch', { by: ann }),
  'a person sets it lower': (t) => t.keelson.trust.set(note, 'approve', { by: ann }),
  'something else that it did is taken back as wrong': async (t) =>
    t.keelson.revert.apply(await t.keelson.revert.plan({ run: 'before' }), { by: ann, cause: 'wrong' }),
  'a person is to be asked whatever the rung': async () => {
    grantable = false
  },
}

describe('an effect that a rung of trust let through', () => {
  it.each(Object.keys(comesDown))('is asked for instead of sent, where %s while it is held', async (how) => {
    const t = await testConductor(setUp())
    await t.keelson.trust.set(note, 'automatic', { by: ann })
    const before = await t.start(write, { about: 'before' }, { id: 'before' })
    await t.keelson.trust.set(note, 'veto', { by: ann })
    const run = await t.start(write, { about: 'a' })
    expect((await t.keelson.holds.list()).holds).toHaveLength(1)
    await t.host(() => comesDown[how]!(t))
    await t.advance('10m')
    const sent = (): number => t.world(note).filter((one) => one.input.about === 'a').length
    expect(sent()).toBe(0)
    expect(await run.status()).toMatchObject({ state: 'waiting' })
    await t.approve(note)
    expect(sent()).toBe(1)
    expect(await before.status()).toEqual({ state: 'completed' })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is asked for, where a raised ceiling ends while it is held', async () => {
    const trust = [defineTrust(note, { start: 'approve', ceiling: 'approve', veto: '2h' })]
    const t = await testConductor({ ...setUp(), trust, now: '2026-01-01T00:00:00Z' })
    await t.keelson.trust.ceiling(note, 'veto', { by: ann, until: '2026-01-01T01:00:00Z' })
    await t.keelson.trust.set(note, 'veto', { by: ann })
    await t.start(write, { about: 'a' })
    await t.advance('2h')
    expect(t.world(note)).toEqual([])
    expect(await approvals(t)).toMatchObject([{ title: expect.stringMatching(/^Changed: /) }])
    await t.stop()
  })

  it('goes out where it has climbed meanwhile, and is not asked for at its second try', async () => {
    const t = await testConductor(setUp())
    await t.keelson.trust.set(note, 'veto', { by: ann })
    t.fault(note, 'unavailable')
    await t.start(write, { about: 'a' })
    await t.keelson.trust.set(note, 'automatic', { by: ann })
    await t.advance('1h')
    t.fault(note, 'unavailable')
    await t.start(write, { about: 'b' })
    await t.advance('1h')
    expect(t.world(note)).toHaveLength(2)
    expect(await approvals(t)).toEqual([])
    await t.stop()
  })

  it.each([
    ['automatic', 'at once', 1, false],
    ['automatic', 'at its second try', 2, true],
    ['veto', 'when its hold is over', 1, false],
    ['veto', 'at its second try', 2, true],
  ] as const)('by "%s" is not sent %s, when the rung comes down in that moment', async (rung, _when, nth, fault) => {
    let came = 0
    const store = inTheMomentOf({ kind: 'effect.sending', nth }, async () => {
      came++
      await t.keelson.trust.ceiling(note, 'approve', { by: ann })
    })
    const t: Harness = await testConductor({ ...setUp(), store })
    await t.keelson.trust.set(note, rung, { by: ann })
    if (fault) t.fault(note, 'unavailable')
    await t.start(write, { about: 'a' })
    await t.advance('1h')
    expect(came).toBe(1)
    expect(t.world(note)).toEqual([])
    expect(await approvals(t)).toMatchObject([{ action: 'crm.note', state: 'open' }])
    await t.approve(note)
    await t.advance('1h')
    expect(t.world(note)).toHaveLength(1)
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('is asked for once and sent once, wherever a process dies', async () => {
    await exploreCrashes(
      async (t) => {
        await t.host((keelson) => keelson.trust.set(note, 'veto', { by: ann }))
        await t.start(write, { about: 'a' })
        await t.host((keelson) => keelson.trust.ceiling(note, 'approve', { by: ann }))
        await t.advance('10m')
        const early = t.world(note).length
        await t.approve(note)
        return [early, t.world(note).length]
      },
      { harness: setUp },
    )
  })
})
