/** What a machine has asked a person to take back: while they think about it, the world goes on. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, type Actor, type Conductor } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const bot: Actor = { kind: 'agent', id: 'bot' }
const Customer = defineEntity({
  ...{ name: 'customer', version: 1, index: ['name'] },
  schema: z.object({ name: z.string(), city: z.string().optional() }),
})

/** The item that is open, once all is quiet. */
async function asked(keelson: Conductor) {
  await keelson.quiet()
  const { items } = await keelson.inbox.list()
  return items.map((item) => ({ ...item, shown: JSON.stringify('preview' in item ? item.preview : '') }))
}

async function approve(keelson: Conductor, { id, hash }: { id: string; hash: string }): Promise<void> {
  expect(await keelson.inbox.decide(id, { hash, by: me, approve: true })).toMatchObject({ status: 'done' })
  await keelson.quiet()
}

async function company(playbooks: Parameters<typeof open>[1]['playbooks'] = []) {
  const keelson = await open(store(), { playbooks })
  return { keelson, memory: keelson.memory, customers: keelson.entities(Customer, { by: me }) }
}

const written = async (keelson: Conductor) => (await keelson.memory.changes.list({ status: 'applied' }))[0]!.id
const askBack = async ({ memory }: Conductor, changeSet: string): Promise<string> =>
  (await memory.revert({ changeSet }, { by: bot })).proposed![0]!
const OVER = { status: 'rejected', decidedBy: me }

describe('a set that a machine asks to take back', () => {
  it('is asked about no more once a person has taken it back: the question is withdrawn with it', async () => {
    const { keelson, memory } = await company()
    const { changeSet } = await memory.remember({ text: 'Tea at four.' }, { by: me })
    const proposed = await askBack(keelson, changeSet!)
    expect(await asked(keelson)).toHaveLength(1)
    await memory.revert({ changeSet: changeSet! }, { by: me })
    expect(await memory.changes.get(proposed)).toMatchObject({ ...OVER, why: 'it was taken back meanwhile' })
    expect(await asked(keelson)).toEqual([])
    expect((await keelson.runs.list({ state: 'open' })).runs).toEqual([])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is asked about no more once the run that wrote it was taken back', async () => {
    const noting = definePlaybook({
      ...{ name: 'noting', version: 1, input: z.object({}), output: z.null() },
      run: async (ctx) => (await ctx.memory.remember({ text: 'Tea at four.' }), null),
    })
    const { keelson, memory } = await company([noting])
    await (await keelson.start(noting, {}, { id: 'one' })).result()
    const [set] = await memory.changes.list({ run: 'one' })
    const proposed = await askBack(keelson, set!.id)
    expect(await asked(keelson)).toHaveLength(1)
    const taking = await keelson.revert.apply(await keelson.revert.plan({ run: 'one' }), { by: me, cause: 'wrong' })
    await taking.result()
    expect(await asked(keelson)).toEqual([])
    expect(await memory.changes.get(proposed)).toMatchObject(OVER)
  })

  it('is asked about no more once the run that wrote an entity was taken back', async () => {
    const moving = definePlaybook({
      ...{ name: 'moving', version: 1, input: z.object({ id: z.string(), city: z.string() }), output: z.null() },
      run: async (ctx, { id, city }) => (await ctx.entities(Customer).update(id, { city }), null),
    })
    const { keelson, memory, customers } = await company([moving])
    const acme = await customers.create({ name: 'Acme', city: 'Ulm' })
    const beta = await customers.create({ name: 'Beta', city: 'Ulm' })
    const proposed: string[] = []
    for (const [n, { id }] of [acme, beta].entries()) {
      await (await keelson.start(moving, { id, city: 'Bonn' }, { id: `run ${n}` })).result()
      proposed.push(await askBack(keelson, (await memory.changes.list({ run: `run ${n}` }))[0]!.id))
    }
    expect(await asked(keelson)).toHaveLength(2)
    const plan = await keelson.revert.plan({ run: 'run 0' })
    await (await keelson.revert.apply(plan, { by: me, cause: 'wrong' })).result()
    expect(await asked(keelson)).toHaveLength(1)
    expect(await memory.changes.get(proposed[0]!)).toMatchObject({ ...OVER, why: 'it was taken back meanwhile' })
    expect(await memory.changes.get(proposed[1]!)).toMatchObject({ status: 'proposed' })
    const open = await keelson.runs.list({ playbook: 'keelson.proposal', state: 'open' })
    expect(open.runs.map(({ id }) => id)).toEqual([`proposal:${proposed[1]}`])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is asked about no more once what a run had merged is two again', async () => {
    const joining = definePlaybook({
      ...{ name: 'joining', version: 1, input: z.object({ id: z.string(), into: z.string() }), output: z.null() },
      run: async (ctx, { id, into }) => (await ctx.entities(Customer).merge(into, id), null),
    })
    const { keelson, memory, customers } = await company([joining])
    const acme = await customers.create({ name: 'Acme', city: 'Ulm' })
    const other = await customers.create({ name: 'ACME' })
    await keelson.start(joining, { id: other.id, into: acme.id }, { id: 'one' })
    for (const item of await asked(keelson)) await approve(keelson, item)
    const proposed = await askBack(keelson, (await memory.changes.list({ run: 'one' }))[0]!.id)
    expect(await asked(keelson)).toHaveLength(1)
    const plan = await keelson.revert.plan({ run: 'one' })
    await (await keelson.revert.apply(plan, { by: me, cause: 'wrong' })).result()
    expect((await customers.get(other.id)).data).toEqual({ name: 'ACME' })
    expect(await asked(keelson)).toEqual([])
    expect(await memory.changes.get(proposed)).toMatchObject(OVER)
  })

  it('is asked about no more where nothing of it is left to take back, and it is said why', async () => {
    const { keelson, memory } = await company()
    const { id } = await memory.remember({ text: 'Tea at four.' }, { by: me })
    const { changeSet } = await memory.forget(id, { by: me })
    const proposed = await askBack(keelson, changeSet!)
    const [item] = await asked(keelson)
    await memory.restore(id, { by: me })
    await approve(keelson, item!)
    expect(await asked(keelson)).toEqual([])
    const why = `take back ${id}: it was opened again since`
    expect(await memory.changes.get(proposed)).toMatchObject({ status: 'rejected', why })
  })

  it('is asked about once, also where two machines ask at the same time', async () => {
    const { keelson, memory } = await company()
    const { changeSet } = await memory.remember({ text: 'Tea at four.' }, { by: me })
    const both = await Promise.all([askBack(keelson, changeSet!), askBack(keelson, changeSet!)])
    expect(new Set(both).size).toBe(1)
    expect(await asked(keelson)).toHaveLength(1)
  })

  it('is asked about once, and no more once it was taken back, also where an earlier release had asked', async () => {
    const kept = store()
    const keelson = await open(kept, { playbooks: [] })
    const { memory } = keelson
    const { changeSet } = await memory.remember({ text: 'Tea at four.' }, { by: me })
    const proposed = await askBack(keelson, changeSet!)
    await asked(keelson)
    const session = kept.session()
    await session.open({ worker: 'earlier', now: () => 0 })
    const [row] = await session.records('default', { kind: 'change-set', ids: [proposed], limit: 1 })
    const index = Object.fromEntries(Object.entries(row!.index).filter(([field]) => !field.startsWith('asks')))
    const records = [
      { ...row!, version: 2, data: null, index: {} },
      { ...row!, index },
    ]
    await session.write('default', { records, restoring: true })
    expect(await askBack(keelson, changeSet!)).toBe(proposed)
    expect(await asked(keelson)).toHaveLength(1)
    await memory.revert({ changeSet: changeSet! }, { by: me })
    expect(await asked(keelson)).toEqual([])
    expect(await memory.changes.get(proposed)).toMatchObject(OVER)
  })

  it('is taken back as it was shown: where a person writes to the entity meanwhile, it is asked about anew', async () => {
    const { keelson, memory, customers } = await company()
    const { id } = await customers.create({ name: 'Acme', city: 'Bonn' })
    await customers.update(id, { name: 'ACME', city: 'Berlin' })
    const proposed = await askBack(keelson, await written(keelson))
    const [first] = await asked(keelson)
    expect(first!.shown).not.toContain('left out')
    await customers.update(id, { city: 'Paris' })
    await approve(keelson, first!)
    expect((await customers.get(id)).data).toEqual({ name: 'ACME', city: 'Paris' })
    const [again] = await asked(keelson)
    expect(again!.shown).toContain(`left out: take back customer/${id}`)
    expect(again!.shown).toContain('changed since: city')
    await approve(keelson, again!)
    expect((await customers.get(id)).data).toEqual({ name: 'Acme', city: 'Paris' })
    const why = `left out: take back customer/${id}: changed since: city`
    expect(await memory.changes.get(proposed)).toMatchObject({ status: 'applied', decidedBy: me, why })
  })

  it('shows of its memories what goes back, also behind what it had ended', async () => {
    const { keelson, memory } = await company()
    const plan = { subject: 'acme', predicate: 'plan', functional: true }
    await memory.remember({ ...plan, value: 'free' }, { by: me })
    const { changeSet } = await memory.remember({ ...plan, value: 'pro' }, { by: me })
    const proposed = await askBack(keelson, changeSet!)
    expect((await memory.changes.diff(proposed)).map(({ op }) => op).sort()).toEqual(['restore', 'take back'])
    await approve(keelson, (await asked(keelson))[0]!)
    expect((await memory.facts({ about: 'acme' })).map(({ value }) => value)).toEqual(['free'])
  })

  it('shows as standing again only what does: what a person took back before stays so, and what was behind it returns', async () => {
    const { keelson, memory } = await company()
    const plan = { subject: 'acme', predicate: 'plan', functional: true }
    const first = await memory.remember({ ...plan, value: 'free' }, { by: me })
    const second = await memory.remember({ ...plan, value: 'pro' }, { by: me })
    const third = await memory.remember({ ...plan, value: 'gold' }, { by: me })
    await memory.revert({ changeSet: second.changeSet! }, { by: me })
    const proposed = await askBack(keelson, third.changeSet!)
    const [item] = await asked(keelson)
    const labels = (item as { preview?: { rows?: { label: string }[] } }).preview?.rows?.map(({ label }) => label)
    expect(labels?.sort()).toEqual([`restore ${first.id}`, `take back ${third.id}`])
    await approve(keelson, item!)
    expect((await memory.facts({ about: 'acme' })).map(({ value }) => value)).toEqual(['free'])
    const { changes } = await memory.changes.get(proposed)
    expect(changes.map(({ did, id }) => [did, id]).sort()).toEqual([
      ['ended', third.id],
      ['reopened', first.id],
    ])
    expect(await memory.revert({ changeSet: proposed }, { by: me })).toMatchObject({ blocked: [] })
    expect((await memory.facts({ about: 'acme' })).map(({ value }) => value)).toEqual(['gold'])
  })

  it('names on the card what of its memories is left out, and why, and keeps that with the set', async () => {
    const { keelson, memory } = await company()
    const fact = (subject: string, value: string) => ({ subject, predicate: 'plan', functional: true, value })
    const [acme, beta] = await memory.remember([fact('acme', 'free'), fact('beta', 'free')], { by: me })
    const [, pro] = await memory.remember([fact('acme', 'pro'), fact('beta', 'pro')], { by: me })
    const { changeSet } = pro!
    const proposed = await askBack(keelson, changeSet!)
    const [first] = await asked(keelson)
    const gold = await memory.remember(fact('acme', 'gold'), { by: me })
    await approve(keelson, first!)
    const [again] = await asked(keelson)
    const out = { label: `left out: take back ${acme!.id}`, after: `${gold.id} has taken its place` }
    expect(again!.preview).toMatchObject({
      rows: expect.arrayContaining([
        expect.objectContaining({ label: `restore ${beta!.id}` }),
        expect.objectContaining(out),
      ]) as unknown,
    })
    expect(again!.shown).not.toContain(`restore ${acme!.id}`)
    await approve(keelson, again!)
    expect((await memory.facts()).map(({ id }) => id).sort()).toEqual([gold.id, beta!.id].sort())
    expect(await memory.changes.get(proposed)).toMatchObject({ status: 'applied', why: `${out.label}: ${out.after}` })
  })
})

describe('a yes to taking back', () => {
  it('holds for what was left out, too: where that is so for another reason by now, it is asked anew', async () => {
    const { keelson, memory } = await company()
    const fact = (subject: string, value: string) => ({ subject, predicate: 'plan', functional: true, value })
    await memory.remember([fact('acme', 'free'), fact('beta', 'free')], { by: me })
    const [, pro] = await memory.remember([fact('acme', 'pro'), fact('beta', 'pro')], { by: me })
    const gold = await memory.remember(fact('acme', 'gold'), { by: me })
    const proposed = await askBack(keelson, pro!.changeSet!)
    const [first] = await asked(keelson)
    expect(first!.shown).toContain(`${gold.id} has taken its place`)
    const silver = await memory.remember(fact('acme', 'silver'), { by: me })
    await approve(keelson, first!)
    const [again] = await asked(keelson)
    expect(again!.shown).toContain(`${silver.id} has taken its place`)
    expect(await memory.changes.get(proposed)).toMatchObject({ status: 'proposed' })
    await approve(keelson, again!)
    expect(await memory.changes.get(proposed)).toMatchObject({ status: 'applied' })
  })
})

describe('an erasure', () => {
  const SECRET = 'The key lies under the blue stone.'

  it('ends what asks to take back a memory that is erased: nothing of it stays in the run that asked', async () => {
    const { keelson, memory } = await company()
    const { id } = await memory.remember({ text: SECRET }, { by: me })
    const { changeSet } = await memory.forget(id, { by: me })
    const proposed = await askBack(keelson, changeSet!)
    expect((await asked(keelson))[0]!.shown).toContain('blue stone')
    const { left } = await memory.erase({ ids: [id] }, { by: me, reason: 'asked' })
    expect(left).toEqual([])
    expect(await memory.changes.get(proposed)).toMatchObject({ ...OVER, why: 'erased: asked' })
    expect(await asked(keelson)).toEqual([])
    expect(JSON.stringify(await keelson.audit.story(`proposal:${proposed}`))).not.toContain('blue stone')
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it.each([true, false])(
    'ends what would bring the erased memory back behind another, shown yet: %s',
    async (isShown) => {
      const { keelson, memory } = await company()
      const key = (value: string) => ({
        subject: 'acme',
        predicate: 'key',
        functional: true,
        value,
        text: `It is ${value}`,
      })
      const first = await memory.remember(key('under the blue stone'), { by: me })
      const second = await memory.remember(key('with Ada'), { by: me })
      const third = await memory.remember(key('lost'), { by: me })
      await memory.revert({ changeSet: second.changeSet! }, { by: me })
      const proposed = await askBack(keelson, third.changeSet!)
      if (isShown) expect((await asked(keelson))[0]!.shown).toContain('blue stone')
      const { left } = await memory.erase({ ids: [first.id] }, { by: me, reason: 'asked' })
      expect(left).toEqual([])
      expect(await memory.changes.get(proposed)).toMatchObject({ ...OVER, why: 'erased: asked' })
      expect(await asked(keelson)).toEqual([])
      expect(JSON.stringify(await keelson.audit.story(`proposal:${proposed}`))).not.toContain('blue stone')
    },
  )

  it('ends what has shown the erased memory, though it would not bring it back any more', async () => {
    const { keelson, memory } = await company()
    const key = (value: string) => ({ subject: 'acme', predicate: 'key', functional: true, value, text: value })
    const first = await memory.remember(key(SECRET), { by: me })
    const second = await memory.remember(key('with Ada'), { by: me })
    const third = await memory.remember(key('lost'), { by: me })
    await memory.revert({ changeSet: second.changeSet! }, { by: me })
    const taken = await written(keelson)
    const proposed = await askBack(keelson, third.changeSet!)
    expect((await asked(keelson))[0]!.shown).toContain('blue stone')
    await memory.revert({ changeSet: taken }, { by: me })
    expect(JSON.stringify(await memory.changes.diff(proposed))).not.toContain('blue stone')
    expect((await memory.erase({ ids: [first.id] }, { by: me, reason: 'asked' })).left).toEqual([])
    expect(await memory.changes.get(proposed)).toMatchObject(OVER)
    expect(JSON.stringify(await keelson.audit.story(`proposal:${proposed}`))).not.toContain('blue stone')
  })

  it('ends what asks to take back a memory that says the same as one that is erased', async () => {
    const { keelson, memory } = await company()
    const { id } = await memory.remember({ text: SECRET }, { by: me })
    const copy = await memory.remember({ text: `Ada says: ${SECRET}` }, { by: me })
    const other = await memory.remember({ text: 'Tea at four.' }, { by: me })
    const [said, else_] = [await askBack(keelson, copy.changeSet!), await askBack(keelson, other.changeSet!)]
    await asked(keelson)
    expect((await memory.erase({ ids: [id] }, { by: me, reason: 'asked' })).left).toEqual([])
    expect(await memory.changes.get(said)).toMatchObject(OVER)
    expect(await memory.changes.get(else_)).toMatchObject({ status: 'proposed' })
  })

  it('ends what asks to take back what was written to an entity of which nothing stays', async () => {
    const { keelson, memory, customers } = await company()
    const [gone, stays] = [await customers.create({ name: 'Acme' }), await customers.create({ name: 'Beta' })]
    const sets = await memory.changes.list({ status: 'applied' })
    const setOf = (id: string) => sets.find(({ changes }) => changes.some((one) => one.id === `customer/${id}`))!.id
    const [first, second] = [await askBack(keelson, setOf(gone.id)), await askBack(keelson, setOf(stays.id))]
    await asked(keelson)
    await customers.erase(gone.id, { reason: 'asked' })
    expect(await memory.changes.get(first)).toMatchObject(OVER)
    expect(await memory.changes.get(second)).toMatchObject({ status: 'proposed' })
  })
})
