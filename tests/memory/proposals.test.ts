/** What is proposed to a person is asked about as it stands: what can no longer be done is left out, the rest goes on. */
import { expect, it } from 'vitest'
import type { Actor } from '@keelson/core'
import { testConductor, type Harness } from '@keelson/testing'
import { me } from '../support/open.ts'

const host: Actor = { kind: 'system', id: 'host' }

/** Five remarks whose time has come, as one proposal. */
async function due(): Promise<{ t: Harness; ids: string[]; set: string }> {
  const t = await testConductor({ playbooks: [] })
  const { memory } = t.keelson
  const texts = ['one', 'two', 'three', 'four', 'five'].map((text) => ({ text: `Remark ${text}.` }))
  const ids = (await memory.append(texts, { by: me })).map(({ id }) => id)
  await memory.retention.set({ name: 'chatter', kinds: ['event'], keep: '1d' }, { by: me })
  await t.advance('2d')
  return { t, ids, set: (await memory.retention.run({ by: host }))! }
}

const statuses = ({ keelson }: Harness, ids: readonly string[]): Promise<string[]> =>
  Promise.all(ids.map(async (id) => (await keelson.memory.get(id)).status))

it('leaves out what was forgotten by hand since it was shown, and does the rest after another yes', async () => {
  const { t, ids, set } = await due()
  const { memory, inbox } = t.keelson
  await t.settle()
  await memory.forget(ids[1]!, { by: me, graceMs: 0 })
  await expect(memory.changes.apply(set, { by: me })).rejects.toMatchObject({ code: 'DECISION_REFUSED' })
  const [item] = (await inbox.list()).items
  expect(item).toMatchObject({
    preview: {
      rows: [
        ...['one', 'three', 'four', 'five'].map((text) => ({ before: `Remark ${text}.` })),
        {
          label: 'left out: expire',
          before: 'Remark two.',
          after: expect.stringContaining('it is forgotten') as string,
        },
      ],
    },
  })
  const applied = await memory.changes.apply(set, { by: me })
  expect(applied).toMatchObject({ status: 'applied', why: expect.stringContaining(ids[1]!) as string })
  expect(applied.changes).toHaveLength(4)
  expect((await inbox.list()).items).toEqual([])
  await memory.revert({ changeSet: set }, { by: me })
  expect((await statuses(t, ids)).filter((status) => status === 'open')).toHaveLength(4)
  expect((await t.keelson.audit.verify()).faults).toEqual([])
  await t.stop()
})

it('asks nobody when nothing of it can be done any more, and says why', async () => {
  const { t, ids, set } = await due()
  const { memory, inbox } = t.keelson
  for (const id of ids) await memory.forget(id, { by: me })
  await t.settle()
  const open = (await inbox.list()).items
  for (const { id, hash } of open) await inbox.decide(id, { hash, by: me, approve: true })
  await t.settle()
  expect((await inbox.list()).items).toEqual([])
  expect(await memory.changes.get(set)).toMatchObject({
    status: 'rejected',
    why: expect.stringContaining('it is forgotten') as string,
  })
  await t.stop()
})

it('takes a change that rests on several memories whole or not at all', async () => {
  const t = await testConductor({ playbooks: [] })
  const { memory } = t.keelson
  const [one, two] = await memory.remember([{ text: 'Acme pays late.' }, { text: 'Acme is slow to pay.' }], { by: me })
  const ops = [
    { op: 'add' as const, memory: { text: 'Acme pays late, and slowly.' }, replaces: [one!.id, two!.id] },
    { op: 'add' as const, memory: { text: 'Acme has two offices.' } },
  ]
  const { changeSet } = await memory.changes.propose(ops, { by: host, reason: 'said in less' })
  await memory.forget(two!.id, { by: me })
  await t.settle()
  for (const { id, hash } of (await t.keelson.inbox.list()).items)
    await t.keelson.inbox.decide(id, { hash, by: me, approve: true })
  await t.settle()
  if ((await memory.changes.get(changeSet)).status === 'proposed') await memory.changes.apply(changeSet, { by: me })
  expect((await memory.facts()).map(({ text }) => text)).toEqual(['Acme pays late.', 'Acme has two offices.'])
  await t.stop()
})

it('is found by its actor, however much that one has written since', async () => {
  const t = await testConductor({ playbooks: [] })
  const { memory } = t.keelson
  const busy: Actor = { kind: 'agent', id: 'busy' }
  const { id } = await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
  const { changeSet } = await memory.changes.propose([{ op: 'forget', id }], { by: busy, reason: 'old' })
  await Promise.all(Array.from({ length: 1001 }, (_, i) => memory.append({ text: `Word ${i}.` }, { by: busy })))
  const found = async (query: object): Promise<string[]> => (await memory.changes.list(query)).map((set) => set.id)
  expect(await found({ actor: 'busy', status: 'proposed' })).toEqual([changeSet])
  expect(await found({ actor: 'busy', limit: 2000 })).toHaveLength(1002)
  expect(await found({ actor: 'me', status: 'applied', limit: 1 })).toHaveLength(1)
  await t.stop()
})
