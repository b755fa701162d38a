/** What is remembered, superseded, proposed, taken back: through the memory of a workspace. */
import { describe, expect, it } from 'vitest'
import type { Actor, Conductor, Memory } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { code, me, open, rest, store } from '../support/open.ts'

const robot: Actor = { kind: 'agent', id: 'robot' }
const host: Actor = { kind: 'system', id: 'host' }

async function company(): Promise<Conductor> {
  return open(store(), { playbooks: [code(async () => null)] })
}

const texts = (memories: readonly Memory[]): string[] => memories.map(({ text }) => text)

describe('a functional fact', () => {
  it('closes the one before it, and both are found as of their time', async () => {
    const { memory } = await company()
    const ada = { subject: 'ada', predicate: 'lives_in', functional: true }
    const berlin = await memory.remember({ ...ada, value: 'Berlin', validFrom: '2024-01-01' }, { by: me })
    const lisbon = await memory.remember({ ...ada, value: 'Lisbon', validFrom: '2025-06-01' }, { by: me })
    expect(lisbon).toMatchObject({ status: 'applied', superseded: berlin.id })
    expect(texts(await memory.facts({ about: 'ada' }))).toEqual(['ada lives in Lisbon'])
    expect(texts(await memory.facts({ about: 'ada', asOf: { valid: '2024-07-01' } }))).toEqual(['ada lives in Berlin'])
    const [old] = await memory.facts({ about: 'ada', history: true })
    expect(old).toMatchObject({ status: 'closed', validTo: '2025-06-01T00:00:00.000Z' })
    expect(texts((await memory.recall('where does ada live?')).map((one) => one.memory))).toEqual([
      'ada lives in Lisbon',
    ])
    const then = await memory.recall({ text: 'where does ada live?', asOf: { valid: '2024-07-01' } })
    expect(texts(then.map((one) => one.memory))).toEqual(['ada lives in Berlin'])
  })

  it('never touches another predicate, subject or scope', async () => {
    const { memory } = await company()
    const others = [
      { subject: 'ada', predicate: 'likes', value: 'tea', functional: true },
      { subject: 'bob', predicate: 'lives_in', value: 'Rome', functional: true },
      { subject: 'ada', predicate: 'lives_in', value: 'Oslo', functional: true, scope: 'other' },
      { subject: 'ada', predicate: 'lives_in', value: 'a boat, sometimes' },
    ]
    await memory.remember(others, { by: me })
    const lives = { subject: 'ada', predicate: 'lives_in', functional: true }
    await memory.remember({ ...lives, value: 'Berlin' }, { by: robot })
    await memory.remember({ ...lives, value: 'Lisbon' }, { by: robot })
    expect(texts(await memory.facts()).sort()).toEqual([
      'ada likes tea',
      'ada lives in Lisbon',
      'ada lives in a boat, sometimes',
      'bob lives in Rome',
    ])
    expect(texts(await memory.scope('other').facts())).toEqual(['ada lives in Oslo'])
  })

  it('of an older time is put before the one that stands', async () => {
    const { memory } = await company()
    const lives = { subject: 'ada', predicate: 'lives_in', functional: true }
    await memory.remember({ ...lives, value: 'Lisbon', validFrom: '2025-01-01' }, { by: me })
    await memory.remember({ ...lives, value: 'Rome', validFrom: '2020-01-01' }, { by: me })
    expect(texts(await memory.facts())).toEqual(['ada lives in Lisbon'])
    expect(texts(await memory.facts({ asOf: { valid: '2022-01-01' } }))).toEqual(['ada lives in Rome'])
  })

  it('said again is known, and nothing is written', async () => {
    const { memory } = await company()
    const tea = { subject: 'ada', predicate: 'likes', value: 'tea' }
    const { id } = await memory.remember(tea, { by: me })
    expect(await memory.remember(tea, { by: robot })).toMatchObject({ id, status: 'known' })
    expect(await memory.changes.list()).toHaveLength(1)
  })

  it('as it was known then is told apart from as it was', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory } = t.keelson
    const lives = { subject: 'ada', predicate: 'lives_in', functional: true }
    await memory.remember({ ...lives, value: 'Berlin' }, { by: me })
    await t.advance('10d')
    await memory.remember({ ...lives, value: 'Lisbon', validFrom: '2026-01-08T00:00:00Z' }, { by: me })
    const valid = '2026-01-10T00:00:00Z'
    expect(texts(await memory.facts({ asOf: { valid, known: '2026-01-12T00:00:00Z' } }))).toEqual([
      'ada lives in Berlin',
    ])
    expect(texts(await memory.facts({ asOf: { valid } }))).toEqual(['ada lives in Lisbon'])
    await t.stop()
  })
})

describe('a machine', () => {
  it('proposes what contradicts the operator, and the operator decides it in the inbox', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory, inbox } = t.keelson
    const pays = { subject: 'acme', predicate: 'pays_within', functional: true }
    const said = await memory.remember({ ...pays, value: '30 days' }, { by: me })
    const proposed = await memory.remember({ ...pays, value: '60 days' }, { by: robot })
    expect(proposed).toMatchObject({
      status: 'proposed',
      why: `it contradicts ${said.id}, which is the word of operator`,
    })
    await t.settle()
    const { items } = await inbox.list()
    expect(items.map(({ preview }) => preview)).toEqual([
      {
        kind: 'fields',
        rows: [{ label: `replace ${said.id}`, before: 'acme pays within 30 days', after: 'acme pays within 60 days' }],
      },
    ])
    expect(texts(await memory.facts())).toEqual(['acme pays within 30 days'])
    expect(await inbox.decide(items[0]!.id, { hash: items[0]!.hash, by: me, approve: true })).toEqual({
      status: 'done',
    })
    await t.settle()
    expect(texts(await memory.facts())).toEqual(['acme pays within 60 days'])
    expect((await memory.changes.get(proposed.changeSet!)).status).toBe('applied')
    await t.stop()
  })

  it.each([
    [
      'a rule',
      (memory: Conductor['memory']) => memory.remember({ kind: 'rule', text: 'Always pay at once.' }, { by: robot }),
    ],
    [
      'a merge',
      (memory: Conductor['memory'], id: string) =>
        memory.changes.propose([{ op: 'add', memory: { text: 'both' }, replaces: [id] }], {
          by: robot,
          reason: 'merge',
        }),
    ],
    [
      'to forget',
      (memory: Conductor['memory'], id: string) =>
        memory.changes.propose([{ op: 'forget', id }], { by: host, reason: 'old' }),
    ],
  ])('only proposes %s; rejected, it leaves no mark', async (_, act) => {
    const t = await testConductor({ playbooks: [] })
    const { memory } = t.keelson
    const { id } = await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
    const before = JSON.stringify(await memory.recall('office Berlin pay'))
    await act(memory, id)
    await t.settle()
    expect(JSON.stringify(await memory.recall('office Berlin pay'))).toBe(before)
    const [waiting] = await memory.changes.list({ status: 'proposed' })
    await memory.changes.reject(waiting!.id, { by: me, reason: 'no' })
    expect(await memory.changes.get(waiting!.id)).toMatchObject({ status: 'rejected', why: 'no' })
    expect(JSON.stringify(await memory.recall('office Berlin pay'))).toBe(before)
    expect((await t.inbox.list()).items).toEqual([])
    await t.stop()
  })

  it('is asked anew when what it would change was changed meanwhile', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory, inbox } = t.keelson
    const { id } = await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
    await memory.changes.propose([{ op: 'forget', id }], { by: host, reason: 'old' })
    await t.settle()
    const first = (await inbox.list()).items[0]!
    await memory.pin(id, { by: me })
    await inbox.decide(first.id, { hash: first.hash, by: me, approve: true })
    await t.settle()
    const again = (await inbox.list()).items[0]!
    expect(again.id).not.toBe(first.id)
    await inbox.decide(again.id, { hash: again.hash, by: me, approve: true })
    await t.settle()
    expect(await memory.get(id)).toMatchObject({ status: 'bin' })
    await t.stop()
  })
})

describe('revert', () => {
  it('restores what is recalled, bit for bit: of a set, an actor, an import', async () => {
    const { memory } = await company()
    await memory.append(
      [
        { text: 'We talked about tea and Berlin.', speaker: 'Ada', thread: 'one' },
        { text: 'Which tea did you like?', speaker: 'Bob', thread: 'one' },
      ],
      { by: me },
    )
    await memory.remember([{ subject: 'ada', predicate: 'lives_in', value: 'Berlin', functional: true }], {
      by: { kind: 'agent', id: 'other' },
    })
    const look = async (): Promise<string> =>
      JSON.stringify([await memory.recall('tea in Berlin with Ada'), await memory.facts(), await memory.history()])
    const before = await look()
    const set = await memory.remember(
      [{ subject: 'ada', predicate: 'lives_in', value: 'Lisbon', functional: true }, { text: 'Ada likes green tea.' }],
      { by: robot },
    )
    await memory.append({ text: 'The green one, in Berlin.', speaker: 'Ada', thread: 'one' }, { by: robot })
    const imported = await memory.import(
      Array.from({ length: 1200 }, (_, i) => ({ text: `tea number ${i}` })),
      { by: host },
    )
    expect(imported).toMatchObject({ imported: 1200, proposed: 0 })
    expect(await look()).not.toBe(before)
    await memory.revert({ changeSet: imported.changeSet }, { by: me })
    expect(await memory.revert({ actor: 'robot', since: '2000-01-01' }, { by: me })).toMatchObject({ blocked: [] })
    expect(await look()).toBe(before)
    expect((await memory.changes.get(set[0]!.changeSet!)).status).toBe('reverted')
    expect((await memory.revert({ actor: 'robot', since: '2000-01-01' }, { by: me })).reverted).toEqual([])
  })

  it('leaves alone what was built on since, and says so', async () => {
    const { memory } = await company()
    const lives = { subject: 'ada', predicate: 'lives_in', functional: true }
    await memory.remember({ ...lives, value: 'Berlin' }, { by: robot })
    const second = await memory.remember({ ...lives, value: 'Lisbon' }, { by: robot })
    await memory.remember({ ...lives, value: 'Rome' }, { by: robot })
    const { blocked } = await memory.revert({ changeSet: second.changeSet! }, { by: me })
    expect(blocked).toHaveLength(1)
    expect(texts(await memory.facts())).toEqual(['ada lives in Rome'])
  })

  it('can itself be taken back', async () => {
    const { memory } = await company()
    const { changeSet } = await memory.remember({ text: 'Ada likes tea.' }, { by: robot })
    const before = JSON.stringify(await memory.recall('tea'))
    const { changeSets } = await memory.revert({ changeSet: changeSet! }, { by: me })
    expect(await memory.recall('tea')).toEqual([])
    await memory.revert({ changeSet: changeSets[0]! }, { by: me })
    expect(JSON.stringify(await memory.recall('tea'))).toBe(before)
  })
})

describe('the operator', () => {
  it('corrects, pins, forgets and restores', async () => {
    const { memory } = await company()
    const { id } = await memory.remember(
      { subject: 'acme', predicate: 'vat', value: 'DE1', functional: true },
      { by: robot },
    )
    const corrected = await memory.correct(id, { value: 'DE2', text: 'acme vat DE2' }, { by: me })
    expect(await memory.facts()).toMatchObject([{ id: corrected.id, value: 'DE2', authority: 'operator' }])
    await memory.pin(corrected.id, { by: me })
    expect(
      await memory.remember({ subject: 'acme', predicate: 'vat', value: 'DE3', functional: true }, { by: host }),
    ).toMatchObject({ status: 'proposed' })
    await memory.forget(corrected.id, { by: me })
    expect(await memory.recall('acme vat')).toEqual([])
    await memory.restore(corrected.id, { by: me })
    expect(texts(await memory.facts())).toEqual(['acme vat DE2'])
  })

  it('forecasts what expires, and it goes as a change set that can be taken back', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory } = t.keelson
    await memory.retention.set({ name: 'chatter', kinds: ['event'], keep: '30d', grace: '7d' }, { by: me })
    const { id } = await memory.append({ text: 'A short-lived remark.' }, { by: me })
    const { id: kept } = await memory.append({ text: 'A remark that is pinned.' }, { by: me })
    await memory.pin(kept, { by: me })
    expect(await memory.retention.forecast('2026-03-01')).toMatchObject([
      { id, why: 'chatter', at: '2026-02-04T09:00:00.000Z' },
    ])
    expect(await memory.retention.run({ by: me })).toBeUndefined()
    for (let day = 0; day < 31; day++) {
      await memory.recall('remark')
      await t.advance('1d')
    }
    const set = await memory.retention.run({ by: host })
    await t.settle()
    expect(await memory.recall('short-lived')).toHaveLength(1)
    const bot = { kind: 'agent', id: 'bot' } as const
    await expect(memory.changes.apply(set!, { by: bot })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await memory.changes.apply(set!, { by: me })
    expect(await memory.recall('short-lived')).toEqual([])
    expect(await memory.get(id)).toMatchObject({ status: 'bin' })
    await memory.restore(id, { by: me })
    expect(await memory.recall('short-lived')).toHaveLength(1)
    await t.stop()
  })

  it('can take back what is in the bin until its grace is over; then it is retired, and says so', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory } = t.keelson
    const { id } = await memory.remember({ text: 'The office is in Berlin.' }, { by: me })
    await memory.forget(id, { by: me, graceMs: 3_600_000 })
    const binned = new Date(t.clock.now()).toISOString()
    await t.advance('1h')
    expect(await memory.get(id)).toMatchObject({ status: 'bin' })
    await t.advance('1s')
    expect(await memory.get(id)).toMatchObject({ status: 'retired' })
    await expect(memory.restore(id, { by: me })).rejects.toMatchObject({ code: 'MEMORY_STALE' })
    expect(await memory.facts({ history: true })).toMatchObject([{ status: 'retired' }])
    expect(await memory.facts({ history: true, asOf: { known: binned } })).toMatchObject([{ status: 'bin' }])
    await t.stop()
  })

  it('is shown what consolidation would do, and it does nothing by itself', async () => {
    const t = await testConductor({ playbooks: [] })
    const { memory } = t.keelson
    await memory.remember(
      [{ text: 'Acme pays late.' }, { text: 'ACME  pays late!' }, { text: 'Acme pays invoice 260 late.' }],
      { by: me },
    )
    const set = await memory.consolidate(undefined, { by: host })
    await t.settle()
    expect(await memory.facts()).toHaveLength(3)
    await memory.changes.apply(set!, { by: me })
    expect(await memory.facts()).toHaveLength(2)
    expect(await memory.consolidate(undefined, { by: host })).toBeUndefined()
    await t.stop()
  })
})

it('says what is wrong with what it is given, and keeps nothing of it', async () => {
  const { memory } = await company()
  const wrong = (given: object): Promise<unknown> => memory.remember(given, { by: me })
  await expect(wrong({})).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  await expect(wrong({ text: 'x', functional: true })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  await expect(wrong({ text: 'x', validFrom: '2025-01-02', validTo: '2025-01-01' })).rejects.toMatchObject({
    code: 'INPUT_INVALID',
  })
  await expect(wrong({ text: 'x', scope: '../up' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  await expect(memory.remember({ text: 'x' }, {} as never)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  await expect(memory.get('ghost')).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
  await expect(memory.forget('ghost', { by: me })).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
  expect(await memory.changes.list()).toEqual([])
  expect(await memory.facts()).toEqual([])
})

it('is rebuilt from its entries', async () => {
  const shared = store()
  const keelson = await open(shared, { playbooks: [code(async () => null)] })
  await keelson.memory.remember([{ text: 'one' }, { subject: 'a', predicate: 'b', value: 1, functional: true }], {
    by: me,
  })
  await keelson.memory.remember({ subject: 'a', predicate: 'b', value: 2, functional: true }, { by: me })
  await rest(keelson)
  expect((await keelson.audit.verify()).faults).toEqual([])
})
