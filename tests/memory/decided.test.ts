/** What is proposed to the operator is decided, and taken back, by whom the host lets, however it is decided. */
import type { ChangeOp } from '@keelson/core'
import { exploreCrashes, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'

const boss = { kind: 'person', id: 'boss' } as const
const intern = { kind: 'person', id: 'intern', name: 'Ina' } as const
const host = { kind: 'system', id: 'host' } as const
const agent = { kind: 'agent', id: 'bot' } as const
const mayDecide = (actor: { id: string }): boolean => actor.id === 'boss'
const ops: ChangeOp[] = [{ op: 'add', memory: { kind: 'rule', text: 'Acme gets ten percent off' } }]

async function proposed(): Promise<{ t: Harness; set: string }> {
  const t = await testConductor({ playbooks: [], mayDecide })
  const { changeSet } = await t.host(({ memory }) => memory.changes.propose(ops, { by: host, reason: 'it was said' }))
  return { t, set: changeSet }
}

describe('a proposal to memory', () => {
  it('is refused to whom the inbox refuses it, and stays open', async () => {
    const { t, set } = await proposed()
    const { changes } = t.keelson.memory
    const [item] = (await t.inbox.list()).items
    const { id, hash } = item!
    const said = await t.inbox.decide(id, { hash, by: intern, approve: true })
    expect(said).toMatchObject({ status: 'refused', why: 'forbidden', message: 'Ina may not decide this' })
    for (const decide of [changes.apply(set, { by: intern }), changes.reject(set, { by: intern, reason: 'no' })])
      await expect(decide).rejects.toMatchObject({
        code: 'DECISION_REFUSED',
        message: expect.stringContaining('forbidden: Ina may not decide this') as string,
        data: { changeSet: set, why: 'forbidden' },
      })
    expect(await changes.get(set)).toMatchObject({ status: 'proposed' })
    expect((await t.inbox.list()).items).toMatchObject([{ id, state: 'open' }])
    await t.host(({ memory }) => memory.changes.apply(set, { by: boss }))
    expect(await t.keelson.memory.facts()).toMatchObject([{ text: 'Acme gets ten percent off' }])
    expect(await t.inbox.get(id)).toMatchObject({ state: 'decided', decided: { by: boss } })
    expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
    await t.stop()
  })

  it('that was decided is taken back by whoever may decide it, and by nobody else', async () => {
    const { t, set } = await proposed()
    const { memory } = t.keelson
    await memory.changes.apply(set, { by: boss })
    await memory.remember({ text: 'the tea is green' }, { by: host })
    await expect(memory.revert({ changeSet: set }, { by: intern })).rejects.toMatchObject({ code: 'DECISION_REFUSED' })
    await expect(memory.revert({ changeSet: set }, { by: agent })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const all = { actor: 'host', since: '2026-01-01' }
    await expect(memory.revert(all, { by: intern })).rejects.toMatchObject({ code: 'DECISION_REFUSED' })
    expect(await memory.facts()).toHaveLength(2)
    const { reverted } = await memory.revert(all, { by: boss })
    expect(reverted).toHaveLength(2)
    expect(await memory.facts()).toEqual([])
    await t.stop()
  })

  it('that nobody had to decide is taken back by whoever makes changes', async () => {
    const { t } = await proposed()
    const { memory } = t.keelson
    const { changeSet } = await memory.remember({ text: 'the tea is green' }, { by: host })
    expect((await memory.revert({ changeSet: changeSet! }, { by: intern })).reverted).toHaveLength(1)
    await t.stop()
  })

  it('ends the same wherever the process dies while it is decided and taken back', async () => {
    const explored = await exploreCrashes(
      async (t) => {
        const set = await t.host(async ({ memory }) => {
          const [known] = await memory.changes.list()
          return known?.id ?? (await memory.changes.propose(ops, { by: host, reason: 'it was said' })).changeSet
        })
        await t.host(async ({ memory, inbox }) => {
          const { status } = await memory.changes.get(set)
          const decided = (await inbox.list()).items.length === 0
          if (status === 'proposed' && !decided) await memory.changes.apply(set, { by: boss })
        })
        await t.host(({ memory }) => memory.revert({ changeSet: set }, { by: boss }))
        const { status } = await t.host(({ memory }) => memory.changes.get(set))
        return [status, (await t.host(({ memory }) => memory.facts())).length]
      },
      { depth: 1, limit: 100, harness: () => ({ playbooks: [], mayDecide }) },
    )
    expect(explored.schedules).toBeGreaterThan(10)
  })
})
